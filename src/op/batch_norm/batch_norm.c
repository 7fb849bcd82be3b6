/* Batch norm: y = act((x - mean) / sqrt(var + eps) * weight + bias + residual), channel by channel.  Ioffe &
 * Szegedy 2015; details are PyTorch's: the biased variance normalises, the unbiased one goes into
 * running_var. This file: the op and its reference; the kernels' launches are in batch_norm_solvers.c. */
#include "op/batch_norm/batch_norm.h"

#include <math.h>
#include <string.h>

#include "kernels/common/control.clh"
#include "op/reference.h"

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0], r = problem->x[1];
    if (x.flat && x.h * x.w > 1)
        return rf_fail(RF_E_SHAPE, "batch_norm: the input is flat (%d numbers), and must be a map",
                       x.c * x.h * x.w);
    if (problem->inputs > 1 && (r.n != x.n || r.c != x.c || r.h != x.h || r.w != x.w))
        return rf_fail(RF_E_SHAPE, "batch_norm: input is %dx%dx%d, the residual %dx%dx%d", x.c, x.h, x.w, r.c,
                       r.h, r.w);
    if (problem->training && rf_shape_pixels(x) == 1)
        return rf_fail(RF_E_SHAPE,
                       "batch_norm: one image with a map of 1x1 has no variance to learn from: use a "
                       "larger batch, or larger images");
    problem->y = x;
    return RF_OK;
}

static rf_param_spec vector_spec(const rf_problem *problem, const char *name, rf_init init) {
    const int c = problem->x[0].c;
    return (rf_param_spec){.name = name, .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}, .init = init};
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    out[RF_BN_WEIGHT] = vector_spec(problem, "weight", RF_INIT_ONE);
    out[RF_BN_BIAS] = vector_spec(problem, "bias", RF_INIT_ZERO);
    return 2;
}

static int states(const rf_problem *problem, rf_param_spec out[RF_MAX_STATES]) {
    out[RF_BN_RUNNING_MEAN] = vector_spec(problem, "running_mean", RF_INIT_ZERO);
    out[RF_BN_RUNNING_VAR] = vector_spec(problem, "running_var", RF_INIT_ONE);
    return 2;
}

static size_t saved(const rf_problem *problem) {
    return RF_BN_SAVED * (size_t)problem->x[0].c;
}

/* ---- reference: sums in double over blocks of rows, merged in the blocks' order, 16 channels at a time ----
 */

enum { BLOCKS = 32, CHANNELS = 16 };

typedef struct rows {
    const rf_problem *problem;
    const rf_arrays *a;
    const float *mean, *invstd;
} rows;

/* Adds the two terms of the channels first .. first+count-1 of the pixels begin .. end-1 to sum[0] and
 * sum[1]. */
typedef void sum_fn(const rows *r, int64_t begin, int64_t end, int first, int count, double sum[2][CHANNELS]);

static void sum_rows(const rows *r, sum_fn *add, double total[2][CHANNELS], int first, int count) {
    const int64_t pixels = (int64_t)rf_shape_pixels(r->problem->x[0]);
    double part[BLOCKS][2][CHANNELS] = {{{0}}};
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int block = 0; block < BLOCKS; ++block)
        add(r, pixels * block / BLOCKS, pixels * (block + 1) / BLOCKS, first, count, part[block]);
    memset(total, 0, 2 * sizeof *total);
    for (int block = 0; block < BLOCKS; ++block)
        for (int i = 0; i < 2; ++i)
            for (int c = 0; c < CHANNELS; ++c) total[i][c] += part[block][i][c];
}

RF_SIMD static void sum_values(const rows *r, int64_t begin, int64_t end, int first, int count,
                               double sum[2][CHANNELS]) {
    const int64_t C = r->problem->x[0].c;
    for (int64_t row = begin; row < end; ++row) {
        const float *x = r->a->x[0] + row * C + first;
#pragma omp simd
        for (int c = 0; c < count; ++c) sum[0][c] += x[c];
    }
}

RF_SIMD static void sum_squares(const rows *r, int64_t begin, int64_t end, int first, int count,
                                double sum[2][CHANNELS]) {
    const int64_t C = r->problem->x[0].c;
    const float *mean = r->mean + first;
    for (int64_t row = begin; row < end; ++row) {
        const float *x = r->a->x[0] + row * C + first;
#pragma omp simd
        for (int c = 0; c < count; ++c) {
            const double d = (double)x[c] - mean[c];
            sum[0][c] += d;
            sum[1][c] += d * d;
        }
    }
}

/* The gradients of bias and weight.  y is NULL where no activation is fused. */
RF_SIMD static void sum_gradients(const rows *r, int64_t begin, int64_t end, int first, int count,
                                  double sum[2][CHANNELS]) {
    const int64_t C = r->problem->x[0].c;
    const rf_act act = r->problem->act;
    const float *mean = r->mean + first, *invstd = r->invstd + first;
    for (int64_t row = begin; row < end; ++row) {
        const float *x = r->a->x[0] + row * C + first, *dy = r->a->dy + row * C + first;
        const float *y = act != RF_ACT_NONE ? r->a->y + row * C + first : dy;
#pragma omp simd
        for (int c = 0; c < count; ++c) {
            const double g = rf_act_gradient(dy[c], y[c], act);
            sum[0][c] += g;
            sum[1][c] += g * ((double)x[c] - mean[c]) * invstd[c];
        }
    }
}

/* Writes mean and invstd of each channel, and moves the running statistics while the run goes on. */
static void batch_statistics(const rf_problem *problem, const rf_arrays *a, float *mean, float *invstd) {
    const int C = problem->x[0].c;
    const double n = (double)rf_shape_pixels(problem->x[0]), momentum = problem->attrs.momentum;
    const uint32_t *control = (const uint32_t *)a->control;
    const bool stopped = control != NULL && control[RF_CONTROL_STOP] != 0;
    const rows r = {problem, a, mean, invstd};
    double sum[2][CHANNELS];
    for (int first = 0; first < C; first += CHANNELS) {
        const int count = RF_MIN(CHANNELS, C - first);
        sum_rows(&r, sum_values, sum, first, count);
        for (int i = 0; i < count; ++i) mean[first + i] = (float)(sum[0][i] / n);
        sum_rows(&r, sum_squares, sum, first, count);
        for (int i = 0; i < count; ++i) {
            const int c = first + i;
            const double squares = sum[1][i] - sum[0][i] * sum[0][i] / n; /* mean[c] is rounded */
            float *running_mean = a->state[RF_BN_RUNNING_MEAN] + c,
                  *running_var = a->state[RF_BN_RUNNING_VAR] + c;
            invstd[c] = (float)(1 / sqrt(squares / n + problem->attrs.eps));
            if (stopped) continue;
            *running_mean = (float)((1 - momentum) * *running_mean + momentum * mean[c]);
            *running_var = (float)((1 - momentum) * *running_var + momentum * squares / fmax(n - 1, 1));
        }
    }
}

/* Up to CHANNELS channels from `first` on, of the pixels begin .. end-1, of y. */
RF_SIMD static void normalise(const rf_problem *problem, const rf_arrays *a, const float *mean, int first,
                              int64_t begin, int64_t end) {
    const int C = problem->x[0].c, count = RF_MIN(CHANNELS, C - first);
    const float *weight = a->param[RF_BN_WEIGHT] + first, *bias = a->param[RF_BN_BIAS] + first;
    double invstd[CHANNELS];
    for (int c = 0; c < count; ++c)
        invstd[c] = problem->training ? a->saved[C + first + c]
                                      : 1 / sqrt(a->state[RF_BN_RUNNING_VAR][first + c] + problem->attrs.eps);
    for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row * C + first;
        const float *x = a->x[0] + at, *residual = problem->inputs > 1 ? a->x[1] + at : NULL;
        float *y = a->y + at;
        for (int c = 0; c < count; ++c) {
            double z = ((double)x[c] - mean[first + c]) * invstd[c] * weight[c] + bias[c];
            if (residual != NULL) z += residual[c];
            y[c] = rf_act_apply((float)z, problem->act);
        }
    }
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const int C = problem->x[0].c;
    const int64_t pixels = (int64_t)rf_shape_pixels(problem->x[0]);
    const float *mean = problem->training ? a->saved : a->state[RF_BN_RUNNING_MEAN];
    if (problem->training) batch_statistics(problem, a, a->saved, a->saved + C);
    for (int c = 0; c < C && problem->training; ++c) {
        a->saved[4 * C + c] = a->saved[C + c] * a->param[RF_BN_WEIGHT][c];
        a->saved[5 * C + c] = a->param[RF_BN_BIAS][c];
    }
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int block = 0; block < BLOCKS; ++block)
        for (int first = 0; first < C; first += CHANNELS)
            normalise(problem, a, mean, first, pixels * block / BLOCKS, pixels * (block + 1) / BLOCKS);
}

static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    const int C = problem->x[0].c;
    const rows r = {problem, a, a->saved, a->saved + C};
    double sum[2][CHANNELS];
    for (int first = 0; first < C; first += CHANNELS) {
        const int count = RF_MIN(CHANNELS, C - first);
        sum_rows(&r, sum_gradients, sum, first, count);
        for (int i = 0; i < count; ++i) {
            const int c = first + i;
            a->grad[RF_BN_BIAS][c] = a->saved[2 * C + c] = (float)sum[0][i];
            a->grad[RF_BN_WEIGHT][c] = a->saved[3 * C + c] = (float)sum[1][i];
        }
    }
}

/* Up to CHANNELS channels from `first` on, of the pixels begin .. end-1, of dx.  An element of dy is read
 * before that of dx is written, which may lie where dy does. */
RF_SIMD static void data_rows(const rf_problem *problem, const rf_arrays *a, int first, int64_t begin,
                              int64_t end) {
    const int C = problem->x[0].c, count = RF_MIN(CHANNELS, C - first);
    const double n = (double)rf_shape_pixels(problem->x[0]);
    const float *mean = a->saved + first, *invstd = mean + C, *weight = a->param[RF_BN_WEIGHT] + first;
    const bool add0 = problem->accumulate[0], add1 = problem->accumulate[1];
    double sum[CHANNELS], product[CHANNELS];
    for (int c = 0; c < count; ++c) {
        sum[c] = a->saved[2 * C + first + c] / n;
        product[c] = a->saved[3 * C + first + c] / n;
    }
    for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row * C + first;
        const float *x = a->x[0] + at, *dy = a->dy + at, *y = problem->act ? a->y + at : dy;
        float *dx0 = problem->need_dx[0] ? a->dx[0] + at : NULL;
        float *dx1 = problem->need_dx[1] ? a->dx[1] + at : NULL;
#pragma omp simd
        for (int c = 0; c < count; ++c) {
            const float g = rf_act_gradient(dy[c], y[c], problem->act);
            if (dx1 != NULL) dx1[c] = g + (add1 ? dx1[c] : 0);
            const double d =
                weight[c] * invstd[c] * (g - sum[c] - ((double)x[c] - mean[c]) * invstd[c] * product[c]);
            if (dx0 != NULL) dx0[c] = (float)(d + (add0 ? dx0[c] : 0));
        }
    }
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    const int64_t pixels = (int64_t)rf_shape_pixels(problem->x[0]);
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int block = 0; block < BLOCKS; ++block)
        for (int first = 0; first < problem->x[0].c; first += CHANNELS)
            data_rows(problem, a, first, pixels * block / BLOCKS, pixels * (block + 1) / BLOCKS);
}

/* ---- op ---- */

#define BN .attrs = {.eps = 1e-5, .momentum = 0.1}

static const rf_case cases[] = {
    {.label = "5x1x1x1", BN, .x = {{5, 1, 1, 1}}},
    {.label = "3x5x4x3", BN, .x = {{3, 5, 4, 3}}},
    {.label = "tiny eps, momentum 1", .attrs = {.eps = 1e-20, .momentum = 1}, .x = {{4, 3, 1, 1}}},
    {.label = "momentum 0", .attrs = {.eps = 1e-3}, .x = {{2, 3, 2, 1}}},
    {.label = "3x5x4x3 far from zero", BN, .x = {{3, 5, 4, 3}}, .offset = 7},
    {.label = "3x5x4x3 relu accumulate", BN, .act = RF_ACT_RELU, .x = {{3, 5, 4, 3}}, .accumulate = true},
    {.label = "2x17x5x3 relu6 residual",
     BN,
     .act = RF_ACT_RELU6,
     .inputs = 2,
     .x = {{2, 17, 5, 3}, {2, 17, 5, 3}}},
    {.label = "2x9x3x3 residual relu accumulate",
     BN,
     .act = RF_ACT_RELU,
     .inputs = 2,
     .x = {{2, 9, 3, 3}, {2, 9, 3, 3}},
     .accumulate = true},
    {.label = "3x5x4x3 inference", BN, .x = {{3, 5, 4, 3}}, .inference = true},
    {.label = "2x9x3x3 inference residual relu",
     BN,
     .act = RF_ACT_RELU,
     .inputs = 2,
     .x = {{2, 9, 3, 3}, {2, 9, 3, 3}},
     .inference = true},
    {.label = "5x35x21x21 relu accumulate",
     BN,
     .act = RF_ACT_RELU,
     .x = {{5, 35, 21, 21}},
     .accumulate = true},
    {.label = "32x16x32x32 relu", BN, .act = RF_ACT_RELU, .x = {{32, 16, 32, 32}}, .large = true},
    {.label = "16x160x8x8 far from zero", BN, .x = {{16, 160, 8, 8}}, .offset = 7, .large = true},
    {.label = "8x1280x4x4 relu6", BN, .act = RF_ACT_RELU6, .x = {{8, 1280, 4, 4}}, .large = true},
    {NULL},
};

/* One value a channel: PyTorch refuses it, too. */
static const rf_case refused[] = {
    {.label = "no variance", BN, .x = {{1, 5, 1, 1}}},
    {.label = "the input is flat", BN, .x = {{2, 5, 2, 2, true}}},
    {.label = "the residual 4x2x2", BN, .inputs = 2, .x = {{2, 5, 2, 2}, {2, 4, 2, 2}}},
    {NULL},
};

/* Without eps a channel that is the same everywhere would be 0 / 0; 1 / sqrt of the least is far from float's end. */
static const rf_attr_spec attrs[] = {RF_ATTR(eps, FLOAT, 1e-5, 1e-20, 1e3),
                                     RF_ATTR(momentum, FLOAT, 0.1, 0, 1), RF_ATTR_END};

const rf_op rf_op_batch_norm = {
    .name = "batch_norm",
    .summary =
        "each channel shifted and scaled to mean 0 and variance 1 over the batch, then by weight and bias",
    .inputs_min = 1,
    .inputs_max = 2,
    .x_in_backward = true,
    .in_place = true,
    .attrs = attrs,
    .infer = infer,
    .params = params,
    .states = states,
    .saved = saved,
    .takes_act = true,
    .takes_residual = true,
    .takes_sums = true,
    .reference =
        {[RF_FORWARD] = forward, [RF_BACKWARD_PARAMS] = backward_params, [RF_BACKWARD_DATA] = backward_data},
    .solvers = rf_batch_norm_solvers,
    .cases = cases,
    .refused = refused,
};
