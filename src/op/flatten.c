/* flatten: each image's map as one row of numbers, in PyTorch's order C,H,W.  Memory stays as it is
 * (channels-last): the next layer knows the map's layout, so this op has no kernels. */
#include <string.h>

#include "op/op.h"

static rf_status infer(rf_problem *problem) {
    problem->y = problem->x[0];
    problem->y.flat = true;
    return RF_OK;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    if (a->y != a->x[0]) memcpy(a->y, a->x[0], rf_shape_count(problem->y) * sizeof *a->y);
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    for (size_t i = 0; i < rf_shape_count(problem->y) && a->dx[0] != a->dy; ++i)
        a->dx[0][i] = a->dy[i] + (problem->accumulate[0] ? a->dx[0][i] : 0);
}

static const rf_solver *const solvers[] = {NULL};

static const rf_case cases[] = {
    {.label = "2x3x5x7", .x = {{2, 3, 5, 7}}},
    {.label = "flat already", .x = {{5, 37, 1, 1, true}}, .accumulate = true},
    {NULL},
};

const rf_op rf_op_flatten = {
    .name = "flatten",
    .summary = "each image's map as one row of numbers",
    .inputs_min = 1,
    .inputs_max = 1,
    .alias = true,
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
};
