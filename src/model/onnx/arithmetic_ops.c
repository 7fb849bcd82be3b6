/* ONNX ops of arithmetic: of layers' outputs; and weights, biases, and parts of activations and norms. */
#include <math.h>
#include <string.h>

#include "model/onnx/graph.h"

static bool same_shape(const rf_onnx_call *call, const rf_onnx_value *a, const rf_onnx_value *b) {
    int64_t da[RF_ONNX_MAX_RANK], db[RF_ONNX_MAX_RANK];
    rf_onnx_dims(da, call->build, a);
    rf_onnx_dims(db, call->build, b);
    return a->rank == b->rank && a->channels_last == b->channels_last &&
           memcmp(da, db, (size_t)a->rank * sizeof *da) == 0;
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
    return rf_onnx_layer_add(call, &layer, x);
}

/* Whether a constant broadcasts to x as one number a channel: (C,1,1) to maps, (C) where the channels are last. */
static bool is_per_channel(const rf_onnx_tensor *constant, const rf_onnx_value *x) {
    const int axis = constant->rank - (x->rank - rf_onnx_channel_axis(x));
    return axis >= 0 && (size_t)constant->dim[axis] == constant->count;
}

static rf_status add_constant(rf_onnx_call *call, rf_onnx_value *x, rf_onnx_tensor *constant) {
    double number;
    if (x->form == RF_ONNX_LAYER && x->readers == 1 && is_per_channel(constant, x)) {
        rf_onnx_call producer = {.build = call->build, .node = x->producer};
        RF_TRY(rf_onnx_add_weighted(&producer, constant));
        return rf_onnx_pass(call, &producer.out);
    }
    if (x->form == RF_ONNX_NORMED && x->constant != NULL && is_per_channel(constant, x))
        return rf_onnx_add_norm(call, x, constant);
    if (x->form == RF_ONNX_ERF || x->form == RF_ONNX_VARIANCE) {
        RF_TRY(rf_onnx_scalar(&number, call->build, constant));
        if (x->form == RF_ONNX_VARIANCE) return rf_onnx_wait(call, x, RF_ONNX_VARIANCE, x->factor + number);
        if (number == 1) return rf_onnx_wait(call, x, RF_ONNX_NORMAL, 1);
    }
    return rf_fail(
        RF_E_INPUT,
        "the sum with a constant is taken as a layer's or norm's bias only; images are normalised by "
        "--mean and --std, not in the network");
}

static rf_status add(rf_onnx_call *call) {
    for (size_t i = 0; i < 2; i++)
        if (rf_onnx_constant_in(call, i) != NULL)
            return add_constant(call, rf_onnx_in(call, 1 - i), rf_onnx_constant_in(call, i));
    return add_layers(call);
}

/* x minus its mean. */
static rf_status subtract(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0), *mean = rf_onnx_in(call, 1);
    if (x->form == RF_ONNX_MAP && mean->form == RF_ONNX_MEAN && x->layer == mean->layer)
        return rf_onnx_wait(call, x, RF_ONNX_CENTRED, 1);
    return rf_fail(RF_E_INPUT, "a difference is taken as a part of layer norm only");
}

static rf_status power(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    double exponent;
    RF_TRY(rf_onnx_scalar(&exponent, call->build, rf_onnx_constant_in(call, 1)));
    if (x->form == RF_ONNX_CENTRED && exponent == 2) return rf_onnx_wait(call, x, RF_ONNX_SQUARED, 1);
    return rf_fail(RF_E_INPUT, "a power is taken as a part of layer norm only");
}

static rf_status square_root(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_VARIANCE) return rf_onnx_wait(call, x, RF_ONNX_DEVIATION, x->factor);
    return rf_fail(RF_E_INPUT, "a root is taken as a part of layer norm only");
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

/* Times a learned number a channel: a norm's weight, or a layer of its own. */
static rf_status scale_channels(rf_onnx_call *call, rf_onnx_value *x, rf_onnx_tensor *constant) {
    if (constant->name == NULL || !is_per_channel(constant, x))
        return rf_fail(RF_E_INPUT,
                       "the product with a constant is taken where that is a parameter of one number a "
                       "channel, or one number");
    if (x->form == RF_ONNX_NORMED && x->constant == NULL) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.constant = constant;
        return RF_OK;
    }
    RF_TRY(rf_onnx_force(call, x));
    const rf_onnx_layer layer = {.op = rf_op_find("scale"),
                                 .attrs = {.init = 1},
                                 .inputs = 1,
                                 .input = {x->layer},
                                 .param = {constant}};
    return rf_onnx_layer_add(call, &layer, x);
}

/* x as a number of times a layer's output; 0: it is none. */
static double times(const rf_onnx_value *x) {
    return x->form == RF_ONNX_MAP ? 1 : x->form == RF_ONNX_SCALED ? x->factor : 0;
}

static rf_status multiply_layers(rf_onnx_call *call) {
    rf_onnx_value *x[2] = {rf_onnx_in(call, 0), rf_onnx_in(call, 1)};
    size_t pixels[2];
    for (int i = 0; i < 2; i++) {
        RF_TRY(rf_onnx_force(call, x[i]));
        pixels[i] = rf_shape_pixels(call->build->model->nodes[x[i]->layer].shape);
    }
    if (x[0]->rank != x[1]->rank)
        return rf_fail(RF_E_SHAPE, "its inputs have %d and %d dimensions", x[0]->rank, x[1]->rank);
    if (x[0]->channels_last != x[1]->channels_last)
        return rf_fail(RF_E_SHAPE, "one of its inputs has the channels last, the other has not");
    const int larger = pixels[1] > pixels[0];
    const rf_onnx_layer layer = {
        .op = rf_op_find("multiply"), .inputs = 2, .input = {x[larger]->layer, x[1 - larger]->layer}};
    return rf_onnx_layer_add(call, &layer, x[larger]);
}

static rf_status multiply(rf_onnx_call *call) {
    for (size_t i = 0; i < 2; i++) {
        rf_onnx_value *x = rf_onnx_in(call, i), *other = rf_onnx_in(call, 1 - i);
        rf_onnx_tensor *constant = rf_onnx_constant_in(call, 1 - i);
        double factor;
        if (x->form == RF_ONNX_MASK || x->form == RF_ONNX_SHARE) return rf_onnx_apply_mask(call, other, x);
        if (constant != NULL && constant->count > 1) return scale_channels(call, x, constant);
        if (constant != NULL) {
            RF_TRY(rf_onnx_scalar(&factor, call->build, constant));
            return scale(call, x, factor);
        }
        if (other->layer != x->layer || times(other) == 0) continue;
        if (x->form == RF_ONNX_SIGMOID && times(other) == 1) return rf_onnx_layer_of(call, "silu", x, NULL);
        if (x->form == RF_ONNX_HARD_SIGMOID && times(other) == 1)
            return rf_onnx_layer_of(call, "hard_swish", x, NULL);
        if (x->form == RF_ONNX_MISH_GATE && times(other) == 1) return rf_onnx_layer_of(call, "mish", x, NULL);
        if (x->form == RF_ONNX_NORMAL) return gelu_part(call, x, x->factor * times(other));
    }
    return multiply_layers(call);
}

static rf_status divide(rf_onnx_call *call) {
    const rf_onnx_value *centred = rf_onnx_in(call, 0), *deviation = rf_onnx_in(call, 1);
    double divisor;
    if (centred->form == RF_ONNX_CENTRED && deviation->form == RF_ONNX_DEVIATION &&
        centred->layer == deviation->layer)
        return rf_onnx_wait(call, centred, RF_ONNX_NORMED, deviation->factor);
    if (rf_onnx_constant_in(call, 1) == NULL)
        return rf_fail(RF_E_INPUT, "a quotient is taken as a part of GELU and layer norm only");
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
static double difference(double a, double b) {
    return a - b;
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
    {"Pow", 2, " ", rf_onnx_fold_binary, power, .binary = pow},
    {"Sqrt", 1, " ", rf_onnx_fold_unary, square_root, .unary = sqrt},
    {"Sub", 2, " ", rf_onnx_fold_binary, subtract, .binary = difference},
    {"Sum", 1, " ", .lower = add_layers},
    {NULL},
};
