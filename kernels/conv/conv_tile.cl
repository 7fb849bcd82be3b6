/* Convolution forward and backward data for CPUs: y[p][k] = act(bias[k] + sum over taps and c of
 * x[pixel(p,tap)][c] * w[tap][c][k]).
 *
 * One work-item takes `tiles` pixel tiles of PIXELS neighbouring positions of the output grid and `panels` panels
 * of 16 output channels, PANELS at a time; the accumulators stay in registers: PIXELS * PANELS * LANES / VEC vectors.
 * LANES is how many outputs of a panel are used: less than 16 in the remainder.  Positions are
 * numbered image by image within groups of `together` images, then along j, then i, then group by group: so a tile is
 * one position in several images, small maps fill their tiles, and a tap that falls into the padding does so for the
 * whole tile, which skips it.
 *
 * x is (n, ih, iw, c); w is [panel][tap][length][16].  Position (i, j) of the grid and tap (ty, tx) read the x row
 * i*stride.y + offset.y + ty*step.y (columns alike), `length` floats from there; a row or column outside x reads
 * `zeros` instead, so that the inner loop has no branch.  The tap's weights are the tap first + ty*next_y +
 * tx*next_x of the panel.  The result goes to y + n*y_image + i*y_row + j*y_column + y_first.
 *
 * Forward, the grid is y's; stride, -pad and dilation are the convolution's.  In backward data x is dy and y is dx:
 * one launch for each of the stride.y*stride.x phases of dx, with the taps that reach it, and weights transposed by
 * conv_pack.cl.
 *
 * stride, offset, step, taps and next are pairs: y << 16 | x & 0xffff.  x, w and bias begin at x_at, w_at, bias_at.
 */
#include "common.clh"

#define WIDE    (LANES / VEC)   /* vectors in a panel */
#define VECTORS (PANELS * WIDE) /* accumulator vectors a pixel */

/* A position: (i, j) of image n, in the group of images low .. high-1. */
typedef struct {
    int n, i, j, low, high;
} grid_position;

INLINE grid_position position_at(int position, int images, int together, int grid_h, int grid_w) {
    grid_position at;
    at.low = position / (together * grid_h * grid_w) * together;
    at.high = min(at.low + together, images);
    int rest = position - at.low * grid_h * grid_w, size = at.high - at.low;
    at.n = at.low + rest % size;
    at.j = rest / size % grid_w;
    at.i = rest / size / grid_w;
    return at;
}

INLINE grid_position position_after(grid_position at, int images, int together, int grid_h, int grid_w) {
    if (++at.n < at.high) return at;
    at.n = at.low;
    if (++at.j < grid_w) return at;
    at.j = 0;
    if (++at.i < grid_h) return at;
    at.i = 0;
    at.n = at.low = at.high;
    at.high = min(at.low + together, images);
    return at;
}

/* acc += the products of one tap: `length` numbers of each pixel, with the weights of this panel and the next. */
INLINE void add_tap(floatv acc[PIXELS][VECTORS], const __global float *from[PIXELS], const __global float *w,
                    size_t panel_size, int length) {
    for (int l = 0; l < length; ++l) {
        floatv weight[VECTORS];
        EACH(v, VECTORS) weight[v] = LOAD(w + l * 16 + v / WIDE * panel_size + v % WIDE * VEC);
        EACH(q, PIXELS) {
            floatv in = from[q][l];
            EACH(v, VECTORS) acc[q][v] += in * weight[v];
        }
    }
}

__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
gather(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
       int x_at, int w_at, int bias_at, int images, int grid_h, int grid_w, int ih, int iw, int c, int length,
       int stride, int offset, int step, int taps, int first, int next, int all_taps, int k, int y_image,
       int y_row, int y_column, int y_first, int act, int accumulate, const __global float *zeros,
       int together, int tiles) {
    int positions = images * grid_h * grid_w, all_panels = (k + 15) / 16;
    int begin = (int)get_global_id(0) * tiles * PIXELS, end = min(begin + tiles * PIXELS, positions);
    int panel_begin = (all_panels + PANELS - 1) / PANELS * get_global_id(1) / get_global_size(1) * PANELS;
    int panel_end = (all_panels + PANELS - 1) / PANELS * (get_global_id(1) + 1) / get_global_size(1) * PANELS;
    size_t panel_size = (size_t)all_taps * length * 16;
    grid_position at = position_at(begin, images, together, grid_h, grid_w);
    x += x_at;
    w += w_at;
    for (int p = begin; p < end; p += PIXELS) {
        const __global float *base[PIXELS];
        __global float *to[PIXELS];
        int iy[PIXELS], ix[PIXELS], room = together > 1 ? at.high - at.n : grid_w - at.j;
        int even =
            room >= PIXELS && p + PIXELS <= end; /* the usual tile: all taps are in or out for all of it */
        if (even) {
            iy[0] = at.i * Y_OF(stride) + Y_OF(offset);
            ix[0] = at.j * X_OF(stride) + X_OF(offset);
            base[0] = x + (at.n * ih * iw * c + (iy[0] * iw + ix[0]) * c);
            to[0] = y + (at.n * y_image + at.i * y_row + at.j * y_column + y_first);
            int x_step = together > 1 ? ih * iw * c : X_OF(stride) * c,
                y_step = together > 1 ? y_image : y_column;
            EACH(q, PIXELS) {
                base[q] = base[0] + q * x_step;
                to[q] = to[0] + q * y_step;
            }
            if (together > 1)
                at.n += PIXELS - 1;
            else
                at.j += PIXELS - 1;
            at = position_after(at, images, together, grid_h, grid_w);
        } else
            EACH(q, PIXELS) {
                iy[q] = at.i * Y_OF(stride) + Y_OF(offset);
                ix[q] = at.j * X_OF(stride) + X_OF(offset);
                base[q] = x + (at.n * ih * iw * c + (iy[q] * iw + ix[q]) * c);
                to[q] = y + (at.n * y_image + at.i * y_row + at.j * y_column + y_first);
                if (p + q + 1 < end) at = position_after(at, images, together, grid_h, grid_w);
            } /* past the end: the last position again, not stored */
        for (int panel = panel_begin; panel < panel_end; panel += PANELS) {
            const __global float *panel_w = w + panel * panel_size;
            size_t second = panel + 1 < all_panels ? panel_size : 0;
            floatv acc[PIXELS][VECTORS];
            EACH(q, PIXELS) EACH(v, VECTORS) acc[q][v] = 0.0f;
            for (int ty = 0; ty < Y_OF(taps); ++ty)
                for (int tx = 0; tx < X_OF(taps); ++tx) {
                    int dy = ty * Y_OF(step), dx = tx * X_OF(step), shift = (dy * iw + dx) * c, any = 0;
                    const __global float *from[PIXELS];
                    const __global float *weights =
                        panel_w + (size_t)(first + ty * Y_OF(next) + tx * X_OF(next)) * length * 16;
                    if (even) {
                        any = ((uint)(iy[0] + dy) < (uint)ih) & ((uint)(ix[0] + dx) < (uint)iw);
                        EACH(q, PIXELS) from[q] = base[q] + shift;
                    } else
                        EACH(q, PIXELS) {
                            int inside = ((uint)(iy[q] + dy) < (uint)ih) & ((uint)(ix[q] + dx) < (uint)iw);
                            from[q] = inside ? base[q] + shift : zeros;
                            any |= inside;
                        }
                    if (any) add_tap(acc, from, weights, second, length);
                }
            EACH(v, VECTORS) {
                int o = panel * 16 + v / WIDE * 16 + v % WIDE * VEC;
                floatv shift = 0.0f;
                if (bias && o < k) shift = fetch(bias + bias_at + o, k - o);
                EACH(q, PIXELS) acc[q][v] = activate(acc[q][v] + shift, act);
            }
            if (even && (panel + PANELS) * 16 - (16 - LANES) <= k) {
                EACH(v, VECTORS) {
                    const int o = panel * 16 + v / WIDE * 16 + v % WIDE * VEC;
                    if (accumulate) EACH(q, PIXELS) acc[q][v] += LOAD(to[q] + o);
                    EACH(q, PIXELS) STORE(acc[q][v], to[q] + o);
                }
                continue;
            }
            for (int i = 0; i < PIXELS * VECTORS; ++i) { /* not unrolled: rare, so small code */
                int q = i / VECTORS, v = i % VECTORS, o = panel * 16 + v / WIDE * 16 + v % WIDE * VEC,
                    left = k - o;
                if (left > 0 && p + q < end)
                    put(accumulate ? acc[q][v] + fetch(to[q] + o, left) : acc[q][v], to[q] + o, left);
            }
        }
    }
}
