/* Batch norm over the rows (pixels) of x (P,C), and its gradients: y = act((x - mean) * invstd * weight +
 * bias + residual), with mean and variance of each channel over the batch.
 *
 * statistics: each of B blocks of rows yields mean and M2 = sum (x - mean)^2 of its rows, from a few rows at
 * a time, whose values stay in registers (tile) or in the cache (group: `run` of an item's rows) for a second
 * look; all are merged by Chan's formula in a fixed order. (Never E[x^2] - mean^2, which cancels.)  partial
 * is (B,2,C): mean, M2.
 *
 * merge: folds the blocks into saved, (4,C): mean, invstd, and, from `fold`, sum g and sum g * xhat.
 *
 * apply: one pass: y from x, residual and the channels' numbers.
 *
 * gradient_sums, fold: sums of g and g * xhat over the rows, g = dy where act let y pass; in blocks as above.
 * Where there was no residual, `bias` is given and y is not: then x tells what act saw, and y is not read.
 *
 * gradient: dx = weight * invstd * (g - sum g / P - xhat * sum(g * xhat) / P), dresidual = g.
 *
 * low and high are act's limits (ReLU: 0 and none); a limit that is NaN compares false: there is none.
 *
 * Ownership: statistics and gradient_sums, tile: a work-item has a block; group: a work-group has a block of
 * COLUMNS channels.  merge and fold: a work-item has VEC channels.  apply and gradient, tile: a run of rows;
 * group: single elements. */
#include "common.clh"

#define AHEAD 256 /* floats */

/* What act saw is computed again by the gradients, and must be the same number: no multiply-add may be fused
 * in one place and not in the other. */
#pragma OPENCL FP_CONTRACT OFF

INLINE int block_begin(int rows, int block, int blocks) {
    return (int)((long)rows * block / blocks);
}

INLINE floatv limit(floatv z, float low, float high) {
    return z <= low ? (floatv)low : (z >= high ? (floatv)high : z);
}
INLINE floatv passed(floatv dy, floatv y, float low, float high) {
    return y <= low || y >= high ? (floatv)0.0f : dy;
}

/* A vector of channels: what their numbers are. */
typedef struct {
    floatv mean, scale, shift;
} channels;

INLINE channels channels_at(const __global float *saved, const __global float *weight,
                            const __global float *bias, int C, int c, int left) {
    channels v = {fetch(saved + c, left), 0.0f, 0.0f};
    if (bias) {
        v.scale = fetch(saved + C + c, left) * fetch(weight + c, left);
        v.shift = fetch(bias + c, left);
    }
    return v;
}
INLINE floatv normed(floatv x, channels v) {
    return (x - v.mean) * v.scale + v.shift;
}

/* dy where act let pass what it saw: y, or, given bias, what x becomes; all of it without either. */
INLINE floatv gradient_of(floatv dy, floatv x, const __global float *y, const __global float *bias,
                          channels v, float low, float high, int left) {
    if (bias) return passed(dy, normed(x, v), low, high);
    return y ? passed(dy, fetch(y, left), low, high) : dy;
}

#ifndef GROUP
#define FEW            8 /* rows whose statistics are taken in registers */
#define PAIRS          4 /* rows that are added to the sums at a time */

/* Folds n <= FEW rows from x[first][c] on into mean and M2 of the `before` rows that the block has seen. */
INLINE void statistics_at(const __global float *x, __global float *means, __global float *squares, int C,
                          int first, int before, int n, int c, int left) {
    const float share = (float)n / (float)(before + n), weight = (float)before * share;
    const __global float *from = x + first * C + c;
    floatv value[FEW], mean = 0.0f, square = 0.0f;
    EACH(row, FEW) {
        value[row] = 0.0f;
        if (row < n) value[row] = fetch(from + row * C, left);
        SOON_READ(from + (row + FEW) * C);
    }
    mean = ((value[0] + value[1]) + (value[2] + value[3])) + ((value[4] + value[5]) + (value[6] + value[7]));
    mean *= 1.0f / (float)n;
    EACH(row, FEW) if (row < n) square += (value[row] - mean) * (value[row] - mean);
    if (before == 0) {
        put(mean, means + c, left);
        put(square, squares + c, left);
    } else {
        const floatv old = fetch(means + c, left), step = mean - old;
        put(old + step * share, means + c, left);
        put(fetch(squares + c, left) + square + step * step * weight, squares + c, left);
    }
}

KERNEL void statistics(const __global float *x, __global float *partial, int rows, int C, int run) {
    const int block = (int)get_global_id(0), blocks = (int)get_global_size(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    __global float *means = partial + block * 2 * C, *squares = means + C;
    int first = begin;
    for (; first + FEW <= end; first += FEW)
        FOR_COLUMNS(C, statistics_at, x, means, squares, C, first, first - begin, FEW);
    if (first < end) FOR_COLUMNS(C, statistics_at, x, means, squares, C, first, first - begin, end - first);
}

/* Adds g and g * (x - mean) of n <= PAIRS rows from `first` on to the sums. */
INLINE void gradient_sums_at(const __global float *x, const __global float *y, const __global float *dy,
                             const __global float *saved, const __global float *weight,
                             const __global float *bias, __global float *sums, __global float *products,
                             float low, float high, int C, int first, int before, int n, int c, int left) {
    const channels v = channels_at(saved, weight, bias, C, c, left);
    floatv sum[PAIRS], product[PAIRS];
    EACH(row, PAIRS) {
        const int at = (first + row) * C + c, next = at + PAIRS * C;
        sum[row] = product[row] = 0.0f;
        SOON_READ(dy + next);
        SOON_READ(x + next);
        if (y) SOON_READ(y + next);
        if (row < n) {
            const floatv value = fetch(x + at, left),
                         g = gradient_of(fetch(dy + at, left), value, y ? y + at : 0, bias, v, low, high,
                                         left);
            sum[row] = g;
            product[row] = g * (value - v.mean);
        }
    }
    floatv all = (sum[0] + sum[1]) + (sum[2] + sum[3]),
           all_product = (product[0] + product[1]) + (product[2] + product[3]);
    if (before > 0) {
        all += fetch(sums + c, left);
        all_product += fetch(products + c, left);
    }
    put(all, sums + c, left);
    put(all_product, products + c, left);
}

INLINE void scale_at(__global float *products, const __global float *invstd, int c, int left) {
    put(fetch(products + c, left) * fetch(invstd + c, left), products + c, left);
}

KERNEL void gradient_sums(const __global float *x, const __global float *y, const __global float *dy,
                          const __global float *saved, const __global float *weight,
                          const __global float *bias, __global float *partial, int rows, int C, int run,
                          float low, float high) {
    const int block = (int)get_global_id(0), blocks = (int)get_global_size(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    __global float *sums = partial + block * 2 * C, *products = sums + C;
    int first = begin;
    for (; first + PAIRS <= end; first += PAIRS)
        FOR_COLUMNS(C, gradient_sums_at, x, y, dy, saved, weight, bias, sums, products, low, high, C, first,
                    first - begin, PAIRS);
    if (first < end)
        FOR_COLUMNS(C, gradient_sums_at, x, y, dy, saved, weight, bias, sums, products, low, high, C, first,
                    first - begin, end - first);
    FOR_COLUMNS(C, scale_at, products, saved + C);
}

/* Calls f(..., row, c, left) for each vector of each row. */
/* The last work-items have the first rows: the kernel before has left the last ones in the cache. */
#define FOR_ROWS(f, ...)                                                                                     \
    {                                                                                                        \
        int share = (int)(get_global_size(0) - 1 - get_global_id(0)), end = share_begin(rows, share + 1);    \
        for (int row = share_begin(rows, share); row < end; ++row) FOR_COLUMNS(C, f, __VA_ARGS__, row);      \
    }

#else /* GROUP: ITEMS work-items in a group, COLUMNS channels wide and ITEMS / COLUMNS rows high */

#define LINES (ITEMS / COLUMNS)

/* Folds (n, mean, M2) of two parts; Chan, Golub, LeVeque 1979. */
INLINE void chan(float *n, float *mean, float *square, float n2, float mean2, float square2) {
    const float both = *n + n2;
    if (n2 > 0.0f) {
        const float step = mean2 - *mean, share = n2 / both;
        *mean += step * share;
        *square += square2 + step * step * *n * share;
        *n = both;
    }
}

KERNEL void statistics(const __global float *x, __global float *partial, int rows, int C, int run) {
    __local float counts[ITEMS], means[ITEMS], squares[ITEMS];
    const int item = (int)get_local_id(0), line = item / COLUMNS,
              c = (int)get_group_id(1) * COLUMNS + item % COLUMNS;
    const int block = (int)get_group_id(0), blocks = (int)get_num_groups(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    float n = 0.0f, mean = 0.0f, square = 0.0f;
    if (c < C)
        for (int first = begin + line; first < end; first += run * LINES) {
            float total = 0.0f, part = 0.0f, count = 0.0f;
            for (int k = 0, row = first; k < run && row < end; ++k, row += LINES) {
                total += x[row * C + c];
                count += 1.0f;
            }
            const float middle = total / count;
            for (int k = 0, row = first; k < run && row < end; ++k, row += LINES) {
                const float d = x[row * C + c] - middle;
                part += d * d;
            }
            chan(&n, &mean, &square, count, middle, part);
        }
    counts[item] = n;
    means[item] = mean;
    squares[item] = square;
    for (int stride = LINES / 2; stride > 0; stride /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (line < stride) {
            const int other = item + stride * COLUMNS;
            chan(&n, &mean, &square, counts[other], means[other], squares[other]);
            counts[item] = n;
            means[item] = mean;
            squares[item] = square;
        }
    }
    if (line == 0 && c < C) {
        partial[block * 2 * C + c] = mean;
        partial[block * 2 * C + C + c] = square;
    }
}

KERNEL void gradient_sums(const __global float *x, const __global float *y, const __global float *dy,
                          const __global float *saved, const __global float *weight,
                          const __global float *bias, __global float *partial, int rows, int C, int run,
                          float low, float high) {
    __local float sums[ITEMS], products[ITEMS];
    const int item = (int)get_local_id(0), line = item / COLUMNS,
              c = (int)get_group_id(1) * COLUMNS + item % COLUMNS;
    const int block = (int)get_group_id(0), blocks = (int)get_num_groups(0);
    const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
    float sum = 0.0f, product = 0.0f;
    if (c < C) {
        const channels v = channels_at(saved, weight, bias, C, c, VEC);
        for (int row = begin + line; row < end; row += LINES) {
            const int at = row * C + c;
            const float g = gradient_of(dy[at], x[at], y ? y + at : 0, bias, v, low, high, VEC);
            sum += g;
            product += g * (x[at] - v.mean);
        }
        product *= saved[C + c];
    }
    sums[item] = sum;
    products[item] = product;
    for (int stride = LINES / 2; stride > 0; stride /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (line < stride) {
            sums[item] += sums[item + stride * COLUMNS];
            products[item] += products[item + stride * COLUMNS];
        }
    }
    if (line == 0 && c < C) {
        partial[block * 2 * C + c] = sums[item];
        partial[block * 2 * C + C + c] = products[item];
    }
}

#define FOR_ROWS(f, ...) FOR_TASKS(task, rows *C) f(__VA_ARGS__, task / C, task % C, VEC)
#endif

KERNEL void merge(const __global float *partial, __global float *saved, __global float *running_mean,
                  __global float *running_var, int rows, int C, int blocks, float eps, float momentum) {
    FOR_TASKS(task, (C + VEC - 1) / VEC) {
        const int c = task * VEC, left = C - c;
        floatv mean = fetch(partial + c, left), square = fetch(partial + C + c, left);
        for (int block = 1; block < blocks; ++block) {
            const int begin = block_begin(rows, block, blocks), end = block_begin(rows, block + 1, blocks);
            const float share = (float)(end - begin) / (float)end;
            const floatv step = fetch(partial + block * 2 * C + c, left) - mean;
            mean += step * share;
            square += fetch(partial + block * 2 * C + C + c, left) + step * step * ((float)begin * share);
        }
        const floatv variance = square / (float)rows, unbiased = square / (float)max(rows - 1, 1);
        put(mean, saved + c, left);
        put(1.0f / sqrt(variance + eps), saved + C + c, left);
        const floatv old_mean = fetch(running_mean + c, left), old_var = fetch(running_var + c, left);
        put(old_mean + momentum * (mean - old_mean), running_mean + c, left);
        put(old_var + momentum * (unbiased - old_var), running_var + c, left);
    }
}

/* Inference: what `apply` needs, from the running statistics. */
KERNEL void running(const __global float *running_mean, const __global float *running_var,
                    __global float *saved, int C, float eps) {
    FOR_TASKS(task, (C + VEC - 1) / VEC) {
        const int c = task * VEC, left = C - c;
        put(fetch(running_mean + c, left), saved + c, left);
        put(1.0f / sqrt(fetch(running_var + c, left) + eps), saved + C + c, left);
    }
}

INLINE void apply_at(const __global float *x, const __global float *residual, __global float *y,
                     const __global float *saved, const __global float *weight, const __global float *bias,
                     int C, float low, float high, int row, int c, int left) {
    const int at = row * C + c;
    SOON_READ(x + at + AHEAD);
    SOON_WRITTEN(y + at + AHEAD);
    floatv z = normed(fetch(x + at, left), channels_at(saved, weight, bias, C, c, left));
    if (residual) z += fetch(residual + at, left);
    put(limit(z, low, high), y + at, left);
}

KERNEL void apply(const __global float *x, const __global float *residual, __global float *y,
                  const __global float *saved, const __global float *weight, const __global float *bias,
                  int rows, int C, float low, float high) {
    FOR_ROWS(apply_at, x, residual, y, saved, weight, bias, C, low, high);
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
        put(sum, saved + 2 * C + c, left);
        put(product, saved + 3 * C + c, left);
        put(product, dweight + c, left);
        put(sum, dbias + c, left);
    }
}

INLINE void gradient_at(const __global float *x, const __global float *y, const __global float *dy,
                        __global float *dx, __global float *dresidual, const __global float *saved,
                        const __global float *weight, const __global float *bias, int C, float low,
                        float high, int accumulate, int accumulate_residual, float inverse, int row, int c,
                        int left) {
    const int at = row * C + c;
    SOON_READ(x + at + AHEAD);
    SOON_READ(dy + at + AHEAD);
    if (y) SOON_READ(y + at + AHEAD);
    if (dx) SOON_WRITTEN(dx + at + AHEAD);
    const channels v = channels_at(saved, weight, bias, C, c, left);
    const floatv value = fetch(x + at, left),
                 g = gradient_of(fetch(dy + at, left), value, y ? y + at : 0, bias, v, low, high, left);
    if (dresidual) put(accumulate_residual ? g + fetch(dresidual + at, left) : g, dresidual + at, left);
    if (dx) {
        const floatv invstd = fetch(saved + C + c, left), xhat = (value - v.mean) * invstd;
        const floatv mean_g = fetch(saved + 2 * C + c, left) * inverse,
                     slope = fetch(saved + 3 * C + c, left) * inverse;
        const floatv d = fetch(weight + c, left) * invstd * (g - mean_g - xhat * slope);
        put(accumulate ? d + fetch(dx + at, left) : d, dx + at, left);
    }
}

KERNEL void gradient(const __global float *x, const __global float *y, const __global float *dy,
                     __global float *dx, __global float *dresidual, const __global float *saved,
                     const __global float *weight, const __global float *bias, int rows, int C, float low,
                     float high, int accumulate, int accumulate_residual) {
    const float inverse = 1.0f / (float)rows;
    FOR_ROWS(gradient_at, x, y, dy, dx, dresidual, saved, weight, bias, C, low, high, accumulate,
             accumulate_residual, inverse);
}
