/* ONNX ops that normalise.  A norm may be spelled out: (x - mean) / sqrt(variance + eps), and weight and bias come as a
 * product and a sum with a constant, or not at all. */
#include <math.h>

#include "model/onnx/graph.h"

static rf_status batch_norm(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first(&x, call));
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
    RF_TRY(rf_onnx_layer_add(call, &layer, x));
    for (int i = 0; i < 2; i++) { /* PyTorch's affine=False */
        rf_onnx_tensor *tensor = layer.param[i];
        RF_TRY(rf_onnx_drop_filler(&tensor, call, 1 - i));
        call->build->model->parameters[call->build->model->parameter_count - 4 + i].fixed = tensor == NULL;
    }
    return RF_OK;
}

/* Of a parameter by its own mean and variance, as standardised weights are exported. */
static rf_status fold_batch_norm(rf_onnx_call *call) {
    rf_onnx_tensor *in[5], *out;
    const double *numbers[5], eps = rf_onnx_float(call->node, "epsilon", 1e-5);
    for (size_t i = 0; i < 5; i++) {
        in[i] = rf_onnx_constant_in(call, i);
        RF_TRY(rf_onnx_numbers(&numbers[i], call->build, in[i]));
    }
    const int64_t channels = in[0]->rank > 1 ? in[0]->dim[1] : 0;
    for (size_t i = 1; i < 5; i++)
        if (in[i]->count != (size_t)channels)
            return rf_fail(RF_E_SHAPE, "input %zu has not a number for each channel", i + 1);
    RF_TRY(rf_onnx_constant(&out, call->build, in[0]->type, in[0]->rank, in[0]->dim));
    const size_t each = out->count / (size_t)(RF_MAX(in[0]->dim[0] * channels, 1));
    for (size_t i = 0; i < out->count; i++) {
        const size_t c = i / each % (size_t)channels;
        out->values[i] =
            (numbers[0][i] - numbers[3][c]) / sqrt(numbers[4][c] + eps) * numbers[1][c] + numbers[2][c];
    }
    for (size_t i = 0; i < 5; i++) rf_onnx_add_origins(out, in[i]);
    call->out = (rf_onnx_value){.form = RF_ONNX_CONSTANT, .constant = out};
    return RF_OK;
}

/* ---- norms of a value without weight and bias ---- */

/* A weight of ones, or a bias of zeros, that is no initialiser is none: exporters make it. */
static rf_status real(rf_onnx_tensor **tensor, const rf_onnx_call *call, size_t input, double filler) {
    *tensor = rf_onnx_constant_in(call, input);
    if (rf_onnx_in(call, input) != NULL && *tensor == NULL)
        return rf_fail(RF_E_INPUT, "input %zu is no constant", input + 1);
    return rf_onnx_drop_filler(tensor, call, filler);
}

/* Over (C,H,W), a group norm of one group, with a weight and a bias for each number. */
static rf_status norm_of_images(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_tensor *weight,
                                rf_onnx_tensor *bias) {
    const size_t numbers = rf_shape_count(call->build->model->nodes[x->layer].shape);
    rf_onnx_value normed = *x;
    if (weight != NULL && weight->count != numbers)
        return rf_fail(RF_E_SHAPE, "its weight '%.100s' has %zu numbers, and the maps have %zu",
                       rf_onnx_text(weight->name), weight->count, numbers);
    normed.factor = rf_onnx_float(call->node, "epsilon", 1e-5);
    normed.groups = 1;
    normed.constant = NULL;
    RF_TRY(rf_onnx_add_norm(call, &normed, NULL));
    if (weight != NULL) {
        rf_onnx_value before = call->out;
        RF_TRY(rf_onnx_add_channelwise(call, "scale", 1, &before, weight));
    }
    if (bias == NULL) return RF_OK;
    rf_onnx_value before = call->out;
    return rf_onnx_add_channelwise(call, "shift", 0, &before, bias);
}

static rf_status layer_norm(rf_onnx_call *call) {
    rf_onnx_value *x;
    rf_onnx_tensor *weight, *bias;
    int axis;
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", -1), x->rank));
    RF_TRY(real(&weight, call, 1, 1));
    RF_TRY(real(&bias, call, 2, 0));
    if (axis == 1 && x->rank == 4 && !x->channels_last) return norm_of_images(call, x, weight, bias);
    if (axis != rf_onnx_channel_axis(x))
        return rf_fail(RF_E_INPUT,
                       "it is taken over (C,H,W), and over the channels of each pixel, moved last");
    if (weight == NULL && bias != NULL) weight = rf_onnx_constant_in(call, 1);
    rf_onnx_value normed = *x;
    normed.factor = rf_onnx_float(call->node, "epsilon", 1e-5);
    normed.constant = weight;
    return rf_onnx_add_norm(call, &normed, bias);
}

/* Without a weight and bias of its own it waits for those of the group norm that it is a part of. */
static rf_status norm_of_groups(rf_onnx_call *call, const rf_onnx_value *x, int64_t groups) {
    const int channels = call->build->model->nodes[x->layer].shape.c;
    rf_onnx_tensor *weight, *bias;
    if (groups < 1 || groups > channels)
        return rf_fail(RF_E_SHAPE, "%lld groups of %d channels", (long long)groups, channels);
    RF_TRY(real(&weight, call, 1, 1));
    RF_TRY(real(&bias, call, 2, 0));
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_NORMED, rf_onnx_float(call->node, "epsilon", 1e-5)));
    call->out.groups = (int)groups;
    if (weight == NULL && bias == NULL) return RF_OK;
    if (x->form == RF_ONNX_GROUPED)
        return rf_fail(RF_E_INPUT, "weights of groups, not of channels, are not taken");
    rf_onnx_value normed = call->out;
    normed.constant = rf_onnx_constant_in(call, 1);
    return rf_onnx_add_norm(call, &normed, rf_onnx_constant_in(call, 2));
}

static rf_status instance_norm(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form == RF_ONNX_GROUPED && x->rank == 3) return norm_of_groups(call, x, x->groups);
    RF_TRY(rf_onnx_first_map(&x, call));
    return norm_of_groups(call, x, call->build->model->nodes[x->layer].shape.c);
}

static rf_status group_norm(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_map(&x, call));
    return norm_of_groups(call, x, rf_onnx_int(call->node, "num_groups", 0));
}

/* Over the channels around, of which alpha is divided by their number, as in PyTorch. */
static rf_status local_response(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_map(&x, call));
    return rf_onnx_add_local_response(
        call, x, rf_onnx_int(call->node, "size", 0), rf_onnx_float(call->node, "alpha", 1e-4),
        rf_onnx_float(call->node, "beta", 0.75), rf_onnx_float(call->node, "bias", 1));
}

/* ---- the table ---- */

const rf_onnx_op rf_onnx_norm_ops[] = {
    {"BatchNormalization", 5, " epsilon momentum training_mode ", fold_batch_norm, batch_norm},
    {"GroupNormalization", 3, " epsilon num_groups stash_type ", .lower = group_norm},
    {"InstanceNormalization", 3, " epsilon ", .lower = instance_norm},
    {"LRN", 1, " alpha beta bias size ", .lower = local_response},
    {"LayerNormalization", 2, " axis epsilon stash_type ", .lower = layer_norm},
    {NULL},
};
