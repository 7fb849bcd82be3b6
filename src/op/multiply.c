/* multiply: y = x0 * x1, element by element; x1 may be one number a channel, as squeeze-and-excitation has it (Hu et al.
 * 2018). */
#include "op/family.h"
#include "op/reference.h"

static bool is_gate(const rf_problem *problem) {
    const rf_shape x = problem->x[0], gate = problem->x[1];
    return gate.h * gate.w == 1 && x.h * x.w > 1;
}

static rf_status infer(rf_problem *problem) {
    const rf_shape a = problem->x[0], b = problem->x[1];
    const bool gate = is_gate(problem) && !a.flat;
    if (a.n != b.n || a.c != b.c ||
        (!gate && (a.h != b.h || a.w != b.w || (a.flat != b.flat && a.h * a.w > 1))))
        return rf_fail(
            RF_E_SHAPE,
            "multiply: input 1 is %dx%dx%d%s, input 2 is %dx%dx%d%s, and must be as large or %dx1x1", a.c,
            a.h, a.w, a.flat ? " (flat)" : "", b.c, b.h, b.w, b.flat ? " (flat)" : "", a.c);
    problem->y = a;
    return RF_OK;
}

/* ---- reference ---- */

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t count = rf_shape_count(problem->y), channels = (size_t)problem->y.c,
                 image = count / (size_t)problem->y.n;
    const bool gate = is_gate(problem);
    for (size_t at = 0; at < count; ++at)
        a->y[at] = a->x[0][at] * a->x[1][gate ? at / image * channels + at % channels : at];
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const rf_shape y = problem->y;
    const size_t channels = (size_t)y.c, pixels = (size_t)y.h * y.w, image = pixels * channels;
    const bool gate = is_gate(problem);
    for (size_t at = 0; problem->need_dx[0] && at < rf_shape_count(y); ++at) {
        float *dx = &a->dx[0][at];
        *dx = a->dy[at] * a->x[1][gate ? at / image * channels + at % channels : at] +
              (problem->accumulate[0] ? *dx : 0);
    }
    for (size_t at = 0; problem->need_dx[1] && at < rf_shape_count(problem->x[1]); ++at) {
        const size_t first = gate ? at / channels * image + at % channels : at;
        double sum = problem->accumulate[1] ? a->dx[1][at] : 0;
        for (size_t p = 0; p < (gate ? pixels : 1); ++p)
            sum += (double)a->dy[first + p * channels] * a->x[0][first + p * channels];
        a->dx[1][at] = (float)sum;
    }
}

/* ---- solvers ---- */

/* to = a * b; gate: b is one number a channel. */
static rf_status emit_product(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              rf_family family, rf_buffer *a, rf_buffer *b, rf_buffer *to, bool accumulate,
                              bool gate) {
    const rf_shape y = problem->y;
    const size_t count = rf_shape_count(y), pixels = rf_shape_pixels(y);
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "multiply",
        .kernel = "product",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(a), RF_BUF(b), RF_BUF(to), RF_I32(accumulate), RF_I32(gate), RF_I32(y.n),
                 RF_I32(y.h * y.w), RF_I32(y.c)},
        .bytes = sizeof(float) * (double)count * ((gate ? 2.0 : 3.0) + (accumulate ? 1.0 : 0.0)),
    };
    if (family == RF_GROUP)
        rf_family_spread(&desc, family, info, count, 1);
    else
        rf_family_spread(&desc, family, info, pixels, (size_t)y.c);
    return rf_emit(sequence, &desc);
}

static rf_status emit_reduce(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                             rf_family family, const rf_tensors *t) {
    const rf_shape y = problem->y;
    const size_t image = (size_t)y.h * y.w * y.c;
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "multiply",
        .kernel = "reduce",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(t->dy), RF_BUF(t->x[0]), RF_BUF(t->dx[1]), RF_I32(problem->accumulate[1]),
                 RF_I32(y.n), RF_I32(y.h * y.w), RF_I32(y.c)},
        .bytes = 2.0 * sizeof(float) * (double)rf_shape_count(y),
    };
    if (family == RF_GROUP)
        rf_family_spread(&desc, family, info, (size_t)y.n * y.c, image / y.c);
    else
        rf_family_spread(&desc, family, info, (size_t)y.n, image);
    return rf_emit(sequence, &desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    return emit_product(sequence, problem, info, family, t->x[0], t->x[1], t->y, false, is_gate(problem));
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    const bool gate = is_gate(problem);
    if (problem->need_dx[0])
        RF_TRY(emit_product(sequence, problem, info, family, t->dy, t->x[1], t->dx[0], problem->accumulate[0],
                            gate));
    if (!problem->need_dx[1]) return RF_OK;
    return gate ? emit_reduce(sequence, problem, info, family, t)
                : emit_product(sequence, problem, info, family, t->dy, t->x[0], t->dx[1],
                               problem->accumulate[1], false);
}

/* A tile work-item of `reduce` has whole images. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const rf_shape y = problem->y;
    const double vectors = (double)rf_ceil_div((size_t)y.c, (size_t)rf_family_vector(RF_TILE, info));
    return rf_indexable(problem, info) && vectors * y.h * y.w <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(multiply_f, "multiply", RF_FORWARD, rf_indexable, NULL, forward_build)
RF_SOLVER_PAIR(multiply_b, "multiply", RF_BACKWARD_DATA, applicable, NULL, backward_build)
static const rf_solver *const solvers[] = {&multiply_f_tile, &multiply_f_group, &multiply_b_tile,
                                           &multiply_b_group, NULL};

static const rf_case cases[] = {
    {.label = "2x3x5x7", .x = {{2, 3, 5, 7}, {2, 3, 5, 7}}},
    {.label = "gate of 2x19x5x3", .x = {{2, 19, 5, 3}, {2, 19, 1, 1}}, .accumulate = true},
    {.label = "flat gate", .x = {{3, 8, 4, 4}, {3, 8, 1, 1, true}}},
    {.label = "flat", .x = {{5, 37, 1, 1, true}, {5, 37, 1, 1, true}}, .accumulate = true},
    {.label = "gate of 16x40x28x28", .x = {{16, 40, 28, 28}, {16, 40, 1, 1}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "input 1 is 3x2x2, input 2 is 3x2x1, and must be as large or 3x1x1",
     .x = {{1, 3, 2, 2}, {1, 3, 2, 1}}},
    {.label = "input 2 is 1x1x1", .x = {{1, 3, 2, 2}, {1, 1, 1, 1}}},
    {NULL},
};

const rf_op rf_op_multiply = {
    .name = "multiply",
    .summary = "product of two inputs, the second as large or one number a channel",
    .inputs_min = 2,
    .inputs_max = 2,
    .x_in_backward = true,
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
