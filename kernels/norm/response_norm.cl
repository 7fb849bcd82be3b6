/* Global response norm of x (N,P,C): y = x * (1 + weight * response) + bias, where a channel's response in an image is its length,
 * the root of the sum of its squares over the pixels, over `mean`: the mean of all channels' lengths, plus eps.
 *
 * stats is (N,2,C): lengths leaves the sums of squares there; responses puts length and response in their places.  sums is
 * (N,2,C) too: gradient_sums leaves there response * sum(dy * x), and the sums of dy, whose sums over the images are the
 * gradients of weight and bias; gradient_factors puts in the place of the first what x is multiplied by in
 *     dx = dy * (1 + weight * response) + x * (weight * sum(dy * x) / mean - T) / length,
 *     T = mean over the channels of weight * response * sum(dy * x), over `mean`.
 *
 * Ownership: lengths, gradient_sums: images, or a channel of one (fold.clh); responses, gradient_factors: images; apply,
 * gradient: rows (tile) or elements. */
#include "images.clh"

INLINE void squares_rows(const __global stored_x *x, __global float *to, int begin, int end, bool is_first,
                         int C, int left) {
    floatv sum = 0.0f;
    for (int row = begin; row < end; ++row) {
        const floatv v = fetch(x + row * C, left);
        sum += v * v;
    }
    block_add(to, sum, is_first, left);
}

KERNEL void lengths(const __global stored_x *x, __global float *stats, int blocks, int P, int C) {
    const int rows = blocks * P;
    FOR_BLOCKS(squares_rows(x + c, stats + block * 2 * C + c, begin, end, is_first, C, left));
}

INLINE float mean_length(const __global float *length, int C, float eps) {
    float sum = 0.0f;
    for (int c = 0; c < C; ++c) sum += length[c];
    return sum / (float)C + eps;
}

KERNEL void responses(__global float *stats, int N, int C, float eps) {
    FOR_TASKS(n, N) {
        __global float *length = stats + n * 2 * C, *response = length + C;
        for (int c = 0; c < C; ++c) length[c] = sqrt(length[c]);
        const float mean = mean_length(length, C, eps);
        for (int c = 0; c < C; ++c) response[c] = length[c] / mean;
    }
}

INLINE floatv factor_at(const __global float *weight, const __global float *stats, int C, int left) {
    return 1.0f + fetch(weight, left) * fetch(stats + C, left);
}

KERNEL void apply(const __global stored_x *x, __global stored_y *y, const __global float *weight,
                  const __global float *bias, const __global float *stats, int N, int P, int C) {
    FOR_MAP(put(fetch(x + at, left) * factor_at(weight + c, stats + of, C, left) + fetch(bias + c, left),
                y + at, left));
}

INLINE void gradient_sums_rows(const __global stored_x *x, const __global stored_y *dy, floatv response,
                               __global float *to, int begin, int end, bool is_first, int C, int left) {
    floatv products = 0.0f, sums = 0.0f;
    for (int row = begin; row < end; ++row) {
        const floatv g = fetch(dy + row * C, left);
        sums += g;
        products += g * fetch(x + row * C, left);
    }
    block_add(to, products * response, is_first, left);
    block_add(to + C, sums, is_first, left);
}

/* The sums lie behind the statistics. */
KERNEL void gradient_sums(const __global stored_x *x, const __global stored_y *dy, __global float *stats,
                          int blocks, int P, int C) {
    const int rows = blocks * P;
    __global float *sums = stats + blocks * 2 * C;
    FOR_BLOCKS(gradient_sums_rows(x + c, dy + c, fetch(stats + block * 2 * C + C + c, left),
                                  sums + block * 2 * C + c, begin, end, is_first, C, left));
}

KERNEL void gradient_factors(__global float *stats, const __global float *weight, int N, int C, float eps) {
    FOR_TASKS(n, N) {
        const __global float *length = stats + n * 2 * C;
        __global float *products = stats + (N + n) * 2 * C;
        const float mean = mean_length(length, C, eps);
        float total = 0.0f;
        for (int c = 0; c < C; ++c) total += weight[c] * products[c];
        total /= (float)C * mean;
        for (int c = 0; c < C; ++c)
            products[c] = length[c] > 0.0f ? (weight[c] * products[c] / length[c] - total) / length[c] : 0.0f;
    }
}

INLINE void gradient_at(const __global stored_x *x, const __global stored_y *dy, __global stored_x *dx,
                        floatv of_dy, floatv of_x, int accumulate, int left) {
    const floatv d = fetch(dy, left) * of_dy + fetch(x, left) * of_x;
    add_or_put(d, dx, left, accumulate);
}

KERNEL void gradient(const __global stored_x *x, const __global stored_y *dy, __global stored_x *dx,
                     const __global float *weight, const __global float *stats, int N, int P, int C,
                     int accumulate) {
    const __global float *factors = stats + N * 2 * C;
    FOR_MAP(gradient_at(x + at, dy + at, dx + at, factor_at(weight + c, stats + of, C, left),
                        fetch(factors + of, left), accumulate, left));
}
