/* Losses of scores x (N,C) against class labels (N), as the mean over the batch, and their gradients.
 *
 * cross_rows: of row r, with logp = x - max - log sum exp(x - max), class weights w and label smoothing s,
 *     the term is -(1-s) w[label] logp[label] - s/C sum_c w[c] logp[c], and the weight w[label].  -DMIXED: a row has
 *     two labels; term and weight are those of both, each times its share (RF_MIXED_LABELS in src/op/op.h).
 * square_rows: of row r, the term is sum_c (x[c] - [c == label])^2, and the weight C.
 * reduce: y = sum of terms / sum of weights, in a fixed order; a single work-group of the two above does it, too.
 * cross_gradient, square_gradient: dx, element by element; both scale with dy, one number on the device.
 *
 * rows is (2,N): terms, weights.  saved is (2,N), max and log sum of each row, then the sum of the rows' weights
 * and the sum of the class weights.  A label outside 0..C-1 gives NaN, and so does a row that holds one.
 *
 * Ownership: rows: a work-item has a row; reduce: one work-item, or one work-group, has all; gradients, tile: a
 * work-item has a row; group: an element. */
#include "common.clh"

#ifdef GROUP
#define FOR_ELEMENTS(r, c, left, call)                                                                       \
    FOR_TASKS(task, N *C) {                                                                                  \
        const int r = task / C, c = task % C, left = VEC;                                                    \
        call;                                                                                                \
    }
#else
#define FOR_ELEMENTS(r, c, left, call) FOR_TASKS(r, N) FOR_COLUMNS(C, c, left, call)
#endif

/* c, c + 1, ... */
#if VEC == 16
#define COLUMNS_FROM(c) ((intv)(c) + (intv)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#elif VEC == 8
#define COLUMNS_FROM(c) ((intv)(c) + (intv)(0, 1, 2, 3, 4, 5, 6, 7))
#elif VEC == 4
#define COLUMNS_FROM(c) ((intv)(c) + (intv)(0, 1, 2, 3))
#else
#define COLUMNS_FROM(c) (c)
#endif

/* A row's largest number and sum of exponentials; in vectors where there are VEC numbers. */
INLINE float row_top(const __global float *row, int C) {
    float top = row[0];
    int c = 0;
#if VEC > 1
    if (C >= VEC) {
        float part[VEC];
        floatv tops = LOAD(row);
        for (c = VEC; c + VEC <= C; c += VEC) tops = LOAD(row + c) > tops ? LOAD(row + c) : tops;
        STORE(tops, part);
        for (int i = 0; i < VEC; ++i) top = part[i] > top ? part[i] : top;
    }
#endif
    for (; c < C; ++c) top = row[c] > top ? row[c] : top;
    return top;
}

INLINE float row_total(const __global float *row, int C, float top) {
    float total = 0.0f;
    int c = 0;
#if VEC > 1
    if (C >= VEC) {
        float part[VEC];
        floatv totals = 0.0f;
        for (; c + VEC <= C; c += VEC) totals += exp(LOAD(row + c) - top);
        STORE(totals, part);
        for (int i = 0; i < VEC; ++i) total += part[i];
    }
#endif
    for (; c < C; ++c) total += exp(row[c] - top);
    return total;
}

#ifdef GROUP
/* The sum of ITEMS numbers, one of each work-item, in a fixed order; every work-item gets it. */
INLINE float group_sum(float value, __local float *scratch) {
    const int item = (int)get_local_id(0);
    scratch[item] = value;
    for (int stride = ITEMS / 2; stride > 0; stride /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < stride) scratch[item] += scratch[item + stride];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const float total = scratch[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return total;
}
#define FIRST        (int)get_local_id(0)
#define STEP         ITEMS
#define TOTAL(value) group_sum(value, scratch)
#define SCRATCH      __local float scratch[ITEMS]
#define ROWS_DONE    barrier(CLK_GLOBAL_MEM_FENCE)
#else
#define FIRST        0
#define STEP         1
#define TOTAL(value) (value)
#define SCRATCH      __local float *scratch = 0
#define ROWS_DONE
#endif

/* Does nothing where y is NULL, but meets all barriers: PoCL 3.1 hangs at a barrier under a condition. */
INLINE void reduce_rows(const __global float *rows, const __global float *class_weights, __global float *y,
                        __global float *totals, int N, int C, __local float *scratch) {
    const int all_rows = y ? N : 0, all_classes = y && totals ? C : 0;
    float terms = 0.0f, weights = 0.0f, classes = 0.0f;
    for (int r = FIRST; r < all_rows; r += STEP) {
        terms += rows[r];
        weights += rows[N + r];
    }
    for (int c = FIRST; c < all_classes; c += STEP) classes += class_weights[c];
    terms = TOTAL(terms);
    weights = TOTAL(weights);
    classes = TOTAL(classes);
    if (!y || get_local_id(0) != 0) return;
    y[0] = terms / weights;
    if (totals) {
        totals[2 * N] = weights;
        totals[2 * N + 1] = classes;
    }
}

KERNEL void reduce(const __global float *rows, const __global float *class_weights, __global float *y,
                   __global float *totals, int N, int C) {
    SCRATCH;
    reduce_rows(rows, class_weights, y, totals, N, C, scratch);
}

/* A work-group that has all the rows is given y, and reduces them as well: one launch less. */
#define REDUCE_ALONE(class_weights, totals)                                                                  \
    ROWS_DONE;                                                                                               \
    reduce_rows(rows, class_weights, y, totals, N, C, scratch)

#ifdef MIXED
#define LABELS            2
#define SHARE(k, r)       label_share(labels, k, r, N)
INLINE float label_share(const __global int *labels, int k, int r, int N) {
    const float first = as_float(labels[2 * N + r]);
    return k == 0 ? first : 1.0f - first;
}
#else
#define LABELS      1
#define SHARE(k, r) 1.0f
#endif

KERNEL void cross_rows(const __global float *x, const __global int *labels,
                       const __global float *class_weights, __global float *rows, __global float *saved,
                       __global float *y, int N, int C, float smoothing) {
    SCRATCH;
    FOR_TASKS(r, N) {
        const __global float *row = x + r * C;
        const float top = row_top(row, C), log_total = log(row_total(row, C, top));
        float smooth = 0.0f, likely = 0.0f, weight = 0.0f;
        if (smoothing > 0.0f)
            for (int c = 0; c < C; ++c) smooth -= class_weights[c] * (row[c] - top - log_total);
        for (int k = 0; k < LABELS; ++k) {
            const int label = labels[k * N + r];
            const bool valid = label >= 0 && label < C;
            const float part = valid ? SHARE(k, r) * class_weights[label] : NAN;
            likely -= valid ? part * (row[label] - top - log_total) : NAN;
            weight += part;
        }
        rows[r] = (1.0f - smoothing) * likely + smoothing / (float)C * smooth;
        rows[N + r] = weight;
        if (saved) {
            saved[r] = top;
            saved[N + r] = log_total;
        }
    }
    REDUCE_ALONE(class_weights, saved);
}

KERNEL void square_rows(const __global float *x, const __global int *labels, __global float *rows,
                        __global float *y, int N, int C) {
    SCRATCH;
    FOR_TASKS(r, N) {
        const int label = labels[r];
        float total = 0.0f;
        for (int c = 0; c < C; ++c) {
            const float d = x[r * C + c] - (c == label ? 1.0f : 0.0f);
            total += d * d;
        }
        rows[r] = label >= 0 && label < C ? total : NAN;
        rows[N + r] = (float)C;
    }
    REDUCE_ALONE(0, 0);
}

INLINE void cross_gradient_at(const __global float *x, const __global int *labels,
                              const __global float *class_weights, const __global float *saved,
                              __global float *dx, int N, int C, float scale, float smoothing, int accumulate,
                              int r, int c, int left) {
    const int at = r * C + c;
    const floatv p = exp(fetch(x + at, left) - saved[r] - saved[N + r]);
    floatv g = 0.0f;
    for (int k = 0; k < LABELS; ++k) {
        const int label = labels[k * N + r];
        const float weight = label >= 0 && label < C ? SHARE(k, r) * class_weights[label] : NAN;
        const floatv target = COLUMNS_FROM(c) == (intv)label ? (floatv)1.0f : (floatv)0.0f;
        g += (1.0f - smoothing) * weight * (p - target);
    }
    if (smoothing > 0.0f) g += smoothing / (float)C * (p * saved[2 * N + 1] - fetch(class_weights + c, left));
    put(g * scale + (accumulate ? fetch(dx + at, left) : (floatv)0.0f), dx + at, left);
}

KERNEL void cross_gradient(const __global float *x, const __global int *labels,
                           const __global float *class_weights, const __global float *saved,
                           const __global float *dy, __global float *dx, int N, int C, float smoothing,
                           int accumulate) {
    const float scale = dy[0] / saved[2 * N];
    FOR_ELEMENTS(r, c, left,
                 cross_gradient_at(x, labels, class_weights, saved, dx, N, C, scale, smoothing, accumulate, r, c, left));
}

INLINE void square_gradient_at(const __global float *x, const __global int *labels, __global float *dx, int C,
                               float scale, int accumulate, int r, int c, int left) {
    const int label = labels[r], at = r * C + c;
    const float one = label >= 0 && label < C ? 1.0f : NAN;
    const floatv target = COLUMNS_FROM(c) == (intv)label ? (floatv)one : (floatv)(one - one);
    const floatv g = (fetch(x + at, left) - target) * scale;
    add_or_put(g, dx + at, left, accumulate);
}

KERNEL void square_gradient(const __global float *x, const __global int *labels, const __global float *dy,
                            __global float *dx, int N, int C, int accumulate) {
    const float scale = 2.0f * dy[0] / ((float)N * (float)C);
    FOR_ELEMENTS(r, c, left, square_gradient_at(x, labels, dx, C, scale, accumulate, r, c, left));
}
