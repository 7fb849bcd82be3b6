/* multiply: y = x0 * x1, element by element; x1 may be one number a channel, as squeeze-and-excitation has it (Hu et al.
 * 2018), or one a pixel, as spatial attention has it (Woo et al. 2018). */
#include "op/family.h"
#include "op/reference.h"

/* What x1 has a number for, as kernels/multiply.cl has it. */
typedef enum gate { ELEMENTS, CHANNELS, PIXELS } gate;

static gate gate_of(const rf_problem *problem) {
    const rf_shape x = problem->x[0], b = problem->x[1];
    if (b.c == x.c && b.h * b.w == 1 && x.h * x.w > 1) return CHANNELS;
    return b.c == 1 && x.c > 1 && b.h == x.h && b.w == x.w ? PIXELS : ELEMENTS;
}

static rf_status infer(rf_problem *problem) {
    const rf_shape a = problem->x[0], b = problem->x[1];
    const bool gated = gate_of(problem) != ELEMENTS && (!a.flat || a.h * a.w == 1);
    if (a.n != b.n ||
        (!gated && (a.c != b.c || a.h != b.h || a.w != b.w || (a.flat != b.flat && a.h * a.w > 1))))
        return rf_fail(RF_E_SHAPE,
                       "multiply: input 1 is %dx%dx%d%s, input 2 is %dx%dx%d%s, and must be as large, %dx1x1 "
                       "or 1x%dx%d",
                       a.c, a.h, a.w, a.flat ? " (flat)" : "", b.c, b.h, b.w, b.flat ? " (flat)" : "", a.c,
                       a.h, a.w);
    problem->y = a;
    return RF_OK;
}

/* ---- reference ---- */

/* The number of x1 that element `at` is multiplied by. */
static size_t index_of(const rf_problem *problem, size_t at) {
    const size_t channels = (size_t)problem->y.c, image = channels * problem->y.h * problem->y.w;
    const gate per = gate_of(problem);
    return per == CHANNELS ? at / image * channels + at % channels : per == PIXELS ? at / channels : at;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    for (size_t at = 0; at < rf_shape_count(problem->y); ++at)
        a->y[at] = a->x[0][at] * a->x[1][index_of(problem, at)];
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const rf_shape y = problem->y;
    const size_t channels = (size_t)y.c, pixels = (size_t)y.h * y.w, image = pixels * channels;
    const gate per = gate_of(problem);
    const size_t terms = per == CHANNELS ? pixels
                         : per == PIXELS ? channels
                                         : 1,
                 step = per == CHANNELS ? channels : 1;
    for (size_t at = 0; problem->need_dx[0] && at < rf_shape_count(y); ++at) {
        float *dx = &a->dx[0][at];
        *dx = a->dy[at] * a->x[1][index_of(problem, at)] + (problem->accumulate[0] ? *dx : 0);
    }
    for (size_t at = 0; problem->need_dx[1] && at < rf_shape_count(problem->x[1]); ++at) {
        const size_t first = per == CHANNELS ? at / channels * image + at % channels : at * terms;
        double sum = problem->accumulate[1] ? a->dx[1][at] : 0;
        for (size_t k = 0; k < terms; ++k) sum += (double)a->dy[first + k * step] * a->x[0][first + k * step];
        a->dx[1][at] = (float)sum;
    }
}

/* ---- solvers ---- */

/* to = a * b, where b has a number for each of `per`. */
static rf_status emit_product(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              rf_family family, rf_buffer *a, rf_buffer *b, rf_buffer *to, bool accumulate,
                              gate per) {
    const rf_shape y = problem->y;
    const size_t count = rf_shape_count(y), pixels = rf_shape_pixels(y);
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "multiply",
        .kernel = "product",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(a), RF_BUF(b), RF_BUF(to), RF_I32(accumulate), RF_I32(per), RF_I32(y.n),
                 RF_I32(y.h * y.w), RF_I32(y.c)},
        .bytes = sizeof(float) * (double)count * ((per == ELEMENTS ? 3.0 : 2.0) + (accumulate ? 1.0 : 0.0)),
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
    const bool channels = gate_of(problem) == CHANNELS;
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "multiply",
        .kernel = channels ? "reduce" : "reduce_channels",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(t->dy), RF_BUF(t->x[0]), RF_BUF(t->dx[1]), RF_I32(problem->accumulate[1]),
                 RF_I32(y.n), RF_I32(y.h * y.w), RF_I32(y.c)},
        .bytes = 2.0 * sizeof(float) * (double)rf_shape_count(y),
    };
    if (!channels)
        rf_family_spread(&desc, family, info, rf_shape_pixels(y), (size_t)y.c);
    else if (family == RF_GROUP)
        rf_family_spread(&desc, family, info, (size_t)y.n * y.c, image / y.c);
    else
        rf_family_spread(&desc, family, info, (size_t)y.n, image);
    return rf_emit(sequence, &desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    return emit_product(sequence, problem, info, family, t->x[0], t->x[1], t->y, false, gate_of(problem));
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    const gate per = gate_of(problem);
    if (problem->need_dx[0])
        RF_TRY(emit_product(sequence, problem, info, family, t->dy, t->x[1], t->dx[0], problem->accumulate[0],
                            per));
    if (!problem->need_dx[1]) return RF_OK;
    return per != ELEMENTS ? emit_reduce(sequence, problem, info, family, t)
                           : emit_product(sequence, problem, info, family, t->dy, t->x[0], t->dx[1],
                                          problem->accumulate[1], ELEMENTS);
}

/* A tile work-item of `reduce` has whole images. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const rf_shape y = problem->y;
    const double vectors = (double)rf_ceil_div((size_t)y.c, (size_t)rf_family_vector(RF_TILE, info));
    return rf_indexable(problem, info) && vectors * y.h * y.w <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(multiply_f, "multiply", RF_FORWARD, RF_HALF_ALIKE, rf_indexable, NULL, forward_build)
RF_SOLVER_PAIR(multiply_b, "multiply", RF_BACKWARD_DATA, RF_HALF_ALIKE, applicable, NULL, backward_build)
static const rf_solver *const solvers[] = {&multiply_f_tile, &multiply_f_group, &multiply_b_tile,
                                           &multiply_b_group, NULL};

static const rf_case cases[] = {
    {.label = "2x3x5x7", .x = {{2, 3, 5, 7}, {2, 3, 5, 7}}},
    {.label = "gate of 2x19x5x3", .x = {{2, 19, 5, 3}, {2, 19, 1, 1}}, .accumulate = true},
    {.label = "a number a pixel of 2x19x5x3", .x = {{2, 19, 5, 3}, {2, 1, 5, 3}}, .accumulate = true},
    {.label = "flat gate", .x = {{3, 8, 4, 4}, {3, 8, 1, 1, true}}},
    {.label = "flat", .x = {{5, 37, 1, 1, true}, {5, 37, 1, 1, true}}, .accumulate = true},
    {.label = "flat, a number an image", .x = {{5, 37, 1, 1, true}, {5, 1, 1, 1, true}}, .accumulate = true},
    {.label = "a number a pixel of 16x40x28x28", .x = {{16, 40, 28, 28}, {16, 1, 28, 28}}, .large = true},
    {.label = "gate of 16x40x28x28", .x = {{16, 40, 28, 28}, {16, 40, 1, 1}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "input 1 is 3x2x2, input 2 is 3x2x1, and must be as large, 3x1x1 or 1x2x2",
     .x = {{1, 3, 2, 2}, {1, 3, 2, 1}}},
    {.label = "input 2 is 1x1x1", .x = {{1, 3, 2, 2}, {1, 1, 1, 1}}},
    {NULL},
};

const rf_op rf_op_multiply = {
    .name = "multiply",
    .summary = "product of two inputs, the second as large, one number a channel, or one a pixel",
    .inputs_min = 2,
    .inputs_max = 2,
    .x_in_backward = true,
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
