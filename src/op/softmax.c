/* softmax over the channels of each pixel, or across groups of them, over the numbers that are at the same place in each:
 * y = exp(x - max) / sum of the same; dx = y (dy - sum of y dy). */
#include <math.h>

#include "op/family.h"
#include "op/reference.h"

static rf_status infer(rf_problem *problem) {
    const int groups = problem->attrs.groups, channels = problem->x[0].c;
    RF_TRY(rf_check_map(problem, true));
    if (groups > 0 && channels % groups != 0)
        return rf_fail(RF_E_SHAPE, "softmax: %d channels, which %d groups do not divide", channels, groups);
    problem->y = problem->x[0];
    return RF_OK;
}

/* How many numbers a softmax is over, and how far they are apart. */
static size_t numbers(const rf_problem *problem) {
    return (size_t)(problem->attrs.groups > 0 ? problem->attrs.groups : problem->y.c);
}
static size_t apart(const rf_problem *problem) {
    return (size_t)problem->y.c / numbers(problem);
}

/* ---- reference ---- */

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t step = apart(problem), end = numbers(problem) * step;
    for (size_t i = 0; i < rf_shape_pixels(problem->y) * step; ++i) {
        const size_t at = i / step * end + i % step;
        const float *x = a->x[0] + at;
        float *y = a->y + at;
        double largest = x[0], sum = 0;
        for (size_t c = step; c < end; c += step) largest = fmax(largest, x[c]);
        for (size_t c = 0; c < end; c += step) sum += exp(x[c] - largest);
        for (size_t c = 0; c < end; c += step) y[c] = (float)(exp(x[c] - largest) / sum);
    }
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const size_t step = apart(problem), end = numbers(problem) * step;
    for (size_t i = 0; i < rf_shape_pixels(problem->y) * step; ++i) {
        const size_t at = i / step * end + i % step;
        const float *y = a->y + at, *dy = a->dy + at;
        float *dx = a->dx[0] + at;
        double sum = 0;
        for (size_t c = 0; c < end; c += step) sum += (double)y[c] * dy[c];
        for (size_t c = 0; c < end; c += step)
            dx[c] = (float)(y[c] * (dy[c] - sum) + (problem->accumulate[0] ? dx[c] : 0));
    }
}

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, double passes) {
    const size_t rows = rf_shape_pixels(problem->y), channels = (size_t)problem->y.c;
    char options[RF_OPTIONS];
    desc->program = "softmax";
    desc->options = rf_family_options(options, family, info, "%s", "");
    desc->bytes = passes * (double)(rows * channels * sizeof(float));
    rf_family_spread(desc, family, info, rows, channels);
    return rf_emit(sequence, desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = problem->attrs.groups > 0 ? "forward_across" : "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_I32(rf_shape_pixels(problem->y)),
                                    RF_I32(problem->y.c), RF_I32(problem->attrs.groups)}};
    return emit(sequence, problem, info, family, &desc, 2);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    const bool accumulate = problem->accumulate[0];
    rf_launch_desc desc = {.kernel = problem->attrs.groups > 0 ? "gradient_across" : "gradient",
                           .args = {RF_BUF(t->y), RF_BUF(t->dy), RF_BUF(t->dx[0]),
                                    RF_I32(rf_shape_pixels(problem->y)), RF_I32(problem->y.c),
                                    RF_I32(problem->attrs.groups), RF_I32(accumulate)}};
    return emit(sequence, problem, info, family, &desc, accumulate ? 4 : 3);
}

/* A work-item has a row at least. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && 3.0 * problem->y.c <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(softmax_f, "softmax", RF_FORWARD, RF_HALF_NEVER, applicable, NULL, forward_build)
RF_SOLVER_PAIR(softmax_b, "softmax", RF_BACKWARD_DATA, RF_HALF_NEVER, applicable, NULL, backward_build)
static const rf_solver *const solvers[] = {&softmax_f_tile, &softmax_f_group, &softmax_b_tile,
                                           &softmax_b_group, NULL};

static const rf_case cases[] = {
    {.label = "2x19x3x5", .x = {{2, 19, 3, 5}}},
    {.label = "flat 5x37, accumulate", .x = {{5, 37, 1, 1, true}}, .accumulate = true},
    {.label = "one channel", .x = {{3, 1, 2, 2}}},
    {.label = "2x8x4x4 far from zero", .x = {{2, 8, 4, 4}}, .offset = 200},
    {.label = "across 3 groups", .attrs = {.groups = 3}, .x = {{2, 57, 3, 5}}},
    {.label = "across 2 groups, flat, accumulate",
     .attrs = {.groups = 2},
     .x = {{5, 8, 1, 1, true}},
     .accumulate = true},
    {.label = "across one group", .attrs = {.groups = 1}, .x = {{2, 5, 2, 2}}},
    {.label = "8x64x28x28", .x = {{8, 64, 28, 28}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "8 channels, which 3 groups do not divide", .attrs = {.groups = 3}, .x = {{1, 8, 2, 2}}},
    {.label = "the input is flat", .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR(groups, INT, 0, 0, INT32_MAX), RF_ATTR_END};
const rf_op rf_op_softmax = {
    .name = "softmax",
    .summary = "exp(x) over the sum of it, over the channels of each pixel, or across groups of them",
    .attrs = attrs,
    .inputs_min = 1,
    .inputs_max = 1,
    .y_in_backward = true,
    .in_place = true,
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
