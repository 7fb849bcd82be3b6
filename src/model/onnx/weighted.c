/* Convolutions, linear layers and norms, which may get weight or bias from a later node; what is read of windows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx/graph.h"

/* ---- windows ---- */

rf_status rf_onnx_window_pair(int64_t pair[2], const rf_onnx_call *call, const char *name, int64_t absent) {
    int64_t list[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_list(list, &count, call, name, SIZE_MAX));
    if (count >= 0 && count != 2) return rf_fail(RF_E_INPUT, "%s has %d numbers, not 2", name, count);
    for (int i = 0; i < 2; i++) {
        pair[i] = count < 0 ? absent : list[i];
        if (pair[i] < 1 || pair[i] > 1 << 20)
            return rf_fail(RF_E_INPUT, "%s is %lld", name, (long long)pair[i]);
    }
    return RF_OK;
}

/* TensorFlow's padding, by which the output is the input's size over the stride; what is uneven goes behind, or before. */
static void pad_same(rf_onnx_window *w, const int64_t size[2], bool before) {
    for (int i = 0; i < 2; i++) {
        const int64_t out = (size[i] + w->stride[i] - 1) / w->stride[i];
        const int64_t all =
            RF_MAX((out - 1) * w->stride[i] + w->dilation[i] * (w->kernel[i] - 1) + 1 - size[i], 0);
        w->pad[i] = (all + before) / 2;
        w->pad[i + 2] = all - w->pad[i];
    }
}

rf_status rf_onnx_window_read(rf_onnx_window *w, const rf_onnx_call *call, const rf_onnx_value *x) {
    const Onnx__NodeProto *node = call->node;
    int64_t dim[RF_ONNX_MAX_RANK], list[RF_ONNX_MAX_RANK];
    int count;
    rf_onnx_dims(dim, call->build, x);
    RF_TRY(rf_onnx_window_pair(w->stride, call, "strides", 1));
    RF_TRY(rf_onnx_window_pair(w->dilation, call, "dilations", 1));
    RF_TRY(rf_onnx_list(list, &count, call, "pads", SIZE_MAX));
    if (count >= 0 && count != 4) return rf_fail(RF_E_INPUT, "pads has %d numbers, not 4", count);
    for (int i = 0; i < 4; i++) {
        w->pad[i] = count < 0 ? 0 : list[i];
        if (w->pad[i] < 0 || w->pad[i] > 1 << 20)
            return rf_fail(RF_E_INPUT, "pads of %lld", (long long)w->pad[i]);
    }
    const int64_t before[2] = {x->form == RF_ONNX_PADDED ? x->pad.y : 0,
                               x->form == RF_ONNX_PADDED ? x->pad.x : 0};
    const int64_t size[2] = {dim[2] + 2 * before[0], dim[3] + 2 * before[1]};
    const bool lower = rf_onnx_text_is(node, "auto_pad", "SAME_LOWER");
    if (lower || rf_onnx_text_is(node, "auto_pad", "SAME_UPPER")) pad_same(w, size, lower);
    for (int i = 0; i < 4; i++) w->pad[i] += before[i % 2];
    return RF_OK;
}

rf_status rf_onnx_pad_uneven(rf_onnx_value *x, rf_onnx_window *w, rf_onnx_call *call, double value) {
    if (w->pad[0] == w->pad[2] && w->pad[1] == w->pad[3]) return RF_OK;
    if (x->form != RF_ONNX_MAP) return rf_fail(RF_E_INPUT, "uneven padding behind a Pad");
    const rf_attrs attrs = {
        .before = rf_onnx_pair(w->pad), .after = rf_onnx_pair(w->pad + 2), .value = value};
    RF_TRY(rf_onnx_layer_of(call, "pad", x, &attrs));
    *x = call->out;
    memset(w->pad, 0, sizeof w->pad);
    return RF_OK;
}

rf_pair rf_onnx_pair(const int64_t pair[2]) {
    return (rf_pair){(int)pair[0], (int)pair[1]};
}

/* ---- layers ---- */

rf_status rf_onnx_drop_filler(rf_onnx_tensor **constant, const rf_onnx_call *call, double filler) {
    const double *numbers;
    if (*constant == NULL || rf_onnx_is_learned(*constant)) return RF_OK;
    RF_TRY(rf_onnx_numbers(&numbers, call->build, *constant));
    for (size_t i = 0; i < (*constant)->count; i++)
        if (numbers[i] != filler) return RF_OK;
    *constant = NULL;
    return RF_OK;
}

/* Exporters fold batch norms into convolutions: one of PyTorch's says so in the node, the other, and TensorFlow's, make weights with
 * names of their own.  Where in the node: in a field that this onnx.proto may not know. */
static bool norm_folded(const Onnx__NodeProto *node, const rf_onnx_tensor *weight) {
    static const char rule[] = "FuseBatchNorm", made[] = "onnx::Conv_";
    if (strstr(rf_onnx_text(weight->name), "/merged_input") != NULL) return true;
    const size_t length = onnx__node_proto__get_packed_size(node);
    uint8_t *bytes = rf_alloc(length, 1);
    if (bytes == NULL) return false;
    onnx__node_proto__pack(node, bytes);
    const bool said = memmem(bytes, length, rule, sizeof rule - 1) != NULL;
    free(bytes);
    return said || (weight->name != NULL && strncmp(weight->name, made, sizeof made - 1) == 0);
}

/* Whether depthwise filters are one that smooths, the same for all channels: of an anti-aliased network (Zhang 2019, arXiv
 * 1904.11486).  It is a buffer in PyTorch, which ONNX does not tell from a parameter. */
static rf_status find_blur(bool *is_blur, const rf_onnx_call *call, rf_onnx_tensor *weight, int64_t groups) {
    const size_t taps = (size_t)(weight->dim[2] * weight->dim[3]);
    const double *w;
    double sum = 0;
    size_t used = 0;
    *is_blur = false;
    if (groups == 1 || weight->dim[0] != groups || weight->dim[1] != 1) return RF_OK;
    RF_TRY(rf_onnx_numbers(&w, call->build, weight));
    for (size_t i = 0; i < weight->count; i++)
        if (!(w[i] >= 0) || w[i] != w[i % taps]) return RF_OK;
    for (size_t i = 0; i < taps; i++) {
        sum += w[i];
        used += w[i] > 0;
    }
    *is_blur = used > 1 && fabs(sum - 1) < 1e-3;
    return RF_OK;
}

/* Puts a tensor of the same shape in the weights' place, whose values are to be made of `numbers`. */
static rf_status remake(rf_onnx_tensor **weight, const double **numbers, rf_onnx_build *build) {
    rf_onnx_tensor *from = *weight;
    RF_TRY(rf_onnx_numbers(numbers, build, from));
    RF_TRY(rf_onnx_constant(weight, build, from->type, from->rank, from->dim));
    if (from->origin[0] != NULL) rf_onnx_add_origins(*weight, from);
    return RF_OK;
}

/* Multiplies the weights of each output by its factor. */
static rf_status scale_outputs(rf_onnx_tensor **weight, rf_onnx_build *build, rf_onnx_tensor *factors) {
    const size_t count = (*weight)->count, outputs = (size_t)(*weight)->dim[0];
    const double *w, *factor;
    if (factors->count != outputs)
        return rf_fail(RF_E_SHAPE, "%zu factors for %zu outputs", factors->count, outputs);
    RF_TRY(rf_onnx_numbers(&factor, build, factors));
    RF_TRY(remake(weight, &w, build));
    for (size_t i = 0; i < count; i++) (*weight)->values[i] = w[i] * factor[i / (count / outputs)];
    return RF_OK;
}

static rf_status add_conv(rf_onnx_call *call, rf_onnx_tensor *factors, rf_onnx_tensor *bias) {
    rf_onnx_tensor *weight = rf_onnx_constant_in(call, 1);
    rf_onnx_value from = *rf_onnx_in(call, 0), *x = &from;
    const int64_t groups = rf_onnx_int(call->node, "group", 1);
    rf_onnx_window w;
    rf_onnx_standard standard;
    if (weight == NULL || weight->rank != 4)
        return rf_fail(RF_E_INPUT,
                       "its weights are no constant of 4 dimensions: only 2D convolutions are taken");
    memcpy(w.kernel, weight->dim + 2, sizeof w.kernel);
    RF_TRY(rf_onnx_window_read(&w, call, x));
    const int64_t channels = call->build->model->nodes[x->layer].shape.c;
    if (groups < 1 || groups > channels || weight->dim[1] != channels / groups || weight->dim[0] > 1 << 20)
        return rf_fail(RF_E_SHAPE, "its weights are for %.0f channels, and its input has %lld",
                       (double)weight->dim[1] * (double)groups, (long long)channels);
    if (weight->dim[2] > RF_MAX_KERNEL || weight->dim[3] > RF_MAX_KERNEL)
        return rf_fail(RF_E_SHAPE, "a kernel of %lldx%lld; %d is the most", (long long)weight->dim[2],
                       (long long)weight->dim[3], RF_MAX_KERNEL);
    RF_TRY(rf_onnx_pad_uneven(x, &w, call, 0));
    call->build->norms_folded += factors != NULL || norm_folded(call->node, weight);
    if (factors != NULL) RF_TRY(scale_outputs(&weight, call->build, factors));
    RF_TRY(rf_onnx_find_standardized(&standard, call, weight));
    rf_onnx_layer layer = {.op = rf_op_find("conv"),
                           .attrs = {.out = (int)weight->dim[0],
                                     .kernel = rf_onnx_pair(w.kernel),
                                     .stride = rf_onnx_pair(w.stride),
                                     .dilation = rf_onnx_pair(w.dilation),
                                     .pad = rf_onnx_pair(w.pad),
                                     .groups = (int)groups,
                                     .bias = bias != NULL},
                           .inputs = 1,
                           .input = {x->layer},
                           .param = {weight, bias}};
    if (standard.weight != NULL) {
        layer.op = rf_op_find("conv_standardized");
        layer.attrs.eps = standard.eps;
        layer.attrs.value = standard.factor;
        layer.attrs.affine = standard.gain != NULL;
        layer.param[0] = standard.weight;
        layer.param[bias != NULL ? 2 : 1] = standard.gain;
    }
    rf_model *const model = call->build->model;
    const int before = model->parameter_count;
    bool is_blur;
    RF_TRY(find_blur(&is_blur, call, weight, groups));
    RF_TRY(rf_onnx_layer_add(call, &layer, x));
    if (is_blur && model->parameter_count > before) {
        model->parameters[before].fixed = true;
        call->build->blurs++;
    }
    return RF_OK;
}

/* Of flattened maps with the channels last: makes the rows of weights (H,W,C) to (C,H,W), as the layer reads them. */
static rf_status reorder_inputs(rf_onnx_tensor **weight, rf_onnx_build *build, bool as_stored, rf_shape map) {
    const size_t count = (*weight)->count, in = rf_shape_count(map), out = count / in,
                 channels = (size_t)map.c, pixels = in / channels;
    const double *w;
    RF_TRY(remake(weight, &w, build));
    for (size_t i = 0; i < count; i++) {
        const size_t row = as_stored ? i % in : i / out, other = as_stored ? i / in : i % out;
        const size_t to = row % channels * pixels + row / channels;
        (*weight)->values[as_stored ? other * in + to : to * out + other] = w[i];
    }
    return RF_OK;
}

/* x W or, transposed, x W^T; at each position of a map with its channels last it is a convolution of 1x1. */
static rf_status add_linear(rf_onnx_call *call, rf_onnx_tensor *bias) {
    const bool as_stored = rf_onnx_int(call->node, "transB", 0) != 0; /* (out,in) */
    rf_onnx_tensor *weight = rf_onnx_constant_in(call, 1);
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (weight == NULL || weight->rank != 2)
        return rf_fail(RF_E_INPUT, "its second factor is no constant matrix");
    const rf_shape shape = call->build->model->nodes[x->layer].shape;
    const bool each_pixel = x->form == RF_ONNX_PIXELS || (x->channels_last && x->rank == 4);
    const size_t in = each_pixel ? (size_t)shape.c : rf_shape_count(shape);
    const int64_t out = weight->dim[as_stored ? 0 : 1];
    if ((size_t)weight->dim[as_stored ? 1 : 0] != in || out < 1 || out > 1 << 20)
        return rf_fail(RF_E_SHAPE, "its weights are %lldx%lld, and its input has %zu numbers",
                       (long long)weight->dim[0], (long long)weight->dim[1], in);
    if (x->channels_last && !each_pixel) RF_TRY(reorder_inputs(&weight, call->build, as_stored, shape));
    rf_onnx_layer layer = {.op = rf_op_find(each_pixel ? "conv" : "linear"),
                           .inputs = 1,
                           .input = {x->layer},
                           .param = {weight, bias},
                           .transposed = !as_stored};
    rf_attrs_default(&layer.attrs, layer.op);
    layer.attrs.out = (int)out;
    layer.attrs.bias = bias != NULL;
    if (each_pixel) layer.attrs.kernel = (rf_pair){1, 1};
    RF_TRY(rf_onnx_layer_add(call, &layer, x));
    if (x->form == RF_ONNX_PIXELS) call->out.form = RF_ONNX_PIXELS;
    return RF_OK;
}

bool rf_onnx_is_conv(const Onnx__NodeProto *node) {
    return strcmp(node->op_type, "Conv") == 0;
}

rf_status rf_onnx_add_weighted(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_tensor *bias) {
    RF_TRY(rf_onnx_drop_filler(&bias, call, 0));
    RF_TRY(rf_onnx_is_conv(call->node) ? add_conv(call, x->constant, bias) : add_linear(call, bias));
    call->out.channels_last = x->channels_last; /* they may have been moved since */
    return RF_OK;
}

rf_status rf_onnx_add_norm(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_tensor *bias) {
    const int groups = x->groups, channels = call->build->model->nodes[x->layer].shape.c;
    const char *op = groups == 0 ? "layer_norm" : groups == channels ? "instance_norm" : "group_norm";
    rf_model *const model = call->build->model;
    const int before = model->parameter_count;
    if (groups > 0 && x->constant == NULL && bias != NULL)
        return rf_fail(RF_E_INPUT, "a norm of groups is not taken with a bias alone");
    const rf_onnx_layer layer = {
        .op = rf_op_find(op),
        .attrs = {.eps = x->factor, .affine = x->constant != NULL, .bias = bias != NULL, .groups = groups},
        .inputs = 1,
        .input = {x->layer},
        .param = {x->constant, bias}};
    RF_TRY(rf_onnx_layer_add(call, &layer, x));
    if (groups > 0 && bias == NULL && model->parameter_count == before + 2)
        model->parameters[before + 1].fixed = true; /* its zeros */
    return RF_OK;
}
