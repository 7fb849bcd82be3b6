/* ONNX ops that are activations, or a part of one. */
#include <math.h>

#include "model/onnx/graph.h"

#define NO_LIMIT 1e15 /* of clip */

/* An op that is a layer of ours, without attributes. */
static rf_status plain(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_layer_of(call, call->op->layer, x, NULL);
}

static rf_status leaky_relu(rf_onnx_call *call) {
    rf_onnx_value *x;
    const rf_attrs attrs = {.slope = rf_onnx_float(call->node, "alpha", 0.01)};
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_layer_of(call, "leaky_relu", x, &attrs);
}

static rf_status elu(rf_onnx_call *call) {
    rf_onnx_value *x;
    const rf_attrs attrs = {.slope = rf_onnx_float(call->node, "alpha", 1)};
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_layer_of(call, "elu", x, &attrs);
}

/* alpha times the ELU of x / alpha. */
static rf_status celu(rf_onnx_call *call) {
    rf_onnx_value *x;
    const double alpha = rf_onnx_float(call->node, "alpha", 1);
    const rf_attrs narrow = {.slope = 1 / alpha}, one = {.slope = 1}, wide = {.slope = alpha};
    RF_TRY(rf_onnx_first_any(&x, call));
    if (alpha == 1) return rf_onnx_layer_of(call, "elu", x, &one);
    RF_TRY(rf_onnx_layer_of(call, "affine", x, &narrow));
    RF_TRY(rf_onnx_then(call, "elu", &one));
    return rf_onnx_then(call, "affine", &wide);
}

static const rf_attrs negative = {.slope = -1};

/* The sum of the parts above and below zero, either as a ReLU. */
static rf_status absolute(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(rf_onnx_layer_of(call, "relu", x, NULL));
    const rf_onnx_value above = call->out;
    RF_TRY(rf_onnx_layer_of(call, "affine", x, &negative));
    RF_TRY(rf_onnx_then(call, "relu", NULL));
    return rf_onnx_plus(call, &above);
}

/* That of a sigmoid is -softplus(-x), which is finite wherever x is. */
static rf_status logarithm(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form != RF_ONNX_SIGMOID) return plain(call);
    rf_onnx_value map = rf_onnx_map_of(x);
    RF_TRY(rf_onnx_layer_of(call, "affine", &map, &negative));
    RF_TRY(rf_onnx_then(call, "softplus", NULL));
    return rf_onnx_then(call, "affine", &negative);
}

static rf_status selu(rf_onnx_call *call) {
    const double alpha = rf_onnx_float(call->node, "alpha", 1.67326319),
                 gamma = rf_onnx_float(call->node, "gamma", 1.05070102);
    if (fabs(alpha - 1.67326324) > 1e-4 || fabs(gamma - 1.05070099) > 1e-4)
        return rf_fail(RF_E_INPUT, "alpha %g and gamma %g; 1.67326 and 1.0507 are what is taken", alpha,
                       gamma);
    return plain(call);
}

/* The slopes are one number a channel, one for all, or one for each number of an image. */
static rf_status prelu(rf_onnx_call *call) {
    rf_onnx_value *x;
    rf_onnx_tensor *slope = rf_onnx_constant_in(call, 1);
    RF_TRY(rf_onnx_first_any(&x, call));
    if (slope == NULL) return rf_fail(RF_E_INPUT, "its slopes are no constant");
    const rf_onnx_layer layer = {
        .op = rf_op_find("prelu"),
        .attrs = {.init = 0.25, .shared = slope->count == 1, .each = rf_onnx_is_for_each(call, slope, x)},
        .inputs = 1,
        .input = {x->layer},
        .param = {slope}};
    return rf_onnx_layer_add(call, &layer, x);
}

/* tanh(softplus(x)) is a part of Mish. */
static rf_status softplus(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_wait(call, x, RF_ONNX_SOFTPLUS, 1);
}

static rf_status hyperbolic(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    return x->form == RF_ONNX_SOFTPLUS && x->readers == 1 ? rf_onnx_wait(call, x, RF_ONNX_MISH_GATE, 1)
                                                          : plain(call);
}

/* PyTorch's softplus is x from a threshold on, where float32 does not tell them apart. */
static rf_status greater(rf_onnx_call *call) {
    rf_onnx_value *x;
    double threshold;
    RF_TRY(rf_onnx_scalar(&threshold, call->build, rf_onnx_constant_in(call, 1)));
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_wait(call, x, RF_ONNX_ABOVE, threshold);
}

static rf_status where(rf_onnx_call *call) {
    const rf_onnx_value *above = rf_onnx_in(call, 0), *x = rf_onnx_in(call, 1);
    rf_onnx_value *y = rf_onnx_in(call, 2);
    RF_TRY(rf_onnx_force(call, y));
    const rf_node *node = &call->build->model->nodes[y->layer];
    if (above->form == RF_ONNX_ABOVE && above->factor >= 17 && x->form == RF_ONNX_MAP &&
        x->layer == above->layer && node->op == rf_op_find("softplus") && node->input[0] == x->layer)
        return rf_onnx_pass(call, y);
    return rf_fail(RF_E_INPUT, "it is taken for constants, and as a part of softplus only");
}

static rf_status gelu(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_layer_of(call, rf_onnx_text_is(call->node, "approximate", "tanh") ? "gelu_tanh" : "gelu",
                            x, NULL);
}

/* PyTorch's, which times x is hard-swish; others are of two layers. */
static rf_status hard_sigmoid(rf_onnx_call *call) {
    rf_onnx_value *x;
    const double alpha = rf_onnx_float(call->node, "alpha", 0.2),
                 beta = rf_onnx_float(call->node, "beta", 0.5);
    RF_TRY(rf_onnx_first_any(&x, call));
    if (fabs(alpha - 1.0 / 6) < 1e-6 && beta == 0.5) return rf_onnx_wait(call, x, RF_ONNX_HARD_SIGMOID, 1);
    RF_TRY(rf_onnx_layer_of(call, "affine", x, &(rf_attrs){.slope = alpha, .value = beta}));
    return rf_onnx_then(call, "clip", &(rf_attrs){.slope = 0, .value = 1});
}

static rf_status sigmoid(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x != NULL && x->form == RF_ONNX_GROUPED) { /* of each number, however they are grouped */
        const rf_onnx_value grouped = *x;
        RF_TRY(rf_onnx_layer_of(call, "sigmoid", x, NULL));
        return rf_onnx_regroup(call, &grouped, grouped.groups);
    }
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_wait(call, x, RF_ONNX_SIGMOID, 1);
}

/* The bounds are inputs, attributes before opset 11. */
static rf_status clip_bound(double *bound, const rf_onnx_call *call, const char *attribute, size_t input,
                            double absent) {
    *bound = rf_onnx_float(call->node, attribute, absent);
    return rf_onnx_in(call, input) != NULL
               ? rf_onnx_scalar(bound, call->build, rf_onnx_constant_in(call, input))
               : RF_OK;
}

/* As of the padding that keeps a size, computed from it. */
static rf_status fold_clip(rf_onnx_call *call) {
    rf_onnx_tensor *const from = rf_onnx_constant_in(call, 0), *out;
    const double *in;
    double low, high;
    RF_TRY(clip_bound(&low, call, "min", 1, -INFINITY));
    RF_TRY(clip_bound(&high, call, "max", 2, INFINITY));
    RF_TRY(rf_onnx_numbers(&in, call->build, from));
    RF_TRY(rf_onnx_constant(&out, call->build, from->type, from->rank, from->dim));
    for (size_t i = 0; i < out->count; i++) out->values[i] = fmin(fmax(in[i], low), high);
    rf_onnx_add_origins(out, from);
    call->out = (rf_onnx_value){.form = RF_ONNX_CONSTANT, .constant = out};
    return RF_OK;
}

static rf_status clipped(rf_onnx_call *call, const rf_onnx_value *x, double low, double high) {
    const rf_attrs attrs = {.slope = fmax(low, -NO_LIMIT), .value = fmin(high, NO_LIMIT)};
    if (!(low <= high)) return rf_fail(RF_E_INPUT, "limits %g and %g", low, high);
    return rf_onnx_layer_of(call, "clip", x, &attrs);
}

static rf_status clip(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    double low, high;
    RF_TRY(clip_bound(&low, call, "min", 1, -INFINITY));
    RF_TRY(clip_bound(&high, call, "max", 2, INFINITY));
    if (low == 0 && high == 6 && x->form == RF_ONNX_SCALED && x->factor == 1 && x->shift == 3)
        return rf_onnx_wait(call, x, RF_ONNX_HARD_SIGMOID, 6);
    RF_TRY(rf_onnx_force(call, x));
    if (low == 0 && high == 6) return rf_onnx_layer_of(call, "relu6", x, NULL);
    if (low == 0 && high > 3e38) return rf_onnx_layer_of(call, "relu", x, NULL);
    return clipped(call, x, low, high);
}

/* Of x and a number, or of several of the former. */
static rf_status limit(rf_onnx_call *call, bool is_max) {
    if (call->node->n_input != 2) {
        rf_onnx_value *x;
        RF_TRY(rf_onnx_first_any(&x, call));
        RF_TRY(rf_onnx_pass(call, x));
        for (size_t i = 1; i < call->node->n_input; i++) {
            rf_onnx_value so_far = call->out;
            RF_TRY(rf_onnx_limit(call, &so_far, rf_onnx_in(call, i), is_max));
        }
        return RF_OK;
    }
    const int at = rf_onnx_constant_in(call, 0) != NULL;
    rf_onnx_value *x = rf_onnx_in(call, (size_t)at), *y = rf_onnx_in(call, (size_t)(1 - at));
    double number;
    if (rf_onnx_constant_in(call, (size_t)(1 - at)) == NULL) return rf_onnx_limit(call, x, y, is_max);
    RF_TRY(rf_onnx_scalar(&number, call->build, rf_onnx_constant_in(call, (size_t)(1 - at))));
    RF_TRY(rf_onnx_force(call, x));
    return clipped(call, x, is_max ? number : -INFINITY, is_max ? INFINITY : number);
}
static rf_status max_of(rf_onnx_call *call) {
    return limit(call, true);
}
static rf_status min_of(rf_onnx_call *call) {
    return limit(call, false);
}

static rf_status error_function(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_SCALED && fabs(x->factor - 0.70710678118) < 1e-5 && x->shift == 0)
        return rf_onnx_wait(call, x, RF_ONNX_ERF, 1);
    return rf_fail(RF_E_INPUT, "it is taken as a part of GELU only, x (1 + erf(x / sqrt(2))) / 2");
}

/* TensorFlow's exporter keeps erfc(-x / sqrt(2)), 1 + erf(x / sqrt(2)), though ONNX has no such op. */
static rf_status complement(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_SCALED && fabs(x->factor + 0.70710678118) < 1e-5 && x->shift == 0)
        return rf_onnx_wait(call, x, RF_ONNX_NORMAL, 1);
    return rf_fail(RF_E_INPUT, "it is taken as a part of GELU only, x erfc(-x / sqrt(2)) / 2");
}

/* The last one is the loss's; factor 0: its logarithm, which is taken there only. */
static rf_status scores(rf_onnx_call *call, double factor) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    int axis;
    if (factor == 1 && (x->form == RF_ONNX_GROUPED || x->form == RF_ONNX_SHUFFLED))
        return rf_onnx_softmax_across(call, x);
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", -1), x->rank));
    if (axis != rf_onnx_channel_axis(x))
        return rf_fail(RF_E_INPUT, "axis %d, which is not the channels'", axis);
    return rf_onnx_wait(call, x, RF_ONNX_SCORES, factor);
}
static rf_status softmax(rf_onnx_call *call) {
    return scores(call, 1);
}
static rf_status log_softmax(rf_onnx_call *call) {
    return scores(call, 0);
}

/* ---- the table ---- */

const rf_onnx_op rf_onnx_activation_ops[] = {
    {"Abs", 1, " ", rf_onnx_fold_unary, absolute, .unary = fabs},
    {"Celu", 1, " alpha ", .lower = celu},
    {"Clip", 1, " min max ", fold_clip, clip},
    {"Elu", 1, " alpha ", .lower = elu},
    {"Erfc", 1, " ", .lower = complement},
    {"Erf", 1, " ", .lower = error_function},
    {"Exp", 1, " ", rf_onnx_fold_unary, plain, .unary = exp, .layer = "exp"},
    {"Gelu", 1, " approximate ", .lower = gelu},
    {"Greater", 2, " ", .lower = greater},
    {"HardSigmoid", 1, " alpha beta ", .lower = hard_sigmoid},
    {"HardSwish", 1, " ", .lower = plain, .layer = "hard_swish"},
    {"LeakyRelu", 1, " alpha ", .lower = leaky_relu},
    {"Log", 1, " ", rf_onnx_fold_unary, logarithm, .unary = log, .layer = "log"},
    {"LogSoftmax", 1, " axis ", .lower = log_softmax},
    {"Max", 1, " ", rf_onnx_fold_binary, max_of, .binary = fmax},
    {"Min", 1, " ", rf_onnx_fold_binary, min_of, .binary = fmin},
    {"Mish", 1, " ", .lower = plain, .layer = "mish"},
    {"PRelu", 2, " ", .lower = prelu},
    {"Relu", 1, " ", .lower = plain, .layer = "relu"},
    {"Selu", 1, " alpha gamma ", .lower = selu, .layer = "selu"},
    {"Sigmoid", 1, " ", .lower = sigmoid},
    {"Softmax", 1, " axis ", .lower = softmax},
    {"Softplus", 1, " ", .lower = softplus},
    {"Tanh", 1, " ", .lower = hyperbolic, .layer = "tanh"},
    {"Where", 3, " ", rf_onnx_fold_where, where},
    {NULL},
};
