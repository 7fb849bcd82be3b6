/* Branches side by side, (N,branches,C,H,W) or (branches,N,C,H,W), the channels of one map in groups: stacked, reduced, and weighted
 * by a softmax across them, as in selective kernels (Li et al. 2019) and split attention (Zhang et al. 2020). */
#include "model/onnx/graph.h"

bool rf_onnx_is_stack(const rf_onnx_value *x) {
    return x != NULL && x->form == RF_ONNX_GROUPED && x->rank == 5;
}

rf_status rf_onnx_regroup(rf_onnx_call *call, const rf_onnx_value *x, int groups) {
    const rf_onnx_value map = call->out;
    RF_TRY(rf_onnx_wait(call, &map, x->form, 1));
    call->out.rank = x->rank;
    call->out.groups = groups;
    call->out.branches_first = x->branches_first;
    return RF_OK;
}

rf_status rf_onnx_stack(rf_onnx_call *call) {
    const rf_onnx_value *const first = rf_onnx_in(call, 0), map = rf_onnx_map_of(first);
    rf_onnx_layer layer = {.op = rf_op_find("concat")};
    const int size = call->build->model->nodes[first->layer].shape.c / first->groups;
    int axis, groups = 0;
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 0), 5));
    const int along = first->branches_first ? 0 : 1;
    if (axis != along || call->node->n_input > RF_MAX_INPUTS)
        return rf_fail(RF_E_INPUT, "up to %d branches are stacked, along dimension %d", RF_MAX_INPUTS, along);
    for (size_t i = 0; i < call->node->n_input; i++) {
        const rf_onnx_value *const x = rf_onnx_in(call, i);
        if (!rf_onnx_is_stack(x) || x->branches_first != first->branches_first ||
            call->build->model->nodes[x->layer].shape.c != size * x->groups)
            return rf_fail(RF_E_SHAPE, "input %zu is no branch like the first", i + 1);
        groups += x->groups;
        layer.input[layer.inputs++] = x->layer;
    }
    if (layer.inputs == 1) return rf_onnx_pass(call, first);
    RF_TRY(rf_onnx_layer_add(call, &layer, &map));
    return rf_onnx_regroup(call, first, groups);
}

/* Cuts the stack into the parts that become one: its branches, or, shuffled, the first channels of all groups, and so on. */
static rf_status cut(rf_onnx_value part[RF_MAX_INPUTS], int *count, rf_onnx_call *call, unsigned axes) {
    const rf_onnx_value *const x = rf_onnx_in(call, 0);
    const int channels = call->build->model->nodes[x->layer].shape.c, size = channels / x->groups;
    const bool over_branches = axes == (x->branches_first ? 1U << 0 : 1U << 1);
    if (!over_branches && (x->branches_first || axes != 1U << 2))
        return rf_fail(RF_E_INPUT, "of branches it is taken over these, or over the channels of each");
    const int parts = over_branches ? x->groups : size;
    if (parts > RF_MAX_INPUTS || rf_onnx_int(call->node, "keepdims", 1) != 0)
        return rf_fail(RF_E_INPUT,
                       "it is taken over up to %d branches, or channels of each, without keepdims",
                       RF_MAX_INPUTS);
    rf_onnx_value map = rf_onnx_map_of(x);
    if (!over_branches) {
        RF_TRY(rf_onnx_layer_of(call, "channel_shuffle", &map, &(rf_attrs){.groups = x->groups}));
        map = call->out;
    }
    for (int i = 0, each = channels / parts; i < parts; i++) {
        RF_TRY(rf_onnx_layer_of(call, "slice", &map, &(rf_attrs){.begin = i * each, .end = (i + 1) * each}));
        part[i] = call->out;
    }
    *count = parts;
    return RF_OK;
}

rf_status rf_onnx_sum_stack(rf_onnx_call *call, unsigned axes) {
    rf_onnx_layer layer = {.op = rf_op_find("add")};
    rf_onnx_value part[RF_MAX_INPUTS];
    RF_TRY(cut(part, &layer.inputs, call, axes));
    for (int i = 0; i < layer.inputs; i++) layer.input[i] = part[i].layer;
    return layer.inputs > 1 ? rf_onnx_layer_add(call, &layer, part) : RF_OK;
}

rf_status rf_onnx_mean_stack(rf_onnx_call *call, unsigned axes) {
    const rf_onnx_value *const x = rf_onnx_in(call, 0);
    RF_TRY(rf_onnx_sum_stack(call, axes));
    const rf_onnx_value sum = call->out;
    const int channels = call->build->model->nodes[x->layer].shape.c,
              parts = channels / call->build->model->nodes[sum.layer].shape.c;
    return rf_onnx_wait(call, &sum, RF_ONNX_SCALED, 1.0 / parts);
}

rf_status rf_onnx_maximum_of_stack(rf_onnx_call *call, unsigned axes) {
    rf_onnx_value part[RF_MAX_INPUTS];
    int count;
    RF_TRY(cut(part, &count, call, axes));
    for (int i = 1; i < count; i++) {
        RF_TRY(rf_onnx_limit(call, &part[0], &part[i], true));
        part[0] = call->out;
    }
    return RF_OK;
}

rf_status rf_onnx_softmax_across(rf_onnx_call *call, const rf_onnx_value *x) {
    const rf_onnx_value map = rf_onnx_map_of(x);
    const rf_attrs attrs = {.groups = x->groups};
    int axis;
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", -1), x->rank));
    if (axis != 1 || x->branches_first)
        return rf_fail(RF_E_INPUT, "axis %d; across groups of channels, 1, is what is taken", axis);
    RF_TRY(rf_onnx_layer_of(call, "softmax", &map, &attrs));
    return rf_onnx_regroup(call, x, x->groups);
}

/* Of each branch, a number a channel. */
rf_status rf_onnx_weigh_stack(rf_onnx_call *call, const rf_onnx_value *x, const rf_onnx_value *y) {
    const rf_model *const model = call->build->model;
    const bool swapped =
        rf_shape_count(model->nodes[y->layer].shape) > rf_shape_count(model->nodes[x->layer].shape);
    const rf_onnx_value map = rf_onnx_map_of(swapped ? y : x);
    const rf_onnx_layer layer = {
        .op = rf_op_find("multiply"), .inputs = 2, .input = {map.layer, (swapped ? x : y)->layer}};
    if (x->groups != y->groups || x->branches_first != y->branches_first)
        return rf_fail(RF_E_SHAPE, "%d branches times %d", x->groups, y->groups);
    RF_TRY(rf_onnx_layer_add(call, &layer, &map));
    return rf_onnx_regroup(call, x, x->groups);
}
