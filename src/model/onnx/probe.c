/* Products that a gain of zeros would leave nothing of, which standardized.c could tell nothing by. */
#include "model/onnx/graph.h"

/* Gains start at zero in branches that are to begin as nothing (skip-init), and such weights tell no eps and factor. */
static rf_status is_gain_of_zeros(bool *is, rf_onnx_call *call, rf_onnx_tensor *tensor) {
    const double *numbers;
    *is = false;
    if (tensor == NULL || tensor->count < 2 || !rf_onnx_is_learned(tensor) ||
        rf_onnx_is_integer(tensor->type))
        return RF_OK;
    RF_TRY(rf_onnx_numbers(&numbers, call->build, tensor));
    for (size_t i = 0; i < tensor->count; i++)
        if (numbers[i] != 0) return RF_OK;
    *is = true;
    return RF_OK;
}

rf_status rf_onnx_probe(rf_onnx_call *call) {
    for (size_t i = 0; i < call->node->n_input && call->build->probes; i++) {
        rf_onnx_value *x = rf_onnx_in(call, i);
        rf_onnx_tensor *const gain = x->constant, *ones;
        bool zeros;
        RF_TRY(is_gain_of_zeros(&zeros, call, gain));
        if (!zeros) continue;
        RF_TRY(rf_onnx_constant(&ones, call->build, gain->type, gain->rank, gain->dim));
        for (size_t k = 0; k < ones->count; k++) ones->values[k] = 1;
        ones->name = gain->name;
        x->constant = ones;
        const rf_status status = rf_onnx_fold_binary(call);
        x->constant = gain;
        RF_TRY(status);
        call->out.constant->probed = true;
        call->build->probed++;
        return RF_OK;
    }
    return rf_onnx_fold_binary(call);
}
