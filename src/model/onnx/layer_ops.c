/* ONNX ops that are convolutions and linear layers, and dropout. */
#include <math.h>
#include <string.h>

#include "model/onnx/graph.h"

/* Without a bias of its own the layer waits for a sum with a constant. */
static rf_status weighted(rf_onnx_call *call, const rf_onnx_value *x) {
    rf_onnx_tensor *bias = rf_onnx_constant_in(call, 2);
    if (rf_onnx_in(call, 2) != NULL && bias == NULL) return rf_fail(RF_E_INPUT, "its bias is no constant");
    RF_TRY(rf_onnx_drop_filler(&bias, call, 0));
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_LAYER, 1));
    call->out.channels_last &= x->rank == 4 || x->form == RF_ONNX_PIXELS; /* flat maps have no such order */
    const rf_onnx_value layer = call->out;
    return bias != NULL ? rf_onnx_add_weighted(call, &layer, bias) : RF_OK;
}

/* A list attribute of `wanted` numbers, which stay as they are where it is absent. */
static rf_status numbers_of(int64_t *numbers, const rf_onnx_call *call, const char *name, int wanted) {
    int64_t list[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_list(list, &count, call, name, SIZE_MAX));
    if (count >= 0 && count != wanted)
        return rf_fail(RF_E_INPUT, "%s has %d numbers, not %d", name, count, wanted);
    if (count >= 0) memcpy(numbers, list, (size_t)count * sizeof *list);
    return RF_OK;
}

/* A 1D convolution over the channels of pooled maps, (N,1,C), which keeps their number (ECA, Wang et al. 2020). */
static rf_status conv_over_channels(rf_onnx_call *call, rf_onnx_value *x) {
    rf_onnx_tensor *weight = rf_onnx_constant_in(call, 1), *bias = rf_onnx_constant_in(call, 2);
    int64_t stride = 1, dilation = 1, pads[2] = {0, 0};
    RF_TRY(numbers_of(&stride, call, "strides", 1));
    RF_TRY(numbers_of(&dilation, call, "dilations", 1));
    RF_TRY(numbers_of(pads, call, "pads", 2));
    const bool shaped = weight != NULL && weight->rank == 3 && weight->dim[0] == 1 && weight->dim[1] == 1 &&
                        weight->dim[2] >= 1 && weight->dim[2] <= RF_MAX_KERNEL;
    if (!shaped || stride != 1 || dilation != 1 || pads[0] != pads[1] || 2 * pads[0] != weight->dim[2] - 1 ||
        (rf_onnx_in(call, 2) != NULL && bias == NULL))
        return rf_fail(
            RF_E_INPUT,
            "1D convolutions are taken over the channels of pooled maps only, by one kernel of odd "
            "size whose padding keeps their number");
    RF_TRY(rf_onnx_drop_filler(&bias, call, 0));
    RF_TRY(rf_onnx_layer_of(call, "channels_to_row", x, NULL));
    const rf_onnx_layer layer = {.op = rf_op_find("conv"),
                                 .attrs = {.out = 1,
                                           .kernel = {1, (int)weight->dim[2]},
                                           .stride = {1, 1},
                                           .dilation = {1, 1},
                                           .pad = {0, (int)pads[0]},
                                           .groups = 1,
                                           .bias = bias != NULL},
                                 .inputs = 1,
                                 .input = {call->out.layer},
                                 .param = {weight, bias}};
    RF_TRY(rf_onnx_layer_add(call, &layer, x));
    const rf_onnx_value row = call->out;
    RF_TRY(rf_onnx_layer_of(call, "row_to_channels", &row, NULL));
    call->out.form = RF_ONNX_GROUPED;
    call->out.groups = 1;
    return RF_OK;
}

static rf_status conv(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x != NULL && x->form == RF_ONNX_GROUPED && x->rank == 3 && x->groups == 1 &&
        rf_shape_pixels(call->build->model->nodes[x->layer].shape) == 1)
        return conv_over_channels(call, x);
    if (x == NULL || x->form != RF_ONNX_PADDED) RF_TRY(rf_onnx_first_map(&x, call));
    return weighted(call, x);
}

static rf_status conv_transpose(rf_onnx_call *call) {
    rf_onnx_tensor *weight = rf_onnx_constant_in(call, 1), *bias = rf_onnx_constant_in(call, 2);
    const int64_t groups = rf_onnx_int(call->node, "group", 1);
    rf_onnx_value *x;
    rf_onnx_window w;
    int64_t more[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_first_map(&x, call));
    if (weight == NULL || weight->rank != 4 || (rf_onnx_in(call, 2) != NULL && bias == NULL))
        return rf_fail(RF_E_INPUT, "its weights are no constant of 4 dimensions, or its bias is none");
    if (rf_onnx_attribute(call->node, "auto_pad") != NULL &&
        !rf_onnx_text_is(call->node, "auto_pad", "NOTSET"))
        return rf_fail(RF_E_INPUT, "auto_pad is not among what is taken");
    memcpy(w.kernel, weight->dim + 2, sizeof w.kernel);
    RF_TRY(rf_onnx_window_read(&w, call, x));
    int64_t cut[4]; /* of what the even part of the padding leaves */
    for (int i = 0; i < 4; i++) cut[i] = RF_MIN(w.pad[i % 2], w.pad[i % 2 + 2]) - w.pad[i];
    for (int i = 0; i < 4; i++) w.pad[i] += cut[i];
    RF_TRY(rf_onnx_list(more, &count, call, "output_padding", SIZE_MAX));
    if (count < 0) more[0] = more[1] = 0;
    const int64_t channels = call->build->model->nodes[x->layer].shape.c;
    if (groups < 1 || groups > channels || weight->dim[0] != channels ||
        weight->dim[1] > (1 << 20) / groups || weight->dim[2] > RF_MAX_KERNEL ||
        weight->dim[3] > RF_MAX_KERNEL || (count >= 0 && count != 2) || more[0] < 0 || more[1] < 0 ||
        more[0] > RF_MAX_KERNEL || more[1] > RF_MAX_KERNEL)
        return rf_fail(RF_E_SHAPE, "its weights are %lldx%lldx%lldx%lld, and its input has %lld channels",
                       (long long)weight->dim[0], (long long)weight->dim[1], (long long)weight->dim[2],
                       (long long)weight->dim[3], (long long)channels);
    RF_TRY(rf_onnx_drop_filler(&bias, call, 0));
    const rf_onnx_layer layer = {.op = rf_op_find("conv_transpose"),
                                 .attrs = {.out = (int)(weight->dim[1] * groups),
                                           .kernel = rf_onnx_pair(w.kernel),
                                           .stride = rf_onnx_pair(w.stride),
                                           .dilation = rf_onnx_pair(w.dilation),
                                           .pad = rf_onnx_pair(w.pad),
                                           .output_pad = rf_onnx_pair(more),
                                           .groups = (int)groups,
                                           .bias = bias != NULL},
                                 .inputs = 1,
                                 .input = {x->layer},
                                 .param = {weight, bias}};
    RF_TRY(rf_onnx_layer_add(call, &layer, x));
    if (cut[0] == 0 && cut[1] == 0 && cut[2] == 0 && cut[3] == 0) return RF_OK;
    return rf_onnx_then(call, "pad",
                        &(rf_attrs){.before = rf_onnx_pair(cut), .after = rf_onnx_pair(cut + 2)});
}

static rf_status linear(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x->form != RF_ONNX_PIXELS) RF_TRY(rf_onnx_first_any(&x, call));
    if (x->rank != 2 && !x->channels_last)
        return rf_fail(RF_E_INPUT,
                       "its input is maps, (N,C,H,W): flatten them first, or move the channels last");
    if (rf_onnx_float(call->node, "alpha", 1) != 1 || rf_onnx_float(call->node, "beta", 1) != 1 ||
        rf_onnx_int(call->node, "transA", 0) != 0)
        return rf_fail(RF_E_INPUT, "alpha and beta other than 1, or a transposed input");
    return weighted(call, x);
}

static rf_status dropout(rf_onnx_call *call) {
    rf_onnx_value *x;
    rf_attrs attrs = {.p = rf_onnx_float(call->node, "ratio", 0.5)};
    RF_TRY(rf_onnx_first_any(&x, call));
    if (rf_onnx_in(call, 1) != NULL) {
        RF_TRY(rf_onnx_scalar(&attrs.p, call->build, rf_onnx_constant_in(call, 1)));
        attrs.p = round(attrs.p * 1e6) / 1e6;
    }
    return attrs.p == 0 ? rf_onnx_pass(call, x) : rf_onnx_layer_of(call, "dropout", x, &attrs);
}

/* ---- the table ---- */

#define WINDOW " auto_pad dilations kernel_shape pads strides "

const rf_onnx_op rf_onnx_layer_ops[] = {
    {"Conv", 2, WINDOW "group ", .lower = conv},
    {"ConvTranspose", 2, WINDOW "group output_padding ", .lower = conv_transpose},
    {"Dropout", 1, " ratio seed ", .lower = dropout},
    {"Gemm", 2, " alpha beta transA transB ", .lower = linear},
    {"Less", 2, " ", .lower = rf_onnx_less},
    {"MatMul", 2, " ", .lower = linear},
    {"RandomUniformLike", 1, " high low seed dtype ", .fold = rf_onnx_random, .lower = rf_onnx_random},
    {NULL},
};
