/* slice: the channels begin .. end-1. */
#include <string.h>

#include "op/rows.h"

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const int begin = problem->attrs.begin, end = problem->attrs.end;
    RF_TRY(rf_check_map(problem, true));
    if (begin >= end || end > x.c)
        return rf_fail(RF_E_SHAPE, "slice: channels %d to %d of %d: begin < end <= %d is needed", begin, end,
                       x.c, x.c);
    problem->y = x;
    problem->y.c = end - begin;
    return RF_OK;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t from = (size_t)problem->x[0].c, to = (size_t)problem->y.c;
    for (size_t pixel = 0; pixel < rf_shape_pixels(problem->y); ++pixel)
        memcpy(a->y + pixel * to, a->x[0] + pixel * from + problem->attrs.begin, to * sizeof(float));
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const size_t width = (size_t)problem->y.c, channels = (size_t)problem->x[0].c;
    for (size_t pixel = 0; pixel < rf_shape_pixels(problem->y); ++pixel) {
        float *dx = a->dx[0] + pixel * channels;
        if (!problem->accumulate[0]) memset(dx, 0, channels * sizeof *dx);
        for (size_t c = 0; c < width; ++c) dx[(size_t)problem->attrs.begin + c] += a->dy[pixel * width + c];
    }
}

/* The channels of x, or dx, that are y. */
static rf_rows part(const rf_problem *problem, rf_buffer *buffer) {
    return (rf_rows){
        .buffer = buffer, .offset = (size_t)problem->attrs.begin, .stride = (size_t)problem->x[0].c};
}

static rf_rows whole(const rf_problem *problem, rf_buffer *buffer) {
    return (rf_rows){.buffer = buffer, .stride = (size_t)problem->y.c};
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    return rf_emit_rows(sequence, info, family, whole(problem, t->y), part(problem, t->x[0]), (rf_rows){NULL},
                        rf_shape_pixels(problem->y), (size_t)problem->y.c);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    const rf_rows dx = part(problem, t->dx[0]);
    const size_t rows = rf_shape_pixels(problem->y), width = (size_t)problem->y.c;
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "slice",
        .kernel = "spread",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_I32(rows), RF_I32(dx.stride), RF_I32(dx.offset),
                 RF_I32(width)},
        .bytes = (double)(rows * (dx.stride + width) * sizeof(float)),
    };
    if (problem->accumulate[0])
        return rf_emit_rows(sequence, info, family, dx, whole(problem, t->dy), dx, rows, width);
    if (family == RF_TILE)
        rf_family_spread(&desc, family, info, rows, dx.stride);
    else
        rf_family_spread(&desc, family, info, rows * dx.stride, 1);
    return rf_emit(sequence, &desc);
}

RF_SOLVER_PAIR(slice_f, "slice", RF_FORWARD, rf_indexable, NULL, forward_build)
RF_SOLVER_PAIR(slice_b, "slice", RF_BACKWARD_DATA, rf_indexable, NULL, backward_build)
static const rf_solver *const solvers[] = {&slice_f_tile, &slice_f_group, &slice_b_tile, &slice_b_group,
                                           NULL};

static const rf_case cases[] = {
    {.label = "3 to 8 of 11", .attrs = {.begin = 3, .end = 8}, .x = {{2, 11, 3, 5}}},
    {.label = "first 17 of 40", .attrs = {.end = 17}, .x = {{2, 40, 3, 3}}, .accumulate = true},
    {.label = "last", .attrs = {.begin = 4, .end = 5}, .x = {{3, 5, 1, 1, true}}},
    {.label = "all", .attrs = {.end = 4}, .x = {{2, 4, 2, 3}}},
    {.label = "half of 116 of 28x28",
     .attrs = {.begin = 58, .end = 116},
     .x = {{8, 116, 28, 28}},
     .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "channels 2 to 9 of 8", .attrs = {.begin = 2, .end = 9}, .x = {{1, 8, 2, 2}}},
    {.label = "channels 2 to 2 of 8", .attrs = {.begin = 2, .end = 2}, .x = {{1, 8, 2, 2}}},
    {.label = "the input is flat", .attrs = {.end = 2}, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR_REQUIRED(begin, INT, 0, INT32_MAX),
                                     RF_ATTR_REQUIRED(end, INT, 1, INT32_MAX), RF_ATTR_END};

const rf_op rf_op_slice = {
    .name = "slice",
    .summary = "the channels from begin to before end",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = attrs,
    .positional = "begin end",
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
