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
 * multiplies panel by panel, and transforms back; only x, y and the weights cross memory.
 *
 *     x, y         (n,h,w,c), (n,oh,ow,k); tiles are numbered by image, row, column
 *     weights u    [panel][36][c][16], a GAP behind each point
 *     scratch      points of x [36][block][c], of dy or of the sums [36][block][16*PANELS] a group of panels, a GAP
 *                  behind each point; then a window [6][6][c]
 *
 * The GAP keeps 36 pieces from falling on the same lines of the cache. */
#include "common.clh"

#define WIDE (16 / VEC)      /* vectors in a panel */
#define SUMS (PANELS * WIDE) /* vectors of sums a tile */
#define GAP  16

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

/* w [panel][tap][c][16] as u [panel][36][c][16]; turned by half a circle for backward data.  A task is one c.
 */
KERNEL void weights(const __global float *w, __global float *u, int u_at, int panels, int c, int turn) {
    u += u_at;
    FOR_TASKS(task, panels * c) {
        const int step = c * 16;
        const __global float *from = w + (task / c * TAPS * TAPS * c + task % c) * 16;
        __global float *to = u + (size_t)(task / c) * 36 * (step + GAP) + task % c * 16;
        for (int v = 0; v < 16; v += VEC) {
            floatv half_way[TAPS][6], points[6];
            EACH(j, TAPS) {
                floatv column[TAPS];
                EACH(i, TAPS) {
                    int tap = i * TAPS + j;
                    column[i] = LOAD(from + (turn ? TAPS * TAPS - 1 - tap : tap) * step + v);
                }
                evaluate(half_way[j], column, TAPS);
            }
            EACH(i, 6) {
                floatv row[TAPS];
                EACH(j, TAPS) row[j] = half_way[j][i] * scaled(i);
                evaluate(points, row, TAPS);
                EACH(j, 6) STORE(points[j] * scaled(j), to + (i * 6 + j) * (step + GAP) + v);
            }
        }
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

/* At one point: sums of ROWS tiles, [tile][16*PANELS], over the channels of v [tile][c] and u [c][16]. */
INLINE void multiply(__global float *to, const __global float *v, const __global float *u, size_t panel_size,
                     int c) {
    floatv sum[ROWS][SUMS];
    EACH(q, ROWS) EACH(s, SUMS) sum[q][s] = 0.0f;
    for (int l = 0; l < c; ++l) {
        floatv weight[SUMS];
        EACH(s, SUMS) weight[s] = LOAD(u + l * 16 + s / WIDE * panel_size + s % WIDE * VEC);
        EACH(q, ROWS) {
            floatv in = v[q * c + l];
            EACH(s, SUMS) sum[q][s] += in * weight[s];
        }
    }
    EACH(q, ROWS) EACH(s, SUMS) STORE(sum[q][s], to + q * 16 * PANELS + s * VEC);
}

/* One tile's VEC outputs from o on, of which `left` exist: from the points `step` apart to y. */
INLINE void output_tile(const __global float *sums, int step, __global float *y, const __global float *bias,
                        place at, int oh, int ow, int k, int o, int left, int act, int accumulate) {
    floatv half_way[OUT][6], out[OUT][OUT], shift = 0.0f;
    if (bias) shift = fetch(bias + o, left);
    EACH(j, 6) {
        floatv column[6], powers[OUT];
        EACH(i, 6) column[i] = LOAD(sums + (i * 6 + j) * step);
        gather_powers(powers, column, OUT);
        EACH(i, OUT) half_way[i][j] = powers[i];
    }
    EACH(i, OUT) {
        gather_powers(out[i], half_way[i], OUT);
        EACH(j, OUT) out[i][j] = activate(out[i][j] + shift, act);
    }
    int rows = min(OUT, oh - at.y * OUT), columns = min(OUT, ow - at.x * OUT);
    y += ((at.n * oh + at.y * OUT) * ow + at.x * OUT) * k + o;
    if (rows == OUT && columns == OUT && left >= VEC && !accumulate) {
        EACH(i, OUT) EACH(j, OUT) STORE(out[i][j], y + (i * ow + j) * k);
        return;
    }
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j) {
            __global float *to = y + (i * ow + j) * k;
            put(accumulate ? out[i][j] + fetch(to, left) : out[i][j], to, left);
        }
}

/* `seen` and `seen_act` belong to x, `act` to y. */
KERNEL void gather(const __global float *x, const __global float *seen, __global float *work,
                   const __global float *bias, __global float *y, int u_at, int at, int scratch, int n, int h,
                   int w, int c, int oh, int ow, int k, int pad, int block, int span, int seen_act, int act,
                   int accumulate) {
    maps from = {x, seen, h, w, c, seen ? seen_act : 0};
    int high = (oh + OUT - 1) / OUT, wide = (ow + OUT - 1) / OUT, tiles = n * high * wide;
    int blocks = (tiles + block - 1) / block, groups = (k + 16 * PANELS - 1) / (16 * PANELS);
    int block_begin = blocks * get_global_id(0) / get_global_size(0);
    int block_end = blocks * (get_global_id(0) + 1) / get_global_size(0);
    int group_begin = groups * get_global_id(1) / get_global_size(1);
    int group_end = groups * (get_global_id(1) + 1) / get_global_size(1);
    int v_step = block * c + GAP, m_step = block * 16 * PANELS + GAP;
    size_t panel_size = (size_t)36 * (c * 16 + GAP);
    __global float *v = work + at + (get_global_id(1) * get_global_size(0) + get_global_id(0)) * scratch;
    __global float *sums = v + 36 * v_step, *copy = sums + span * 36 * m_step;
    for (int b = block_begin; b < block_end; ++b) {
        int first = b * block, count = min(block, tiles - first),
            padded = (count + ROWS - 1) / ROWS * ROWS; /* past the end: the last tile again */
        for (int t = 0; t < padded; ++t)
            input_points(v + t * c, v_step, from, place_of(first + min(t, count - 1), high, wide), pad, 0, c,
                         copy);
        for (int group = group_begin; group < group_end; group += span) {
            int some = min(span, group_end - group);
            for (int point = 0; point < 36; ++point)
                for (int g = 0; g < some; ++g) {
                    int panel = (group + g) * PANELS;
                    size_t second =
                        (panel + 1) * 16 < k ? panel_size : 0; /* an odd last panel: twice the same */
                    for (int t = 0; t < padded; t += ROWS)
                        multiply(sums + (g * 36 + point) * m_step + t * 16 * PANELS,
                                 v + point * v_step + t * c,
                                 work + u_at + panel * panel_size + point * (c * 16 + GAP), second, c);
                }
            for (int g = 0; g < some; ++g)
                for (int t = 0; t < count; ++t) {
                    place to = place_of(first + t, high, wide);
                    int o = (group + g) * 16 * PANELS;
                    for (int s = 0; s < 16 * PANELS && o + s < k; s += VEC)
                        output_tile(sums + g * 36 * m_step + t * 16 * PANELS + s, m_step, y, bias, to, oh, ow,
                                    k, o + s, k - o - s, act, accumulate);
                }
        }
    }
}

/* ---- the weights' gradient ---- */

/* The OUT x OUT gradients of a tile, 16 outputs from o on, as points: to is [36] x [16], `step` apart.  Adds
 * them up into bias [16], if there is one. */
INLINE void gradient_points(__global float *to, int step, maps m, place at, int o, __global float *bias,
                            __global float *copy) {
    window from = window_of(m, OUT, at.n, at.y * OUT, at.x * OUT, o, 16, copy);
    fetch_ahead(m, OUT, at.n, at.y * OUT, at.x * OUT, o, 16);
    for (int s = 0; s < 16; s += VEC) {
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

/* At one point: sums [ROWS][16] of each panel, over the tiles of v [tile][pitch] and d [tile][16*PANELS].
 */
INLINE void accumulate_tiles(__global float *out, const __global float *v, const __global float *d, int pitch,
                             int count, int fresh, size_t panel_size, int panels) {
    floatv sum[ROWS][SUMS];
    EACH(i, ROWS)
    EACH(s, SUMS)
    sum[i][s] = fresh || s / WIDE >= panels ? (floatv)0.0f
                                            : LOAD(out + s / WIDE * panel_size + i * 16 + s % WIDE * VEC);
    for (int t = 0; t < count; ++t) {
        floatv dy[SUMS];
        EACH(s, SUMS) dy[s] = LOAD(d + t * 16 * PANELS + s * VEC);
        EACH(i, ROWS) {
            floatv in = v[t * pitch + i];
            EACH(s, SUMS) sum[i][s] += in * dy[s];
        }
    }
    EACH(i, ROWS)
    EACH(s, SUMS)
    if (s / WIDE < panels) STORE(sum[i][s], out + s / WIDE * panel_size + i * 16 + s % WIDE * VEC);
}

/* Part get_global_id(2) of the blocks, for `share` channels from share * get_global_id(0) on and `span` groups of
 * panels from span * get_global_id(1) on.  A share has room for `pitch` channels, a multiple of ROWS.
 * The sums are [part][panel][36][shares * pitch][16] and, if there is a bias, [part][panels * 16] at bias_at. */
KERNEL void filter(const __global float *x, const __global float *dy, const __global float *seen,
                   __global float *work, int bias_at, int at, int scratch, int n, int h, int w, int c, int oh,
                   int ow, int k, int pad, int block, int share, int pitch, int span, int act) {
    maps from = {x, 0, h, w, c, 0}, gradient = {dy, seen, oh, ow, k, seen ? act : 0};
    int high = (oh + OUT - 1) / OUT, wide = (ow + OUT - 1) / OUT, tiles = n * high * wide;
    int blocks = (tiles + block - 1) / block, all_panels = (k + 15) / 16;
    int part = get_global_id(2), parts = get_global_size(2), shares = get_global_size(0),
        begin = get_global_id(0) * share;
    int channels = min(share, c - begin), first_panel = get_global_id(1) * span * PANELS;
    int spans = min(span, (all_panels - first_panel + PANELS - 1) / PANELS);
    int v_step = block * pitch + GAP, d_step = block * 16 * PANELS + GAP;
    size_t panel_size = (size_t)36 * shares * pitch * 16;
    __global float *v =
        work + at + ((part * get_global_size(1) + get_global_id(1)) * shares + get_global_id(0)) * scratch;
    __global float *d = v + 36 * v_step, *copy = d + span * 36 * d_step;
    __global float *sums =
        work + (part * all_panels + first_panel) * panel_size + get_global_id(0) * pitch * 16;
    __global float *bias = 0;
    if (bias_at && get_global_id(0) == 0) {
        bias = work + bias_at + (part * all_panels + first_panel) * 16;
        for (int i = 0; i < min(spans * PANELS, all_panels - first_panel) * 16; ++i) bias[i] = 0.0f;
    }
    for (int i = 0; i < 36 * v_step; ++i) v[i] = 0.0f; /* the room that no channel fills */
    for (int b = blocks * part / parts, fresh = 1; b < blocks * (part + 1) / parts; ++b, fresh = 0) {
        int first = b * block, count = min(block, tiles - first);
        for (int t = 0; t < count; ++t) {
            place to = place_of(first + t, high, wide);
            input_points(v + t * pitch, v_step, from, to, pad, begin, channels, copy);
            for (int p = 0; p < spans * PANELS; ++p)
                if (first_panel + p < all_panels)
                    gradient_points(d + p / PANELS * 36 * d_step + t * 16 * PANELS + p % PANELS * 16, d_step,
                                    gradient, to, (first_panel + p) * 16, bias ? bias + p * 16 : 0, copy);
        }
        for (int point = 0; point < 36; ++point)
            for (int p = 0; p < spans; ++p)
                for (int l = 0; l < channels; l += ROWS)
                    accumulate_tiles(sums + p * PANELS * panel_size + (point * shares * pitch + l) * 16,
                                     v + point * v_step + l, d + (p * 36 + point) * d_step, pitch, count,
                                     fresh, panel_size, all_panels - first_panel - p * PANELS);
    }
}

/* grad [panel][tap][c][16] from the sums of all parts.  A task is one c of one panel; the last are the
 * biases. */
KERNEL void collapse(const __global float *work, __global float *grad, __global float *grad_bias, int bias_at,
                     int parts, int c, int k, int share, int pitch) {
    int panels = (k + 15) / 16, row = (c + share - 1) / share * pitch;
    size_t part_size = (size_t)panels * 36 * row * 16;
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
        const __global float *from = work + (panel * 36 * row + l / share * pitch + l % share) * 16;
        for (int v = 0; v < 16; v += VEC) {
            floatv half_way[TAPS][6], powers[TAPS];
            EACH(j, 6) {
                floatv column[6];
                EACH(i, 6) {
                    const __global float *at = from + (i * 6 + j) * row * 16 + v;
                    floatv sum = LOAD(at);
                    for (int part = 1; part < parts; ++part) sum += LOAD(at + part * part_size);
                    column[i] = sum * (scaled(i) * scaled(j));
                }
                gather_powers(powers, column, TAPS);
                EACH(i, TAPS) half_way[i][j] = powers[i];
            }
            EACH(i, TAPS) {
                gather_powers(powers, half_way[i], TAPS);
                EACH(j, TAPS)
                STORE(powers[j], grad + ((panel * TAPS * TAPS + i * TAPS + j) * c + l) * 16 + v);
            }
        }
    }
}
