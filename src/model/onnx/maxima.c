/* Maxima and minima of maps, by layers that there are: max(x, y) = x + relu(y - x), min(x, y) = x - relu(x - y). */
#include "model/onnx/graph.h"

rf_status rf_onnx_limit(rf_onnx_call *call, rf_onnx_value *x, rf_onnx_value *y, bool is_max) {
    const rf_attrs negative = {.slope = -1};
    RF_TRY(rf_onnx_force(call, x));
    RF_TRY(rf_onnx_force(call, y));
    const rf_model *model = call->build->model;
    const rf_shape a = model->nodes[x->layer].shape, b = model->nodes[y->layer].shape;
    if (a.c != b.c || a.h != b.h || a.w != b.w || x->rank != y->rank || x->channels_last != y->channels_last)
        return rf_fail(RF_E_SHAPE, "its inputs are of different shapes");
    RF_TRY(rf_onnx_layer_of(call, "affine", is_max ? x : y, &negative));
    RF_TRY(rf_onnx_plus(call, is_max ? y : x));
    RF_TRY(rf_onnx_then(call, "relu", NULL));
    if (!is_max) RF_TRY(rf_onnx_then(call, "affine", &negative));
    return rf_onnx_plus(call, x);
}
