/* Max and average pooling of x (N,H,W,C) to y (N,OH,OW,C): window (oy, ox) covers the pixels
 * (oy*SH - PH + r*DH, ox*SW - PW + s*DW), r < KH, s < KW, that lie inside the map.
 *
 * max: y is the window's first maximum (NaN propagates), `index` its argmax r*KW + s.  Where windows may overlap, dx
 * gathers dy of the windows that a pixel won (max_gather); where they cannot (no padding, no dilation, stride >=
 * kernel), a window writes dx up to where the next one starts (max_spread).
 *
 * max_forward_2x2 and max_spread_2x2 are the same for 2x2 windows that tile the map, in straight vectors.
 *
 * The window (KH, KW, SH, SW, PH, PW, DH, DW) is given by -D options: as constants they save most of the arithmetic around a
 * pixel, and the gradient of 3x3 windows with stride 2 takes 0.4 times as long.
 *
 * With -DNORM_ACT max_forward reads x through a batch norm (normed.clh).
 *
 * average: y = sum / divisor, the divisor being KH*KW with COUNT_PAD 1, else the number of pixels inside; its
 * gradients likewise.
 *
 * adaptive: the mean of rows oy*H/OH to (oy+1)*H/OH, rounded down and up, and of such columns.
 *
 * Ownership: forward and spread, a window; gather, a pixel of dx; VEC channels of it.  Nothing is written twice.
 * A task of the tile family is a row of windows (pixels), one of the group family an element of y (dx). */
#include "common.clh"
#include "normed.clh"

#define GEOMETRY int N, int H, int W, int C, int OH, int OW
#define SHAPE    N, H, W, C, OH, OW

/* Runs `call` for each vector of a map (N, height, width, C), with image, row, column, c and left in scope. */
#ifdef GROUP
#define FOR_MAP(height, width, call)                                                                         \
    FOR_TASKS(task, N *(height) * (width)*C) {                                                               \
        const int pixel = task / C, line = pixel / (width), image = line / (height), row = line % (height),  \
                  column = pixel % (width), c = task % C, left = VEC;                                        \
        call;                                                                                                \
    }
#else
#define FOR_MAP(height, width, call)                                                                         \
    FOR_TASKS(task, N *(height))                                                                             \
    for (int image = task / (height), row = task % (height), column = 0; column < (width); ++column)         \
    FOR_COLUMNS(C, c, left, call)
#endif

/* The taps [first, end) of a window at `start` (which may be negative) that fall inside [0, size). */
INLINE int first_tap(int start, int step) {
    return max(-start + step - 1, 0) / step;
}
INLINE int end_tap(int start, int step, int taps, int size) {
    return min(taps, max(size - start + step - 1, 0) / step);
}
/* The windows [first, end) that can hold pixel `at`; `reach` is (taps-1)*step. */
INLINE int first_window(int at, int pad, int reach, int stride) {
    return max(at + pad - reach + stride - 1, 0) / stride;
}
INLINE int end_window(int at, int pad, int stride, int count) {
    return min(count, (at + pad) / stride + 1);
}

INLINE void put_index(intv v, __global ushort *p, int left) {
#if VEC == 1
    *p = (ushort)v;
#else
    if (left >= VEC) {
        PASTE(vstore, VEC)(PASTE(convert_ushort, VEC)(v), 0, p);
        return;
    }
    int part[VEC];
    PASTE(vstore, VEC)(v, 0, part);
    for (int i = 0; i < left; ++i) p[i] = (ushort)part[i];
#endif
}

INLINE intv fetch_index(const __global ushort *p, int left) {
#if VEC == 1
    return *p;
#else
    if (left >= VEC) return PASTE(convert_int, VEC)(PASTE(vload, VEC)(0, p));
    int part[VEC];
    for (int i = 0; i < VEC; ++i) part[i] = i < left ? p[i] : 0;
    return PASTE(vload, VEC)(0, part);
#endif
}

/* A window: its first pixel, and its taps that lie inside the map. */
#define WINDOW(oy, ox)                                                                                       \
    const int y0 = (oy)*SH - PH, x0 = (ox)*SW - PW;                                                          \
    const int r0 = first_tap(y0, DH), r1 = end_tap(y0, DH, KH, H);                                           \
    const int s0 = first_tap(x0, DW), s1 = end_tap(x0, DW, KW, W);

INLINE void max_window(const __global stored_x *x, __global stored_y *y, __global ushort *index,
                       const __global float *norm, GEOMETRY, int n, int oy, int ox, int c, int left) {
    WINDOW(oy, ox)
    floatv best = -INFINITY;
    intv argmax = r0 * KW + s0;
    for (int r = r0; r < r1; ++r) {
        const __global stored_x *from = x + ((n * H + y0 + r * DH) * W + x0 + s0 * DW) * C + c;
        for (int s = s0; s < s1; ++s, from += DW * C) {
            const floatv v = read_x(from, norm, C, c, left);
            const intv is_larger = (v > best) | (v != v);
            best = is_larger ? v : best;
            argmax = is_larger ? (intv)(r * KW + s) : argmax;
        }
    }
    const int at = ((n * OH + oy) * OW + ox) * C + c;
    put(best, y + at, left);
    if (index) put_index(argmax, index + at, left);
}

/* What an average is over: the taps inside the map, or also those in its padding. */
#define TAPS (COUNT_PAD ? (min(y0 + KH, H + PH) - y0) * (min(x0 + KW, W + PW) - x0) : (r1 - r0) * (s1 - s0))

INLINE void average_window(const __global stored_x *x, __global stored_y *y, GEOMETRY, int n, int oy, int ox,
                           int c, int left) {
    WINDOW(oy, ox)
    floatv sum = 0.0f;
    for (int r = r0; r < r1; ++r) {
        const __global stored_x *from = x + ((n * H + y0 + r) * W + x0 + s0) * C + c;
        for (int s = s0; s < s1; ++s, from += C) sum += fetch(from, left);
    }
    const int taps = TAPS;
    put(sum * (1.0f / (float)taps), y + ((n * OH + oy) * OW + ox) * C + c, left);
}

/* The pixels that belong to window (oy, ox) where windows do not overlap: up to the next one, or to the map's
 * end. */
#define FOR_PIXELS(oy, ox)                                                                                   \
    const int y_end = (oy) == OH - 1 ? H : ((oy) + 1) * SH, x_end = (ox) == OW - 1 ? W : ((ox) + 1) * SW;    \
    for (int y = (oy)*SH, r = 0; y < y_end; ++y, ++r)                                                        \
        for (int x = (ox)*SW, s = 0; x < x_end; ++x, ++s)

INLINE void max_spread_window(const __global stored_y *dy, const __global ushort *index,
                              __global stored_x *dx, int accumulate, GEOMETRY, int n, int oy, int ox, int c,
                              int left) {
    const int from = ((n * OH + oy) * OW + ox) * C + c;
    const floatv g = fetch(dy + from, left);
    const intv winner = fetch_index(index + from, left);
    FOR_PIXELS(oy, ox) {
        const int argmax = r < KH && s < KW ? r * KW + s : -1;
        const floatv share = winner == (intv)argmax ? g : (floatv)0.0f;
        add_or_put(share, dx + ((n * H + y) * W + x) * C + c, left, accumulate);
    }
}

INLINE void average_spread_window(const __global stored_y *dy, __global stored_x *dx, int accumulate,
                                  GEOMETRY, int n, int oy, int ox, int c, int left) {
    const floatv g = fetch(dy + ((n * OH + oy) * OW + ox) * C + c, left) * (1.0f / (float)(KH * KW));
    FOR_PIXELS(oy, ox) {
        const floatv share = r < KH && s < KW ? g : (floatv)0.0f;
        add_or_put(share, dx + ((n * H + y) * W + x) * C + c, left, accumulate);
    }
}

#ifndef GROUP
/* Runs `call` for each vector of C channels, with c and left in scope; where allowed, the last vector is moved back to
 * be full, and repeats some channels. */
#define FOR_CHANNELS(again, call)                                                                            \
    do {                                                                                                     \
        if (C > VEC && (again))                                                                              \
            for (int first = 0; first < C; first += VEC) {                                                   \
                const int c = min(first, C - VEC), left = VEC;                                               \
                call;                                                                                        \
            }                                                                                                \
        else                                                                                                 \
            FOR_COLUMNS(C, c, left, call);                                                                   \
    } while (0)

/* The window whose pixels begin at x, the lower ones `row` floats behind. */
INLINE void max_window_2x2(const __global stored_x *x, int row, __global stored_y *y, __global ushort *index,
                           const __global float *norm, int C, int c, int left) {
    floatv best = read_x(x + c, norm, C, c, left);
    intv argmax = 0;
#define CANDIDATE(at, number)                                                                                \
    {                                                                                                        \
        const floatv v = read_x((at) + c, norm, C, c, left);                                                 \
        const intv is_larger = (v > best) | (v != v);                                                        \
        best = is_larger ? v : best;                                                                         \
        argmax = is_larger ? (intv)(number) : argmax;                                                        \
    }
    CANDIDATE(x + C, 1)
    CANDIDATE(x + row, 2)
    CANDIDATE(x + row + C, 3)
#undef CANDIDATE
    put(best, y + c, left);
    if (index) put_index(argmax, index + c, left);
}

INLINE void max_spread_window_2x2(const __global stored_y *dy, const __global ushort *index,
                                  __global stored_x *dx, int row, int accumulate, int C, int c, int left) {
    const floatv g = fetch(dy + c, left);
    const intv winner = fetch_index(index + c, left);
    add_or_put(winner == (intv)0 ? g : (floatv)0.0f, dx + c, left, accumulate);
    add_or_put(winner == (intv)1 ? g : (floatv)0.0f, dx + C + c, left, accumulate);
    add_or_put(winner == (intv)2 ? g : (floatv)0.0f, dx + row + c, left, accumulate);
    add_or_put(winner == (intv)3 ? g : (floatv)0.0f, dx + row + C + c, left, accumulate);
}

/* A task is a row of windows: OW windows of two rows of 2*OW pixels. */
KERNEL void max_forward_2x2(const __global stored_x *x, __global stored_y *y, __global ushort *index,
                            const __global float *norm, GEOMETRY) {
    const int row = W * C;
    FOR_TASKS(task, N * OH) {
        const __global stored_x *from = x + task * 2 * row;
        for (int at = task * OW * C, end = at + OW * C; at < end; at += C, from += 2 * C)
            FOR_CHANNELS(true, max_window_2x2(from, row, y + at, index ? index + at : 0, norm, C, c, left));
    }
}

KERNEL void max_spread_2x2(const __global stored_y *dy, const __global ushort *index, __global stored_x *dx,
                           int accumulate, GEOMETRY) {
    const int row = W * C;
    FOR_TASKS(task, N * OH) {
        __global stored_x *to = dx + task * 2 * row;
        for (int at = task * OW * C, end = at + OW * C; at < end; at += C, to += 2 * C)
            FOR_CHANNELS(!accumulate,
                         max_spread_window_2x2(dy + at, index + at, to, row, accumulate, C, c, left));
    }
}
#endif

/* The windows that can hold pixel (iy, ix). */
#define WINDOWS(iy, ix)                                                                                      \
    const int oy0 = first_window(iy, PH, (KH - 1) * DH, SH), oy1 = end_window(iy, PH, SH, OH);               \
    const int ox0 = first_window(ix, PW, (KW - 1) * DW, SW), ox1 = end_window(ix, PW, SW, OW);

INLINE void max_gather_pixel(const __global stored_y *dy, const __global ushort *index, __global stored_x *dx,
                             int accumulate, GEOMETRY, int n, int iy, int ix, int c, int left) {
    WINDOWS(iy, ix)
    floatv sum = 0.0f;
    for (int oy = oy0; oy < oy1; ++oy) {
        const int y = iy + PH - oy * SH, r = y / DH;
        for (int ox = ox0; ox < ox1 && r * DH == y; ++ox) {
            const int x = ix + PW - ox * SW, s = x / DW, from = ((n * OH + oy) * OW + ox) * C + c;
            if (s * DW != x) continue;
            const intv won = fetch_index(index + from, left) == (intv)(r * KW + s);
            sum += won ? fetch(dy + from, left) : (floatv)0.0f;
        }
    }
    add_or_put(sum, dx + ((n * H + iy) * W + ix) * C + c, left, accumulate);
}

INLINE void average_gather_pixel(const __global stored_y *dy, __global stored_x *dx, int accumulate, GEOMETRY,
                                 int n, int iy, int ix, int c, int left) {
    WINDOWS(iy, ix)
    floatv sum = 0.0f;
    for (int oy = oy0; oy < oy1; ++oy)
        for (int ox = ox0; ox < ox1; ++ox) {
            WINDOW(oy, ox)
            const int taps = TAPS;
            sum += fetch(dy + ((n * OH + oy) * OW + ox) * C + c, left) * (1.0f / (float)taps);
        }
    add_or_put(sum, dx + ((n * H + iy) * W + ix) * C + c, left, accumulate);
}

/* Adaptive pooling's window o of `count` over `size` pixels; also the windows that hold a pixel, the other way round. */
INLINE int span_start(int o, int size, int count) {
    return o * size / count;
}
INLINE int span_end(int o, int size, int count) {
    return ((o + 1) * size + count - 1) / count;
}

INLINE void adaptive_window(const __global stored_x *x, __global stored_y *y, GEOMETRY, int n, int oy, int ox,
                            int c, int left) {
    const int y0 = span_start(oy, H, OH), y1 = span_end(oy, H, OH);
    const int x0 = span_start(ox, W, OW), x1 = span_end(ox, W, OW);
    floatv sum = 0.0f;
    for (int iy = y0; iy < y1; ++iy)
        for (int ix = x0; ix < x1; ++ix) sum += fetch(x + ((n * H + iy) * W + ix) * C + c, left);
    put(sum * (1.0f / (float)((y1 - y0) * (x1 - x0))), y + ((n * OH + oy) * OW + ox) * C + c, left);
}

INLINE void adaptive_gather_pixel(const __global stored_y *dy, __global stored_x *dx, int accumulate,
                                  GEOMETRY, int n, int iy, int ix, int c, int left) {
    floatv sum = 0.0f;
    for (int oy = span_start(iy, OH, H); oy < span_end(iy, OH, H); ++oy)
        for (int ox = span_start(ix, OW, W); ox < span_end(ix, OW, W); ++ox) {
            const int taps =
                (span_end(oy, H, OH) - span_start(oy, H, OH)) * (span_end(ox, W, OW) - span_start(ox, W, OW));
            sum += fetch(dy + ((n * OH + oy) * OW + ox) * C + c, left) * (1.0f / (float)taps);
        }
    add_or_put(sum, dx + ((n * H + iy) * W + ix) * C + c, left, accumulate);
}

KERNEL void max_forward(const __global stored_x *x, __global stored_y *y, __global ushort *index,
                        const __global float *norm, GEOMETRY) {
    FOR_MAP(OH, OW, max_window(x, y, index, norm, SHAPE, image, row, column, c, left));
}

KERNEL void max_spread(const __global stored_y *dy, const __global ushort *index, __global stored_x *dx,
                       int accumulate, GEOMETRY) {
    FOR_MAP(OH, OW, max_spread_window(dy, index, dx, accumulate, SHAPE, image, row, column, c, left));
}

KERNEL void max_gather(const __global stored_y *dy, const __global ushort *index, __global stored_x *dx,
                       int accumulate, GEOMETRY) {
    FOR_MAP(H, W, max_gather_pixel(dy, index, dx, accumulate, SHAPE, image, row, column, c, left));
}

KERNEL void average_forward(const __global stored_x *x, __global stored_y *y, GEOMETRY) {
    FOR_MAP(OH, OW, average_window(x, y, SHAPE, image, row, column, c, left));
}

KERNEL void average_spread(const __global stored_y *dy, __global stored_x *dx, int accumulate, GEOMETRY) {
    FOR_MAP(OH, OW, average_spread_window(dy, dx, accumulate, SHAPE, image, row, column, c, left));
}

KERNEL void average_gather(const __global stored_y *dy, __global stored_x *dx, int accumulate, GEOMETRY) {
    FOR_MAP(H, W, average_gather_pixel(dy, dx, accumulate, SHAPE, image, row, column, c, left));
}

KERNEL void adaptive_forward(const __global stored_x *x, __global stored_y *y, GEOMETRY) {
    FOR_MAP(OH, OW, adaptive_window(x, y, SHAPE, image, row, column, c, left));
}

KERNEL void adaptive_gather(const __global stored_y *dy, __global stored_x *dx, int accumulate, GEOMETRY) {
    FOR_MAP(H, W, adaptive_gather_pixel(dy, dx, accumulate, SHAPE, image, row, column, c, left));
}
