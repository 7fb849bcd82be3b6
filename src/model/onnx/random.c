/* Dropout and stochastic depth as exporters spell them out: x times a mask, which is (uniform numbers < keep) / keep; or
 * x / keep times floor(uniform numbers + keep). */
#include <math.h>

#include "model/onnx/graph.h"

rf_status rf_onnx_random(rf_onnx_call *call) {
    const rf_onnx_value *like = rf_onnx_in(call, 0);
    if (rf_onnx_float(call->node, "low", 0) != 0 || rf_onnx_float(call->node, "high", 1) != 1)
        return rf_fail(RF_E_INPUT, "numbers other than from 0 to 1");
    call->out = (rf_onnx_value){.form = RF_ONNX_RANDOM, .constant = like->constant, .producer = call->node};
    return RF_OK;
}

static rf_status mask_of(rf_onnx_call *call, const rf_onnx_value *random, double keep) {
    if (random->form != RF_ONNX_RANDOM) return rf_fail(RF_E_INPUT, "it is taken as a part of dropout only");
    if (!(keep > 0 && keep <= 1)) return rf_fail(RF_E_INPUT, "a dropout that keeps a share of %g", keep);
    call->out = *random;
    call->out.form = RF_ONNX_MASK;
    call->out.factor = round(keep * 1e6) / 1e6;
    return RF_OK;
}

rf_status rf_onnx_less(rf_onnx_call *call) {
    double keep;
    RF_TRY(rf_onnx_scalar(&keep, call->build, rf_onnx_constant_in(call, 1)));
    return mask_of(call, rf_onnx_in(call, 0), keep);
}

rf_status rf_onnx_shift_random(rf_onnx_call *call, const rf_onnx_value *random, rf_onnx_tensor *by) {
    call->out = *random;
    return rf_onnx_scalar(&call->out.shift, call->build, by);
}

rf_status rf_onnx_floor(rf_onnx_call *call) {
    const rf_onnx_value *random = rf_onnx_in(call, 0);
    return mask_of(call, random, random->shift);
}

rf_status rf_onnx_apply_mask(rf_onnx_call *call, rf_onnx_value *x, const rf_onnx_value *mask) {
    int64_t dim[RF_ONNX_MAX_RANK], count = 1;
    rf_onnx_value whole = *x;
    const bool over_factor = mask->form == RF_ONNX_SHARE, /* the mask, or x */
        scaled = mask->form == RF_ONNX_MASK && x->form == RF_ONNX_SCALED && x->shift == 0 &&
                 fabs(x->factor * mask->factor - 1) < 1e-5;
    if (scaled) {
        whole.form = RF_ONNX_MAP;
        x = &whole;
    }
    RF_TRY(rf_onnx_force(call, x));
    rf_onnx_dims(dim, call->build, x);
    for (int i = 0; i < x->rank; i++) count *= dim[i];
    const int64_t numbers = mask->constant != NULL ? (int64_t)mask->constant->count : count;
    const int64_t channels = dim[0] * call->build->model->nodes[x->layer].shape.c;
    if ((!over_factor && !scaled) || (numbers != count && numbers != channels && numbers != dim[0]))
        return rf_fail(RF_E_INPUT,
                       "a product with random numbers is taken as dropout or stochastic depth only");
    const rf_attrs attrs = {.p = round((1 - mask->factor) * 1e6) / 1e6};
    return rf_onnx_layer_of(call,
                            numbers == count      ? "dropout"
                            : numbers == channels ? "dropout2d"
                                                  : "stochastic_depth",
                            x, &attrs);
}
