/* Ops that read the same memory as other dimensions, so that they have no kernels.
 *   flatten          each image's map as one row of numbers, in PyTorch's order C,H,W; memory stays channels-last: the next
 *                    layer knows the map's layout
 *   channels_to_row  the channels of a 1x1 map as the pixels of a row of one channel, so that a convolution of 1xk goes over
 *                    neighbouring channels (ECA, Wang et al. 2020); row_to_channels: back, of one row or
 *                    several */
#include <string.h>

#include "op/op.h"

static rf_status flatten_infer(rf_problem *problem) {
    problem->y = problem->x[0];
    problem->y.flat = true;
    return RF_OK;
}

static rf_status to_row_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    if (x.h * x.w != 1)
        return rf_fail(RF_E_SHAPE, "channels_to_row: input is %dx%dx%d; it takes maps of 1x1", x.c, x.h, x.w);
    problem->y = (rf_shape){.n = x.n, .c = 1, .h = 1, .w = x.c};
    return RF_OK;
}

static rf_status to_channels_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    if (x.c != 1)
        return rf_fail(RF_E_SHAPE, "row_to_channels: input is %dx%dx%d; it takes maps of one channel", x.c,
                       x.h, x.w);
    problem->y = (rf_shape){.n = x.n, .c = x.h * x.w, .h = 1, .w = 1};
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

static const rf_case flatten_cases[] = {
    {.label = "2x3x5x7", .x = {{2, 3, 5, 7}}},
    {.label = "flat already", .x = {{5, 37, 1, 1, true}}, .accumulate = true},
    {NULL},
};
static const rf_case to_row_cases[] = {
    {.label = "2x19x1x1", .x = {{2, 19, 1, 1}}},
    {.label = "flat, accumulate", .x = {{3, 8, 1, 1, true}}, .accumulate = true},
    {NULL},
};
static const rf_case to_row_refused[] = {
    {.label = "input is 4x2x1", .x = {{1, 4, 2, 1}}},
    {NULL},
};
static const rf_case to_channels_cases[] = {
    {.label = "2x1x1x19", .x = {{2, 1, 1, 19}}},
    {.label = "several rows, accumulate", .x = {{3, 1, 4, 2}}, .accumulate = true},
    {NULL},
};
static const rf_case to_channels_refused[] = {
    {.label = "input is 2x1x5", .x = {{1, 2, 1, 5}}},
    {NULL},
};

#define OP(symbol, summary_, infer_, cases_, refused_)                                                       \
    const rf_op rf_op_##symbol = {                                                                           \
        .name = #symbol,                                                                                     \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .alias = true,                                                                                       \
        .infer = infer_,                                                                                     \
        .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},                                \
        .solvers = solvers,                                                                                  \
        .cases = cases_,                                                                                     \
        .refused = refused_,                                                                                 \
    };
OP(flatten, "each image's map as one row of numbers", flatten_infer, flatten_cases, NULL)
OP(channels_to_row, "the channels of a 1x1 map as the pixels of a row of one channel", to_row_infer,
   to_row_cases, to_row_refused)
OP(row_to_channels, "the pixels of a map of one channel as the channels of a 1x1 map", to_channels_infer,
   to_channels_cases, to_channels_refused)
