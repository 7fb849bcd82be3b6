/* Local response norm in parts, as PyTorch's exporter writes it: the squares of x as (N,1,C,H,W) are padded, and averaged over the
 * channels around; x is divided by (k + alpha times that mean) to the power of beta. */
#include "model/onnx/graph.h"

enum { MAX_SIZE = 1023 };

rf_status rf_onnx_add_local_response(rf_onnx_call *call, const rf_onnx_value *x, int64_t size, double alpha,
                                     double beta, double k) {
    const rf_attrs attrs = {.groups = (int)size, .slope = alpha, .value = beta, .eps = k};
    if (size % 2 == 0 || size < 0 || size > MAX_SIZE)
        return rf_fail(RF_E_INPUT, "size %lld; an odd number up to %d is what is taken", (long long)size,
                       MAX_SIZE);
    return rf_onnx_layer_of(call, "local_response_norm", x, &attrs);
}

static bool is_padded(const rf_onnx_value *x) {
    return x->pad.y != 0 || x->pad.x != 0;
}

rf_status rf_onnx_reshape_response(bool *done, rf_onnx_call *call, rf_onnx_value *x, int rank,
                                   const int64_t *dim) {
    int64_t old[RF_ONNX_MAX_RANK];
    const int added = rank == 5 ? 1 : 0, to = 4 + added, from = x->rank == 5 ? 1 : 0;
    rf_onnx_dims(old, call->build, x);
    *done = rank == to && dim[0] == old[0] && (!added || dim[1] == 1) && !is_padded(x);
    for (int i = 1; i < 4 && *done; i++) *done = dim[i + added] == old[i + from];
    if (!*done) return rf_onnx_force(call, x);
    RF_TRY(rf_onnx_pass(call, x));
    call->out.rank = rank;
    return RF_OK;
}

rf_status rf_onnx_pad_response(rf_onnx_call *call, const rf_onnx_value *x) {
    const Onnx__AttributeProto *const mode = rf_onnx_attribute(call->node, "mode");
    double value = rf_onnx_float(call->node, "value", 0);
    int64_t pads[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_pads(pads, &count, call, x->rank));
    if (rf_onnx_in(call, 2) != NULL)
        RF_TRY(rf_onnx_scalar(&value, call->build, rf_onnx_constant_in(call, 2)));
    bool along_channels = count == 10 && x->form == RF_ONNX_SQUARE && !is_padded(x) && value == 0 &&
                          (mode == NULL || rf_onnx_text_is(call->node, "mode", "constant")) && pads[2] >= 0 &&
                          pads[7] >= 0 && pads[2] < MAX_SIZE && pads[7] < MAX_SIZE;
    for (int i = 0; i < count && along_channels; i++) along_channels = i == 2 || i == 7 || pads[i] == 0;
    if (!along_channels)
        return rf_fail(RF_E_INPUT, "of (N,1,C,H,W) only local response norm's padding is taken");
    RF_TRY(rf_onnx_pass(call, x));
    call->out.pad = (rf_pair){(int)pads[2], (int)pads[7]};
    return RF_OK;
}

rf_status rf_onnx_mean_of_squares(rf_onnx_call *call, const rf_onnx_value *x) {
    const Onnx__AttributeProto *const kernel = rf_onnx_attribute(call->node, "kernel_shape");
    const int size = x->pad.y + x->pad.x + 1;
    const bool pads_itself = rf_onnx_attribute(call->node, "auto_pad") != NULL &&
                             !rf_onnx_text_is(call->node, "auto_pad", "NOTSET");
    bool around = x->form == RF_ONNX_SQUARE && !pads_itself && x->pad.y == x->pad.x && kernel != NULL &&
                  kernel->n_ints == 3 && kernel->ints[0] == size && kernel->ints[1] == 1 &&
                  kernel->ints[2] == 1;
    static const char *const attributes[] = {"strides", "dilations", "pads"};
    for (int k = 0; k < 3; k++) {
        const Onnx__AttributeProto *a = rf_onnx_attribute(call->node, attributes[k]);
        for (size_t i = 0; a != NULL && i < a->n_ints; i++) around = around && a->ints[i] == (k < 2);
    }
    if (!around)
        return rf_fail(RF_E_INPUT,
                       "of (N,1,C,H,W) only local response norm's pooling is taken, of an odd size");
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_AROUND, 1));
    call->out.groups = size;
    return RF_OK;
}

rf_status rf_onnx_divide_by_response(rf_onnx_call *call, const rf_onnx_value *x,
                                     const rf_onnx_value *response) {
    if (x->form != RF_ONNX_MAP || x->layer != response->layer || response->power == 0 ||
        response->rank != x->rank)
        return rf_fail(RF_E_INPUT, "its divisor is no local response norm's of what it divides");
    return rf_onnx_add_local_response(call, x, response->groups, response->factor, response->power,
                                      response->shift);
}
