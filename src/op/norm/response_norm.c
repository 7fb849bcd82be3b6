/* Global response norm (Woo et al. 2023, ConvNeXt V2): y = x (1 + weight r) + bias, with r of each image's channel: its length, the
 * root of the sum of its squares over the pixels, over the mean length of all channels plus eps. */
#include <math.h>

#include "op/fold.h"
#include "op/reference.h"

enum { WEIGHT, BIAS };

static size_t images(const rf_problem *problem) {
    return (size_t)problem->y.n;
}
static size_t pixels(const rf_problem *problem) {
    return (size_t)problem->y.h * (size_t)problem->y.w;
}
static size_t channels(const rf_problem *problem) {
    return (size_t)problem->y.c;
}

static rf_status infer(rf_problem *problem) {
    RF_TRY(rf_check_map(problem, true));
    problem->y = problem->x[0];
    return RF_OK;
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    const int c = problem->x[0].c;
    out[WEIGHT] = (rf_param_spec){.name = "weight", .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}};
    out[BIAS] = (rf_param_spec){.name = "bias", .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}};
    return 2;
}

/* Length and response of each image's channels, (N,2,C); then what the gradient multiplies x by, and the sums of dy. */
static size_t saved(const rf_problem *problem) {
    return 4 * (size_t)problem->x[0].n * (size_t)problem->x[0].c;
}

/* ---- reference ---- */

static double length_of(const float *x, const rf_problem *problem) {
    double sum = 0;
    for (size_t p = 0; p < pixels(problem); ++p)
        sum += (double)x[p * channels(problem)] * x[p * channels(problem)];
    return sqrt(sum);
}

/* y may be x: each channel is written when all have been measured. */
static void forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t C = channels(problem), P = pixels(problem);
    for (size_t n = 0; n < images(problem); ++n) {
        const float *x = a->x[0] + n * P * C;
        double mean = 0;
        for (size_t c = 0; c < C; ++c) mean += length_of(x + c, problem) / (double)C;
        mean += problem->attrs.eps;
        for (size_t c = 0; c < C; ++c) {
            const double length = length_of(x + c, problem), response = length / mean;
            for (size_t p = 0; p < P; ++p)
                a->y[(n * P + p) * C + c] =
                    (float)(x[p * C + c] * (1 + a->param[WEIGHT][c] * response) + a->param[BIAS][c]);
            if (!problem->training) continue;
            a->saved[n * 2 * C + c] = (float)length;
            a->saved[n * 2 * C + C + c] = (float)response;
        }
    }
}

static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    const size_t C = channels(problem), P = pixels(problem), N = images(problem);
    const float *weight = a->param[WEIGHT];
    for (size_t c = 0; c < C; ++c) a->grad[WEIGHT][c] = a->grad[BIAS][c] = 0;
    for (size_t n = 0; n < N; ++n) {
        const float *x = a->x[0] + n * P * C, *dy = a->dy + n * P * C, *length = a->saved + n * 2 * C;
        float *factor = a->saved + (N + n) * 2 * C;
        double mean = problem->attrs.eps, total = 0;
        for (size_t c = 0; c < C; ++c) mean += length[c] / (double)C;
        for (size_t c = 0; c < C; ++c) {
            double product = 0, sum = 0;
            for (size_t p = 0; p < P; ++p) {
                sum += dy[p * C + c];
                product += (double)dy[p * C + c] * x[p * C + c];
            }
            a->grad[WEIGHT][c] += (float)(product * length[C + c]);
            a->grad[BIAS][c] += (float)sum;
            factor[C + c] = (float)sum;
            factor[c] = (float)(weight[c] * product / mean);
            total += weight[c] * product * length[C + c] / mean / (double)C;
        }
        for (size_t c = 0; c < C; ++c)
            factor[c] = length[c] > 0 ? (float)((factor[c] - total) / length[c]) : 0;
    }
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    const size_t C = channels(problem), P = pixels(problem), N = images(problem);
    for (size_t i = 0; i < N * P * C; ++i) {
        const size_t c = i % C, of = i / (P * C) * 2 * C + c;
        const double response = a->saved[of + C], factor = a->saved[2 * N * C + of];
        a->dx[0][i] = (float)(a->dy[i] * (1 + a->param[WEIGHT][c] * response) + a->x[0][i] * factor +
                              (problem->accumulate[0] ? a->dx[0][i] : 0));
    }
}

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                      rf_launch_desc *desc) {
    char options[RF_OPTIONS];
    desc->program = "response_norm";
    desc->options = rf_family_options(options, family, info, "%s", "");
    return rf_emit(sequence, desc);
}

/* A launch over the images, which sums their pixels. */
static rf_status emit_sums(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                           rf_family family, rf_launch_desc *desc, double passes) {
    rf_fold_spread(desc, family, info, images(problem), images(problem) * pixels(problem), channels(problem));
    desc->bytes = passes * (double)(rf_shape_count(problem->y) * sizeof(float));
    return emit(sequence, info, family, desc);
}

static rf_status emit_images(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                             rf_family family, rf_launch_desc *desc) {
    rf_family_spread(desc, family, info, images(problem), 4 * channels(problem));
    return emit(sequence, info, family, desc);
}

static rf_status emit_elements(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               rf_family family, rf_launch_desc *desc, double passes) {
    const size_t rows = images(problem) * pixels(problem);
    desc->bytes = passes * (double)(rows * channels(problem) * sizeof(float));
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, rows, channels(problem));
    else
        rf_family_spread(desc, family, info, rows * channels(problem), 1);
    return emit(sequence, info, family, desc);
}

static size_t workspace(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)info, (void)config;
    return problem->training ? 0 : 2 * images(problem) * channels(problem) * sizeof(float);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_buffer *stats = problem->training ? t->saved : t->work;
    const size_t N = images(problem), P = pixels(problem), C = channels(problem);
    rf_launch_desc lengths = {.kernel = "lengths",
                              .args = {RF_BUF(t->x[0]), RF_BUF(stats), RF_I32(N), RF_I32(P), RF_I32(C)}},
                   responses = {.kernel = "responses",
                                .args = {RF_BUF(stats), RF_I32(N), RF_I32(C), RF_F32(problem->attrs.eps)}},
                   apply = {.kernel = "apply",
                            .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_BUF(t->param[WEIGHT]),
                                     RF_BUF(t->param[BIAS]), RF_BUF(stats), RF_I32(N), RF_I32(P), RF_I32(C)}};
    RF_TRY(emit_sums(sequence, problem, info, family, &lengths, 1));
    RF_TRY(emit_images(sequence, problem, info, family, &responses));
    return emit_elements(sequence, problem, info, family, &apply, 2);
}

static rf_status params_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              const rf_tensors *t, rf_family family) {
    const size_t N = images(problem), P = pixels(problem), C = channels(problem);
    rf_launch_desc sums = {.kernel = "gradient_sums",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(t->saved), RF_I32(N), RF_I32(P),
                                    RF_I32(C)}},
                   factors = {.kernel = "gradient_factors",
                              .args = {RF_BUF(t->saved), RF_BUF(t->param[WEIGHT]), RF_I32(N), RF_I32(C),
                                       RF_F32(problem->attrs.eps)}};
    RF_TRY(emit_sums(sequence, problem, info, family, &sums, 2));
    RF_TRY(rf_emit_fold(sequence, info, family, t->saved, 2 * N * C, N, 2, C, t->grad));
    return emit_images(sequence, problem, info, family, &factors);
}

static rf_status data_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, rf_family family) {
    const bool accumulate = problem->accumulate[0];
    rf_launch_desc desc = {.kernel = "gradient",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(t->dx[0]),
                                    RF_BUF(t->param[WEIGHT]), RF_BUF(t->saved), RF_I32(images(problem)),
                                    RF_I32(pixels(problem)), RF_I32(channels(problem)), RF_I32(accumulate)}};
    return emit_elements(sequence, problem, info, family, &desc, accumulate ? 4 : 3);
}

/* A tile work-item sums images; its fold adds up all of them. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const double vectors = (double)rf_ceil_div(channels(problem), (size_t)rf_family_vector(RF_TILE, info));
    return rf_indexable(problem, info) && saved(problem) <= INT32_MAX / 2 &&
           vectors * (double)(2 * pixels(problem) + images(problem)) <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(response_norm_f, "response_norm", RF_FORWARD, applicable, workspace, forward_build)
RF_SOLVER_PAIR(response_norm_p, "response_norm", RF_BACKWARD_PARAMS, applicable, NULL, params_build)
RF_SOLVER_PAIR(response_norm_d, "response_norm", RF_BACKWARD_DATA, applicable, NULL, data_build)
static const rf_solver *const solvers[] = {&response_norm_f_tile,
                                           &response_norm_f_group,
                                           &response_norm_p_tile,
                                           &response_norm_p_group,
                                           &response_norm_d_tile,
                                           &response_norm_d_group,
                                           NULL};

#define GRN .attrs = {.eps = 1e-6}
static const rf_case cases[] = {
    {.label = "2x21x3x5", GRN, .x = {{2, 21, 3, 5}}},
    {.label = "far from zero, accumulate", GRN, .x = {{3, 32, 3, 3}}, .offset = 7, .accumulate = true},
    {.label = "one channel, one pixel", GRN, .x = {{3, 1, 1, 1}}},
    {.label = "flat", .attrs = {.eps = 0.1}, .x = {{3, 8, 1, 1, true}}},
    {.label = "inference", GRN, .x = {{2, 21, 3, 5}}, .inference = true},
    {.label = "8x96x28x28", GRN, .x = {{8, 96, 28, 28}}, .large = true},
    {NULL},
};
static const rf_case refused[] = {
    {.label = "the input is flat", GRN, .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR(eps, FLOAT, 1e-6, 1e-20, 1e3), RF_ATTR_END};
const rf_op rf_op_response_norm = {
    .name = "response_norm",
    .summary = "x (1 + weight r) + bias, r: a channel's length in its image over the mean of all channels'",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .in_place = true,
    .params_first = true,
    .attrs = attrs,
    .infer = infer,
    .params = params,
    .saved = saved,
    .reference = {forward, backward_params, backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
