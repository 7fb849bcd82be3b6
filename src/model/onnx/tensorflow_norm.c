/* Layer norm as TensorFlow has it: with r the reciprocal of the deviation times the weight, x r + (bias - mean r). */
#include "model/onnx/graph.h"

rf_status rf_onnx_times_reciprocal(rf_onnx_call *call, const rf_onnx_value *reciprocal,
                                   const rf_onnx_value *other, rf_onnx_tensor *constant) {
    if (constant != NULL && (size_t)call->build->model->nodes[reciprocal->layer].shape.c == constant->count &&
        reciprocal->constant == NULL) {
        RF_TRY(rf_onnx_pass(call, reciprocal));
        call->out.constant = constant;
        return RF_OK;
    }
    const bool of_x = other->form == RF_ONNX_MAP, of_mean = other->form == RF_ONNX_NEGATIVE_MEAN;
    if (constant != NULL || other->layer != reciprocal->layer || !(of_x || of_mean))
        return rf_fail(RF_E_INPUT, "a reciprocal deviation is taken as a part of layer norm only");
    RF_TRY(rf_onnx_pass(call, reciprocal));
    call->out.form = of_x ? RF_ONNX_RESCALED : RF_ONNX_RECENTRING;
    return RF_OK;
}

rf_status rf_onnx_add_recentred(rf_onnx_call *call, const rf_onnx_value *rescaled,
                                const rf_onnx_value *recentring) {
    rf_onnx_value normed = *rescaled;
    rf_onnx_tensor *const bias = recentring->bias;
    if (rescaled->layer != recentring->layer || rescaled->constant != recentring->constant ||
        rescaled->factor != recentring->factor)
        return rf_fail(RF_E_INPUT, "these are not the parts of one layer norm");
    normed.groups = 0;
    return rf_onnx_add_norm(call, &normed, normed.constant != NULL ? bias : NULL);
}
