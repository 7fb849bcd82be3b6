/* Winograd convolution for CPUs: kernels of TAPS x TAPS (3 or 5) with stride 1, as F(OUT x OUT, TAPS x TAPS) with
 * OUT + TAPS = 7: OUT x OUT results come from 6x6 inputs by products at the 36 points {0, p, -p, q, -q, infinity}^2,
 * where the direct form takes OUT*OUT*TAPS*TAPS: a quarter of them for 3x3, 36 of 100 for 5x5.
 *
 *     y = A^T [(G g G^T) . (B^T d B)] A        Lavin and Gray 2015, arXiv:1509.09308
 *
 * A evaluates a polynomial of OUT coefficients at the points, G does so with TAPS and scales, B^T makes a convolution
 * of it (Toom-Cook).  p = sqrt(1/2) and q = sqrt(2) keep the constants near one and the rounding errors small.
 * The weights' gradient is the same with the parts changed: A takes dy to the points, and G^T gathers the sums.
 *
 * At a point it is a matrix product, [tiles][c] by [c][k], in register tiles of explicit vectors.  A work-item takes
 * blocks of `block` tiles: it brings their inputs to the points, in a scratch of its own that fits a core's cache,
 * multiplies panel by panel, and transforms back; only x, y and the weights cross memory.  With -DSUMS, gather sums
 * what it writes for batch norm (sums.clh); with -DPOOL it writes it 2x2 max pooled.
 *
 *     x, y         (n,h,w,c), (n,oh,ow,k); tiles are numbered by image, row, column
 *     weights u    [panel][36][c][16], a GAP behind each point
 *     scratch      points of x [36][block][c], of dy or of the sums [36][block][16*PANELS] a group of panels, a GAP
 *                  behind each point; then a window [6][6][c]
 *
 * The GAP keeps 36 pieces from falling on the same lines of the cache. */
#include "common.clh"
#include "pooled.clh"
#include "sums.clh"

#define WIDE    (16 / VEC)      /* vectors in a panel */
#define VECTORS (PANELS * WIDE) /* vectors of sums a tile */
#define HALF    (VECTORS > 1 ? VECTORS / 2 : 1)
#define TALL    (ROWS * VECTORS / HALF)
#define FEW     (HALF * VEC) /* outputs left over that take register tiles of twice the rows and half the width */
#define GAP     16

#define P  0.70710678118654752f
#define P2 0.5f
#define Q  1.41421356237309505f
#define Q2 2.0f

/* B^T: six inputs as points. */
INLINE void to_points(floatv o[6], const floatv d[6]) {
    floatv even_p = d[4] - Q2 * d[2], odd_p = d[3] - Q2 * d[1], even_q = d[4] - P2 * d[2],
           odd_q = d[3] - P2 * d[1];
    o[0] = d[0] + d[4] - (P2 + Q2) * d[2];
    o[1] = even_p + P * odd_p;
    o[2] = even_p - P * odd_p;
    o[3] = even_q + Q * odd_q;
    o[4] = even_q - Q * odd_q;
    o[5] = d[1] + d[5] - (P2 + Q2) * d[3];
}

/* B, where the inputs' gradients are gathered from those at the points. */
INLINE void from_points(floatv d[6], const floatv o[6]) {
    floatv even_p = o[1] + o[2], odd_p = P * (o[1] - o[2]), even_q = o[3] + o[4], odd_q = Q * (o[3] - o[4]);
    d[0] = o[0];
    d[1] = o[5] - Q2 * odd_p - P2 * odd_q;
    d[2] = -(P2 + Q2) * o[0] - Q2 * even_p - P2 * even_q;
    d[3] = odd_p + odd_q - (P2 + Q2) * o[5];
    d[4] = o[0] + even_p + even_q;
    d[5] = o[5];
}

/* A (and G but for `scaled`): the polynomial with `count` coefficients at the points. */
INLINE void evaluate(floatv o[6], const floatv *g, int count) {
    floatv even_p = g[0], even_q = g[0], odd_p = g[1], odd_q = g[1];
    if (count > 2) even_p += P2 * g[2], even_q += Q2 * g[2];
    if (count > 3) odd_p += P2 * g[3], odd_q += Q2 * g[3];
    if (count > 4) even_p += P2 * P2 * g[4], even_q += Q2 * Q2 * g[4];
    o[0] = g[0];
    o[1] = even_p + P * odd_p;
    o[2] = even_p - P * odd_p;
    o[3] = even_q + Q * odd_q;
    o[4] = even_q - Q * odd_q;
    o[5] = g[count - 1];
}

/* A^T (and G^T but for `scaled`): `count` sums of the points' powers. */
INLINE void gather_powers(floatv *o, const floatv m[6], int count) {
    floatv even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    o[0] = m[0] + even_p + even_q;
    o[1] = P * odd_p + Q * odd_q;
    if (count > 2) o[2] = P2 * even_p + Q2 * even_q;
    if (count > 3) o[3] = P2 * P * odd_p + Q2 * Q * odd_q;
    if (count > 4) o[4] = P2 * P2 * even_p + Q2 * Q2 * even_q;
    o[count - 1] += m[5];
}

/* The scale of G at a point: one over the product of its distances to the other finite points. */
INLINE float scaled(int point) {
    return point == 0 || point == 5 ? 1.0f : point < 3 ? -2.0f / 3.0f : 1.0f / 6.0f;
}

/* ---- weights ---- */

/* Weights [panel][tap][c][16]; or, for backward data, what becomes of [panel of c][tap][k][16] where k are the outputs of
 * this pass: taps in their order, or turned by half a circle. */
enum { STRAIGHT, TURNED, SPREAD };
typedef struct {
    const __global float *w;
    int c, k, turn;
} kernels;

/* VEC outputs from o on, of one tap and one input channel. */
INLINE floatv weight_of(kernels m, int tap, int l, int o) {
    if (m.turn == STRAIGHT) return LOAD(m.w + ((o / 16 * TAPS * TAPS + tap) * m.c + l) * 16 + o % 16);
    if (m.turn == TURNED) tap = TAPS * TAPS - 1 - tap;
    const __global float *from = m.w + (l / 16 * TAPS * TAPS + tap) * m.k * 16 + l % 16;
    float lane[VEC];
    EACH(i, VEC)
    lane[i] = from[min(o + i, m.k - 1) * 16]; /* behind the last output: the last again, unused */
    return LOAD(lane);
}

/* The weights of one input channel and one panel at the points: to is [36] x [16], `step` apart. */
INLINE void weight_points(__global float *to, int step, kernels m, int panel, int l) {
    for (int v = 0; v < 16; v += VEC) {
        floatv half_way[TAPS][6], points[6];
        EACH(j, TAPS) {
            floatv column[TAPS];
            EACH(i, TAPS) column[i] = weight_of(m, i * TAPS + j, l, panel * 16 + v);
            evaluate(half_way[j], column, TAPS);
        }
        EACH(i, 6) {
            floatv row[TAPS];
            EACH(j, TAPS) row[j] = half_way[j][i] * scaled(i);
            evaluate(points, row, TAPS);
            EACH(j, 6) STORE(points[j] * scaled(j), to + (i * 6 + j) * step + v);
        }
    }
}

/* u [panel][36][c][16].  A task is one c of one panel. */
KERNEL void weights(const __global float *w, __global float *u, int c, int k, int turn) {
    kernels m = {w, c, k, turn};
    FOR_TASKS(task, (k + 15) / 16 * c) {
        int step = c * 16 + GAP;
        weight_points(u + (size_t)(task / c) * 36 * step + task % c * 16, step, m, task / c, task % c);
    }
}

/* ---- windows of maps ---- */

/* Maps (n,h,w,c); `seen`, if there is one, is the y of a fused activation that a gradient has yet to pass. */
typedef struct {
    const __global float *x, *seen;
    int h, w, c, act;
} maps;

/* Asks for the rows y .. y+size-1 of the pixels that the window after x does not share with it. */
INLINE void fetch_ahead(maps m, int size, int n, int y, int x, int c, int channels) {
    if (x + size >= m.w) return;
    int end = min(x + size + OUT, m.w);
    for (int i = max(y, 0); i < min(y + size, m.h); ++i)
        for (int j = x + size; j < end; ++j) {
            const __global float *at = m.x + ((n * m.h + i) * m.w + j) * m.c + c;
            for (int l = 0; l < channels; l += LINE) SOON_READ(at + l);
        }
}

/* size x size pixels as the transforms read them, without a branch: `row` and `pixel` floats apart. */
typedef struct {
    const __global float *at;
    int row, pixel;
} window;

/* The pixels from row y and column x of image n on, `channels` numbers from c on: where they lie, if that is as they
 * are; else as a copy, with zeros outside of the map and behind its last channel. */
INLINE window window_of(maps m, int size, int n, int y, int x, int c, int channels, __global float *copy) {
    window there = {m.x + ((n * m.h + y) * m.w + x) * m.c + c, m.w * m.c, m.c};
    if (y >= 0 && x >= 0 && y + size <= m.h && x + size <= m.w && c + channels <= m.c && !m.act) return there;
    window copied = {copy, size * channels, channels};
    for (int i = 0; i < size; ++i)
        for (int j = 0; j < size; ++j) {
            int inside = ((uint)(y + i) < (uint)m.h) & ((uint)(x + j) < (uint)m.w);
            int from = ((n * m.h + y + i) * m.w + x + j) * m.c + c;
            for (int l = 0; l < channels; l += VEC) {
                int start = min(l, channels - VEC); /* the last VEC may meet those before */
                STORE(inside ? before_act(m.x + from + start, m.seen + from + start, m.c - c - start, m.act)
                             : (floatv)0.0f,
                      copy + (i * size + j) * channels + start);
            }
        }
    return copied;
}

typedef struct {
    int n, y, x;
} place; /* of a tile: image, row and column of tiles */

INLINE place place_of(int tile, int high, int wide) {
    place at = {tile / (high * wide), tile / wide % high, tile % wide};
    return at;
}

/* The 6x6 inputs of a tile as points, `channels` from c on: to is [36] x [channels], `step` apart. */
INLINE void input_points(__global float *to, int step, maps m, place at, int pad, int c, int channels,
                         __global float *copy) {
    window from = window_of(m, 6, at.n, at.y * OUT - Y_OF(pad), at.x * OUT - X_OF(pad), c, channels, copy);
    for (int l = 0; l < channels; l += VEC) {
        int start = min(l, channels - VEC); /* the last VEC may meet those before */
        floatv half_way[6][6], points[6];
        EACH(j, 6) {
            floatv column[6];
            EACH(i, 6) column[i] = LOAD(from.at + i * from.row + j * from.pixel + start);
            to_points(points, column);
            EACH(i, 6) half_way[i][j] = points[i];
        }
        EACH(i, 6) {
            to_points(points, half_way[i]);
            EACH(j, 6) STORE(points[j], to + (i * 6 + j) * step + start);
        }
    }
}

/* ---- forward and backward data ---- */

/* At one point: sums of ROWS tiles, [tile][16*PANELS], over the channels of v [tile][c] and u [c][16]; or `wide`
 * vectors of more tiles. */
INLINE void multiply(__global float *to, const __global float *v, const __global float *u, size_t panel_size,
                     int c, int wide) {
    floatv sum[ROWS * VECTORS];
    EACH(e, ROWS * VECTORS) sum[e] = 0.0f;
    for (int l = 0; l < c; ++l) {
        floatv weight[VECTORS];
        EACH(s, VECTORS)
        weight[s] = s < wide ? LOAD(u + l * 16 + s / WIDE * panel_size + s % WIDE * VEC) : (floatv)0.0f;
        EACH(e, ROWS * VECTORS) sum[e] += v[e / wide * c + l] * weight[e % wide];
    }
    EACH(e, ROWS * VECTORS) STORE(sum[e], to + e / wide * 16 * PANELS + e % wide * VEC);
}

/* At all points: sums of `count` tiles for `groups` groups of panels, with `left` outputs from the first on. */
INLINE void multiply_points(__global float *sums, int m_step, const __global float *v, int v_step,
                            const __global float *u, int c, int left, int groups, int count) {
    size_t panel_size = (size_t)36 * (c * 16 + GAP);
    for (int point = 0; point < 36; ++point)
        for (int g = 0; g < groups; ++g) {
            const __global float *weight = u + g * PANELS * panel_size + point * (c * 16 + GAP),
                                 *in = v + point * v_step;
            __global float *to = sums + (g * 36 + point) * m_step;
            if (left - g * 16 * PANELS > FEW)
                for (int t = 0; t < count; t += ROWS)
                    multiply(to + t * 16 * PANELS, in + t * c, weight, panel_size, c, VECTORS);
            else
                for (int t = 0; t < count; t += TALL)
                    multiply(to + t * 16 * PANELS, in + t * c, weight, panel_size, c, HALF);
        }
}

/* VEC outputs of a tile: from the points `step` apart, without the bias. */
INLINE void outputs_of(floatv out[OUT][OUT], const __global float *sums, int step) {
    floatv half_way[OUT][6];
    EACH(j, 6) {
        floatv column[6], powers[OUT];
        EACH(i, 6) column[i] = LOAD(sums + (i * 6 + j) * step);
        gather_powers(powers, column, OUT);
        EACH(i, OUT) half_way[i][j] = powers[i];
    }
    EACH(i, OUT) gather_powers(out[i], half_way[i], OUT);
}

#ifdef POOL
/* One tile's VEC outputs from o on, of which `left` exist, to y and index, which are of the pooled map. */
INLINE void pool_tile(const __global float *sums, int step, __global float *y, __global uchar *index,
                      floatv shift, place at, int oh, int ow, int k, int o, int left, int act) {
    floatv out[OUT][OUT];
    outputs_of(out, sums, step);
    EACH(i, OUT / 2) EACH(j, OUT / 2) {
        const int line = at.y * (OUT / 2) + i, column = at.x * (OUT / 2) + j;
        if (line >= oh / 2 || column >= ow / 2) continue;
        floatv window[4];
        EACH(q, 4) window[q] = out[i * 2 + q / 2][j * 2 + q % 2] + shift;
        const int to = ((at.n * (oh / 2) + line) * (ow / 2) + column) * k + o;
        put_window(window, act, y + to, index ? index + to : 0, left);
    }
}
#endif

/* One tile's VEC outputs from o on, of which `left` exist, to y.  Returns how many pixels it has; s has `before` of
 * them. */
INLINE int output_tile(const __global float *sums, int step, __global float *y, floatv shift, place at,
                       int oh, int ow, int k, int o, int left, int act, int accumulate, __global float *copy,
                       row_sums s, int before) {
    floatv out[OUT][OUT];
    outputs_of(out, sums, step);
    EACH(i, OUT) EACH(j, OUT) out[i][j] = activate(out[i][j] + shift, act);
    const int rows = min(OUT, oh - at.y * OUT), columns = min(OUT, ow - at.x * OUT);
    const int from = ((at.n * oh + at.y * OUT) * ow + at.x * OUT) * k + o;
    const int whole = rows == OUT && columns == OUT && left >= VEC;
    tally t = tally_begin(s, SUMS, o, left);
    EACH(i, OUT) EACH(j, OUT) {
        const int to = from + (i * ow + j) * k;
        if (whole) {
            if (accumulate) out[i][j] += LOAD(y + to);
            SOON_WRITTEN(y + to + OUT * k);
            STORE(out[i][j], y + to);
            if (SUMS == GRADIENT_SUMS) SOON_READ(s.x + to + OUT * k);
            if (SUMS) tally_add(&t, s, SUMS, out[i][j], to, i + j == 0, VEC);
        } else
            STORE(out[i][j], copy + (i * OUT + j) * VEC);
    }
    for (int i = 0; i < rows && !whole; ++i)
        for (int j = 0; j < columns; ++j) {
            const int to = from + (i * ow + j) * k;
            floatv value = LOAD(copy + (i * OUT + j) * VEC);
            if (accumulate) value += fetch(y + to, left);
            put(value, y + to, left);
            if (SUMS) tally_add(&t, s, SUMS, value, to, i + j == 0, left);
        }
    if (SUMS) tally_end(t, s, SUMS, rows * columns, before, o, left);
    return rows * columns;
}

/* `seen` and `seen_act` belong to x, `act` to y, and index too, if y is pooled and it is wanted.  The weights at the points lie first in the workspace; if w is
 * given, a work-item makes those of a span behind its scratch's window instead. */
KERNEL void gather(const __global float *x, const __global float *seen, const __global float *w,
                   __global float *work, const __global float *bias, __global float *y, __global uchar *index,
                   int at, int scratch, int n, int h, int w_in, int c, int oh, int ow, int k, int pad,
                   int block, int span, int turn, int seen_act, int act, int accumulate, SUMS_PARAMS) {
    const row_sums s = sums_begin(SUMS_ARGS, k, (int)get_global_id(0));
    int pixels = 0; /* whose sums s has */
    maps from = {x, seen, h, w_in, c, seen ? seen_act : 0};
    kernels own = {w, c, k, turn};
    int tall = (oh + OUT - 1) / OUT, wide = (ow + OUT - 1) / OUT, tiles = n * tall * wide;
    int blocks = (tiles + block - 1) / block, groups = (k + 16 * PANELS - 1) / (16 * PANELS);
    int block_begin = blocks * get_global_id(0) / get_global_size(0);
    int block_end = blocks * (get_global_id(0) + 1) / get_global_size(0);
    int group_begin = groups * get_global_id(1) / get_global_size(1);
    int group_end = groups * (get_global_id(1) + 1) / get_global_size(1);
    int u_step = c * 16 + GAP, v_step = block * c + GAP, m_step = block * 16 * PANELS + GAP;
    size_t panel_size = (size_t)36 * u_step;
    __global float *v = work + at + (get_global_id(1) * get_global_size(0) + get_global_id(0)) * scratch;
    __global float *sums = v + 36 * v_step, *copy = sums + span * 36 * m_step, *u = copy + 36 * c;
    for (int b = block_begin; b < block_end; ++b) {
        int first = b * block, count = min(block, tiles - first),
            padded = (count + ROWS - 1) / ROWS * ROWS; /* past the end: the last tile again */
        for (int t = 0; t < padded; ++t)
            input_points(v + t * c, v_step, from, place_of(first + min(t, count - 1), tall, wide), pad, 0, c,
                         copy);
        for (int group = group_begin; group < group_end; group += span) {
            int some = min(span, group_end - group);
            if (w) {
                for (int p = 0; p < some * PANELS; ++p)
                    for (int l = 0; l < c; ++l)
                        weight_points(u + p * panel_size + l * 16, u_step, own, group * PANELS + p, l);
            } else
                u = work + group * PANELS * panel_size;
            multiply_points(sums, m_step, v, v_step, u, c, k - group * 16 * PANELS, some, padded);
            for (int g = 0; g < some; ++g) {
                int o = (group + g) * 16 * PANELS, before = pixels, more = 0;
                for (int t = 0; t < count; ++t, before += more) {
                    place to = place_of(first + t, tall, wide);
                    for (int i = 0; i < 16 * PANELS && o + i < k; i += VEC) {
                        const __global float *points = sums + g * 36 * m_step + t * 16 * PANELS + i;
                        floatv shift = bias ? fetch(bias + o + i, k - o - i) : (floatv)0.0f;
#ifdef POOL
                        pool_tile(points, m_step, y, index, shift, to, oh, ow, k, o + i, k - o - i, act);
#else
                        more = output_tile(points, m_step, y, shift, to, oh, ow, k, o + i, k - o - i, act,
                                           accumulate, copy, s, before);
#endif
                    }
                }
                if (group + g == group_end - 1) pixels = before;
            }
        }
    }
    if (SUMS && get_global_id(1) == 0)
        sums_count(partial, k, (int)get_global_id(0), (int)get_global_size(0), pixels);
}

/* ---- the gradient of y at the points ---- */

/* The OUT x OUT gradients of a tile, `lanes` outputs from o on, as points: to is [36] x [lanes], `step` apart.  Adds
 * them up into bias, if there is one. */
INLINE void gradient_points(__global float *to, int step, maps m, place at, int o, int lanes,
                            __global float *bias, __global float *copy) {
    window from = window_of(m, OUT, at.n, at.y * OUT, at.x * OUT, o, lanes, copy);
    fetch_ahead(m, OUT, at.n, at.y * OUT, at.x * OUT, o, lanes);
    for (int s = 0; s < lanes; s += VEC) {
        floatv half_way[6][OUT], points[6], sum = 0.0f;
        EACH(j, OUT) {
            floatv column[OUT];
            EACH(i, OUT) {
                column[i] = LOAD(from.at + i * from.row + j * from.pixel + s);
                sum += column[i];
            }
            evaluate(points, column, OUT);
            EACH(i, 6) half_way[i][j] = points[i];
        }
        if (bias) STORE(LOAD(bias + s) + sum, bias + s);
        EACH(i, 6) {
            evaluate(points, half_way[i], OUT);
            EACH(j, 6) STORE(points[j], to + (i * 6 + j) * step + s);
        }
    }
}

/* ---- backward data, where the map of dy is the smaller one ---- */

/* Adds the gradients of a tile's 6x6 inputs to dx, VEC channels of which `left` exist. */
INLINE void spread_tile(const __global float *sums, int step, __global float *dx, place at, int pad, int h,
                        int w, int c, int left, __global float *copy) {
    int y = at.y * OUT - Y_OF(pad), x = at.x * OUT - X_OF(pad);
    int whole = left >= VEC && y >= 0 && x >= 0 && y + 6 <= h && x + 6 <= w;
    floatv half_way[6][6], inputs[6];
    EACH(j, 6) {
        floatv column[6];
        EACH(i, 6) column[i] = LOAD(sums + (i * 6 + j) * step);
        from_points(inputs, column);
        EACH(i, 6) half_way[i][j] = inputs[i];
    }
    dx += ((at.n * h + y) * w + x) * c;
    EACH(i, 6) {
        from_points(inputs, half_way[i]);
        EACH(j, 6) {
            __global float *to = dx + (i * w + j) * c;
            if (whole)
                STORE(LOAD(to) + inputs[j], to);
            else
                STORE(inputs[j], copy + (i * 6 + j) * VEC);
        }
    }
    if (whole) return;
    for (int i = max(0, -y); i < min(6, h - y); ++i)
        for (int j = max(0, -x); j < min(6, w - x); ++j) {
            __global float *to = dx + (i * w + j) * c;
            put(fetch(to, left) + LOAD(copy + (i * 6 + j) * VEC), to, left);
        }
}

/* The transpose of the forward pass: dy's tiles at the points, products, and 6x6 gradients of x that overlap and are
 * added up.  A work-item owns whole images; c is the number of dx's channels, k of dy's. */
KERNEL void scatter(const __global float *dy, const __global float *seen, __global float *work,
                    __global float *dx, int at, int scratch, int n, int h, int w, int c, int oh, int ow,
                    int k, int pad, int block, int act, int accumulate) {
    maps gradient = {dy, seen, oh, ow, k, seen ? act : 0};
    int high = (oh + OUT - 1) / OUT, wide = (ow + OUT - 1) / OUT;
    int image = n * get_global_id(0) / get_global_size(0),
        last = n * (get_global_id(0) + 1) / get_global_size(0);
    int v_step = block * k + GAP, m_step = block * 16 * PANELS + GAP, end = last * high * wide;
    size_t panel_size = (size_t)36 * (k * 16 + GAP);
    __global float *v = work + at + get_global_id(0) * scratch, *sums = v + 36 * v_step,
                   *copy = sums + 36 * m_step;
    for (int i = image * h * w * c; !accumulate && i < last * h * w * c; ++i) dx[i] = 0.0f;
    for (int first = image * high * wide; first < end; first += block) {
        int count = min(block, end - first), padded = (count + ROWS - 1) / ROWS * ROWS;
        for (int t = 0; t < padded; ++t)
            for (int l = 0; l < k; l += VEC) {
                int start = min(l, k - VEC); /* the last VEC may meet those before */
                gradient_points(v + t * k + start, v_step, gradient,
                                place_of(min(first + t, end - 1), high, wide), start, VEC, 0, copy);
            }
        for (int o = 0; o < c; o += 16 * PANELS) {
            multiply_points(sums, m_step, v, v_step, work + o / 16 * panel_size, k, c - o, 1, padded);
            for (int t = 0; t < count; ++t)
                for (int s = 0; s < 16 * PANELS && o + s < c; s += VEC)
                    spread_tile(sums + t * 16 * PANELS + s, m_step, dx + o + s,
                                place_of(first + t, high, wide), pad, h, w, c, c - o - s, copy);
        }
    }
}

/* ---- the gradients of weights and bias ---- */

/* At one point: sums [ROWS][16] of each panel, over the tiles of v [tile][pitch] and d [tile][16*PANELS]; or `wide`
 * vectors of more rows. */
INLINE void accumulate_tiles(__global float *out, const __global float *v, const __global float *d, int pitch,
                             int count, int fresh, size_t panel_size, int wide) {
    floatv sum[ROWS * VECTORS];
    EACH(e, ROWS * VECTORS) {
        int s = e % wide;
        sum[e] = fresh ? (floatv)0.0f : LOAD(out + s / WIDE * panel_size + e / wide * 16 + s % WIDE * VEC);
    }
    for (int t = 0; t < count; ++t) {
        floatv dy[VECTORS];
        EACH(s, VECTORS) dy[s] = LOAD(d + t * 16 * PANELS + s * VEC);
        EACH(e, ROWS * VECTORS) sum[e] += v[t * pitch + e / wide] * dy[e % wide];
    }
    EACH(e, ROWS * VECTORS) {
        int s = e % wide;
        STORE(sum[e], out + s / WIDE * panel_size + e / wide * 16 + s % WIDE * VEC);
    }
}

/* The gradient of one panel's weights for one input channel, 16 outputs of which `left` exist: to is [tap] x [16], `step`
 * apart, from the sums of all parts at the points, `point_step` apart. */
INLINE void gather_weights(__global float *to, int step, const __global float *from, int point_step,
                           int parts, size_t part_size, int left) {
    for (int v = 0; v < 16; v += VEC) {
        if (v >= left) {
            EACH(i, TAPS * TAPS) STORE((floatv)0.0f, to + i * step + v);
            continue;
        }
        floatv half_way[TAPS][6], powers[TAPS];
        EACH(j, 6) {
            floatv column[6];
            EACH(i, 6) {
                const __global float *at = from + (i * 6 + j) * point_step + v;
                floatv sum = LOAD(at);
                for (int part = 1; part < parts; ++part) sum += LOAD(at + part * part_size);
                column[i] = sum * (scaled(i) * scaled(j));
            }
            gather_powers(powers, column, TAPS);
            EACH(i, TAPS) half_way[i][j] = powers[i];
        }
        EACH(i, TAPS) {
            gather_powers(powers, half_way[i], TAPS);
            EACH(j, TAPS) STORE(powers[j], to + (i * TAPS + j) * step + v);
        }
    }
}

/* A task is `share` channels by `span` groups of panels; this work-item takes some tasks for part get_global_id(1) of
 * the blocks.  A share has room for `pitch` channels, of which the register tiles need all.
 * With several parts the sums are left at sums_at, [part][task][panel][36][pitch][16], and, if there is a bias,
 * [part][panels * 16] at bias_at; with one the gradients are made of them at once. */
KERNEL void filter(const __global float *x, const __global float *dy, const __global float *seen,
                   __global float *work, __global float *grad, __global float *grad_bias, int bias_at, int at,
                   int scratch, int n, int h, int w, int c, int oh, int ow, int k, int pad, int block,
                   int share, int pitch, int span, int act) {
    maps from = {x, 0, h, w, c, 0}, gradient = {dy, seen, oh, ow, k, seen ? act : 0};
    int high = (oh + OUT - 1) / OUT, wide = (ow + OUT - 1) / OUT, tiles = n * high * wide;
    int blocks = (tiles + block - 1) / block, all_panels = (k + 15) / 16;
    int part = get_global_id(1), parts = get_global_size(1), shares = (c + share - 1) / share;
    int tasks = (all_panels + span * PANELS - 1) / (span * PANELS) * shares;
    int v_step = block * pitch + GAP, d_step = block * 16 * PANELS + GAP;
    size_t panel_size = (size_t)36 * pitch * 16, task_size = span * PANELS * panel_size;
    __global float *v = work + at + (part * get_global_size(0) + get_global_id(0)) * scratch;
    __global float *d = v + 36 * v_step, *copy = d + span * 36 * d_step;
    for (int i = 0; i < 36 * v_step; ++i) v[i] = 0.0f; /* the room that no channel fills */
    for (int task = tasks * get_global_id(0) / get_global_size(0);
         task < tasks * (get_global_id(0) + 1) / get_global_size(0); ++task) {
        int begin = task % shares * share, channels = min(share, c - begin);
        int first_panel = task / shares * span * PANELS,
            panels = min(span * PANELS, all_panels - first_panel);
        __global float *sums =
            parts > 1 ? work + (part * tasks + task) * task_size : copy + 36 * max(share, 16);
        __global float *bias = 0;
        if (grad_bias && begin == 0) {
            bias = work + bias_at + (part * all_panels + first_panel) * 16;
            for (int i = 0; i < panels * 16; ++i) bias[i] = 0.0f;
        }
        for (int b = blocks * part / parts, fresh = 1; b < blocks * (part + 1) / parts; ++b, fresh = 0) {
            int first = b * block, count = min(block, tiles - first);
            for (int t = 0; t < count; ++t) {
                place to = place_of(first + t, high, wide);
                input_points(v + t * pitch, v_step, from, to, pad, begin, channels, copy);
                for (int p = 0; p < panels; ++p)
                    gradient_points(d + p / PANELS * 36 * d_step + t * 16 * PANELS + p % PANELS * 16, d_step,
                                    gradient, to, (first_panel + p) * 16,
                                    k - (first_panel + p) * 16 > FEW ? 16 : FEW, bias ? bias + p * 16 : 0,
                                    copy);
            }
            for (int point = 0; point < 36; ++point)
                for (int p = 0; p < panels; p += PANELS) {
                    __global float *to = sums + p * panel_size + point * pitch * 16;
                    const __global float *in = v + point * v_step,
                                         *out = d + (p / PANELS * 36 + point) * d_step;
                    if (k - (first_panel + p) * 16 > FEW)
                        for (int l = 0; l < channels; l += ROWS)
                            accumulate_tiles(to + l * 16, in + l, out, pitch, count, fresh, panel_size,
                                             VECTORS);
                    else
                        for (int l = 0; l < channels; l += TALL)
                            accumulate_tiles(to + l * 16, in + l, out, pitch, count, fresh, panel_size, HALF);
                }
        }
        if (parts > 1) continue;
        for (int p = 0; p < panels; ++p)
            for (int l = 0; l < channels; ++l)
                gather_weights(grad + ((first_panel + p) * TAPS * TAPS * c + begin + l) * 16, c * 16,
                               sums + p * panel_size + l * 16, pitch * 16, 1, 0, k - (first_panel + p) * 16);
        for (int i = 0; bias && i < min(panels * 16, k - first_panel * 16); ++i)
            grad_bias[first_panel * 16 + i] = bias[i];
    }
}

/* grad [panel][tap][c][16] from the sums of all parts.  A task is one c of one panel; the last are the
 * biases. */
KERNEL void collapse(const __global float *work, __global float *grad, __global float *grad_bias, int bias_at,
                     int parts, int c, int k, int share, int pitch, int span) {
    int panels = (k + 15) / 16, shares = (c + share - 1) / share, together = span * PANELS;
    size_t panel_size = (size_t)36 * pitch * 16,
           part_size = (panels + together - 1) / together * shares * together * panel_size;
    FOR_TASKS(task, panels * c + (grad_bias ? panels : 0)) {
        int panel = task / c, l = task % c;
        if (task >= panels * c) { /* a panel of biases */
            int o = (task - panels * c) * 16;
            for (int i = o; i < min(o + 16, k); ++i) {
                float sum = 0.0f;
                for (int part = 0; part < parts; ++part) sum += work[bias_at + part * panels * 16 + i];
                grad_bias[i] = sum;
            }
            continue;
        }
        gather_weights(
            grad + (panel * TAPS * TAPS * c + l) * 16, c * 16,
            work + ((panel / together * shares + l / share) * together + panel % together) * panel_size +
                l % share * 16,
            pitch * 16, parts, part_size, k - panel * 16);
    }
}
