/* Convolution as an implicit matrix product for GPUs: 256 work-items as 16x16, tiles in local memory, 16
 * deep.
 *
 * gather (forward, backward data; the same form and arguments as in conv_tile.cl): y[p][k] = act(bias[k] +
 * sum over taps and l of x[pixel(p,tap)][l] * w[tap][l][k]).  A work-group owns 16*TM positions by 16*TN
 * outputs, a work-item TM by TN of them: positions item/16*TM .., outputs item%16 + 16j, so that neighbours
 * store neighbouring channels. filter (the form of conv_filter.cl): grad[tap][l][k] = sum over p of
 * x[pixel(p,tap)][l] * dy[p][k].  A work-group owns 16*TM channels of one tap by 16*TN outputs, for one part
 * of the positions; conv_pack.cl adds the parts. x is (n, ih, iw, c), weights [panel][tap][length][16]; no
 * atomics, every output has one owner. */
#include "common.clh"

#define DEPTH      16
#define BM         (16 * TM)
#define BN         (16 * TN)

/* sum[i][j] += a[depth][row*TM+i] * b[depth][column+16j], over the tiles' depth. */
#define MULTIPLY(sum, a, b, row, column)                                                                     \
    _Pragma("unroll 8") for (int d = 0; d < DEPTH; ++d) {                                                    \
        float left[TM], right[TN];                                                                           \
        _Pragma("unroll") for (int i = 0; i < TM; ++i) left[i] = a[d][(row)*TM + i];                         \
        _Pragma("unroll") for (int j = 0; j < TN; ++j) right[j] = b[d][(column) + 16 * j];                   \
        _Pragma("unroll") for (int i = 0; i < TM; ++i) _Pragma("unroll") for (int j = 0; j < TN; ++j)        \
            sum[i][j] += left[i] * right[j];                                                                 \
    }

__attribute__((reqd_work_group_size(256, 1, 1))) __kernel void
gather(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
       int x_at, int w_at, int bias_at, int images, int grid_h, int grid_w, int ih, int iw, int c, int length,
       int stride, int offset, int step, int taps, int first, int next, int all_taps, int k, int y_image,
       int y_row, int y_column, int y_first, int act, int accumulate) {
    __local float xs[DEPTH][BM + 1], ws[DEPTH][BN];
    int item = get_local_id(0), row = item / 16, column = item % 16;
    int m0 = (int)get_group_id(0) * BM, n0 = (int)get_group_id(1) * BN, positions = images * grid_h * grid_w;
    x += x_at;
    w += w_at;
    int base[TM],
        at[TM]; /* of the TM positions that this item loads: where tap (0,0) lies, and its row and column */
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        int p = min(m0 + row + 16 * i, positions - 1);
        int iy = p / grid_w % grid_h * Y_OF(stride) + Y_OF(offset),
            ix = p % grid_w * X_OF(stride) + X_OF(offset);
        base[i] = (p / grid_w / grid_h * ih + iy) * iw + ix;
        at[i] = (int)((uint)iy << 16 | (ix & 0xffff));
        if (iw > 32767) at[i] = 0; /* one long row: always inside */
    }
    float sum[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j) sum[i][j] = 0.0f;
    for (int tap = 0; tap < Y_OF(taps) * X_OF(taps); ++tap) {
        int ty = tap / X_OF(taps), tx = tap % X_OF(taps), dy = ty * Y_OF(step), dx = tx * X_OF(step);
        int weight_tap = first + ty * Y_OF(next) + tx * X_OF(next);
        for (int l0 = 0; l0 < length; l0 += DEPTH) {
            int l = l0 + column;
#pragma unroll
            for (int i = 0; i < TM; ++i) {
                int inside = ((uint)(Y_OF(at[i]) + dy) < (uint)ih) & ((uint)(X_OF(at[i]) + dx) < (uint)iw) &
                             (l < length);
                xs[column][row + 16 * i] = inside ? x[(base[i] + dy * iw + dx) * c + l] : 0.0f;
            }
#pragma unroll
            for (int j = 0; j < TN; ++j) { /* here `row` is the depth */
                int panel = n0 / 16 + j;
                ws[row][column + 16 * j] =
                    panel * 16 < k && l0 + row < length
                        ? w[((panel * all_taps + weight_tap) * length + l0 + row) * 16 + column]
                        : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            MULTIPLY(sum, xs, ws, row, column)
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        int p = m0 + row * TM + i;
        if (p >= positions) continue;
        __global float *to = y + (p / grid_w / grid_h * y_image + p / grid_w % grid_h * y_row +
                                  p % grid_w * y_column + y_first);
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            int o = n0 + column + 16 * j;
            if (o >= k) continue;
            float value = sum[i][j] + (bias ? bias[bias_at + o] : 0.0f);
            if (act) value = value <= 0.0f ? 0.0f : value;
            if (act == 2) value = value >= 6.0f ? 6.0f : value;
            to[o] = accumulate ? to[o] + value : value;
        }
    }
}

__attribute__((reqd_work_group_size(256, 1, 1))) __kernel void
filter(const __global float *x, const __global float *dy, const __global float *y, __global float *out,
       __global float *out_bias, int out_at, int bias_at, int positions, int grid_h, int grid_w, int ih,
       int iw, int c, int length, int stride, int pad, int dilation, int taps_y, int taps_x, int k, int act,
       int parts, int part_size) {
    __local float xs[DEPTH][BM], ds[DEPTH][BN];
    int item = get_local_id(0), row = item / 16, column = item % 16;
    int l_tiles = (length + BM - 1) / BM, part = get_group_id(2);
    int tap = (int)get_group_id(0) / l_tiles, l0 = (int)get_group_id(0) % l_tiles * BM,
        n0 = (int)get_group_id(1) * BN;
    int chunks = (positions + DEPTH - 1) / DEPTH;
    int begin = (int)((long)chunks * part / parts) * DEPTH;
    int end = min((int)((long)chunks * (part + 1) / parts) * DEPTH, positions);
    int shift_y = tap / taps_x * Y_OF(dilation) - Y_OF(pad),
        shift_x = tap % taps_x * X_OF(dilation) - X_OF(pad);
    float sum[TM][TN], bias[TN];
#pragma unroll
    for (int j = 0; j < TN; ++j) {
        bias[j] = 0.0f;
#pragma unroll
        for (int i = 0; i < TM; ++i) sum[i][j] = 0.0f;
    }
    for (int p0 = begin; p0 < end; p0 += DEPTH) {
        int p = p0 + row, iy = p / grid_w % grid_h * Y_OF(stride) + shift_y,
            ix = p % grid_w * X_OF(stride) + shift_x;
        int inside = ((uint)iy < (uint)ih) & ((uint)ix < (uint)iw) & (p < end);
        int from = ((p / grid_w / grid_h * ih + iy) * iw + ix) * c + l0;
#pragma unroll
        for (int i = 0; i < TM; ++i)
            xs[row][column + 16 * i] =
                inside && l0 + column + 16 * i < length ? x[from + column + 16 * i] : 0.0f;
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            int o = n0 + column + 16 * j;
            float d = p < end && o < k ? dy[p * k + o] : 0.0f;
            if (act && p < end && o < k) {
                float seen = y[p * k + o];
                d = seen <= 0.0f ? 0.0f : d;
                if (act == 2) d = seen >= 6.0f ? 0.0f : d;
            }
            ds[row][column + 16 * j] = d;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        MULTIPLY(sum, xs, ds, row, column)
        if (out_bias && get_group_id(0) == 0 && row == 0)
            for (int d = 0; d < DEPTH; ++d)
#pragma unroll
                for (int j = 0; j < TN; ++j) bias[j] += ds[d][column + 16 * j];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    out += out_at + (long)part * part_size;
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            int l = l0 + row * TM + i, panel = n0 / 16 + j;
            if (l < length && panel * 16 < k)
                out[((panel * taps_y * taps_x + tap) * length + l) * 16 + column] = sum[i][j];
        }
    if (out_bias && get_group_id(0) == 0 && row == 0)
#pragma unroll
        for (int j = 0; j < TN; ++j) {
            int o = n0 + column + 16 * j;
            if (o < k) out_bias[bias_at + (long)part * part_size + o] = bias[j];
        }
}
