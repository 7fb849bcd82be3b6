/* add: y = x0 + x1 + ...; each input's gradient is dy. */
#include "op/reference.h"
#include "op/rows.h"

static rf_status infer(rf_problem *problem) {
    const rf_shape first = problem->x[0];
    for (int i = 1; i < problem->inputs; ++i) {
        const rf_shape x = problem->x[i];
        if (x.n != first.n || x.c != first.c || x.h != first.h || x.w != first.w || x.flat != first.flat)
            return rf_fail(RF_E_SHAPE, "add: input 1 is %dx%dx%d%s, input %d is %dx%dx%d%s", first.c, first.h,
                           first.w, first.flat ? " (flat)" : "", i + 1, x.c, x.h, x.w,
                           x.flat ? " (flat)" : "");
    }
    problem->y = first;
    return RF_OK;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const int64_t count = (int64_t)rf_shape_count(problem->y);
#pragma omp parallel for num_threads(rf_reference_threads()) if (count > 10000)
    for (int64_t at = 0; at < count; ++at) {
        double sum = a->x[0][at];
        for (int i = 1; i < problem->inputs; ++i) sum += a->x[i][at];
        a->y[at] = rf_act_apply((float)sum, problem->act);
    }
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const int64_t count = (int64_t)rf_shape_count(problem->y);
    for (int i = 0; i < problem->inputs; ++i) /* in order: an input that occurs twice accumulates */
        if (problem->need_dx[i])
            for (int64_t at = 0; at < count; ++at)
                a->dx[i][at] = a->dy[at] + (problem->accumulate[i] ? a->dx[i][at] : 0);
}

/* A tensor of the problem's shape as one row. */
static rf_rows whole(const rf_problem *problem, rf_buffer *buffer) {
    return (rf_rows){.buffer = buffer, .stride = rf_shape_count(problem->y)};
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    for (int i = 1; i < problem->inputs; ++i)
        RF_TRY(rf_emit_rows(sequence, info, family, whole(problem, t->y),
                            whole(problem, i == 1 ? t->x[0] : t->y), whole(problem, t->x[i]), 1,
                            rf_shape_count(problem->y),
                            i == problem->inputs - 1 ? problem->act : RF_ACT_NONE));
    return RF_OK;
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    for (int i = 0; i < problem->inputs; ++i) {
        const rf_rows dx = whole(problem, t->dx[i]), none = {NULL};
        const bool accumulate = problem->accumulate[i];
        if (!problem->need_dx[i] || (t->dx[i] == t->dy && !accumulate)) continue;
        RF_TRY(rf_emit_rows(sequence, info, family, dx, whole(problem, t->dy), accumulate ? dx : none, 1,
                            rf_shape_count(problem->y), RF_ACT_NONE));
    }
    return RF_OK;
}

RF_SOLVER_PAIR(add_f, "add", RF_FORWARD, RF_HALF_ALIKE, rf_indexable, NULL, forward_build)
RF_SOLVER_PAIR(add_b, "add", RF_BACKWARD_DATA, RF_HALF_ALIKE, rf_indexable, NULL, backward_build)
static const rf_solver *const solvers[] = {&add_f_tile, &add_f_group, &add_b_tile, &add_b_group, NULL};

static const rf_case cases[] = {
    {.label = "2x3x5x7", .x = {{2, 3, 5, 7}, {2, 3, 5, 7}}},
    {.label = "three flat",
     .inputs = 3,
     .x = {{5, 37, 1, 1, true}, {5, 37, 1, 1, true}, {5, 37, 1, 1, true}}},
    {.label = "accumulate", .x = {{1, 1, 3, 3}, {1, 1, 3, 3}}, .accumulate = true},
    {.label = "relu, inference", .act = RF_ACT_RELU, .x = {{2, 19, 3, 5}, {2, 19, 3, 5}}, .inference = true},
    {.label = "three, silu, inference",
     .act = RF_ACT_SILU,
     .inputs = 3,
     .x = {{2, 3, 5, 7}, {2, 3, 5, 7}, {2, 3, 5, 7}},
     .inference = true},
    {.label = "17x33x31x29", .x = {{17, 33, 31, 29}, {17, 33, 31, 29}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "input 1 is 3x2x2, input 2 is 3x2x1", .x = {{1, 3, 2, 2}, {1, 3, 2, 1}}},
    {.label = "input 2 is 12x1x1 (flat)", .x = {{1, 12, 1, 1}, {1, 12, 1, 1, true}}},
    {NULL},
};

const rf_op rf_op_add = {
    .name = "add",
    .summary = "sum of its inputs",
    .inputs_min = 2,
    .inputs_max = RF_MAX_INPUTS,
    .in_place = true,
    .is_sum = true,
    .takes_act = RF_AT_INFERENCE,
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
