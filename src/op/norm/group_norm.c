/* Group norm (Wu and He 2018), and instance norm, whose groups are the channels: each group of an image's channels is
 * shifted and scaled to mean 0 and variance 1 over its pixels and channels, then by weight and bias. */
#include <math.h>

#include "op/norm/norm.h"
#include "op/reference.h"

enum { WEIGHT, BIAS };

static int groups_of(const rf_problem *problem) {
    return problem->op->attrs[0].required ? problem->attrs.groups
                                          : problem->x[0].c; /* of instance_norm: its channels */
}

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const char *name = problem->op->name;
    RF_TRY(rf_check_map(problem, true));
    if (x.c % groups_of(problem) != 0)
        return rf_fail(RF_E_SHAPE, "%s: %d channels, which %d groups do not divide", name, x.c,
                       groups_of(problem));
    problem->y = x;
    return RF_OK;
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    const int c = problem->x[0].c;
    if (!problem->attrs.affine) return 0;
    out[WEIGHT] =
        (rf_param_spec){.name = "weight", .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}, .init = RF_INIT_ONE};
    out[BIAS] = (rf_param_spec){.name = "bias", .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}};
    return 2;
}

/* ---- reference ---- */

/* Saved are mean and invstd of each image's channels, (N,2,C); then the means of g * xhat and of g. */

/* One group: where it begins in a map, its channels and pixels; and its first place in an (N,2,C) array. */
typedef struct group {
    size_t at, stat, first, size, pixels, channels;
} group;

static group group_at(const rf_problem *problem, size_t index) {
    const size_t count = (size_t)groups_of(problem), C = rf_norm_channels(problem), n = index / count,
                 size = C / count, first = index % count * size;
    return (group){
        n * rf_norm_pixels(problem) * C + first, n * 2 * C + first, first, size, rf_norm_pixels(problem), C};
}

#define FOR_GROUP(g, p, c)                                                                                   \
    for (size_t p = 0; p < (g).pixels; ++p)                                                                  \
        for (size_t c = 0; c < (g).size; ++c)

static void forward_group(const rf_problem *problem, const rf_arrays *a, group g) {
    const float *x = a->x[0] + g.at, *weight = a->param[WEIGHT], *bias = a->param[BIAS];
    double mean = 0, variance = 0;
    FOR_GROUP(g, p, c) mean += x[p * g.channels + c];
    mean /= (double)(g.pixels * g.size);
    FOR_GROUP(g, p, c) variance += (x[p * g.channels + c] - mean) * (x[p * g.channels + c] - mean);
    const double invstd = 1 / sqrt(variance / (double)(g.pixels * g.size) + problem->attrs.eps);
    FOR_GROUP(g, p, c)
    a->y[g.at + p * g.channels + c] =
        (float)((x[p * g.channels + c] - mean) * invstd * (weight ? weight[g.first + c] : 1) +
                (bias ? bias[g.first + c] : 0));
    for (size_t c = 0; c < g.size && problem->training; ++c) {
        a->saved[g.stat + c] = (float)mean;
        a->saved[g.stat + g.channels + c] = (float)invstd;
    }
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const int64_t count = (int64_t)rf_norm_images(problem) * groups_of(problem);
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int64_t i = 0; i < count; ++i) forward_group(problem, a, group_at(problem, (size_t)i));
}

static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    const size_t C = rf_norm_channels(problem), P = rf_norm_pixels(problem), N = rf_norm_images(problem),
                 size = C / (size_t)groups_of(problem);
    float *means = a->saved + 2 * N * C;
    for (size_t c = 0; c < C && problem->attrs.affine; ++c) a->grad[WEIGHT][c] = a->grad[BIAS][c] = 0;
    for (size_t first = 0; first < C; first += size)
        for (size_t n = 0; n < N; ++n) {
            double group_sum = 0, group_product = 0;
            for (size_t c = first; c < first + size; ++c) {
                const float *stat = a->saved + n * 2 * C + c;
                double sum = 0, product = 0;
                for (size_t p = 0; p < P; ++p) {
                    const size_t at = (n * P + p) * C + c;
                    sum += a->dy[at];
                    product += a->dy[at] * ((double)a->x[0][at] - stat[0]) * stat[C];
                }
                const double w = problem->attrs.affine ? a->param[WEIGHT][c] : 1;
                group_sum += sum * w;
                group_product += product * w;
                if (!problem->attrs.affine) continue;
                a->grad[WEIGHT][c] += (float)product;
                a->grad[BIAS][c] += (float)sum;
            }
            for (size_t c = first; c < first + size; ++c) {
                means[n * 2 * C + c] = (float)(group_product / (double)(P * size));
                means[n * 2 * C + C + c] = (float)(group_sum / (double)(P * size));
            }
        }
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    const size_t C = rf_norm_channels(problem), P = rf_norm_pixels(problem), N = rf_norm_images(problem);
    const float *means = a->saved + 2 * N * C;
    for (size_t at = 0; at < N * P * C; ++at) {
        const size_t c = at % C, of = at / (P * C) * 2 * C + c;
        const double g = a->dy[at] * (problem->attrs.affine ? (double)a->param[WEIGHT][c] : 1),
                     invstd = a->saved[of + C], xhat = ((double)a->x[0][at] - a->saved[of]) * invstd;
        a->dx[0][at] = (float)(invstd * (g - means[of + C] - xhat * means[of]) +
                               (problem->accumulate[0] ? a->dx[0][at] : 0));
    }
}

/* ---- solvers ---- */

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_buffer *stats = problem->training ? t->saved : t->work;
    const size_t N = rf_norm_images(problem), P = rf_norm_pixels(problem), C = rf_norm_channels(problem);
    rf_launch_desc statistics = {.program = "group_norm",
                                 .kernel = "statistics",
                                 .args = {RF_BUF(t->x[0]), RF_BUF(stats), RF_I32(N), RF_I32(P), RF_I32(C)}},
                   merge = {.program = "group_norm",
                            .kernel = "merge",
                            .args = {RF_BUF(t->x[0]), RF_BUF(stats), RF_I32(N), RF_I32(P), RF_I32(C),
                                     RF_I32(C / (size_t)groups_of(problem)), RF_F32(problem->attrs.eps)}};
    RF_TRY(rf_norm_emit_sums(sequence, problem, info, family, &statistics, 1));
    RF_TRY(rf_norm_emit_groups(sequence, problem, info, family, &merge, (size_t)groups_of(problem)));
    return rf_norm_emit_apply(sequence, problem, info, t, family, "group_norm", stats);
}

static rf_status params_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              const rf_tensors *t, rf_family family) {
    const size_t N = rf_norm_images(problem), P = rf_norm_pixels(problem), C = rf_norm_channels(problem);
    rf_launch_desc means = {.program = "group_norm",
                            .kernel = "gradient_means",
                            .args = {RF_BUF(t->saved), RF_BUF(t->param[WEIGHT]), RF_I32(N), RF_I32(P),
                                     RF_I32(C), RF_I32(C / (size_t)groups_of(problem))}};
    RF_TRY(rf_norm_emit_gradient_sums(sequence, problem, info, t, family, "group_norm"));
    if (problem->attrs.affine)
        RF_TRY(rf_emit_fold(sequence, info, family, t->saved, 2 * N * C, N, 2, C, t->grad));
    return rf_norm_emit_groups(sequence, problem, info, family, &means, (size_t)groups_of(problem));
}

static rf_status data_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, rf_family family) {
    return rf_norm_emit_gradient(sequence, problem, info, t, family, "group_norm");
}

#define GN(groups_) .attrs = {.groups = groups_, .eps = 1e-5, .affine = true}
#define IN(affine_) .attrs = {.eps = 1e-5, .affine = affine_}

static const rf_case group_cases[] = {
    {.label = "3 groups of 7", GN(3), .x = {{2, 21, 3, 5}}},
    {.label = "2 groups of 16 far from zero", GN(2), .x = {{2, 32, 3, 3}}, .offset = 7, .accumulate = true},
    {.label = "one group", GN(1), .x = {{3, 5, 4, 3}}},
    {.label = "flat, not affine", .attrs = {.groups = 2, .eps = 1e-3}, .x = {{3, 8, 1, 1, true}}},
    {.label = "inference", GN(3), .x = {{2, 21, 3, 5}}, .inference = true},
    {.label = "8 groups of 8, 28x28", GN(8), .x = {{8, 64, 28, 28}}, .large = true},
    {NULL},
};
static const rf_case instance_cases[] = {
    {.label = "2x19x3x5", IN(false), .x = {{2, 19, 3, 5}}, .accumulate = true},
    {.label = "affine", IN(true), .x = {{3, 5, 4, 3}}, .offset = 7},
    {.label = "inference", IN(true), .x = {{2, 19, 3, 5}}, .inference = true},
    {.label = "8x64x28x28", IN(true), .x = {{8, 64, 28, 28}}, .large = true},
    {.label = "1x64x112x112", IN(false), .x = {{1, 64, 112, 112}}, .large = true},
    {NULL},
};

static const rf_case group_refused[] = {
    {.label = "8 channels, which 3 groups do not divide", GN(3), .x = {{1, 8, 2, 2}}},
    {.label = "the input is flat", GN(2), .x = {{1, 8, 2, 2, true}}},
    {NULL},
};
static const rf_case instance_refused[] = {
    {.label = "the input is flat", IN(true), .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec group_attrs[] = {RF_ATTR_REQUIRED(groups, INT, 1, INT32_MAX),
                                           RF_ATTR(eps, FLOAT, 1e-5, 1e-20, 1e3),
                                           RF_ATTR(affine, BOOL, 1, 0, 1), RF_ATTR_END};
static const rf_attr_spec instance_attrs[] = {RF_ATTR(eps, FLOAT, 1e-5, 1e-20, 1e3),
                                              RF_ATTR(affine, BOOL, 0, 0, 1), RF_ATTR_END};

#define OP(symbol, kind, summary_, positional_)                                                              \
    RF_SOLVER_PAIR(symbol##_f, #symbol, RF_FORWARD, RF_HALF_EITHER, rf_norm_applicable, rf_norm_workspace,   \
                   forward_build)                                                                            \
    RF_SOLVER_PAIR(symbol##_p, #symbol, RF_BACKWARD_PARAMS, RF_HALF_EITHER, rf_norm_applicable, NULL,        \
                   params_build)                                                                             \
    RF_SOLVER_PAIR(symbol##_d, #symbol, RF_BACKWARD_DATA, RF_HALF_EITHER, rf_norm_applicable, NULL,          \
                   data_build)                                                                               \
    static const rf_solver *const symbol##_solvers[] = {&symbol##_f_tile,                                    \
                                                        &symbol##_f_group,                                   \
                                                        &symbol##_p_tile,                                    \
                                                        &symbol##_p_group,                                   \
                                                        &symbol##_d_tile,                                    \
                                                        &symbol##_d_group,                                   \
                                                        NULL};                                               \
    const rf_op rf_op_##symbol = {                                                                           \
        .name = #symbol,                                                                                     \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .x_in_backward = true,                                                                               \
        .in_place = true,                                                                                    \
        .params_first = true,                                                                                \
        .attrs = kind##_attrs,                                                                               \
        .positional = positional_,                                                                           \
        .infer = infer,                                                                                      \
        .params = params,                                                                                    \
        .saved = rf_norm_saved,                                                                              \
        .reference = {forward, backward_params, backward_data},                                              \
        .solvers = symbol##_solvers,                                                                         \
        .cases = kind##_cases,                                                                               \
        .refused = kind##_refused,                                                                           \
    };
OP(group_norm, group, "each group of an image's channels shifted and scaled to mean 0 and variance 1",
   "groups")
OP(instance_norm, instance, "each channel of an image shifted and scaled to mean 0 and variance 1", NULL)
