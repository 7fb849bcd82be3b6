/* ONNX ops that add and multiply: layers' outputs, biases of the layer before, parts of an activation. */
#include <math.h>
#include <string.h>

#include "model/onnx/graph.h"

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
        if (number == 1) return rf_onnx_wait(call, x, RF_ONNX_NORMAL, 1);
    } else if (x->form == RF_ONNX_LAYER && x->readers == 1 && is_per_channel(constant, x->producer)) {
        rf_onnx_call producer = {.build = call->build, .node = x->producer};
        RF_TRY(rf_onnx_add_weighted(&producer, constant));
        return rf_onnx_pass(call, &producer.out);
    }
    return rf_fail(RF_E_INPUT,
                   "the sum with a constant is taken as a layer's bias only; images are normalised by --mean "
                   "and --std, not in the network");
}

/* GELU is whole when its factor is 1/2. */
static rf_status gelu_part(rf_onnx_call *call, const rf_onnx_value *x, double factor) {
    return fabs(factor - 0.5) < 1e-6 ? rf_onnx_layer_of(call, "gelu", x, NULL)
                                     : rf_onnx_wait(call, x, RF_ONNX_GELU, factor);
}

static rf_status scale(rf_onnx_call *call, rf_onnx_value *x, double factor) {
    switch (x->form) {
    case RF_ONNX_SCALED:
    case RF_ONNX_NORMAL:
        return rf_onnx_wait(call, x, x->form, x->factor * factor);
    case RF_ONNX_GELU:
        return gelu_part(call, x, x->factor * factor);
    default:
        RF_TRY(rf_onnx_force(call, x));
        return factor == 1 ? rf_onnx_pass(call, x) : rf_onnx_wait(call, x, RF_ONNX_SCALED, factor);
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
        if (x->form == RF_ONNX_SIGMOID && times(other) == 1) return rf_onnx_layer_of(call, "silu", x, NULL);
        if (x->form == RF_ONNX_HARD_SIGMOID && times(other) == 1)
            return rf_onnx_layer_of(call, "hard_swish", x, NULL);
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
        RF_TRY(rf_onnx_pass(call, x));
        call->out.form = RF_ONNX_SHARE;
        return RF_OK;
    }
    return scale(call, rf_onnx_in(call, 0), 1 / divisor);
}

/* ---- of constants ---- */

static double sum(double a, double b) {
    return a + b;
}
static double product(double a, double b) {
    return a * b;
}
static double quotient(double a, double b) {
    return a / b;
}

/* ---- the table ---- */

const rf_onnx_op rf_onnx_arithmetic_ops[] = {
    {"Add", 2, " ", rf_onnx_fold_binary, add, .binary = sum},
    {"Div", 2, " ", rf_onnx_fold_binary, divide, .binary = quotient},
    {"Mul", 2, " ", rf_onnx_fold_binary, multiply, .binary = product},
    {"Sum", 1, " ", .lower = add_layers},
    {NULL},
};
