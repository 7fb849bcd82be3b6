/* Global response norm (Woo et al. 2023, ConvNeXt V2): y = x (1 + weight r) + bias, with r of each image's channel: its length, the
 * root of the sum of its squares over the pixels, over the mean length of all channels plus eps. */
#include <math.h>

#include "op/norm/norm.h"
#include "op/reference.h"

enum { WEIGHT, BIAS };

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

/* ---- reference ---- */

/* Saved are length and response of each image's channels, (N,2,C); then what the gradient multiplies x by, and the sums of dy. */

static double length_of(const float *x, const rf_problem *problem) {
    double sum = 0;
    for (size_t p = 0; p < rf_norm_pixels(problem); ++p)
        sum += (double)x[p * rf_norm_channels(problem)] * x[p * rf_norm_channels(problem)];
    return sqrt(sum);
}

/* y may be x: each channel is written when all have been measured. */
static void forward(const rf_problem *problem, const rf_arrays *a) {
    const size_t C = rf_norm_channels(problem), P = rf_norm_pixels(problem);
    for (size_t n = 0; n < rf_norm_images(problem); ++n) {
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
    const size_t C = rf_norm_channels(problem), P = rf_norm_pixels(problem), N = rf_norm_images(problem);
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
    const size_t C = rf_norm_channels(problem), P = rf_norm_pixels(problem), N = rf_norm_images(problem);
    for (size_t i = 0; i < N * P * C; ++i) {
        const size_t c = i % C, of = i / (P * C) * 2 * C + c;
        const double response = a->saved[of + C], factor = a->saved[2 * N * C + of];
        a->dx[0][i] = (float)(a->dy[i] * (1 + a->param[WEIGHT][c] * response) + a->x[0][i] * factor +
                              (problem->accumulate[0] ? a->dx[0][i] : 0));
    }
}

/* ---- solvers ---- */

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_buffer *stats = problem->training ? t->saved : t->work;
    const size_t N = rf_norm_images(problem), P = rf_norm_pixels(problem), C = rf_norm_channels(problem);
    rf_launch_desc lengths = {.program = "response_norm",
                              .kernel = "lengths",
                              .args = {RF_BUF(t->x[0]), RF_BUF(stats), RF_I32(N), RF_I32(P), RF_I32(C)}},
                   responses = {.program = "response_norm",
                                .kernel = "responses",
                                .args = {RF_BUF(stats), RF_I32(N), RF_I32(C), RF_F32(problem->attrs.eps)}};
    RF_TRY(rf_norm_emit_sums(sequence, problem, info, family, &lengths, 1));
    RF_TRY(rf_norm_emit_groups(sequence, problem, info, family, &responses, 1));
    return rf_norm_emit_apply(sequence, problem, info, t, family, "response_norm", stats);
}

static rf_status params_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              const rf_tensors *t, rf_family family) {
    const size_t N = rf_norm_images(problem), C = rf_norm_channels(problem);
    rf_launch_desc factors = {.program = "response_norm",
                              .kernel = "gradient_factors",
                              .args = {RF_BUF(t->saved), RF_BUF(t->param[WEIGHT]), RF_I32(N), RF_I32(C),
                                       RF_F32(problem->attrs.eps)}};
    RF_TRY(rf_norm_emit_gradient_sums(sequence, problem, info, t, family, "response_norm"));
    RF_TRY(rf_emit_fold(sequence, info, family, t->saved, 2 * N * C, N, 2, C, t->grad));
    return rf_norm_emit_groups(sequence, problem, info, family, &factors, 1);
}

static rf_status data_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, rf_family family) {
    return rf_norm_emit_gradient(sequence, problem, info, t, family, "response_norm");
}

RF_SOLVER_PAIR(response_norm_f, "response_norm", RF_FORWARD, RF_HALF_EITHER, rf_norm_applicable,
               rf_norm_workspace, forward_build)
RF_SOLVER_PAIR(response_norm_p, "response_norm", RF_BACKWARD_PARAMS, RF_HALF_EITHER, rf_norm_applicable, NULL,
               params_build)
RF_SOLVER_PAIR(response_norm_d, "response_norm", RF_BACKWARD_DATA, RF_HALF_EITHER, rf_norm_applicable, NULL,
               data_build)
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
    .saved = rf_norm_saved,
    .reference = {forward, backward_params, backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
