/* Squares of pixels as channels, and back: as ops of their own, and as PyTorch writes the former, a Reshape of each map to
 * (N,C,H/r,r,W/r,r), a Transpose and a Reshape. */
#include <string.h>

#include "model/onnx/graph.h"

/* The channels of each place of a square together, in place of those of each channel: (r * r, C) from (C, r * r), or back. */
static rf_status reorder(rf_onnx_call *call, const rf_onnx_value *x, int groups) {
    const rf_attrs attrs = {.groups = groups};
    if (groups == 1 || groups == call->build->model->nodes[x->layer].shape.c) return rf_onnx_pass(call, x);
    return rf_onnx_layer_of(call, "channel_shuffle", x, &attrs);
}

static rf_status unshuffle(rf_onnx_call *call, const rf_onnx_value *x, int factor, bool places_first) {
    const int channels = call->build->model->nodes[x->layer].shape.c;
    const rf_attrs attrs = {.groups = factor};
    RF_TRY(rf_onnx_layer_of(call, "pixel_unshuffle", x, &attrs));
    const rf_onnx_value map = call->out;
    return places_first ? reorder(call, &map, channels) : RF_OK;
}

/* The map and its factor. */
static rf_status read_factor(rf_onnx_value **x, int *factor, rf_onnx_call *call) {
    const int64_t size = rf_onnx_int(call->node, "blocksize", 0);
    *factor = 1;
    RF_TRY(rf_onnx_first_map(x, call));
    if (size < 1 || size > RF_MAX_KERNEL)
        return rf_fail(RF_E_INPUT, "blocksize %lld; up to %d is what is taken", (long long)size,
                       RF_MAX_KERNEL);
    *factor = (int)size;
    return RF_OK;
}

rf_status rf_onnx_space_to_depth(rf_onnx_call *call) {
    rf_onnx_value *x;
    int factor;
    RF_TRY(read_factor(&x, &factor, call));
    return unshuffle(call, x, factor, true);
}

rf_status rf_onnx_depth_to_space(rf_onnx_call *call) {
    rf_onnx_value *x;
    int factor;
    RF_TRY(read_factor(&x, &factor, call));
    const rf_attrs attrs = {.groups = factor};
    rf_onnx_value map = *x;
    if (!rf_onnx_text_is(call->node, "mode",
                         "CRD")) { /* the default has the channels of each place together */
        if (call->build->model->nodes[x->layer].shape.c % (factor * factor) != 0)
            return rf_fail(RF_E_SHAPE, "blocksize %d does not fit %d channels", factor,
                           call->build->model->nodes[x->layer].shape.c);
        RF_TRY(reorder(call, x, factor * factor));
        map = call->out;
    }
    return rf_onnx_layer_of(call, "pixel_shuffle", &map, &attrs);
}

bool rf_onnx_is_squares(const int64_t *dim, int rank, const int64_t *map) {
    return rank == 6 && dim[0] == map[0] && dim[1] == map[1] && dim[3] == dim[5] && dim[3] > 0 &&
           dim[3] <= RF_MAX_KERNEL && dim[2] * dim[3] == map[2] && dim[4] * dim[5] == map[3];
}

rf_status rf_onnx_transpose_squares(rf_onnx_call *call, const rf_onnx_value *x, const int64_t *order,
                                    int count) {
    static const int64_t channels_first[] = {0, 1, 3, 5, 2, 4}, places_first[] = {0, 3, 5, 1, 2, 4};
    const rf_onnx_value map = rf_onnx_map_of(x);
    const bool places = count == 6 && memcmp(order, places_first, sizeof places_first) == 0;
    if (!places && (count != 6 || memcmp(order, channels_first, sizeof channels_first) != 0))
        return rf_fail(RF_E_INPUT, "of squares of pixels only their order as channels is taken");
    RF_TRY(unshuffle(call, &map, x->groups, places));
    const rf_onnx_value channels = call->out;
    return rf_onnx_wait(call, &channels, RF_ONNX_UNSHUFFLED, 1);
}
