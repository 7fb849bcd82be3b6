/* The gradient of a slice of channels: dx[r][c] = dy[r][c - begin] for begin <= c < begin + width, else 0.
 *
 * dx is (rows,C), dy (rows,width).  Ownership: tile: a work-item has rows, group: elements of dx. */
#include "common.clh"

INLINE void copy_at(__global stored_x *to, const __global stored_x *from, int c, int left) {
    put(fetch(from + c, left), to + c, left);
}

INLINE void clear(__global stored_x *to, int count) {
    FOR_COLUMNS(count, c, left, put((floatv)0.0f, to + c, left));
}

KERNEL void spread(const __global stored_x *dy, __global stored_x *dx, int rows, int C, int begin,
                   int width) {
#ifdef GROUP
    FOR_TASKS(task, rows * C) {
        const int r = task / C, c = task % C - begin;
        store1(c >= 0 && c < width ? load1(dy + r * width + c) : 0.0f, dx + task);
    }
#else
    FOR_TASKS(r, rows) {
        __global stored_x *to = dx + r * C;
        const __global stored_x *from = dy + r * width;
        clear(to, begin);
        FOR_COLUMNS(width, c, left, copy_at(to + begin, from, c, left));
        clear(to + begin + width, C - begin - width);
    }
#endif
}
