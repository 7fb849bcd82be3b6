/* conv_standardized: a convolution by weights that are computed from its parameters (Qiao et al. 2019, arXiv 1903.10520; with
 * gain and factor Brock et al. 2021, arXiv 2102.06171): each output's weights, shifted and scaled to mean 0 and variance 1,
 *   w' = gain[k] factor (w - mean) / sqrt(variance + eps).
 * Devices have no solvers of it: lowering makes it a convolution, whose weights steps of a plan compute (graph/standardize.h). */
#include "op/conv/conv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rf_attr_spec attrs[] = {
    RF_CONV_ATTRS,
    RF_ATTR(eps, FLOAT, 1e-6, 1e-20, 1e3),
    RF_ATTR_AS("factor", value, FLOAT, 1, -1e6, 1e6),
    RF_ATTR_AS("gain", affine, BOOL, 0, 0, 1),
    RF_ATTR_END,
};

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    const rf_attrs *a = &problem->attrs;
    const int count = rf_conv_params(problem, out);
    if (!a->affine) return count;
    out[count] = (rf_param_spec){.name = "gain",
                                 .rank = 4,
                                 .dim = {a->out, 1, 1, 1},
                                 .shape = {a->out, 1, 1, 1},
                                 .layout = out[0].layout,
                                 .init = RF_INIT_ONE};
    return count + 1;
}

/* ---- reference ---- */

/* One output's weights: where they lie, and their statistics. */
typedef struct filter {
    size_t first, stride, count;
    double mean, scale; /* factor / sqrt(variance + eps) */
    double variance;    /* + eps */
    double gain;
} filter;

static filter filter_of(const rf_problem *problem, const rf_arrays *a, size_t k) {
    rf_param_spec specs[RF_MAX_PARAMS];
    const int count = params(problem, specs);
    const rf_param_spec *spec = &specs[0];
    const bool panels = spec->layout == RF_LAYOUT_PANEL;
    filter f = {.count = (size_t)spec->shape[1] * spec->shape[2] * spec->shape[3], .gain = 1};
    f.stride = panels ? RF_PANEL : (size_t)spec->shape[0];
    f.first = panels ? k / RF_PANEL * RF_PANEL * f.count + k % RF_PANEL : k;
    for (size_t i = 0; i < f.count; i++) f.mean += a->param[0][f.first + i * f.stride];
    f.mean /= (double)f.count;
    for (size_t i = 0; i < f.count; i++)
        f.variance += pow(a->param[0][f.first + i * f.stride] - f.mean, 2) / (double)f.count;
    f.variance += problem->attrs.eps;
    f.scale = problem->attrs.value / sqrt(f.variance);
    if (problem->attrs.affine) f.gain = a->param[count - 1][k];
    return f;
}

/* The arrays of the convolution, with computed weights and room for their gradient. *weights: owned by the caller; NULL: there is no memory. */
static rf_arrays computed(const rf_problem *problem, const rf_arrays *a, float **weights) {
    rf_param_spec specs[RF_MAX_PARAMS];
    rf_arrays out = *a;
    params(problem, specs);
    const size_t count = rf_param_storage(&specs[0]);
    *weights = out.param[0] = rf_alloc(2 * count, sizeof(float));
    if (*weights == NULL) return out;
    out.grad[0] = *weights + count;
    for (size_t k = 0; k < (size_t)problem->attrs.out; k++) {
        const filter f = filter_of(problem, a, k);
        for (size_t i = f.first; i < f.first + f.count * f.stride; i += f.stride)
            out.param[0][i] = (float)(f.gain * f.scale * (a->param[0][i] - f.mean));
    }
    return out;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    float *weights;
    const rf_arrays own = computed(problem, a, &weights);
    if (weights != NULL) rf_conv_forward(problem, &own);
    free(weights);
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    float *weights;
    const rf_arrays own = computed(problem, a, &weights);
    if (weights != NULL) rf_conv_backward_data(problem, &own);
    free(weights);
}

/* With g for the gradients of one output's w', and n = (w - mean) / sqrt(variance + eps):
 * dw = gain scale (g - mean(g) - n mean(g n)), dgain = factor sum(g n). */
static void backward_filter(const rf_problem *problem, const rf_arrays *a, const float *gradient, size_t k) {
    const filter f = filter_of(problem, a, k);
    const double deviation = sqrt(f.variance);
    double sum = 0, product = 0;
    for (size_t i = f.first; i < f.first + f.count * f.stride; i += f.stride) {
        sum += gradient[i];
        product += gradient[i] * (a->param[0][i] - f.mean) / deviation;
    }
    for (size_t i = f.first; i < f.first + f.count * f.stride; i += f.stride) {
        const double normed = (a->param[0][i] - f.mean) / deviation;
        a->grad[0][i] =
            (float)(f.gain * f.scale * (gradient[i] - (sum + normed * product) / (double)f.count));
    }
    if (problem->attrs.affine)
        a->grad[problem->attrs.bias ? 2 : 1][k] = (float)(problem->attrs.value * product);
}

static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    float *weights;
    rf_param_spec specs[RF_MAX_PARAMS];
    const int count = params(problem, specs);
    const rf_arrays own = computed(problem, a, &weights);
    if (weights == NULL) return;
    rf_conv_backward_params(problem, &own);
    for (int i = 0; i < count; i++) /* what pads the last panel has no gradient */
        if (i != 1 || !problem->attrs.bias)
            memset(a->grad[i], 0, rf_param_storage(&specs[i]) * sizeof(float));
    for (size_t k = 0; k < (size_t)problem->attrs.out; k++) backward_filter(problem, a, own.grad[0], k);
    free(weights);
}

/* ---- the op ---- */

#define CASE(LABEL, K, GROUPS, ...)                                                                          \
    .label = LABEL, .attrs = {.out = K,                                                                      \
                              .kernel = {3, 3},                                                              \
                              .stride = {1, 1},                                                              \
                              .pad = {1, 1},                                                                 \
                              .dilation = {1, 1},                                                            \
                              .groups = GROUPS,                                                              \
                              .eps = 1e-6,                                                                   \
                              __VA_ARGS__}

static const rf_case cases[] = {
    {CASE("3x3", 17, 1, .bias = true, .value = 1), .x = {{1, 2, 3, 4}}},
    {CASE("gain and factor, accumulate", 18, 1, .bias = true, .value = 0.3, .affine = true),
     .x = {{2, 2, 2, 3}}, .accumulate = true},
    {CASE("2 groups, gain, no bias", 6, 2, .value = 0.5, .affine = true), .x = {{2, 4, 5, 5}}},
    {CASE("depthwise", 19, 19, .value = 1), .x = {{1, 19, 3, 4}}},
    {NULL},
};

const rf_op rf_op_conv_standardized = {
    .name = "conv_standardized",
    .summary = "convolution whose weights are standardised for each output",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .attrs = attrs,
    .positional = "out kernel",
    .infer = rf_conv_infer,
    .params = params,
    .flops = rf_conv_flops,
    .reference = {forward, backward_params, backward_data},
    .cases = cases,
};
