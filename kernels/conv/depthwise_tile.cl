/* Depthwise convolution (one input and one output channel a group) for CPUs: y[p][c] = act(bias[c] + sum over
 * taps of x[pixel(p,tap)][c] * w[tap][c]), vectors along the channels.  Layouts: x (n,h,w,c), y (n,oh,ow,c),
 * w [r][s][c].
 *
 * All three are bound by memory; each walks its output (or dy) row by row, and at each pixel prefetches the lines that
 * the pixel below adds: all at once they would delay the loads in use.  A row falls into runs of pixels, one or the
 * stride apart, that the same taps reach; with up to 3 taps along both axes, which is all of a 3x3 kernel, a run goes
 * through registers: for each vector of channels the weights are loaded once for the whole run.  All else takes the
 * generic path. taps, stride, pad and dilation are pairs: y << 16 | x & 0xffff.
 *
 * With -DBN_SUMS, the epilogues of forward and backward_data sum what they write for batch norm (bn_sums.clh); a block
 * is a work-item's rows. */
#include "bn_sums.clh"
#include "common.clh"

#define COLUMNS 128 /* whose `reach` is kept */

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

/* Input position i: the taps t with i + pad - t*dilation = stride*o, for an o within `size`. */
INLINE reach reach_backward(int i, int size, int taps, int stride, int pad, int dilation) {
    reach r = {0, 0, 0, 0, 0};
    for (int t = taps - 1; t >= 0; --t) { /* so that the positions ascend */
        int o = i + pad - t * dilation;
        if (o < 0 || o % stride || o / stride >= size) continue;
        if (r.count == 0) r.tap = t, r.at = o / stride;
        if (r.count == 1) r.tap_step = t - r.tap, r.step = o / stride - r.at;
        ++r.count;
    }
    return r;
}

/* A number for A x B taps, each up to 3; 0 for more. */
#define SHAPE(a, b) ((a) < 4 && (b) < 4 ? (a)*4 + (b) : 0)

/* The arguments that all rows of the output share. */
typedef struct {
    const __global float *w, *bias;
    int c, taps_x, act, accumulate;
    int pitch, next; /* of the map that is read: floats in a row; how many rows the next row adds */
    int out_pitch;   /* floats in a row of the map that is written */
    __global float *out;
    row_sums sums;
} layer;

/* One pixel, from channel `begin` on, any number of taps; the sums have `before`. */
INLINE void pixel(const __global float *from, __global float *to, layer l, reach y, reach x, int begin,
                  int before) {
    from += y.at * l.pitch + x.at * l.c;
    const __global float *w = l.w + (y.tap * l.taps_x + x.tap) * l.c;
    for (int i = begin; i < l.c; i += VEC) {
        int left = l.c - i;
        floatv acc = 0.0f;
        if (l.bias) acc = fetch(l.bias + i, left);
        for (int a = 0; a < y.count; ++a)
            for (int b = 0; b < x.count; ++b)
                acc += fetch(from + i + a * y.step * l.pitch + b * x.step * l.c, left) *
                       fetch(w + i + (a * y.tap_step * l.taps_x + b * x.tap_step) * l.c, left);
        acc = activate(acc, l.act);
        if (l.accumulate) acc += fetch(to + i, left);
        put(acc, to + i, left);
        if (BN_SUMS) {
            accumulator t = accumulator_begin(l.sums, BN_SUMS, i, left);
            accumulator_add(&t, l.sums, BN_SUMS, acc, (int)(to - l.out) + i, true, left);
            accumulator_end(t, l.sums, BN_SUMS, 1, before, i, left);
        }
    }
}

/* Prefetches the pixels, `advance` floats in all, of the `rows` rows below `last`. */
#define PREFETCH_ROWS(READ, last, rows, pitch, advance, c)                                                   \
    for (int r = 1; r <= (rows); ++r)                                                                        \
        for (int q = 0; q < (advance); q += (c)) READ((last) + r * (pitch) + q)

/* A pixel at t of the taps b0 .. b1-1 of each row; prefetches what the pixel below adds. */
#define ONE_PIXEL(A, B, b0, b1, is_first)                                                                    \
    {                                                                                                        \
        PREFETCH_ROWS(PREFETCH_READ_L2, f + (A - 1) * step_y, l.next, l.pitch, advance, l.c);                \
        PREFETCH_WRITE(t + l.out_pitch);                                                                     \
        if (BN_SUMS == GRADIENT_SUMS) PREFETCH_READ_L2(l.sums.x + (t - l.out) + l.out_pitch);                \
        floatv row[A];                                                                                       \
        EACH(a, A) {                                                                                         \
            row[a] = a ? (floatv)0.0f : bias;                                                                \
            EACH(b, B)                                                                                       \
            if (b >= (b0) && b < (b1)) row[a] += LOAD(f + a * step_y + b * step_x) * weight[a][b];           \
        }                                                                                                    \
        EACH(a, A - 1) row[0] += row[a + 1];                                                                 \
        floatv acc = activate(row[0], l.act);                                                                \
        if (l.accumulate) acc += LOAD(t);                                                                    \
        STORE(acc, t);                                                                                       \
        if (BN_SUMS) accumulator_add(&sums, l.sums, BN_SUMS, acc, (int)(t - l.out), is_first, VEC);          \
        f += advance;                                                                                        \
        t += gap;                                                                                            \
    }

/* `count` pixels, `advance` floats apart in the map that is read and `gap` in the one that is written, with A x B taps
 * each, for whole vectors of channels.  With B == 3, a pixel before them that lacks the first tap (`left` is 1), and
 * one behind that lacks the last, are done with them: half of a small map is edges. */
#define RUN(A, B)                                                                                            \
    INLINE void run_##A##B(const __global float *from, __global float *to, layer l, reach y, reach x,        \
                           int left, int count, int right, int advance, int gap, int before) {               \
        int step_y = y.step * l.pitch, step_x = x.step * l.c;                                                \
        from += y.at * l.pitch + x.at * l.c - left * advance;                                                \
        for (int i = 0; i + VEC <= l.c; i += VEC) {                                                          \
            const __global float *w = l.w + (y.tap * l.taps_x + x.tap) * l.c + i, *f = from + i;             \
            __global float *t = to + i;                                                                      \
            floatv weight[A][B], bias = 0.0f;                                                                \
            EACH(a, A)                                                                                       \
            EACH(b, B) weight[a][b] = LOAD(w + (a * y.tap_step * l.taps_x + b * x.tap_step) * l.c);          \
            if (l.bias) bias = LOAD(l.bias + i);                                                             \
            accumulator sums = accumulator_begin(l.sums, BN_SUMS, i, VEC);                                   \
            if (B == 3 && left) ONE_PIXEL(A, B, 1, B, true)                                                  \
            for (int j = 0; j < count; ++j) ONE_PIXEL(A, B, 0, B, j + left == 0)                             \
            if (B == 3 && right) ONE_PIXEL(A, B, 0, B - 1, false)                                            \
            if (BN_SUMS) accumulator_end(sums, l.sums, BN_SUMS, left + count + right, before, i, VEC);       \
        }                                                                                                    \
    }
RUN(3, 3)
RUN(3, 2)
RUN(2, 3)
RUN(2, 2)
RUN(3, 1)
RUN(1, 3)
RUN(2, 1)
RUN(1, 2)
RUN(1, 1)

/* Whether the pixel with the reach `edge` lacks but the first (the last) of the three taps that one with `x` has, whose
 * window begins `away` pixels from its own. */
INLINE int lacks_first(reach edge, reach x, int away) {
    return x.count == 3 && edge.count == 2 && edge.tap == x.tap + x.tap_step &&
           edge.at == x.at + away + x.step;
}
INLINE int lacks_last(reach edge, reach x, int away) {
    return x.count == 3 && edge.count == 2 && edge.tap == x.tap && edge.at == x.at + away;
}

/* Pixels of a row, a period apart: `count` that the same taps reach, the first of them with `x`, and `advance` pixels
 * apart in the map that is read; and those before and behind them that lack a tap. */
typedef struct {
    reach x;
    int left, count, right, all, advance;
} run;

/* The run that begins at pixel j. */
INLINE run run_at(const reach *columns, int j, int width, int period) {
    run r = {{0, 0, 0, 0, 0}, 0, 1, 0, 1, 0};
    if (j + 2 * period < width)
        r.left =
            lacks_first(columns[j], columns[j + period], columns[j + period].at - columns[j + 2 * period].at);
    const int first = j + r.left * period;
    r.x = columns[first];
    if (first + period < width) r.advance = columns[first + period].at - r.x.at;
    int next = first + period;
    for (; next < width && columns[next].count == r.x.count && columns[next].tap == r.x.tap &&
           columns[next].at == r.x.at + r.count * r.advance;
         next += period)
        ++r.count;
    r.right = next < width && lacks_last(columns[next], r.x, r.count * r.advance);
    r.all = r.left + r.count + r.right;
    return r;
}

/* One row of `width` pixels: run by run, of pixels `period` apart; the sums have `before`. */
INLINE void row_of(const __global float *from, __global float *to, layer l, reach y, const reach *columns,
                   int width, int period, int before) {
    int whole = l.c / VEC * VEC;
    for (int phase = 0; phase < period; ++phase)
        for (int j = phase; j < width;) {
            const run r = run_at(columns, j, width, period);
            __global float *t = to + j * l.c;
            int begin = whole;
            switch (SHAPE(y.count, r.x.count)) {
#define CASE(A, B)                                                                                           \
    case SHAPE(A, B):                                                                                        \
        run_##A##B(from, t, l, y, r.x, r.left, r.count, r.right, r.advance *l.c, period *l.c, before);       \
        break;
                CASE(3, 3)
                CASE(3, 2)
                CASE(2, 3)
                CASE(2, 2)
                CASE(3, 1)
                CASE(1, 3)
                CASE(2, 1)
                CASE(1, 2)
                CASE(1, 1)
            default:
                begin = 0;
            }
            if (begin < l.c)
                for (int e = 0; e < r.all; ++e)
                    pixel(from, t + e * period * l.c, l, y, columns[j + e * period], begin, before + e);
            j += r.all * period;
            before += r.all;
        }
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
forward(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
        int n, int c, int h, int width, int oh, int ow, int taps, int stride, int pad, int dilation, int act,
        SUMS_PARAMS) {
    const row_sums s = sums_begin(SUMS_ARGS, c, (int)get_global_id(0));
    layer l = {w, bias, c, X_OF(taps), act, 0, width * c, Y_OF(stride), ow * c, y, s};
    int before = 0;
    for (int first = 0; first < ow; first += COLUMNS) {
        int count = min(COLUMNS, ow - first);
        reach columns[COLUMNS];
        for (int j = 0; j < count; ++j)
            columns[j] = reach_forward(first + j, width, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
        FOR_TASKS(row, n * oh) {
            reach r = reach_forward(row % oh, h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            row_of(x + row / oh * h * width * c, y + (row * ow + first) * c, l, r, columns, count, 1, before);
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
    layer l = {w, 0, c, X_OF(taps), 0, accumulate, ow * c, 1, width * c, dx, s};
    int before = 0;
    for (int first = 0; first < width; first += COLUMNS) {
        int count = min(COLUMNS, width - first);
        reach columns[COLUMNS];
        for (int j = 0; j < count; ++j)
            columns[j] = reach_backward(first + j, ow, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
        FOR_TASKS(row, n * h) {
            reach r = reach_backward(row % h, oh, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            row_of(dy + row / h * oh * ow * c, dx + (row * width + first) * c, l, r, columns, count,
                   X_OF(stride), before);
            before += count;
        }
    }
    if (BN_SUMS) sums_count(partial, c, (int)get_global_id(0), (int)get_global_size(0), before);
}

/* A pixel of the weight gradient, for the taps b0 .. b1-1 of each row; prefetches what the next row adds. */
#define ONE_SUM(A, b0, b1)                                                                                   \
    {                                                                                                        \
        PREFETCH_ROWS(PREFETCH_READ_L2, f + (A - 1) * step_y, next, x_pitch, advance, c);                    \
        PREFETCH_READ_L2(d + dy_pitch);                                                                      \
        const floatv dv = LOAD(d);                                                                           \
        EACH(a, A) EACH(b, (b1) - (b0)) acc[a][b + (b0)] += LOAD(f + a * step_y + (b + (b0)) * step_x) * dv; \
        f += advance;                                                                                        \
        d += c;                                                                                              \
    }

/* The weight gradient: out[tap][c] += sum over the pixels of a run of dy, `advance` floats apart in x, for A x B taps;
 * x and out begin at the first tap of the first pixel that has them all.  dy has dy_pitch floats in a row; the next row
 * needs `next` new ones of x, of which x_pitch floats are one. */
#define SUM(A, B)                                                                                            \
    INLINE void sum_##A##B(const __global float *x, const __global float *dy, __global float *out, int c,    \
                           int step_y, int step_x, int taps_x, int left, int count, int right, int advance,  \
                           int dy_pitch, int next, int x_pitch) {                                            \
        for (int i = 0; i + VEC <= c; i += VEC) {                                                            \
            const __global float *f = x + i - left * advance, *d = dy + i;                                   \
            floatv acc[A][B];                                                                                \
            EACH(a, A) EACH(b, B) acc[a][b] = LOAD(out + i + (a * taps_x + b) * c);                          \
            if (B == 3 && left) ONE_SUM(A, 1, B)                                                             \
            for (int j = 0; j < count; ++j) ONE_SUM(A, 0, B)                                                 \
            if (B == 3 && right) ONE_SUM(A, 0, B - 1)                                                        \
            EACH(a, A) EACH(b, B) STORE(acc[a][b], out + i + (a * taps_x + b) * c);                          \
        }                                                                                                    \
    }
SUM(3, 3)
SUM(3, 2)
SUM(2, 3)
SUM(2, 2)
SUM(1, 1)

/* Part `global id` of the rows of dy writes its sums to out[part][taps][c], and bias sums behind the weights'
 * if has_bias; conv_pack.cl reduces the parts. */
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
backward_params(const __global float *x, const __global float *dy, __global float *out, int out_at, int n,
                int c, int h, int width, int oh, int ow, int taps, int stride, int pad, int dilation,
                int has_bias, int part_size) {
    int all = Y_OF(taps) * X_OF(taps), whole = c / VEC * VEC, step_y = Y_OF(dilation) * width * c,
        step_x = X_OF(dilation) * c;
    out += out_at + get_global_id(0) * part_size;
    for (int i = 0; i < part_size; ++i) out[i] = 0.0f;
    for (int first = 0; first < ow; first += COLUMNS) {
        int columns_here = min(COLUMNS, ow - first);
        reach columns[COLUMNS];
        for (int j = 0; j < columns_here; ++j)
            columns[j] = reach_forward(first + j, width, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
        FOR_TASKS(row, n * oh) {
            const reach y = reach_forward(row % oh, h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            for (int j = 0; j < columns_here;) {
                const run r = run_at(columns, j, columns_here, 1);
                const __global float *from = x + ((row / oh * h + y.at) * width + r.x.at) * c,
                                     *d = dy + (row * ow + first + j) * c;
                __global float *to = out + (y.tap * X_OF(taps) + r.x.tap) * c;
                int begin = whole, advance = r.advance * c;
                switch (SHAPE(y.count, r.x.count)) {
#define SUM_CASE(A, B)                                                                                       \
    case SHAPE(A, B):                                                                                        \
        sum_##A##B(from, d, to, c, step_y, step_x, X_OF(taps), r.left, r.count, r.right, advance, ow *c,     \
                   Y_OF(stride), width *c);                                                                  \
        break;
                    SUM_CASE(3, 3)
                    SUM_CASE(3, 2)
                    SUM_CASE(2, 3)
                    SUM_CASE(2, 2)
                default:
                    begin = 0;
                }
                if (begin < c) /* tap by tap; and what is left of a vector number by number */
                    for (int t = 0; t < y.count * r.x.count; ++t) {
                        const int a = t / r.x.count, b = t % r.x.count, low = b == 0 ? r.left : 0,
                                  count = r.all - (b == r.x.count - 1 ? r.right : 0) - low;
                        const __global float *f = from + a * step_y + b * step_x + (low - r.left) * advance;
                        __global float *sums = to + (a * X_OF(taps) + b) * c;
                        if (begin == 0)
                            sum_11(f, d + low * c, sums, c, 0, 0, 0, 0, count, 0, advance, 0, 0, 0);
                        for (int i = whole; i < c; ++i) {
                            float acc = 0.0f;
                            for (int e = 0; e < count; ++e) acc += f[e * advance + i] * d[(low + e) * c + i];
                            sums[i] += acc;
                        }
                    }
                j += r.all;
            }
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
