/* What a node reads: its inputs and attributes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx/graph.h"

const char *rf_onnx_node_name(const Onnx__NodeProto *node) {
    const char *name = rf_onnx_text(node->name);
    return *name == '\0' && node->n_output > 0 ? rf_onnx_text(node->output[0]) : name;
}

rf_onnx_value *rf_onnx_find(const rf_onnx_build *build, const char *name) {
    const int at = name != NULL && *name != '\0' ? rf_names_find(&build->names, name, strlen(name)) : -1;
    return at >= 0 ? &build->values[at] : NULL;
}

rf_onnx_value *rf_onnx_in(const rf_onnx_call *call, size_t index) {
    return index < call->node->n_input ? rf_onnx_find(call->build, call->node->input[index]) : NULL;
}

rf_onnx_tensor *rf_onnx_constant_in(const rf_onnx_call *call, size_t index) {
    const rf_onnx_value *value = rf_onnx_in(call, index);
    return value != NULL && value->form == RF_ONNX_CONSTANT ? value->constant : NULL;
}

const Onnx__AttributeProto *rf_onnx_attribute(const Onnx__NodeProto *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(rf_onnx_text(node->attribute[i]->name), name) == 0) return node->attribute[i];
    return NULL;
}

int64_t rf_onnx_int(const Onnx__NodeProto *node, const char *name, int64_t absent) {
    const Onnx__AttributeProto *a = rf_onnx_attribute(node, name);
    return a != NULL && a->has_i ? a->i : absent;
}

/* 0.1f as a number is 0.1: exporters write float32 of what was a double. */
static double as_written(float value) {
    char text[32];
    snprintf(text, sizeof text, "%.7g", value);
    return strtod(text, NULL);
}

double rf_onnx_float(const Onnx__NodeProto *node, const char *name, double absent) {
    const Onnx__AttributeProto *a = rf_onnx_attribute(node, name);
    return a != NULL && a->has_f ? as_written(a->f) : absent;
}

bool rf_onnx_text_is(const Onnx__NodeProto *node, const char *name, const char *text) {
    const Onnx__AttributeProto *a = rf_onnx_attribute(node, name);
    return a != NULL && a->has_s && a->s.len == strlen(text) && memcmp(a->s.data, text, a->s.len) == 0;
}

rf_status rf_onnx_list(int64_t list[RF_ONNX_MAX_RANK], int *count, const rf_onnx_call *call,
                       const char *attribute, size_t input) {
    const Onnx__AttributeProto *a = attribute != NULL ? rf_onnx_attribute(call->node, attribute) : NULL;
    const rf_onnx_value *value = rf_onnx_in(call, input);
    const double *numbers = NULL;
    *count = -1;
    if (a == NULL && value == NULL) return RF_OK;
    if (a == NULL && value->form != RF_ONNX_CONSTANT)
        return rf_fail(RF_E_INPUT, "input %zu ('%.100s') must be a constant, and depends on the images",
                       input + 1, call->node->input[input]);
    const size_t length = a != NULL ? a->n_ints : value->constant->count;
    if (length > RF_ONNX_MAX_RANK)
        return rf_fail(RF_E_INPUT, "a list of %zu numbers; %d are the most", length, RF_ONNX_MAX_RANK);
    if (a == NULL) RF_TRY(rf_onnx_numbers(&numbers, call->build, value->constant));
    for (size_t i = 0; i < length; i++) /* the ends of slices may be INT64_MAX */
        list[i] = a != NULL ? a->ints[i] : (int64_t)fmax(-0x1p62, fmin(numbers[i], 0x1p62));
    *count = (int)length;
    return RF_OK;
}

rf_status rf_onnx_axis(int *axis, int64_t given, int rank) {
    *axis = 0;
    if (given < -rank || given >= rank)
        return rf_fail(RF_E_INPUT, "axis %lld of %d dimensions", (long long)given, rank);
    *axis = (int)(given < 0 ? given + rank : given);
    return RF_OK;
}

rf_status rf_onnx_pads(int64_t pads[RF_ONNX_MAX_RANK], int *count, const rf_onnx_call *call, int rank) {
    int64_t axes[RF_ONNX_MAX_RANK], given[RF_ONNX_MAX_RANK];
    int axis, those;
    RF_TRY(rf_onnx_list(pads, count, call, "pads", 1));
    RF_TRY(rf_onnx_list(axes, &those, call, NULL, 3));
    if (those < 0) return RF_OK;
    if (*count != 2 * those || 2 * rank > RF_ONNX_MAX_RANK)
        return rf_fail(RF_E_INPUT, "%d paddings of %d dimensions", *count, those);
    memcpy(given, pads, sizeof given);
    memset(pads, 0, RF_ONNX_MAX_RANK * sizeof *pads);
    *count = 2 * rank;
    for (int i = 0; i < those; i++) {
        RF_TRY(rf_onnx_axis(&axis, axes[i], rank));
        pads[axis] = given[i];
        pads[axis + rank] = given[i + those];
    }
    return RF_OK;
}

static bool multiply(int64_t *product, int64_t factor) { /* false: too large */
    if (factor < 0 || factor > RF_MAX_NUMBERS) return false;
    *product *= factor;
    return *product <= RF_MAX_NUMBERS;
}

rf_status rf_onnx_reshape_dims(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_call *call,
                               const int64_t *old, int old_rank) {
    const bool zero_is_zero = rf_onnx_int(call->node, "allowzero", 0) != 0;
    int64_t count = 1, known = 1;
    int open = -1;
    RF_TRY(rf_onnx_list(dim, rank, call, NULL, 1));
    if (*rank < 0) return rf_fail(RF_E_INPUT, "input 2, the shape, is missing");
    for (int i = 0; i < old_rank; i++) count *= old[i];
    for (int i = 0; i < *rank; i++) {
        if (dim[i] == 0 && !zero_is_zero && i < old_rank) dim[i] = old[i];
        if (dim[i] == -1 && open < 0)
            open = i;
        else if (!multiply(&known, dim[i]))
            return rf_fail(RF_E_INPUT, "dimension %d of the shape it asks for is %lld", i, (long long)dim[i]);
    }
    if (open >= 0 && known > 0) dim[open] = count / known;
    if (open >= 0 ? known == 0 || count % known != 0 : count != known)
        return rf_fail(RF_E_SHAPE, "%lld numbers do not have the shape that it asks for, of %lld%s",
                       (long long)count, (long long)known, open >= 0 ? " times others" : "");
    return RF_OK;
}

/* The axes of Squeeze and Unsqueeze as bits of a shape of `rank` dimensions. */
static rf_status axes_of(unsigned *bits, int *count, const rf_onnx_call *call, int old_rank, bool added) {
    int64_t list[RF_ONNX_MAX_RANK];
    RF_TRY(rf_onnx_list(list, count, call, "axes", 1));
    *bits = 0;
    for (int i = 0; i < *count; i++) {
        int axis;
        RF_TRY(rf_onnx_axis(&axis, list[i], old_rank + (added ? *count : 0)));
        *bits |= 1u << axis;
    }
    return RF_OK;
}

rf_status rf_onnx_unsqueeze_dims(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_call *call,
                                 const int64_t *old, int old_rank) {
    unsigned axes;
    int count, from = 0;
    RF_TRY(axes_of(&axes, &count, call, old_rank, true));
    *rank = old_rank + RF_MAX(count, 0);
    if (*rank > RF_ONNX_MAX_RANK) return rf_fail(RF_E_INPUT, "more than %d dimensions", RF_ONNX_MAX_RANK);
    for (int i = 0; i < *rank; i++) {
        if (!(axes >> i & 1) && from == old_rank) return rf_fail(RF_E_INPUT, "an axis is named twice");
        dim[i] = axes >> i & 1 ? 1 : old[from++];
    }
    return RF_OK;
}

rf_status rf_onnx_squeeze_dims(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_call *call,
                               const int64_t *old, int old_rank) {
    const bool of_images = rf_onnx_constant_in(call, 0) == NULL; /* a batch of one may be another later */
    unsigned axes;
    int count;
    RF_TRY(axes_of(&axes, &count, call, old_rank, false));
    *rank = 0;
    for (int i = 0; i < old_rank; i++) {
        const bool goes = count < 0 ? old[i] == 1 && !(of_images && i == 0) : axes >> i & 1;
        if (goes && old[i] != 1)
            return rf_fail(RF_E_INPUT, "dimension %d is %lld, not 1", i, (long long)old[i]);
        if (!goes) dim[(*rank)++] = old[i];
    }
    return RF_OK;
}

void rf_onnx_dims(int64_t dim[RF_ONNX_MAX_RANK], const rf_onnx_build *build, const rf_onnx_value *x) {
    const rf_shape s = build->model->nodes[x->layer].shape;
    const bool in_groups = x->form == RF_ONNX_GROUPED || x->form == RF_ONNX_SHUFFLED,
               as_one_group = rf_onnx_is_response(x) && x->rank == 5;
    const int groups = in_groups && x->rank >= 4 ? RF_MAX(x->groups, 1) : 1, size = s.c / groups;
    const int64_t all[] = {s.c, s.h, s.w, 1}, last[] = {s.h, s.w, s.c, 1},
                  features[] = {(int64_t)rf_shape_count(s), s.h, s.w, 1},
                  grouped[] = {groups, size, s.h, s.w}, shuffled[] = {size, groups, s.h, s.w};
    dim[0] = build->batch;
    if (x->form == RF_ONNX_SQUARES) {
        const int64_t squares[] = {s.c, s.h / x->groups, x->groups, s.w / x->groups, x->groups};
        memcpy(dim + 1, squares, sizeof squares);
        return;
    }
    memcpy(dim + 1,
           x->form == RF_ONNX_GROUPED || as_one_group ? grouped
           : x->form == RF_ONNX_SHUFFLED              ? shuffled
           : x->rank == 2                             ? features
           : x->channels_last                         ? last
                                                      : all,
           sizeof all);
    if (x->rank == 4 && in_groups) {
        dim[1] = x->form == RF_ONNX_GROUPED ? 1 : groups;
        dim[2] = x->form == RF_ONNX_GROUPED ? groups : 1;
        dim[3] = size;
    }
    if (x->form == RF_ONNX_MEAN || x->form == RF_ONNX_NEGATIVE_MEAN) dim[rf_onnx_channel_axis(x)] = 1;
    if (x->branches_first) {
        dim[1] = dim[0];
        dim[0] = groups;
    }
    if (x->form == RF_ONNX_CHANNELS_FIRST) {
        dim[1] = dim[0];
        dim[0] = s.c;
    }
    if (x->form == RF_ONNX_PIXELS) {
        dim[0] *= (int64_t)s.h * s.w;
        dim[1] = s.c;
    }
    if (x->rank == 1) dim[0] *= s.c;
    if (x->rank == 3) {
        dim[1] = x->groups;
        dim[2] = (int64_t)(rf_shape_count(s) / (size_t)RF_MAX(x->groups, 1));
    }
}
