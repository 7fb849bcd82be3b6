/* concat: the inputs' channels behind one another.  Flat inputs too, if their maps agree: memory is
 * channels-last. */
#include "op/rows.h"

static rf_status infer(rf_problem *problem) {
    const rf_shape first = problem->x[0];
    int channels = 0;
    for (int i = 0; i < problem->inputs; ++i) {
        const rf_shape x = problem->x[i];
        if (x.n != first.n || x.h != first.h || x.w != first.w || x.flat != first.flat)
            return rf_fail(RF_E_SHAPE, "concat: input 1 has maps of %dx%d%s, input %d of %dx%d%s", first.h,
                           first.w, first.flat ? " (flat)" : "", i + 1, x.h, x.w, x.flat ? " (flat)" : "");
        if (x.c > INT32_MAX - channels)
            return rf_fail(RF_E_SHAPE, "concat: more than %d channels", INT32_MAX);
        channels += x.c;
    }
    problem->y = first;
    problem->y.c = channels;
    return RF_OK;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t pixels = rf_shape_pixels(problem->y), width = (size_t)problem->y.c;
    size_t offset = 0;
    for (int i = 0; i < problem->inputs; offset += (size_t)problem->x[i++].c)
        for (size_t pixel = 0; pixel < pixels; ++pixel)
            for (size_t c = 0; c < (size_t)problem->x[i].c; ++c)
                a->y[pixel * width + offset + c] = a->x[i][pixel * (size_t)problem->x[i].c + c];
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const size_t pixels = rf_shape_pixels(problem->y), width = (size_t)problem->y.c;
    size_t offset = 0;
    for (int i = 0; i < problem->inputs; offset += (size_t)problem->x[i++].c) {
        const size_t channels = (size_t)problem->x[i].c;
        if (!problem->need_dx[i]) continue;
        for (size_t pixel = 0; pixel < pixels; ++pixel)
            for (size_t c = 0; c < channels; ++c) {
                float *dx = a->dx[i] + pixel * channels + c;
                *dx = a->dy[pixel * width + offset + c] + (problem->accumulate[i] ? *dx : 0);
            }
    }
}

/* The part of y, or dy, that belongs to input i. */
static rf_rows part(const rf_problem *problem, rf_buffer *buffer, int i) {
    rf_rows rows = {.buffer = buffer, .stride = (size_t)problem->y.c};
    for (int k = 0; k < i; ++k) rows.offset += (size_t)problem->x[k].c;
    return rows;
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    for (int i = 0; i < problem->inputs; ++i) {
        const size_t channels = (size_t)problem->x[i].c;
        RF_TRY(rf_emit_rows(sequence, info, family, part(problem, t->y, i),
                            (rf_rows){.buffer = t->x[i], .stride = channels}, (rf_rows){NULL},
                            rf_shape_pixels(problem->y), channels, RF_ACT_NONE));
    }
    return RF_OK;
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    for (int i = 0; i < problem->inputs; ++i) {
        const size_t channels = (size_t)problem->x[i].c;
        const rf_rows dx = {.buffer = t->dx[i], .stride = channels}, none = {NULL};
        if (!problem->need_dx[i]) continue;
        RF_TRY(rf_emit_rows(sequence, info, family, dx, part(problem, t->dy, i),
                            problem->accumulate[i] ? dx : none, rf_shape_pixels(problem->y), channels,
                            RF_ACT_NONE));
    }
    return RF_OK;
}

RF_SOLVER_PAIR(concat_f, "concat", RF_FORWARD, RF_HALF_ALIKE, rf_indexable, NULL, forward_build)
RF_SOLVER_PAIR(concat_b, "concat", RF_BACKWARD_DATA, RF_HALF_ALIKE, rf_indexable, NULL, backward_build)
static const rf_solver *const solvers[] = {&concat_f_tile, &concat_f_group, &concat_b_tile, &concat_b_group,
                                           NULL};

static const rf_case cases[] = {
    {.label = "3 and 5 channels", .x = {{2, 3, 4, 3}, {2, 5, 4, 3}}},
    {.label = "three", .inputs = 3, .x = {{2, 8, 3, 3}, {2, 1, 3, 3}, {2, 17, 3, 3}}, .accumulate = true},
    {.label = "flat", .x = {{3, 7, 1, 1, true}, {3, 4, 1, 1, true}}},
    {.label = "flat maps", .x = {{3, 2, 2, 3, true}, {3, 4, 2, 3, true}}},
    {.label = "32 and 64 channels", .x = {{8, 32, 28, 28}, {8, 64, 28, 28}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "more than 2147483647 channels", .x = {{1, 1 << 30, 1, 1}, {1, 1 << 30, 1, 1}}},
    {.label = "input 1 has maps of 2x2, input 2 of 2x3", .x = {{1, 1, 2, 2}, {1, 1, 2, 3}}},
    {.label = "input 2 of 1x1 (flat)", .x = {{1, 3, 1, 1}, {1, 3, 1, 1, true}}},
    {NULL},
};

const rf_op rf_op_concat = {
    .name = "concat",
    .summary = "its inputs' channels behind one another",
    .inputs_min = 2,
    .inputs_max = RF_MAX_INPUTS,
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
