/* 1x1 convolutions without padding, for CPUs: matrix products over all pixels of the batch.
 *
 * y[p][k] = act(bias[k] + sum over c of x[p][c] * w[c][k] + residual[p][k]), forward; backward data is the same
 * with dy for x and transposed weights.  x is (rows,c), y (rows,k), w [panel][c][16].  A work-item takes `tiles`
 * tiles of PIXELS rows and a range of the outputs; it walks its rows in blocks of `block` tiles, small enough to stay
 * in the cache for all its outputs, WIDTH vectors at a time and REST at the end; one tile where all weights fit the L1
 * cache: y is then written in memory order.  With -DPACKED, the floats of a block, it copies a block's x to [tile][c][PIXELS]
 * first: one address then serves all rows of a tile, and they do not compete for the same sets of the L1 cache.  With -DBN_SUMS its epilogue sums the tiles for batch norm (bn_sums.clh); a
 * block is a work-item's rows.
 *
 * With -DNORM_ACT, x is read through a batch norm (normed.clh): a block's is computed into `own` rows first.
 *
 * With a stride the rows are some of the pixels of a map: of x where -DSTRIDED is READ; of y where it is WRITTEN
 * (backward data), and zeros go to the pixels between unless y accumulates.  stride is a pair: y << 16 | x.
 *
 * WHOLE is 1 where k is a multiple of VEC: no code for partial vectors then, which halves the time to compile. */
#include "bn_sums.clh"
#include "common.clh"
#include "normed.clh"
#include "panel.clh"

#define READ    1
#define WRITTEN 2

#define LEFT(o) (WHOLE ? VEC : k - (o))

/* Where the rows lie, in pixels: one after the other; or strided, h by w of them in a map of map_h by map_w. */
typedef struct {
    int strided, h, w, map_h, map_w, stride_y, stride_x;
} grid;

INLINE grid grid_of(int strided, int map_h, int map_w, int stride) {
    const int stride_y = Y_OF(stride), stride_x = X_OF(stride);
    const grid g = {strided, (map_h - 1) / stride_y + 1, (map_w - 1) / stride_x + 1, map_h, map_w, stride_y,
                    stride_x};
    return g;
}

typedef struct {
    int pixel, i, j;
} grid_position;

INLINE grid_position position_at(grid g, int row) {
    grid_position at = {row, 0, 0};
    if (!g.strided) return at;
    at.i = row / g.w % g.h;
    at.j = row % g.w;
    at.pixel = (row / g.w / g.h * g.map_h + at.i * g.stride_y) * g.map_w + at.j * g.stride_x;
    return at;
}

INLINE grid_position position_after(grid g, grid_position at) {
    at.pixel += g.strided ? g.stride_x : 1;
    if (!g.strided || ++at.j < g.w) return at;
    at.j = 0;
    at.pixel += g.stride_y * g.map_w - g.w * g.stride_x;
    if (++at.i < g.h) return at;
    at.i = 0;
    at.pixel += (g.map_h - g.h * g.stride_y) * g.map_w;
    return at;
}

/* Rows of x, where they are read from: as they lie; or `own` ones, of whole vectors. */
#define OWN_PITCH(c) (((c) + VEC - 1) / VEC * VEC)
#if NORMED
typedef const float *x_row;

INLINE void norm_rows(float *own, const __global float *x, const __global float *norm, grid g, int row,
                      int count, int c) {
    grid_position at = position_at(g, row);
    for (int q = 0; q < count; ++q, at = position_after(g, at))
        for (int l = 0; l < c; l += VEC, own += VEC)
            STORE(read_x(x + at.pixel * c + l, norm, c, l, c - l), own);
}
#else
typedef const __global float *x_row;
#endif

/* Where `count` rows lie, from `row` on, which is the first of the own ones; of those that are missing the last one again, or any. */
#if NORMED
#define ROWS_AT(from, own, x, g, row, count, c)                                                              \
    EACH(q, PIXELS) from[q] = (own) + min(q, (count)-1) * OWN_PITCH(c)
#else
#define ROWS_AT(from, own, x, g, row, count, c)                                                              \
    do {                                                                                                     \
        grid_position at = position_at(g, row);                                                              \
        EACH(q, PIXELS) {                                                                                    \
            from[q] = (x) + at.pixel * (c);                                                                  \
            if (q + 1 < (count)) at = position_after(g, at);                                                 \
        }                                                                                                    \
    } while (0)
#endif

#if PACKED
/* Copies `count` rows of x, up to PIXELS, to [c][PIXELS]; the last one again in place of those that are missing. */
INLINE void pack_tile(float *packed, const float *own, const __global float *x, grid g, int row, int count,
                      int c) {
    x_row from[PIXELS];
    ROWS_AT(from, own, x, g, row, count, c);
    int l = 0;
    for (; l + 4 <= c; l += 4, packed += 4 * PIXELS) {
        EACH(i, PIXELS / 4) {
            const float4 r0 = vload4(0, from[4 * i] + l), r1 = vload4(0, from[4 * i + 1] + l),
                         r2 = vload4(0, from[4 * i + 2] + l), r3 = vload4(0, from[4 * i + 3] + l);
            vstore4((float4)(r0.x, r1.x, r2.x, r3.x), i, packed);
            vstore4((float4)(r0.y, r1.y, r2.y, r3.y), i, packed + PIXELS);
            vstore4((float4)(r0.z, r1.z, r2.z, r3.z), i, packed + 2 * PIXELS);
            vstore4((float4)(r0.w, r1.w, r2.w, r3.w), i, packed + 3 * PIXELS);
        }
        for (int q = PIXELS / 4 * 4; q < PIXELS; ++q)
            for (int i = 0; i < 4; ++i) packed[i * PIXELS + q] = from[q][l + i];
    }
    for (; l < c; ++l, packed += PIXELS) EACH(q, PIXELS) packed[q] = from[q][l];
}
#define X_AT(q, l) packed[q]
#else
#define X_AT(q, l) from[q][l]
#endif

/* `count` rows of y, up to PIXELS, from `row` on, for N vectors of outputs from u on; s has
 * the sums of `before` rows. */
#define TILE(N)                                                                                              \
    INLINE void tile_##N(const float *packed, int ahead, const __global float *x, const __global float *w,   \
                         const __global float *bias, const __global float *residual, __global float *y,      \
                         grid of_x, grid of_y, int c, int k, int u, int act, int accumulate, int row,        \
                         int count, row_sums s, int before) {                                                \
        const __global float *weights[N];                                                                    \
        x_row from[PIXELS];                                                                                  \
        __global float *to[PIXELS];                                                                          \
        floatv acc[PIXELS][N];                                                                               \
        const __global float *next_x = x + position_at(of_x, row + ahead).pixel * c;                         \
        const int pitch = (of_x.strided ? of_x.stride_x : 1) * c;                                            \
        const int a_line = (PIXELS * LINE + c - 1) / c; /* rows prefetched at each line of x */              \
        ROWS_AT(from, packed, x, of_x, row, count, c);                                                       \
        EACH(v, N) {                                                                                         \
            floatv start = 0.0f;                                                                             \
            if (bias) start = fetch(bias + (u + v) * VEC, LEFT((u + v) * VEC));                              \
            EACH(q, PIXELS) acc[q][v] = start;                                                               \
            weights[v] = w + vector_at(u + v, (size_t)c * 16);                                               \
        }                                                                                                    \
        for (int line = 0; line < c; line += LINE) {                                                         \
            const int line_end = min(line + LINE, c);                                                        \
            if (STRIDED != WRITTEN)                                                                          \
                for (int q = line / LINE * a_line; q < min(PIXELS, line / LINE * a_line + a_line); ++q)      \
                    EACH(v, (N * VEC + LINE - 1) / LINE) {                                                   \
                        const int next = (row + q + 2 * PIXELS) * k + u * VEC + v * LINE;                    \
                        PREFETCH_WRITE(y + next);                                                            \
                        if (BN_SUMS == GRADIENT_SUMS) PREFETCH_READ(s.x + next);                             \
                        if (BN_SUMS == GRADIENT_SUMS && s.y) PREFETCH_READ(s.y + next);                      \
                    }                                                                                        \
            if (u == 0) EACH(q, PIXELS) PREFETCH_READ_L2(next_x + q * pitch + line);                         \
            for (int l = line; l < line_end; ++l) {                                                          \
                floatv weight[N];                                                                            \
                EACH(v, N) weight[v] = LOAD(weights[v]);                                                     \
                EACH(v, N) PREFETCH_READ(weights[v] + 8 * 16);                                               \
                EACH(v, N) weights[v] += 16;                                                                 \
                EACH(q, PIXELS) {                                                                            \
                    floatv in = X_AT(q, l);                                                                  \
                    EACH(v, N) acc[q][v] += in * weight[v];                                                  \
                }                                                                                            \
                if (PACKED) packed += PIXELS;                                                                \
            }                                                                                                \
        }                                                                                                    \
        grid_position at = position_at(of_y, row);                                                           \
        EACH(q, PIXELS) {                                                                                    \
            to[q] = y + at.pixel * k + u * VEC;                                                              \
            at = position_after(of_y, at);                                                                   \
        }                                                                                                    \
        EACH(v, N) {                                                                                         \
            int o = (u + v) * VEC, left = LEFT(o);                                                           \
            accumulator t = accumulator_begin(s, BN_SUMS, o, left);                                          \
            const __global float *more = residual ? residual + row * k + o : 0;                              \
            if (count == PIXELS && left >= VEC) {                                                            \
                if (more) EACH(q, PIXELS) acc[q][v] += LOAD(more + q * k);                                   \
                if (act) EACH(q, PIXELS) acc[q][v] = activate(acc[q][v], act);                               \
                if (accumulate) EACH(q, PIXELS) acc[q][v] += LOAD(to[q] + v * VEC);                          \
                if (BN_SUMS) EACH(q, PIXELS)                                                                 \
                acc[q][v] = accumulator_add(&t, s, BN_SUMS, acc[q][v], (row + q) * k + o, q == 0, VEC);      \
                EACH(q, PIXELS) STORE(acc[q][v], to[q] + v * VEC);                                           \
            } else {                                                                                         \
                floatv rest[PIXELS];                                                                         \
                EACH(q, PIXELS) rest[q] = acc[q][v];                                                         \
                at = position_at(of_y, row);                                                                 \
                for (int q = 0; q < count; ++q, at = position_after(of_y, at)) {                             \
                    __global float *to_q = y + at.pixel * k + o;                                             \
                    if (more) rest[q] += fetch(more + q * k, left);                                          \
                    floatv value = activate(rest[q], act);                                                   \
                    if (accumulate) value += fetch(to_q, left);                                              \
                    if (BN_SUMS)                                                                             \
                        value = accumulator_add(&t, s, BN_SUMS, value, (row + q) * k + o, q == 0, left);     \
                    put(value, to_q, left);                                                                  \
                }                                                                                            \
            }                                                                                                \
            if (BN_SUMS) accumulator_end(t, s, BN_SUMS, count, before, o, left);                             \
        }                                                                                                    \
    }
TILE(1)
TILE(2)
TILE(3)

/* The outputs from vector u on, for the rows begin .. end-1. */
#define ROWS(N)                                                                                              \
    for (int p = begin; p < end; p += PIXELS) PASTE(tile_, N)                                                \
    (packed + (p - begin) * pitch, ahead, x, w, bias, residual, y, of_x, of_y, c, k, u, act, accumulate, p,  \
     min(PIXELS, end - p), s, p - first);

/* Zeros for the pixels that a stride skips right of and below each of `count` pixels, and for these too, so that memory
 * is written in order: the channels o_begin .. o_end-1 of k. */
INLINE void clear_blocks(__global float *y, grid g, int row, int count, int k, int o_begin, int o_end) {
    grid_position at = position_at(g, row);
    for (; count > 0; --count, at = position_after(g, at))
        for (int down = 0; down < min(g.stride_y, g.map_h - at.i * g.stride_y); ++down)
            for (int right = 0; right < min(g.stride_x, g.map_w - at.j * g.stride_x); ++right)
                for (int o = o_begin; o < o_end; o += VEC)
                    put((floatv)0.0f, y + (at.pixel + down * g.map_w + right) * k + o, o_end - o);
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
gather(const __global float *x, const __global float *w, const __global float *bias,
       const __global float *residual, __global float *y, int x_at, int w_at, int rows, int map_h, int map_w,
       int stride, int c, int k, int act, int accumulate, int tiles, int block, const __global float *norm,
       SUMS_PARAMS) {
    const grid of_x = grid_of(STRIDED == READ, map_h, map_w, stride);
    const grid of_y = grid_of(STRIDED == WRITTEN, map_h, map_w, stride);
    int vectors = (k + VEC - 1) / VEC, all = (vectors + WIDTH - 1) / WIDTH;
    int u_begin = all * get_global_id(1) / get_global_size(1) * WIDTH;
    int u_end = min((int)(all * (get_global_id(1) + 1) / get_global_size(1)) * WIDTH, vectors);
    int first = (int)get_global_id(0) * tiles * PIXELS, last = min(first + tiles * PIXELS, rows);
    const row_sums s = sums_begin(SUMS_ARGS, k, (int)get_global_id(0));
#if NORMED
    float own[OWN_FLOATS];
#else
    const float *own = 0;
#endif
#if PACKED
    float packed[PACKED];
    const int ahead = block * PIXELS, pitch = c;
#else
    const float *packed = own;
    const int ahead = NORMED ? block * PIXELS : 2 * PIXELS, pitch = NORMED ? OWN_PITCH(c) : 0;
#endif
    x += x_at;
    w += w_at;
    if (BN_SUMS && get_global_id(1) == 0)
        sums_count(partial, k, (int)get_global_id(0), (int)get_global_size(0), last - first);
    for (int begin = first; begin < last; begin += block * PIXELS) {
        int end = min(begin + block * PIXELS, last), u = u_begin;
#if PACKED
        for (int p = begin; p < end; p += PIXELS) {
            const int count = min(PIXELS, end - p);
#if NORMED
            norm_rows(own, x, norm, of_x, p, count, c);
#endif
            pack_tile(packed + (p - begin) * c, own, x, of_x, p, count, c);
        }
#elif NORMED
        norm_rows(own, x, norm, of_x, begin, end - begin, c);
#endif
        if (STRIDED == WRITTEN && !accumulate)
            clear_blocks(y, of_y, begin, end - begin, k, u_begin * VEC, min(u_end * VEC, k));
        for (; u + WIDTH <= u_end; u += WIDTH) ROWS(WIDTH)
#if REST
        if (u < u_end) ROWS(REST)
#endif
    }
}
