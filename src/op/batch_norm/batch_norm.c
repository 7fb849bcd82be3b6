/* Batch norm: y = act((x - mean) / sqrt(var + eps) * weight + bias + residual), channel by channel.  Ioffe &
 * Szegedy 2015; details are PyTorch's: the biased variance normalises, the unbiased one goes into
 * running_var. This file: the op; the arithmetic is in
 * batch_norm_reference.c, the kernels' launches are in batch_norm_solvers.c. */
#include "op/batch_norm/batch_norm.h"

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0], r = problem->x[1];
    RF_TRY(rf_check_map(problem, true));
    if (problem->inputs > 1 && (r.n != x.n || r.c != x.c || r.h != x.h || r.w != x.w))
        return rf_fail(RF_E_SHAPE, "batch_norm: input is %dx%dx%d, the residual %dx%dx%d", x.c, x.h, x.w, r.c,
                       r.h, r.w);
    if (problem->training && rf_shape_pixels(x) == 1)
        return rf_fail(RF_E_SHAPE,
                       "batch_norm: one image with a map of 1x1 has no variance to learn from: use a "
                       "larger batch, or larger images");
    problem->y = x;
    return RF_OK;
}

static rf_param_spec vector_spec(const rf_problem *problem, const char *name, rf_init init) {
    const int c = problem->x[0].c;
    return (rf_param_spec){.name = name, .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}, .init = init};
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    out[RF_BN_WEIGHT] = vector_spec(problem, "weight", RF_INIT_ONE);
    out[RF_BN_BIAS] = vector_spec(problem, "bias", RF_INIT_ZERO);
    return 2;
}

static int states(const rf_problem *problem, rf_param_spec out[RF_MAX_STATES]) {
    out[RF_BN_RUNNING_MEAN] = vector_spec(problem, "running_mean", RF_INIT_ZERO);
    out[RF_BN_RUNNING_VAR] = vector_spec(problem, "running_var", RF_INIT_ONE);
    return 2;
}

static size_t saved(const rf_problem *problem) {
    return RF_BN_SAVED * (size_t)problem->x[0].c;
}

#define BN .attrs = {.eps = 1e-5, .momentum = 0.1}

static const rf_case cases[] = {
    {.label = "5x1x1x1", BN, .x = {{5, 1, 1, 1}}},
    {.label = "3x5x4x3", BN, .x = {{3, 5, 4, 3}}},
    {.label = "tiny eps, momentum 1", .attrs = {.eps = 1e-20, .momentum = 1}, .x = {{4, 3, 1, 1}}},
    {.label = "momentum 0", .attrs = {.eps = 1e-3}, .x = {{2, 3, 2, 1}}},
    {.label = "3x5x4x3 far from zero", BN, .x = {{3, 5, 4, 3}}, .offset = 7},
    {.label = "3x5x4x3 relu accumulate", BN, .act = RF_ACT_RELU, .x = {{3, 5, 4, 3}}, .accumulate = true},
    {.label = "2x17x5x3 relu6 residual",
     BN,
     .act = RF_ACT_RELU6,
     .inputs = 2,
     .x = {{2, 17, 5, 3}, {2, 17, 5, 3}}},
    {.label = "2x9x3x3 residual relu accumulate",
     BN,
     .act = RF_ACT_RELU,
     .inputs = 2,
     .x = {{2, 9, 3, 3}, {2, 9, 3, 3}},
     .accumulate = true},
    {.label = "3x5x4x3 silu", BN, .act = RF_ACT_SILU, .x = {{3, 5, 4, 3}}},
    {.label = "2x17x5x3 hard_swish accumulate",
     BN,
     .act = RF_ACT_HARD_SWISH,
     .x = {{2, 17, 5, 3}},
     .accumulate = true},
    {.label = "3x5x4x3 inference", BN, .x = {{3, 5, 4, 3}}, .inference = true},
    {.label = "2x9x3x3 inference residual relu",
     BN,
     .act = RF_ACT_RELU,
     .inputs = 2,
     .x = {{2, 9, 3, 3}, {2, 9, 3, 3}},
     .inference = true},
    {.label = "5x35x21x21 relu accumulate",
     BN,
     .act = RF_ACT_RELU,
     .x = {{5, 35, 21, 21}},
     .accumulate = true},
    {.label = "16x96x14x14 silu", BN, .act = RF_ACT_SILU, .x = {{16, 96, 14, 14}}, .large = true},
    {.label = "32x16x32x32 relu", BN, .act = RF_ACT_RELU, .x = {{32, 16, 32, 32}}, .large = true},
    {.label = "16x160x8x8 far from zero", BN, .x = {{16, 160, 8, 8}}, .offset = 7, .large = true},
    {.label = "8x1280x4x4 relu6", BN, .act = RF_ACT_RELU6, .x = {{8, 1280, 4, 4}}, .large = true},
    {NULL},
};

/* One value a channel: PyTorch refuses it, too. */
static const rf_case refused[] = {
    {.label = "no variance", BN, .x = {{1, 5, 1, 1}}},
    {.label = "the input is flat", BN, .x = {{2, 5, 2, 2, true}}},
    {.label = "the residual 4x2x2", BN, .inputs = 2, .x = {{2, 5, 2, 2}, {2, 4, 2, 2}}},
    {NULL},
};

/* Without eps a channel that is the same everywhere would give 0 / 0; 1 / sqrt(minimum) is far from overflow. */
static const rf_attr_spec attrs[] = {RF_ATTR(eps, FLOAT, 1e-5, 1e-20, 1e3),
                                     RF_ATTR(momentum, FLOAT, 0.1, 0, 1), RF_ATTR_END};

const rf_op rf_op_batch_norm = {
    .name = "batch_norm",
    .summary =
        "each channel shifted and scaled to mean 0 and variance 1 over the batch, then by weight and bias",
    .inputs_min = 1,
    .inputs_max = 2,
    .x_in_backward = true,
    .in_place = true,
    .params_first = true,
    .attrs = attrs,
    .infer = infer,
    .params = params,
    .states = states,
    .saved = saved,
    .takes_act = RF_ALWAYS,
    .takes_residual = RF_ALWAYS,
    .act_from_x = true,
    .takes_bn_sums = true,
    .reference = {rf_batch_norm_forward, rf_batch_norm_backward_params, rf_batch_norm_backward_data},
    .solvers = rf_batch_norm_solvers,
    .cases = cases,
    .refused = refused,
};
