/* ONNX ops that are convolutions and linear layers, and dropout. */
#include <math.h>

#include "model/onnx/graph.h"

/* Without a bias of its own the layer waits for a sum with a constant. */
static rf_status weighted(rf_onnx_call *call, const rf_onnx_value *x) {
    rf_onnx_tensor *bias = rf_onnx_constant_in(call, 2);
    if (rf_onnx_in(call, 2) != NULL && bias == NULL) return rf_fail(RF_E_INPUT, "its bias is no constant");
    RF_TRY(rf_onnx_drop_filler(&bias, call, 0));
    return bias != NULL ? rf_onnx_add_weighted(call, bias) : rf_onnx_wait(call, x, RF_ONNX_LAYER, 1);
}

static rf_status conv(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    if (x == NULL || x->form != RF_ONNX_PADDED) RF_TRY(rf_onnx_first_map(&x, call));
    return weighted(call, x);
}

static rf_status linear(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
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
    {"Dropout", 1, " ratio seed ", .lower = dropout},
    {"Gemm", 2, " alpha beta transA transB ", .lower = linear},
    {"Less", 2, " ", .lower = rf_onnx_less},
    {"MatMul", 2, " ", .lower = linear},
    {"RandomUniformLike", 1, " high low seed dtype ", .fold = rf_onnx_random, .lower = rf_onnx_random},
    {NULL},
};
