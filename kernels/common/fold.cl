/* Folds partial sums: to[s][c] = sum over blocks b of partial[b][s][c], for one or two sums (to1 may be null).
 *
 * partial is (blocks,sums,C).  Ownership: a work-item has vectors of columns c. */
#include "common.clh"

INLINE void fold_at(const __global float *partial, __global float *to, int blocks, int stride, int c,
                    int left) {
    floatv sum = 0.0f;
    for (int block = 0; block < blocks; ++block) sum += fetch(partial + block * stride + c, left);
    put(sum, to + c, left);
}

KERNEL void fold(const __global float *partial, __global float *to0, __global float *to1, int blocks,
                 int sums, int C) {
    FOR_TASKS(task, (C + VEC - 1) / VEC) {
        const int c = task * VEC, left = C - c;
        fold_at(partial, to0, blocks, sums * C, c, left);
        if (to1) fold_at(partial + C, to1, blocks, sums * C, c, left);
    }
}
