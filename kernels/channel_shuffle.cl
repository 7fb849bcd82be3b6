/* Channel shuffle of x (rows,C): y[r][j * groups + i] = x[r][i * size + j], i < groups, j < size, C = groups * size: the
 * channels as a matrix, transposed.  With groups and size exchanged it is its own inverse, and gradient.
 *
 * Ownership: tile: a work-item has rows, group: elements of y. */
#include "common.clh"

INLINE void shuffle_one(const __global stored_x *x, __global stored_x *y, int from, int to, int accumulate) {
    const float v = load1(x + from);
    store1(accumulate ? v + load1(y + to) : v, y + to);
}

#ifndef GROUP
INLINE void shuffle_row(const __global stored_x *x, __global stored_x *y, int groups, int size,
                        int accumulate) {
    for (int j = 0; j < size; ++j)
        for (int i = 0; i < groups; ++i) shuffle_one(x, y, i * size + j, j * groups + i, accumulate);
}
#endif

KERNEL void shuffle_channels(const __global stored_x *x, __global stored_x *y, int rows, int groups, int size,
                             int accumulate) {
    const int C = groups * size;
#ifdef GROUP
    FOR_TASKS(task, rows * C) {
        const int c = task % C;
        shuffle_one(x, y, task - c + c % groups * size + c / groups, task, accumulate);
    }
#else
    FOR_TASKS(r, rows) { /* two groups, and their gradient, become vectors */
        if (groups == 2)
            shuffle_row(x + r * C, y + r * C, 2, size, accumulate);
        else if (size == 2)
            shuffle_row(x + r * C, y + r * C, groups, 2, accumulate);
        else
            shuffle_row(x + r * C, y + r * C, groups, size, accumulate);
    }
#endif
}
