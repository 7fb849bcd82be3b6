/* ONNX ops that change shapes, join maps, or leave them as they are. */
#include <string.h>

#include "model/onnx/graph.h"

/* Only what a layer's output can be: itself, (N,features), or (N,C,1,1). */
static rf_status reshape_to(rf_onnx_call *call, rf_onnx_value *x, int rank, const int64_t *dim) {
    int64_t old[4];
    rf_onnx_dims(old, call->build, x);
    if (rank == x->rank && memcmp(dim, old, (size_t)rank * sizeof *dim) == 0) return rf_onnx_pass(call, x);
    if (rank == 2 && dim[0] == old[0]) {
        RF_TRY(rf_onnx_layer_of(call, "flatten", x, NULL));
        call->out.rank = 2;
        return RF_OK;
    }
    if (rank == 4 && x->rank == 2 && old[2] * old[3] == 1 && dim[0] == old[0] && dim[1] == old[1]) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.rank = 4;
        return RF_OK;
    }
    return rf_fail(RF_E_SHAPE, "only reshapes that flatten each image's maps are taken, to (N, features)");
}

static rf_status with_dims(rf_onnx_call *call,
                           rf_status (*dims)(int64_t *, int *, const rf_onnx_call *, const int64_t *, int)) {
    rf_onnx_value *x;
    int64_t old[4], dim[RF_ONNX_MAX_RANK];
    int rank;
    RF_TRY(rf_onnx_first(&x, call));
    rf_onnx_dims(old, call->build, x);
    RF_TRY(dims(dim, &rank, call, old, x->rank));
    return reshape_to(call, x, rank, dim);
}
static rf_status reshape(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_reshape_dims);
}
static rf_status squeeze(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_squeeze_dims);
}
static rf_status unsqueeze(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_unsqueeze_dims);
}

static rf_status shape_of(rf_onnx_call *call) {
    RF_TRY(rf_onnx_force(call, rf_onnx_in(call, 0)));
    return rf_onnx_fold_shape(call);
}

static rf_status flatten(rf_onnx_call *call) {
    rf_onnx_value *x;
    int axis;
    RF_TRY(rf_onnx_first(&x, call));
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 1), x->rank));
    int64_t dim[4];
    rf_onnx_dims(dim, call->build, x);
    for (int i = 2; i < x->rank; i++) dim[1] *= dim[i];
    return axis == 1 ? reshape_to(call, x, 2, dim) : rf_fail(RF_E_INPUT, "axis %d; 1 is what is taken", axis);
}

/* The mean over space is global pooling. */
static rf_status mean(rf_onnx_call *call) {
    rf_onnx_value *x;
    int64_t axes[RF_ONNX_MAX_RANK];
    int count, axis, bits = 0;
    RF_TRY(rf_onnx_first_map(&x, call));
    RF_TRY(rf_onnx_list(axes, &count, call, "axes", 1));
    for (int i = 0; i < count; i++) {
        RF_TRY(rf_onnx_axis(&axis, axes[i], 4));
        bits |= 1 << axis;
    }
    if (bits != (1 << 2 | 1 << 3)) return rf_fail(RF_E_INPUT, "only the mean over height and width is taken");
    RF_TRY(rf_onnx_layer_of(call, "adaptive_avg_pool", x, NULL));
    if (rf_onnx_int(call->node, "keepdims", 1) != 0) return RF_OK;
    const rf_onnx_value pooled = call->out;
    RF_TRY(rf_onnx_layer_of(call, "flatten", &pooled, NULL));
    call->out.rank = 2;
    return RF_OK;
}

static rf_status identity(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_MASK) return rf_onnx_pass(call, x);
    RF_TRY(rf_onnx_first(&x, call));
    return rf_onnx_pass(call, x);
}

static rf_status cast_like(rf_onnx_call *call) {
    return rf_onnx_constant_in(call, 0) != NULL ? rf_onnx_fold_cast(call) : identity(call);
}

/* How many inputs of the last Concat are the first of this one, in its order. */
static size_t in_common(const rf_onnx_call *call) {
    const Onnx__NodeProto *last = call->build->last_concat, *node = call->node;
    if (last == NULL || last->n_input >= node->n_input) return 0;
    for (size_t i = 0; i < last->n_input; i++)
        if (strcmp(last->input[i], node->input[i]) != 0) return 0;
    return last->n_input;
}

/* More inputs than the layer takes are joined in turn. */
static rf_status concat(rf_onnx_call *call) {
    rf_onnx_layer layer = {.op = rf_op_find("concat")};
    rf_onnx_value *x;
    int axis;
    RF_TRY(rf_onnx_first(&x, call));
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 1), x->rank));
    if (axis != 1) return rf_fail(RF_E_INPUT, "axis %d; channels, 1, are what is taken", axis);
    if (call->node->n_input == 1) return rf_onnx_pass(call, x);
    size_t done = in_common(call);
    if (done > 0) { /* its output stands for them */
        const char *name = call->build->last_concat->output[0];
        const int at = rf_names_find(&call->build->names, name, strlen(name));
        layer.input[layer.inputs++] = call->build->values[at].layer;
    }
    for (; done < call->node->n_input; done++) {
        rf_onnx_value *other = rf_onnx_in(call, done);
        RF_TRY(rf_onnx_force(call, other));
        if (layer.inputs == RF_MAX_INPUTS) {
            RF_TRY(rf_onnx_layer_add(call, &layer, x->rank));
            layer.input[0] = call->out.layer;
            layer.inputs = 1;
        }
        layer.input[layer.inputs++] = other->layer;
    }
    call->build->last_concat = call->node;
    return rf_onnx_layer_add(call, &layer, x->rank);
}

/* ---- the table ---- */

const rf_onnx_op rf_onnx_shape_ops[] = {
    {"Cast", 1, " to saturate ", rf_onnx_fold_cast, identity},
    {"CastLike", 2, " saturate ", rf_onnx_fold_cast, cast_like},
    {"Concat", 1, " axis ", rf_onnx_fold_concat, concat},
    {"Flatten", 1, " axis ", .lower = flatten},
    {"Identity", 1, " ", rf_onnx_fold_identity, identity},
    {"ReduceMean", 1, " axes keepdims noop_with_empty_axes ", .lower = mean},
    {"Reshape", 2, " allowzero ", rf_onnx_fold_reshape, reshape},
    {"Shape", 1, " start end ", rf_onnx_fold_shape, shape_of},
    {"Squeeze", 1, " axes ", rf_onnx_fold_squeeze, squeeze},
    {"Unsqueeze", 1, " axes ", rf_onnx_fold_unsqueeze, unsqueeze},
    {NULL},
};
