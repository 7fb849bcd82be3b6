/* The mean and the maximum over the channels of each pixel, of x (rows,C), y (rows).
 *   mean      y = sum of x / C, dx = dy / C
 *   maximum   y is the largest (NaN propagates), `index` (rows) its first channel; dx is dy there, else 0
 *
 * Ownership: forward, a work-item has rows.  Gradients: tile: rows, group: elements of dx. */
#include "common.clh"

KERNEL void mean(const __global stored_x *x, __global stored_y *y, int rows, int C) {
    FOR_TASKS(row, rows) {
        floatv sum = 0.0f;
        FOR_COLUMNS(C, c, left, sum += fetch(x + row * C + c, left));
        store1(across(sum) / C, y + row);
    }
}

/* Takes v, at channel c, if it is larger, or as large and before. */
INLINE void consider(float v, int c, float *best, int *argmax) {
    if (v > *best || v != v || (v == *best && c < *argmax)) {
        *best = v;
        *argmax = c;
    }
}

KERNEL void maximum(const __global stored_x *x, __global stored_y *y, __global int *index, int rows, int C) {
    FOR_TASKS(row, rows) {
        const __global stored_x *from = x + row * C;
        float best = -INFINITY;
        int argmax = C, c = 0;
#if VEC > 1
        if (C >= VEC) { /* a maximum for each place in a vector */
            float values[VEC];
            int first[VEC];
            floatv bests = -INFINITY;
            intv firsts = 0;
            for (; c + VEC <= C; c += VEC) {
                const floatv v = fetch(from + c, VEC);
                const intv is_larger = (v > bests) | (v != v);
                bests = is_larger ? v : bests;
                firsts = is_larger ? (intv)c : firsts;
            }
            STORE(bests, values);
            STORE(firsts, first);
            for (int i = 0; i < VEC; ++i) consider(values[i], first[i] + i, &best, &argmax);
        }
#endif
        for (; c < C; ++c) consider(load1(from + c), c, &best, &argmax);
        store1(best, y + row);
        if (index) index[row] = argmax;
    }
}

KERNEL void mean_gradient(const __global stored_y *dy, __global stored_x *dx, int rows, int C,
                          int accumulate) {
#ifdef GROUP
    FOR_TASKS(task, rows * C) add_or_put(load1(dy + task / C) / C, dx + task, 1, accumulate);
#else
    FOR_TASKS(row, rows) {
        const floatv v = load1(dy + row) / C;
        FOR_COLUMNS(C, c, left, add_or_put(v, dx + row * C + c, left, accumulate));
    }
#endif
}

KERNEL void maximum_gradient(const __global stored_y *dy, const __global int *index, __global stored_x *dx,
                             int rows, int C, int accumulate) {
#ifdef GROUP
    FOR_TASKS(task, rows * C)
    add_or_put(task % C == index[task / C] ? load1(dy + task / C) : 0.0f, dx + task, 1, accumulate);
#else
    FOR_TASKS(row, rows) {
        __global stored_x *to = dx + row * C;
        if (!accumulate) FOR_COLUMNS(C, c, left, put((floatv)0.0f, to + c, left));
        to += index[row];
        store1(load1(to) + load1(dy + row), to);
    }
#endif
}
