/* Batch norm over the rows (pixels) of x (P,C), and its gradients: y = act((x - mean) * scale + shift + residual), where
 * scale = invstd * weight and shift = bias, with mean and variance of each channel over the batch.
 *
 * statistics, gradient_sums: sums over the rows, in B blocks (sums.clh, which says how).  Often the kernel that writes
 * x, or dy, has made them already.
 *
 * merge: folds the blocks, in their order, into saved, (6,C): mean, invstd, then, from `fold`, sum g and sum g * xhat, then scale, shift.
 *
 * apply: one pass: y from x, residual and the channels' numbers.
 *
 * gradient: dx = scale * (g - sum g / P - xhat * sum(g * xhat) / P), dresidual = g.
 *
 * low and high are act's limits (ReLU: 0 and none); a limit that is NaN compares false: there is none.
 *
 * Ownership: statistics and gradient_sums, tile: a work-item has a block; group: a work-group has a block of
 * COLUMNS channels.  merge and fold: a work-item has VEC channels.  apply and gradient, tile: a run of rows;
 * group: single elements. */
#include "common.clh"
#include "sums.clh"

#define AHEAD 256 /* floats */

#pragma OPENCL FP_CONTRACT OFF

INLINE int block_begin(int rows, int block, int blocks) {
    return (int)((long)rows * block / blocks);
}

#ifndef GROUP
#define FEW 8 /* rows that are summed in registers */

/* Sums n <= FEW rows of `from` (x or dy), from `first` on. */
INLINE void few_rows(const __global float *from, row_sums s, int which, int first, int before, int n, int c,
                     int left) {
    tally t = tally_begin(s, which, c, left);
    EACH(row, FEW) {
        const int at = (first + row) * s.C + c, next = at + FEW * s.C;
        LATER_READ(from + next);
        if (which == GRADIENT_SUMS) LATER_READ(s.x + next);
        if (which == GRADIENT_SUMS && s.y) LATER_READ(s.y + next);
        if (row < n) tally_add(&t, s, which, fetch(from + at, left), at, row == 0, left);
    }
    tally_end(t, s, which, n, before, c, left);
}

INLINE void block_of_rows(const __global float *from, SUMS_PARAMS, int which, int rows, int C) {
    const int block = (int)get_global_id(0), blocks = (int)get_global_size(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    const row_sums s = sums_begin(SUMS_ARGS, C, block);
    int first = begin;
    for (; first + FEW <= end; first += FEW)
        FOR_COLUMNS(C, c, left, few_rows(from, s, which, first, first - begin, FEW, c, left));
    if (first < end) FOR_COLUMNS(C, c, left, few_rows(from, s, which, first, first - begin, end - first, c, left));
    sums_count(partial, C, block, blocks, end - begin);
}
#define SUM_ROWS(from, sums, which) block_of_rows(from, sums, which, rows, C)

/* Makes `call`, which names row, c and left, for each vector of each row.  The last work-items have the first rows: the
 * kernel before has left the last ones in the cache. */
#define FOR_ROWS(row, c, left, call)                                                                         \
    do {                                                                                                     \
        int share = (int)(get_global_size(0) - 1 - get_global_id(0)), end = share_begin(rows, share + 1);    \
        for (int row = share_begin(rows, share); row < end; ++row) FOR_COLUMNS(C, c, left, call);            \
    } while (0)

#else /* GROUP: ITEMS work-items in a group, COLUMNS channels wide and ITEMS / COLUMNS rows high */

#define LINES (ITEMS / COLUMNS)

/* Sums a block of rows, COLUMNS channels: each item some of them, then all items by halves. */
INLINE void block_of_rows(const __global float *from, SUMS_PARAMS, int which, int rows, int C,
                          __local float *counts, __local float *firsts, __local float *seconds) {
    const int item = (int)get_local_id(0), line = item / COLUMNS,
              c = (int)get_group_id(1) * COLUMNS + item % COLUMNS;
    const int block = (int)get_group_id(0), blocks = (int)get_num_groups(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    const row_sums s = sums_begin(SUMS_ARGS, C, block);
    tally t = tally_begin(s, which, min(c, C - 1), VEC);
    int n = 0;
    if (c < C)
        for (int row = begin + line; row < end; row += LINES, ++n)
            tally_add(&t, s, which, from[row * C + c], row * C + c, n == 0, VEC);
    if (n > 0) tally_finish(&t, which, n);
    counts[item] = (float)n;
    firsts[item] = t.sum;
    seconds[item] = t.other;
    for (int stride = LINES / 2; stride > 0; stride /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (line >= stride) continue;
        const int other = item + stride * COLUMNS;
        if (which == STATISTICS && counts[other] > 0.0f) {
            const float all = counts[item] + counts[other], share = counts[other] / all;
            const float step = firsts[other] - firsts[item];
            firsts[item] += step * share;
            seconds[item] += seconds[other] + step * step * (counts[item] * share);
            counts[item] = all;
        } else if (which == GRADIENT_SUMS) {
            firsts[item] += firsts[other];
            seconds[item] += seconds[other];
        }
    }
    if (line == 0 && c < C) {
        s.block[c] = firsts[item];
        s.block[C + c] = seconds[item];
    }
    if (item == 0 && get_group_id(1) == 0) sums_count(partial, C, block, blocks, end - begin);
}

#define SUM_ROWS(from, sums, which)                                                                          \
    __local float counts[ITEMS], firsts[ITEMS], seconds[ITEMS];                                              \
    block_of_rows(from, sums, which, rows, C, counts, firsts, seconds)

#define FOR_ROWS(row, c, left, call)                                                                         \
    FOR_TASKS(task, rows *C) {                                                                               \
        const int row = task / C, c = task % C, left = VEC;                                                  \
        call;                                                                                                \
    }
#endif

#define NO_SUMS partial, 0, 0, 0, 0.0f, 0.0f /* but where to put them */

KERNEL void statistics(const __global float *x, __global float *partial, int rows, int C) {
    SUM_ROWS(x, NO_SUMS, STATISTICS);
}

KERNEL void gradient_sums(const __global float *dy, int rows, int C, SUMS_PARAMS) {
    SUM_ROWS(dy, SUMS_ARGS, GRADIENT_SUMS);
}

/* What apply and the gradients need of the channels c.. */
INLINE void save(__global float *saved, floatv mean, floatv variance, const __global float *weight,
                 const __global float *bias, float eps, int C, int c, int left) {
    const floatv invstd = 1.0f / sqrt(variance + eps);
    put(mean, saved + c, left);
    put(invstd, saved + C + c, left);
    put(invstd * fetch(weight + c, left), saved + 4 * C + c, left);
    put(fetch(bias + c, left), saved + 5 * C + c, left);
}

KERNEL void merge(const __global float *partial, __global float *saved, const __global float *weight,
                  const __global float *bias, __global float *running_mean, __global float *running_var,
                  int C, int blocks, float eps, float momentum) {
    const __global float *rows = partial + blocks * 2 * C;
    FOR_TASKS(task, (C + VEC - 1) / VEC) {
        const int c = task * VEC, left = C - c;
        floatv mean = fetch(partial + c, left), square = fetch(partial + C + c, left);
        float before = rows[0];
        for (int block = 1; block < blocks; ++block) {
            const float share = rows[block] / (before + rows[block]);
            const floatv step = fetch(partial + block * 2 * C + c, left) - mean;
            mean += step * share;
            square += fetch(partial + block * 2 * C + C + c, left) + step * step * (before * share);
            before += rows[block];
        }
        const floatv unbiased = square / max(before - 1.0f, 1.0f);
        save(saved, mean, square / before, weight, bias, eps, C, c, left);
        const floatv old_mean = fetch(running_mean + c, left), old_var = fetch(running_var + c, left);
        put(old_mean + momentum * (mean - old_mean), running_mean + c, left);
        put(old_var + momentum * (unbiased - old_var), running_var + c, left);
    }
}

/* Inference: what `apply` needs, from the running statistics. */
KERNEL void running(const __global float *running_mean, const __global float *running_var,
                    __global float *saved, const __global float *weight, const __global float *bias, int C,
                    float eps) {
    FOR_TASKS(task, (C + VEC - 1) / VEC) {
        const int c = task * VEC, left = C - c;
        save(saved, fetch(running_mean + c, left), fetch(running_var + c, left), weight, bias, eps, C, c,
             left);
    }
}

INLINE void apply_at(const __global float *x, const __global float *residual, __global float *y,
                     const __global float *saved, int C, float low, float high, int row, int c, int left) {
    const int at = row * C + c;
    LATER_READ(x + at + AHEAD);
    SOON_WRITTEN(y + at + AHEAD);
    floatv z = normed(fetch(x + at, left), channels_at(saved, C, c, left));
    if (residual) z += fetch(residual + at, left);
    put(limit(z, low, high), y + at, left);
}

KERNEL void apply(const __global float *x, const __global float *residual, __global float *y,
                  const __global float *saved, int rows, int C, float low, float high) {
    FOR_ROWS(row, c, left, apply_at(x, residual, y, saved, C, low, high, row, c, left));
}

KERNEL void fold(const __global float *partial, __global float *saved, __global float *dweight,
                 __global float *dbias, int C, int blocks) {
    FOR_TASKS(task, (C + VEC - 1) / VEC) {
        const int c = task * VEC, left = C - c;
        floatv sum = fetch(partial + c, left), product = fetch(partial + C + c, left);
        for (int block = 1; block < blocks; ++block) {
            sum += fetch(partial + block * 2 * C + c, left);
            product += fetch(partial + block * 2 * C + C + c, left);
        }
        product *= fetch(saved + C + c, left);
        put(sum, saved + 2 * C + c, left);
        put(product, saved + 3 * C + c, left);
        put(product, dweight + c, left);
        put(sum, dbias + c, left);
    }
}

INLINE void gradient_at(const __global float *x, const __global float *y, const __global float *dy,
                        __global float *dx, __global float *dresidual, const __global float *saved, int C,
                        float low, float high, int accumulate, int accumulate_residual, float inverse,
                        int row, int c, int left) {
    const int at = row * C + c;
    LATER_READ(x + at + AHEAD);
    LATER_READ(dy + at + AHEAD);
    if (y) LATER_READ(y + at + AHEAD);
    if (dx) SOON_WRITTEN(dx + at + AHEAD);
    const channels v = channels_at(saved, C, c, left);
    const floatv value = fetch(x + at, left),
                 g = passed(fetch(dy + at, left), y ? fetch(y + at, left) : normed(value, v), low, high);
    if (dresidual) put(accumulate_residual ? g + fetch(dresidual + at, left) : g, dresidual + at, left);
    if (dx) {
        const floatv xhat = (value - v.mean) * fetch(saved + C + c, left);
        const floatv mean_g = fetch(saved + 2 * C + c, left) * inverse,
                     slope = fetch(saved + 3 * C + c, left) * inverse;
        const floatv d = v.scale * (g - mean_g - xhat * slope);
        put(accumulate ? d + fetch(dx + at, left) : d, dx + at, left);
    }
}

KERNEL void gradient(const __global float *x, const __global float *y, const __global float *dy,
                     __global float *dx, __global float *dresidual, const __global float *saved, int rows,
                     int C, float low, float high, int accumulate, int accumulate_residual) {
    const float inverse = 1.0f / (float)rows;
    FOR_ROWS(row, c, left,
             gradient_at(x, y, dy, dx, dresidual, saved, C, low, high, accumulate, accumulate_residual, inverse, row,
                         c, left));
}
