/* Depthwise convolution (one input and one output channel a group) for CPUs: y[p][c] = act(bias[c] + sum over
 * taps of x[pixel(p,tap)][c] * w[tap][c]), vectors along the channels.  Layouts: x (n,h,w,c), y (n,oh,ow,c),
 * w [r][s][c].
 *
 * All three walk their output (or dy) row by row, which depthwise_runs.clh does for kernels of up to 3x3 taps, and
 * depthwise_large.clh, with -DLARGE, for larger ones.  What is left of a vector of channels is done pixel by pixel. taps,
 * stride, pad and dilation are pairs: y << 16 | x & 0xffff.
 *
 * With -DNORM_ACT, forward and backward_params read x through a batch norm (normed.clh): a work-item computes rows of x as they
 * are needed, into a ring of ring_rows, as many as the taps reach, which stay in the cache.
 *
 * With -DBN_SUMS, the epilogues of forward and backward_data sum what they write for batch norm (bn_sums.clh); a block
 * is a work-item's rows. */
#include "bn_sums.clh"
#include "common.clh"
#include "normed.clh"

#define COLUMNS 128 /* whose `reach` is kept */
#define ENDLESS (1 << 28)

/* Along one axis: `count` taps reach a position, the first is `tap` and reads `at`; the next are `tap_step`
 * and `step` on. */
typedef struct {
    int count, at, step, tap, tap_step;
} reach;

/* Output position o: the taps whose input lies within `size`. */
INLINE reach reach_forward(int o, int size, int taps, int stride, int pad, int dilation) {
    int start = o * stride - pad, first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int end = size <= start ? 0 : min(taps, (size - 1 - start) / dilation + 1);
    reach r = {max(end - first, 0), start + first * dilation, dilation, first, 1};
    return r;
}

/* Input position i: the taps t with i + pad - t*dilation = stride*o, for an o from `low` to before `high`. */
INLINE reach reach_backward(int i, int low, int high, int taps, int stride, int pad, int dilation) {
    reach r = {0, 0, 0, 0, 0};
    for (int t = taps - 1; t >= 0; --t) { /* so that the positions ascend */
        int o = i + pad - t * dilation;
        if (o % stride || o / stride < low || o / stride >= high) continue;
        if (r.count == 0) r.tap = t, r.at = o / stride;
        if (r.count == 1) r.tap_step = t - r.tap, r.step = o / stride - r.at;
        ++r.count;
    }
    return r;
}

/* Where the row of tap `a` lies in the map that is read, of which `ring` rows are there: row r in the place of r % ring. */
INLINE int row_at(reach y, int a, int ring, int pitch) {
    const int at = y.at + a * y.step;
    return (at < ring ? at : at - ring) * pitch;
}

/* The arguments that all rows of the output share. */
typedef struct {
    const __global float *w, *bias;
    int c, taps_x, act, accumulate;
    int pitch, next; /* of the map that is read: floats in a row; how many rows the next row adds */
    int ring;        /* row_at's */
    int out_pitch;   /* floats in a row of the map that is written */
    __global float *out;
    row_sums sums;
} layer;

/* One pixel, from channel `begin` on, any number of taps; the sums have `before`. */
INLINE void pixel(const __global float *from, __global float *to, layer l, reach y, reach x, int begin,
                  int before) {
    from += x.at * l.c;
    const __global float *w = l.w + (y.tap * l.taps_x + x.tap) * l.c;
    for (int i = begin; i < l.c; i += VEC) {
        int left = l.c - i;
        floatv acc = 0.0f;
        if (l.bias) acc = fetch(l.bias + i, left);
        for (int a = 0; a < y.count; ++a)
            for (int b = 0; b < x.count; ++b)
                acc += fetch(from + i + row_at(y, a, l.ring, l.pitch) + b * x.step * l.c, left) *
                       fetch(w + i + (a * y.tap_step * l.taps_x + b * x.tap_step) * l.c, left);
        acc = activate(acc, l.act);
        if (l.accumulate) acc += fetch(to + i, left);
        if (BN_SUMS) {
            accumulator t = accumulator_begin(l.sums, BN_SUMS, i, left);
            acc = accumulator_add(&t, l.sums, BN_SUMS, acc, (int)(to - l.out) + i, true, left);
            accumulator_end(t, l.sums, BN_SUMS, 1, before, i, left);
        }
        put(acc, to + i, left);
    }
}

/* What all rows of the weight gradient share, in floats: between taps, between pixels that neighbours in dy read, and
 * rows of x and dy; the next row of dy reads `next` new rows of x, whose `ring` is row_at's. */
typedef struct {
    int c, taps_x, step_x, advance, pitch, dy_pitch, next, ring;
} sum_layer;

/* The rows of an image that a work-item has computed: before `end`, the columns low .. high-1, in a ring of `rows`. */
typedef struct {
    __global float *at;
    int rows, image, end, low, high;
} row_ring;

INLINE row_ring ring_of(__global float *at, int rows, int pitch) {
    const row_ring ring = {at + get_global_id(0) * rows * pitch, rows, -1, 0, 0, 0};
    return ring;
}

/* Empties it, for the columns that `count` columns of the output reach, from `first` on. */
INLINE void ring_begin(row_ring *ring, int first, int count, int width, int taps, int stride, int pad,
                       int dilation) {
    ring->image = -1;
    ring->low = max(first * X_OF(stride) - X_OF(pad), 0);
    ring->high =
        min((first + count - 1) * X_OF(stride) - X_OF(pad) + (X_OF(taps) - 1) * X_OF(dilation) + 1, width);
}

/* Where the rows with this reach are read: in the image, or in the ring, which gets those that it lacks. */
INLINE const __global float *rows_of(row_ring *ring, reach *y, const __global float *x,
                                     const __global float *norm, int image, int h, int width, int c) {
    x += image * h * width * c;
#if NORMED
    if (y->count == 0) return x;
    const int pitch = width * c, top = max(y->at - y->tap * y->step, 0),
              last = y->at + (y->count - 1) * y->step;
    int row =
        image == ring->image ? max(ring->end, top) : top; /* taps may skip rows that the next ones read */
    for (; row <= last; ++row) {
        const __global float *from = x + row * pitch;
        __global float *to = ring->at + row % ring->rows * pitch;
        for (int at = ring->low * c; at < ring->high * c; at += c)
            FOR_COLUMNS(c, i, left, {
                PREFETCH_READ_L2(from + at + i + pitch);
                put(read_x(from + at + i, norm, c, i, left), to + at + i, left);
            });
    }
    ring->image = image;
    ring->end = row;
    y->at %= ring->rows;
    return ring->at;
#else
    return x;
#endif
}

#if LARGE
#include "depthwise_large.clh"
#else
#include "depthwise_runs.clh"
#endif

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
forward(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
        int n, int c, int h, int width, int oh, int ow, int taps, int stride, int pad, int dilation, int act,
        const __global float *norm, __global float *rows, int ring_rows, SUMS_PARAMS) {
    const row_sums s = sums_begin(SUMS_ARGS, c, (int)get_global_id(0));
    layer l = {w,      bias, c, X_OF(taps), act, 0, width * c, Y_OF(stride), NORMED ? ring_rows : ENDLESS,
               ow * c, y,    s};
    row_ring ring = ring_of(rows, ring_rows, width * c);
    int before = 0;
    for (int first = 0; first < ow; first += COLUMNS) {
        int count = min(COLUMNS, ow - first);
        reach columns[COLUMNS], unbounded[COLUMNS];
        for (int j = 0; j < count; ++j) {
            columns[j] = reach_forward(first + j, width, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
            const reach all = {X_OF(taps), (first + j) * X_OF(stride) - X_OF(pad), X_OF(dilation), 0, 1};
            unbounded[j] = all;
        }
        ring_begin(&ring, first, count, width, taps, stride, pad, dilation);
        FOR_TASKS(row, n * oh) {
            reach r = reach_forward(row % oh, h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            const __global float *from = rows_of(&ring, &r, x, norm, row / oh, h, width, c);
            row_of(from, y + (row * ow + first) * c, l, r, columns, unbounded, count, 1, before);
            before += count;
        }
    }
    if (BN_SUMS) sums_count(partial, c, (int)get_global_id(0), (int)get_global_size(0), before);
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
backward_data(const __global float *dy, const __global float *w, __global float *dx, int n, int c, int h,
              int width, int oh, int ow, int taps, int stride, int pad, int dilation, int accumulate,
              SUMS_PARAMS) {
    const row_sums s = sums_begin(SUMS_ARGS, c, (int)get_global_id(0));
    layer l = {w, 0, c, X_OF(taps), 0, accumulate, ow * c, 1, ENDLESS, width * c, dx, s};
    int before = 0;
    for (int first = 0; first < width; first += COLUMNS) {
        int count = min(COLUMNS, width - first);
        reach columns[COLUMNS], unbounded[COLUMNS];
        for (int j = 0; j < count; ++j) {
            columns[j] =
                reach_backward(first + j, 0, ow, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
            unbounded[j] = reach_backward(first + j, -ENDLESS, ENDLESS, X_OF(taps), X_OF(stride), X_OF(pad),
                                          X_OF(dilation));
        }
        FOR_TASKS(row, n * h) {
            reach r = reach_backward(row % h, 0, oh, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            row_of(dy + row / h * oh * ow * c, dx + (row * width + first) * c, l, r, columns, unbounded,
                   count, X_OF(stride), before);
            before += count;
        }
    }
    if (BN_SUMS) sums_count(partial, c, (int)get_global_id(0), (int)get_global_size(0), before);
}

/* Part `global id` of the rows of dy writes its sums to out[part][taps][c], and bias sums behind the weights'
 * if has_bias; conv_pack.cl reduces the parts. */
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
backward_params(const __global float *x, const __global float *dy, __global float *out, int out_at, int n,
                int c, int h, int width, int oh, int ow, int taps, int stride, int pad, int dilation,
                int has_bias, int part_size, const __global float *norm, int rows_at, int ring_rows) {
    const int all = Y_OF(taps) * X_OF(taps);
    const sum_layer l = {c,         X_OF(taps), X_OF(dilation) * c, X_OF(stride) * c,
                         width * c, ow * c,     Y_OF(stride),       NORMED ? ring_rows : ENDLESS};
    row_ring ring = ring_of(out + rows_at, ring_rows, width * c);
    out += out_at + get_global_id(0) * part_size;
    for (int i = 0; i < part_size; ++i) out[i] = 0.0f;
    for (int first = 0; first < ow; first += COLUMNS) {
        int columns_here = min(COLUMNS, ow - first);
        reach columns[COLUMNS];
        for (int j = 0; j < columns_here; ++j)
            columns[j] = reach_forward(first + j, width, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
        ring_begin(&ring, first, columns_here, width, taps, stride, pad, dilation);
        FOR_TASKS(row, n * oh) {
            reach y = reach_forward(row % oh, h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            const __global float *from = rows_of(&ring, &y, x, norm, row / oh, h, width, c);
            sum_row(from, dy + (row * ow + first) * c, out, l, y, columns, first * X_OF(stride) - X_OF(pad),
                    columns_here);
            if (has_bias)
                for (int i = 0; i < c; i += VEC) {
                    floatv acc = fetch(out + all * c + i, c - i);
                    for (int j = first; j < first + columns_here; ++j)
                        acc += fetch(dy + (row * ow + j) * c + i, c - i);
                    put(acc, out + all * c + i, c - i);
                }
        }
    }
}
