/* Layer norm over the channels of each pixel: xhat = (x - mean) * invstd, y = xhat * weight + bias, of x (rows,C), where
 * mean and variance are a row's.  weight and bias may be null: 1 and 0.
 *
 * forward saves the rows' mean and invstd in saved, (2,rows), unless that is null; gradient gives
 *     dx = invstd * (g - mean(g) - xhat * mean(g * xhat)),  g = dy * weight,
 * parameter_sums the sums of dy * xhat and of dy over blocks of rows, (blocks,2,C), which fold.cl adds up.
 *
 * Ownership: tile: a work-item has rows (parameter_sums: blocks of them).  group: LANES work-items have a row, of which
 * each has every LANES-th channel, and add up their sums in a tree, in local memory or in sub-groups (parameter_sums: a work-item has a channel of a
 * block). */
#include "fold.clh"

#ifdef GROUP
#define LANE ((int)get_local_id(0) % LANES)

/* The sum over the LANES work-items of a row, for all of them; of both the same bits. */
#ifdef SUB_GROUP
INLINE float over_lanes(float v, __local float *scratch) {
    (void)scratch;
    for (int step = LANES / 2; step > 0; step /= 2) v += sub_group_shuffle_xor(v, step);
    return v;
}
#else
INLINE float over_lanes(float v, __local float *scratch) {
    const int item = (int)get_local_id(0), lane = item % LANES;
    barrier(CLK_LOCAL_MEM_FENCE);
    scratch[item] = v;
    for (int stride = LANES / 2; stride > 0; stride /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < stride) scratch[item] += scratch[item + stride];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return scratch[item - lane];
}
#endif

/* Runs `call` for each row, with row and scratch in scope.  All work-items of a group take as many turns, for the
 * barriers; rows from `rows` on do not exist. */
#define FOR_ROWS(row, scratch, call)                                                                         \
    __local float scratch[ITEMS];                                                                            \
    for (int begin = (int)get_group_id(0) * (ITEMS / LANES); begin < rows;                                   \
         begin += (int)get_num_groups(0) * (ITEMS / LANES)) {                                                \
        const int row = begin + (int)get_local_id(0) / LANES;                                                \
        call;                                                                                                \
    }
#else
#define LANES                  1
#define LANE                   0
#define over_lanes(v, scratch) (v)
#define FOR_ROWS(row, scratch, call)                                                                         \
    __local float *scratch = 0;                                                                              \
    FOR_TASKS(row, rows) call
#endif

/* Runs `call` for each of this work-item's vectors of C channels, with c and left in scope. */
#define FOR_CHANNELS(c, left, call)                                                                          \
    do {                                                                                                     \
        int c = LANE * VEC;                                                                                  \
        for (; c + VEC <= C; c += LANES * VEC) {                                                             \
            const int left = VEC;                                                                            \
            call;                                                                                            \
        }                                                                                                    \
        const int left = C - c;                                                                              \
        if (left > 0) call;                                                                                  \
    } while (0)

/* ---- forward ---- */

/* The sum over the channels of x - from, or of its square. */
INLINE float sum_of(const __global stored_x *x, int C, float from, bool square, __local float *scratch) {
    floatv sums = 0.0f;
    float sum = 0.0f;
    int c = LANE * VEC;
    for (; c + VEC <= C; c += LANES * VEC) {
        const floatv d = fetch(x + c, VEC) - from;
        sums += square ? d * d : d;
    }
    for (; c < C; ++c) {
        const float d = load1(x + c) - from;
        sum += square ? d * d : d;
    }
    return over_lanes(across(sums) + sum, scratch);
}

INLINE void normalise(const __global stored_x *x, __global stored_y *y, const __global float *weight,
                      const __global float *bias, float mean, float invstd, int c, int left) {
    floatv z = (fetch(x + c, left) - mean) * invstd;
    if (weight) z *= fetch(weight + c, left);
    if (bias) z += fetch(bias + c, left);
    put(z, y + c, left);
}

/* The mean is that of the differences to the first number, so that nothing cancels. */
INLINE void forward_row(const __global stored_x *x, __global stored_y *y, const __global float *weight,
                        const __global float *bias, __global float *saved, int row, int rows, int C,
                        float eps, __local float *scratch) {
    const int at = min(row, rows - 1) * C;
    const float first = load1(x + at), mean = first + sum_of(x + at, C, first, false, scratch) / (float)C;
    const float invstd = 1.0f / sqrt(sum_of(x + at, C, mean, true, scratch) / (float)C + eps);
    if (row >= rows) return;
    FOR_CHANNELS(c, left, normalise(x + at, y + at, weight, bias, mean, invstd, c, left));
    if (!saved) return;
    if (LANE == 0) {
        saved[row] = mean;
        saved[rows + row] = invstd;
    }
}

KERNEL void forward(const __global stored_x *x, __global stored_y *y, const __global float *weight,
                    const __global float *bias, __global float *saved, int rows, int C, float eps) {
    FOR_ROWS(row, scratch, forward_row(x, y, weight, bias, saved, row, rows, C, eps, scratch));
}

/* ---- the gradient of x ---- */

INLINE floatv scaled(const __global stored_y *dy, const __global float *weight, int c, int left) {
    return weight ? fetch(dy + c, left) * fetch(weight + c, left) : fetch(dy + c, left);
}

INLINE void add_sums(floatv *sum, floatv *product, const __global stored_x *x, const __global stored_y *dy,
                     const __global float *weight, float mean, int c, int left) {
    const floatv g = scaled(dy, weight, c, left); /* 0 past the end */
    *sum += g;
    *product += g * (fetch(x + c, left) - mean);
}

INLINE void gradient_at(const __global stored_x *x, const __global stored_y *dy, __global stored_x *dx,
                        const __global float *weight, float mean, float invstd, float mean_g, float slope,
                        int accumulate, int c, int left) {
    const floatv d = invstd * (scaled(dy, weight, c, left) - mean_g - (fetch(x + c, left) - mean) * slope);
    add_or_put(d, dx + c, left, accumulate);
}

INLINE void gradient_row(const __global stored_x *x, const __global stored_y *dy, __global stored_x *dx,
                         const __global float *weight, const __global float *saved, int row, int rows, int C,
                         int accumulate, __local float *scratch) {
    const int own = min(row, rows - 1), at = own * C;
    const float mean = saved[own], invstd = saved[rows + own];
    floatv sum = 0.0f, product = 0.0f;
    FOR_CHANNELS(c, left, add_sums(&sum, &product, x + at, dy + at, weight, mean, c, left));
    const float mean_g = over_lanes(across(sum), scratch) / (float)C;
    const float slope = over_lanes(across(product), scratch) / (float)C * invstd * invstd;
    if (row >= rows) return;
    FOR_CHANNELS(
        c, left,
        gradient_at(x + at, dy + at, dx + at, weight, mean, invstd, mean_g, slope, accumulate, c, left));
}

KERNEL void gradient(const __global stored_x *x, const __global stored_y *dy, __global stored_x *dx,
                     const __global float *weight, const __global float *saved, int rows, int C,
                     int accumulate) {
    FOR_ROWS(row, scratch, gradient_row(x, dy, dx, weight, saved, row, rows, C, accumulate, scratch));
}

/* ---- the gradients of weight and bias ---- */

INLINE void sum_rows(const __global stored_x *x, const __global stored_y *dy, const __global float *saved,
                     __global float *to, int begin, int end, int rows, bool is_first, int C, int left) {
    floatv products = 0.0f, sums = 0.0f;
    for (int row = begin; row < end; ++row) {
        const floatv g = fetch(dy + row * C, left);
        sums += g;
        products += g * ((fetch(x + row * C, left) - saved[row]) * saved[rows + row]);
    }
    block_add(to, products, is_first, left);
    block_add(to + C, sums, is_first, left);
}

KERNEL void parameter_sums(const __global stored_x *x, const __global stored_y *dy,
                           const __global float *saved, __global float *partial, int rows, int C,
                           int blocks) {
    FOR_BLOCKS(
        sum_rows(x + c, dy + c, saved, partial + block * 2 * C + c, begin, end, rows, is_first, C, left));
}
