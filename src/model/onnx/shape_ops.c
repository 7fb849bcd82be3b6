/* ONNX ops that change shapes, cut and join maps, or leave them as they are. */
#include <math.h>
#include <string.h>

#include "model/onnx/graph.h"

/* A channel shuffle is whole when its matrix of channels is (N,C,H,W) again. */
static rf_status shuffle_to(rf_onnx_call *call, const rf_onnx_value *x, int rank, const int64_t *dim) {
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    const rf_attrs attrs = {.groups = x->groups};
    if (rank != 4 || dim[1] != s.c || dim[2] != s.h || dim[3] != s.w)
        return rf_fail(RF_E_SHAPE, "behind a transposition only the reshape of a channel shuffle is taken");
    RF_TRY(rf_onnx_layer_of(call, "channel_shuffle", x, &attrs));
    call->out.rank = 4;
    return RF_OK;
}

/* Of a group norm, whose groups are (N,C,H,W) again. */
static rf_status ungroup(rf_onnx_call *call, const rf_onnx_value *x, int rank, const int64_t *dim) {
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    if (rank != 4 || dim[1] != s.c || dim[2] != s.h || dim[3] != s.w)
        return rf_fail(RF_E_SHAPE, "behind a norm of groups only the reshape back to maps is taken");
    RF_TRY(rf_onnx_pass(call, x));
    call->out.rank = 4;
    return RF_OK;
}

/* Only what a layer's output can be: itself, (N,features), or (N,C,1,1); in groups; or a part of a channel shuffle. */
rf_status rf_onnx_reshape_to(rf_onnx_call *call, rf_onnx_value *x, int rank, const int64_t *dim) {
    int64_t old[RF_ONNX_MAX_RANK];
    bool done = false;
    if (rf_onnx_is_response(x)) RF_TRY(rf_onnx_reshape_response(&done, call, x, rank, dim));
    if (done) return RF_OK;
    rf_onnx_dims(old, call->build, x);
    if (x->branches_first)
        return rf_fail(RF_E_SHAPE, "behind (branches,N,C,H,W) only their sum, mean and maximum are taken");
    if (rank == x->rank && memcmp(dim, old, (size_t)rank * sizeof *dim) == 0) {
        RF_TRY(rf_onnx_pass(call, x));
        if (x->form == RF_ONNX_UNSHUFFLED) call->out.form = RF_ONNX_MAP;
        return RF_OK;
    }
    if ((x->form == RF_ONNX_GROUPED && x->rank == 3) || (x->form == RF_ONNX_SHUFFLED && x->rank == 4)) {
        /* as what it was made of */
        rf_onnx_value map = rf_onnx_map_of(x);
        RF_TRY(rf_onnx_reshape_to(call, &map, rank, dim));
        if (call->out.form == RF_ONNX_MAP) call->out.rank = rank;
        return RF_OK;
    }
    if (x->form == RF_ONNX_SHUFFLED) return shuffle_to(call, x, rank, dim);
    if (rank == 5 && x->rank == 4 && dim[0] == old[0] && dim[1] > 0 && dim[1] * dim[2] == old[1] &&
        dim[3] == old[2] && dim[4] == old[3]) {
        RF_TRY(rf_onnx_wait(call, x, RF_ONNX_GROUPED, 1));
        call->out.rank = 5;
        call->out.groups = (int)dim[1];
        return RF_OK;
    }
    if (rf_onnx_is_squares(dim, rank, old) && x->form == RF_ONNX_MAP && x->rank == 4) {
        RF_TRY(rf_onnx_wait(call, x, RF_ONNX_SQUARES, 1));
        call->out.rank = 6;
        call->out.groups = (int)dim[3];
        return RF_OK;
    }
    if (x->form == RF_ONNX_NORMED) return ungroup(call, x, rank, dim);
    if (rank == 3 && x->rank != 3 && dim[0] == old[0] && dim[1] > 0 && old[1] % dim[1] == 0) {
        RF_TRY(rf_onnx_wait(call, x, RF_ONNX_GROUPED, 1));
        call->out.rank = 3;
        call->out.groups = (int)dim[1];
        return RF_OK;
    }
    if (rank == 4 && x->rank == 4 && old[2] * old[3] == 1 && dim[0] == old[0] && dim[1] == 1 && dim[2] > 1 &&
        dim[2] * dim[3] == old[1]) {
        RF_TRY(rf_onnx_wait(call, x, RF_ONNX_GROUPED, 1));
        call->out.groups = (int)dim[2];
        return RF_OK;
    }
    if (rank == 1 && x->rank == 4 && old[2] * old[3] == 1) {
        RF_TRY(rf_onnx_wait(call, x, RF_ONNX_ROW, 1));
        call->out.rank = 1;
        return RF_OK;
    }
    if (rank == 2 && dim[0] == old[0]) {
        RF_TRY(rf_onnx_layer_of(call, "flatten", x, NULL));
        call->out.rank = 2;
        return RF_OK;
    }
    if (rank == 4 && x->rank == 4 && dim[0] == old[0] && dim[2] == 1) {
        const bool to_row = old[2] * old[3] == 1 && dim[1] == 1 && dim[3] == old[1],
                   back = old[1] == 1 && dim[3] == 1 && dim[1] == old[2] * old[3];
        if (to_row || back)
            return rf_onnx_layer_of(call, to_row ? "channels_to_row" : "row_to_channels", x, NULL);
    }
    if (rank == 4 && x->rank == 2 && old[2] * old[3] == 1 && dim[0] == old[0] && dim[1] == old[1]) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.rank = 4;
        return RF_OK;
    }
    if (rank == 4 && x->rank == 2 && old[2] * old[3] == 1 && dim[0] == old[0] && dim[3] == old[1]) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.rank = 4;
        call->out.channels_last = true;
        return RF_OK;
    }
    return rf_fail(RF_E_SHAPE,
                   "only reshapes that flatten each image's maps are taken, to (N, features), and those of "
                   "a channel shuffle");
}

/* Of maps with their channels last: as others where they are 1x1; else flat, in that order, or as pixels, and back. */
static rf_status reshape_channels_last(rf_onnx_call *call, const rf_onnx_value *x, int rank,
                                       const int64_t *dim, const int64_t *old) {
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    const bool same = rank == x->rank && memcmp(dim, old, (size_t)rank * sizeof *dim) == 0;
    const int64_t maps[] = {call->build->batch, s.h, s.w, s.c}, pixels[] = {maps[0] * s.h * s.w, s.c};
    rf_onnx_value map = *x;
    if (same) return rf_onnx_pass(call, x);
    map.channels_last = s.h * s.w > 1;
    const bool to_pixels =
                   map.channels_last && x->rank == 4 && rank == 2 && memcmp(dim, pixels, sizeof pixels) == 0,
               to_maps = x->form == RF_ONNX_PIXELS && rank == 4 && memcmp(dim, maps, sizeof maps) == 0;
    if (to_pixels || to_maps) {
        RF_TRY(rf_onnx_wait(call, x, to_maps ? RF_ONNX_MAP : RF_ONNX_PIXELS, 1));
        call->out.rank = rank;
        return RF_OK;
    }
    if (x->form == RF_ONNX_PIXELS)
        return rf_fail(RF_E_SHAPE, "pixels, (N H W,C), are maps again next, (N,H,W,C)");
    if (!map.channels_last) return rf_onnx_reshape_to(call, &map, rank, dim);
    if (rank != 2 || dim[0] != old[0])
        return rf_fail(RF_E_SHAPE,
                       "of maps with the channels last, (N,H,W,C), only reshapes to (N, features) are taken");
    RF_TRY(rf_onnx_layer_of(call, "flatten", x, NULL));
    call->out.rank = 2;
    return RF_OK;
}

typedef rf_status dims_of(int64_t *dim, int *rank, const rf_onnx_call *call, const int64_t *old,
                          int old_rank);

/* The means of pixels, (N,1,H,W) or (N,H,W,1), to the other, which the channels of what they belong to may have been moved to since, or
 * as they are.  *done: that it is. */
static rf_status move_mean(bool *done, rf_onnx_call *call, dims_of *dims) {
    rf_onnx_value x = *rf_onnx_in(call, 0);
    int64_t old[RF_ONNX_MAX_RANK], dim[RF_ONNX_MAX_RANK];
    int rank;
    rf_onnx_dims(old, call->build, &x);
    RF_TRY(dims(dim, &rank, call, old, x.rank));
    for (int i = 0; i < 2 && !*done && x.rank == 4 && rank == 4; i++, x.channels_last = !x.channels_last) {
        rf_onnx_dims(old, call->build, &x);
        *done = memcmp(dim, old, 4 * sizeof *dim) == 0;
        if (*done) RF_TRY(rf_onnx_pass(call, &x));
    }
    return RF_OK;
}

static rf_status with_dims(rf_onnx_call *call, dims_of *dims) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    int64_t old[RF_ONNX_MAX_RANK], dim[RF_ONNX_MAX_RANK];
    int rank;
    bool done = false;
    if (x->form == RF_ONNX_MEAN) RF_TRY(move_mean(&done, call, dims));
    if (done) return RF_OK;
    if (x->form != RF_ONNX_SHUFFLED && x->form != RF_ONNX_GROUPED && x->form != RF_ONNX_UNSHUFFLED &&
        !rf_onnx_is_response(x) && x->form != RF_ONNX_PIXELS && x->rank != 3)
        RF_TRY(rf_onnx_first_any(&x, call));
    rf_onnx_dims(old, call->build, x);
    RF_TRY(dims(dim, &rank, call, old, x->rank));
    return x->channels_last ? reshape_channels_last(call, x, rank, dim, old)
                            : rf_onnx_reshape_to(call, x, rank, dim);
}
static rf_status reshape(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_reshape_dims);
}
static rf_status squeeze(rf_onnx_call *call) {
    return with_dims(call, rf_onnx_squeeze_dims);
}
static rf_status unsqueeze(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    int64_t axes[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_list(axes, &count, call, "axes", 1));
    if (x->rank != 4 || x->channels_last || count != 1 || (axes[0] != 0 && axes[0] != -5))
        return with_dims(call, rf_onnx_unsqueeze_dims);
    RF_TRY(rf_onnx_first_map(&x, call));
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_GROUPED, 1)); /* one of several branches */
    call->out.rank = 5;
    call->out.groups = 1;
    call->out.branches_first = true;
    return RF_OK;
}

/* Whether it asks for a single channel, or feature, many times, and for nothing else. */
static bool repeats_channel(const int64_t *wanted, const int64_t *dim, int rank) {
    bool same = (rank == 4 || rank == 2) && dim[1] == 1 && wanted[1] > 1 && wanted[1] <= INT_MAX;
    for (int i = 2; i < rank && same; i++) same = wanted[i] == 1 || wanted[i] == dim[i];
    return same;
}

/* A pooled map waits for what reads it as a larger one. */
static rf_status expand(rf_onnx_call *call) {
    rf_onnx_value *x;
    int64_t dim[RF_ONNX_MAX_RANK], wanted[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_first(&x, call));
    RF_TRY(rf_onnx_list(wanted, &count, call, NULL, 1));
    rf_onnx_dims(dim, call->build, x);
    const bool repeats = count == 4 && x->rank == 4 && dim[2] * dim[3] == 1;
    if (count == x->rank && repeats_channel(wanted, dim, count)) {
        RF_TRY(rf_onnx_wait(call, x, RF_ONNX_REPEATED, 1));
        call->out.groups = (int)wanted[1];
        return RF_OK;
    }
    for (int i = 0; i < count && count == x->rank; i++)
        if (wanted[i] != 1 && wanted[i] != dim[i] &&
            (!repeats || i < 2 || wanted[i] < 1 || wanted[i] > 1 << 16))
            return rf_fail(
                RF_E_SHAPE,
                "dimension %d from %lld to %lld: only maps of 1x1 are repeated, and single channels", i,
                (long long)dim[i], (long long)wanted[i]);
    if (count != x->rank) return rf_fail(RF_E_SHAPE, "from %d to %d dimensions", x->rank, count);
    if (!repeats || wanted[2] * wanted[3] == 1) return rf_onnx_pass(call, x);
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_EXPANDED, 1));
    call->out.size = rf_onnx_pair(wanted + 2);
    return RF_OK;
}

static rf_status tile(rf_onnx_call *call) {
    rf_onnx_value *x;
    int64_t repeats[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_first(&x, call));
    RF_TRY(rf_onnx_list(repeats, &count, call, NULL, 1));
    for (int i = 0; i < count; i++)
        if (count != x->rank || (i != 1 && repeats[i] != 1))
            return rf_fail(RF_E_INPUT, "only channels are repeated");
    return rf_onnx_repeat(call, x, count > 1 ? repeats[1] : 1);
}

static rf_status shape_of(rf_onnx_call *call) {
    rf_onnx_value *const x = rf_onnx_in(call, 0);
    if (x->form != RF_ONNX_GROUPED && !rf_onnx_is_response(x) && x->rank != 3) RF_TRY(rf_onnx_force(call, x));
    return rf_onnx_fold_shape(call);
}

static rf_status flatten(rf_onnx_call *call) {
    rf_onnx_value *x;
    int axis;
    RF_TRY(rf_onnx_first(&x, call));
    RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 1), x->rank));
    int64_t dim[RF_ONNX_MAX_RANK];
    rf_onnx_dims(dim, call->build, x);
    for (int i = 2; i < x->rank; i++) dim[1] *= dim[i];
    return axis == 1 ? rf_onnx_reshape_to(call, x, 2, dim)
                     : rf_fail(RF_E_INPUT, "axis %d; 1 is what is taken", axis);
}

/* Moves the channels last, or back; or exchanges the groups of a channel shuffle. */
static rf_status transpose(rf_onnx_call *call) {
    static const int64_t last[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2}, exchange[] = {0, 2, 1, 3, 4},
                         first[] = {1, 0, 2, 3};
    rf_onnx_value *x = rf_onnx_in(call, 0);
    int64_t order[RF_ONNX_MAX_RANK];
    int count;
    RF_TRY(rf_onnx_list(order, &count, call, "perm", SIZE_MAX));
    if (x->form == RF_ONNX_SQUARES) return rf_onnx_transpose_squares(call, x, order, count);
    if (x->rank == 4 && count == 4 && !x->channels_last && memcmp(order, first, sizeof first) == 0) {
        if (x->form != RF_ONNX_CHANNELS_FIRST) RF_TRY(rf_onnx_first_map(&x, call));
        return rf_onnx_wait(call, x, x->form == RF_ONNX_CHANNELS_FIRST ? RF_ONNX_MAP : RF_ONNX_CHANNELS_FIRST,
                            1);
    }
    if (x->form == RF_ONNX_GROUPED && x->rank >= 4 && count == x->rank && !x->branches_first &&
        memcmp(order, exchange, (size_t)count * sizeof *order) == 0) {
        RF_TRY(rf_onnx_pass(call, x));
        call->out.form = RF_ONNX_SHUFFLED;
        return RF_OK;
    }
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    if (x->form == RF_ONNX_GROUPED && x->rank == 3 && s.h * s.w == 1 &&
        (x->groups == 1 || x->groups == s.c) && count == 3 &&
        memcmp(order, (const int64_t[]){0, 2, 1}, sizeof(int64_t[3])) == 0) {
        const int groups = x->groups == 1 ? s.c : 1; /* (N,C,1) and (N,1,C) are the same numbers */
        RF_TRY(rf_onnx_wait(call, x, RF_ONNX_GROUPED, 1));
        call->out.groups = groups;
        return RF_OK;
    }
    /* What waits to be merged with the next node goes on waiting. */
    if (x->form != RF_ONNX_PADDED && x->form != RF_ONNX_SCALED &&
        (x->form != RF_ONNX_LAYER || x->readers > 1))
        RF_TRY(rf_onnx_first_any(&x, call));
    if (x->rank != 4 || count != 4 || memcmp(order, x->channels_last ? back : last, sizeof last) != 0)
        return rf_fail(
            RF_E_INPUT,
            "only what moves the channels last, (N,H,W,C), and back, and channel shuffle are taken");
    RF_TRY(rf_onnx_pass(call, x));
    call->out.channels_last = !x->channels_last;
    return RF_OK;
}

/* ---- parts of the channels ---- */

static rf_status channels_from(rf_onnx_call *call, const rf_onnx_value *x, int64_t begin, int64_t end) {
    const int channels = call->build->model->nodes[x->layer].shape.c;
    if (begin == 0 && end == channels) return rf_onnx_pass(call, x);
    if (begin < 0 || begin >= end || end > channels)
        return rf_fail(RF_E_SHAPE, "channels %lld to %lld of %d", (long long)begin, (long long)end, channels);
    const rf_attrs attrs = {.begin = (int)begin, .end = (int)end};
    return rf_onnx_layer_of(call, "slice", x, &attrs);
}

/* The axis must be that of the channels. */
static rf_status check_axis(const rf_onnx_value *x, int64_t given) {
    int axis;
    RF_TRY(rf_onnx_axis(&axis, given, x->rank));
    if (axis == rf_onnx_channel_axis(x)) return RF_OK;
    return rf_fail(RF_E_INPUT, "axis %d; channels, %d, are what is taken", axis, rf_onnx_channel_axis(x));
}

/* Rows or columns (axis 0 or 1) from begin to before end, every step-th. */
static rf_status pixels_from(rf_onnx_call *call, rf_onnx_value *x, int axis, int64_t begin, int64_t end,
                             int64_t step) {
    const rf_shape s = call->build->model->nodes[x->layer].shape;
    const int size = axis == 0 ? s.h : s.w;
    if (begin >= end || step < 1 || step > RF_MAX_KERNEL)
        return rf_fail(RF_E_SHAPE, "pixels %lld to %lld of %d, by steps of %lld", (long long)begin,
                       (long long)end, size, (long long)step);
    RF_TRY(rf_onnx_pass(call, x));
    if (begin > 0 || end < size) {
        const int before = -(int)begin, after = (int)end - size;
        const rf_attrs attrs = {.before = {axis == 0 ? before : 0, axis == 0 ? 0 : before},
                                .after = {axis == 0 ? after : 0, axis == 0 ? 0 : after}};
        RF_TRY(rf_onnx_layer_of(call, "pad", x, &attrs));
    }
    if (step == 1) return RF_OK;
    const rf_attrs attrs = {.kernel = {1, 1},
                            .stride = {axis == 0 ? (int)step : 1, axis == 0 ? 1 : (int)step}};
    const rf_onnx_value cut = call->out;
    return rf_onnx_layer_of(call, "avg_pool", &cut, &attrs);
}

static rf_status slice(rf_onnx_call *call) {
    static const char *const attributes[] = {"starts", "ends", "axes", NULL};
    int64_t list[4][RF_ONNX_MAX_RANK], dim[RF_ONNX_MAX_RANK];
    int count[4];
    rf_onnx_value *first;
    RF_TRY(rf_onnx_first_any(&first, call));
    for (size_t i = 0; i < 4; i++) RF_TRY(rf_onnx_list(list[i], &count[i], call, attributes[i], i + 1));
    for (int i = 1; i < 4; i++)
        if (count[0] < 1 || (count[i] != count[0] && (i == 1 || count[i] >= 0)))
            return rf_fail(RF_E_INPUT, "starts, ends, axes and steps are not of one length");
    rf_onnx_value x = *first;
    for (int i = 0; i < count[0]; i++) {
        const int64_t step = count[3] < 0 ? 1 : list[3][i];
        int64_t begin = list[0][i], end = list[1][i];
        int axis;
        RF_TRY(rf_onnx_axis(&axis, count[2] < 0 ? i : list[2][i], x.rank));
        rf_onnx_dims(dim, call->build, &x);
        begin = RF_MAX(RF_MIN(begin < 0 ? begin + dim[axis] : begin, dim[axis]), 0);
        end = RF_MAX(RF_MIN(end < 0 ? end + dim[axis] : end, dim[axis]), 0);
        if (axis == 0 && begin == 0 && end == dim[0] && step == 1) { /* all of them */
            RF_TRY(rf_onnx_pass(call, &x));
            continue;
        }
        const bool of_channels = axis == rf_onnx_channel_axis(&x);
        if (axis == 0 || (of_channels && step != 1))
            return rf_fail(RF_E_INPUT, "images are not cut, and channels by steps of 1 only");
        RF_TRY(of_channels ? channels_from(call, &x, begin, end)
                           : pixels_from(call, &x, axis - (x.channels_last ? 1 : 2), begin, end, step));
        x = call->out;
    }
    return RF_OK;
}

/* Where part `index` of `parts` ends that sizes cuts the channels into: one size for all, or a list; count -1: equal. */
static int64_t end_of_part(const int64_t *sizes, int count, int64_t channels, size_t parts, size_t index) {
    int64_t end = 0;
    if (count < 0 || count == 1) {
        const int64_t size = count == 1 ? sizes[0] : (channels + (int64_t)parts - 1) / (int64_t)parts;
        return size > 0 && size <= channels ? RF_MIN(size * (int64_t)(index + 1), channels) : 0;
    }
    for (size_t i = 0; i <= index && i < (size_t)count; i++) end += RF_MAX(RF_MIN(sizes[i], channels), 0);
    return end;
}

/* A layer for each output that is read. */
static rf_status split(rf_onnx_call *call) {
    const size_t parts = call->node->n_output;
    int64_t sizes[RF_ONNX_MAX_RANK];
    int count;
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(check_axis(x, rf_onnx_int(call->node, "axis", 0)));
    RF_TRY(rf_onnx_list(sizes, &count, call, "split", 1));
    const int64_t channels = call->build->model->nodes[x->layer].shape.c;
    for (size_t i = parts; i-- > 0;) { /* the first comes last: it is what the call returns */
        rf_onnx_value *out = rf_onnx_find(call->build, call->node->output[i]);
        if (out == NULL || out->readers == 0) continue;
        RF_TRY(channels_from(call, x, i > 0 ? end_of_part(sizes, count, channels, parts, i - 1) : 0,
                             end_of_part(sizes, count, channels, parts, i)));
        const int readers = out->readers;
        *out = call->out;
        out->readers = readers;
        out->producer = call->node;
    }
    return RF_OK;
}

static rf_status split_to_sequence(rf_onnx_call *call) {
    rf_onnx_value *x;
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(check_axis(x, rf_onnx_int(call->node, "axis", 0)));
    if (rf_onnx_constant_in(call, 1) == NULL || rf_onnx_int(call->node, "keepdims", 1) == 0)
        return rf_fail(RF_E_INPUT, "the sizes of its parts are no constant, or keepdims is 0");
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_PARTS, 1));
    call->out.constant = rf_onnx_constant_in(call, 1);
    return RF_OK;
}

static rf_status sequence_at(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    const double *numbers;
    int64_t sizes[RF_ONNX_MAX_RANK];
    double index;
    if (x->form != RF_ONNX_PARTS || x->constant->count > RF_ONNX_MAX_RANK)
        return rf_fail(RF_E_INPUT, "it is taken behind SplitToSequence only, of up to %d parts",
                       RF_ONNX_MAX_RANK);
    RF_TRY(rf_onnx_scalar(&index, call->build, rf_onnx_constant_in(call, 1)));
    RF_TRY(rf_onnx_numbers(&numbers, call->build, x->constant));
    const int count = (int)x->constant->count;
    for (int i = 0; i < count; i++) sizes[i] = (int64_t)fmax(fmin(numbers[i], 0x1p31), 0);
    const int64_t channels = call->build->model->nodes[x->layer].shape.c;
    if (!(index >= 0 && index < (double)channels))
        return rf_fail(RF_E_INPUT, "part %g of %lld channels", index, (long long)channels);
    const size_t at = (size_t)index;
    return channels_from(call, x, at > 0 ? end_of_part(sizes, count, channels, 0, at - 1) : 0,
                         end_of_part(sizes, count, channels, 0, at));
}

rf_status rf_onnx_drop_axis(rf_onnx_call *call, rf_onnx_value *x, int axis) {
    int64_t dim[RF_ONNX_MAX_RANK];
    rf_onnx_dims(dim, call->build, x);
    memmove(dim + axis, dim + axis + 1, (size_t)(x->rank - axis - 1) * sizeof *dim);
    return rf_onnx_reshape_to(call, x, x->rank - 1, dim);
}

/* Channels in the order of the indices, whose runs are slices. */
static rf_status reorder_channels(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_tensor *indices) {
    const int channels = call->build->model->nodes[x->layer].shape.c;
    rf_onnx_layer layer = {.op = rf_op_find("concat")};
    const double *index;
    RF_TRY(rf_onnx_numbers(&index, call->build, indices));
    for (size_t i = 0, end; i < indices->count; i = end) {
        const double begin = index[i] < 0 ? index[i] + channels : index[i];
        for (end = i + 1;
             end < indices->count && index[end] == index[i] + (double)(end - i) && index[end] != 0;)
            end++;
        if (!(begin >= 0 && begin + (double)(end - i) <= channels))
            return rf_fail(RF_E_INPUT, "channel %g of %d", index[i], channels);
        if (layer.inputs == RF_MAX_INPUTS)
            return rf_fail(RF_E_INPUT, "channels are taken in up to %d runs of neighbours", RF_MAX_INPUTS);
        RF_TRY(channels_from(call, x, (int64_t)begin, (int64_t)begin + (int64_t)(end - i)));
        layer.input[layer.inputs++] = call->out.layer;
    }
    return layer.inputs > 1 ? rf_onnx_layer_add(call, &layer, x) : RF_OK;
}

/* Of (C,N,H,W) along the channels. */
static rf_status gather_nd(rf_onnx_call *call) {
    const rf_onnx_value *x = rf_onnx_in(call, 0);
    rf_onnx_tensor *const indices = rf_onnx_constant_in(call, 1);
    if (x->form != RF_ONNX_CHANNELS_FIRST || indices == NULL || indices->rank != 2 || indices->dim[1] != 1 ||
        indices->count == 0 || rf_onnx_int(call->node, "batch_dims", 0) != 0)
        return rf_fail(RF_E_INPUT, "it is taken of channels by constants, between transpositions");
    const rf_onnx_value map = rf_onnx_map_of(x);
    RF_TRY(reorder_channels(call, &map, indices));
    const rf_onnx_value ordered = call->out;
    return rf_onnx_wait(call, &ordered, RF_ONNX_CHANNELS_FIRST, 1);
}

/* Channels by a list; one index into a dimension of one; or of all numbers in their order, as a map again: PyTorch's exporter writes a view of pooled
 * maps so. */
static rf_status gather(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    rf_onnx_tensor *indices = rf_onnx_constant_in(call, 1);
    const double *index;
    if (indices != NULL && indices->rank == 1 && indices->count > 0 && (x->rank == 4 || x->rank == 2)) {
        RF_TRY(rf_onnx_first_any(&x, call));
        RF_TRY(check_axis(x, rf_onnx_int(call->node, "axis", 0)));
        return reorder_channels(call, x, indices);
    }
    if (indices != NULL && indices->rank == 0 && x->form != RF_ONNX_ROW) {
        int64_t dim[RF_ONNX_MAX_RANK];
        int axis;
        if (x->rank != 3) RF_TRY(rf_onnx_first(&x, call));
        RF_TRY(rf_onnx_axis(&axis, rf_onnx_int(call->node, "axis", 0), x->rank));
        rf_onnx_dims(dim, call->build, x);
        if (axis > 0 && dim[axis] == 1) return rf_onnx_drop_axis(call, x, axis);
    }
    bool same = x->form == RF_ONNX_ROW && indices != NULL && indices->rank == 4 &&
                indices->dim[1] == call->build->model->nodes[x->layer].shape.c && indices->dim[2] == 1 &&
                indices->dim[3] == 1;
    if (same) RF_TRY(rf_onnx_numbers(&index, call->build, indices));
    for (size_t i = 0; same && i < indices->count; i++) same = index[i] == (double)i;
    if (!same)
        return rf_fail(
            RF_E_INPUT,
            "it is taken for constants, for the only pixel of pooled maps, and for all numbers of them "
            "in their order");
    RF_TRY(rf_onnx_wait(call, x, RF_ONNX_MAP, 1));
    call->out.rank = 4;
    return RF_OK;
}

/* ---- others ---- */

static rf_status identity(rf_onnx_call *call) {
    rf_onnx_value *x = rf_onnx_in(call, 0);
    const bool is_part = x->form == RF_ONNX_RANDOM || x->form == RF_ONNX_MASK ||
                         x->form == RF_ONNX_UNSHUFFLED || x->form == RF_ONNX_SCORES;
    if (is_part || x->rank == 5 || x->rank == 3 || x->rank == 1) return rf_onnx_pass(call, x);
    RF_TRY(rf_onnx_first_any(&x, call));
    return rf_onnx_pass(call, x);
}

static rf_status cast_like(rf_onnx_call *call) {
    return rf_onnx_constant_in(call, 0) != NULL ? rf_onnx_fold_cast(call) : identity(call);
}

/* How many inputs of the last Concat are the first of this one, in its order. */
static size_t in_common(const rf_onnx_call *call) {
    const Onnx__NodeProto *last = call->build->last_concat, *node = call->node;
    if (last == NULL || last->n_input >= node->n_input) return 0;
    for (size_t i = 0; i < last->n_input; i++)
        if (strcmp(last->input[i], node->input[i]) != 0) return 0;
    return last->n_input;
}

/* More inputs than the layer takes are joined in turn. */
static rf_status concat(rf_onnx_call *call) {
    rf_onnx_layer layer = {.op = rf_op_find("concat")};
    rf_onnx_value *x;
    if (rf_onnx_is_stack(rf_onnx_in(call, 0))) return rf_onnx_stack(call);
    RF_TRY(rf_onnx_first_any(&x, call));
    RF_TRY(check_axis(x, rf_onnx_int(call->node, "axis", 1)));
    if (call->node->n_input == 1) return rf_onnx_pass(call, x);
    size_t done = in_common(call);
    if (done > 0) { /* its output stands for them */
        const char *name = call->build->last_concat->output[0];
        const int at = rf_names_find(&call->build->names, name, strlen(name));
        layer.input[layer.inputs++] = call->build->values[at].layer;
    }
    for (; done < call->node->n_input; done++) {
        rf_onnx_value *other = rf_onnx_in(call, done);
        RF_TRY(rf_onnx_force(call, other));
        if (other->channels_last != x->channels_last)
            return rf_fail(RF_E_SHAPE, "some of its inputs have the channels last, (N,H,W,C), and some not");
        if (layer.inputs == RF_MAX_INPUTS) {
            RF_TRY(rf_onnx_layer_add(call, &layer, x));
            layer.input[0] = call->out.layer;
            layer.inputs = 1;
        }
        layer.input[layer.inputs++] = other->layer;
    }
    call->build->last_concat = call->node;
    return rf_onnx_layer_add(call, &layer, x);
}

/* ---- the table ---- */

const rf_onnx_op rf_onnx_shape_ops[] = {
    {"Cast", 1, " to saturate ", rf_onnx_fold_cast, identity},
    {"CastLike", 2, " saturate ", rf_onnx_fold_cast, cast_like},
    {"Concat", 1, " axis ", rf_onnx_fold_concat, concat},
    {"DepthToSpace", 1, " blocksize mode ", .lower = rf_onnx_depth_to_space},
    {"Expand", 2, " ", rf_onnx_fold_expand, expand},
    {"Flatten", 1, " axis ", .lower = flatten},
    {"Gather", 2, " axis ", rf_onnx_fold_gather, gather},
    {"GatherND", 2, " batch_dims ", .lower = gather_nd},
    {"Identity", 1, " ", rf_onnx_fold_identity, identity},
    {"Reshape", 2, " allowzero ", rf_onnx_fold_reshape, reshape},
    {"SequenceAt", 2, " ", .lower = sequence_at},
    {"Shape", 1, " start end ", rf_onnx_fold_shape, shape_of},
    {"Slice", 1, " starts ends axes ", rf_onnx_fold_slice, slice},
    {"SpaceToDepth", 1, " blocksize ", .lower = rf_onnx_space_to_depth},
    {"Split", 1, " axis split num_outputs ", .lower = split},
    {"SplitToSequence", 2, " axis keepdims ", .lower = split_to_sequence},
    {"Squeeze", 1, " axes ", rf_onnx_fold_squeeze, squeeze},
    {"Tile", 2, " ", .lower = tile},
    {"Transpose", 1, " perm ", rf_onnx_fold_transpose, transpose},
    {"Unsqueeze", 1, " axes ", rf_onnx_fold_unsqueeze, unsqueeze},
    {NULL},
};
