/* Max and average pooling of x (N,H,W,C) to y (N,OH,OW,C): window (oy, ox) covers the pixels
 * (oy*SH - PH + r*DH, ox*SW - PW + s*DW), r < KH, s < KW, that lie inside the map.
 *
 * max: y is the window's first maximum (a NaN wins), `index` its place r*KW + s; dx gathers dy of the windows that it won.
 * average: y = sum / divisor, the divisor being KH*KW with COUNT_PAD, else the number of pixels inside.
 * Ownership: forward, one element of y; backward, one of dx (a gather: nothing is written twice).  An element is VEC
 * channels of a pixel.  tile: a task is a row of pixels; group: an element. */
#include "common.clh"

#define GEOMETRY                                                                                             \
    int N, int H, int W, int C, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW, int DH,      \
        int DW, int count_pad

/* Walks n, y, x, c over a map of (N, height, width, C). */
#ifdef GROUP
#define FOR_ELEMENTS(n, y, x, c, height, width)                                                              \
    FOR_TASKS(task, N * (height) * (width) * C)                                                              \
    for (int c = task % C, pixel = task / C, x = pixel % (width), y = pixel / (width) % (height),            \
             n = pixel / (width) / (height), once = 1;                                                       \
         once; once = 0)
#else
#define FOR_ELEMENTS(n, y, x, c, height, width)                                                              \
    FOR_TASKS(task, N * (height))                                                                            \
    for (int n = task / (height), y = task % (height), x = 0; x < (width); ++x)                              \
        for (int c = 0; c < C; c += VEC)
#endif

/* The taps [from, to) of a window at `start` (which may be negative) that fall inside [0, size). */
static inline int first_tap(int start, int step) { return start < 0 ? (-start + step - 1) / step : 0; }
static inline int end_tap(int start, int step, int taps, int size) {
    return start >= size ? 0 : min(taps, (size - start + step - 1) / step);
}
/* The windows [from, to) that can hold pixel `at`; `reach` is (taps-1)*step. */
static inline int first_window(int at, int pad, int reach, int stride) {
    return at + pad < reach ? 0 : (at + pad - reach + stride - 1) / stride;
}
static inline int end_window(int at, int pad, int stride, int count) { return min(count, (at + pad) / stride + 1); }

static inline void put_index(intv v, __global ushort *p, int left) {
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

static inline intv fetch_index(const __global ushort *p, int left) {
#if VEC == 1
    return *p;
#else
    if (left >= VEC) return PASTE(convert_int, VEC)(PASTE(vload, VEC)(0, p));
    int part[VEC];
    for (int i = 0; i < VEC; ++i) part[i] = i < left ? p[i] : 0;
    return PASTE(vload, VEC)(0, part);
#endif
}

KERNEL void max_forward(const __global float *x, __global float *y, __global ushort *index, GEOMETRY) {
    FOR_ELEMENTS(n, oy, ox, c, OH, OW) {
        const int y0 = oy * SH - PH, x0 = ox * SW - PW;
        const int r0 = first_tap(y0, DH), r1 = end_tap(y0, DH, KH, H);
        const int s0 = first_tap(x0, DW), s1 = end_tap(x0, DW, KW, W);
        floatv best = -INFINITY;
        intv place = r0 * KW + s0;
        for (int r = r0; r < r1; ++r)
            for (int s = s0; s < s1; ++s) {
                const floatv v = fetch(x + ((n * H + y0 + r * DH) * W + x0 + s * DW) * C + c, C - c);
                const intv wins = v > best || isnan(v);
                best = wins ? v : best;
                place = wins ? (intv)(r * KW + s) : place;
            }
        const int at = ((n * OH + oy) * OW + ox) * C + c;
        put(best, y + at, C - c);
        if (index) put_index(place, index + at, C - c);
    }
}

KERNEL void max_backward(const __global float *dy, const __global ushort *index, __global float *dx, int accumulate,
                           GEOMETRY) {
    FOR_ELEMENTS(n, iy, ix, c, H, W) {
        const int oy0 = first_window(iy, PH, (KH - 1) * DH, SH), oy1 = end_window(iy, PH, SH, OH);
        const int ox0 = first_window(ix, PW, (KW - 1) * DW, SW), ox1 = end_window(ix, PW, SW, OW);
        const int at = ((n * H + iy) * W + ix) * C + c;
        floatv sum = 0.0f;
        for (int oy = oy0; oy < oy1; ++oy) {
            const int y = iy + PH - oy * SH;
            for (int ox = ox0; ox < ox1; ++ox) {
                const int x = ix + PW - ox * SW, from = ((n * OH + oy) * OW + ox) * C + c;
                if (y % DH != 0 || x % DW != 0) continue;
                const intv won = fetch_index(index + from, C - c) == (intv)(y / DH * KW + x / DW);
                sum += won ? fetch(dy + from, C - c) : (floatv)0.0f;
            }
        }
        put(accumulate ? sum + fetch(dx + at, C - c) : sum, dx + at, C - c);
    }
}

static inline float divisor(int taps, int count_pad, int KH, int KW) { return (float)(count_pad ? KH * KW : taps); }

KERNEL void average_forward(const __global float *x, __global float *y, GEOMETRY) {
    FOR_ELEMENTS(n, oy, ox, c, OH, OW) {
        const int y0 = oy * SH - PH, x0 = ox * SW - PW;
        const int r0 = first_tap(y0, 1), r1 = end_tap(y0, 1, KH, H);
        const int s0 = first_tap(x0, 1), s1 = end_tap(x0, 1, KW, W);
        floatv sum = 0.0f;
        for (int r = r0; r < r1; ++r)
            for (int s = s0; s < s1; ++s) sum += fetch(x + ((n * H + y0 + r) * W + x0 + s) * C + c, C - c);
        const float inverse = 1.0f / divisor((r1 - r0) * (s1 - s0), count_pad, KH, KW);
        put(sum * inverse, y + ((n * OH + oy) * OW + ox) * C + c, C - c);
    }
}

KERNEL void average_backward(const __global float *dy, __global float *dx, int accumulate, GEOMETRY) {
    FOR_ELEMENTS(n, iy, ix, c, H, W) {
        const int oy0 = first_window(iy, PH, KH - 1, SH), oy1 = end_window(iy, PH, SH, OH);
        const int ox0 = first_window(ix, PW, KW - 1, SW), ox1 = end_window(ix, PW, SW, OW);
        const int at = ((n * H + iy) * W + ix) * C + c;
        floatv sum = 0.0f;
        for (int oy = oy0; oy < oy1; ++oy) {
            const int y0 = oy * SH - PH, rows = end_tap(y0, 1, KH, H) - first_tap(y0, 1);
            for (int ox = ox0; ox < ox1; ++ox) {
                const int x0 = ox * SW - PW, columns = end_tap(x0, 1, KW, W) - first_tap(x0, 1);
                const float inverse = 1.0f / divisor(rows * columns, count_pad, KH, KW);
                sum += fetch(dy + ((n * OH + oy) * OW + ox) * C + c, C - c) * inverse;
            }
        }
        put(accumulate ? sum + fetch(dx + at, C - c) : sum, dx + at, C - c);
    }
}
