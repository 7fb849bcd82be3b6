/* Convolution forward and backward data for CPUs: y[p][k] = act(bias[k] + sum over taps and c of x[pixel(p,tap)][c] *
 * w[tap][c][k]).
 *
 * One work-item takes `tiles` pixel tiles of PIXELS neighbouring positions of the output grid and `panels` groups of
 * 16*PANELS output channels; each tile's sums stay in registers: PIXELS * PANELS * 16 / VEC vectors.  Positions are
 * numbered image by image within groups of `together` images, then along j, then i, then group by group: so a tile is one
 * place of a map in several images, small maps fill their tiles, and a tap that falls into the padding does so for the
 * whole tile, which leaves it out.
 * x is (n, ih, iw, c); w is [panel][tap][length][16].  Position (i, j) of the grid and tap (ty, tx) read the x row
 * i*stride.y + offset.y + ty*step.y (columns alike), `length` floats from there; a row or column outside x reads `zeros`
 * instead, so that nothing in the inner loop branches.  The tap's weights are the tap first + ty*next_y + tx*next_x of
 * the panel.  The result goes to y + n*y_image + i*y_row + j*y_column + y_first.
 *   forward        the grid is y; stride, -pad and dilation
 *   backward data  x is dy, y is dx; one launch for each of the stride.y*stride.x phases of dx, with the taps that
 *                  reach it; weights transposed by conv_pack.cl
 * stride, offset, step, taps and next are pairs: y << 16 | x & 0xffff.  x and w begin at x_at and w_at. */
#include "common.clh"

#define WIDE (16 / VEC)        /* vectors in a panel */
#define SUMS (PANELS * WIDE)   /* vectors of sums a pixel */
#define Y_OF(pair) ((pair) >> 16)
#define X_OF(pair) ((int)(short)(pair))

static inline floatv activate(floatv v, int act) {
    if (act) v = v <= 0.0f ? (floatv)0.0f : v;
    return act == 2 ? (v >= 6.0f ? (floatv)6.0f : v) : v;
}

__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void gather(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
                     int x_at, int w_at, int positions, int grid_h,
                     int grid_w, int ih, int iw, int c, int length, int stride, int offset, int step, int taps,
                     int first, int next, int all_taps, int k, int y_image, int y_row, int y_column, int y_first,
                     int act, int accumulate, const __global float *zeros, int images, int together,
                     int tiles, int panels) {
    x += x_at;
    w += w_at;
    int begin = (int)get_global_id(0) * tiles * PIXELS, end = min(begin + tiles * PIXELS, positions);
    int all_panels = (k + 15) / 16, panel_end = min(((int)get_global_id(1) + 1) * panels, all_panels);
    size_t panel_size = (size_t)all_taps * length * 16;
    for (int panel = get_global_id(1) * panels; panel < panel_end; panel += PANELS) {
        int area = grid_h * grid_w, low = begin / (together * area) * together, high = min(low + together, images);
        int rest = begin - low * area, n = low + rest % (high - low);
        int j = rest / (high - low) % grid_w, i = rest / (high - low) / grid_w;
        for (int p = begin; p < end; p += PIXELS) {
            const __global float *base[PIXELS];
            __global float *to[PIXELS];
            int iy[PIXELS], ix[PIXELS];
#pragma unroll
            for (int q = 0; q < PIXELS; ++q) {
                iy[q] = i * Y_OF(stride) + Y_OF(offset);
                ix[q] = j * X_OF(stride) + X_OF(offset);
                base[q] = x + (n * ih * iw * c + (iy[q] * iw + ix[q]) * c);
                to[q] = y + (n * y_image + i * y_row + j * y_column + y_first);
                if (p + q + 1 < end && ++n == high) { /* past the end: the last position again, not stored */
                    n = low;
                    if (++j == grid_w) {
                        j = 0;
                        if (++i == grid_h) {
                            i = 0;
                            n = low = high;
                            high = min(low + together, images);
                        }
                    }
                }
            }
            floatv sum[PIXELS][SUMS];
#pragma unroll
            for (int q = 0; q < PIXELS; ++q)
#pragma unroll
                for (int v = 0; v < SUMS; ++v) sum[q][v] = 0.0f;
            const __global float *wp = w + panel * panel_size;
            size_t second = panel + 1 < panel_end ? panel_size : 0;
            for (int ty = 0; ty < Y_OF(taps); ++ty)
                for (int tx = 0; tx < X_OF(taps); ++tx) {
                    const __global float *from[PIXELS];
                    int dy = ty * Y_OF(step), dx = tx * X_OF(step);
                    int any = 0;
#pragma unroll
                    for (int q = 0; q < PIXELS; ++q) {
                        int inside = ((uint)(iy[q] + dy) < (uint)ih) & ((uint)(ix[q] + dx) < (uint)iw);
                        from[q] = inside ? base[q] + (dy * iw + dx) * c : zeros;
                        any |= inside;
                    }
                    if (!any) continue;
                    const __global float *wt = wp + (size_t)(first + ty * Y_OF(next) + tx * X_OF(next)) * length * 16;
                    for (int l = 0; l < length; ++l) {
                        floatv weight[SUMS];
#pragma unroll
                        for (int v = 0; v < SUMS; ++v)
                            weight[v] = LOAD(wt + l * 16 + (v / WIDE) * second + v % WIDE * VEC);
#pragma unroll
                        for (int q = 0; q < PIXELS; ++q) {
                            floatv in = from[q][l];
#pragma unroll
                            for (int v = 0; v < SUMS; ++v) sum[q][v] += in * weight[v];
                        }
                    }
                }
#pragma unroll
            for (int v = 0; v < SUMS; ++v) {
                int at = panel * 16 + v * VEC, left = k - at;
                if (left > 0 && v / WIDE < panel_end - panel) {
                    floatv shift = 0.0f;
                    if (bias) shift = fetch(bias + at, left);
#pragma unroll
                    for (int q = 0; q < PIXELS; ++q)
                        if (p + q < end) {
                            floatv value = activate(sum[q][v] + shift, act);
                            if (accumulate) value += fetch(to[q] + at, left);
                            put(value, to[q] + at, left);
                        }
                }
            }
        }
    }
}
