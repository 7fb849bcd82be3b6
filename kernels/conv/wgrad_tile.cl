/* The weight gradient of convolutions for CPUs, as a matrix product: grad[panel][m][16] = sum over the rows of
 * x's columns[row][m] * dy[row][16]; and the bias gradient, the sum of dy.
 *
 * A row is a position (i, j) of a map of y, image after image.  Its columns are those of im2col: m = tap * length + l,
 * the `length` floats that tap (ty, tx) reads of x, (n, ih, iw, c), from row i*stride.y - pad.y + ty*dilation.y on,
 * columns alike; zeros in the padding.  A work-item takes one of `parts` parts of the rows, a `share` of the columns, and
 * a range of the outputs.  It walks its rows in blocks of `block` at most, whose columns are copied to `pitch` floats a
 * row first, so that rows far apart do not compete for the same sets of the L1 cache; dy is packed (and masked by the
 * fused activation) for WIDTH vectors of outputs at a time, and a tile of LINES x WIDTH accumulators stays in registers
 * over the block.  Between blocks they are in `out`; conv_pack.cl reduces the parts in order, so that the result is
 * deterministic.
 *
 * BLOCK and X_FLOATS are the most rows of a block, and floats of its columns.  With -DNORM_ACT, x is read through a batch
 * norm (normed.clh).  WHOLE is 1 where k is a multiple of VEC: no code for partial vectors then, which halves the time to
 * compile.  stride, pad and dilation are pairs: y << 16 | x & 0xffff. */
#include "common.clh"
#include "normed.clh"
#include "panel.clh"

#define LEFT(o) (WHOLE ? VEC : k - (o))
#define AT_ONCE 8 /* rows that are packed together */

typedef struct {
    int grid_h, grid_w, ih, iw, c, length, taps_x, stride, pad, dilation;
} geometry;

/* A row: its position in the map of y, and where tap (0, 0) reads x. */
typedef struct {
    int i, j, y, x, pixel;
} row_position;

INLINE row_position position_at(geometry g, int row) {
    row_position at;
    at.i = row / g.grid_w % g.grid_h;
    at.j = row % g.grid_w;
    at.y = at.i * Y_OF(g.stride) - Y_OF(g.pad);
    at.x = at.j * X_OF(g.stride) - X_OF(g.pad);
    at.pixel = (row / g.grid_w / g.grid_h * g.ih + at.y) * g.iw + at.x;
    return at;
}

INLINE row_position position_after(geometry g, row_position at) {
    at.x += X_OF(g.stride);
    at.pixel += X_OF(g.stride);
    if (++at.j < g.grid_w) return at;
    at.j = 0;
    at.y += Y_OF(g.stride);
    at.x = -X_OF(g.pad);
    at.pixel += Y_OF(g.stride) * g.iw - g.grid_w * X_OF(g.stride);
    if (++at.i < g.grid_h) return at;
    at.i = 0;
    at.y = -Y_OF(g.pad);
    at.pixel += (g.ih - g.grid_h * Y_OF(g.stride)) * g.iw;
    return at;
}

/* A column: number l of a tap that reads so many pixels further down and right, `at` floats behind tap (0, 0). */
typedef struct {
    int l, down, right, at;
} tap_column;

INLINE tap_column column_of(geometry g, int m) {
    const int tap = m / g.length;
    tap_column column;
    column.l = m % g.length;
    column.down = tap / g.taps_x * Y_OF(g.dilation);
    column.right = tap % g.taps_x * X_OF(g.dilation);
    column.at = (column.down * g.iw + column.right) * g.c + column.l;
    return column;
}

/* Copies `run` floats, of the channels from c on; of fewer than VEC, what fills the vector is of no account. */
INLINE void copy_run(float *to, const __global float *from, const __global float *norm, int C, int c,
                     int run) {
    int v = 0;
    for (; v + VEC <= run; v += VEC) STORE(read_x(from + v, norm, C, c + v, VEC), to + v);
    if (v == run) return;
    const int left = min(run, VEC), last = run - left; /* overlaps the vector before */
    STORE(read_x(from + last, norm, C, c + last, left), to + last);
}

/* Copies the columns m_begin .. m_end-1 of `count` rows to packed, `pitch` floats a row, of which up to VEC - 1 behind the
 * columns are overwritten. */
INLINE void pack_x(float *packed, int pitch, const __global float *x, const __global float *norm, geometry g,
                   int row, int count, int m_begin, int m_end) {
    row_position next = position_at(g, row);
    for (int p = 0; p < count; p += AT_ONCE, packed += AT_ONCE * pitch) {
        const int here = min(AT_ONCE, count - p);
        row_position at[AT_ONCE];
        for (int q = 0; q < here; ++q, next = position_after(g, next)) at[q] = next;
        for (int m = m_begin, run; m < m_end; m += run) {
            const tap_column column = column_of(g, m);
            run = min(g.length - column.l, m_end - m);
            for (int q = 0; q < here; ++q) {
                const __global float *from = x + at[q].pixel * g.c + column.at;
                float *to = packed + q * pitch + m - m_begin;
                if (((uint)(at[q].y + column.down) < (uint)g.ih) &
                    ((uint)(at[q].x + column.right) < (uint)g.iw))
                    copy_run(to, from, norm, g.c, column.l, run);
                else
                    for (int v = 0; v < run; v += VEC) STORE((floatv)0.0f, to + v);
            }
        }
    }
}

/* Packs vectors u .. u+WIDTH-1 of `count` rows of dy, and adds their sums to the bias gradient. */
INLINE void pack_dy(floatv *packed, const __global float *dy, const __global float *y,
                    __global float *bias_out, int k, int count, int u, int act, int fresh) {
    floatv bias[WIDTH];
    EACH(v, WIDTH) bias[v] = 0.0f;
    for (int p = 0; p < count; ++p, packed += WIDTH) EACH(v, WIDTH) {
            int o = (u + v) * VEC;
            packed[v] = act_backward(dy + p * k + o, y + p * k + o, o < k ? LEFT(o) : 0, act);
            bias[v] += packed[v];
        }
    if (bias_out) EACH(v, WIDTH) {
            int o = (u + v) * VEC, left = LEFT(o);
            if (o < k) put(fresh ? bias[v] : bias[v] + fetch(bias_out + o, left), bias_out + o, left);
        }
}

/* What is prefetched next, line by line: of each row up to `end`, first the columns of x, then the outputs of dy.  In a burst
 * prefetches wait for one another; `lines` of them for each AT_ONCE rows of a tile do not. */
typedef struct {
    const __global float *x, *dy;
    int x_lines, dy_lines, lines;
    row_position at;
    int row, line, end;
} ahead;

INLINE ahead prefetch_some(ahead next, geometry g, int k) {
    for (int i = 0; i < next.lines && next.row < next.end; ++i) {
        if (next.line < next.x_lines)
            PREFETCH_READ_L2(next.x + next.at.pixel * g.c + next.line * LINE);
        else
            PREFETCH_READ_L2(next.dy + next.row * k + (next.line - next.x_lines) * LINE);
        if (++next.line < next.x_lines + next.dy_lines) continue;
        next.line = 0;
        next.row++;
        next.at = position_after(g, next.at);
    }
    return next;
}

/* out[i][vector] += sum over `count` rows, for `columns` columns, up to LINES, and `vectors` vectors; a `fresh` out is
 * uninitialised.  The rows of dy are `packed`, or are read from `rows` of k, and packed on the way.  Returns what is to be
 * prefetched next. */
INLINE ahead add_tile(__global float *out, size_t panel_size, floatv *packed, const __global float *rows,
                      int k, const float *x, int pitch, int count, int u, int columns, int vectors, int fresh,
                      ahead next, geometry g) {
    floatv acc[LINES][WIDTH];
    EACH(i, LINES)
    EACH(v, WIDTH)
    acc[i][v] = fresh || i >= columns || v >= vectors ? (floatv)0.0f
                                                      : LOAD(out + vector_at(u + v, panel_size) + i * 16);
    for (int p = 0, end; p < count;) {
        next = prefetch_some(next, g, k);
        for (end = min(p + AT_ONCE, count); p < end; ++p, packed += WIDTH, x += pitch) {
            floatv d[WIDTH];
            EACH(v, WIDTH) d[v] = rows ? LOAD(rows + p * k + v * VEC) : packed[v];
            if (rows) EACH(v, WIDTH) packed[v] = d[v];
            EACH(i, LINES) {
                floatv in = x[i];
                EACH(v, WIDTH) acc[i][v] += in * d[v];
            }
        }
    }
    EACH(i, LINES)
    EACH(v, WIDTH)
    if (i < columns && v < vectors) STORE(acc[i][v], out + vector_at(u + v, panel_size) + i * 16);
    return next;
}

#define ADD_TILE(i, n, rows)                                                                                 \
    next = add_tile(out + (i)*16, panel_size, d, rows, k, packed_x + (i), pitch, count, u, n, vectors - u,   \
                    fresh, next, g)

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
wgrad(const __global float *x, const __global float *dy, const __global float *y, __global float *out,
      __global float *out_bias, int out_at, int bias_at, int rows, int grid_h, int grid_w, int ih, int iw,
      int c, int length, int stride, int pad, int dilation, int taps_y, int taps_x, int k, int act, int parts,
      int part_size, int block, int share, int pitch, const __global float *norm) {
    const geometry g = {grid_h, grid_w, ih, iw, c, length, taps_x, stride, pad, dilation};
    const int all_columns = taps_y * taps_x * length;
    floatv d[BLOCK * WIDTH];
    float packed_x[X_FLOATS];
    int vectors = (k + VEC - 1) / VEC, all = (vectors + WIDTH - 1) / WIDTH, part = get_global_id(2);
    int u_begin = all * get_global_id(0) / get_global_size(0) * WIDTH;
    int u_end = min((int)(all * (get_global_id(0) + 1) / get_global_size(0)) * WIDTH, vectors);
    int first = (long)rows * part / parts, last = (long)rows * (part + 1) / parts;
    int m_begin = (int)get_global_id(1) * share, m_end = min(m_begin + share, all_columns),
        columns = m_end - m_begin;
    size_t panel_size = (size_t)all_columns * 16;
    int tiles = (u_end - u_begin + WIDTH - 1) / WIDTH * ((columns + LINES - 1) / LINES);
    block = even_block(last - first, block);
    ahead next = {.x = x + column_of(g, m_begin).at,
                  .dy = dy + u_begin * VEC,
                  .x_lines = (min(columns, length) + LINE - 1) / LINE,
                  .dy_lines = ((u_end - u_begin) * VEC + LINE - 1) / LINE};
    next.lines = ((next.x_lines + next.dy_lines) * AT_ONCE + tiles - 1) / tiles;
    out += out_at + (size_t)part * part_size + m_begin * 16;
    __global float *bias_out = out_bias && m_begin == 0 ? out_bias + bias_at + (size_t)part * part_size : 0;
    for (int begin = first; begin < last; begin += block) {
        int count = min(block, last - begin), fresh = begin == first;
        next.row = begin + count;
        next.end = min(next.row + block, last);
        next.line = 0;
        next.at = position_at(g, next.row);
        pack_x(packed_x, pitch, x, norm, g, begin, count, m_begin, m_end);
        if (fresh && u_end == vectors) /* what is left of the last panel */
            for (int u = vectors; u % WIDE; ++u)
                for (int i = 0; i < columns; ++i)
                    STORE((floatv)0.0f, out + vector_at(u, panel_size) + i * 16);
        for (int u = u_begin; u < u_end; u += WIDTH) {
            const int as_it_lies = !act && !bias_out && (u + WIDTH) * VEC <= k && LINES <= columns;
            if (!as_it_lies) pack_dy(d, dy + begin * k, y + begin * k, bias_out, k, count, u, act, fresh);
            for (int i = 0; i < columns; i += LINES) {
                if (i == 0 && as_it_lies)
                    ADD_TILE(i, LINES, dy + begin * k + u * VEC);
                else if (i + LINES <= columns)
                    ADD_TILE(i, LINES, 0);
                else
                    ADD_TILE(i, columns - i, 0);
            }
        }
    }
}
