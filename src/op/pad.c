/* pad: rows and columns around a map, of one value, or the map mirrored at its first and last pixels, or these again; a negative
 * number takes them away. */
#include <string.h>

#include "op/family.h"

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const rf_pair before = problem->attrs.before, after = problem->attrs.after;
    RF_TRY(rf_check_map(problem, false));
    if (x.h + before.y + after.y < 1 || x.w + before.x + after.x < 1)
        return rf_fail(RF_E_SHAPE, "pad: nothing of an input of %dx%d is left" RF_LARGER_IMAGES, x.h, x.w);
    if (problem->attrs.reflect && problem->attrs.replicate)
        return rf_fail(RF_E_SHAPE, "pad: reflect and replicate exclude each other");
    if (problem->attrs.replicate && RF_MIN(RF_MIN(before.y, before.x), RF_MIN(after.y, after.x)) < 0)
        return rf_fail(RF_E_SHAPE, "pad: with replicate no pixels are taken away");
    if (problem->attrs.reflect && (before.y >= x.h || after.y >= x.h || before.x >= x.w || after.x >= x.w))
        return rf_fail(
            RF_E_SHAPE,
            "pad: input is %dx%d, too small for mirrors of %dx%d before and %dx%d after it" RF_LARGER_IMAGES,
            x.h, x.w, before.y, before.x, after.y, after.x);
    problem->y = x;
    problem->y.h += before.y + after.y;
    problem->y.w += before.x + after.x;
    return RF_OK;
}

/* ---- reference ---- */

/* The kernel's: what is around the map. */
enum { VALUE, REFLECT, REPLICATE };

static int mode_of(const rf_problem *problem) {
    return problem->attrs.reflect ? REFLECT : problem->attrs.replicate ? REPLICATE : VALUE;
}

/* The coordinate that `at` shows; -1: none. */
static int shown(int at, int size, int mode) {
    if (at >= 0 && at < size) return at;
    if (mode == VALUE) return -1;
    if (mode == REPLICATE) return at < 0 ? 0 : size - 1;
    return at < 0 ? -at : 2 * (size - 1) - at;
}

/* Where pixel (n, oy, ox) of y comes from in x; NULL: the value. */
static float *source(const rf_problem *problem, float *x, int n, int oy, int ox) {
    const rf_shape s = problem->x[0];
    const rf_attrs *a = &problem->attrs;
    const int mode = mode_of(problem), y = shown(oy - a->before.y, s.h, mode),
              column = shown(ox - a->before.x, s.w, mode);
    return y < 0 || column < 0 ? NULL : x + (((size_t)n * s.h + y) * s.w + column) * s.c;
}

#define FOR_PIXELS(s, n, y, x)                                                                               \
    for (int n = 0; n < (s).n; ++n)                                                                          \
        for (int y = 0; y < (s).h; ++y)                                                                      \
            for (int x = 0; x < (s).w; ++x)

static void forward(const rf_problem *problem, const rf_arrays *a) {
    float *y = a->y;
    FOR_PIXELS(problem->y, n, oy, ox) {
        const float *from = source(problem, a->x[0], n, oy, ox);
        for (int c = 0; c < problem->y.c; ++c) *y++ = from != NULL ? from[c] : (float)problem->attrs.value;
    }
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const float *dy = a->dy;
    if (!problem->accumulate[0]) memset(a->dx[0], 0, rf_shape_count(problem->x[0]) * sizeof *a->dx[0]);
    FOR_PIXELS(problem->y, n, oy, ox) {
        float *to = source(problem, a->dx[0], n, oy, ox);
        for (int c = 0; c < problem->y.c; ++c, ++dy)
            if (to != NULL) to[c] += *dy;
    }
}

/* ---- solvers ---- */

/* `last`: the value, or whether to accumulate. */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, const char *kernel, rf_buffer *from, rf_buffer *to, rf_shape over,
                      rf_arg last) {
    const rf_shape x = problem->x[0], y = problem->y;
    const rf_pair before = problem->attrs.before;
    char options[RF_OPTIONS];
    rf_launch_desc desc = {.program = "pad",
                           .kernel = kernel,
                           .options = rf_family_options(options, family, info, "%s", ""),
                           .args = {RF_BUF(from), RF_BUF(to), RF_I32(x.n), RF_I32(x.h), RF_I32(x.w),
                                    RF_I32(x.c), RF_I32(y.h), RF_I32(y.w), RF_I32(before.y), RF_I32(before.x),
                                    RF_I32(mode_of(problem)), last},
                           .bytes = (double)((rf_shape_count(x) + rf_shape_count(y)) * sizeof(float))};
    if (family == RF_TILE)
        rf_family_spread(&desc, family, info, (size_t)over.n * over.h, (size_t)over.w * over.c);
    else
        rf_family_spread(&desc, family, info, rf_shape_count(over), 1);
    return rf_emit(sequence, &desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    return emit(sequence, problem, info, family, "forward", t->x[0], t->y, problem->y,
                (rf_arg)RF_F32(problem->attrs.value));
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    return emit(sequence, problem, info, family, "gradient", t->dy, t->dx[0], problem->x[0],
                (rf_arg)RF_I32(problem->accumulate[0]));
}

/* A tile work-item has a row at least. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const double vectors = (double)rf_ceil_div((size_t)problem->y.c, (size_t)rf_family_vector(RF_TILE, info));
    const double rows =
        problem->attrs.replicate ? problem->y.h : 3; /* that a pixel's gradient gathers, at most */
    return rf_indexable(problem, info) && vectors * problem->y.w * (4 * rows + 1) <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(pad_f, "pad", RF_FORWARD, RF_HALF_EITHER, applicable, NULL, forward_build)
RF_SOLVER_PAIR(pad_b, "pad", RF_BACKWARD_DATA, RF_HALF_EITHER, applicable, NULL, backward_build)
static const rf_solver *const solvers[] = {&pad_f_tile, &pad_f_group, &pad_b_tile, &pad_b_group, NULL};

static const rf_case cases[] = {
    {.label = "zeros, uneven", .attrs = {.before = {0, 1}, .after = {1, 2}}, .x = {{2, 19, 3, 4}}},
    {.label = "a value", .attrs = {.before = {2, 0}, .value = -1.5}, .x = {{2, 3, 4, 3}}, .accumulate = true},
    {.label = "mirrored", .attrs = {.before = {1, 2}, .after = {2, 1}, .reflect = true}, .x = {{2, 5, 3, 4}}},
    {.label = "mirrored fully",
     .attrs = {.before = {1, 4}, .after = {1, 4}, .reflect = true},
     .x = {{1, 17, 2, 5}},
     .accumulate = true},
    {.label = "replicated",
     .attrs = {.before = {1, 2}, .after = {3, 0}, .replicate = true},
     .x = {{2, 5, 3, 4}}},
    {.label = "one pixel, replicated",
     .attrs = {.before = {2, 1}, .after = {1, 3}, .replicate = true},
     .x = {{2, 19, 1, 1}},
     .accumulate = true},
    {.label = "cropped",
     .attrs = {.before = {-1, 1}, .after = {-2, -1}, .value = 2},
     .x = {{2, 19, 5, 4}},
     .accumulate = true},
    {.label = "none", .attrs = {.value = 1}, .x = {{1, 3, 2, 2}}},
    {.label = "64x56x56",
     .attrs = {.before = {1, 1}, .after = {1, 1}, .reflect = true},
     .x = {{2, 64, 56, 56}},
     .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "input is 3x3, too small for mirrors of 3x0 before",
     .attrs = {.before = {3, 0}, .reflect = true},
     .x = {{1, 2, 3, 3}}},
    {.label = "reflect and replicate exclude each other",
     .attrs = {.before = {1, 1}, .reflect = true, .replicate = true},
     .x = {{1, 2, 3, 3}}},
    {.label = "with replicate no pixels are taken away",
     .attrs = {.before = {1, -1}, .replicate = true},
     .x = {{1, 2, 3, 3}}},
    {.label = "nothing of an input of 3x3 is left",
     .attrs = {.before = {0, -2}, .after = {0, -1}},
     .x = {{1, 2, 3, 3}}},
    {.label = "the input is flat", .attrs = {.before = {1, 1}}, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {
    RF_ATTR(before, PAIR, 0, -4096, 4096), RF_ATTR(after, PAIR, 0, -4096, 4096),
    RF_ATTR(value, FLOAT, 0, -1e15, 1e15), RF_ATTR(reflect, BOOL, 0, 0, 1),
    RF_ATTR(replicate, BOOL, 0, 0, 1),     RF_ATTR_END};

const rf_op rf_op_pad = {
    .name = "pad",
    .summary = "rows and columns before and after the map: of a value, mirrored, or the outermost again; "
               "negative: fewer of them",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = attrs,
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
