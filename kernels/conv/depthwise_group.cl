/* Depthwise convolution (one input and one output channel a group) for GPUs: y[p][c] = act(bias[c] + sum over
 * taps of x[pixel(p,tap)][c] * w[tap][c]).  Layouts: x (n,h,w,c), y (n,oh,ow,c), w [r][s][c].
 *
 * All three are bound by memory. A work-item computes a block of pixels of one channel, ROWS x COLUMNS of them; the
 * pixels that the block reads pass through registers row by row, each loaded once, for all outputs and taps that use
 * it. A work-group is `lanes` channels (a power of two, 1 << lane_bits), so that loads are coalesced, by ITEMS / lanes
 * blocks.
 *
 * Kernel, stride and padding are known to the compiler (-DR, -DS, -DSTRIDE_Y ...), so that it also knows which taps
 * reach which pixel of a block, and the only division is that of the block's number. Pixels outside the map are read at
 * its edge and masked to zero: without branches the loads overlap. */
#include "common.clh"

/* A block of dx begins at a multiple of the stride, so that each of its pixels is reached by the same taps in each
 * block; it reads dy from row LOW to row HIGH on, counted from the block's row / stride. */
#define UP(n, step)                    (((n) + (step)-1) / (step) * (step))
#define CEILING(n, step)               ((n) > 0 ? ((n) + (step)-1) / (step) : (n) / (step))
#define LOW(taps, stride, pad)         CEILING((pad) - (taps) + 1, stride)
#define READ(block, taps, stride, pad) (((block)-1 + (pad)) / (stride)-LOW(taps, stride, pad) + 1)

#define X_ROWS     ((ROWS - 1) * STRIDE_Y + R) /* of x, for a block of y */
#define X_COLUMNS  ((COLUMNS - 1) * STRIDE_X + S)
#define DX_ROWS    UP(ROWS, STRIDE_Y) /* of a block of dx */
#define DX_COLUMNS UP(COLUMNS, STRIDE_X)
#define LOW_Y      LOW(R, STRIDE_Y, PAD_Y)
#define LOW_X      LOW(S, STRIDE_X, PAD_X)
#define DY_ROWS    READ(DX_ROWS, R, STRIDE_Y, PAD_Y) /* of dy, for a block of dx */
#define DY_COLUMNS READ(DX_COLUMNS, S, STRIDE_X, PAD_X)

/* The block of this work-item. */
typedef struct {
    int channel, strip, image;
} pixel_block;

INLINE pixel_block block_of(int lane_bits) {
    const int item = (int)get_local_id(0);
    const pixel_block p = {((int)get_group_id(0) << lane_bits) + (item & ((1 << lane_bits) - 1)),
                           (int)get_group_id(1) * (ITEMS >> lane_bits) + (item >> lane_bits),
                           (int)get_group_id(2)};
    return p;
}

/* All ones where 0 <= i < size, else 0. */
INLINE int inside(int i, int size) {
    return (uint)i < (uint)size ? -1 : 0;
}
INLINE float masked(float v, int mask) {
    return as_float(as_int(v) & mask);
}

/* `count` columns from `begin` on, of `width` with c channels: the offset of each, and its mask. */
#define COLUMNS_OF(at, open, count, begin, width, c)                                                         \
    int at[count], open[count];                                                                              \
    EACH(f, count) {                                                                                         \
        at[f] = clamp((begin) + f, 0, (width)-1) * (c);                                                      \
        open[f] = inside((begin) + f, width);                                                                \
    }

/* Row i of them. */
#define ROW_OF(v, map, i, height, pitch, at, open, count)                                                    \
    float v[count];                                                                                          \
    {                                                                                                        \
        const int row_at = clamp(i, 0, (height)-1) * (pitch), row_open = inside(i, height);                  \
        EACH(f, count) v[f] = masked(map(row_at + at[f]), row_open & open[f]);                               \
    }

/* The maps, as ROW_OF reads them: x, and the gradient before the activation, from dy (n,oh,ow,c) and `saw`, its y. */
#define X_AT(at)  load1(from + (at))
#define DY_AT(at) act_backward(from + (at), saw + (at), 1, ACT)

#define WEIGHTS(weight)                                                                                      \
    float weight[R][S];                                                                                      \
    EACH(r, R) EACH(s, S) weight[r][s] = w[(r * S + s) * c + p.channel];

KERNEL void forward(const __global stored_x *x, const __global float *w, const __global float *bias,
                    __global stored_y *y, int c, int h, int width, int oh, int ow, int strips_x, int strips,
                    int lane_bits) {
    const pixel_block p = block_of(lane_bits);
    if (p.channel >= c || p.strip >= strips) return;
    const int i = p.strip / strips_x * ROWS, j = p.strip % strips_x * COLUMNS;
    const __global stored_x *from = x + p.image * h * width * c + p.channel;
    WEIGHTS(weight)
    COLUMNS_OF(at, open, X_COLUMNS, j * STRIDE_X - PAD_X, width, c)
    const float begin = bias ? bias[p.channel] : 0.0f;
    float acc[ROWS][COLUMNS];
    EACH(a, ROWS) EACH(b, COLUMNS) acc[a][b] = begin;
    EACH(e, X_ROWS) {
        ROW_OF(v, X_AT, i * STRIDE_Y - PAD_Y + e, h, width * c, at, open, X_COLUMNS)
        EACH(a, ROWS) {
            const int r = e - a * STRIDE_Y;
            if (r >= 0 && r < R) EACH(b, COLUMNS) EACH(s, S) acc[a][b] += v[b * STRIDE_X + s] * weight[r][s];
        }
    }
    __global stored_y *to = y + ((p.image * oh + i) * ow + j) * c + p.channel;
    EACH(a, ROWS)
    EACH(b, COLUMNS) if (i + a < oh && j + b < ow) store1(activate(acc[a][b], ACT), to + (a * ow + b) * c);
}

KERNEL void backward_data(const __global stored_y *dy, const __global stored_y *seen, const __global float *w,
                          __global stored_x *dx, int c, int h, int width, int oh, int ow, int strips_x,
                          int strips, int lane_bits, int accumulate) {
    const pixel_block p = block_of(lane_bits);
    if (p.channel >= c || p.strip >= strips) return;
    const int q = p.strip / strips_x, i = q * DX_ROWS, j = (p.strip - q * strips_x) * DX_COLUMNS;
    const int image = p.image * oh * ow * c + p.channel;
    const __global stored_y *from = dy + image, *saw = ACT ? seen + image : 0;
    WEIGHTS(weight)
    COLUMNS_OF(at, open, DY_COLUMNS, j / STRIDE_X + LOW_X, ow, c)
    float acc[DX_ROWS][DX_COLUMNS];
    EACH(a, DX_ROWS) EACH(b, DX_COLUMNS) acc[a][b] = 0.0f;
    EACH(e, DY_ROWS) {
        ROW_OF(v, DY_AT, i / STRIDE_Y + LOW_Y + e, oh, ow * c, at, open, DY_COLUMNS)
        EACH(a, DX_ROWS) {
            const int r = a + PAD_Y - (LOW_Y + e) * STRIDE_Y;
            if (r < 0 || r >= R) continue;
            EACH(b, DX_COLUMNS) {
                EACH(s, S) { /* that reach b are those for which `from_first` is a multiple of the stride */
                    const int from_first = b + PAD_X - s;
                    if (from_first % STRIDE_X == 0)
                        acc[a][b] += v[from_first / STRIDE_X - LOW_X] * weight[r][s];
                }
            }
        }
    }
    __global stored_x *to = dx + ((p.image * h + i) * width + j) * c + p.channel;
    EACH(a, DX_ROWS) {
        EACH(b, DX_COLUMNS) {
            __global stored_x *one = to + (a * width + b) * c;
            if (i + a < h && j + b < width) store1(accumulate ? load1(one) + acc[a][b] : acc[a][b], one);
        }
    }
}

/* The gradients of weights and bias (out_bias; may be NULL), of one part of the blocks of all images: `share` of them
 * from get_group_id(1) * share on, which the work-group's lines take in turn; a tree reduction adds their sums.
 * Parts lie part_size floats apart; conv_pack.cl reduces them. */
KERNEL void backward_params(const __global stored_x *x, const __global stored_y *dy,
                            const __global stored_y *seen, __global float *out, __global float *out_bias,
                            int bias_at, int part_size, int c, int h, int width, int oh, int ow, int strips_x,
                            int strips, int blocks, int share, int lane_bits) {
    __local float folded[R * S + 1][ITEMS / 2];
    const pixel_block p = block_of(lane_bits);
    const int item = (int)get_local_id(0), part = (int)get_group_id(1), lines = ITEMS >> lane_bits;
    float acc[R][S], bias = 0.0f;
    EACH(r, R) EACH(s, S) acc[r][s] = 0.0f;
    const int end = p.channel < c ? min(blocks, (part + 1) * share) : 0;
    for (int block = part * share + (item >> lane_bits); block < end; block += lines) {
        const int image = block / strips, strip = block - image * strips;
        const int q = strip / strips_x, i = q * ROWS, j = (strip - q * strips_x) * COLUMNS;
        float d[ROWS][COLUMNS];
        {
            const int first = image * oh * ow * c + p.channel;
            const __global stored_y *from = dy + first, *saw = ACT ? seen + first : 0;
            COLUMNS_OF(at, open, COLUMNS, j, ow, c)
            EACH(a, ROWS) {
                ROW_OF(v, DY_AT, i + a, oh, ow * c, at, open, COLUMNS)
                EACH(b, COLUMNS) {
                    d[a][b] = v[b];
                    bias += v[b];
                }
            }
        }
        const __global stored_x *from = x + image * h * width * c + p.channel;
        COLUMNS_OF(at, open, X_COLUMNS, j * STRIDE_X - PAD_X, width, c)
        EACH(e, X_ROWS) {
            ROW_OF(v, X_AT, i * STRIDE_Y - PAD_Y + e, h, width * c, at, open, X_COLUMNS)
            EACH(a, ROWS) {
                const int r = e - a * STRIDE_Y;
                if (r >= 0 && r < R) EACH(b, COLUMNS) EACH(s, S) acc[r][s] += v[b * STRIDE_X + s] * d[a][b];
            }
        }
    }
    for (int side = ITEMS / 2; side >> lane_bits; side >>= 1) { /* items, of whole lines */
        if (item >= side && item < 2 * side) {
            EACH(r, R) EACH(s, S) folded[r * S + s][item - side] = acc[r][s];
            folded[R * S][item - side] = bias;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < side) {
            EACH(r, R) EACH(s, S) acc[r][s] += folded[r * S + s][item];
            bias += folded[R * S][item];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item >> lane_bits || p.channel >= c) return;
    out += part * part_size;
    EACH(r, R) EACH(s, S) out[(r * S + s) * c + p.channel] = acc[r][s];
    if (out_bias) out_bias[bias_at + part * part_size + p.channel] = bias;
}
