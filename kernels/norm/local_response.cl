/* Local response norm over the channels of each pixel, x (rows,C): y = x / d^beta with d = k + alpha / size * the sum of x^2 over
 * `size` channels around, of those that there are.
 *   forward   y, and d, (rows,C), unless it is NULL
 *   gradient  dx = dy / d^beta - 2 alpha beta / size * x * the sum of dy y / d over as many channels
 *
 * Ownership: tile: a work-item has rows; group: elements. */
#include "map.clh"

/* The numbers from channel c on, which may be outside of `row`: these are `absent`. */
INLINE floatv around(const __global float *row, int c, int C, float absent) {
    if (c >= 0 && c + VEC <= C) return LOAD(row + c);
    float lane[VEC];
    EACH(i, VEC) lane[i] = c + i >= 0 && c + i < C ? row[c + i] : absent;
    return LOAD(lane);
}

/* d^-beta; d is above zero. */
INLINE floatv power_of(floatv d, float beta) {
    return exponential_floatv(-beta * log(d));
}

INLINE void forward_at(const __global float *x, __global float *y, __global float *saved, int c, int C,
                       int left, int size, float share, float beta, float k) {
    floatv sum = 0.0f;
    for (int i = c - size / 2; i <= c + size / 2; ++i) {
        const floatv v = around(x, i, C, 0.0f);
        sum += v * v;
    }
    const floatv d = k + share * sum;
    if (saved) put(d, saved + c, left);
    put(fetch(x + c, left) * power_of(d, beta), y + c, left);
}

KERNEL void forward(const __global float *x, __global float *y, __global float *saved, int rows, int C,
                    int size, float share, float beta, float k) {
    FOR_VECTORS(
        forward_at(x + row * C, y + row * C, saved ? saved + row * C : 0, c, C, left, size, share, beta, k));
}

INLINE void gradient_at(const __global float *x, const __global float *y, const __global float *dy,
                        const __global float *saved, __global float *dx, int c, int C, int left, int size,
                        float share, float beta, int accumulate) {
    floatv sum = 0.0f;
    for (int i = c - size / 2; i <= c + size / 2; ++i)
        sum += around(dy, i, C, 0.0f) * around(y, i, C, 0.0f) / around(saved, i, C, 1.0f);
    floatv d = fetch(saved + c, left);
    d = fetch(dy + c, left) * power_of(d, beta) - 2.0f * share * beta * fetch(x + c, left) * sum;
    add_or_put(d, dx + c, left, accumulate);
}

KERNEL void gradient(const __global float *x, const __global float *y, const __global float *dy,
                     const __global float *saved, __global float *dx, int rows, int C, int size, float share,
                     float beta, int accumulate) {
    FOR_VECTORS(gradient_at(x + row * C, y + row * C, dy + row * C, saved + row * C, dx + row * C, c, C, left,
                            size, share, beta, accumulate));
}
