/* Convolution of few input channels for CPUs (a network's first): y[p][k] = act(bias[k] + sum over taps of
 * x[p,tap] * w[tap][k]), and the gradients of w and bias.  A result is only R*S*C products, so loads, stores and set-up
 * cost as much as they do.
 *
 * A task is a band (band.clh), in the L1 cache: `rows` rows of outputs of one image.  y and dy
 * are (n,oh,ow,K), w is [panel of 16 outputs][tap][16], a tap being (r, s, c).
 *
 * forward   PIXELS neighbouring outputs by ACCUMULATORS vectors of VEC output channels in registers, all taps unrolled;
 *           the last tile of a row is moved back to be full, and repeats some results.
 * wgrad     a panel of dy, before the fused activation, is packed once a band (`d`, rows of whole POSITIONS); then, for
 *           each of its vectors and ROWS x COLS x C taps, the accumulators stay in registers over the band, POSITIONS
 *           outputs at a time, which share the numbers of x.  Between bands they are in `out`.  Each work-item takes a
 *           part of the bands and writes partial sums of its own; conv_pack.cl reduces the parts in order.
 *
 * With -DPOOL y and dy are of the 2x2 max pooled map, of whose windows only the argmax has a gradient (pooled.clh).
 * With -DSPARSE too, wgrad takes only the products of those: for each output channel, a row of the kernel, S x C
 * neighbouring numbers of x from the argmax on, is VECTORS accumulators, and all rows stay in registers over the band's
 * windows, whose dy (`value`) and positions in the band (`place`) are packed as [window][K_PADDED].
 *
 * Options: C channels of x, K of y, R x S kernel, SX and DX the stride and dilation along x, ACT the fused
 * activation, ROOM floats of a band, BLOCK positions of d.  pad is a pair: y << 16 | x. */
#include "band.clh"
#include "common.clh"
#include "panel.clh"
#include "pooled.clh"

#define TAPS (R * S * C)

/* Outputs from o on, of which a vector takes VEC.  A constant where all vectors are full: half the code. */
#ifdef PIXELS
#define ALL_WHOLE (K % (ACCUMULATORS * VEC) == 0)
#elif defined(SPARSE)
#define ALL_WHOLE (K % VEC == 0)
#define K_PADDED  ((K + VEC - 1) / VEC * VEC)
#else
#define ALL_WHOLE (K % 16 == 0)
#endif
#define LEFT(o) (ALL_WHOLE ? VEC : K - (o))

/* Rows and columns of outputs, by those of the convolution, and the other way round. */
#ifdef POOL
#define HALF(count)  ((count) / 2)
#define TWICE(count) ((count)*2)
#else
#define HALF(count)  (count)
#define TWICE(count) (count)
#endif

#ifdef PIXELS
/* The taps of a row are unrolled where registers are left to share inputs between pixels. */
#if PIXELS * ACCUMULATORS <= 8
#define EACH_OF_ROW _Pragma("unroll")
#else
#define EACH_OF_ROW _Pragma("nounroll")
#endif

/* Where pixel q of a tile begins, `below` being the next row of outputs. */
#ifdef POOL
#define AT(q, below) ((q) / 2 % 2 * (below) + ((q) / 4 * 2 + (q) % 2) * SX * C)
#define STEP         (PIXELS / 4) /* outputs of a tile */
#else
#define AT(q, below) ((q)*SX * C)
#define STEP         PIXELS
#endif

/* One tap: neighbouring pixels' inputs are reloaded for each tap, as there are no registers to keep them. */
INLINE void add_tap(floatv acc[PIXELS][ACCUMULATORS], const float *from, int below,
                    const __global float *const w[ACCUMULATORS], int tap) {
    floatv weight[ACCUMULATORS];
    EACH(v, ACCUMULATORS) weight[v] = LOAD(w[v] + tap * 16);
    EACH(q, PIXELS) {
        floatv in = from[AT(q, below)];
        EACH(v, ACCUMULATORS) acc[q][v] += in * weight[v];
    }
}

/* One tile, of which `count` outputs are wanted: `row` floats in the band from one row of the kernel to the next,
 * `below` from one row of outputs to the next. */
INLINE void tile(__global float *to, __global uchar *index, const float *from,
                 const __global float *const w[ACCUMULATORS], const floatv shift[ACCUMULATORS], int row,
                 int below, int o, int count) {
    floatv acc[PIXELS][ACCUMULATORS];
    EACH(q, PIXELS) EACH(v, ACCUMULATORS) acc[q][v] = shift[v];
    for (int r = 0, tap = 0; r < R; ++r, from += row)
#if DX == 1
        EACH_OF_ROW for (int t = 0; t < S * C; ++t, ++tap) add_tap(acc, from + t, below, w, tap);
#else
        EACH_OF_ROW for (int s = 0; s < S; ++s) for (int c = 0; c < C; ++c, ++tap)
            add_tap(acc, from + s * DX * C + c, below, w, tap);
#endif
#ifdef POOL
#define PUT(all, q, left)                                                                                    \
    do {                                                                                                     \
        floatv window[4];                                                                                    \
        EACH(p, 4) window[p] = all[(q)*4 + p];                                                               \
        put_window(window, ACT, to + (q)*K + v * VEC, index ? index + (q)*K + v * VEC : 0, left);            \
    } while (0)
#else
#define PUT(all, q, left) put(activate(all[q], ACT), to + (q)*K + v * VEC, left)
#endif
    EACH(v, ACCUMULATORS) {
        int left = LEFT(o + v * VEC);
        floatv all[PIXELS];
        EACH(q, PIXELS) all[q] = acc[q][v];
        if (left >= VEC && count >= STEP)
            EACH(q, STEP) PUT(all, q, VEC);
        else if (left > 0) { /* not unrolled: rare, so small code */
            floatv rest[PIXELS];
            EACH(q, PIXELS) rest[q] = all[q];
            for (int q = 0; q < min(count, STEP); ++q) PUT(rest, q, left);
        }
    }
#undef PUT
}

KERNEL void forward(const __global float *x, const __global float *weights, const __global float *bias,
                    __global float *y, __global uchar *index, int n, int h, int width, int oh, int ow,
                    int stride_y, int dilation_y, int pad, int rows) {
    float band[ROOM];
    layout at = layout_of(max(ow, PIXELS), width, X_OF(pad));
    int bands = (oh + rows - 1) / rows, height = (rows - 1) * stride_y + (R - 1) * dilation_y + 1;
    int below = stride_y * at.pitch, lines = HALF(oh), columns = HALF(ow);
    clear(band, height * at.pitch);
    FOR_TASKS(task, n * bands) {
        int image = task / bands, oy = task % bands * rows;
        fill(band, x + image * h * width * C, at, oy * stride_y - Y_OF(pad), height, h, width);
        for (int i = 0; i < HALF(min(rows, oh - oy)); ++i) {
            const float *row = band + i * TWICE(below);
            int line = (image * lines + HALF(oy) + i) * columns * K;
            for (int o = 0; o < K; o += ACCUMULATORS * VEC) {
                const __global float *w[ACCUMULATORS];
                floatv shift[ACCUMULATORS];
                EACH(v, ACCUMULATORS) {
                    int first = o + v * VEC, left = LEFT(first);
                    if (left <= 0) first = 0; /* no such output */
                    w[v] = weights + first / 16 * TAPS * 16 + first % 16;
                    shift[v] = bias && left > 0 ? fetch(bias + first, left) : (floatv)0.0f;
                }
                for (int j = 0; j < columns; j += STEP) {
                    int begin = max(min(j, columns - STEP), 0), to = line + begin * K + o;
                    for (int q = 0; q < STEP; ++q) /* of the next line */
                        for (int v = 0; v < ACCUMULATORS * VEC; v += LINE)
                            PREFETCH_WRITE(y + to + (columns + q) * K + v);
                    tile(y + to, index ? index + to : 0, row + TWICE(begin) * SX * C, w, shift,
                         dilation_y * at.pitch, below, o, columns - begin);
                }
            }
        }
    }
}
#else

#ifdef SPARSE
/* Floats of x that a row of the kernel reads, in vectors. */
#define VECTORS ((S * C + VEC - 1) / VEC)

/* The first `count` windows' gradients of output o: sum over the windows of value * x[position..]. */
INLINE void sparse_tile(floatv sums[R * VECTORS], const float *band, const float *value,
                        const ushort *position, int count, int row) {
    floatv acc[2][R][VECTORS];
    EACH(r, R) EACH(v, VECTORS) {
        acc[0][r][v] = sums[r * VECTORS + v];
        acc[1][r][v] = 0.0f;
    }
    for (int i = 0; i < count; i += 2, value += 2 * K_PADDED, position += 2 * K_PADDED) EACH(a, 2) {
            const float *from = band + position[a * K_PADDED];
            const floatv one = value[a * K_PADDED];
            EACH(r, R) EACH(v, VECTORS) acc[a][r][v] += one * LOAD(from + r * row + v * VEC);
        }
    EACH(r, R) EACH(v, VECTORS) sums[r * VECTORS + v] = acc[0][r][v] + acc[1][r][v];
}

KERNEL void wgrad(const __global float *x, const __global float *dy, const __global float *y,
                  const __global uchar *index, __global float *out, __global float *out_bias, int out_at,
                  int bias_at, int part_size, int n, int h, int width, int oh, int ow, int stride_y,
                  int dilation_y, int pad, int rows) {
    float band[ROOM + 2 * VEC], value[BLOCK + K_PADDED];
    ushort position[BLOCK + K_PADDED];
    floatv sums[K_PADDED * R * VECTORS], bias[K_PADDED / VEC];
    layout at = layout_of(ow, width, X_OF(pad));
    int part = (int)get_global_id(0), bands = (oh + rows - 1) / rows;
    int height = (rows - 1) * stride_y + (R - 1) * dilation_y + 1, below = stride_y * at.pitch;
    clear(band, height * at.pitch + 2 * VEC);
    EACH(v, K_PADDED / VEC) bias[v] = 0.0f;
    for (int i = 0; i < K_PADDED * R * VECTORS; ++i) sums[i] = 0.0f;
    FOR_TASKS(task, n * bands) {
        int image = task / bands, oy = task % bands * rows, lines = HALF(min(rows, oh - oy));
        int count = lines * HALF(ow), from = (image * HALF(oh) + HALF(oy)) * HALF(ow) * K;
        fill(band, x + image * h * width * C, at, oy * stride_y - Y_OF(pad), height, h, width);
        for (int i = 0, w = 0; i < lines; ++i)
            for (int j = 0; j < HALF(ow); ++j, ++w, from += K) EACH(v, K_PADDED / VEC) {
                    int o = v * VEC, to = w * K_PADDED + o, left = LEFT(o);
                    floatv d = act_backward(dy + from + o, y + from + o, left, ACT);
                    intv winner = argmax_of(index + from + o, left);
                    bias[v] += d;
                    STORE(d, value + to);
                    PASTE(vstore, VEC)
                    (PASTE(convert_ushort, VEC)(TWICE(i * below + j * SX * C) + (winner >> 1) * below +
                                                (winner & 1) * (SX * C)),
                     0, position + to);
                }
        if (count % 2)
            for (int o = 0; o < K_PADDED; ++o)
                value[count * K_PADDED + o] = 0.0f, position[count * K_PADDED + o] = 0;
        for (int o = 0; o < K; ++o)
            sparse_tile(sums + o * R * VECTORS, band, value + o, position + o, count, dilation_y * at.pitch);
    }
    out += out_at + (size_t)part * part_size;
    for (int o = 0; o < (K + 15) / 16 * 16; ++o)
        for (int r = 0; r < R; ++r) {
            float part_of_row[VECTORS * VEC];
            EACH(v, VECTORS)
            STORE(o < K ? sums[(o * R + r) * VECTORS + v] : (floatv)0.0f, part_of_row + v * VEC);
            for (int s = 0; s < S * C; ++s)
                out[(o / 16 * TAPS + r * S * C + s) * 16 + o % 16] = part_of_row[s];
        }
    if (out_bias) EACH(v, K_PADDED / VEC) {
            int left = LEFT(v * VEC);
            if (left > 0) put(bias[v], out_bias + bias_at + (size_t)part * part_size + v * VEC, left);
        }
}
#else

#define ROWS_LEFT    (COLS == S ? R % ROWS : 1)
#define COLS_LEFT    (COLS == S ? S : S % COLS)

/* Sums of N rows by M columns of the kernel over the band: out holds [tap][16], `from` is the first tap of the first
 * position. Few accumulators would wait for their own latency: then positions alternate between COPIES of them. */
#define COPIES(N, M) ((N) * (M)*C * 2 <= ROWS * COLS * C ? 2 : 1)
#define TILE(NAME, N, M)                                                                                     \
    INLINE void NAME(__global float *out, const float *from, const floatv *d, int rows, int positions,       \
                     int next_row, int row, int fresh, int left) {                                           \
        floatv acc[COPIES(N, M)][N][M * C];                                                                  \
        EACH(a, COPIES(N, M)) EACH(r, N) EACH(s, M *C) acc[a][r][s] = 0.0f;                                  \
        if (!fresh) EACH(r, N) EACH(s, M *C) acc[0][r][s] = LOAD(out + (r * S * C + s) * 16);                \
        for (int i = 0; i < rows; ++i) {                                                                     \
            const float *in = from + i * next_row;                                                           \
            for (const floatv *end = d + positions * WIDE; d < end;                                          \
                 d += POSITIONS * WIDE, in += POSITIONS * SX * C) {                                          \
                floatv dv[POSITIONS];                                                                        \
                EACH(q, POSITIONS) dv[q] = d[q * WIDE];                                                      \
                EACH(r, N) EACH(u, (POSITIONS - 1) * SX + (M - 1) * DX + 1) EACH(c, C) {                     \
                    floatv one = in[r * row + u * C + c];                                                    \
                    EACH(q, POSITIONS)                                                                       \
                    if (u >= q * SX && (u - q * SX) % DX == 0 && (u - q * SX) / DX < M)                      \
                        acc[q % COPIES(N, M)][r][(u - q * SX) / DX * C + c] += one * dv[q];                  \
                }                                                                                            \
            }                                                                                                \
        }                                                                                                    \
        EACH(r, N) EACH(s, M *C) {                                                                           \
            floatv all = acc[0][r][s];                                                                       \
            if (COPIES(N, M) == 2) all += acc[COPIES(N, M) - 1][r][s];                                       \
            STORE(LANES < (intv)left ? all : (floatv)0.0f, out + (r * S * C + s) * 16);                      \
        }                                                                                                    \
    }

#if VEC == 16
#define LANES (intv)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#elif VEC == 8
#define LANES (intv)(0, 1, 2, 3, 4, 5, 6, 7)
#else
#define LANES (intv)(0, 1, 2, 3)
#endif

TILE(tile, ROWS, COLS)
#if ROWS_LEFT > 0 && COLS_LEFT > 0
TILE(tile_left, ROWS_LEFT, COLS_LEFT)
#endif

/* Writes the positions of d that output (i, j) of a band covers, VEC channels of them. */
INLINE void spread(floatv *d, floatv value, const __global uchar *index, int i, int j, int positions,
                   int left) {
#ifdef POOL
    intv winner = argmax_of(index, left);
    EACH(q, 4)
    d[((i * 2 + q / 2) * positions + j * 2 + q % 2) * WIDE] = winner == (intv)q ? value : (floatv)0.0f;
#else
    d[(i * positions + j) * WIDE] = value;
#endif
}

KERNEL void wgrad(const __global float *x, const __global float *dy, const __global float *y,
                  const __global uchar *index, __global float *out, __global float *out_bias, int out_at,
                  int bias_at, int part_size, int n, int h, int width, int oh, int ow, int stride_y,
                  int dilation_y, int pad, int rows) {
    float band[ROOM];
    floatv d[BLOCK * WIDE];
    int positions = (ow + POSITIONS - 1) / POSITIONS * POSITIONS, part = (int)get_global_id(0), fresh = 1;
    layout at = layout_of(positions, width, X_OF(pad));
    int bands = (oh + rows - 1) / rows, height = (rows - 1) * stride_y + (R - 1) * dilation_y + 1;
    int row = dilation_y * at.pitch, next_row = stride_y * at.pitch;
    out += out_at + (size_t)part * part_size;
    if (out_bias) out_bias += bias_at + (size_t)part * part_size;
    clear(band, height * at.pitch);
    for (int i = 0; i < rows * positions * WIDE; ++i) d[i] = 0.0f;
    FOR_TASKS(task, n * bands) {
        int image = task / bands, oy = task % bands * rows, count = min(rows, oh - oy);
        fill(band, x + image * h * width * C, at, oy * stride_y - Y_OF(pad), height, h, width);
        for (int o = 0; o < K; o += 16) {
            __global float *panel = out + o * TAPS;
            floatv bias[WIDE];
            EACH(v, WIDE) bias[v] = 0.0f;
            /* Distance to the next panel, or to the next band's first. */
            const int next = o + 16 < K ? 16 : HALF(count) * HALF(ow) * K - o;
            for (int i = 0; i < HALF(count); ++i) {
                int from = (image * HALF(oh) + HALF(oy) + i) * HALF(ow) * K + o;
                for (int j = 0; j < HALF(ow); ++j, from += K) EACH(v, WIDE) {
                        int at = from + v * VEC, left = LEFT(o + v * VEC);
                        if (v * VEC % LINE == 0) {
                            PREFETCH_READ_L2(dy + at + next);
                            if (ACT) PREFETCH_READ_L2(y + at + next);
                        }
                        floatv value = act_backward(dy + at, y + at, left, ACT);
                        spread(d + v, value, index + at, i, j, positions, left);
                        bias[v] += value;
                    }
            }
            if (out_bias) EACH(v, WIDE) {
                    int left = LEFT(o + v * VEC);
                    if (left > 0)
                        put(fresh ? bias[v] : bias[v] + fetch(out_bias + o + v * VEC, left),
                            out_bias + o + v * VEC, left);
                }
            for (int v = 0; v < WIDE; ++v) {
                int left = LEFT(o + v * VEC), r = 0;
                if (left <= 0) {
                    if (fresh)
                        for (int t = 0; t < TAPS; ++t) STORE((floatv)0.0f, panel + t * 16 + v * VEC);
                    continue;
                }
                for (; r + ROWS <= R; r += ROWS) {
                    __global float *to = panel + r * S * C * 16 + v * VEC;
                    const float *from = band + r * row;
                    for (int s = 0; s + COLS <= S; s += COLS)
                        tile(to + s * C * 16, from + s * DX * C, d + v, count, positions, next_row, row,
                             fresh, left);
#if COLS < S && COLS_LEFT > 0
                    tile_left(to + (S - COLS_LEFT) * C * 16, from + (S - COLS_LEFT) * DX * C, d + v, count,
                              positions, next_row, row, fresh, left);
#endif
                }
#if COLS == S && ROWS_LEFT > 0
                tile_left(panel + r * S * C * 16 + v * VEC, band + r * row, d + v, count, positions, next_row,
                          row, fresh, left);
#endif
            }
        }
        fresh = 0;
    }
}
#endif
#endif
