/* channel_mean and channel_max: one number of each pixel's channels, as spatial attention pools them (CBAM, Woo et al. 2018). */
#include <math.h>

#include "op/family.h"
#include "op/reference.h"

static rf_status infer(rf_problem *problem) {
    RF_TRY(rf_check_map(problem, true));
    problem->y = problem->x[0];
    problem->y.c = 1;
    return RF_OK;
}

static size_t rows_of(const rf_problem *problem) {
    return rf_shape_pixels(problem->y);
}

/* ---- reference ---- */

static void mean_forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t channels = (size_t)problem->x[0].c;
    for (size_t row = 0; row < rows_of(problem); ++row) {
        double sum = 0;
        for (size_t c = 0; c < channels; ++c) sum += a->x[0][row * channels + c];
        a->y[row] = (float)(sum / (double)channels);
    }
}

static void mean_backward(const rf_problem *problem, const rf_arrays *a) {
    const size_t channels = (size_t)problem->x[0].c;
    for (size_t i = 0; i < rf_shape_count(problem->x[0]); ++i)
        a->dx[0][i] = (float)((double)a->dy[i / channels] / (double)channels +
                              (problem->accumulate[0] ? a->dx[0][i] : 0));
}

/* What is saved: each pixel's argmax, an int32. */
static size_t max_saved(const rf_problem *problem) {
    return rows_of(problem);
}

static void max_forward(const rf_problem *problem, const rf_arrays *a) {
    const int channels = problem->x[0].c;
    int32_t *index = (int32_t *)a->saved;
    for (size_t row = 0; row < rows_of(problem); ++row) {
        const float *x = a->x[0] + row * (size_t)channels;
        int argmax = 0;
        for (int c = 1; c < channels; ++c)
            if (x[c] > x[argmax] || isnan(x[c])) argmax = c;
        a->y[row] = x[argmax];
        if (index != NULL) index[row] = argmax;
    }
}

static void max_backward(const rf_problem *problem, const rf_arrays *a) {
    const size_t channels = (size_t)problem->x[0].c;
    const int32_t *index = (const int32_t *)a->saved;
    for (size_t i = 0; i < rf_shape_count(problem->x[0]); ++i)
        a->dx[0][i] = (i % channels == (size_t)index[i / channels] ? a->dy[i / channels] : 0) +
                      (problem->accumulate[0] ? a->dx[0][i] : 0);
}

/* ---- solvers ---- */

/* by_element: in the group family, a task is an element of x, not a row. */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, bool by_element) {
    const size_t rows = rows_of(problem), channels = (size_t)problem->x[0].c;
    char options[RF_OPTIONS];
    desc->program = "channel_reduce";
    desc->options = rf_family_options(options, family, info, "%s", "");
    desc->bytes = (double)(rows * (channels + 1) * sizeof(float));
    if (by_element && family == RF_GROUP)
        rf_family_spread(desc, family, info, rows * channels, 1);
    else
        rf_family_spread(desc, family, info, rows, channels);
    return rf_emit(sequence, desc);
}

static rf_status mean_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                    const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {
        .kernel = "mean",
        .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_I32(rows_of(problem)), RF_I32(problem->x[0].c)}};
    return emit(sequence, problem, info, family, &desc, false);
}

static rf_status mean_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                     const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "mean_gradient",
                           .args = {RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_I32(rows_of(problem)),
                                    RF_I32(problem->x[0].c), RF_I32(problem->accumulate[0])}};
    return emit(sequence, problem, info, family, &desc, true);
}

static rf_status max_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                   const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "maximum",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_BUF(t->saved), RF_I32(rows_of(problem)),
                                    RF_I32(problem->x[0].c)}};
    return emit(sequence, problem, info, family, &desc, false);
}

static rf_status max_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                    const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "maximum_gradient",
                           .args = {RF_BUF(t->dy), RF_BUF(t->saved), RF_BUF(t->dx[0]),
                                    RF_I32(rows_of(problem)), RF_I32(problem->x[0].c),
                                    RF_I32(problem->accumulate[0])}};
    return emit(sequence, problem, info, family, &desc, true);
}

/* A work-item has a row at least. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && problem->x[0].c <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(mean_f, "channel_mean", RF_FORWARD, RF_HALF_EITHER, applicable, NULL, mean_forward_build)
RF_SOLVER_PAIR(mean_b, "channel_mean", RF_BACKWARD_DATA, RF_HALF_EITHER, applicable, NULL,
               mean_backward_build)
static const rf_solver *const mean_solvers[] = {&mean_f_tile, &mean_f_group, &mean_b_tile, &mean_b_group,
                                                NULL};
RF_SOLVER_PAIR(max_f, "channel_max", RF_FORWARD, RF_HALF_EITHER, applicable, NULL, max_forward_build)
RF_SOLVER_PAIR(max_b, "channel_max", RF_BACKWARD_DATA, RF_HALF_EITHER, applicable, NULL, max_backward_build)
static const rf_solver *const max_solvers[] = {&max_f_tile, &max_f_group, &max_b_tile, &max_b_group, NULL};

static const rf_case cases[] = {
    {.label = "2x19x3x5", .x = {{2, 19, 3, 5}}},
    {.label = "2x64x4x3, accumulate", .x = {{2, 64, 4, 3}}, .accumulate = true},
    {.label = "flat 5x37", .x = {{5, 37, 1, 1, true}}},
    {.label = "one channel", .x = {{3, 1, 2, 2}}},
    {.label = "2x20x3x3 below zero", .x = {{2, 20, 3, 3}}, .offset = -50},
    {.label = "2x19x3x5, inference", .x = {{2, 19, 3, 5}}, .inference = true},
    {.label = "8x96x28x28", .x = {{8, 96, 28, 28}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "the input is flat", .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

const rf_op rf_op_channel_mean = {
    .name = "channel_mean",
    .summary = "one channel: the mean of each pixel's channels",
    .inputs_min = 1,
    .inputs_max = 1,
    .infer = infer,
    .reference = {[RF_FORWARD] = mean_forward, [RF_BACKWARD_DATA] = mean_backward},
    .solvers = mean_solvers,
    .cases = cases,
    .refused = refused,
};

const rf_op rf_op_channel_max = {
    .name = "channel_max",
    .summary = "one channel: the largest of each pixel's channels",
    .inputs_min = 1,
    .inputs_max = 1,
    .infer = infer,
    .saved = max_saved,
    .saved_bits = true,
    .reference = {[RF_FORWARD] = max_forward, [RF_BACKWARD_DATA] = max_backward},
    .solvers = max_solvers,
    .cases = cases,
    .refused = refused,
};
