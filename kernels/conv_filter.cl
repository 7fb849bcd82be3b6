/* The convolution's weight gradient for CPUs: grad[panel][tap][l][16] = sum over positions p of x[pixel(p,tap)][l] *
 * dy[p][16], and the bias gradient, the sum of dy.
 *
 * The grid of output positions (n, i, j) is cut into `parts`; a work-item takes one part, one panel group of 16*PANELS
 * outputs, and a range of the taps x channel tiles.  It walks its part in blocks of BLOCK positions: the dy of a block
 * is packed (and masked by the fused activation) once, then every tile, up to CHANNELS channels of one tap, keeps its
 * sums in registers over the block; between blocks they lie in `out`.  Each part writes its own sums; conv_pack.cl adds
 * them in order, so that the result does not depend on who ran first.  Positions whose x is in the padding are left out.
 * x is (n, ih, iw, c); tap (ty, tx) of position (i, j) reads `length` floats from row i*stride.y - pad.y +
 * ty*dilation.y, columns alike. */
#include "common.clh"

#define WIDE (16 / VEC)
#define SUMS (PANELS * WIDE)
#define Y_OF(pair) ((pair) >> 16)
#define X_OF(pair) ((int)(short)(pair))

/* One row's piece of a block, as one tap sees it. */
typedef struct {
    const __global float *x;
    int dy, count; /* first position within the block, and how many */
} run;

/* dy before the fused activation, zeros where there is no output. */
static inline floatv before_act(const __global float *dy, const __global float *y, int left, int act) {
    if (left <= 0) return 0.0f;
    floatv value = fetch(dy, left);
    if (act) {
        floatv seen = fetch(y, left);
        value = seen <= 0.0f ? (floatv)0.0f : value;
        if (act == 2) value = seen >= 6.0f ? (floatv)0.0f : value;
    }
    return value;
}

/* out += sum over the runs, for N channels from x[at]. */
#define TILE(N)                                                                                              \
    static inline void tile_##N(__global float *out, const floatv *dy, const run *runs, int count, int at, int pitch, \
                                int fresh, size_t panel_size, int panels) {                                  \
        floatv sum[N][SUMS];                                                                                 \
        _Pragma("unroll") for (int i = 0; i < N; ++i)                                                        \
            _Pragma("unroll") for (int v = 0; v < SUMS; ++v) sum[i][v] =                                     \
                fresh || v / WIDE >= panels ? (floatv)0.0f                                                   \
                                            : LOAD(out + v / WIDE * panel_size + i * 16 + v % WIDE * VEC);   \
        for (int r = 0; r < count; ++r) {                                                                    \
            const __global float *x = runs[r].x + at;                                                        \
            const floatv *d = dy + runs[r].dy * SUMS, *end = d + runs[r].count * SUMS;                       \
            for (; d < end; d += SUMS, x += pitch) {                                                         \
                floatv dv[SUMS];                                                                             \
                _Pragma("unroll") for (int v = 0; v < SUMS; ++v) dv[v] = d[v];                               \
                _Pragma("unroll") for (int i = 0; i < N; ++i) {                                              \
                    floatv in = x[i];                                                                        \
                    _Pragma("unroll") for (int v = 0; v < SUMS; ++v) sum[i][v] += in * dv[v];                \
                }                                                                                            \
            }                                                                                                \
        }                                                                                                    \
        _Pragma("unroll") for (int i = 0; i < N; ++i)                                                        \
            _Pragma("unroll") for (int v = 0; v < SUMS; ++v) if (v / WIDE < panels)                          \
                STORE(sum[i][v], out + v / WIDE * panel_size + i * 16 + v % WIDE * VEC);                     \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
#if CHANNELS > 4
TILE(5)
TILE(6)
#endif
#if CHANNELS > 6
TILE(7)
TILE(8)
#endif

__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void filter(const __global float *x, const __global float *dy, const __global float *y, __global float *out,
                     __global float *out_bias, int out_at, int bias_at, int positions, int grid_h, int grid_w, int ih, int iw, int c, int length,
                     int stride, int pad, int dilation, int taps_y, int taps_x, int k, int act, int parts, int part_size) {
    int part = get_global_id(2), tile_share = get_global_id(1), panel = get_global_id(0) * PANELS;
    int panels = min(PANELS, (k + 15) / 16 - panel), taps = taps_y * taps_x;
    int blocks = (positions + BLOCK - 1) / BLOCK;
    int block_begin = (long)blocks * part / parts, block_end = (long)blocks * (part + 1) / parts;
    int tiles = (length + CHANNELS - 1) / CHANNELS;
    int tile_begin = (long)taps * tiles * tile_share / get_global_size(1);
    int tile_end = (long)taps * tiles * (tile_share + 1) / get_global_size(1);
    size_t panel_size = (size_t)taps * length * 16;
    int pitch = X_OF(stride) * c;
    floatv d[BLOCK * SUMS], bias[SUMS];
    run runs[BLOCK];
    out += out_at + (size_t)part * part_size + panel * panel_size;
#pragma unroll
    for (int v = 0; v < SUMS; ++v) bias[v] = 0.0f;
    for (int block = block_begin; block < block_end; ++block) {
        int begin = block * BLOCK, end = min(begin + BLOCK, positions), fresh = block == block_begin;
        floatv block_bias[SUMS];
#pragma unroll
        for (int v = 0; v < SUMS; ++v) block_bias[v] = 0.0f;
        for (int p = begin; p < end; ++p) {
            int at = p * k + panel * 16;
#pragma unroll
            for (int v = 0; v < SUMS; ++v) {
                floatv value = before_act(dy + at + v * VEC, y + at + v * VEC, k - panel * 16 - v * VEC, act);
                d[(p - begin) * SUMS + v] = value;
                block_bias[v] += value;
            }
        }
#pragma unroll
        for (int v = 0; v < SUMS; ++v) bias[v] += block_bias[v];
        int row_begin = begin / grid_w, rows = (end - 1) / grid_w + 1 - row_begin, tap = -1, count = 0;
        for (int t = tile_begin; t < tile_end; ++t) {
            if (t / tiles != tap) { /* the runs of the next tap */
                tap = t / tiles;
                count = 0;
                int ty = tap / taps_x, tx = tap % taps_x;
                int shift = tx * X_OF(dilation) - X_OF(pad); /* column of x that j = 0 reads */
                int low = shift >= 0 ? 0 : (-shift + X_OF(stride) - 1) / X_OF(stride);
                int high = iw <= shift ? 0 : min(grid_w, (iw - shift - 1) / X_OF(stride) + 1);
                int n = row_begin / grid_h, i = row_begin % grid_h;
                for (int row = row_begin; row < row_begin + rows; ++row) {
                    int iy = i * Y_OF(stride) - Y_OF(pad) + ty * Y_OF(dilation);
                    int from = max(low, begin - row * grid_w), to = min(high, end - row * grid_w);
                    if ((uint)iy < (uint)ih && from < to) {
                        runs[count].x = x + (((long)n * ih + iy) * iw + from * X_OF(stride) + shift) * c;
                        runs[count].dy = row * grid_w + from - begin;
                        runs[count].count = to - from;
                        ++count;
                    }
                    if (++i == grid_h) i = 0, ++n;
                }
            }
            int index = t % tiles, at = (long)length * index / tiles, next = (long)length * (index + 1) / tiles;
            __global float *to = out + ((size_t)tap * length + at) * 16;
            switch (next - at) {
#define CASE(N)                                                                                              \
    case N:                                                                                                  \
        tile_##N(to, d, runs, count, at, pitch, fresh, panel_size, panels);                                  \
        break;
                CASE(1)
                CASE(2)
                CASE(3)
                CASE(4)
#if CHANNELS > 4
                CASE(5)
                CASE(6)
#endif
#if CHANNELS > 6
                CASE(7)
                CASE(8)
#endif
            }
        }
    }
    if (out_bias && tile_share == 0) {
#pragma unroll
        for (int v = 0; v < SUMS; ++v) {
            int at = panel * 16 + v * VEC;
            if (at < k) put(bias[v], out_bias + bias_at + (size_t)part * part_size + at, k - at);
        }
    }
}
