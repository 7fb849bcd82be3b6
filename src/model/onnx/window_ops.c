/* ONNX ops over windows: pooling, padding for the op behind it; and upsampling. */
#include <math.h>
#include <string.h>

#include "model/onnx/graph.h"

enum { MAX_PAD = 4096 };
#define LOWEST -1e15 /* what padding for a maximum holds */

/* Even padding with zeros waits for the convolution or pooling that reads it. */
static rf_status pad(rf_onnx_call *call) {
    rf_onnx_value *x;
    int64_t pads[RF_ONNX_MAX_RANK];
    int count;
    double value = rf_onnx_float(call->node, "value", 0);
    if (rf_onnx_is_response(rf_onnx_in(call, 0)) && rf_onnx_in(call, 0)->rank == 5)
        return rf_onnx_pad_response(call, rf_onnx_in(call, 0));
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(rf_onnx_pads(pads, &count, call, x->rank));
    if (x->channels_last && count == 8) {
        const int64_t given[8] = {pads[0], pads[3], pads[1], pads[2], pads[4], pads[7], pads[5], pads[6]};
        memcpy(pads, given, sizeof given);
    }
    if (rf_onnx_in(call, 2) != NULL)
        RF_TRY(rf_onnx_scalar(&value, call->build, rf_onnx_constant_in(call, 2)));
    value = fmin(fmax(value, LOWEST), -LOWEST); /* before a max pooling it is -infinity */
    const bool reflect = rf_onnx_text_is(call->node, "mode", "reflect"),
               replicate = rf_onnx_text_is(call->node, "mode", "edge"), constant = !reflect && !replicate;
    if (constant && rf_onnx_attribute(call->node, "mode") != NULL &&
        !rf_onnx_text_is(call->node, "mode", "constant"))
        return rf_fail(RF_E_INPUT,
                       "padding with a constant, by reflection and by replication is what is taken");
    if (x->rank == 2 && count == 4) { /* (N,features), as maps of 1x1 */
        memmove(pads + 4, pads + 2, 2 * sizeof *pads);
        pads[2] = pads[3] = pads[6] = pads[7] = 0;
        count = 8;
    }
    if (count != 8 || pads[0] != 0 || pads[4] != 0)
        return rf_fail(RF_E_INPUT, "only padding of channels, height and width is taken");
    for (int i = 1; i < 8; i++)
        if (pads[i] < (i % 4 == 1 || !constant ? 0 : -MAX_PAD) || pads[i] > MAX_PAD)
            return rf_fail(RF_E_INPUT, "a padding of %lld of dimension %d", (long long)pads[i], i % 4);
    if (pads[1] != 0 || pads[5] != 0) {
        if (!constant || value != 0 || pads[2] != 0 || pads[3] != 0 || pads[6] != 0 || pads[7] != 0)
            return rf_fail(RF_E_INPUT, "channels are padded with zeros, and alone");
        const rf_attrs attrs = {.begin = (int)pads[1], .end = (int)pads[5]};
        return rf_onnx_layer_of(call, "pad_channels", x, &attrs);
    }
    if (x->rank != 4) return rf_fail(RF_E_SHAPE, "its input is flat, (N,features)");
    if (!constant || value != 0 || pads[2] < 0 || pads[3] < 0 || pads[2] != pads[6] || pads[3] != pads[7]) {
        const rf_attrs attrs = {.before = rf_onnx_pair(pads + 2),
                                .after = rf_onnx_pair(pads + 6),
                                .value = constant ? value : 0,
                                .reflect = reflect,
                                .replicate = replicate};
        return rf_onnx_layer_of(call, "pad", x, &attrs);
    }
    if (pads[2] == 0 && pads[3] == 0) return rf_onnx_pass(call, x);
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_PADDED, 1));
    call->out.pad = rf_onnx_pair(pads + 2);
    return RF_OK;
}

static rf_status pool(rf_onnx_call *call, const char *op, bool counts_pad) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    rf_onnx_window w;
    const bool padded = x->form == RF_ONNX_PADDED && counts_pad;
    if (!padded) RF_TRY(rf_onnx_first_map(&x, call));
    RF_TRY(rf_onnx_window_pair(w.kernel, call, "kernel_shape", 0));
    RF_TRY(rf_onnx_window_read(&w, call, x));
    const bool is_mean = strcmp(op, "avg_pool") == 0;
    rf_onnx_value from = *x;
    if (is_mean && !counts_pad && (w.pad[0] != w.pad[2] || w.pad[1] != w.pad[3]))
        return rf_fail(RF_E_INPUT, "uneven padding is taken where it is counted");
    RF_TRY(rf_onnx_pad_uneven(&from, &w, call, is_mean ? 0 : LOWEST));
    x = &from;
    const bool up = rf_onnx_int(call->node, "ceil_mode", 0) != 0;
    if (is_mean && (w.dilation[0] != 1 || w.dilation[1] != 1))
        return rf_fail(RF_E_INPUT, "dilation is not among what is taken");
    const rf_attrs attrs = {.kernel = rf_onnx_pair(w.kernel),
                            .stride = rf_onnx_pair(w.stride),
                            .dilation = rf_onnx_pair(w.dilation),
                            .pad = rf_onnx_pair(w.pad),
                            .count_pad = counts_pad,
                            .ceil = up};
    const bool nothing = w.kernel[0] == 1 && w.kernel[1] == 1 && w.stride[0] == 1 && w.stride[1] == 1 &&
                         w.pad[0] == 0 && w.pad[1] == 0;
    return nothing ? rf_onnx_pass(call, x) : rf_onnx_layer_of(call, op, x, &attrs);
}

static rf_status max_pool(rf_onnx_call *call) {
    return pool(call, "max_pool", false);
}

static rf_status average_pool(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    if (rf_onnx_is_response(x) && x->rank == 5) return rf_onnx_mean_of_squares(call, x);
    return pool(call, "avg_pool", rf_onnx_int(call->node, "count_include_pad", 0) != 0);
}

static rf_status global_average_pool(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_map(&x, call));
    return rf_onnx_layer_of(call, "adaptive_avg_pool", x, NULL);
}

static rf_status global_max_pool(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_map(&x, call));
    const rf_shape shape = call->build->model->nodes[x->layer].shape;
    const rf_attrs attrs = {.kernel = {shape.h, shape.w}, .stride = {1, 1}, .dilation = {1, 1}};
    return rf_onnx_layer_of(call, "max_pool", x, &attrs);
}

/* ---- upsampling ---- */

/* The output's size: factors of the input's are an input, or the next one is the sizes.  Factors that miss whole pixels
 * would place pixels otherwise than sizes do. */
static rf_status size_of(int64_t size[4], const rf_onnx_call *call, const rf_onnx_value *x, size_t input) {
    int64_t dim[RF_ONNX_MAX_RANK];
    const double *factor;
    int count = 4;
    rf_onnx_tensor *scales = rf_onnx_constant_in(call, input);
    rf_onnx_dims(dim, call->build, x);
    if (scales != NULL && scales->count == 4) {
        RF_TRY(rf_onnx_numbers(&factor, call->build, scales));
        for (int i = 0; i < 4; i++) {
            const double pixels = (double)dim[i] * factor[i];
            size[i] = pixels >= 0.5 && pixels < 1 << 20 ? llround(pixels) : 0;
            if (!(fabs(pixels - (double)size[i]) <= 1e-5 * pixels))
                return rf_fail(RF_E_INPUT, "%lld pixels by %g are no whole number: give it sizes instead",
                               (long long)dim[i], factor[i]);
        }
    } else {
        int64_t sizes[RF_ONNX_MAX_RANK];
        RF_TRY(rf_onnx_list(sizes, &count, call, NULL, input + 1));
        if (count != 4)
            return rf_fail(RF_E_INPUT, "neither its scales nor its sizes are a constant of 4 numbers");
        memcpy(size, sizes, 4 * sizeof *size);
    }
    for (int i = 0; i < 4; i++)
        if (size[i] < 1 || size[i] > 1 << 16 || (i < 2 && size[i] != dim[i]))
            return rf_fail(RF_E_INPUT, "dimension %d from %lld to %lld: height and width alone are taken", i,
                           (long long)dim[i], (long long)size[i]);
    return RF_OK;
}

/* By a whole factor where that comes to the same. */
static void set_size(rf_attrs *attrs, rf_shape x, const int64_t size[4]) {
    const int64_t y = size[2] / x.h, w = size[3] / x.w;
    if (y * x.h == size[2] && w * x.w == size[3] && y <= RF_MAX_KERNEL && w <= RF_MAX_KERNEL)
        attrs->scale = (rf_pair){(int)y, (int)w};
    else
        attrs->size = rf_onnx_pair(size + 2);
}

/* Nearest rounds down; by whole factors, rounding to the nearest between pixels' centres comes to the same.  Linear is by
 * centres or by corners. */
static rf_status resize(rf_onnx_call *call) {
    static const char mode[] = "coordinate_transformation_mode";
    const Onnx__NodeProto *node = call->node;
    const bool is_old = node->n_input == 2; /* Upsample, and Resize before opset 11, have scales alone */
    const bool asymmetric = is_old || rf_onnx_text_is(node, mode, "asymmetric"),
               corners = rf_onnx_text_is(node, mode, "align_corners"),
               centres = !is_old && (rf_onnx_attribute(node, mode) == NULL ||
                                     rf_onnx_text_is(node, mode, "half_pixel") ||
                                     rf_onnx_text_is(node, mode, "pytorch_half_pixel")),
               floors = is_old || rf_onnx_text_is(node, "nearest_mode", "floor"),
               rounds = rf_onnx_attribute(node, "nearest_mode") == NULL ||
                        rf_onnx_text_is(node, "nearest_mode", "round_prefer_floor") ||
                        rf_onnx_text_is(node, "nearest_mode", "round_prefer_ceil"),
               linear = rf_onnx_text_is(node, "mode", "linear"),
               nearest = rf_onnx_attribute(node, "mode") == NULL || rf_onnx_text_is(node, "mode", "nearest");
    rf_onnx_value *x;
    int64_t size[4];
    rf_attrs attrs;
    const char *op = linear ? "upsample_bilinear" : "upsample_nearest";
    RF_TRY(rf_onnx_first_map(&x, call));
    if (!(linear && (centres || corners)) && !(nearest && (asymmetric ? floors : centres && rounds)))
        return rf_fail(
            RF_E_INPUT,
            "nearest (asymmetric, floor) and linear (half_pixel, align_corners) are what is taken");
    RF_TRY(size_of(size, call, x, is_old ? 1 : 2));
    rf_attrs_default(&attrs, rf_op_find(op));
    attrs.align_corners = corners;
    const rf_shape shape = call->build->model->nodes[x->layer].shape;
    set_size(&attrs, shape, size);
    if (linear && rf_onnx_text_is(node, mode, "pytorch_half_pixel") &&
        ((size[2] == 1 && shape.h > 1) || (size[3] == 1 && shape.w > 1)))
        return rf_fail(RF_E_INPUT, "to one pixel, pytorch_half_pixel takes the first where PyTorch takes "
                                   "the middle; half_pixel is what is taken");
    if (nearest && !asymmetric && attrs.size.y > 0)
        return rf_fail(RF_E_INPUT, "nearest between pixels' centres (nearest-exact) is taken by whole "
                                   "factors only; otherwise asymmetric, floor (nearest)");
    return rf_onnx_layer_of(call, op, x, &attrs);
}

/* ---- the table ---- */

#define WINDOW " auto_pad dilations kernel_shape pads strides "

const rf_onnx_op rf_onnx_window_ops[] = {
    {"AveragePool", 1, WINDOW "ceil_mode count_include_pad ", .lower = average_pool},
    {"GlobalAveragePool", 1, " ", .lower = global_average_pool},
    {"GlobalMaxPool", 1, " ", .lower = global_max_pool},
    {"MaxPool", 1, WINDOW "ceil_mode storage_order ", .lower = max_pool},
    {"Pad", 1, " mode pads value ", .lower = pad},
    {"Resize", 1,
     " antialias coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
     "keep_aspect_ratio_policy mode nearest_mode ",
     .lower = resize},
    {"Upsample", 2, " mode ", .lower = resize},
    {NULL},
};
