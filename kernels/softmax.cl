/* Softmax over the channels of each pixel, of x (rows,C): y = exp(x - max) / sum of that; dx = y (dy - sum of y dy).  y may be x,
 * and dx may be dy.  forward_across and gradient_across: of x (rows,groups,C/groups), across the groups.
 *
 * Ownership: a work-item has rows. */
#include "common.clh"

INLINE float largest_of(const __global float *x, int C) {
    float largest = x[0];
    for (int c = 1; c < C; ++c) largest = max(largest, x[c]);
    return largest;
}

KERNEL void forward(const __global float *x, __global float *y, int rows, int C, int groups) {
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
                     int groups, int accumulate) {
    FOR_TASKS(row, rows) {
        const int at = row * C;
        floatv product = 0.0f;
        FOR_COLUMNS(C, c, left, product += fetch(y + at + c, left) * fetch(dy + at + c, left));
        const float sum = across(product);
        FOR_COLUMNS(C, c, left, gradient_at(y + at + c, dy + at + c, dx + at + c, sum, accumulate, left));
    }
}

INLINE void across_at(const __global float *x, __global float *y, int groups, int size, int left) {
    floatv largest = fetch(x, left), sum = 0.0f;
    for (int g = 1; g < groups; ++g) largest = max(largest, fetch(x + g * size, left));
    for (int g = 0; g < groups; ++g) {
        const floatv e = exp(fetch(x + g * size, left) - largest);
        put(e, y + g * size, left);
        sum += e;
    }
    const floatv inverse = 1.0f / sum;
    for (int g = 0; g < groups; ++g) put(fetch(y + g * size, left) * inverse, y + g * size, left);
}

KERNEL void forward_across(const __global float *x, __global float *y, int rows, int C, int groups) {
    const int size = C / groups;
    FOR_TASKS(row, rows)
    FOR_COLUMNS(size, c, left, across_at(x + row * C + c, y + row * C + c, groups, size, left));
}

INLINE void across_gradient_at(const __global float *y, const __global float *dy, __global float *dx,
                               int groups, int size, int accumulate, int left) {
    floatv sum = 0.0f;
    for (int g = 0; g < groups; ++g) sum += fetch(y + g * size, left) * fetch(dy + g * size, left);
    for (int g = 0; g < groups; ++g) {
        const floatv d = fetch(y + g * size, left) * (fetch(dy + g * size, left) - sum);
        add_or_put(d, dx + g * size, left, accumulate);
    }
}

KERNEL void gradient_across(const __global float *y, const __global float *dy, __global float *dx, int rows,
                            int C, int groups, int accumulate) {
    const int size = C / groups;
    FOR_TASKS(row, rows)
    FOR_COLUMNS(size, c, left,
                across_gradient_at(y + row * C + c, dy + row * C + c, dx + row * C + c, groups, size,
                                   accumulate, left));
}
