/* Batch norm in plain C: sums in double over blocks of rows, merged in the blocks' order, 16 channels at a time. */
#include <math.h>
#include <string.h>

#include "dist/dist.h"
#include "kernels/common/control.clh"
#include "op/batch_norm/batch_norm.h"
#include "op/reference.h"

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

/* dy before act, at one element of dy, of x, and of y where it is read; saved: of its channel.  With sums dy is that already. */
static inline float before_act(const rf_problem *problem, float dy, float x, const float *y,
                               const float *saved) {
    const int C = problem->x[0].c;
    if (problem->act == RF_ACT_NONE || problem->sums.blocks > 0) return dy;
    const double z = ((double)x - saved[0]) * saved[4 * C] + saved[5 * C];
    return rf_act_gradient(dy, y != NULL ? *y : rf_act_see((float)z, problem->act), problem->act);
}

/* The gradients of bias and weight. */
RF_SIMD static void sum_gradients(const rows *r, int64_t begin, int64_t end, int first, int count,
                                  double sum[2][CHANNELS]) {
    const int64_t C = r->problem->x[0].c;
    const bool by_y = rf_backward_reads_y(r->problem);
    const float *mean = r->mean + first, *invstd = r->invstd + first, *saved = r->a->saved + first;
    for (int64_t row = begin; row < end; ++row) {
        const float *x = r->a->x[0] + row * C + first, *dy = r->a->dy + row * C + first,
                    *y = by_y ? r->a->y + row * C + first : dy;
#pragma omp simd
        for (int c = 0; c < count; ++c) {
            const double g = before_act(r->problem, dy[c], x[c], by_y ? &y[c] : NULL, &saved[c]);
            sum[0][c] += g;
            sum[1][c] += g * ((double)x[c] - mean[c]) * invstd[c];
        }
    }
}

/* Writes invstd of a channel, and updates the running statistics unless the run has stopped.  squares: M2 of n rows. */
static void take_statistics(const rf_problem *problem, const rf_arrays *a, int c, double squares, double n) {
    const double momentum = problem->attrs.momentum, mean = a->saved[c];
    const uint32_t *control = (const uint32_t *)a->control;
    float *running_mean = a->state[RF_BN_RUNNING_MEAN] + c, *running_var = a->state[RF_BN_RUNNING_VAR] + c;
    a->saved[problem->x[0].c + c] = (float)(1 / sqrt(squares / n + problem->attrs.eps));
    if (control != NULL && control[RF_CONTROL_STOP] != 0) return;
    *running_mean = (float)((1 - momentum) * *running_mean + momentum * mean);
    *running_var = (float)((1 - momentum) * *running_var + momentum * squares / fmax(n - 1, 1));
}

static void batch_statistics(const rf_problem *problem, const rf_arrays *a) {
    const int C = problem->x[0].c;
    const double n = (double)rf_shape_pixels(problem->x[0]);
    float *mean = a->saved, *own_squares = a->saved + C;
    const rows r = {problem, a, mean, NULL};
    double sum[2][CHANNELS];
    for (int first = 0; first < C; first += CHANNELS) {
        const int count = RF_MIN(CHANNELS, C - first);
        sum_rows(&r, sum_values, sum, first, count);
        for (int i = 0; i < count; ++i) mean[first + i] = (float)(sum[0][i] / n);
        sum_rows(&r, sum_squares, sum, first, count);
        for (int i = 0; i < count; ++i) {
            const double squares = sum[1][i] - sum[0][i] * sum[0][i] / n; /* mean is rounded */
            if (problem->dist == NULL)
                take_statistics(problem, a, first + i, squares, n);
            else
                own_squares[first + i] = (float)squares;
        }
    }
    if (problem->dist == NULL) return;
    rf_batch_norm_join_statistics(problem, a->saved);
    for (int c = 0; c < C; ++c)
        take_statistics(problem, a, c, own_squares[c], n * rf_dist_size(problem->dist));
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

void rf_batch_norm_forward(const rf_problem *problem, const rf_arrays *a) {
    const int C = problem->x[0].c;
    const int64_t pixels = (int64_t)rf_shape_pixels(problem->x[0]);
    const float *mean = problem->training ? a->saved : a->state[RF_BN_RUNNING_MEAN];
    const bool statistics = problem->training && !problem->repeated;
    if (statistics) batch_statistics(problem, a);
    for (int c = 0; c < C && statistics; ++c) {
        a->saved[4 * C + c] = a->saved[C + c] * a->param[RF_BN_WEIGHT][c];
        a->saved[5 * C + c] = a->param[RF_BN_BIAS][c];
    }
    if (problem->deferred) return;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int block = 0; block < BLOCKS; ++block)
        for (int first = 0; first < C; first += CHANNELS)
            normalise(problem, a, mean, first, pixels * block / BLOCKS, pixels * (block + 1) / BLOCKS);
}

void rf_batch_norm_backward_params(const rf_problem *problem, const rf_arrays *a) {
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
    if (problem->dist != NULL) rf_batch_norm_join_gradient_sums(problem, a->saved);
}

/* Up to CHANNELS channels from `first` on, of the pixels begin .. end-1, of dx.  An element of dy is read
 * before that of dx is written, which may lie where dy does. */
RF_SIMD static void data_rows(const rf_problem *problem, const rf_arrays *a, int first, int64_t begin,
                              int64_t end) {
    const int C = problem->x[0].c, count = RF_MIN(CHANNELS, C - first);
    const double n = (double)rf_shape_pixels(problem->x[0]);
    const float *mean = a->saved + first, *invstd = mean + C, *weight = a->param[RF_BN_WEIGHT] + first;
    const bool by_y = rf_backward_reads_y(problem), add0 = problem->accumulate[0],
               add1 = problem->accumulate[1];
    double sum[CHANNELS], product[CHANNELS];
    for (int c = 0; c < count; ++c) {
        sum[c] = a->saved[2 * C + first + c] / n;
        product[c] = a->saved[3 * C + first + c] / n;
    }
    for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row * C + first;
        const float *x = a->x[0] + at, *dy = a->dy + at, *y = by_y ? a->y + at : dy;
        float *dx0 = problem->need_dx[0] ? a->dx[0] + at : NULL;
        float *dx1 = problem->need_dx[1] ? a->dx[1] + at : NULL;
#pragma omp simd
        for (int c = 0; c < count; ++c) {
            const float g = before_act(problem, dy[c], x[c], by_y ? &y[c] : NULL, &mean[c]);
            if (dx1 != NULL) dx1[c] = g + (add1 ? dx1[c] : 0);
            const double d =
                weight[c] * invstd[c] * (g - sum[c] - ((double)x[c] - mean[c]) * invstd[c] * product[c]);
            if (dx0 != NULL) dx0[c] = (float)(d + (add0 ? dx0[c] : 0));
        }
    }
}

void rf_batch_norm_backward_data(const rf_problem *problem, const rf_arrays *a) {
    const int64_t pixels = (int64_t)rf_shape_pixels(problem->x[0]);
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int block = 0; block < BLOCKS; ++block)
        for (int first = 0; first < problem->x[0].c; first += CHANNELS)
            data_rows(problem, a, first, pixels * block / BLOCKS, pixels * (block + 1) / BLOCKS);
}
