/* Convolution as implicit GEMM for GPUs: 256 work-items, tiles of both factors in local memory, 16 deep.
 *
 * gather: y[p][k] = act(bias[k] + sum over taps and l of x[pixel(p,tap)][l] * w[tap][l][k]): rows are positions p,
 * columns outputs k, the depth taps and l.  Forward has the form and arguments of conv_tile.cl.  Backward data
 * (-DTRANSPOSED) reads dy as x and writes dx as y, (n, grid_h, grid_w, k); stride, pad, dilation and taps are the
 * layer's, and so is w, whose inputs are the columns here and whose outputs the depth; the pixels of dx that the same
 * taps reach, one of stride.y * stride.x phases, are a product of their own.  With parts > 1 a work-group sums one part
 * of the depth into `partial`, (parts, y), and combine adds the parts.  The third number of a work-group is phase +
 * phases * part.
 *
 * wgrad (the form of conv_wgrad.cl): grad[m][k] = sum over p of x[pixel(p,tap)][l] * dy[p][k]: rows are m = tap*length
 * + l, columns outputs, the depth positions, of which a work-group takes one of `parts`; conv_pack.cl reduces the
 * parts.
 *
 * A work-group owns BM rows by BN columns of the product, a work-item TM by TN of them, in squares of 4x4, those of
 * neighbours side by side, so that all loads and stores are vectors of four. While the tiles are multiplied, the next
 * ones are loaded into registers (double buffering).  WIDE_X, WIDE_Y: 4 where the channels of x (of y) are a multiple
 * of four, else 1.  x is (n, ih, iw, c), weights [panel][tap][length][16]; no atomics, every output has one owner. */
#include "common.clh"

#define DEPTH     16
#define ROW_ITEMS (ITEMS / COLUMN_ITEMS)
#define BM        (ROW_ITEMS * TM)
#define BN        (COLUMN_ITEMS * TN)

/* A row of each tile: a square's rows (columns) are one vector; one more avoids bank conflicts of the transposing
 * stores. */
#define XS (BM / 4 + 1)
#define WS (BN / 4 + 1)

#if WIDE_X == 4
typedef float4 floatx;
#else
typedef float floatx;
#endif
#if WIDE_Y == 4
typedef float4 floaty;
#define ACT_GRADIENT act_gradient4
#else
typedef float floaty;
#define ACT_GRADIENT act_gradient
#endif

/* What gather reads and writes: x and y, or dy and dx. */
#ifdef TRANSPOSED
typedef stored_dy stored_from;
typedef stored_x stored_to;
#else
typedef stored_x stored_from;
typedef stored_y stored_to;
#endif

/* Whole vectors where they lie at multiples of four numbers. */
#define AT4(p) (*(const __global float4 *)(p))
ACCESS float4 whole4(const __global float *p) {
    return AT4(p);
}
ACCESS void put_whole4(float4 v, __global float *p) {
    *(__global float4 *)p = v;
}
#ifdef HALVES
ACCESS float4 whole4(const __global half *p) {
    return vloada_half4(0, p);
}
ACCESS void put_whole4(float4 v, __global half *p) {
    vstorea_half4(v, 0, p);
}
#endif
#define whole1 load1
#define ATX(p) PASTE(whole, WIDE_X)(p)
#define ATY(p) PASTE(whole, WIDE_Y)(p)

/* The work-item's position in the grid of squares: a warp of 32 is four rows by eight columns. */
INLINE int column_of(int item) {
    return COLUMN_ITEMS == 16 ? item % 8 + item / 32 % 2 * 8 : item % COLUMN_ITEMS;
}
INLINE int row_of(int item) {
    return COLUMN_ITEMS == 16 ? item / 8 % 4 + item / 64 * 4 : item / COLUMN_ITEMS;
}

/* Of the item's TM (TN): which row (column) of the tile. */
#define ROW(i)     (((i) / 4 * ROW_ITEMS + row) * 4 + (i) % 4)
#define COLUMN4(j) (((j)*COLUMN_ITEMS + column) * 4)

/* More depth at once hides more of local memory's latency, until the registers cost occupancy: measured on an H200. */
#if TN == 8 && !defined(TRANSPOSED)
#define AT_ONCE _Pragma("unroll 1")
#else
#define AT_ONCE _Pragma("unroll 8")
#endif

INLINE void multiply(float4 acc[TM][TN / 4], const __local float4 *xs, const __local float4 *ws, int row,
                     int column) {
    AT_ONCE
    for (int d = 0; d < DEPTH; ++d) {
        float4 left[TM / 4], right[TN / 4];
        EACH(i, TM / 4) left[i] = xs[d * XS + i * ROW_ITEMS + row];
        EACH(j, TN / 4) right[j] = ws[d * WS + j * COLUMN_ITEMS + column];
        EACH(i, TM / 4) EACH(j, TN / 4) {
            acc[4 * i][j] += left[i].x * right[j];
            acc[4 * i + 1][j] += left[i].y * right[j];
            acc[4 * i + 2][j] += left[i].z * right[j];
            acc[4 * i + 3][j] += left[i].w * right[j];
        }
    }
}

/* Transposing store of numbers along the depth: row `m` of a tile whose rows are `stride` vectors, from depth d on. */
INLINE void put_column1(float value, __local float4 *tile, int stride, int d, int m) {
    ((__local float *)tile)[d * stride * 4 + m] = value;
}
INLINE void put_column4(float4 value, __local float4 *tile, int stride, int d, int m) {
    put_column1(value.x, tile, stride, d, m);
    put_column1(value.y, tile, stride, d + 1, m);
    put_column1(value.z, tile, stride, d + 2, m);
    put_column1(value.w, tile, stride, d + 3, m);
}

EXPONENTIAL(float4, as_int4, as_float4)
RF_ACT_FUNCTIONS(INLINE, float4, activate4, act_gradient4)

/* The epilogue: bias and activation of four columns, from the o-th of k on. */
INLINE float4 finished(float4 value, const __global float *bias, int o, int k, int act) {
    if (bias) value += fetch4(bias + o, k - o);
    return activate4(value, act);
}
#if WIDE_Y == 4
#define RESULT(T)                                                                                            \
    ACCESS void put_result(float4 value, __global T *to, int left, int accumulate) {                         \
        if (left > 0) put_whole4(accumulate ? whole4(to) + value : value, to);                               \
    }
#else
#define RESULT(T)                                                                                            \
    ACCESS void put_result(float4 value, __global T *to, int left, int accumulate) {                         \
        put4(accumulate ? fetch4(to, left) + value : value, to, left);                                       \
    }
#endif
RESULT(float)
#ifdef HALVES
RESULT(half)
#endif

/* ---- gather ---- */

#define X_LANES (DEPTH / WIDE_X)  /* items that load a row of x's tile side by side */
#define X_STEP  (ITEMS / X_LANES) /* rows loaded at once */
#define X_LOADS (BM / X_STEP)     /* loads an item */
#define W_COUNT (DEPTH * BN / 4)  /* vectors in the tile of weights */
#define W_LOADS ((W_COUNT + ITEMS - 1) / ITEMS)

/* The depth is tap by tap, `length` numbers each; of dx each tap begins with a panel of the weights, and is filled up
 * with zeros to whole ones.  load_weights: the index-th vector of a chunk: of panel*all_taps + tap; of the depth from
 * d0 on. */
#ifdef TRANSPOSED
#define RUN(length) (((length) + 15) / 16 * 16)
INLINE float4 load_weights(const __global float *w, int index, int panel_tap, int n0, int k) {
    const int n = n0 + index / 4;
    return n < k ? AT4(w + (panel_tap * k + n) * 16 + index % 4 * 4) : (float4)0.0f;
}
#else
#define RUN(length) (length)
INLINE float4 load_weights(const __global float *w, int index, int d0, int depth, int n0, int k) {
    const int d = d0 + index / (BN / 4), n = n0 + index % (BN / 4) * 4, panel = n / 16;
    return d < depth && panel * 16 < k ? AT4(w + (panel * depth + d) * 16 + n % 16) : (float4)0.0f;
}
#endif
INLINE void put_weights(float4 value, __local float4 *ws, int index) {
#ifdef TRANSPOSED
    put_column4(value, ws, WS, index % 4 * 4, index / 4);
#else
    ws[index / (BN / 4) * WS + index % (BN / 4)] = value;
#endif
}

/* The product along one axis: position g, with tap u < taps, reads x at g*stride + offset + u*step and the weights' tap
 * first + u*next, and writes y at g*apart + from. */
typedef struct {
    int grid, stride, offset, step, taps, first, next, apart, from;
} axis;

#ifdef TRANSPOSED
/* One phase of dx: the positions from, from + stride, ..; tap t connects `from` to dy's position (from + pad -
 * t*dilation) / stride where that is an integer. */
INLINE axis axis_of(int from, int in, int kernel_taps, int stride, int pad, int dilation) {
    axis a = {(in - from + stride - 1) / stride, 1, 0, 0, 0, 0, 1, stride, from};
    for (int t = 0; t < kernel_taps; ++t) {
        if ((from + pad - t * dilation) % stride != 0) continue;
        if (a.taps == 0) a.first = t;
        if (a.taps == 1) a.next = t - a.first;
        ++a.taps;
    }
    a.offset = (from + pad - a.first * dilation) / stride;
    a.step = -(a.next * dilation / stride);
    return a;
}
#else
INLINE axis axis_of(int grid, int taps, int stride, int pad, int dilation) {
    axis a = {grid, stride, -pad, dilation, taps, 0, 1, 1, 0};
    return a;
}
#endif

KERNEL void gather(const __global stored_from *x, const __global float *w, const __global float *bias,
                   __global stored_to *y, int images, int grid_h, int grid_w, int ih, int iw, int c,
                   int length, int stride, int pad, int dilation, int taps, int k, int act, int accumulate,
                   __global float *partial, int partial_at, int parts) {
    __local float4 xs[DEPTH * XS], ws[DEPTH * WS];
    const int item = get_local_id(0), row = row_of(item), column = column_of(item);
    const int m0 = (int)get_group_id(0) * BM, n0 = (int)get_group_id(1) * BN, lane = item % X_LANES * WIDE_X;
#ifdef TRANSPOSED
    const int phases = Y_OF(stride) * X_OF(stride), phase = (int)get_group_id(2) % phases,
              part = (int)get_group_id(2) / phases;
    const axis v = axis_of(phase / X_OF(stride), grid_h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation)),
               h = axis_of(phase % X_OF(stride), grid_w, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
#else
    const int part = get_group_id(2);
    const axis v = axis_of(grid_h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation)),
               h = axis_of(grid_w, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
#endif
    const int positions = images * v.grid * h.grid, all_taps = Y_OF(taps) * X_OF(taps);
    int base[X_LOADS],
        at[X_LOADS]; /* of the positions that the item loads: the offset of tap (0,0); its row and column */
    EACH(i, X_LOADS) {
        const int p = max(min(m0 + item / X_LANES + i * X_STEP, positions - 1), 0), line = p / max(h.grid, 1);
        const int iy = line % max(v.grid, 1) * v.stride + v.offset,
                  ix = (p - line * h.grid) * h.stride + h.offset;
        base[i] = ((line / max(v.grid, 1) * ih + iy) * iw + ix) * c;
        at[i] = iw > 32767 ? 0 : (int)((uint)iy << 16 | (ix & 0xffff)); /* one long row: always inside */
    }
    float4 acc[TM][TN / 4];
    EACH(i, TM) EACH(j, TN / 4) acc[i][j] = 0.0f;

    const int run = RUN(length), depth = v.taps * h.taps * run;
    const int chunks = m0 < positions ? (depth + DEPTH - 1) / DEPTH : 0;
    const int begin = (int)((long)chunks * part / parts), end = (int)((long)chunks * (part + 1) / parts);
    int l = (begin * DEPTH + lane) % run, tx = (begin * DEPTH + lane) / run, ty = tx / max(h.taps, 1);
    tx -= ty * h.taps;
    floatx next_x[X_LOADS];
    float4 next_w[W_LOADS];
    for (int chunk = begin; chunk <= end; ++chunk) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (chunk > begin) {
            EACH(i, X_LOADS)
            PASTE(put_column, WIDE_X)(next_x[i], xs, XS, lane, item / X_LANES + i * X_STEP);
            EACH(i, W_LOADS)
            if (W_COUNT % ITEMS == 0 || item + i * ITEMS < W_COUNT)
                put_weights(next_w[i], ws, item + i * ITEMS);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (chunk < end) { /* loaded while the chunk before is multiplied */
            const int dy = ty * v.step, dx = tx * h.step, move = (dy * iw + dx) * c + l;
            EACH(i, X_LOADS) {
                const int inside = ((uint)(Y_OF(at[i]) + dy) < (uint)ih) &
                                   ((uint)(X_OF(at[i]) + dx) < (uint)iw) & (l < length) & (ty < v.taps);
                next_x[i] = inside ? ATX(x + base[i] + move) : (floatx)0.0f;
            }
            EACH(i, W_LOADS)
            if (W_COUNT % ITEMS == 0 || item + i * ITEMS < W_COUNT) {
#ifdef TRANSPOSED
                const int tap = (v.first + ty * v.next) * X_OF(taps) + h.first + tx * h.next;
                next_w[i] = load_weights(w, item + i * ITEMS, (l - lane) / 16 * all_taps + tap, n0, k);
#else
                next_w[i] = load_weights(w, item + i * ITEMS, chunk * DEPTH, depth, n0, k);
#endif
            }
            for (l += DEPTH; l >= run; l -= run)
                if (++tx == h.taps) tx = 0, ++ty;
        }
        if (chunk > begin) multiply(acc, xs, ws, row, column);
    }
    if (parts > 1) partial += partial_at + (size_t)part * images * grid_h * grid_w * k;
    EACH(i, TM) {
        const int p = m0 + ROW(i), line = p / max(h.grid, 1);
        if (p >= positions) continue;
        const int to = ((line / v.grid * grid_h + line % v.grid * v.apart + v.from) * grid_w +
                        (p - line * h.grid) * h.apart + h.from) *
                       k;
        EACH(j, TN / 4) {
            const int o = n0 + COLUMN4(j);
            if (o >= k) continue;
            if (parts > 1)
                put_result(acc[i][j], partial + to + o, k - o, 0);
            else
                put_result(finished(acc[i][j], bias, o, k, act), y + to + o, k - o, accumulate);
        }
    }
}

/* y = act(bias + the sum of the parts), in their order; a task is up to four outputs of a position. */
KERNEL void combine(const __global float *partial, const __global float *bias, __global stored_to *y,
                    int partial_at, int positions, int k, int parts, int act, int accumulate) {
    const int runs = (k + 3) / 4;
    partial += partial_at;
    FOR_TASKS(task, positions * runs) {
        const int p = task / runs, o = task % runs * 4, at = p * k + o;
        float4 acc = 0.0f;
        for (int part = 0; part < parts; ++part) {
            const __global float *from = partial + (size_t)part * positions * k + at;
            acc += WIDE_Y == 4 ? AT4(from) : fetch4(from, k - o);
        }
        put_result(finished(acc, bias, o, k, act), y + at, k - o, accumulate);
    }
}

/* ---- weight gradient ---- */

#define A_ROW   (BM / WIDE_X) /* items that load a line of x's tile, all of one position */
#define A_LOADS (DEPTH * A_ROW / ITEMS)
#define D_ROW   (BN / WIDE_Y)
#define D_COUNT (DEPTH * D_ROW)
#define D_LOADS ((D_COUNT + ITEMS - 1) / ITEMS)

/* The chunk's positions in x: {the image's first row, row, column} before the tap moves them. */
INLINE void find_positions(__local int4 *located, int item, int p0, int grid_h, int grid_w, int ih,
                           int stride) {
    if (item >= DEPTH) return;
    const int p = p0 + item;
    located[item] =
        (int4)(p / grid_w / grid_h * ih, p / grid_w % grid_h * Y_OF(stride), p % grid_w * X_OF(stride), 0);
}

INLINE floaty load_dy(const __global stored_y *dy, const __global stored_y *y, int at, int act) {
    floaty d = ATY(dy + at);
    if (act) d = ACT_GRADIENT(d, ATY(y + at), act);
    return d;
}

KERNEL void wgrad(const __global stored_x *x, const __global stored_y *dy, const __global stored_y *y,
                  __global float *out, __global float *out_bias, int out_at, int bias_at, int positions,
                  int grid_h, int grid_w, int ih, int iw, int c, int length, int stride, int pad,
                  int dilation, int taps_y, int taps_x, int k, int act, int parts, int part_size) {
    __local float4 xs[DEPTH * XS], ds[DEPTH * WS];
    __local int4 located[2 * DEPTH];
    const int item = get_local_id(0), row = row_of(item), column = column_of(item);
    const int m0 = (int)get_group_id(0) * BM, n0 = (int)get_group_id(1) * BN, part = get_group_id(2);
    const int rows = taps_y * taps_x * length, chunks = (positions + DEPTH - 1) / DEPTH;
    const int begin = (int)((long)chunks * part / parts) * DEPTH,
              end = min((int)((long)chunks * (part + 1) / parts) * DEPTH, positions);
    /* The item loads the same row m of each chunk, one tap and one channel. */
    const int m = m0 + item % A_ROW * WIDE_X, tap = m / length, l = m % length;
    const int tap_y = tap / taps_x * Y_OF(dilation) - Y_OF(pad),
              tap_x = tap % taps_x * X_OF(dilation) - X_OF(pad);
    float4 acc[TM][TN / 4];
    float bias = 0.0f;
    EACH(i, TM) EACH(j, TN / 4) acc[i][j] = 0.0f;

    floatx next_x[A_LOADS];
    floaty next_d[D_LOADS];
    int turn = 0; /* which half of `located` the chunk to be loaded has */
    find_positions(located, item, begin, grid_h, grid_w, ih, stride);
    for (int p0 = begin; p0 < end + DEPTH; p0 += DEPTH, turn = DEPTH - turn) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (p0 > begin) {
            EACH(i, A_LOADS)
            ((__local floatx *)xs)[(item / A_ROW + i * (ITEMS / A_ROW)) * (XS * 4 / WIDE_X) + item % A_ROW] =
                next_x[i];
            EACH(i, D_LOADS)
            if (D_COUNT % ITEMS == 0 || item + i * ITEMS < D_COUNT)
                ((__local floaty *)
                     ds)[(item + i * ITEMS) / D_ROW * (WS * 4 / WIDE_Y) + (item + i * ITEMS) % D_ROW] =
                    next_d[i];
        }
        find_positions(located + (DEPTH - turn), item, p0 + DEPTH, grid_h, grid_w, ih, stride);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (p0 < end) { /* loaded while the chunk before is multiplied */
            EACH(i, A_LOADS) {
                const int d = item / A_ROW + i * (ITEMS / A_ROW);
                const int4 position = located[turn + d];
                const int iy = position.y + tap_y, ix = position.z + tap_x;
                const int inside =
                    ((uint)iy < (uint)ih) & ((uint)ix < (uint)iw) & (p0 + d < end) & (m < rows);
                next_x[i] = inside ? ATX(x + ((position.x + iy) * iw + ix) * c + l) : (floatx)0.0f;
            }
            EACH(i, D_LOADS) {
                const int index = item + i * ITEMS, p = p0 + index / D_ROW, o = n0 + index % D_ROW * WIDE_Y;
                next_d[i] =
                    index < D_COUNT && p < end && o < k ? load_dy(dy, y, p * k + o, act) : (floaty)0.0f;
            }
        }
        if (p0 > begin) {
            multiply(acc, xs, ds, row, column);
            if (out_bias && get_group_id(0) == 0 && item < BN)
                for (int d = 0; d < DEPTH; ++d) bias += ((__local float *)ds)[d * WS * 4 + item];
        }
    }
    out += out_at + (size_t)part * part_size;
    EACH(i, TM) EACH(j, TN / 4) {
        const int r = m0 + ROW(i), o = n0 + COLUMN4(j);
        if (r < rows && o / 16 * 16 < k)
            *(__global float4 *)(out + ((size_t)(o / 16) * rows + r) * 16 + o % 16) = acc[i][j];
    }
    if (out_bias && get_group_id(0) == 0 && item < BN && n0 + item < k)
        out_bias[bias_at + (size_t)part * part_size + n0 + item] = bias;
}
