/* Depthwise convolution (one input and one output channel a group) for CPUs: y[p][c] = act(bias[c] + sum over
 * taps of x[pixel(p,tap)][c] * w[tap][c]), vectors along the channels.  Layouts: x (n,h,w,c), y (n,oh,ow,c),
 * w [r][s][c].
 *
 * All three walk their output (or dy) row by row.  Kernels of up to 3x3 taps are bound by memory: a row falls into runs
 * of pixels, one or the stride apart, that the same taps reach; a run goes through registers: for each vector of
 * channels the weights are loaded once for the whole run. Each pixel prefetches the lines that the pixel below adds:
 * all at once they would delay the loads in use.  Larger kernels, -DLARGE, are bound by loads from the L1 cache: several
 * pixels of a row go through registers together, so that a weight is loaded once for all of them; of the weight gradient
 * LARGE taps of a row.  What is left of a vector of channels is done pixel by pixel.  taps, stride, pad and dilation are
 * pairs: y << 16 | x & 0xffff.
 *
 * With -DBN_SUMS, the epilogues of forward and backward_data sum what they write for batch norm (bn_sums.clh); a block
 * is a work-item's rows. */
#include "bn_sums.clh"
#include "common.clh"

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

/* What all rows of the weight gradient share, in floats: between taps, between pixels that neighbours in dy read, and
 * rows of x and dy; the next row of dy reads `next` new rows of x. */
typedef struct {
    int c, taps_x, step_y, step_x, advance, pitch, dy_pitch, next;
} sum_layer;

#if LARGE
/* ---- kernels of more than 3 taps along an axis ---- */

#define AT_ONCE 8

/* `count` pixels of a row, a period apart.  x is what the first would reach if the map had no end; each further one
 * reaches the same, `advance` pixels on.  Of these taps pixel q has first[q] .. end[q]-1; all, where `whole`. */
typedef struct {
    reach x;
    int count, advance, whole, first[AT_ONCE], end[AT_ONCE];
} pixels;

INLINE pixels pixels_at(const reach *columns, const reach *unbounded, int j, int width, int period) {
    pixels p = {unbounded[j], min(AT_ONCE, (width - j + period - 1) / period), 0, 0, {0}, {0}};
    if (p.count > 1) p.advance = unbounded[j + period].at - p.x.at;
    p.whole = p.count == AT_ONCE;
    for (int q = 0; q < p.count; ++q) {
        const reach r = columns[j + q * period];
        if (p.x.tap_step) p.first[q] = (r.tap - p.x.tap) / p.x.tap_step;
        p.end[q] = p.first[q] + r.count;
        p.whole = p.whole && r.count == p.x.count;
    }
    return p;
}

/* acc[q] += the taps of pixel q, which begin at f in the map that is read, and at w. */
INLINE void add_taps(floatv *acc, const __global float *f, const __global float *w, layer l, reach y,
                     const pixels *p, int whole) {
    const int step = p->x.step * l.c, w_step = p->x.tap_step * l.c, advance = p->advance * l.c;
    for (int a = 0; a < y.count; ++a) {
        const __global float *f_at = f + a * y.step * l.pitch, *w_at = w + a * y.tap_step * l.taps_x * l.c;
        for (int b = 0; b < p->x.count; ++b, f_at += step, w_at += w_step) {
            const floatv weight = LOAD(w_at);
            EACH(q, AT_ONCE)
            if (whole || (b >= p->first[q] && b < p->end[q])) acc[q] += LOAD(f_at + q * advance) * weight;
        }
    }
}

/* These pixels for whole vectors of channels; the sums have `before`. */
INLINE void pixels_of(const __global float *from, __global float *to, layer l, reach y, const pixels *p,
                      int gap, int before) {
    from += y.at * l.pitch + p->x.at * l.c;
    for (int i = 0; i + VEC <= l.c; i += VEC) {
        const __global float *w = l.w + (y.tap * l.taps_x + p->x.tap) * l.c + i;
        floatv acc[AT_ONCE], done[AT_ONCE], bias = 0.0f;
        if (l.bias) bias = LOAD(l.bias + i);
        EACH(q, AT_ONCE) acc[q] = bias;
        if (p->whole)
            add_taps(acc, from + i, w, l, y, p, 1);
        else
            add_taps(acc, from + i, w, l, y, p, 0);
        EACH(q, AT_ONCE) done[q] = acc[q];
        accumulator sums = accumulator_begin(l.sums, BN_SUMS, i, VEC);
        __global float *t = to + i;
        for (int q = 0; q < p->count; ++q, t += gap) {
            floatv value = activate(done[q], l.act);
            if (l.accumulate) value += LOAD(t);
            if (BN_SUMS) accumulator_add(&sums, l.sums, BN_SUMS, value, (int)(t - l.out), q == 0, VEC);
            STORE(value, t);
        }
        if (BN_SUMS) accumulator_end(sums, l.sums, BN_SUMS, p->count, before, i, VEC);
    }
}

/* One row of `width` pixels, those of a phase of `period` after those of another; the sums have `before`. */
INLINE void row_of(const __global float *from, __global float *to, layer l, reach y, const reach *columns,
                   const reach *unbounded, int width, int period, int before) {
    const int whole = l.c / VEC * VEC;
    for (int phase = 0; phase < period; ++phase)
        for (int j = phase; j < width; j += AT_ONCE * period) {
            const pixels p = pixels_at(columns, unbounded, j, width, period);
            pixels_of(from, to + j * l.c, l, y, &p, period * l.c, before);
            if (whole < l.c)
                for (int q = 0; q < p.count; ++q)
                    pixel(from, to + (j + q * period) * l.c, l, y, columns[j + q * period], whole,
                          before + q);
            before += p.count;
        }
}

/* out[tap][c] += the sums over a row of dy, of `width` pixels at `columns`, the first of which would reach from column
 * `start` of x on if the map had no end: LARGE taps of a row at a time. */
INLINE void sum_row(const __global float *x, const __global float *dy, __global float *out, sum_layer l,
                    reach y, const reach *columns, int start, int width) {
    const int whole = l.c / VEC * VEC;
    for (int a = 0; a < y.count; ++a)
        for (int tap = 0; tap < l.taps_x; tap += LARGE) {
            const int taps = min(LARGE, l.taps_x - tap);
            const __global float *from = x + y.at * l.pitch + start * l.c + a * l.step_y + tap * l.step_x;
            __global float *to = out + ((y.tap + a) * l.taps_x + tap) * l.c;
            for (int i = 0; i < whole; i += VEC) {
                const __global float *f = from + i, *d = dy + i;
                floatv acc[LARGE];
                EACH(b, LARGE) acc[b] = b < taps ? LOAD(to + b * l.c + i) : (floatv)0.0f;
                for (int j = 0; j < width; ++j, f += l.advance, d += l.c) {
                    const int first = columns[j].tap - tap, end = first + columns[j].count;
                    const floatv dv = LOAD(d);
                    if (first <= 0 && end >= LARGE)
                        EACH(b, LARGE) acc[b] += LOAD(f + b * l.step_x) * dv;
                    else
                        EACH(b, LARGE) if (b >= first && b < end) acc[b] += LOAD(f + b * l.step_x) * dv;
                }
                EACH(b, LARGE) if (b < taps) STORE(acc[b], to + b * l.c + i);
            }
            for (int b = 0; b < taps; ++b)
                for (int i = whole; i < l.c; ++i) {
                    float acc = 0.0f;
                    for (int j = 0; j < width; ++j)
                        if (tap + b >= columns[j].tap && tap + b < columns[j].tap + columns[j].count)
                            acc += from[j * l.advance + b * l.step_x + i] * dy[j * l.c + i];
                    to[b * l.c + i] += acc;
                }
        }
}
#else
/* ---- kernels of up to 3x3 taps ---- */

/* A number for A x B taps, each up to 3; 0 for more. */
#define SHAPE(a, b) ((a) < 4 && (b) < 4 ? (a)*4 + (b) : 0)

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
                   const reach *unbounded, int width, int period, int before) {
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

/* out[tap][c] += the sums over a row of dy, of `width` pixels at `columns`: run by run. */
INLINE void sum_row(const __global float *x, const __global float *dy, __global float *out, sum_layer l,
                    reach y, const reach *columns, int start, int width) {
    const int whole = l.c / VEC * VEC;
    for (int j = 0; j < width;) {
        const run r = run_at(columns, j, width, 1);
        const __global float *from = x + y.at * l.pitch + r.x.at * l.c, *d = dy + j * l.c;
        __global float *to = out + (y.tap * l.taps_x + r.x.tap) * l.c;
        int begin = whole, advance = r.advance * l.c;
        switch (SHAPE(y.count, r.x.count)) {
#define SUM_CASE(A, B)                                                                                       \
    case SHAPE(A, B):                                                                                        \
        sum_##A##B(from, d, to, l.c, l.step_y, l.step_x, l.taps_x, r.left, r.count, r.right, advance,        \
                   l.dy_pitch, l.next, l.pitch);                                                             \
        break;
            SUM_CASE(3, 3)
            SUM_CASE(3, 2)
            SUM_CASE(2, 3)
            SUM_CASE(2, 2)
        default:
            begin = 0;
        }
        if (begin < l.c) /* tap by tap; and what is left of a vector number by number */
            for (int t = 0; t < y.count * r.x.count; ++t) {
                const int a = t / r.x.count, b = t % r.x.count, low = b == 0 ? r.left : 0,
                          count = r.all - (b == r.x.count - 1 ? r.right : 0) - low;
                const __global float *f = from + a * l.step_y + b * l.step_x + (low - r.left) * advance;
                __global float *sums = to + (a * l.taps_x + b) * l.c;
                if (begin == 0) sum_11(f, d + low * l.c, sums, l.c, 0, 0, 0, 0, count, 0, advance, 0, 0, 0);
                for (int i = whole; i < l.c; ++i) {
                    float acc = 0.0f;
                    for (int e = 0; e < count; ++e) acc += f[e * advance + i] * d[(low + e) * l.c + i];
                    sums[i] += acc;
                }
            }
        j += r.all;
    }
}
#endif

/* ---- the kernels ---- */

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
forward(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
        int n, int c, int h, int width, int oh, int ow, int taps, int stride, int pad, int dilation, int act,
        SUMS_PARAMS) {
    const row_sums s = sums_begin(SUMS_ARGS, c, (int)get_global_id(0));
    layer l = {w, bias, c, X_OF(taps), act, 0, width * c, Y_OF(stride), ow * c, y, s};
    int before = 0;
    for (int first = 0; first < ow; first += COLUMNS) {
        int count = min(COLUMNS, ow - first);
        reach columns[COLUMNS], unbounded[COLUMNS];
        for (int j = 0; j < count; ++j) {
            columns[j] = reach_forward(first + j, width, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
            const reach all = {X_OF(taps), (first + j) * X_OF(stride) - X_OF(pad), X_OF(dilation), 0, 1};
            unbounded[j] = all;
        }
        FOR_TASKS(row, n * oh) {
            reach r = reach_forward(row % oh, h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            row_of(x + row / oh * h * width * c, y + (row * ow + first) * c, l, r, columns, unbounded, count,
                   1, before);
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
                int has_bias, int part_size) {
    const int all = Y_OF(taps) * X_OF(taps);
    const sum_layer l = {
        c,      X_OF(taps),  Y_OF(dilation) * width * c, X_OF(dilation) * c, X_OF(stride) * c, width * c,
        ow * c, Y_OF(stride)};
    out += out_at + get_global_id(0) * part_size;
    for (int i = 0; i < part_size; ++i) out[i] = 0.0f;
    for (int first = 0; first < ow; first += COLUMNS) {
        int columns_here = min(COLUMNS, ow - first);
        reach columns[COLUMNS];
        for (int j = 0; j < columns_here; ++j)
            columns[j] = reach_forward(first + j, width, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
        FOR_TASKS(row, n * oh) {
            const reach y = reach_forward(row % oh, h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
            sum_row(x + row / oh * h * width * c, dy + (row * ow + first) * c, out, l, y, columns,
                    first * X_OF(stride) - X_OF(pad), columns_here);
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
