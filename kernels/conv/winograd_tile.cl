/* Winograd convolution for CPUs, forward and backward data; the weight gradient is in winograd_wgrad.cl, tiles and how they are
 * read in winograd_tiles.clh.
 *
 * Each point (element of the Winograd domain) is a matrix product, [tiles][c] by [c][k], in register tiles of explicit
 * vectors. A work-item takes blocks of `block` tiles: it transforms their inputs into a scratch of its own that fits a
 * core's cache, multiplies panel by panel (of 16 output channels), and transforms back; only x, y and the weights cross
 * memory. With -DBN_SUMS, gather's epilogue sums what it writes for batch norm (bn_sums.clh). With -DPOOL y is 2x2 max
 * pooled (conv_pool): gather pools what it writes.
 *
 *     x, y         (n,h,w,c), (n,oh,ow,k)
 *     weights u    [panel][point][c][16]
 *     scratch      transformed x [point][block][c]; products [point][block][16*PANELS] for each group of panels;
 *                  then transformed columns [IN_X][IN_Y][c] and a window [IN_Y][IN_X][c] */
#include "bn_sums.clh"
#include "winograd_tiles.clh"

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
