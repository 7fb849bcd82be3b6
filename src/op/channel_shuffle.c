/* Channel shuffle: the channels as a matrix of groups x C/groups, transposed (ShuffleNet, Zhang et al. 2018). */
#include "op/family.h"

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    RF_TRY(rf_check_map(problem, true));
    if (x.c % problem->attrs.groups != 0)
        return rf_fail(RF_E_SHAPE, "channel_shuffle: %d channels, which %d groups do not divide", x.c,
                       problem->attrs.groups);
    problem->y = x;
    return RF_OK;
}

static void shuffle(const float *x, float *y, const rf_problem *problem, int groups, bool accumulate) {
    const size_t channels = (size_t)problem->y.c, size = channels / (size_t)groups;
    for (size_t pixel = 0; pixel < rf_shape_pixels(problem->y); ++pixel, x += channels, y += channels)
        for (size_t c = 0; c < channels; ++c) {
            const float v = x[c % (size_t)groups * size + c / (size_t)groups];
            y[c] = accumulate ? v + y[c] : v;
        }
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    shuffle(a->x[0], a->y, problem, problem->attrs.groups, false);
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    shuffle(a->dy, a->dx[0], problem, problem->y.c / problem->attrs.groups, problem->accumulate[0]);
}

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_buffer *x, rf_buffer *y, int groups, bool accumulate) {
    const size_t rows = rf_shape_pixels(problem->y), channels = (size_t)problem->y.c;
    char options[RF_OPTIONS];
    rf_launch_desc desc = {
        .program = "channel_shuffle",
        .kernel = "shuffle_channels",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(x), RF_BUF(y), RF_I32(rows), RF_I32(groups), RF_I32(problem->y.c / groups),
                 RF_I32(accumulate)},
        .bytes = (accumulate ? 3.0 : 2.0) * (double)(rows * channels * sizeof(float)),
    };
    if (family == RF_TILE)
        rf_family_spread(&desc, family, info, rows, channels);
    else
        rf_family_spread(&desc, family, info, rows * channels, 1);
    return rf_emit(sequence, &desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    return emit(sequence, problem, info, family, t->x[0], t->y, problem->attrs.groups, false);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    return emit(sequence, problem, info, family, t->dy, t->dx[0], problem->y.c / problem->attrs.groups,
                problem->accumulate[0]);
}

/* A tile work-item moves an element at a time. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && problem->y.c <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(channel_shuffle_f, "channel_shuffle", RF_FORWARD, RF_HALF_ALIKE, applicable, NULL,
               forward_build)
RF_SOLVER_PAIR(channel_shuffle_b, "channel_shuffle", RF_BACKWARD_DATA, RF_HALF_ALIKE, applicable, NULL,
               backward_build)
static const rf_solver *const solvers[] = {&channel_shuffle_f_tile, &channel_shuffle_f_group,
                                           &channel_shuffle_b_tile, &channel_shuffle_b_group, NULL};

static const rf_case cases[] = {
    {.label = "2 groups of 19", .attrs = {.groups = 2}, .x = {{2, 38, 3, 5}}},
    {.label = "5 groups of 3", .attrs = {.groups = 5}, .x = {{2, 15, 4, 3}}, .accumulate = true},
    {.label = "one group", .attrs = {.groups = 1}, .x = {{1, 7, 2, 3}}},
    {.label = "flat, groups of 1", .attrs = {.groups = 6}, .x = {{3, 6, 1, 1, true}}},
    {.label = "2 groups of 58, 28x28", .attrs = {.groups = 2}, .x = {{8, 116, 28, 28}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "8 channels, which 3 groups do not divide", .attrs = {.groups = 3}, .x = {{1, 8, 2, 2}}},
    {.label = "the input is flat", .attrs = {.groups = 2}, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR_REQUIRED(groups, INT, 1, INT32_MAX), RF_ATTR_END};

const rf_op rf_op_channel_shuffle = {
    .name = "channel_shuffle",
    .summary = "channels in another order: a matrix of groups x channels / groups, transposed",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = attrs,
    .positional = "groups",
    .infer = infer,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
