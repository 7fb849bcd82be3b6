/* ONNX ops that reduce maps: over space, which is pooling, or over the channels. */
#include <math.h>

#include "model/onnx/graph.h"

static rf_status axes_of(unsigned *bits, const rf_onnx_call *call, int rank) {
    int64_t axes[RF_ONNX_MAX_RANK];
    int count, axis;
    RF_TRY(rf_onnx_list(axes, &count, call, "axes", 1));
    *bits = 0;
    for (int i = 0; i < count; i++) {
        RF_TRY(rf_onnx_axis(&axis, axes[i], rank));
        *bits |= 1u << axis;
    }
    return RF_OK;
}

/* Over the height, the width or both, the lowest bits; also where these are flattened, (N,C,pixels). */
static rf_status spatial_axes(unsigned *space, rf_onnx_value **x, rf_onnx_call *call) {
    unsigned bits;
    *x = rf_onnx_in(call, 0);
    const bool flattened = (*x)->rank == 3 && (*x)->form == RF_ONNX_GROUPED &&
                           (*x)->groups == call->build->model->nodes[(*x)->layer].shape.c;
    if (!flattened) RF_TRY(rf_onnx_first_any(x, call));
    RF_TRY(axes_of(&bits, call, (*x)->rank));
    *space = bits >> ((*x)->channels_last ? 1 : 2);
    if (flattened && bits == 1 << 2)
        *space = 3;
    else if ((*x)->rank != 4 || *space < 1 || *space > 3 || bits != *space << ((*x)->channels_last ? 1 : 2))
        return rf_fail(RF_E_INPUT, "it is taken over height, width or both, or over the channels");
    return RF_OK;
}

/* Leaves out the dimensions of one that a reduction has made, where it does not keep them; rank: of what was reduced. */
static rf_status without_axes(rf_onnx_call *call, unsigned space, int rank) {
    const bool keeps = rf_onnx_int(call->node, "keepdims", 1) != 0;
    rf_onnx_value pooled = call->out;
    int64_t dim[RF_ONNX_MAX_RANK];
    if (keeps && rank == 4) return RF_OK;
    if (pooled.channels_last && space != 3)
        return rf_fail(RF_E_INPUT,
                       "with the channels last it is taken over height and width, or with keepdims");
    pooled.channels_last = false;
    pooled.rank = 4;
    rf_onnx_dims(dim, call->build, &pooled);
    return space == 3 ? rf_onnx_reshape_to(call, &pooled, keeps ? 3 : 2, dim)
                      : rf_onnx_drop_axis(call, &pooled, space == 1 ? 2 : 3);
}

/* The mean over space is pooling; that over the channels, of x or of its squares, a part of layer norm. */
static rf_status pool_mean(rf_onnx_call *call, unsigned *space, rf_onnx_value **x) {
    RF_TRY(spatial_axes(space, x, call));
    const rf_shape s = call->build->model->nodes[(*x)->layer].shape;
    const rf_attrs attrs = {.size = {*space & 1 ? 1 : s.h, *space & 2 ? 1 : s.w}};
    const int rank = (*x)->rank;
    RF_TRY(rf_onnx_layer_of(call, "adaptive_avg_pool", *x, &attrs));
    return without_axes(call, *space, rank);
}

/* Whether it reduces the channels, and them alone. */
static rf_status is_over_channels(bool *out, rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    unsigned bits = 0;
    *out = false;
    if (x->rank != 4 && x->rank != 2) return RF_OK;
    RF_TRY(axes_of(&bits, call, x->rank));
    *out = bits == 1u << rf_onnx_channel_axis(x);
    return RF_OK;
}

/* Without keepdims the one channel that remains is (N,H,W). */
static rf_status reduce_channels(rf_onnx_call *call, const char *op) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(rf_onnx_layer_of(call, op, x, NULL));
    if (rf_onnx_int(call->node, "keepdims", 1) != 0) return RF_OK;
    if (x->rank != 4) return rf_fail(RF_E_INPUT, "of (N,features) it is taken with keepdims only");
    const rf_onnx_value one = call->out;
    RF_TRY(rf_onnx_wait(call, &one, RF_ONNX_GROUPED, 1));
    call->out.channels_last = false;
    call->out.rank = 3;
    call->out.groups = call->build->model->nodes[one.layer].shape.h;
    return RF_OK;
}

/* Of branches by `reduce`. */
static rf_status of_branches(rf_onnx_call *call, rf_status (*reduce)(rf_onnx_call *, unsigned)) {
    unsigned axes;
    RF_TRY(axes_of(&axes, call, rf_onnx_in(call, 0)->rank));
    return reduce(call, axes);
}

static rf_status mean(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    bool over_channels;
    unsigned space;
    if (rf_onnx_is_stack(rf_onnx_in(call, 0))) return of_branches(call, rf_onnx_mean_stack);
    RF_TRY(is_over_channels(&over_channels, call));
    const bool keeps = rf_onnx_int(call->node, "keepdims", 1) != 0;
    if (over_channels && keeps && x->form == RF_ONNX_LENGTH)
        return rf_onnx_wait(call, x, RF_ONNX_MEAN_LENGTH, 0);
    if (over_channels && keeps && x->form == RF_ONNX_LAYER && x->readers > 1) RF_TRY(rf_onnx_force(call, x));
    if (over_channels && keeps && (x->form == RF_ONNX_MAP || x->form == RF_ONNX_SQUARED))
        return rf_onnx_wait(call, x, x->form == RF_ONNX_SQUARED ? RF_ONNX_VARIANCE : RF_ONNX_MEAN, 0);
    return over_channels ? reduce_channels(call, "channel_mean") : pool_mean(call, &space, &x);
}

/* Over the channels the root of the sum of squares; over space it is a part of global response norm. */
static rf_status length(rf_onnx_call *call) {
    unsigned space;
    bool over_channels;
    rf_onnx_value *x;
    const bool keeps = rf_onnx_int(call->node, "keepdims", 1) != 0;
    RF_TRY(is_over_channels(&over_channels, call));
    if (over_channels && keeps) {
        RF_TRY(rf_onnx_first_any(&x, call));
        const rf_attrs channels = {.slope = call->build->model->nodes[x->layer].shape.c},
                       root = {.slope = 0.5};
        RF_TRY(rf_onnx_square(call, x));
        RF_TRY(rf_onnx_then(call, "channel_mean", NULL));
        RF_TRY(rf_onnx_then(call, "affine", &channels));
        return rf_onnx_then(call, "power", &root);
    }
    RF_TRY(spatial_axes(&space, &x, call));
    if (space != 3 || !keeps)
        return rf_fail(RF_E_INPUT, "it is taken over the channels, and as a part of global response norm, "
                                   "with keepdims only");
    return rf_onnx_wait(call, x, RF_ONNX_LENGTH, 1);
}

/* The mean, times the numbers. */
static rf_status sum(rf_onnx_call *call) {
    unsigned space = 0;
    rf_onnx_value *x = rf_onnx_in(call, 0);
    bool over_channels;
    if (rf_onnx_is_stack(rf_onnx_in(call, 0))) return of_branches(call, rf_onnx_sum_stack);
    RF_TRY(is_over_channels(&over_channels, call));
    RF_TRY(over_channels ? reduce_channels(call, "channel_mean") : pool_mean(call, &space, &x));
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    const double numbers = (over_channels ? s.c : 1) * (double)(space & 1 ? s.h : 1) * (space & 2 ? s.w : 1);
    if (call->out.rank == 3)
        return rf_fail(RF_E_INPUT, "the sum over one dimension is taken with keepdims only");
    const rf_onnx_value pooled = call->out;
    return rf_onnx_wait(call, &pooled, RF_ONNX_SCALED, numbers);
}

static rf_status maximum(rf_onnx_call *call) {
    unsigned space;
    rf_onnx_value *x;
    bool over_channels;
    if (rf_onnx_is_stack(rf_onnx_in(call, 0))) return of_branches(call, rf_onnx_maximum_of_stack);
    RF_TRY(is_over_channels(&over_channels, call));
    if (over_channels) return reduce_channels(call, "channel_max");
    RF_TRY(spatial_axes(&space, &x, call));
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    const rf_attrs attrs = {
        .kernel = {space & 1 ? s.h : 1, space & 2 ? s.w : 1}, .stride = {1, 1}, .dilation = {1, 1}};
    const int rank = x->rank;
    RF_TRY(rf_onnx_layer_of(call, "max_pool", x, &attrs));
    return without_axes(call, space, rank);
}

/* ---- of constants ---- */

/* Where a number goes: its dimensions that are reduced count no more. */
static size_t reduced_index(const rf_onnx_tensor *from, unsigned axes, size_t at) {
    size_t index = 0, stride = 1;
    for (int i = from->rank - 1; i >= 0; i--) {
        const size_t size = (size_t)from->dim[i];
        if (!(axes >> i & 1)) {
            index += at % size * stride;
            stride *= size;
        }
        at /= size;
    }
    return index;
}

/* Combines what `of` makes of the numbers, or themselves, by the row's `binary`, from `start` on, in doubles. */
static rf_status fold(rf_onnx_call *call, double start, double (*of)(double)) {
    rf_onnx_tensor *const from = rf_onnx_constant_in(call, 0), *out;
    const bool keeps = rf_onnx_int(call->node, "keepdims", 1) != 0;
    const double *in;
    int64_t dim[RF_ONNX_MAX_RANK];
    unsigned axes;
    int rank = 0;
    RF_TRY(axes_of(&axes, call, from->rank));
    if (axes == 0) axes = rf_onnx_int(call->node, "noop_with_empty_axes", 0) != 0 ? 0 : ~0U;
    for (int i = 0; i < from->rank; i++)
        if (!(axes >> i & 1) || keeps) dim[rank++] = axes >> i & 1 ? 1 : from->dim[i];
    RF_TRY(rf_onnx_numbers(&in, call->build, from));
    RF_TRY(rf_onnx_constant(&out, call->build, from->type, rank, dim));
    for (size_t i = 0; i < out->count; i++) out->values[i] = start;
    for (size_t i = 0; i < from->count; i++) {
        double *to = &out->values[reduced_index(from, axes, i)];
        *to = call->op->binary(*to, of != NULL ? of(in[i]) : in[i]);
    }
    rf_onnx_add_origins(out, from);
    out->reduced = out->origin[0] != NULL;
    call->out = (rf_onnx_value){.form = RF_ONNX_CONSTANT, .constant = out};
    return RF_OK;
}

static rf_status fold_sum(rf_onnx_call *call) {
    return fold(call, 0, NULL);
}
static rf_status fold_product(rf_onnx_call *call) {
    return fold(call, 1, NULL);
}
static rf_status fold_maximum(rf_onnx_call *call) {
    return fold(call, -INFINITY, NULL);
}

static rf_status fold_mean(rf_onnx_call *call) {
    RF_TRY(fold(call, 0, NULL));
    rf_onnx_tensor *const out = call->out.constant;
    const double numbers = (double)rf_onnx_constant_in(call, 0)->count / (double)RF_MAX(out->count, 1);
    for (size_t i = 0; i < out->count; i++) out->values[i] /= numbers;
    return RF_OK;
}

static double square(double a) {
    return a * a;
}
static rf_status fold_length(rf_onnx_call *call) {
    RF_TRY(fold(call, 0, square));
    rf_onnx_tensor *const out = call->out.constant;
    for (size_t i = 0; i < out->count; i++) out->values[i] = sqrt(out->values[i]);
    return RF_OK;
}

static double plus(double a, double b) {
    return a + b;
}
static double times(double a, double b) {
    return a * b;
}

/* ---- the table ---- */

#define REDUCTION 1, " axes keepdims noop_with_empty_axes "

const rf_onnx_op rf_onnx_reduce_ops[] = {
    {"ReduceL2", REDUCTION, fold_length, length, .binary = plus},
    {"ReduceMax", REDUCTION, fold_maximum, maximum, .binary = fmax},
    {"ReduceMean", REDUCTION, fold_mean, mean, .binary = plus},
    {"ReduceProd", REDUCTION, fold_product, .binary = times},
    {"ReduceSum", REDUCTION, fold_sum, sum, .binary = plus},
    {NULL},
};
