/* Softmax over the channels of each pixel, of x (rows,C): y = exp(x - max) / sum of that; dx = y (dy - sum of y dy).  y may be x,
 * and dx may be dy.
 *
 * Ownership: a work-item has rows. */
#include "common.clh"

INLINE float largest_of(const __global float *x, int C) {
    float largest = x[0];
    for (int c = 1; c < C; ++c) largest = max(largest, x[c]);
    return largest;
}

KERNEL void forward(const __global float *x, __global float *y, int rows, int C) {
    FOR_TASKS(row, rows) {
        const __global float *from = x + row * C;
        __global float *to = y + row * C;
        const float largest = largest_of(from, C);
        floatv sum = 0.0f;
        FOR_COLUMNS(C, c, left, put(exp(fetch(from + c, left) - largest), to + c, left));
        FOR_COLUMNS(C, c, left, sum += fetch(to + c, left));
        const float inverse = 1.0f / across(sum);
        FOR_COLUMNS(C, c, left, put(fetch(to + c, left) * inverse, to + c, left));
    }
}

INLINE void gradient_at(const __global float *y, const __global float *dy, __global float *dx, float sum,
                        int accumulate, int left) {
    const floatv d = fetch(y, left) * (fetch(dy, left) - sum);
    add_or_put(d, dx, left, accumulate);
}

KERNEL void gradient(const __global float *y, const __global float *dy, __global float *dx, int rows, int C,
                     int accumulate) {
    FOR_TASKS(row, rows) {
        const int at = row * C;
        floatv product = 0.0f;
        FOR_COLUMNS(C, c, left, product += fetch(y + at + c, left) * fetch(dy + at + c, left));
        const float sum = across(product);
        FOR_COLUMNS(C, c, left, gradient_at(y + at + c, dy + at + c, dx + at + c, sum, accumulate, left));
    }
}
