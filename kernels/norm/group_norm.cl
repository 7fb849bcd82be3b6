/* Group norm of x (N,P,C): xhat = (x - mean) * invstd, y = xhat * weight + bias, where mean and variance are those of an
 * image's pixels and of the `size` neighbouring channels of a group.  weight and bias may be null: 1 and 0.
 *
 * stats is (N,2,C): statistics leaves there the sums over the pixels of x - x of the first pixel, and of its square; merge
 * puts mean and invstd in their places.  sums is (N,2,C) too: gradient_sums leaves there the sums of dy * xhat and of dy;
 * gradient_means puts in their places, the group's means of g * xhat and of g, g = dy * weight, and
 *     dx = invstd * (g - mean(g) - xhat * mean(g * xhat)).
 *
 * Ownership: statistics, gradient_sums: images, or a channel of one (fold.clh); merge, gradient_means: groups; apply,
 * gradient: rows (tile) or elements. */
#include "images.clh"

INLINE void statistics_rows(const __global stored_x *x, __global float *to, int begin, int end, int first,
                            bool is_first, int C, int left) {
    const floatv from = fetch(x + first * C, left);
    floatv sum = 0.0f, squares = 0.0f;
    for (int row = begin; row < end; ++row) {
        const floatv d = fetch(x + row * C, left) - from;
        sum += d;
        squares += d * d;
    }
    block_add(to, sum, is_first, left);
    block_add(to + C, squares, is_first, left);
}

KERNEL void statistics(const __global stored_x *x, __global float *stats, int blocks, int P, int C) {
    const int rows = blocks * P;
    FOR_BLOCKS(statistics_rows(x + c, stats + block * 2 * C + c, begin, end, block * P, is_first, C, left));
}

/* The channels' means are averaged, and their squared differences put together (Chan, Golub, LeVeque 1979). */
KERNEL void merge(const __global stored_x *x, __global float *stats, int N, int P, int C, int size,
                  float eps) {
    FOR_TASKS(task, N * (C / size)) {
        const int n = task / (C / size), first = task % (C / size) * size;
        const __global stored_x *from = x + n * P * C + first;
        __global float *sums = stats + n * 2 * C + first, *squares = sums + C;
        const float inverse = 1.0f / (float)P;
        float mean = 0.0f, all = 0.0f;
        const float begin = load1(from);
        for (int c = 0; c < size; ++c) mean += load1(from + c) - begin + sums[c] * inverse;
        mean = begin + mean / (float)size;
        for (int c = 0; c < size; ++c) {
            const float d = load1(from + c) + sums[c] * inverse - mean;
            all += squares[c] - sums[c] * sums[c] * inverse + d * d * (float)P;
        }
        const float invstd = 1.0f / sqrt(all * inverse / (float)size + eps);
        for (int c = 0; c < size; ++c) {
            sums[c] = mean;
            squares[c] = invstd;
        }
    }
}

INLINE void apply_at(const __global stored_x *x, __global stored_y *y, const __global float *weight,
                     const __global float *bias, const __global float *stats, int C, int c, int left) {
    floatv z = (fetch(x, left) - fetch(stats, left)) * fetch(stats + C, left);
    if (weight) z *= fetch(weight + c, left);
    if (bias) z += fetch(bias + c, left);
    put(z, y, left);
}

KERNEL void apply(const __global stored_x *x, __global stored_y *y, const __global float *weight,
                  const __global float *bias, const __global float *stats, int N, int P, int C) {
    FOR_MAP(apply_at(x + at, y + at, weight, bias, stats + of, C, c, left));
}

INLINE void gradient_sums_rows(const __global stored_x *x, const __global stored_y *dy,
                               const __global float *stats, __global float *to, int begin, int end,
                               bool is_first, int C, int left) {
    const floatv mean = fetch(stats, left), invstd = fetch(stats + C, left);
    floatv products = 0.0f, sums = 0.0f;
    for (int row = begin; row < end; ++row) {
        const floatv g = fetch(dy + row * C, left);
        sums += g;
        products += g * ((fetch(x + row * C, left) - mean) * invstd);
    }
    block_add(to, products, is_first, left);
    block_add(to + C, sums, is_first, left);
}

/* The sums lie behind the statistics. */
KERNEL void gradient_sums(const __global stored_x *x, const __global stored_y *dy, __global float *stats,
                          int blocks, int P, int C) {
    const int rows = blocks * P;
    __global float *sums = stats + blocks * 2 * C;
    FOR_BLOCKS(gradient_sums_rows(x + c, dy + c, stats + block * 2 * C + c, sums + block * 2 * C + c, begin,
                                  end, is_first, C, left));
}

KERNEL void gradient_means(__global float *stats, const __global float *weight, int N, int P, int C,
                           int size) {
    FOR_TASKS(task, N * (C / size)) {
        const int n = task / (C / size), first = task % (C / size) * size;
        __global float *products = stats + (N + n) * 2 * C + first, *sums = products + C;
        float product = 0.0f, sum = 0.0f;
        for (int c = 0; c < size; ++c) {
            const float w = weight ? weight[first + c] : 1.0f;
            product += products[c] * w;
            sum += sums[c] * w;
        }
        for (int c = 0; c < size; ++c) {
            products[c] = product / ((float)P * (float)size);
            sums[c] = sum / ((float)P * (float)size);
        }
    }
}

INLINE void gradient_at(const __global stored_x *x, const __global stored_y *dy, __global stored_x *dx,
                        const __global float *weight, const __global float *stats,
                        const __global float *means, int accumulate, int C, int c, int left) {
    const floatv invstd = fetch(stats + C, left), xhat = (fetch(x, left) - fetch(stats, left)) * invstd;
    floatv g = fetch(dy, left);
    if (weight) g *= fetch(weight + c, left);
    const floatv d = invstd * (g - fetch(means + C, left) - xhat * fetch(means, left));
    add_or_put(d, dx, left, accumulate);
}

KERNEL void gradient(const __global stored_x *x, const __global stored_y *dy, __global stored_x *dx,
                     const __global float *weight, const __global float *stats, int N, int P, int C,
                     int accumulate) {
    const __global float *means = stats + N * 2 * C;
    FOR_MAP(gradient_at(x + at, dy + at, dx + at, weight, stats + of, means + of, accumulate, C, c, left));
}
