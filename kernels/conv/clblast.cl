/* The kernels around a matrix product by CLBlast: weights between panels, [k/16][c][16], and the matrix [c][k] of the
 * product; the epilogue (bias and activation); the bias gradient.
 *
 * Ownership: in unpack and pack a task has 16 outputs of one channel; in finish a vector of one pixel's outputs; in sum
 * a vector of outputs over ROWS pixels. */
#include "common.clh"

KERNEL void unpack(const __global float *panels, __global float *matrix, int matrix_at, int c, int k) {
    FOR_TASKS(task, (k + 15) / 16 * c) {
        const int o = task / c * 16, left = min(16, k - o);
        const __global float *from = panels + (size_t)task * 16;
        __global float *to = matrix + matrix_at + (size_t)(task % c) * k + o;
        for (int i = 0; i < left; i += VEC) put(LOAD(from + i), to + i, left - i);
    }
}

/* Zeros where a panel has no output. */
KERNEL void pack(const __global float *matrix, int matrix_at, __global float *panels, int c, int k) {
    FOR_TASKS(task, (k + 15) / 16 * c) {
        const int o = task / c * 16, left = min(16, k - o);
        const __global float *from = matrix + matrix_at + (size_t)(task % c) * k + o;
        __global float *to = panels + (size_t)task * 16;
        for (int i = 0; i < 16; i += VEC)
            STORE(i < left ? fetch(from + i, left - i) : (floatv)0.0f, to + i);
    }
}

/* y = act(y + bias); bias may be NULL. */
KERNEL void finish(__global float *y, const __global float *bias, int pixels, int k, int act) {
    const int vectors = (k + VEC - 1) / VEC;
    FOR_TASKS(task, pixels * vectors) {
        const int o = task % vectors * VEC, left = k - o;
        __global float *at = y + (size_t)(task / vectors) * k + o;
        floatv value = fetch(at, left);
        if (bias) value += fetch(bias + o, left);
        put(activate(value, act), at, left);
    }
}

/* The bias gradient's parts: sums of dy over ROWS pixels, [part][k]. */
KERNEL void sum(const __global float *dy, int dy_at, __global float *parts, int parts_at, int pixels, int k) {
    const int vectors = (k + VEC - 1) / VEC;
    FOR_TASKS(task, (pixels + ROWS - 1) / ROWS * vectors) {
        const int part = task / vectors, o = task % vectors * VEC, left = k - o;
        const int end = min(pixels, (part + 1) * ROWS);
        floatv total = 0.0f;
        for (int p = part * ROWS; p < end; ++p) total += fetch(dy + dy_at + (size_t)p * k + o, left);
        put(total, parts + parts_at + (size_t)part * k + o, left);
    }
}
