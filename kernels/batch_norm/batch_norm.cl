/* Batch norm over the rows (pixels) of x (P,C), and its gradients: y = act((x - mean) * scale + shift + residual),
 * where scale = invstd * weight and shift = bias, with mean and variance of each channel over the batch.
 *
 * statistics, gradient_sums: sums over the rows, in B blocks (bn_sums.clh, which says how).  Often the kernel that
 * writes x, or dy, has computed them already.
 *
 * merge: folds the blocks, in their order, into saved, (6,C): mean, invstd, then, from `fold`, sum g and sum g * xhat,
 * then scale, shift.
 *
 * It moves the running statistics, unless control (may be NULL) says that the run has stopped.
 *
 * join_blocks: with statistics of several ranks, before merge: the mean and M2 of this rank, in the place of mean and invstd.
 * The host replaces them by those of all ranks, which then are the one block that merge reads.
 *
 * apply: one pass: y from x, residual and the channels' numbers.
 *
 * gradient: dx = scale * (g - sum g / P - xhat * sum(g * xhat) / P), dresidual = g.
 *
 * Ownership, tile: statistics and gradient_sums: a work-item has a block; merge and fold: VEC channels; apply and
 * gradient: a run of rows.  group: a work-group has a block of COLUMNS channels; merge and fold: MERGED channels;
 * apply and gradient: a work-item has every so many-th row of one channel, which takes a number of work-items that C
 * divides. */
#include "bn_sums.clh"
#include "common.clh"
#include "control.clh"

#define PREFETCH_DISTANCE 256 /* floats */

#pragma OPENCL FP_CONTRACT OFF

INLINE int block_begin(int rows, int block, int blocks) {
    return (int)((long)rows * block / blocks);
}

/* The sums of some rows, of the channels c..: mean and M2, or two sums. */
typedef struct {
    float rows;
    floatv first, second;
} part;

/* Merges b into a. */
INLINE void join(part *a, part b, int which) {
    if (which == STATISTICS) {
        const float share = b.rows / (a->rows + b.rows);
        const floatv step = b.first - a->first;
        a->first += step * share;
        a->second += b.second + step * step * (a->rows * share);
        a->rows += b.rows;
    } else {
        a->first += b.first;
        a->second += b.second;
    }
}

INLINE part part_at(const __global float *partial, int C, int block, int blocks, int c, int left) {
    const part p = {partial[blocks * 2 * C + block], fetch(partial + block * 2 * C + c, left),
                    fetch(partial + block * 2 * C + C + c, left)};
    return p;
}

/* Merges the blocks first, first + step, ..., in that order. */
INLINE part fold_blocks(const __global float *partial, int which, int C, int first, int step, int blocks,
                        int c, int left) {
    part all = part_at(partial, C, first, blocks, c, left);
    for (int block = first + step; block < blocks; block += step)
        join(&all, part_at(partial, C, block, blocks, c, left), which);
    return all;
}

/* What is summed: x, or dy. */
INLINE floatv summed(const __global stored_y *dy, row_sums s, int which, int at, int left) {
    return which == STATISTICS ? fetch(s.x + at, left) : fetch(dy + at, left);
}

#ifndef GROUP
#define FEW 8 /* rows that are summed in registers */

/* Sums n <= FEW rows, from `first` on. */
INLINE void few_rows(const __global stored_y *dy, row_sums s, int which, int first, int before, int n, int c,
                     int left) {
    accumulator t = accumulator_begin(s, which, c, left);
    EACH(row, FEW) {
        const int at = (first + row) * s.C + c, next = at + FEW * s.C;
        PREFETCH_READ_L2(s.x + next);
        if (which == GRADIENT_SUMS) PREFETCH_READ_L2(dy + next);
        if (which == GRADIENT_SUMS && s.y) PREFETCH_READ_L2(s.y + next);
        if (row < n) accumulator_add(&t, s, which, summed(dy, s, which, at, left), at, row == 0, left);
    }
    accumulator_end(t, s, which, n, before, c, left);
}

INLINE void block_of_rows(const __global stored_y *dy, SUMS_PARAMS, int which, int rows, int C) {
    const int block = (int)get_global_id(0), blocks = (int)get_global_size(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    const row_sums s = sums_begin(SUMS_ARGS, C, block);
    int first = begin;
    for (; first + FEW <= end; first += FEW)
        FOR_COLUMNS(C, c, left, few_rows(dy, s, which, first, first - begin, FEW, c, left));
    if (first < end)
        FOR_COLUMNS(C, c, left, few_rows(dy, s, which, first, first - begin, end - first, c, left));
    sums_count(partial, C, block, blocks, end - begin);
}
#define SUM_ROWS(dy, sums, which) block_of_rows(dy, sums, which, rows, C)

/* Runs `call` for each vector of channels, with all (the sums of all blocks), c and left in scope. */
#define FOR_FOLDED(all, which, c, left, call)                                                                \
    FOR_TASKS(task, (C + VEC - 1) / VEC) {                                                                   \
        const int c = task * VEC, left = C - c;                                                              \
        const part all = fold_blocks(partial, which, C, 0, 1, blocks, c, left);                              \
        call;                                                                                                \
    }

/* A vector of channels: where its numbers are; they are read when needed. */
typedef struct {
    const __global float *saved;
    int C, c, left;
} numbers;

INLINE numbers numbers_at(const __global float *saved, int C, int c, int left) {
    const numbers n = {saved, C, c, left};
    return n;
}
INLINE floatv number(numbers n, int which) {
    return fetch(n.saved + which * n.C + n.c, n.left);
}

/* Runs `call` for each vector of each row, with row, c, left and n (the channels' numbers) in scope.  The last
 * work-items have the first rows: the kernel before has left the last ones in the cache. */
#define FOR_ROWS(row, c, left, n, call)                                                                      \
    do {                                                                                                     \
        int share = (int)(get_global_size(0) - 1 - get_global_id(0)), end = share_begin(rows, share + 1);    \
        for (int row = share_begin(rows, share); row < end; ++row)                                           \
            FOR_COLUMNS(C, c, left, {                                                                        \
                const numbers n = numbers_at(saved, C, c, left);                                             \
                call;                                                                                        \
            });                                                                                              \
    } while (0)

#else /* GROUP: ITEMS work-items in a group, COLUMNS (or MERGED) channels wide and ITEMS / COLUMNS lines high */

/* Tree reduction over the work-items of a channel, `columns` apart; those of the first line get the result. */
INLINE part by_halves(part mine, int which, int columns, __local part *parts) {
    const int item = (int)get_local_id(0);
    parts[item] = mine;
    for (int stride = ITEMS / 2; stride >= columns; stride /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item >= stride) continue;
        if (which == GRADIENT_SUMS || parts[item + stride].rows > 0.0f)
            join(&mine, parts[item + stride], which);
        parts[item] = mine;
    }
    return mine;
}

/* Sums a block of rows, COLUMNS channels: each item some of them, then all items. */
INLINE void block_of_rows(const __global stored_y *dy, SUMS_PARAMS, int which, int rows, int C,
                          __local part *parts) {
    const int item = (int)get_local_id(0), c = (int)get_group_id(1) * COLUMNS + item % COLUMNS;
    const int block = (int)get_group_id(0), blocks = (int)get_num_groups(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    const row_sums s = sums_begin(SUMS_ARGS, C, block);
    accumulator t = accumulator_begin(s, which, min(c, C - 1), VEC);
    int n = 0;
    if (c < C)
        for (int row = begin + item / COLUMNS; row < end; row += ITEMS / COLUMNS, ++n)
            accumulator_add(&t, s, which, summed(dy, s, which, row * C + c, VEC), row * C + c, n == 0, VEC);
    if (n > 0) accumulator_finish(&t, which, n);
    const part mine = {(float)n, t.sum, t.other}, all = by_halves(mine, which, COLUMNS, parts);
    if (item < COLUMNS && c < C) {
        s.block[c] = all.first;
        s.block[C + c] = all.second;
    }
    if (item == 0 && get_group_id(1) == 0) sums_count(partial, C, block, blocks, end - begin);
}

#define SUM_ROWS(dy, sums, which)                                                                            \
    __local part parts[ITEMS];                                                                               \
    block_of_rows(dy, sums, which, rows, C, parts)

/* Folds all blocks, MERGED channels: each item every so many-th block, then all items. */
INLINE part fold_by_group(const __global float *partial, int which, int C, int blocks, int c,
                          __local part *parts) {
    const int line = (int)get_local_id(0) / MERGED;
    part mine = {0.0f, 0.0f, 0.0f};
    if (c < C && line < blocks) mine = fold_blocks(partial, which, C, line, ITEMS / MERGED, blocks, c, VEC);
    return by_halves(mine, which, MERGED, parts);
}

#define FOR_FOLDED(all, which, c, left, call)                                                                \
    __local part parts[ITEMS];                                                                               \
    const int item = (int)get_local_id(0), left = VEC, c = (int)get_group_id(0) * MERGED + item % MERGED;    \
    const part all = fold_by_group(partial, which, C, blocks, c, parts);                                     \
    if (item < MERGED && c < C) call

/* A channel's numbers themselves. */
typedef struct {
    float of[NUMBERS];
} numbers;

INLINE numbers numbers_at(const __global float *saved, int C, int c, int left) {
    numbers n;
    (void)left;
    EACH(which, NUMBERS) n.of[which] = saved[which * C + c];
    return n;
}
INLINE float number(numbers n, int which) {
    return n.of[which];
}

/* A work-item keeps its channel: no division an element, and the numbers stay in registers. */
#define FOR_ROWS(row, c, left, n, call)                                                                      \
    do {                                                                                                     \
        const uint id = (uint)get_global_id(0);                                                              \
        const int c = (int)(id % (uint)C), left = VEC, step = (int)((uint)get_global_size(0) / (uint)C);     \
        const numbers n = numbers_at(saved, C, c, left);                                                     \
        for (int row = (int)(id / (uint)C); row < rows; row += step) call;                                   \
    } while (0)
#endif

#define SUMS_OF_X partial, x, 0, 0, RF_ACT_NONE

KERNEL void statistics(const __global stored_x *x, __global float *partial, int rows, int C) {
    SUM_ROWS(0, SUMS_OF_X, STATISTICS);
}

KERNEL void gradient_sums(const __global stored_y *dy, int rows, int C, SUMS_PARAMS) {
    SUM_ROWS(dy, SUMS_ARGS, GRADIENT_SUMS);
}

/* What apply and the gradients need of the channels c.. */
INLINE void save(__global float *saved, floatv mean, floatv variance, const __global float *weight,
                 const __global float *bias, float eps, int C, int c, int left) {
    const floatv invstd = 1.0f / sqrt(variance + eps);
    put(mean, saved + MEAN * C + c, left);
    put(invstd, saved + INVSTD * C + c, left);
    put(invstd * fetch(weight + c, left), saved + SCALE * C + c, left);
    put(fetch(bias + c, left), saved + SHIFT * C + c, left);
}

INLINE void merge_at(part all, __global float *saved, const __global float *weight,
                     const __global float *bias, __global float *running_mean, __global float *running_var,
                     const __global uint *control, float eps, float momentum, int C, int c, int left) {
    const floatv unbiased = all.second / max(all.rows - 1.0f, 1.0f);
    save(saved, all.first, all.second / all.rows, weight, bias, eps, C, c, left);
    if (control && control[RF_CONTROL_STOP] != 0) return;
    const floatv old_mean = fetch(running_mean + c, left), old_var = fetch(running_var + c, left);
    put(old_mean + momentum * (all.first - old_mean), running_mean + c, left);
    put(old_var + momentum * (unbiased - old_var), running_var + c, left);
}

KERNEL void merge(const __global float *partial, __global float *saved, const __global float *weight,
                  const __global float *bias, __global float *running_mean, __global float *running_var,
                  const __global uint *control, int C, int blocks, float eps, float momentum) {
    FOR_FOLDED(
        all, STATISTICS, c, left,
        merge_at(all, saved, weight, bias, running_mean, running_var, control, eps, momentum, C, c, left));
}

INLINE void keep(part all, __global float *saved, int C, int c, int left) {
    put(all.first, saved + MEAN * C + c, left);
    put(all.second, saved + INVSTD * C + c, left);
}

KERNEL void join_blocks(const __global float *partial, __global float *saved, int C, int blocks) {
    FOR_FOLDED(all, STATISTICS, c, left, keep(all, saved, C, c, left));
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

INLINE channels channels_of(numbers n) {
    const channels v = {number(n, MEAN), number(n, SCALE), number(n, SHIFT)};
    return v;
}

INLINE void apply_at(const __global stored_x *x, const __global stored_x *residual, __global stored_y *y,
                     numbers n, int act, int at, int left) {
    PREFETCH_READ_L2(x + at + PREFETCH_DISTANCE);
    PREFETCH_WRITE(y + at + PREFETCH_DISTANCE);
    floatv z = normed(fetch(x + at, left), channels_of(n));
    if (residual) z += fetch(residual + at, left);
    put(activate(z, act), y + at, left);
}

KERNEL void apply(const __global stored_x *x, const __global stored_x *residual, __global stored_y *y,
                  const __global float *saved, int rows, int C, int act) {
    FOR_ROWS(row, c, left, n, apply_at(x, residual, y, n, act, row * C + c, left));
}

INLINE void fold_at(part all, __global float *saved, __global float *dweight, __global float *dbias, int C,
                    int c, int left) {
    const floatv sum = all.first, product = all.second * fetch(saved + INVSTD * C + c, left);
    put(sum, saved + SUM_G * C + c, left);
    put(product, saved + SUM_G_XHAT * C + c, left);
    put(product, dweight + c, left);
    put(sum, dbias + c, left);
}

KERNEL void fold(const __global float *partial, __global float *saved, __global float *dweight,
                 __global float *dbias, int C, int blocks) {
    FOR_FOLDED(all, GRADIENT_SUMS, c, left, fold_at(all, saved, dweight, dbias, C, c, left));
}

INLINE void gradient_at(const __global stored_x *x, const __global stored_y *y, const __global stored_y *dy,
                        __global stored_x *dx, __global stored_x *dresidual, numbers n, int act,
                        int accumulate, int accumulate_residual, float inverse, int at, int left) {
    PREFETCH_READ_L2(x + at + PREFETCH_DISTANCE);
    PREFETCH_READ_L2(dy + at + PREFETCH_DISTANCE);
    if (y) PREFETCH_READ_L2(y + at + PREFETCH_DISTANCE);
    if (dx) PREFETCH_WRITE(dx + at + PREFETCH_DISTANCE);
    const channels v = channels_of(n);
    const floatv value = fetch(x + at, left), seen = y ? fetch(y + at, left) : act_see(normed(value, v), act),
                 g = act_gradient(fetch(dy + at, left), seen, act);
    if (dresidual) put(accumulate_residual ? g + fetch(dresidual + at, left) : g, dresidual + at, left);
    if (dx) {
        const floatv xhat = (value - v.mean) * number(n, INVSTD);
        const floatv mean_g = number(n, SUM_G) * inverse, slope = number(n, SUM_G_XHAT) * inverse;
        const floatv d = v.scale * (g - mean_g - xhat * slope);
        add_or_put(d, dx + at, left, accumulate);
    }
}

KERNEL void gradient(const __global stored_x *x, const __global stored_y *y, const __global stored_y *dy,
                     __global stored_x *dx, __global stored_x *dresidual, const __global float *saved,
                     int rows, int C, int act, int accumulate, int accumulate_residual) {
    const float inverse = 1.0f / (float)rows;
    FOR_ROWS(row, c, left, n,
             gradient_at(x, y, dy, dx, dresidual, n, act, accumulate, accumulate_residual, inverse,
                         row * C + c, left));
}
