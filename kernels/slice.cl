/* The gradient of a slice of channels: dx[r][c] = dy[r][c - begin] for begin <= c < begin + width, else 0.
 *
 * dx is (rows,C), dy (rows,width).  Ownership: tile: a work-item has rows, group: elements of dx. */
#include "common.clh"

INLINE void copy_at(__global float *to, const __global float *from, int c, int left) {
    put(fetch(from + c, left), to + c, left);
}

INLINE void clear(__global float *to, int count) {
    FOR_COLUMNS(count, c, left, put((floatv)0.0f, to + c, left));
}

KERNEL void spread(const __global float *dy, __global float *dx, int rows, int C, int begin, int width) {
#ifdef GROUP
    FOR_TASKS(task, rows * C) {
        const int r = task / C, c = task % C - begin;
        dx[task] = c >= 0 && c < width ? dy[r * width + c] : 0.0f;
    }
#else
    FOR_TASKS(r, rows) {
        __global float *to = dx + r * C;
        const __global float *from = dy + r * width;
        clear(to, begin);
        FOR_COLUMNS(width, c, left, copy_at(to + begin, from, c, left));
        clear(to + begin + width, C - begin - width);
    }
#endif
}
