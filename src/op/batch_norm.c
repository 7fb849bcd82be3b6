/* Batch norm: y = act((x - mean) / sqrt(var + eps) * weight + bias + residual), channel by channel.  Ioffe &
 * Szegedy 2015; details are PyTorch's: the biased variance normalises, the unbiased one goes into
 * running_var. This file: the op and its reference; the kernels' launches are in batch_norm_solvers.c. */
#include "op/batch_norm.h"

#include <math.h>
#include <string.h>

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0], r = problem->x[1];
    if (x.flat && x.h * x.w > 1)
        return rf_fail(RF_E_SHAPE, "batch_norm: the input is flat (%d numbers), and must be a map",
                       x.c * x.h * x.w);
    if (problem->inputs > 1 && (r.n != x.n || r.c != x.c || r.h != x.h || r.w != x.w))
        return rf_fail(RF_E_SHAPE, "batch_norm: input is %dx%dx%d, the residual %dx%dx%d", x.c, x.h, x.w, r.c,
                       r.h, r.w);
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
    return 4 * (size_t)problem->x[0].c;
}

static bool fuses(const rf_problem *problem, rf_act act, bool residual) {
    (void)problem, (void)act, (void)residual;
    return true;
}

/* ---- reference: sums in double over blocks of rows, merged in the blocks' order, 16 channels at a time ----
 */

enum { BLOCKS = 32, CHANNELS = 16 };

typedef struct rows {
    const rf_problem *problem;
    const rf_arrays *a;
    const float *mean, *invstd;
} rows;

/* Adds the two terms of element `at`, channel c, to sum[0] and sum[1]. */
typedef void term_fn(const rows *r, size_t at, int c, double sum[2]);

static void sum_rows(const rows *r, term_fn *term, double total[][2], int first, int count) {
    const int64_t pixels = (int64_t)rf_shape_pixels(r->problem->x[0]), C = r->problem->x[0].c;
    double part[BLOCKS][CHANNELS][2] = {{{0}}};
#pragma omp parallel for
    for (int block = 0; block < BLOCKS; ++block)
        for (int64_t row = pixels * block / BLOCKS; row < pixels * (block + 1) / BLOCKS; ++row)
            for (int c = 0; c < count; ++c) term(r, (size_t)(row * C + first + c), first + c, part[block][c]);
    memset(total, 0, (size_t)count * sizeof *total);
    for (int block = 0; block < BLOCKS; ++block)
        for (int c = 0; c < count; ++c)
            for (int i = 0; i < 2; ++i) total[c][i] += part[block][c][i];
}

static void value_term(const rows *r, size_t at, int c, double sum[2]) {
    (void)c;
    sum[0] += r->a->x[0][at];
}

static void square_term(const rows *r, size_t at, int c, double sum[2]) {
    const double d = (double)r->a->x[0][at] - r->mean[c];
    sum[0] += d;
    sum[1] += d * d;
}

/* dy where the activation let y pass; NaN passes. */
static float passed(const rf_problem *problem, const rf_arrays *a, size_t at) {
    if (problem->act == RF_ACT_NONE) return a->dy[at];
    return a->y[at] <= 0 || (problem->act == RF_ACT_RELU6 && a->y[at] >= 6) ? 0 : a->dy[at];
}

static void gradient_term(const rows *r, size_t at, int c, double sum[2]) {
    const double g = passed(r->problem, r->a, at);
    sum[0] += g;
    sum[1] += g * ((double)r->a->x[0][at] - r->mean[c]) * r->invstd[c];
}

/* Writes mean and invstd of each channel, and moves the running statistics. */
static void batch_statistics(const rf_problem *problem, const rf_arrays *a, float *mean, float *invstd) {
    const int C = problem->x[0].c;
    const double n = (double)rf_shape_pixels(problem->x[0]), momentum = problem->attrs.momentum;
    const rows r = {problem, a, mean, invstd};
    double sum[CHANNELS][2];
    for (int first = 0; first < C; first += CHANNELS) {
        const int count = RF_MIN(CHANNELS, C - first);
        sum_rows(&r, value_term, sum, first, count);
        for (int i = 0; i < count; ++i) mean[first + i] = (float)(sum[i][0] / n);
        sum_rows(&r, square_term, sum, first, count);
        for (int i = 0; i < count; ++i) {
            const int c = first + i;
            const double squares = sum[i][1] - sum[i][0] * sum[i][0] / n; /* mean[c] is rounded */
            float *running_mean = a->state[RF_BN_RUNNING_MEAN] + c,
                  *running_var = a->state[RF_BN_RUNNING_VAR] + c;
            invstd[c] = (float)(1 / sqrt(squares / n + problem->attrs.eps));
            *running_mean = (float)((1 - momentum) * *running_mean + momentum * mean[c]);
            *running_var = (float)((1 - momentum) * *running_var + momentum * squares / fmax(n - 1, 1));
        }
    }
}

static float activate(rf_act act, float z) {
    if (act != RF_ACT_NONE && z <= 0) return 0;
    return act == RF_ACT_RELU6 && z >= 6 ? 6 : z;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const int C = problem->x[0].c;
    const int64_t pixels = (int64_t)rf_shape_pixels(problem->x[0]);
    const float *mean = problem->training ? a->saved : a->state[RF_BN_RUNNING_MEAN];
    if (problem->training) batch_statistics(problem, a, a->saved, a->saved + C);
#pragma omp parallel for
    for (int64_t row = 0; row < pixels; ++row)
        for (int c = 0; c < C; ++c) {
            const size_t at = (size_t)(row * C + c);
            const double invstd = problem->training
                                      ? a->saved[C + c]
                                      : 1 / sqrt(a->state[RF_BN_RUNNING_VAR][c] + problem->attrs.eps);
            double z = ((double)a->x[0][at] - mean[c]) * invstd * a->param[RF_BN_WEIGHT][c] +
                       a->param[RF_BN_BIAS][c];
            if (problem->inputs > 1) z += a->x[1][at];
            a->y[at] = activate(problem->act, (float)z);
        }
}

static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    const int C = problem->x[0].c;
    const rows r = {problem, a, a->saved, a->saved + C};
    double sum[CHANNELS][2];
    for (int first = 0; first < C; first += CHANNELS) {
        const int count = RF_MIN(CHANNELS, C - first);
        sum_rows(&r, gradient_term, sum, first, count);
        for (int i = 0; i < count; ++i) {
            const int c = first + i;
            a->grad[RF_BN_BIAS][c] = a->saved[2 * C + c] = (float)sum[i][0];
            a->grad[RF_BN_WEIGHT][c] = a->saved[3 * C + c] = (float)sum[i][1];
        }
    }
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    const int C = problem->x[0].c;
    const int64_t pixels = (int64_t)rf_shape_pixels(problem->x[0]);
    const double n = (double)pixels;
    const float *mean = a->saved, *invstd = a->saved + C, *sum = a->saved + 2 * C,
                *product = a->saved + 3 * C;
#pragma omp parallel for
    for (int64_t row = 0; row < pixels; ++row)
        for (int c = 0; c < C; ++c) {
            const size_t at = (size_t)(row * C + c);
            const float g = passed(problem, a, at); /* read before dx, which may lie where dy does */
            if (problem->need_dx[1]) a->dx[1][at] = g + (problem->accumulate[1] ? a->dx[1][at] : 0);
            if (problem->need_dx[0]) {
                const double xhat = ((double)a->x[0][at] - mean[c]) * invstd[c];
                const double d =
                    a->param[RF_BN_WEIGHT][c] * invstd[c] * (g - sum[c] / n - xhat * product[c] / n);
                a->dx[0][at] = (float)(d + (problem->accumulate[0] ? a->dx[0][at] : 0));
            }
        }
}

/* ---- op ---- */

#define BN .attrs = {.eps = 1e-5, .momentum = 0.1}

static const rf_case cases[] = {
    {.label = "5x1x1x1", BN, .x = {{5, 1, 1, 1}}},
    {.label = "3x5x4x3", BN, .x = {{3, 5, 4, 3}}},
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
    {.label = "32x16x32x32 relu", BN, .act = RF_ACT_RELU, .x = {{32, 16, 32, 32}}, .large = true},
    {.label = "16x160x8x8 far from zero", BN, .x = {{16, 160, 8, 8}}, .offset = 7, .large = true},
    {.label = "8x1280x4x4 relu6", BN, .act = RF_ACT_RELU6, .x = {{8, 1280, 4, 4}}, .large = true},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR(eps, FLOAT, 1e-5, 0, 1e3), RF_ATTR(momentum, FLOAT, 0.1, 0, 1),
                                     RF_ATTR_END};

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
    .fuses = fuses,
    .reference =
        {[RF_FORWARD] = forward, [RF_BACKWARD_PARAMS] = backward_params, [RF_BACKWARD_DATA] = backward_data},
    .solvers = rf_batch_norm_solvers,
    .cases = cases,
};
