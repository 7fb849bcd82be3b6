/* Pixels to channels and back, PyTorch's pixel_unshuffle and pixel_shuffle (Shi et al. 2016): channel c * factor^2 + i * factor + j
 * of the small map is channel c of pixel (y * factor + i, x * factor + j) of the large one. */
#include "op/family.h"

static rf_status unshuffle_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const int r = problem->attrs.groups;
    RF_TRY(rf_check_map(problem, true));
    if (x.h % r != 0 || x.w % r != 0)
        return rf_fail(RF_E_SHAPE, "pixel_unshuffle: a map of %dx%d, which %d does not divide", x.h, x.w, r);
    if ((double)x.c * r * r > INT32_MAX)
        return rf_fail(RF_E_SHAPE, "pixel_unshuffle: %d channels times %d are too many", x.c, r * r);
    problem->y = (rf_shape){x.n, x.c * r * r, x.h / r, x.w / r, false};
    return RF_OK;
}

static rf_status shuffle_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const int r = problem->attrs.groups;
    RF_TRY(rf_check_map(problem, true));
    if (x.c % (r * r) != 0)
        return rf_fail(RF_E_SHAPE, "pixel_shuffle: %d channels, which %d does not divide", x.c, r * r);
    if ((double)RF_MAX(x.h, x.w) * r > 1 << 16)
        return rf_fail(RF_E_SHAPE, "pixel_shuffle: %dx%d times %d is more than %d high or wide", x.h, x.w, r,
                       1 << 16);
    problem->y = (rf_shape){x.n, x.c / (r * r), x.h * r, x.w * r, false};
    return RF_OK;
}

/* ---- reference ---- */

/* Whether y is the large map; of factor 1 both are the same. */
static bool enlarges(const rf_problem *problem) {
    return problem->y.h >= problem->x[0].h;
}

static void move(const rf_problem *problem, const float *from, float *to, bool to_large, bool accumulate) {
    const rf_shape small = enlarges(problem) ? problem->x[0] : problem->y,
                   large = enlarges(problem) ? problem->y : problem->x[0];
    const size_t r = (size_t)problem->attrs.groups, C = (size_t)large.c, W = (size_t)large.w;
    for (size_t row = 0; row < (size_t)large.n * (size_t)large.h; ++row)
        for (size_t column = 0; column < W; ++column)
            for (size_t c = 0; c < C; ++c) {
                const size_t pixel = row / r * (size_t)small.w + column / r;
                const size_t s = (pixel * C + c) * r * r + row % r * r + column % r,
                             l = (row * W + column) * C + c;
                const float v = from[to_large ? s : l];
                to[to_large ? l : s] = accumulate ? v + to[to_large ? l : s] : v;
            }
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    move(problem, a->x[0], a->y, enlarges(problem), false);
}
static void backward(const rf_problem *problem, const rf_arrays *a) {
    move(problem, a->dy, a->dx[0], !enlarges(problem), problem->accumulate[0]);
}

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_buffer *from, rf_buffer *to, bool to_large, bool accumulate) {
    const rf_shape small = enlarges(problem) ? problem->x[0] : problem->y;
    const size_t pixels = rf_shape_pixels(small);
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "pixel_shuffle",
        .kernel = to_large ? "enlarge" : "reduce",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(from), RF_BUF(to), RF_I32(pixels), RF_I32(small.w),
                 RF_I32(enlarges(problem) ? problem->y.c : problem->x[0].c), RF_I32(problem->attrs.groups),
                 RF_I32(accumulate)},
        .bytes = (accumulate ? 3.0 : 2.0) * (double)(rf_shape_count(small) * sizeof(float)),
    };
    if (family == RF_TILE)
        rf_family_spread(&desc, family, info, pixels, (size_t)small.c);
    else
        rf_family_spread(&desc, family, info, rf_shape_count(small), 1);
    return rf_emit(sequence, &desc);
}

/* A tile work-item moves an element at a time. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && RF_MAX(problem->y.c, problem->x[0].c) <= rf_family_rounds(info);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    return emit(sequence, problem, info, family, t->x[0], t->y, enlarges(problem), false);
}
static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    return emit(sequence, problem, info, family, t->dy, t->dx[0], !enlarges(problem), problem->accumulate[0]);
}

#define SOLVERS(symbol)                                                                                      \
    RF_SOLVER_PAIR(symbol##_f, "pixel_" #symbol, RF_FORWARD, RF_HALF_ALIKE, applicable, NULL, forward_build) \
    RF_SOLVER_PAIR(symbol##_b, "pixel_" #symbol, RF_BACKWARD_DATA, RF_HALF_ALIKE, applicable, NULL,          \
                   backward_build)                                                                           \
    static const rf_solver *const symbol##_solvers[] = {&symbol##_f_tile, &symbol##_f_group,                 \
                                                        &symbol##_b_tile, &symbol##_b_group, NULL};
SOLVERS(unshuffle)
SOLVERS(shuffle)

static const rf_case unshuffle_cases[] = {
    {.label = "by 2", .attrs = {.groups = 2}, .x = {{2, 3, 6, 4}}},
    {.label = "by 3, accumulate", .attrs = {.groups = 3}, .x = {{2, 19, 3, 9}}, .accumulate = true},
    {.label = "by 1", .attrs = {.groups = 1}, .x = {{2, 5, 3, 2}}},
    {.label = "by 4, 3x224x224", .attrs = {.groups = 4}, .x = {{4, 3, 224, 224}}, .large = true},
    {NULL},
};
static const rf_case unshuffle_refused[] = {
    {.label = "a map of 6x5, which 2 does not divide", .attrs = {.groups = 2}, .x = {{1, 3, 6, 5}}},
    {.label = "1048576 channels times 4096 are too many",
     .attrs = {.groups = 64},
     .x = {{1, 1 << 20, 64, 64}}},
    {.label = "the input is flat", .attrs = {.groups = 2}, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};
static const rf_case shuffle_cases[] = {
    {.label = "by 2", .attrs = {.groups = 2}, .x = {{2, 12, 3, 5}}},
    {.label = "by 3, accumulate", .attrs = {.groups = 3}, .x = {{2, 171, 1, 2}}, .accumulate = true},
    {.label = "by 1", .attrs = {.groups = 1}, .x = {{2, 5, 3, 2}}},
    {.label = "by 2, 64 of 56x56", .attrs = {.groups = 2}, .x = {{4, 256, 28, 28}}, .large = true},
    {NULL},
};
static const rf_case shuffle_refused[] = {
    {.label = "10 channels, which 4 does not divide", .attrs = {.groups = 2}, .x = {{1, 10, 2, 2}}},
    {.label = "16384x16384 times 64 is more than 65536 high or wide",
     .attrs = {.groups = 64},
     .x = {{1, 4096, 16384, 16384}}},
    {.label = "the input is flat", .attrs = {.groups = 2}, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR_AS("factor", groups, INT, 2, 1, RF_MAX_KERNEL), RF_ATTR_END};

#define OP(symbol, summary_)                                                                                 \
    const rf_op rf_op_pixel_##symbol = {                                                                     \
        .name = "pixel_" #symbol,                                                                            \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .attrs = attrs,                                                                                      \
        .positional = "factor",                                                                              \
        .infer = symbol##_infer,                                                                             \
        .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},                                \
        .solvers = symbol##_solvers,                                                                         \
        .cases = symbol##_cases,                                                                             \
        .refused = symbol##_refused,                                                                         \
    };
OP(unshuffle, "squares of factor x factor pixels as channels of one")
OP(shuffle, "every factor^2 channels as a square of pixels")
