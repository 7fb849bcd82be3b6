/* The activations: y = f(x), element by element.  One list gives each its reference, kernels, solvers and op.
 */
#include <math.h>

#include "op/family.h"
#include "op/reference.h"

/* Standard deviations and the like are PyTorch's; GELU is the exact form, with erf. */
static inline double sigmoid_of(double x) {
    return 1 / (1 + exp(-x));
}
static inline double normal_below(double x) {
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static inline double softplus_of(double x) {
    return fmax(x, 0) + log1p(exp(-fabs(x))) + (isnan(x) ? x : 0);
}
static inline double mish_slope(double x) {
    const double t = tanh(softplus_of(x));
    return t + x * (1 - t * t) * sigmoid_of(x);
}

/* sqrt(2 / pi) (x + 0.044715 x^3), by which GELU is approximated (Hendrycks & Gimpel 2016), and its derivative. */
static inline double gelu_u(double x) {
    return 0.79788456080286535588 * (x + 0.044715 * x * x * x);
}
static inline double gelu_du(double x) {
    return 0.79788456080286535588 * (1 + 3 * 0.044715 * x * x);
}

/* SELU's alpha times its scale, and the scale (Klambauer et al. 2017). */
#define SELU_ALPHA 1.7580993408473768599
#define SELU_SCALE 1.0507009873554804934

/* symbol, sentence, attributes, the kernel's name of f, f(x), and dx, with g for dy, from y or from x; a and b are the
 * attributes.  A comparison with NaN is false, and must take the branch that propagates it. */
#define FROM_Y(ACT)                                                                                          \
    ACT(relu, "max(x, 0)", NULL, relu, x <= 0 ? 0 : x, y <= 0 ? 0 : g)                                       \
    ACT(relu6, "min(max(x, 0), 6)", NULL, relu6, x <= 0 ? 0 : (x >= 6 ? 6 : x), y <= 0 || y >= 6 ? 0 : g)    \
    ACT(leaky_relu, "x, or slope times x below zero", slope_attrs, leaky_relu, x <= 0 ? x * a : x,           \
        y <= 0 ? g * a : g)                                                                                  \
    ACT(sigmoid, "1 / (1 + exp(-x))", NULL, sigmoid, sigmoid_of(x), g *y *(1 - y))                           \
    ACT(exp, "e to the power of x", NULL, exponential, exp(x), g *y)                                         \
    ACT(tanh, "hyperbolic tangent", NULL, hyperbolic, tanh(x), g *(1 - y * y))                               \
    ACT(elu, "x, or alpha (exp(x) - 1) below zero", elu_attrs, elu, x <= 0 ? a * expm1(x) : x,               \
        y <= 0 ? g * (y + a) : g)                                                                            \
    ACT(selu, "ELU, scaled to keep mean 0 and variance 1", NULL, selu,                                       \
        x <= 0 ? SELU_ALPHA * expm1(x) : SELU_SCALE * x, y <= 0 ? g * (y + SELU_ALPHA) : g * SELU_SCALE)     \
    ACT(clip, "x, but at least min and at most max", clip_attrs, clip, x <= a ? a : (x >= b ? b : x),        \
        y <= (float)a || y >= (float)b ? 0 : g)                                                              \
    ACT(affine, "factor * x + shift, of two fixed numbers", affine_attrs, affine, a *x + b, g * a)           \
    ACT(hard_sigmoid, "relu6(x + 3) / 6", NULL, hard_sigmoid, x <= -3 ? 0 : (x >= 3 ? 1 : (x + 3) / 6),      \
        y <= 0 || y >= 1 ? 0 : g / 6)
#define FROM_X(ACT)                                                                                          \
    ACT(silu, "x * sigmoid(x)", NULL, silu, x / (1 + exp(-x)),                                               \
        g * sigmoid_of(x) * (1 + x * (1 - sigmoid_of(x))))                                                   \
    ACT(hard_swish, "x * relu6(x + 3) / 6", NULL, hard_swish, x <= -3 ? 0 : (x >= 3 ? x : x * (x + 3) / 6),  \
        x <= -3 ? 0 : (x >= 3 ? g : g * (2 * x + 3) / 6))                                                    \
    ACT(mish, "x * tanh(softplus(x))", NULL, mish, x *tanh(softplus_of(x)), g *mish_slope(x))                \
    ACT(softplus, "log(1 + exp(x))", NULL, softplus, softplus_of(x), g *sigmoid_of(x))                       \
    ACT(gelu, "x * Phi(x), Phi the normal distribution", NULL, gelu, x *normal_below(x),                     \
        g *(normal_below(x) + x * 0.39894228040143267794 * exp(-0.5 * x * x)))                               \
    ACT(gelu_tanh, "GELU's approximation by tanh", NULL, gelu_tanh, 0.5 * x * (1 + tanh(gelu_u(x))),         \
        g * 0.5 * (1 + tanh(gelu_u(x)) + x * (1 - pow(tanh(gelu_u(x)), 2)) * gelu_du(x)))

/* Of x above zero, mostly, which is what their samples have. */
#define ABOVE_ZERO_FROM_X(ACT)                                                                               \
    ACT(log, "natural logarithm", NULL, logarithm, log(x), g / x)                                            \
    ACT(power, "x to the power of a fixed number", power_attrs, power, pow(x, a), g *a *pow(x, a - 1))

static const rf_attr_spec slope_attrs[] = {RF_ATTR(slope, FLOAT, 0.01, 0, 1e6), RF_ATTR_END};

/* What f knows as a is the slope, b the value. */
static const rf_attr_spec elu_attrs[] = {RF_ATTR_AS("alpha", slope, FLOAT, 1, 0, 1e6), RF_ATTR_END};
static const rf_attr_spec clip_attrs[] = {RF_ATTR_AS("min", slope, FLOAT, -1, -1e15, 1e15),
                                          RF_ATTR_AS("max", value, FLOAT, 1, -1e15, 1e15), RF_ATTR_END};
static const rf_attr_spec affine_attrs[] = {RF_ATTR_AS("factor", slope, FLOAT, 1, -1e15, 1e15),
                                            RF_ATTR_AS("shift", value, FLOAT, 0, -1e15, 1e15), RF_ATTR_END};
static const rf_attr_spec power_attrs[] = {RF_ATTR_AS("exponent", slope, FLOAT, 2, -64, 64), RF_ATTR_END};

static rf_status infer(rf_problem *problem) {
    problem->y = problem->x[0];
    return RF_OK;
}

/* ---- reference ---- */

#define REFERENCE(symbol, kernel, f, df, seen, from)                                                         \
    static void symbol##_forward(const rf_problem *problem, const rf_arrays *t) {                            \
        const int64_t count = (int64_t)rf_shape_count(problem->y);                                           \
        const double a = problem->attrs.slope, b = problem->attrs.value;                                     \
        (void)a, (void)b;                                                                                    \
        _Pragma("omp parallel for num_threads(rf_reference_threads()) if (count > 10000)") for (int64_t i =  \
                                                                                                    0;       \
                                                                                                i < count;   \
                                                                                                ++i) {       \
            const double x = t->x[0][i];                                                                     \
            t->y[i] = (float)(f);                                                                            \
        }                                                                                                    \
    }                                                                                                        \
    static void symbol##_backward(const rf_problem *problem, const rf_arrays *t) {                           \
        const int64_t count = (int64_t)rf_shape_count(problem->y);                                           \
        const bool accumulate = problem->accumulate[0];                                                      \
        const double a = problem->attrs.slope, b = problem->attrs.value;                                     \
        (void)a, (void)b;                                                                                    \
        _Pragma("omp parallel for num_threads(rf_reference_threads()) if (count > 10000)") for (int64_t i =  \
                                                                                                    0;       \
                                                                                                i < count;   \
                                                                                                ++i) {       \
            const double seen = t->from[i], g = t->dy[i];                                                    \
            (void)seen;                                                                                      \
            t->dx[0][i] = (float)((df) + (accumulate ? t->dx[0][i] : 0));                                    \
        }                                                                                                    \
    }
#define REFERENCE_FROM_Y(symbol, summary, attrs, kernel, f, df) REFERENCE(symbol, kernel, f, df, y, y)
#define REFERENCE_FROM_X(symbol, summary, attrs, kernel, f, df) REFERENCE(symbol, kernel, f, df, x, x[0])
FROM_Y(REFERENCE_FROM_Y)
FROM_X(REFERENCE_FROM_X)
ABOVE_ZERO_FROM_X(REFERENCE_FROM_X)

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, const char *kind, rf_launch_desc *desc) {
    char options[RF_OPTIONS];
    const size_t vector = (size_t)rf_family_vector(family, info);
    desc->program = "activation";
    desc->options = rf_family_options(options, family, info, "-DKIND=%s%s", kind,
                                      problem->op->x_in_backward ? " -DSEEN_X" : "");
    rf_family_spread(desc, family, info, rf_ceil_div(rf_shape_count(problem->y), vector), vector);
    return rf_emit(sequence, desc);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, rf_family family, const char *kind) {
    const size_t count = rf_shape_count(problem->y);
    rf_launch_desc desc = {
        .kernel = "forward",
        .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_I32(count), RF_F32(problem->attrs.slope),
                 RF_F32(problem->attrs.value)},
        .bytes = 2.0 * (double)count * sizeof(float),
    };
    return emit(sequence, problem, info, family, kind, &desc);
}

static rf_status backward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                          const rf_tensors *t, rf_family family, const char *kind) {
    const size_t count = rf_shape_count(problem->y);
    const bool accumulate = problem->accumulate[0];
    rf_launch_desc desc = {
        .kernel = "backward",
        .args = {RF_BUF(problem->op->x_in_backward ? t->x[0] : t->y), RF_BUF(t->dy), RF_BUF(t->dx[0]),
                 RF_I32(count), RF_F32(problem->attrs.slope), RF_F32(problem->attrs.value),
                 RF_I32(accumulate)},
        .bytes = (accumulate ? 4.0 : 3.0) * (double)count * sizeof(float),
    };
    return emit(sequence, problem, info, family, kind, &desc);
}

#define SOLVERS(symbol, summary, attrs, kernel, f, df)                                                       \
    static rf_status symbol##_forward_build(rf_sequence *s, const rf_problem *p, const rf_device_info *i,    \
                                            const rf_tensors *t, rf_family family) {                         \
        return forward(s, p, i, t, family, #kernel);                                                         \
    }                                                                                                        \
    static rf_status symbol##_backward_build(rf_sequence *s, const rf_problem *p, const rf_device_info *i,   \
                                             const rf_tensors *t, rf_family family) {                        \
        return backward(s, p, i, t, family, #kernel);                                                        \
    }                                                                                                        \
    RF_SOLVER_PAIR(symbol##_f, #symbol, RF_FORWARD, RF_HALF_EITHER, rf_indexable, NULL,                      \
                   symbol##_forward_build)                                                                   \
    RF_SOLVER_PAIR(symbol##_b, #symbol, RF_BACKWARD_DATA, RF_HALF_EITHER, rf_indexable, NULL,                \
                   symbol##_backward_build)                                                                  \
    static const rf_solver *const symbol##_solvers[] = {&symbol##_f_tile, &symbol##_f_group,                 \
                                                        &symbol##_b_tile, &symbol##_b_group, NULL};
FROM_Y(SOLVERS)
FROM_X(SOLVERS)
ABOVE_ZERO_FROM_X(SOLVERS)

/* ---- ops ---- */

static const rf_case cases[] = {
    {.label = "one number", .attrs = {.slope = 0.01, .value = 0.5}, .x = {{1, 1, 1, 1}}},
    {.label = "2x3x5x7", .attrs = {.slope = 0.2, .value = 0.5}, .x = {{2, 3, 5, 7}}},
    {.label = "2x3x5x7 accumulate",
     .attrs = {.slope = 0.01, .value = 0.5},
     .x = {{2, 3, 5, 7}},
     .accumulate = true},
    {.label = "2x3x1x2 slope 0", .attrs = {.value = 0.5}, .x = {{2, 3, 1, 2}}},
    {.label = "flat 5x37", .attrs = {.slope = 0.01, .value = 0.5}, .x = {{5, 37, 1, 1, true}}},
    {.label = "17x33x31x29", .attrs = {.slope = 0.01, .value = 0.5}, .x = {{17, 33, 31, 29}}, .large = true},
    {NULL},
};

/* Whole exponents and others. */
#define ABOVE_ZERO                                                                                           \
    {.label = "one number", .attrs = {.slope = 0.5}, .x = {{1, 1, 1, 1}}},                                   \
        {.label = "2x3x5x7", .attrs = {.slope = 1.0 / 3}, .x = {{2, 3, 5, 7}}},                              \
        {.label = "2x3x5x7 accumulate", .attrs = {.slope = -1}, .x = {{2, 3, 5, 7}}, .accumulate = true},    \
        {.label = "2x3x1x2 exponent 0", .x = {{2, 3, 1, 2}}},                                                \
        {.label = "flat 5x37", .attrs = {.slope = -2.5}, .x = {{5, 37, 1, 1, true}}},                        \
        {.label = "17x33x31x29", .attrs = {.slope = 4}, .x = {{17, 33, 31, 29}}, .large = true},
static const rf_case log_cases[] = {ABOVE_ZERO{NULL}};
static const rf_case power_cases[] = {
    ABOVE_ZERO{.label = "2x3x5x7 below zero", .attrs = {.slope = 3}, .x = {{2, 3, 5, 7}}, .offset = -4},
    {.label = "below zero, even", .attrs = {.slope = -2}, .x = {{2, 3, 5, 7}}, .offset = -4},
    {NULL}};

#define OP(symbol, summary_, attrs_, above_zero, by_y, cases_)                                               \
    const rf_op rf_op_##symbol = {                                                                           \
        .name = #symbol,                                                                                     \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .x_in_backward = !by_y,                                                                              \
        .y_in_backward = by_y,                                                                               \
        .in_place = by_y,                                                                                    \
        .x_above_zero = above_zero,                                                                          \
        .attrs = attrs_,                                                                                     \
        .infer = infer,                                                                                      \
        .reference = {[RF_FORWARD] = symbol##_forward, [RF_BACKWARD_DATA] = symbol##_backward},              \
        .solvers = symbol##_solvers,                                                                         \
        .cases = cases_};
#define OP_FROM_Y(symbol, summary, attrs, kernel, f, df) OP(symbol, summary, attrs, false, true, cases)
#define OP_FROM_X(symbol, summary, attrs, kernel, f, df) OP(symbol, summary, attrs, false, false, cases)
#define OP_ABOVE_ZERO(symbol, summary, attrs, kernel, f, df)                                                 \
    OP(symbol, summary, attrs, true, false, symbol##_cases)
FROM_Y(OP_FROM_Y)
FROM_X(OP_FROM_X)
ABOVE_ZERO_FROM_X(OP_ABOVE_ZERO)
