/* Resizing of x (N,H,W,C) to y (N,OH,OW,C).
 *   nearest   y[oy][ox] = x[oy H / OH][ox W / OW], rounded down
 *   bilinear  y is at num / den of x, linear between four pixels: the first and the next, with the share num % den / den of
 *             the next.  Pixels' centres are mapped to each other (num = (2 o + 1) in - out, den = 2 out), or with `corners`
 *             those of the corner pixels (num = o (in - 1), den = out - 1).
 *
 * The gradient of a pixel gathers dy where that pixel has a share.
 *
 * Ownership: pixels of y (forward) or dx; tile: a work-item has rows of them, group: elements. */
#include "map.clh"

INLINE void copy_at(const __global stored_x *x, __global stored_y *y, int left) {
    put(fetch(x, left), y, left);
}

KERNEL void nearest(const __global stored_x *x, __global stored_y *y, int N, int H, int W, int C, int OH,
                    int OW) {
    FOR_MAP(OH, OW, copy_at(x + ((n * H + row * H / OH) * W + column * W / OW) * C + c, y + at, left));
}

/* The first output whose nearest pixel is i. */
INLINE int first_nearest(int i, int in, int out) {
    return (i * out + in - 1) / in;
}

INLINE void nearest_gradient_at(const __global stored_y *dy, __global stored_x *dx, int row, int column,
                                int H, int W, int OH, int OW, int C, int accumulate, int left) {
    floatv sum = accumulate ? fetch(dx, left) : (floatv)0.0f;
    for (int oy = first_nearest(row, H, OH); oy < first_nearest(row + 1, H, OH); ++oy)
        for (int ox = first_nearest(column, W, OW); ox < first_nearest(column + 1, W, OW); ++ox)
            sum += fetch(dy + (oy * OW + ox) * C, left);
    put(sum, dx, left);
}

KERNEL void nearest_gradient(const __global stored_y *dy, __global stored_x *dx, int N, int H, int W, int C,
                             int OH, int OW, int accumulate) {
    FOR_MAP(H, W,
            nearest_gradient_at(dy + n * OH * OW * C + c, dx + at, row, column, H, W, OH, OW, C, accumulate,
                                left));
}

/* Along one axis: num of output o, and den. */
typedef struct {
    int in, out, corners;
    float inverse; /* 1 / den */
} axis;

INLINE int den_of(axis a) {
    return a.corners ? max(a.out - 1, 1) : 2 * a.out;
}
INLINE axis axis_of(int in, int out, int corners) {
    axis a = {in, out, corners, 0.0f};
    a.inverse = 1.0f / (float)den_of(a);
    return a;
}
INLINE int num_of(axis a, int o) {
    const int num = a.corners ? o * (a.in - 1) : (2 * o + 1) * a.in - a.out;
    return clamp(num, 0, (a.in - 1) * den_of(a));
}

/* The first pixel of output o, and the share of the next. */
INLINE int first_of(axis a, int o) {
    return num_of(a, o) / den_of(a);
}
INLINE float share_of(axis a, int o) {
    return (float)(num_of(a, o) - first_of(a, o) * den_of(a)) / (float)den_of(a);
}

/* The outputs [first_output, end_output) may have a share of input i: those between i - 1 and i + 1. */
INLINE int first_output(axis a, int i) {
    return a.corners ? (a.in > 1 ? max((i - 1) * (a.out - 1) / (a.in - 1), 0) : 0)
                     : max(((2 * i - 1) * a.out - a.in) / (2 * a.in), 0);
}
INLINE int end_output(axis a, int i) {
    return a.corners ? (a.in > 1 ? min((i + 1) * (a.out - 1) / (a.in - 1) + 1, a.out) : a.out)
                     : min((2 * i + 3) * a.out / (2 * a.in) + 1, a.out);
}
INLINE float weight_of(axis a, int i, int o) { /* without a division */
    return max(1.0f - fabs((float)(num_of(a, o) - i * den_of(a))) * a.inverse, 0.0f);
}

INLINE void bilinear_at(const __global stored_x *x, __global stored_y *y, axis v, axis h, int row, int column,
                        int C, int left) {
    const int below = first_of(v, row) < v.in - 1 ? h.in * C : 0,
              right = first_of(h, column) < h.in - 1 ? C : 0;
    const float down = share_of(v, row), across = share_of(h, column);
    const __global stored_x *from = x + (first_of(v, row) * h.in + first_of(h, column)) * C;
    const floatv upper = (1.0f - across) * fetch(from, left) + across * fetch(from + right, left);
    const floatv lower =
        (1.0f - across) * fetch(from + below, left) + across * fetch(from + below + right, left);
    put((1.0f - down) * upper + down * lower, y, left);
}

KERNEL void bilinear(const __global stored_x *x, __global stored_y *y, int N, int H, int W, int C, int OH,
                     int OW, int corners) {
    const axis v = axis_of(H, OH, corners), h = axis_of(W, OW, corners);
    FOR_MAP(OH, OW, bilinear_at(x + n * H * W * C + c, y + at, v, h, row, column, C, left));
}

INLINE void bilinear_gradient_at(const __global stored_y *dy, __global stored_x *dx, axis v, axis h, int row,
                                 int column, int C, int accumulate, int left) {
    floatv sum = accumulate ? fetch(dx, left) : (floatv)0.0f;
    for (int oy = first_output(v, row); oy < end_output(v, row); ++oy) {
        const float down = weight_of(v, row, oy);
        if (down == 0.0f) continue;
        for (int ox = first_output(h, column); ox < end_output(h, column); ++ox)
            sum += down * weight_of(h, column, ox) * fetch(dy + (oy * h.out + ox) * C, left);
    }
    put(sum, dx, left);
}

KERNEL void bilinear_gradient(const __global stored_y *dy, __global stored_x *dx, int N, int H, int W, int C,
                              int OH, int OW, int corners, int accumulate) {
    const axis v = axis_of(H, OH, corners), h = axis_of(W, OW, corners);
    FOR_MAP(H, W,
            bilinear_gradient_at(dy + n * v.out * h.out * C + c, dx + at, v, h, row, column, C, accumulate,
                                 left));
}
