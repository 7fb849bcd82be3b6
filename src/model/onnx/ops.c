/* The ONNX ops that are taken: a row each, with its handler. */
#include <math.h>
#include <string.h>

#include "model/onnx/graph.h"

/* ---- helpers ---- */

/* The first input as a layer's output. */
static rf_status first(rf_onnx_value **x, rf_onnx_call *call) {
    *x = rf_onnx_in(call, 0);
    return rf_onnx_force(call, *x);
}

static rf_status map_of(rf_onnx_value **x, rf_onnx_call *call) {
    RF_TRY(first(x, call));
    if ((*x)->rank == 4) return RF_OK;
    return rf_fail(RF_E_SHAPE, "its input is flat, (N,features); it needs maps, (N,C,H,W)");
}

static rf_status pass(rf_onnx_call *call, const rf_onnx_value *x) {
    call->out = *x;
    return RF_OK;
}

/* A layer of one input. */
static rf_status layer_of(rf_onnx_call *call, const char *op, const rf_onnx_value *x, const rf_attrs *attrs) {
    rf_onnx_layer layer = {.op = rf_op_find(op), .inputs = 1, .input = {x->layer}};
    if (attrs != NULL)
        layer.attrs = *attrs;
    else
        rf_attrs_default(&layer.attrs, layer.op);
    return rf_onnx_layer_add(call, &layer, x->rank);
}

/* A form of x that waits for the next op. */
static rf_status wait(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_form form, double factor) {
    call->out = (rf_onnx_value){
        .form = form, .layer = x->layer, .rank = x->rank, .factor = factor, .producer = call->node};
    return RF_OK;
}

/* ---- activations ---- */

/* An op that is a layer of ours, without attributes. */
static rf_status plain(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(first(&x, call));
    return layer_of(call, call->op->layer, x, NULL);
}

static rf_status leaky_relu(rf_onnx_call *call) {
    rf_onnx_value *x;
    const rf_attrs attrs = {.slope = rf_onnx_float(call->node, "alpha", 0.01)};
    RF_TRY(first(&x, call));
    return layer_of(call, "leaky_relu", x, &attrs);
}

static rf_status gelu(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(first(&x, call));
    if (rf_onnx_text_is(call->node, "approximate", "tanh"))
        return rf_fail(RF_E_INPUT, "the approximation by tanh is not among those taken; use the exact GELU");
    return layer_of(call, "gelu", x, NULL);
}

/* Times x it is hard-swish. */
static rf_status hard_sigmoid(rf_onnx_call *call) {
    rf_onnx_value *x;
    const double alpha = rf_onnx_float(call->node, "alpha", 0.2),
                 beta = rf_onnx_float(call->node, "beta", 0.5);
    RF_TRY(first(&x, call));
    if (fabs(alpha - 1.0 / 6) > 1e-6 || beta != 0.5)
        return rf_fail(RF_E_INPUT, "alpha %g and beta %g; PyTorch's, 1/6 and 1/2, are what is taken", alpha,
                       beta);
    return wait(call, x, RF_ONNX_HARD_SIGMOID, 1);
}

static rf_status sigmoid(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(first(&x, call));
    return wait(call, x, RF_ONNX_SIGMOID, 1);
}

/* The bounds are inputs, attributes before opset 11. */
static rf_status clip_bound(double *bound, const rf_onnx_call *call, const char *attribute, size_t input,
                            double absent) {
    *bound = rf_onnx_float(call->node, attribute, absent);
    return rf_onnx_in(call, input) != NULL
               ? rf_onnx_scalar(bound, call->build, rf_onnx_constant_in(call, input))
               : RF_OK;
}

static rf_status clip(rf_onnx_call *call) {
    rf_onnx_value *x;
    double low, high;
    RF_TRY(clip_bound(&low, call, "min", 1, -INFINITY));
    RF_TRY(clip_bound(&high, call, "max", 2, INFINITY));
    RF_TRY(first(&x, call));
    if (low == 0 && high == 6) return layer_of(call, "relu6", x, NULL);
    if (low == 0 && high > 3e38) return layer_of(call, "relu", x, NULL);
    return rf_fail(RF_E_INPUT, "limits %g and %g: 0 and 6 (ReLU6), or 0 and none (ReLU) are what is taken",
                   low, high);
}

static rf_status error_function(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_SCALED && fabs(x->factor - 0.70710678118) < 1e-5)
        return wait(call, x, RF_ONNX_ERF, 1);
    return rf_fail(RF_E_INPUT, "it is taken as a part of GELU only, x (1 + erf(x / sqrt(2))) / 2");
}

/* Only what a loss computes itself may be left out: the last. */
static rf_status softmax(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(first(&x, call));
    const int64_t axis = rf_onnx_int(call->node, "axis", -1);
    if (axis != 1 && axis != -1) return rf_fail(RF_E_INPUT, "axis %lld", (long long)axis);
    return wait(call, x, RF_ONNX_SCORES, 1);
}

/* ---- sums and products ---- */

static bool same_shape(const rf_onnx_call *call, const rf_onnx_value *a, const rf_onnx_value *b) {
    int64_t da[4], db[4];
    rf_onnx_dims(da, call->build, a);
    rf_onnx_dims(db, call->build, b);
    return a->rank == b->rank && memcmp(da, db, (size_t)a->rank * sizeof *da) == 0;
}

static rf_status add_layers(rf_onnx_call *call) {
    rf_onnx_layer layer = {.op = rf_op_find("add")};
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (call->node->n_input > RF_MAX_INPUTS)
        return rf_fail(RF_E_INPUT, "%zu inputs; %d are the most", call->node->n_input, RF_MAX_INPUTS);
    for (size_t i = 0; i < call->node->n_input; i++) {
        rf_onnx_value *other = rf_onnx_in(call, i);
        RF_TRY(rf_onnx_force(call, other));
        if (!same_shape(call, x, other))
            return rf_fail(
                RF_E_SHAPE,
                "inputs 1 and %zu are of different shapes: broadcasting is not among what is taken", i + 1);
        layer.input[layer.inputs++] = other->layer;
    }
    return rf_onnx_layer_add(call, &layer, x->rank);
}

/* Whether a constant broadcasts to a layer's output as its bias does: (C,1,1) to maps, (C) to flat ones. */
static bool is_per_channel(const rf_onnx_tensor *constant, const Onnx__NodeProto *layer) {
    const int axis = constant->rank - (strcmp(layer->op_type, "Conv") == 0 ? 3 : 1);
    return axis >= 0 && (size_t)constant->dim[axis] == constant->count;
}

static rf_status add(rf_onnx_call *call) {
    rf_onnx_tensor *a = rf_onnx_constant_in(call, 0),
                   *constant = a != NULL ? a : rf_onnx_constant_in(call, 1);
    rf_onnx_value *x = rf_onnx_in(call, a != NULL ? 1 : 0);
    double number;
    if (constant == NULL) return add_layers(call);
    if (x->form == RF_ONNX_ERF) {
        RF_TRY(rf_onnx_scalar(&number, call->build, constant));
        if (number == 1) return wait(call, x, RF_ONNX_NORMAL, 1);
    } else if (x->form == RF_ONNX_LAYER && x->readers == 1 && is_per_channel(constant, x->producer)) {
        rf_onnx_call producer = {.build = call->build, .node = x->producer};
        RF_TRY(rf_onnx_add_weighted(&producer, constant));
        return pass(call, &producer.out);
    }
    return rf_fail(RF_E_INPUT,
                   "the sum with a constant is taken as a layer's bias only; images are normalised by --mean "
                   "and --std, not in the network");
}

/* GELU is whole when its factor is 1/2. */
static rf_status gelu_part(rf_onnx_call *call, const rf_onnx_value *x, double factor) {
    return fabs(factor - 0.5) < 1e-6 ? layer_of(call, "gelu", x, NULL) : wait(call, x, RF_ONNX_GELU, factor);
}

static rf_status scale(rf_onnx_call *call, rf_onnx_value *x, double factor) {
    switch (x->form) {
    case RF_ONNX_SCALED:
    case RF_ONNX_NORMAL:
        return wait(call, x, x->form, x->factor * factor);
    case RF_ONNX_GELU:
        return gelu_part(call, x, x->factor * factor);
    default:
        RF_TRY(rf_onnx_force(call, x));
        return factor == 1 ? pass(call, x) : wait(call, x, RF_ONNX_SCALED, factor);
    }
}

/* x as a number of times a layer's output; 0: it is none. */
static double times(const rf_onnx_value *x) {
    return x->form == RF_ONNX_MAP ? 1 : x->form == RF_ONNX_SCALED ? x->factor : 0;
}

static rf_status multiply_layers(rf_onnx_call *call) {
    rf_onnx_value *x[2] = {rf_onnx_in(call, 0), rf_onnx_in(call, 1)};
    int64_t dim[2][4];
    for (int i = 0; i < 2; i++) {
        RF_TRY(rf_onnx_force(call, x[i]));
        rf_onnx_dims(dim[i], call->build, x[i]);
    }
    if (x[0]->rank != x[1]->rank)
        return rf_fail(RF_E_SHAPE, "its inputs have %d and %d dimensions", x[0]->rank, x[1]->rank);
    const int larger = dim[1][2] * dim[1][3] > dim[0][2] * dim[0][3];
    const rf_onnx_layer layer = {
        .op = rf_op_find("multiply"), .inputs = 2, .input = {x[larger]->layer, x[1 - larger]->layer}};
    return rf_onnx_layer_add(call, &layer, x[larger]->rank);
}

static rf_status multiply(rf_onnx_call *call) {
    for (size_t i = 0; i < 2; i++) {
        rf_onnx_value *x = rf_onnx_in(call, i), *other = rf_onnx_in(call, 1 - i);
        rf_onnx_tensor *constant = rf_onnx_constant_in(call, 1 - i);
        double factor;
        if (x->form == RF_ONNX_MASK || x->form == RF_ONNX_SHARE) return rf_onnx_apply_mask(call, other, x);
        if (constant != NULL) {
            RF_TRY(rf_onnx_scalar(&factor, call->build, constant));
            return scale(call, x, factor);
        }
        if (other->layer != x->layer || times(other) == 0) continue;
        if (x->form == RF_ONNX_SIGMOID && times(other) == 1) return layer_of(call, "silu", x, NULL);
        if (x->form == RF_ONNX_HARD_SIGMOID && times(other) == 1)
            return layer_of(call, "hard_swish", x, NULL);
        if (x->form == RF_ONNX_NORMAL) return gelu_part(call, x, x->factor * times(other));
    }
    return multiply_layers(call);
}

static rf_status divide(rf_onnx_call *call) {
    double divisor;
    if (rf_onnx_constant_in(call, 1) == NULL)
        return rf_fail(RF_E_INPUT, "a quotient is taken as a part of GELU only");
    RF_TRY(rf_onnx_scalar(&divisor, call->build, rf_onnx_constant_in(call, 1)));
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_MASK && fabs(divisor - x->factor) < 1e-6) {
        RF_TRY(pass(call, x));
        call->out.form = RF_ONNX_SHARE;
        return RF_OK;
    }
    return scale(call, rf_onnx_in(call, 0), 1 / divisor);
}

/* ---- windows ---- */

/* Padding waits for the convolution or pooling that reads it. */
static rf_status pad(rf_onnx_call *call) {
    rf_onnx_value *x;
    int64_t pads[RF_ONNX_MAX_RANK];
    int count;
    double value = rf_onnx_float(call->node, "value", 0);
    RF_TRY(map_of(&x, call));
    RF_TRY(rf_onnx_list(pads, &count, call, "pads", 1));
    if (rf_onnx_in(call, 2) != NULL)
        RF_TRY(rf_onnx_scalar(&value, call->build, rf_onnx_constant_in(call, 2)));
    if (rf_onnx_attribute(call->node, "mode") != NULL && !rf_onnx_text_is(call->node, "mode", "constant"))
        return rf_fail(RF_E_INPUT, "only padding with zeros is taken");
    if (count != 8 || value != 0 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0 ||
        pads[2] != pads[6] || pads[3] != pads[7] || pads[2] < 0 || pads[3] < 0 || pads[2] > 1 << 20 ||
        pads[3] > 1 << 20)
        return rf_fail(RF_E_INPUT,
                       "only padding with zeros, as much above as below, and left as right, is taken");
    if (pads[2] == 0 && pads[3] == 0) return pass(call, x);
    RF_TRY(wait(call, x, RF_ONNX_PADDED, 1));
    call->out.pad = rf_onnx_pair(pads + 2);
    return RF_OK;
}

/* Average pooling has neither a last window that is cut off nor dilation. */
static rf_status check_average(const rf_onnx_call *call, const rf_onnx_value *x, const rf_onnx_window *w,
                               bool up) {
    int64_t dim[4];
    rf_onnx_dims(dim, call->build, x);
    for (int i = 0; i < 2; i++) {
        if (w->dilation[i] != 1) return rf_fail(RF_E_INPUT, "dilation is not among what is taken");
        if (up && (dim[i + 2] + 2 * w->pad[i] - w->kernel[i]) % w->stride[i] != 0)
            return rf_fail(RF_E_SHAPE,
                           "ceil_mode on %lldx%lld: a last window that is cut off is not among what is taken",
                           (long long)dim[2], (long long)dim[3]);
    }
    return RF_OK;
}

static rf_status pool(rf_onnx_call *call, const char *op, bool counts_pad) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    rf_onnx_window w;
    const bool padded = x->form == RF_ONNX_PADDED && counts_pad;
    if (!padded) RF_TRY(map_of(&x, call));
    RF_TRY(rf_onnx_window_pair(w.kernel, call, "kernel_shape", 0));
    RF_TRY(rf_onnx_window_read(&w, call, x));
    const bool up = rf_onnx_int(call->node, "ceil_mode", 0) != 0;
    if (strcmp(op, "avg_pool") == 0) RF_TRY(check_average(call, x, &w, up));
    const rf_attrs attrs = {.kernel = rf_onnx_pair(w.kernel),
                            .stride = rf_onnx_pair(w.stride),
                            .dilation = rf_onnx_pair(w.dilation),
                            .pad = rf_onnx_pair(w.pad),
                            .count_pad = counts_pad,
                            .ceil = up};
    const bool nothing = w.kernel[0] == 1 && w.kernel[1] == 1 && w.stride[0] == 1 && w.stride[1] == 1 &&
                         w.pad[0] == 0 && w.pad[1] == 0;
    return nothing ? pass(call, x) : layer_of(call, op, x, &attrs);
}

static rf_status max_pool(rf_onnx_call *call) {
    return pool(call, "max_pool", false);
}

static rf_status average_pool(rf_onnx_call *call) {
    return pool(call, "avg_pool", rf_onnx_int(call->node, "count_include_pad", 0) != 0);
}

static rf_status global_average_pool(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(map_of(&x, call));
    return layer_of(call, "adaptive_avg_pool", x, NULL);
}

static rf_status global_max_pool(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(map_of(&x, call));
    const rf_shape shape = call->build->model->nodes[x->layer].shape;
    const rf_attrs attrs = {.kernel = {shape.h, shape.w}, .stride = {1, 1}, .dilation = {1, 1}};
    return layer_of(call, "max_pool", x, &attrs);
}

/* ---- shapes ---- */

/* Only what a layer's output can be: itself, (N,features), or (N,C,1,1). */
static rf_status reshape_to(rf_onnx_call *call, rf_onnx_value *x, int rank, const int64_t *dim) {
    int64_t old[4];
    rf_onnx_dims(old, call->build, x);
    if (rank == x->rank && memcmp(dim, old, (size_t)rank * sizeof *dim) == 0) return pass(call, x);
    if (rank == 2 && dim[0] == old[0]) {
        RF_TRY(layer_of(call, "flatten", x, NULL));
        call->out.rank = 2;
        return RF_OK;
    }
    if (rank == 4 && x->rank == 2 && old[2] * old[3] == 1 && dim[0] == old[0] && dim[1] == old[1]) {
        RF_TRY(pass(call, x));
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
    RF_TRY(first(&x, call));
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
    RF_TRY(first(&x, call));
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
    RF_TRY(map_of(&x, call));
    RF_TRY(rf_onnx_list(axes, &count, call, "axes", 1));
    for (int i = 0; i < count; i++) {
        RF_TRY(rf_onnx_axis(&axis, axes[i], 4));
        bits |= 1 << axis;
    }
    if (bits != (1 << 2 | 1 << 3)) return rf_fail(RF_E_INPUT, "only the mean over height and width is taken");
    RF_TRY(layer_of(call, "adaptive_avg_pool", x, NULL));
    if (rf_onnx_int(call->node, "keepdims", 1) != 0) return RF_OK;
    const rf_onnx_value pooled = call->out;
    RF_TRY(layer_of(call, "flatten", &pooled, NULL));
    call->out.rank = 2;
    return RF_OK;
}

static rf_status identity(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_MASK) return pass(call, x);
    RF_TRY(first(&x, call));
    return pass(call, x);
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
    RF_TRY(first(&x, call));
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 1), x->rank));
    if (axis != 1) return rf_fail(RF_E_INPUT, "axis %d; channels, 1, are what is taken", axis);
    if (call->node->n_input == 1) return pass(call, x);
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

/* ---- layers with parameters ---- */

/* Without a bias of its own the layer waits for a sum with a constant. */
static rf_status weighted(rf_onnx_call *call, const rf_onnx_value *x) {
    rf_onnx_tensor *bias = rf_onnx_constant_in(call, 2);
    if (rf_onnx_in(call, 2) != NULL && bias == NULL) return rf_fail(RF_E_INPUT, "its bias is no constant");
    RF_TRY(rf_onnx_real_bias(&bias, call));
    return bias != NULL ? rf_onnx_add_weighted(call, bias) : wait(call, x, RF_ONNX_LAYER, 1);
}

static rf_status conv(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x == NULL || x->form != RF_ONNX_PADDED) RF_TRY(map_of(&x, call));
    return weighted(call, x);
}

static rf_status linear(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(first(&x, call));
    if (x->rank != 2) return rf_fail(RF_E_INPUT, "its input has 4 dimensions: flatten it first");
    if (rf_onnx_float(call->node, "alpha", 1) != 1 || rf_onnx_float(call->node, "beta", 1) != 1 ||
        rf_onnx_int(call->node, "transA", 0) != 0)
        return rf_fail(RF_E_INPUT, "alpha and beta other than 1, or a transposed input");
    return weighted(call, x);
}

static rf_status batch_norm(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(first(&x, call));
    rf_onnx_layer layer = {
        .op = rf_op_find("batch_norm"),
        .attrs = {.eps = rf_onnx_float(call->node, "epsilon", 1e-5),
                  /* PyTorch's is the weight of what is new, in ONNX it is that of what is old */
                  .momentum = round((1 - rf_onnx_float(call->node, "momentum", 0.9)) * 1e6) / 1e6},
        .inputs = 1,
        .input = {x->layer}};
    for (size_t i = 0; i < 4; i++)
        if ((layer.param[i] = rf_onnx_constant_in(call, i + 1)) == NULL)
            return rf_fail(RF_E_INPUT, "input %zu is no constant", i + 2);
    return rf_onnx_layer_add(call, &layer, x->rank);
}

static rf_status dropout(rf_onnx_call *call) {
    rf_onnx_value *x;
    rf_attrs attrs = {.p = rf_onnx_float(call->node, "ratio", 0.5)};
    RF_TRY(first(&x, call));
    if (rf_onnx_in(call, 1) != NULL) {
        RF_TRY(rf_onnx_scalar(&attrs.p, call->build, rf_onnx_constant_in(call, 1)));
        attrs.p = round(attrs.p * 1e6) / 1e6;
    }
    return attrs.p == 0 ? pass(call, x) : layer_of(call, "dropout", x, &attrs);
}

/* ---- the table ---- */

static double sum(double a, double b) {
    return a + b;
}
static double difference(double a, double b) {
    return a - b;
}
static double product(double a, double b) {
    return a * b;
}
static double quotient(double a, double b) {
    return a / b;
}
static double equal(double a, double b) {
    return a == b;
}
static double negative(double a) {
    return -a;
}
static double reciprocal(double a) {
    return 1 / a;
}

#define CONTROL "export without control flow"
#define FLOAT32 "export the network in float32, before it is quantised"
#define WINDOW  " auto_pad dilations kernel_shape pads strides "

static const rf_onnx_op ops[] = {
    /* layers */
    {"AveragePool", 1, WINDOW "ceil_mode count_include_pad ", .lower = average_pool},
    {"BatchNormalization", 5, " epsilon momentum training_mode ", .lower = batch_norm},
    {"Clip", 1, " min max ", .lower = clip},
    {"Conv", 2, WINDOW "group ", .lower = conv},
    {"Dropout", 1, " ratio seed ", .lower = dropout},
    {"Erf", 1, " ", .lower = error_function},
    {"Flatten", 1, " axis ", .lower = flatten},
    {"Gelu", 1, " approximate ", .lower = gelu},
    {"Gemm", 2, " alpha beta transA transB ", .lower = linear},
    {"GlobalAveragePool", 1, " ", .lower = global_average_pool},
    {"GlobalMaxPool", 1, " ", .lower = global_max_pool},
    {"HardSigmoid", 1, " alpha beta ", .lower = hard_sigmoid},
    {"HardSwish", 1, " ", .lower = plain, .layer = "hard_swish"},
    {"LeakyRelu", 1, " alpha ", .lower = leaky_relu},
    {"Less", 2, " ", .lower = rf_onnx_less},
    {"LogSoftmax", 1, " axis ", .lower = softmax},
    {"MatMul", 2, " ", .lower = linear},
    {"MaxPool", 1, WINDOW "ceil_mode storage_order ", .lower = max_pool},
    {"Pad", 1, " mode pads value ", .lower = pad},
    {"RandomUniformLike", 1, " high low seed dtype ", .fold = rf_onnx_random, .lower = rf_onnx_random},
    {"ReduceMean", 1, " axes keepdims noop_with_empty_axes ", .lower = mean},
    {"Relu", 1, " ", .lower = plain, .layer = "relu"},
    {"Sigmoid", 1, " ", .lower = sigmoid},
    {"Softmax", 1, " axis ", .lower = softmax},
    {"Sum", 1, " ", .lower = add_layers},
    {"Tanh", 1, " ", .lower = plain, .layer = "tanh"},
    /* of constants, and some of both */
    {"Add", 2, " ", rf_onnx_fold_binary, add, .binary = sum},
    {"Cast", 1, " to saturate ", rf_onnx_fold_cast, identity},
    {"CastLike", 2, " saturate ", rf_onnx_fold_cast, cast_like},
    {"Ceil", 1, " ", rf_onnx_fold_unary, .unary = ceil},
    {"Concat", 1, " axis ", rf_onnx_fold_concat, concat},
    {"Constant", 0, NULL, rf_onnx_fold_constant},
    {"ConstantOfShape", 1, " value ", rf_onnx_fold_fill},
    {"Div", 2, " ", rf_onnx_fold_binary, divide, .binary = quotient},
    {"Equal", 2, " ", rf_onnx_fold_binary, .binary = equal},
    {"Expand", 2, " ", rf_onnx_fold_expand},
    {"Floor", 1, " ", rf_onnx_fold_unary, .unary = floor},
    {"Gather", 2, " axis ", rf_onnx_fold_gather},
    {"Identity", 1, " ", rf_onnx_fold_identity, identity},
    {"Max", 2, " ", rf_onnx_fold_binary, .binary = fmax},
    {"Min", 2, " ", rf_onnx_fold_binary, .binary = fmin},
    {"Mul", 2, " ", rf_onnx_fold_binary, multiply, .binary = product},
    {"Neg", 1, " ", rf_onnx_fold_unary, .unary = negative},
    {"Pow", 2, " ", rf_onnx_fold_binary, .binary = pow},
    {"Range", 3, " ", rf_onnx_fold_range},
    {"Reciprocal", 1, " ", rf_onnx_fold_unary, .unary = reciprocal},
    {"Reshape", 2, " allowzero ", rf_onnx_fold_reshape, reshape},
    {"Shape", 1, " start end ", rf_onnx_fold_shape, shape_of},
    {"Slice", 1, " starts ends axes ", rf_onnx_fold_slice},
    {"Sqrt", 1, " ", rf_onnx_fold_unary, .unary = sqrt},
    {"Squeeze", 1, " axes ", rf_onnx_fold_squeeze, squeeze},
    {"Sub", 2, " ", rf_onnx_fold_binary, .binary = difference},
    {"Transpose", 1, " perm ", rf_onnx_fold_transpose},
    {"Unsqueeze", 1, " axes ", rf_onnx_fold_unsqueeze, unsqueeze},
    {"Where", 3, " ", rf_onnx_fold_where},
    /* not taken */
    {"DequantizeLinear", .advice = FLOAT32},
    {"If", .advice = CONTROL},
    {"Loop", .advice = CONTROL},
    {"QLinearConv", .advice = FLOAT32},
    {"QuantizeLinear", .advice = FLOAT32},
    {"Scan", .advice = CONTROL},
};

const rf_onnx_op *rf_onnx_op_find(const char *name) {
    for (size_t i = 0; i < RF_COUNT(ops); i++)
        if (strcmp(ops[i].name, name) == 0) return &ops[i];
    return NULL;
}
