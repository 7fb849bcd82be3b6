/* Local response norm (Krizhevsky et al. 2012, section 3.3): y = x / (k + alpha / size * the sum of x^2 over `size` channels
 * around)^beta; at the first and last channels of those that there are. */
#include <math.h>

#include "op/family.h"
#include "op/reference.h"

static rf_status infer(rf_problem *problem) {
    RF_TRY(rf_check_map(problem, true));
    if (problem->attrs.groups % 2 == 0)
        return rf_fail(RF_E_SHAPE, "local_response_norm: size %d is even, and no channel is its middle",
                       problem->attrs.groups);
    problem->y = problem->x[0];
    return RF_OK;
}

/* The size, beta, k, and alpha / size. */
typedef struct numbers {
    int size;
    double share, beta, k;
} numbers;

static numbers numbers_of(const rf_problem *problem) {
    const rf_attrs *a = &problem->attrs;
    return (numbers){a->groups, a->slope / a->groups, a->value, a->eps};
}

/* d of each element. */
static size_t saved(const rf_problem *problem) {
    return problem->training ? rf_shape_count(problem->x[0]) : 0;
}

/* ---- reference ---- */

/* The channels around c. */
static int first(int c, int size) {
    return RF_MAX(c - size / 2, 0);
}
static int end(int c, int size, int channels) {
    return RF_MIN(c + size / 2 + 1, channels);
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const numbers n = numbers_of(problem);
    const int C = problem->x[0].c;
    for (size_t row = 0; row < rf_shape_pixels(problem->x[0]); ++row)
        for (int c = 0; c < C; ++c) {
            const float *x = a->x[0] + row * (size_t)C;
            double sum = 0;
            for (int i = first(c, n.size); i < end(c, n.size, C); ++i) sum += (double)x[i] * x[i];
            const double d = n.k + n.share * sum;
            a->y[row * (size_t)C + (size_t)c] = (float)(x[c] * pow(d, -n.beta));
            if (problem->training) a->saved[row * (size_t)C + (size_t)c] = (float)d;
        }
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    const numbers n = numbers_of(problem);
    const int C = problem->x[0].c;
    for (size_t row = 0; row < rf_shape_pixels(problem->x[0]); ++row) {
        const size_t at = row * (size_t)C;
        const float *x = a->x[0] + at, *y = a->y + at, *dy = a->dy + at, *d = a->saved + at;
        for (int c = 0; c < C; ++c) {
            double sum = 0;
            for (int i = first(c, n.size); i < end(c, n.size, C); ++i) sum += (double)dy[i] * y[i] / d[i];
            const double dx = dy[c] * pow(d[c], -n.beta) - 2 * n.share * n.beta * x[c] * sum;
            a->dx[0][at + (size_t)c] = (float)(dx + (problem->accumulate[0] ? a->dx[0][at + (size_t)c] : 0));
        }
    }
}

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, double passes) {
    char options[RF_OPTIONS];
    const size_t rows = rf_shape_pixels(problem->y), channels = (size_t)problem->y.c;
    desc->program = "local_response";
    desc->options = rf_family_options(options, family, info, "%s", "");
    desc->bytes = passes * (double)(rows * channels * sizeof(float));
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, rows, channels * (size_t)problem->attrs.groups);
    else
        rf_family_spread(desc, family, info, rows * channels, 1);
    return rf_emit(sequence, desc);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    const numbers n = numbers_of(problem);
    rf_launch_desc desc = {.kernel = "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y),
                                    RF_BUF(problem->training ? t->saved : NULL),
                                    RF_I32(rf_shape_pixels(problem->y)), RF_I32(problem->y.c), RF_I32(n.size),
                                    RF_F32(n.share), RF_F32(n.beta), RF_F32(n.k)}};
    return emit(sequence, problem, info, family, &desc, problem->training ? 3 : 2);
}

static rf_status data_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, rf_family family) {
    const numbers n = numbers_of(problem);
    const bool add = problem->accumulate[0];
    rf_launch_desc desc = {.kernel = "gradient",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_BUF(t->dy), RF_BUF(t->saved),
                                    RF_BUF(t->dx[0]), RF_I32(rf_shape_pixels(problem->y)),
                                    RF_I32(problem->y.c), RF_I32(n.size), RF_F32(n.share), RF_F32(n.beta),
                                    RF_I32(add)}};
    return emit(sequence, problem, info, family, &desc, 5 + add);
}

/* A tile work-item has a row at least. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) &&
           (double)problem->y.c * problem->attrs.groups <= rf_family_rounds(info);
}

RF_SOLVER_PAIR(f, "local_response_norm", RF_FORWARD, RF_HALF_NEVER, applicable, NULL, forward_build)
RF_SOLVER_PAIR(d, "local_response_norm", RF_BACKWARD_DATA, RF_HALF_NEVER, applicable, NULL, data_build)
static const rf_solver *const solvers[] = {&f_tile, &f_group, &d_tile, &d_group, NULL};

#define LRN(size, alpha, beta, k)                                                                            \
    { .groups = size, .slope = alpha, .value = beta, .eps = k }
static const rf_case cases[] = {
    {.label = "2x19x3x5", .attrs = LRN(5, 0.5, 0.75, 1), .x = {{2, 19, 3, 5}}},
    {.label = "3 of 2 channels, accumulate",
     .attrs = LRN(3, 2, 0.5, 2),
     .x = {{3, 2, 4, 3}},
     .accumulate = true},
    {.label = "9 of 40 channels, accumulate",
     .attrs = LRN(9, 1, 1.5, 0.1),
     .x = {{2, 40, 3, 2}},
     .accumulate = true},
    {.label = "itself alone", .attrs = LRN(1, 1e-4, 0.75, 1), .x = {{1, 1, 2, 2}}},
    {.label = "inference", .attrs = LRN(5, 0.5, 0.75, 1), .x = {{2, 19, 3, 5}}, .inference = true},
    {.label = "8x64x27x27", .attrs = LRN(5, 1e-4, 0.75, 1), .x = {{8, 64, 27, 27}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "size 4 is even", .attrs = LRN(4, 1e-4, 0.75, 1), .x = {{1, 8, 2, 2}}},
    {.label = "the input is flat", .attrs = LRN(5, 1e-4, 0.75, 1), .x = {{1, 8, 2, 2, true}}},
    {NULL},
};

static const rf_attr_spec attrs[] = {
    RF_ATTR_AS("size", groups, INT, 5, 1, 1023), RF_ATTR_AS("alpha", slope, FLOAT, 1e-4, 0, 1e6),
    RF_ATTR_AS("beta", value, FLOAT, 0.75, 0, 4), RF_ATTR_AS("k", eps, FLOAT, 1, 1e-6, 1e6), RF_ATTR_END};

const rf_op rf_op_local_response_norm = {
    .name = "local_response_norm",
    .summary = "each number over a power of the mean square of the channels around",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .y_in_backward = true,
    .attrs = attrs,
    .positional = "size",
    .infer = infer,
    .saved = saved,
    .reference = {forward, NULL, backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
