/* Winograd convolution for CPUs: kernels of TAPS x TAPS (3 or 5) with stride 1.  OUT_Y x OUT_X results come from IN_Y x
 * IN_X inputs by as many products in the Winograd domain: F(4x4,3x3) takes 36 where the direct form takes 144,
 * F(2x2,5x5) 36 for 100, F(4x4,5x5) 64 for 400.  The transforms are in winograd.clh; with both axes y = A^T [(G g G^T)
 * . (B^T d B)] A. The weight gradient swaps the roles: A transforms dy, and G^T the accumulators.
 *
 * Each point (element of the Winograd domain) is a matrix product, [tiles][c] by [c][k], in register tiles of explicit
 * vectors. A work-item takes blocks of `block` tiles: it transforms their inputs into a scratch of its own that fits a
 * core's cache, multiplies panel by panel (of 16 output channels), and transforms back; only x, y and the weights cross
 * memory. With -DBN_SUMS, gather's epilogue sums what it writes for batch norm (bn_sums.clh). With -DPOOL y is 2x2 max
 * pooled (conv_pool): gather pools what it writes, and dy is unpooled where it is read. With -DNORM_ACT, x is read through a
 * batch norm (normed.clh).
 *
 *     x, y         (n,h,w,c), (n,oh,ow,k); tiles are numbered by image, row, column
 *     weights u    [panel][point][c][16]
 *     scratch      transformed x [point][block][c]; dy or products [point][block][16*PANELS] for each group of panels;
 *                  then transformed columns [IN_X][IN_Y][c] and a window [IN_Y][IN_X][c]
 *
 * The points are an odd number of cache lines apart (STEP), so that they do not compete for the same cache sets. */
#include "bn_sums.clh"
#include "common.clh"
#include "normed.clh"
#include "pooled.clh"
#include "winograd.clh"

#define WIDE    (16 / VEC)      /* vectors in a panel */
#define VECTORS (PANELS * WIDE) /* accumulator vectors a tile */
#define HALF    (VECTORS > 1 ? VECTORS / 2 : 1)
#define TALL    (ROWS * VECTORS / HALF)
#define FEW                                                                                                  \
    (HALF * VEC) /* a remainder of so few outputs has register tiles of half the width and twice the rows */
#define IN_Y         (OUT_Y + TAPS - 1)
#define IN_X         (OUT_X + TAPS - 1)
#define POINTS       (IN_Y * IN_X)
#define STEP(floats) ((((floats) + LINE - 1) / LINE | 1) * LINE)

/* ---- weights ---- */

/* Weights [panel][tap][c][16] as they are stored; for backward data [panel of c][tap][k][16], k being this pass's
 * outputs, with the taps in order (TRANSPOSED) or rotated by 180 degrees too (FLIPPED). */
enum { AS_STORED, FLIPPED, TRANSPOSED };
typedef struct {
    const __global float *w;
    int c, k, order;
} kernels;

/* VEC outputs from o on, of one tap and one input channel. */
INLINE floatv weight_of(kernels m, int tap, int l, int o) {
    if (m.order == AS_STORED) return LOAD(m.w + ((o / 16 * TAPS * TAPS + tap) * m.c + l) * 16 + o % 16);
    if (m.order == FLIPPED) tap = TAPS * TAPS - 1 - tap;
    const __global float *from = m.w + (l / 16 * TAPS * TAPS + tap) * m.k * 16 + l % 16;
    float lane[VEC];
    EACH(i, VEC)
    lane[i] = from[min(o + i, m.k - 1) * 16]; /* past the last output: the last again, unused */
    return LOAD(lane);
}

/* The transformed weights of one input channel and one panel: to is [point] x [16], `step` apart. */
INLINE void transform_weights(__global float *to, int step, kernels m, int panel, int l) {
    for (int v = 0; v < 16; v += VEC) {
        floatv half_way[TAPS][IN_Y], points[IN_X];
        EACH(j, TAPS) {
            floatv column[TAPS];
            EACH(i, TAPS) column[i] = weight_of(m, i * TAPS + j, l, panel * 16 + v);
            weight_transform(half_way[j], column, TAPS, IN_Y);
        }
        EACH(i, IN_Y) {
            floatv row[TAPS];
            EACH(j, TAPS) row[j] = half_way[j][i] * scaled(i, IN_Y);
            weight_transform(points, row, TAPS, IN_X);
            EACH(j, IN_X) STORE(points[j] * scaled(j, IN_X), to + (i * IN_X + j) * step + v);
        }
    }
}

/* u [panel][point][c][16].  A task is one c of one panel. */
KERNEL void weights(const __global float *w, __global float *u, int c, int k, int order) {
    kernels m = {w, c, k, order};
    FOR_TASKS(task, (k + 15) / 16 * c) {
        int step = STEP(c * 16);
        transform_weights(u + (size_t)(task / c) * POINTS * step + task % c * 16, step, m, task / c,
                          task % c);
    }
}

/* ---- windows of maps ---- */

/* A map x (n,h,w,c). Of a gradient: `seen` (or NULL) is the y of a fused activation whose backward is still to be
 * applied, `index` the argmax indices if the map is pooled.  Of x `norm` is the batch norm that it is read through, or NULL. */
typedef struct {
    const __global float *x, *seen;
    int h, w, c, act;
    const __global uchar *index;
    const __global float *norm;
} maps;

/* The gradient of y, (n,oh,ow,k) or, pooled, of half its size. */
INLINE maps gradient_of(const __global float *dy, const __global float *seen, const __global uchar *index,
                        int oh, int ow, int k, int act) {
#ifdef POOL
    oh /= 2, ow /= 2;
#endif
    maps gradient = {dy, seen, oh, ow, k, seen ? act : 0, index, 0};
    return gradient;
}

/* Prefetches the pixels of the next tile, right of x, y. */
INLINE void prefetch_pixels(maps m, int n, int y, int x, int c, int channels) {
    int end = min(x + 2 * OUT_X, m.w);
    for (int i = y; i < min(y + OUT_Y, m.h); ++i)
        for (int j = x + OUT_X; j < end; ++j) {
            const __global float *at = m.x + ((n * m.h + i) * m.w + j) * m.c + c;
            for (int l = 0; l < channels; l += LINE) PREFETCH_READ(at + l);
        }
}

/* high x wide pixels for the transforms, with strides of `row` and `pixel` floats; raw: still to be read through a batch norm. */
typedef struct {
    const __global float *at;
    int row, pixel, raw;
} window;

/* A vector of a pixel, `at` floats from the map's start, whose channels begin with c. */
INLINE floatv read_map(maps m, int at, int c) {
#if NORMED
    if (m.norm) return read_x(m.x + at, m.norm, m.c, c, m.c - c);
#endif
    return act_backward(m.x + at, m.seen + at, m.c - c, m.act);
}

/* The pixels from row y and column x of image n on, `channels` numbers from c on: in place if possible, else a copy
 * with zeros outside the map and past its last channel. */
INLINE window window_of(maps m, int high, int wide, int n, int y, int x, int c, int channels,
                        __global float *copy) {
    window there = {m.x + ((n * m.h + y) * m.w + x) * m.c + c, m.w * m.c, m.c, m.norm != 0};
    if (y >= 0 && x >= 0 && y + high <= m.h && x + wide <= m.w && c + channels <= m.c && !m.act) return there;
    window copied = {copy, wide * channels, channels, 0};
    for (int i = 0; i < high; ++i)
        for (int j = 0; j < wide; ++j) {
            int inside = ((uint)(y + i) < (uint)m.h) & ((uint)(x + j) < (uint)m.w);
            int from = ((n * m.h + y + i) * m.w + x + j) * m.c + c;
            for (int l = 0; l < channels; l += VEC) {
                int start = min(l, channels - VEC); /* the last vector may overlap the one before */
                STORE(inside ? read_map(m, from + start, c + start) : (floatv)0.0f,
                      copy + (i * wide + j) * channels + start);
            }
        }
    return copied;
}

typedef struct {
    int n, y, x;
} tile_index; /* of a tile: image, row and column of tiles */

INLINE tile_index tile_index_of(int tile, int high, int wide) {
    tile_index at = {tile / (high * wide), tile / wide % high, tile % wide};
    return at;
}

/* How many columns of a tile's inputs are new: if its left neighbour was the tile before (`follows`), those that the
 * two do not share; else all. */
INLINE int new_columns(tile_index at, int follows) {
    return follows && at.x > 0 ? OUT_X : IN_X;
}

#if NORMED
INLINE void norm_all(floatv *in, int count, channels of) {
    EACH(i, count) in[i] = norm_of(in[i], of);
}
#endif

/* The transformed inputs of a tile, `channels` from c on: to is [point] x [channels], `step` apart. Columns are
 * transformed once for all tiles of a row: `columns` is [x % IN_X][IN_Y][channels], and this tile still lacks its last
 * `fresh`. */
INLINE void transform_input(__global float *to, int step, maps m, tile_index at, int fresh, int pad, int c,
                            int channels, __global float *columns, __global float *copy) {
    const __global float *column[IN_X];
    window from = window_of(m, IN_Y, fresh, at.n, at.y * OUT_Y - Y_OF(pad),
                            at.x * OUT_X - X_OF(pad) + IN_X - fresh, c, channels, copy);
    EACH(j, IN_X) column[j] = columns + (at.x * OUT_X + j) % IN_X * IN_Y * channels;
    for (int j = 0; j < fresh; ++j) {
        __global float *out = columns + (at.x * OUT_X + IN_X - fresh + j) % IN_X * IN_Y * channels;
        for (int l = 0; l < channels; l += VEC) {
            int start = min(l, channels - VEC); /* the last vector may overlap the one before */
            floatv in[IN_Y], points[IN_Y];
            EACH(i, IN_Y) in[i] = LOAD(from.at + i * from.row + j * from.pixel + start);
#if NORMED
            if (from.raw) norm_all(in, IN_Y, channels_at(m.norm, m.c, c + start, VEC));
#endif
            input_transform(points, in, IN_Y);
            EACH(i, IN_Y) STORE(points[i], out + i * channels + start);
        }
    }
    for (int i = 0; i < IN_Y; ++i, to += IN_X * step)
        for (int l = 0; l < channels; l += VEC) {
            int start = min(l, channels - VEC);
            floatv in[IN_X], points[IN_X];
            EACH(j, IN_X) in[j] = LOAD(column[j] + i * channels + start);
            input_transform(points, in, IN_X);
            EACH(j, IN_X) STORE(points[j], to + j * step + start);
        }
}

/* ---- forward and backward data ---- */

/* At one point: the products of ROWS tiles, [tile][16*PANELS], summed over the channels of v [tile][c] and u [c][16];
 * or of more tiles and `wide` vectors. */
INLINE void multiply(__global float *to, const __global float *v, const __global float *u, size_t panel_size,
                     int c, int wide) {
    floatv acc[ROWS * VECTORS];
    EACH(e, ROWS * VECTORS) acc[e] = 0.0f;
    for (int l = 0; l < c; ++l) {
        floatv weight[VECTORS];
        EACH(s, VECTORS)
        weight[s] = s < wide ? LOAD(u + l * 16 + s / WIDE * panel_size + s % WIDE * VEC) : (floatv)0.0f;
        EACH(e, ROWS * VECTORS) acc[e] += v[e / wide * c + l] * weight[e % wide];
    }
    EACH(e, ROWS * VECTORS) STORE(acc[e], to + e / wide * 16 * PANELS + e % wide * VEC);
}

/* At all points: the products of `count` tiles for `groups` groups of panels, with `left` outputs from the first on. */
INLINE void multiply_all(__global float *sums, int m_step, const __global float *v, int v_step,
                         const __global float *u, int c, int left, int groups, int count) {
    size_t panel_size = (size_t)POINTS * STEP(c * 16);
    for (int point = 0; point < POINTS; ++point)
        for (int g = 0; g < groups; ++g) {
            const __global float *weight = u + g * PANELS * panel_size + point * STEP(c * 16),
                                 *in = v + point * v_step;
            __global float *to = sums + (g * POINTS + point) * m_step;
            if (left - g * 16 * PANELS > FEW)
                for (int t = 0; t < count; t += ROWS)
                    multiply(to + t * 16 * PANELS, in + t * c, weight, panel_size, c, VECTORS);
            else
                for (int t = 0; t < count; t += TALL)
                    multiply(to + t * 16 * PANELS, in + t * c, weight, panel_size, c, HALF);
        }
}

/* The output transform of VEC outputs of a tile, without the bias; points are `step` apart. */
INLINE void outputs_of(floatv out[OUT_Y][OUT_X], const __global float *sums, int step) {
    floatv half_way[OUT_Y][IN_X];
    EACH(j, IN_X) {
        floatv column[IN_Y], powers[OUT_Y];
        EACH(i, IN_Y) column[i] = LOAD(sums + (i * IN_X + j) * step);
        output_transform(powers, column, OUT_Y, IN_Y);
        EACH(i, OUT_Y) half_way[i][j] = powers[i];
    }
    EACH(i, OUT_Y) output_transform(out[i], half_way[i], OUT_X, IN_X);
}

#ifdef POOL
/* One tile's VEC outputs from o on, of which `left` exist, to y and index of the pooled map. */
INLINE void pool_tile(const __global float *sums, int step, __global float *y, __global uchar *index,
                      floatv shift, tile_index at, int oh, int ow, int k, int o, int left, int act) {
    floatv out[OUT_Y][OUT_X];
    outputs_of(out, sums, step);
    EACH(i, OUT_Y / 2) EACH(j, OUT_X / 2) {
        const int line = at.y * (OUT_Y / 2) + i, column = at.x * (OUT_X / 2) + j;
        if (line >= oh / 2 || column >= ow / 2) continue;
        floatv window[4];
        EACH(q, 4) window[q] = out[i * 2 + q / 2][j * 2 + q % 2] + shift;
        const int to = ((at.n * (oh / 2) + line) * (ow / 2) + column) * k + o;
        put_window(window, act, y + to, index ? index + to : 0, left);
    }
}
#endif

/* One tile's VEC outputs from o on, of which `left` exist, to y.  Returns how many pixels it has; s has `before`
 * already. */
INLINE int output_tile(const __global float *sums, int step, __global float *y, floatv shift, tile_index at,
                       int oh, int ow, int k, int o, int left, int act, int accumulate, __global float *copy,
                       row_sums s, int before) {
    floatv out[OUT_Y][OUT_X];
    outputs_of(out, sums, step);
    EACH(i, OUT_Y) EACH(j, OUT_X) out[i][j] = activate(out[i][j] + shift, act);
    const int rows = min(OUT_Y, oh - at.y * OUT_Y), columns = min(OUT_X, ow - at.x * OUT_X);
    const int from = ((at.n * oh + at.y * OUT_Y) * ow + at.x * OUT_X) * k + o;
    const int whole = rows == OUT_Y && columns == OUT_X && left >= VEC;
    accumulator t = accumulator_begin(s, BN_SUMS, o, left);
    EACH(i, OUT_Y) EACH(j, OUT_X) {
        const int to = from + (i * ow + j) * k;
        if (whole) {
            if (accumulate) out[i][j] += LOAD(y + to);
            PREFETCH_WRITE(y + to + OUT_X * k);
            if (BN_SUMS == GRADIENT_SUMS) PREFETCH_READ(s.x + to + OUT_X * k);
            if (BN_SUMS == GRADIENT_SUMS && s.y) PREFETCH_READ(s.y + to + OUT_X * k);
            if (BN_SUMS) out[i][j] = accumulator_add(&t, s, BN_SUMS, out[i][j], to, i + j == 0, VEC);
            STORE(out[i][j], y + to);
        } else
            STORE(out[i][j], copy + (i * OUT_X + j) * VEC);
    }
    for (int i = 0; i < rows && !whole; ++i)
        for (int j = 0; j < columns; ++j) {
            const int to = from + (i * ow + j) * k;
            floatv value = LOAD(copy + (i * OUT_X + j) * VEC);
            if (accumulate) value += fetch(y + to, left);
            if (BN_SUMS) value = accumulator_add(&t, s, BN_SUMS, value, to, i + j == 0, left);
            put(value, y + to, left);
        }
    if (BN_SUMS) accumulator_end(t, s, BN_SUMS, rows * columns, before, o, left);
    return rows * columns;
}

/* `seen` and `seen_act` belong to x, `act` to y, as does index, if y is pooled (else NULL). The transformed weights
 * come first in the workspace; if w is given, a work-item instead transforms those of a span into its scratch, behind
 * the window. */
KERNEL void gather(const __global float *x, const __global float *seen, const __global float *w,
                   __global float *work, const __global float *bias, __global float *y, __global uchar *index,
                   int at, int scratch, int n, int h, int w_in, int c, int oh, int ow, int k, int pad,
                   int block, int span, int order, int seen_act, int act, int accumulate,
                   const __global float *norm, SUMS_PARAMS) {
    const row_sums s = sums_begin(SUMS_ARGS, k, (int)get_global_id(0));
    int pixels = 0; /* summed so far */
    maps from = {x, seen, h, w_in, c, seen ? seen_act : 0, 0, norm};
    kernels own = {w, c, k, order};
    int tall = (oh + OUT_Y - 1) / OUT_Y, wide = (ow + OUT_X - 1) / OUT_X, tiles = n * tall * wide;
    int blocks = (tiles + block - 1) / block, groups = (k + 16 * PANELS - 1) / (16 * PANELS);
    int block_begin = blocks * get_global_id(0) / get_global_size(0);
    int block_end = blocks * (get_global_id(0) + 1) / get_global_size(0);
    int group_begin = groups * get_global_id(1) / get_global_size(1);
    int group_end = groups * (get_global_id(1) + 1) / get_global_size(1);
    int u_step = STEP(c * 16), v_step = STEP(block * c), m_step = STEP(block * 16 * PANELS);
    size_t panel_size = (size_t)POINTS * u_step;
    __global float *v = work + at + (get_global_id(1) * get_global_size(0) + get_global_id(0)) * scratch;
    __global float *sums = v + POINTS * v_step, *columns = sums + span * POINTS * m_step,
                   *copy = columns + POINTS * c, *u = copy + POINTS * c;
    for (int b = block_begin; b < block_end; ++b) {
        int first = b * block, count = min(block, tiles - first),
            padded = (count + ROWS - 1) / ROWS * ROWS; /* past the end: the last tile again */
        for (int t = 0; t < padded; ++t) {
            tile_index to = tile_index_of(first + min(t, count - 1), tall, wide);
            transform_input(v + t * c, v_step, from, to, t < count ? new_columns(to, t > 0) : 0, pad, 0, c,
                            columns, copy);
        }
        for (int group = group_begin; group < group_end; group += span) {
            int some = min(span, group_end - group);
            if (w) {
                for (int p = 0; p < some * PANELS; ++p)
                    for (int l = 0; l < c; ++l)
                        transform_weights(u + p * panel_size + l * 16, u_step, own, group * PANELS + p, l);
            } else
                u = work + group * PANELS * panel_size;
            multiply_all(sums, m_step, v, v_step, u, c, k - group * 16 * PANELS, some, padded);
            for (int g = 0; g < some; ++g) {
                int o = (group + g) * 16 * PANELS, before = pixels, more = 0;
                for (int t = 0; t < count; ++t, before += more) {
                    tile_index to = tile_index_of(first + t, tall, wide);
                    for (int i = 0; i < 16 * PANELS && o + i < k; i += VEC) {
                        const __global float *points = sums + g * POINTS * m_step + t * 16 * PANELS + i;
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
    if (BN_SUMS && get_global_id(1) == 0)
        sums_count(partial, k, (int)get_global_id(0), (int)get_global_size(0), pixels);
}

/* ---- the transformed gradient of y ---- */

#ifdef POOL
/* Unpooling: the gradients of a tile's results for VEC outputs, by column, from those of the pooled map and the argmax
 * indices. */
INLINE void unpool_windows(floatv tile[OUT_X][OUT_Y], maps m, tile_index at, int o) {
    EACH(i, OUT_Y / 2) EACH(j, OUT_X / 2) {
        const int y = at.y * (OUT_Y / 2) + i, x = at.x * (OUT_X / 2) + j;
        const int from = ((at.n * m.h + y) * m.w + x) * m.c + o, left = y < m.h && x < m.w ? m.c - o : 0;
        const floatv value = act_backward(m.x + from, m.seen + from, left, m.act);
        const intv where = argmax_of(m.index + from, left);
        EACH(q, 4) tile[j * 2 + q % 2][i * 2 + q / 2] = where == q ? value : (floatv)0.0f;
    }
}
#endif

/* The transformed gradients of a tile's results, `lanes` outputs from o on: to is [point] x [lanes], `step` apart. Adds
 * their sum to bias, if there is one. */
INLINE void transform_gradient(__global float *to, int step, maps m, tile_index at, int o, int lanes,
                               __global float *bias, __global float *copy) {
#ifndef POOL
    window from = window_of(m, OUT_Y, OUT_X, at.n, at.y * OUT_Y, at.x * OUT_X, o, lanes, copy);
    prefetch_pixels(m, at.n, at.y * OUT_Y, at.x * OUT_X, o, lanes);
#endif
    for (int s = 0; s < lanes; s += VEC) {
        floatv tile[OUT_X][OUT_Y], half_way[IN_Y][OUT_X], points[IN_Y > IN_X ? IN_Y : IN_X], acc = 0.0f;
#ifdef POOL
        unpool_windows(tile, m, at, o + s);
#else
        EACH(j, OUT_X) EACH(i, OUT_Y) tile[j][i] = LOAD(from.at + i * from.row + j * from.pixel + s);
#endif
        EACH(j, OUT_X) {
            EACH(i, OUT_Y) acc += tile[j][i];
            weight_transform(points, tile[j], OUT_Y, IN_Y);
            EACH(i, IN_Y) half_way[i][j] = points[i];
        }
        if (bias) STORE(LOAD(bias + s) + acc, bias + s);
        EACH(i, IN_Y) {
            weight_transform(points, half_way[i], OUT_X, IN_X);
            EACH(j, IN_X) STORE(points[j], to + (i * IN_X + j) * step + s);
        }
    }
}

/* ---- backward data, where the map of dy is the smaller one ---- */

/* Adds the gradients of a tile's inputs to dx, VEC channels of which `left` exist. */
INLINE void spread_tile(const __global float *sums, int step, __global float *dx, tile_index at, int pad,
                        int h, int w, int c, int left, __global float *copy) {
    int y = at.y * OUT_Y - Y_OF(pad), x = at.x * OUT_X - X_OF(pad);
    int whole = left >= VEC && y >= 0 && x >= 0 && y + IN_Y <= h && x + IN_X <= w;
    floatv half_way[IN_Y][IN_X], inputs[IN_Y > IN_X ? IN_Y : IN_X];
    EACH(j, IN_X) {
        floatv column[IN_Y];
        EACH(i, IN_Y) column[i] = LOAD(sums + (i * IN_X + j) * step);
        input_transform_transposed(inputs, column, IN_Y);
        EACH(i, IN_Y) half_way[i][j] = inputs[i];
    }
    dx += ((at.n * h + y) * w + x) * c;
    EACH(i, IN_Y) {
        input_transform_transposed(inputs, half_way[i], IN_X);
        EACH(j, IN_X) {
            __global float *to = dx + (i * w + j) * c;
            if (whole)
                STORE(LOAD(to) + inputs[j], to);
            else
                STORE(inputs[j], copy + (i * IN_X + j) * VEC);
        }
    }
    if (whole) return;
    for (int i = max(0, -y); i < min(IN_Y, h - y); ++i)
        for (int j = max(0, -x); j < min(IN_X, w - x); ++j) {
            __global float *to = dx + (i * w + j) * c;
            put(fetch(to, left) + LOAD(copy + (i * IN_X + j) * VEC), to, left);
        }
}

/* The transpose of the forward pass: dy's tiles are transformed and multiplied, and the overlapping gradients of x are
 * added up. A work-item owns whole images; c is the number of dx's channels, k of dy's. */
KERNEL void scatter(const __global float *dy, const __global float *seen, const __global uchar *index,
                    __global float *work, __global float *dx, int at, int scratch, int n, int h, int w, int c,
                    int oh, int ow, int k, int pad, int block, int act, int accumulate) {
    maps gradient = gradient_of(dy, seen, index, oh, ow, k, act);
    int high = (oh + OUT_Y - 1) / OUT_Y, wide = (ow + OUT_X - 1) / OUT_X;
    int image = n * get_global_id(0) / get_global_size(0),
        last = n * (get_global_id(0) + 1) / get_global_size(0);
    int v_step = STEP(block * k), m_step = STEP(block * 16 * PANELS), end = last * high * wide;
    size_t panel_size = (size_t)POINTS * STEP(k * 16);
    __global float *v = work + at + get_global_id(0) * scratch, *sums = v + POINTS * v_step,
                   *copy = sums + POINTS * m_step;
    for (int i = image * h * w * c; !accumulate && i < last * h * w * c; ++i) dx[i] = 0.0f;
    for (int first = image * high * wide; first < end; first += block) {
        int count = min(block, end - first), padded = (count + ROWS - 1) / ROWS * ROWS;
        for (int t = 0; t < padded; ++t)
            for (int l = 0; l < k; l += VEC) {
                int start = min(l, k - VEC); /* the last vector may overlap the one before */
                transform_gradient(v + t * k + start, v_step, gradient,
                                   tile_index_of(min(first + t, end - 1), high, wide), start, VEC, 0, copy);
            }
        for (int o = 0; o < c; o += 16 * PANELS) {
            multiply_all(sums, m_step, v, v_step, work + o / 16 * panel_size, k, c - o, 1, padded);
            for (int t = 0; t < count; ++t)
                for (int s = 0; s < 16 * PANELS && o + s < c; s += VEC)
                    spread_tile(sums + t * 16 * PANELS + s, m_step, dx + o + s,
                                tile_index_of(first + t, high, wide), pad, h, w, c, c - o - s, copy);
        }
    }
}

/* ---- the gradients of weights and bias ---- */

/* At one point: accumulates [ROWS][16] of each panel over the tiles of v [tile][pitch] and d [tile][16*PANELS]; or more
 * rows of `wide` vectors. */
INLINE void accumulate_tiles(__global float *out, const __global float *v, const __global float *d, int pitch,
                             int count, int fresh, size_t panel_size, int wide) {
    floatv acc[ROWS * VECTORS];
    EACH(e, ROWS * VECTORS) {
        int s = e % wide;
        acc[e] = fresh ? (floatv)0.0f : LOAD(out + s / WIDE * panel_size + e / wide * 16 + s % WIDE * VEC);
    }
    for (int t = 0; t < count; ++t) {
        floatv dy[VECTORS];
        EACH(s, VECTORS) dy[s] = LOAD(d + t * 16 * PANELS + s * VEC);
        EACH(e, ROWS * VECTORS) acc[e] += v[t * pitch + e / wide] * dy[e % wide];
    }
    EACH(e, ROWS * VECTORS) {
        int s = e % wide;
        STORE(acc[e], out + s / WIDE * panel_size + e / wide * 16 + s % WIDE * VEC);
    }
}

/* The gradient of one panel's weights for one input channel, 16 outputs of which `left` exist: to is [tap] x [16],
 * `step` apart, from the partial sums of all parts, points `point_step` apart. */
INLINE void transform_weight_gradient(__global float *to, int step, const __global float *from,
                                      int point_step, int parts, size_t part_size, int left) {
    for (int v = 0; v < 16; v += VEC) {
        if (v >= left) {
            EACH(i, TAPS * TAPS) STORE((floatv)0.0f, to + i * step + v);
            continue;
        }
        floatv half_way[TAPS][IN_X], powers[TAPS];
        EACH(j, IN_X) {
            floatv column[IN_Y];
            EACH(i, IN_Y) {
                const __global float *at = from + (i * IN_X + j) * point_step + v;
                floatv acc = LOAD(at);
                for (int part = 1; part < parts; ++part) acc += LOAD(at + part * part_size);
                column[i] = acc * (scaled(i, IN_Y) * scaled(j, IN_X));
            }
            output_transform(powers, column, TAPS, IN_Y);
            EACH(i, TAPS) half_way[i][j] = powers[i];
        }
        EACH(i, TAPS) {
            output_transform(powers, half_way[i], TAPS, IN_X);
            EACH(j, TAPS) STORE(powers[j], to + (i * TAPS + j) * step + v);
        }
    }
}

/* A task is `share` channels by `span` groups of panels; this work-item takes some tasks for part get_global_id(1) of
 * the blocks.  A share has room for `pitch` channels, of which the register tiles need all.
 * With several parts the partial sums are left at sums_at, [part][task][panel][point][pitch][16], and, if there is a
 * bias, [part][panels * 16] at bias_at; with one the gradients are transformed at once. */
KERNEL void wgrad(const __global float *x, const __global float *dy, const __global float *seen,
                  const __global uchar *index, __global float *work, __global float *grad,
                  __global float *grad_bias, int bias_at, int at, int scratch, int n, int h, int w, int c,
                  int oh, int ow, int k, int pad, int block, int share, int pitch, int span, int act,
                  const __global float *norm) {
    maps from = {x, 0, h, w, c, 0, 0, norm}, gradient = gradient_of(dy, seen, index, oh, ow, k, act);
    int high = (oh + OUT_Y - 1) / OUT_Y, wide = (ow + OUT_X - 1) / OUT_X, tiles = n * high * wide;
    int blocks = (tiles + block - 1) / block, all_panels = (k + 15) / 16;
    int part = get_global_id(1), parts = get_global_size(1), shares = (c + share - 1) / share;
    int tasks = (all_panels + span * PANELS - 1) / (span * PANELS) * shares;
    int v_step = STEP(block * pitch), d_step = STEP(block * 16 * PANELS);
    size_t panel_size = (size_t)POINTS * pitch * 16, task_size = span * PANELS * panel_size;
    __global float *v = work + at + (part * get_global_size(0) + get_global_id(0)) * scratch;
    __global float *d = v + POINTS * v_step, *columns = d + span * POINTS * d_step,
                   *copy = columns + POINTS * share;
    for (int i = 0; i < POINTS * v_step; ++i) v[i] = 0.0f; /* unused channels */
    for (int task = tasks * get_global_id(0) / get_global_size(0);
         task < tasks * (get_global_id(0) + 1) / get_global_size(0); ++task) {
        int begin = task % shares * share, channels = min(share, c - begin);
        int first_panel = task / shares * span * PANELS,
            panels = min(span * PANELS, all_panels - first_panel);
        __global float *sums =
            parts > 1 ? work + (part * tasks + task) * task_size : copy + POINTS * max(share, 16);
        __global float *bias = 0;
        if (grad_bias && begin == 0) {
            bias = work + bias_at + (part * all_panels + first_panel) * 16;
            for (int i = 0; i < panels * 16; ++i) bias[i] = 0.0f;
        }
        for (int b = blocks * part / parts, fresh = 1; b < blocks * (part + 1) / parts; ++b, fresh = 0) {
            int first = b * block, count = min(block, tiles - first);
            for (int t = 0; t < count; ++t) {
                tile_index to = tile_index_of(first + t, high, wide);
                transform_input(v + t * pitch, v_step, from, to, new_columns(to, t > 0), pad, begin, channels,
                                columns, copy);
                for (int p = 0; p < panels; ++p)
                    transform_gradient(d + p / PANELS * POINTS * d_step + t * 16 * PANELS + p % PANELS * 16,
                                       d_step, gradient, to, (first_panel + p) * 16,
                                       k - (first_panel + p) * 16 > FEW ? 16 : FEW, bias ? bias + p * 16 : 0,
                                       copy);
            }
            for (int point = 0; point < POINTS; ++point)
                for (int p = 0; p < panels; p += PANELS) {
                    __global float *to = sums + p * panel_size + point * pitch * 16;
                    const __global float *in = v + point * v_step,
                                         *out = d + (p / PANELS * POINTS + point) * d_step;
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
                transform_weight_gradient(grad + ((first_panel + p) * TAPS * TAPS * c + begin + l) * 16,
                                          c * 16, sums + p * panel_size + l * 16, pitch * 16, 1, 0,
                                          k - (first_panel + p) * 16);
        for (int i = 0; bias && i < min(panels * 16, k - first_panel * 16); ++i)
            grad_bias[first_panel * 16 + i] = bias[i];
    }
}

/* grad [panel][tap][c][16] from the partial sums of all parts.  A task is one c of one panel; the last are the
 * biases. */
KERNEL void reduce_parts(const __global float *work, __global float *grad, __global float *grad_bias,
                         int bias_at, int parts, int c, int k, int share, int pitch, int span) {
    int panels = (k + 15) / 16, shares = (c + share - 1) / share, together = span * PANELS;
    size_t panel_size = (size_t)POINTS * pitch * 16,
           part_size = (panels + together - 1) / together * shares * together * panel_size;
    FOR_TASKS(task, panels * c + (grad_bias ? panels : 0)) {
        int panel = task / c, l = task % c;
        if (task >= panels * c) { /* a panel of biases */
            int o = (task - panels * c) * 16;
            for (int i = o; i < min(o + 16, k); ++i) {
                float acc = 0.0f;
                for (int part = 0; part < parts; ++part) acc += work[bias_at + part * panels * 16 + i];
                grad_bias[i] = acc;
            }
            continue;
        }
        transform_weight_gradient(
            grad + (panel * TAPS * TAPS * c + l) * 16, c * 16,
            work + ((panel / together * shares + l / share) * together + panel % together) * panel_size +
                l % share * 16,
            pitch * 16, parts, part_size, k - panel * 16);
    }
}
