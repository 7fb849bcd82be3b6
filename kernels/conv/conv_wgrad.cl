/* The weight gradient (wgrad) of convolutions for CPUs: grad[panel][tap][l][16] = sum over positions p of
 * x[pixel(p,tap)][l] * dy[p][16], and the bias gradient, the sum of dy.  x is read where it lies; wgrad_tile.cl is for
 * convolutions that read it at places far apart.
 *
 * The grid of output positions (n, i, j) is cut into `parts`; a work-item takes one part, a range of the panels (of 16
 * output channels) k_begin .. k_end-1, and a range of the taps x channel tiles.  It walks its part in blocks of BLOCK
 * positions: for each 16*PANELS outputs the dy of a block is packed (and masked by the fused activation) once, then
 * every tile, up to CHANNELS channels of one tap, keeps its accumulators in registers over the block; between blocks
 * they are in `out`. LANES is how many outputs of a panel are used; the others are zero.  Positions whose x is in the
 * padding are left out. Each part writes its own partial sums; conv_pack.cl reduces them in order, so that the result
 * is deterministic. x is (n, ih, iw, c); tap (ty, tx) of position (i, j) reads `length` floats from row i*stride.y -
 * pad.y + ty*dilation.y, columns alike. stride, pad and dilation are pairs: y << 16 | x & 0xffff. */
#include "common.clh"

#define WIDE    (LANES / VEC)
#define VECTORS (PANELS * WIDE)

/* The positions of one row of a block that one tap reads. */
typedef struct {
    const __global float *x;
    int dy, count; /* first position within the block, and how many */
} run;

/* out += sum over the runs, for N channels from x[at]; a `fresh` out is uninitialised. */
#define TILE(N)                                                                                              \
    INLINE void tile_##N(__global float *out, const floatv *dy, const run *runs, int count, int at,          \
                         int pitch, int fresh, size_t panel_size, int panels) {                              \
        floatv acc[N][VECTORS];                                                                              \
        EACH(i, N)                                                                                           \
        EACH(v, VECTORS)                                                                                     \
        acc[i][v] = fresh || v / WIDE >= panels                                                              \
                        ? (floatv)0.0f                                                                       \
                        : LOAD(out + v / WIDE * panel_size + i * 16 + v % WIDE * VEC);                       \
        for (int r = 0; r < count; ++r) {                                                                    \
            const __global float *x = runs[r].x + at;                                                        \
            const floatv *d = dy + runs[r].dy * VECTORS, *end = d + runs[r].count * VECTORS;                 \
            for (; d < end; d += VECTORS, x += pitch) {                                                      \
                floatv dv[VECTORS];                                                                          \
                EACH(v, VECTORS) dv[v] = d[v];                                                               \
                EACH(i, N) {                                                                                 \
                    floatv in = x[i];                                                                        \
                    EACH(v, VECTORS) acc[i][v] += in * dv[v];                                                \
                }                                                                                            \
            }                                                                                                \
        }                                                                                                    \
        EACH(i, N)                                                                                           \
        EACH(v, VECTORS)                                                                                     \
        if (v / WIDE < panels) STORE(acc[i][v], out + v / WIDE * panel_size + i * 16 + v % WIDE * VEC);      \
        if (fresh) EACH(i, N) EACH(v, 16 / VEC - WIDE) STORE((floatv)0.0f, out + i * 16 + LANES + v * VEC);  \
    }
#if CHANNELS == 4
#define EACH_TILE(X) X(1) X(2) X(3) X(4)
#elif CHANNELS == 6
#define EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define EACH_TILE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#endif
EACH_TILE(TILE)

/* The runs of positions in begin .. end-1 whose tap (ty, tx) lies inside x; returns how many. */
INLINE int runs_of(run *runs, const __global float *x, int begin, int end, int ty, int tx, int grid_h,
                   int grid_w, int ih, int iw, int c, int stride, int pad, int dilation) {
    int shift = tx * X_OF(dilation) - X_OF(pad); /* the column of x that j = 0 reads */
    int low = shift >= 0 ? 0 : (-shift + X_OF(stride) - 1) / X_OF(stride);
    int high = iw <= shift ? 0 : min(grid_w, (iw - shift - 1) / X_OF(stride) + 1);
    int row = begin / grid_w, n = row / grid_h, i = row % grid_h, count = 0;
    for (int start = row * grid_w; start < end; start += grid_w) {
        int iy = i * Y_OF(stride) - Y_OF(pad) + ty * Y_OF(dilation);
        int from = max(low, begin - start), to = min(high, end - start);
        if ((uint)iy < (uint)ih && from < to) {
            run piece = {x + ((n * ih + iy) * iw + from * X_OF(stride) + shift) * c, start + from - begin,
                         to - from};
            runs[count++] = piece;
        }
        if (++i == grid_h) i = 0, ++n;
    }
    return count;
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
wgrad(const __global float *x, const __global float *dy, const __global float *y, __global float *out,
      __global float *out_bias, int out_at, int bias_at, int positions, int grid_h, int grid_w, int ih,
      int iw, int c, int length, int stride, int pad, int dilation, int taps_y, int taps_x, int k, int act,
      int parts, int part_size, int k_begin, int k_end) {
    int groups = (k_end - k_begin + 16 * PANELS - 1) / (16 * PANELS), part = get_global_id(2);
    int group_begin = groups * get_global_id(0) / get_global_size(0);
    int group_end = groups * (get_global_id(0) + 1) / get_global_size(0);
    int first = (long)positions * part / parts, last = (long)positions * (part + 1) / parts;
    const int block = even_block(last - first, BLOCK);
    int tiles = (length + CHANNELS - 1) / CHANNELS, all_tiles = taps_y * taps_x * tiles;
    int tile_begin = (long)all_tiles * get_global_id(1) / get_global_size(1);
    int tile_end = (long)all_tiles * (get_global_id(1) + 1) / get_global_size(1);
    size_t panel_size = (size_t)taps_y * taps_x * length * 16;
    floatv d[BLOCK * VECTORS];
    run runs[BLOCK];
    out += out_at + (size_t)part * part_size;
    __global float *bias_out = out_bias ? out_bias + bias_at + (size_t)part * part_size : 0;
    for (int begin = first; begin < last; begin += block) {
        int end = min(begin + block, last), fresh = begin == first;
        for (int group = group_begin; group < group_end; ++group) {
            int o = k_begin + group * 16 * PANELS, tap = -1, count = 0;
            __global float *panel_out = out + o / 16 * panel_size;
            floatv bias[VECTORS];
            EACH(v, VECTORS) bias[v] = 0.0f;
            for (int p = begin; p < end; ++p) EACH(v, VECTORS) {
                    int at = p * k + o + v / WIDE * 16 + v % WIDE * VEC, left = k_end - (at - p * k);
                    floatv value = act_backward(dy + at, y + at, left, act);
                    d[(p - begin) * VECTORS + v] = value;
                    bias[v] += value;
                }
            if (bias_out && get_global_id(1) == 0) EACH(v, VECTORS) {
                    int at = o + v / WIDE * 16 + v % WIDE * VEC, left = k_end - at;
                    if (left > 0)
                        put(fresh ? bias[v] : bias[v] + fetch(bias_out + at, left), bias_out + at, left);
                }
            for (int t = tile_begin; t < tile_end; ++t) {
                if (t / tiles != tap) {
                    tap = t / tiles;
                    count = runs_of(runs, x, begin, end, tap / taps_x, tap % taps_x, grid_h, grid_w, ih, iw,
                                    c, stride, pad, dilation);
                }
                int index = t % tiles, at = (long)length * index / tiles,
                    next = (long)length * (index + 1) / tiles;
                __global float *to = panel_out + ((size_t)tap * length + at) * 16;
                switch (next - at) {
#define CASE(N)                                                                                              \
    case N:                                                                                                  \
        tile_##N(to, d, runs, count, at, X_OF(stride) * c, fresh, panel_size, (k_end - o + 15) / 16);        \
        break;
                    EACH_TILE(CASE)
                }
            }
        }
    }
}
