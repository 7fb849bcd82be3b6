/* Mean squared error of scores (N,C) against one-hot labels, over all N*C numbers. */
#include <math.h>

#include "op/loss.h"

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const int N = problem->x[0].n, C = problem->x[0].c;
    const int32_t *labels = (const int32_t *)a->x[1];
    double sum = 0;
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < C; ++c) {
            const double d = (double)a->x[0][(size_t)n * C + c] - (c == labels[n]);
            sum += rf_is_label(labels[n], C) ? d * d : NAN;
        }
    a->y[0] = (float)(sum / ((double)N * C));
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const int N = problem->x[0].n, C = problem->x[0].c;
    const int32_t *labels = (const int32_t *)a->x[1];
    const double scale = 2.0 * a->dy[0] / ((double)N * C);
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < C; ++c) {
            const size_t at = (size_t)n * C + c;
            const double d = rf_is_label(labels[n], C) ? (double)a->x[0][at] - (c == labels[n]) : NAN;
            a->dx[0][at] = (float)(d * scale + (problem->accumulate[0] ? a->dx[0][at] : 0));
        }
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    const rf_shape x = problem->x[0];
    rf_launch_desc rows = {.kernel = "square_rows",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->x[1]), RF_BUF(t->work),
                                    RF_BUF(rf_loss_y_of_rows(problem, info, family, t)), RF_I32(x.n),
                                    RF_I32(x.c)},
                           .bytes = (double)(rf_shape_count(x) * sizeof(float))};
    RF_TRY(rf_loss_emit(sequence, info, family, &rows, (size_t)x.n, x.c));
    return rf_loss_reduce(sequence, problem, info, family, t, NULL, NULL);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    const rf_shape x = problem->x[0];
    rf_launch_desc desc = {.kernel = "square_gradient",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->x[1]), RF_BUF(t->dy), RF_BUF(t->dx[0]),
                                    RF_I32(x.n), RF_I32(x.c), RF_I32(problem->accumulate[0])},
                           .bytes = 2.0 * (double)(rf_shape_count(x) * sizeof(float))};
    return rf_loss_emit(sequence, info, family, &desc, family == RF_TILE ? (size_t)x.n : rf_shape_count(x),
                        x.c);
}

RF_SOLVER_PAIR(mse_f, "mse", RF_FORWARD, RF_HALF_NEVER, rf_indexable, rf_loss_workspace, forward_build)
RF_SOLVER_PAIR(mse_b, "mse", RF_BACKWARD_DATA, RF_HALF_NEVER, rf_indexable, NULL, backward_build)
static const rf_solver *const solvers[] = {&mse_f_tile, &mse_f_group, &mse_b_tile, &mse_b_group, NULL};

static const rf_case cases[] = {
    {.label = "1x1", .x = {{1, 1, 1, 1}, {1, 1, 1, 1}}},
    {.label = "5x10", .x = {{5, 10, 1, 1}, {5, 1, 1, 1}}},
    {.label = "300x3", .x = {{300, 3, 1, 1}, {300, 1, 1, 1}}},
    {.label = "7x13 accumulate", .x = {{7, 13, 1, 1, true}, {7, 1, 1, 1}}, .accumulate = true},
    {.label = "512x1000", .x = {{512, 1000, 1, 1}, {512, 1, 1, 1}}, .large = true},
    {NULL},
};

const rf_op rf_op_mse = {
    .name = "mse",
    .summary = "mean squared error against one-hot labels",
    .inputs_min = 2,
    .inputs_max = 2,
    .label_input = 2,
    .is_loss = true,
    .x_in_backward = true,
    .infer = rf_loss_infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = rf_loss_refused,
};
