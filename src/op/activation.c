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

/* symbol, sentence, attributes, the kernel's name of f, f(x), and dx, with g for dy, from y or from x.  A comparison
 * with NaN is false, and must take the branch that propagates it. */
#define FROM_Y(ACT)                                                                                          \
    ACT(relu, "max(x, 0)", NULL, relu, x <= 0 ? 0 : x, y <= 0 ? 0 : g)                                       \
    ACT(relu6, "min(max(x, 0), 6)", NULL, relu6, x <= 0 ? 0 : (x >= 6 ? 6 : x), y <= 0 || y >= 6 ? 0 : g)    \
    ACT(leaky_relu, "x, or slope times x below zero", slope_attrs, leaky_relu, x <= 0 ? x * slope : x,       \
        y <= 0 ? g * slope : g)                                                                              \
    ACT(sigmoid, "1 / (1 + exp(-x))", NULL, sigmoid, sigmoid_of(x), g *y *(1 - y))                           \
    ACT(tanh, "hyperbolic tangent", NULL, hyperbolic, tanh(x), g *(1 - y * y))                               \
    ACT(elu, "x, or alpha (exp(x) - 1) below zero", elu_attrs, elu, x <= 0 ? slope * expm1(x) : x,           \
        y <= 0 ? g * (y + slope) : g)                                                                        \
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
        g *(normal_below(x) + x * 0.39894228040143267794 * exp(-0.5 * x * x)))

static const rf_attr_spec slope_attrs[] = {RF_ATTR(slope, FLOAT, 0.01, 0, 1e6), RF_ATTR_END};

static const rf_attr_spec elu_attrs[] = {{.name = "alpha",
                                          .type = RF_ATTR_FLOAT,
                                          .offset = offsetof(rf_attrs, slope),
                                          .def = 1,
                                          .min = 0,
                                          .max = 1e6},
                                         RF_ATTR_END};

static rf_status infer(rf_problem *problem) {
    problem->y = problem->x[0];
    return RF_OK;
}

/* ---- reference ---- */

#define REFERENCE(symbol, kernel, f, df, seen, from)                                                         \
    static void symbol##_forward(const rf_problem *problem, const rf_arrays *a) {                            \
        const int64_t count = (int64_t)rf_shape_count(problem->y);                                           \
        const double slope = problem->attrs.slope;                                                           \
        (void)slope;                                                                                         \
        _Pragma("omp parallel for num_threads(rf_reference_threads()) if (count > 10000)") for (int64_t i =  \
                                                                                                    0;       \
                                                                                                i < count;   \
                                                                                                ++i) {       \
            const double x = a->x[0][i];                                                                     \
            a->y[i] = (float)(f);                                                                            \
        }                                                                                                    \
    }                                                                                                        \
    static void symbol##_backward(const rf_problem *problem, const rf_arrays *a) {                           \
        const int64_t count = (int64_t)rf_shape_count(problem->y);                                           \
        const bool accumulate = problem->accumulate[0];                                                      \
        const double slope = problem->attrs.slope;                                                           \
        (void)slope;                                                                                         \
        _Pragma("omp parallel for num_threads(rf_reference_threads()) if (count > 10000)") for (int64_t i =  \
                                                                                                    0;       \
                                                                                                i < count;   \
                                                                                                ++i) {       \
            const double seen = a->from[i], g = a->dy[i];                                                    \
            a->dx[0][i] = (float)((df) + (accumulate ? a->dx[0][i] : 0));                                    \
        }                                                                                                    \
    }
#define REFERENCE_FROM_Y(symbol, summary, attrs, kernel, f, df) REFERENCE(symbol, kernel, f, df, y, y)
#define REFERENCE_FROM_X(symbol, summary, attrs, kernel, f, df) REFERENCE(symbol, kernel, f, df, x, x[0])
FROM_Y(REFERENCE_FROM_Y)
FROM_X(REFERENCE_FROM_X)

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, const char *kind, rf_launch_desc *desc) {
    char options[RF_OPTIONS];
    const size_t vector = (size_t)rf_family_vector(family, info);
    desc->program = "activation";
    desc->options = rf_family_options(options, family, info, "-DKIND=%s", kind);
    rf_family_spread(desc, family, info, rf_ceil_div(rf_shape_count(problem->y), vector), vector);
    return rf_emit(sequence, desc);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, rf_family family, const char *kind) {
    const size_t count = rf_shape_count(problem->y);
    rf_launch_desc desc = {
        .kernel = "forward",
        .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_I32(count), RF_F32(problem->attrs.slope)},
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
                 RF_I32(count), RF_F32(problem->attrs.slope), RF_I32(accumulate)},
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
    RF_SOLVER_PAIR(symbol##_f, #symbol, RF_FORWARD, rf_indexable, NULL, symbol##_forward_build)              \
    RF_SOLVER_PAIR(symbol##_b, #symbol, RF_BACKWARD_DATA, rf_indexable, NULL, symbol##_backward_build)       \
    static const rf_solver *const symbol##_solvers[] = {&symbol##_f_tile, &symbol##_f_group,                 \
                                                        &symbol##_b_tile, &symbol##_b_group, NULL};
FROM_Y(SOLVERS)
FROM_X(SOLVERS)

/* ---- ops ---- */

static const rf_case cases[] = {
    {.label = "one number", .attrs = {.slope = 0.01}, .x = {{1, 1, 1, 1}}},
    {.label = "2x3x5x7", .attrs = {.slope = 0.2}, .x = {{2, 3, 5, 7}}},
    {.label = "2x3x5x7 accumulate", .attrs = {.slope = 0.01}, .x = {{2, 3, 5, 7}}, .accumulate = true},
    {.label = "2x3x1x2 slope 0", .x = {{2, 3, 1, 2}}},
    {.label = "flat 5x37", .attrs = {.slope = 0.01}, .x = {{5, 37, 1, 1, true}}},
    {.label = "17x33x31x29", .attrs = {.slope = 0.01}, .x = {{17, 33, 31, 29}}, .large = true},
    {NULL},
};

#define OP(symbol, summary_, attrs_, by_y)                                                                   \
    const rf_op rf_op_##symbol = {                                                                           \
        .name = #symbol,                                                                                     \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .x_in_backward = !by_y,                                                                              \
        .y_in_backward = by_y,                                                                               \
        .in_place = by_y,                                                                                    \
        .attrs = attrs_,                                                                                     \
        .infer = infer,                                                                                      \
        .reference = {[RF_FORWARD] = symbol##_forward, [RF_BACKWARD_DATA] = symbol##_backward},              \
        .solvers = symbol##_solvers,                                                                         \
        .cases = cases};
#define OP_FROM_Y(symbol, summary, attrs, kernel, f, df) OP(symbol, summary, attrs, true)
#define OP_FROM_X(symbol, summary, attrs, kernel, f, df) OP(symbol, summary, attrs, false)
FROM_Y(OP_FROM_Y)
FROM_X(OP_FROM_X)
