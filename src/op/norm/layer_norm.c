/* Layer norm over the channels of each pixel: y = (x - mean) / sqrt(var + eps) * weight + bias (Ba et al. 2016), as
 * ConvNeXt has it; of flat inputs over all features. */
#include <math.h>

#include "op/fold.h"
#include "op/reference.h"

enum { WEIGHT, BIAS, MAX_LANES = 32 };

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    RF_TRY(rf_check_map(problem, true));
    problem->y = x;
    return RF_OK;
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    const int c = problem->x[0].c;
    if (!problem->attrs.affine) return 0;
    out[WEIGHT] =
        (rf_param_spec){.name = "weight", .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}, .init = RF_INIT_ONE};
    out[BIAS] = (rf_param_spec){.name = "bias", .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}};
    return problem->attrs.bias ? 2 : 1;
}

static size_t saved(const rf_problem *problem) { /* mean and invstd of each pixel */
    return 2 * rf_shape_pixels(problem->x[0]);
}

/* ---- reference ---- */

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const int64_t rows = (int64_t)rf_shape_pixels(problem->y), C = problem->y.c;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int64_t row = 0; row < rows; ++row) {
        const float *x = a->x[0] + row * C;
        double mean = 0, variance = 0;
        for (int64_t c = 0; c < C; ++c) mean += x[c];
        mean /= (double)C;
        for (int64_t c = 0; c < C; ++c) variance += (x[c] - mean) * (x[c] - mean);
        const double invstd = 1 / sqrt(variance / (double)C + problem->attrs.eps);
        for (int64_t c = 0; c < C; ++c)
            a->y[row * C + c] =
                (float)((x[c] - mean) * invstd * (a->param[WEIGHT] ? a->param[WEIGHT][c] : 1) +
                        (a->param[BIAS] ? a->param[BIAS][c] : 0));
        if (!problem->training) continue;
        a->saved[row] = (float)mean;
        a->saved[rows + row] = (float)invstd;
    }
}

static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    const int64_t rows = (int64_t)rf_shape_pixels(problem->y), C = problem->y.c;
    const float *mean = a->saved, *invstd = a->saved + rows;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int64_t c = 0; c < C; ++c) {
        double sum = 0, product = 0;
        for (int64_t row = 0; row < rows; ++row) {
            const double g = a->dy[row * C + c];
            sum += g;
            product += g * ((double)a->x[0][row * C + c] - mean[row]) * invstd[row];
        }
        if (a->grad[WEIGHT]) a->grad[WEIGHT][c] = (float)product;
        if (a->grad[BIAS]) a->grad[BIAS][c] = (float)sum;
    }
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    const int64_t rows = (int64_t)rf_shape_pixels(problem->y), C = problem->y.c;
    const float *weight = a->param[WEIGHT];
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int64_t row = 0; row < rows; ++row) {
        const float *x = a->x[0] + row * C, *dy = a->dy + row * C;
        const double mean = a->saved[row], invstd = a->saved[rows + row];
        float *dx = a->dx[0] + row * C;
        double sum = 0, product = 0;
        for (int64_t c = 0; c < C; ++c) {
            const double g = weight ? (double)dy[c] * weight[c] : dy[c];
            sum += g;
            product += g * (x[c] - mean) * invstd;
        }
        for (int64_t c = 0; c < C; ++c) {
            const double g = weight ? (double)dy[c] * weight[c] : dy[c], xhat = (x[c] - mean) * invstd;
            const double d = invstd * (g - (sum + xhat * product) / (double)C);
            dx[c] = (float)(d + (problem->accumulate[0] ? dx[c] : 0));
        }
    }
}

/* ---- solvers ---- */

/* Work-items of the group family that share a row: a power of two. */
static size_t lanes(const rf_problem *problem, const rf_device_info *info) {
    size_t count = 1;
    while (count < MAX_LANES && count < (size_t)problem->y.c && count < rf_family_group(RF_GROUP, info))
        count *= 2;
    return count;
}

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc) {
    char options[RF_OPTIONS], group[48] = "";
    const size_t shared = lanes(problem, info);
    if (family == RF_GROUP && (size_t)info->sub_group >= shared)
        snprintf(group, sizeof group, "-DLANES=%zu -DSUB_GROUP=%d", shared, info->sub_group);
    else if (family == RF_GROUP)
        snprintf(group, sizeof group, "-DLANES=%zu", shared);
    desc->program = "layer_norm";
    desc->options = rf_family_options(options, family, info, "%s", group);
    return rf_emit(sequence, desc);
}

static rf_status emit_rows(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                           rf_family family, rf_launch_desc *desc, double passes) {
    const size_t rows = rf_shape_pixels(problem->y), channels = (size_t)problem->y.c;
    desc->bytes = passes * (double)(rows * channels * sizeof(float));
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, rows, channels);
    else
        rf_family_spread(desc, family, info, rows * lanes(problem, info), 1);
    return emit(sequence, problem, info, family, desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_BUF(t->param[WEIGHT]),
                                    RF_BUF(t->param[BIAS]), RF_BUF(problem->training ? t->saved : NULL),
                                    RF_I32(rf_shape_pixels(problem->y)), RF_I32(problem->y.c),
                                    RF_F32(problem->attrs.eps)}};
    return emit_rows(sequence, problem, info, family, &desc, 2);
}

static size_t params_workspace(const rf_problem *problem, const rf_device_info *info,
                               const rf_config *config) {
    const size_t channels = (size_t)problem->y.c;
    (void)config;
    if (!problem->attrs.affine) return 0;
    return rf_fold_blocks_max(info, rf_shape_pixels(problem->y), channels) * 2 * channels * sizeof(float);
}

static rf_status params_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              const rf_tensors *t, rf_family family) {
    const size_t rows = rf_shape_pixels(problem->y), channels = (size_t)problem->y.c,
                 blocks = rf_fold_blocks(info, family, rows, channels);
    rf_launch_desc desc = {.kernel = "parameter_sums",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(t->saved), RF_BUF(t->work),
                                    RF_I32(rows), RF_I32(channels), RF_I32(blocks)},
                           .bytes = 2.0 * (double)(rows * channels * sizeof(float))};
    if (!problem->attrs.affine) return RF_OK;
    rf_fold_spread(&desc, family, info, blocks, rows, channels);
    RF_TRY(emit(sequence, problem, info, family, &desc));
    return rf_emit_fold(sequence, info, family, t->work, 0, blocks, 2, channels, t->grad);
}

static rf_status data_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, rf_family family) {
    const bool accumulate = problem->accumulate[0];
    rf_launch_desc desc = {
        .kernel = "gradient",
        .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_BUF(t->param[WEIGHT]), RF_BUF(t->saved),
                 RF_I32(rf_shape_pixels(problem->y)), RF_I32(problem->y.c), RF_I32(accumulate)}};
    return emit_rows(sequence, problem, info, family, &desc, accumulate ? 4 : 3);
}

/* A tile work-item has a row at least, which it reads twice. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && 3.0 * problem->y.c <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(layer_norm_f, "layer_norm", RF_FORWARD, RF_HALF_EITHER, applicable, NULL, forward_build)
RF_SOLVER_PAIR(layer_norm_p, "layer_norm", RF_BACKWARD_PARAMS, RF_HALF_EITHER, applicable, params_workspace,
               params_build)
RF_SOLVER_PAIR(layer_norm_d, "layer_norm", RF_BACKWARD_DATA, RF_HALF_EITHER, applicable, NULL, data_build)
static const rf_solver *const solvers[] = {&layer_norm_f_tile,
                                           &layer_norm_f_group,
                                           &layer_norm_p_tile,
                                           &layer_norm_p_group,
                                           &layer_norm_d_tile,
                                           &layer_norm_d_group,
                                           NULL};

#define LN .attrs = {.eps = 1e-5, .affine = true, .bias = true}

static const rf_case cases[] = {
    {.label = "2x19x3x5", LN, .x = {{2, 19, 3, 5}}},
    {.label = "far from zero", LN, .x = {{2, 37, 3, 2}}, .offset = 7, .accumulate = true},
    {.label = "flat", LN, .x = {{5, 40, 1, 1, true}}},
    {.label = "two channels", LN, .x = {{2, 2, 3, 3}}, .accumulate = true},
    {.label = "no bias", .attrs = {.eps = 1e-3, .affine = true}, .x = {{1, 6, 3, 3}}},
    {.label = "not affine", .attrs = {.eps = 1e-6}, .x = {{2, 33, 2, 3}}},
    {.label = "inference", LN, .x = {{2, 19, 3, 5}}, .inference = true},
    {.label = "8x96x28x28", LN, .x = {{8, 96, 28, 28}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "the input is flat", LN, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR(eps, FLOAT, 1e-5, 1e-20, 1e3), RF_ATTR(affine, BOOL, 1, 0, 1),
                                     RF_ATTR(bias, BOOL, 1, 0, 1), RF_ATTR_END};

const rf_op rf_op_layer_norm = {
    .name = "layer_norm",
    .summary =
        "each pixel shifted and scaled to mean 0 and variance 1 over its channels, then by weight and bias",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .in_place = true,
    .attrs = attrs,
    .infer = infer,
    .params = params,
    .saved = saved,
    .reference = {forward, backward_params, backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
