/* Branches side by side, (N,branches,C,H,W), the channels of one map in groups: stacked, summed, and weighted by a softmax across
 * them, as in selective kernels (Li et al. 2019) and split attention (Zhang et al. 2020). */
#include "model/onnx/graph.h"

bool rf_onnx_is_stack(const rf_onnx_value *x) {
    return x != NULL && x->form == RF_ONNX_GROUPED && x->rank == 5;
}

/* Makes call->out, a map, a value in groups like x again. */
static rf_status regroup(rf_onnx_call *call, const rf_onnx_value *x, int groups) {
    const rf_onnx_value map = call->out;
    RF_TRY(rf_onnx_wait(call, &map, x->form, 1));
    call->out.rank = x->rank;
    call->out.groups = groups;
    return RF_OK;
}

rf_status rf_onnx_stack(rf_onnx_call *call) {
    const rf_onnx_value *const first = rf_onnx_in(call, 0), map = rf_onnx_map_of(first);
    rf_onnx_layer layer = {.op = rf_op_find("concat")};
    const int size = call->build->model->nodes[first->layer].shape.c / first->groups;
    int axis, groups = 0;
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 0), 5));
    if (axis != 1 || call->node->n_input > RF_MAX_INPUTS)
        return rf_fail(RF_E_INPUT, "up to %d branches are stacked, along dimension 1", RF_MAX_INPUTS);
    for (size_t i = 0; i < call->node->n_input; i++) {
        const rf_onnx_value *const x = rf_onnx_in(call, i);
        if (!rf_onnx_is_stack(x) || call->build->model->nodes[x->layer].shape.c != size * x->groups)
            return rf_fail(RF_E_SHAPE, "input %zu is no branch like the first", i + 1);
        groups += x->groups;
        layer.input[layer.inputs++] = x->layer;
    }
    RF_TRY(rf_onnx_layer_add(call, &layer, &map));
    return regroup(call, first, groups);
}

rf_status rf_onnx_sum_stack(rf_onnx_call *call, const rf_onnx_value *x) {
    const rf_onnx_value map = rf_onnx_map_of(x);
    rf_onnx_layer layer = {.op = rf_op_find("add")};
    const int size = call->build->model->nodes[x->layer].shape.c / x->groups;
    if (x->groups > RF_MAX_INPUTS || rf_onnx_int(call->node, "keepdims", 1) != 0)
        return rf_fail(RF_E_INPUT, "of branches the sum is taken of up to %d, without keepdims",
                       RF_MAX_INPUTS);
    for (int g = 0; g < x->groups; g++) {
        const rf_attrs attrs = {.begin = g * size, .end = (g + 1) * size};
        RF_TRY(rf_onnx_layer_of(call, "slice", &map, &attrs));
        layer.input[layer.inputs++] = call->out.layer;
    }
    return x->groups == 1 ? RF_OK : rf_onnx_layer_add(call, &layer, &map);
}

rf_status rf_onnx_softmax_across(rf_onnx_call *call, const rf_onnx_value *x) {
    const rf_onnx_value map = rf_onnx_map_of(x);
    const rf_attrs attrs = {.groups = x->groups};
    int axis;
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", -1), x->rank));
    if (axis != 1)
        return rf_fail(RF_E_INPUT, "axis %d; across groups of channels, 1, is what is taken", axis);
    RF_TRY(rf_onnx_layer_of(call, "softmax", &map, &attrs));
    return regroup(call, x, x->groups);
}

/* Of each branch, a number a channel. */
rf_status rf_onnx_weigh_stack(rf_onnx_call *call, const rf_onnx_value *x, const rf_onnx_value *y) {
    const rf_model *const model = call->build->model;
    const bool swapped =
        rf_shape_count(model->nodes[y->layer].shape) > rf_shape_count(model->nodes[x->layer].shape);
    const rf_onnx_value map = rf_onnx_map_of(swapped ? y : x);
    const rf_onnx_layer layer = {
        .op = rf_op_find("multiply"), .inputs = 2, .input = {map.layer, (swapped ? x : y)->layer}};
    if (x->groups != y->groups) return rf_fail(RF_E_SHAPE, "%d branches times %d", x->groups, y->groups);
    RF_TRY(rf_onnx_layer_add(call, &layer, &map));
    return regroup(call, x, x->groups);
}
