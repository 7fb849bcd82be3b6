/* Folds partial sums: to[s][c] = sum over blocks b of partial[b][s][c], for one or two sums (to1 may be null).
 *
 * row_sums makes them of rows.  partial is (blocks,sums,C), from `offset` on.  Ownership: a work-item has vectors of columns c. */
#include "fold.clh"

INLINE void fold_at(const __global float *partial, __global float *to, int blocks, int stride, int c,
                    int left) {
    floatv sum = 0.0f;
    for (int block = 0; block < blocks; ++block) sum += fetch(partial + block * stride + c, left);
    put(sum, to + c, left);
}

KERNEL void fold(const __global float *partial, __global float *to0, __global float *to1, int blocks,
                 int sums, int offset, int C) {
    FOR_TASKS(task, (C + VEC - 1) / VEC) {
        const int c = task * VEC, left = C - c;
        fold_at(partial + offset, to0, blocks, sums * C, c, left);
        if (to1) fold_at(partial + offset + C, to1, blocks, sums * C, c, left);
    }
}

INLINE void sum_rows(const __global float *from, __global float *to, int begin, int end, bool is_first, int C,
                     int left) {
    floatv sum = 0.0f;
    for (int row = begin; row < end; ++row) sum += fetch(from + row * C, left);
    block_add(to, sum, is_first, left);
}

KERNEL void row_sums(const __global float *from, __global float *partial, int rows, int C, int blocks) {
    FOR_BLOCKS(sum_rows(from + c, partial + block * C + c, begin, end, is_first, C, left));
}
