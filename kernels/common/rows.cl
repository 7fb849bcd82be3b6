/* Copies and adds rows, for add, concat and their gradients: to[r][c] = act(a[r][c] + b[r][c]), r < rows,
 * c < columns.
 *
 * Each of to, a, b starts at its own offset and has its own stride from row to row; b may be null, and they may be the
 * same memory at the same offset.  A dense array is one row.
 *
 * Ownership: tile: a work-item has VEC columns of the row, or a row where there are several; group: an element. */
#include "common.clh"

INLINE void sum_at(__global stored_x *to, const __global stored_x *a, const __global stored_x *b, int c,
                   int left, int act) {
    const floatv v = fetch(a + c, left);
    put(activate(b ? v + fetch(b + c, left) : v, act), to + c, left);
}

KERNEL void sum(__global stored_x *to, int to_offset, int to_stride, const __global stored_x *a, int a_offset,
                int a_stride, const __global stored_x *b, int b_offset, int b_stride, int rows, int columns,
                int act) {
#ifdef GROUP
    FOR_TASKS(task, rows * columns) {
        const int r = task / columns, c = task % columns;
        sum_at(to + to_offset + r * to_stride, a + a_offset + r * a_stride,
               b ? b + b_offset + r * b_stride : 0, c, 1, act);
    }
#else
    if (rows == 1) {
        FOR_TASKS(task, (columns + VEC - 1) / VEC)
        sum_at(to + to_offset, a + a_offset, b ? b + b_offset : 0, task * VEC, columns - task * VEC, act);
        return;
    }
    FOR_TASKS(r, rows) {
        __global stored_x *row = to + to_offset + r * to_stride;
        const __global stored_x *from = a + a_offset + r * a_stride,
                                *more = b ? b + b_offset + r * b_stride : 0;
        FOR_COLUMNS(columns, c, left, sum_at(row, from, more, c, left, act));
    }
#endif
}
