/* conv_pool: y = maxpool2x2(act(conv(x))), one op, so that the map between is never in memory. Models do not name it:
 * lowering fuses a convolution and its pooling where the device has a solver that is faster.
 *
 * saved holds the argmax index (0..3, row by row; one byte) of each window before the activation, the first of equal
 * ones; NaN propagates. Where a monotonic activation maps different values to one, its gradient is 0, so the index does
 * not matter. An odd last row or column is dropped, as by max_pool. */
#include <math.h>
#include <stdlib.h>

#include "op/conv/conv.h"
#include "op/reference.h"

extern const rf_op rf_op_conv, rf_op_max_pool, rf_op_conv_pool;

/* The convolution before the pooling, without the activation. */
static rf_status conv_problem(rf_problem *conv, const rf_problem *problem) {
    *conv = *problem;
    conv->op = &rf_op_conv;
    conv->act = RF_ACT_NONE;
    return rf_op_conv.infer(conv);
}

static const rf_attr_spec attrs[] = {
    RF_ATTR_REQUIRED(out, INT, 1, 1 << 20),
    RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL),
    RF_ATTR(stride, PAIR, 1, 1, RF_MAX_KERNEL),
    RF_ATTR(pad, PAIR, 0, 0, 4 * RF_MAX_KERNEL),
    RF_ATTR(dilation, PAIR, 1, 1, RF_MAX_KERNEL),
    RF_ATTR(groups, INT, 1, 1, 1),
    RF_ATTR(bias, BOOL, 1, 0, 1),
    RF_ATTR_END,
};

static rf_status infer(rf_problem *problem) {
    rf_problem conv;
    RF_TRY(conv_problem(&conv, problem));
    if (problem->attrs.groups != 1) return rf_fail(RF_E_SHAPE, "conv_pool: there are no groups");
    if (conv.y.h < 2 || conv.y.w < 2)
        return rf_fail(RF_E_SHAPE, "conv_pool: the convolution gives %dx%d, and 2x2 are pooled", conv.y.h,
                       conv.y.w);
    problem->y = conv.y;
    problem->y.h /= 2;
    problem->y.w /= 2;
    return RF_OK;
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    return rf_op_conv.params(problem, out);
}

static size_t saved(const rf_problem *problem) {
    return rf_ceil_div(rf_shape_count(problem->y), sizeof(float));
}

static bool joins(const rf_problem *pool) {
    const rf_attrs *a = &pool->attrs;
    return a->kernel.y == 2 && a->kernel.x == 2 && a->pad.y == 0 && a->pad.x == 0 &&
           (a->stride.y == 0 || a->stride.y == 2) && (a->stride.x == 0 || a->stride.x == 2) &&
           a->dilation.y <= 1 && a->dilation.x <= 1 && !a->ceil;
}

static double flops(const rf_problem *problem) {
    rf_problem conv;
    return conv_problem(&conv, problem) == RF_OK ? rf_conv_flops(&conv) : 0;
}

/* ---- reference ---- */

/* Offset of the first pixel of output i's window in the map between. */
static size_t window_at(const rf_problem *problem, rf_shape map, size_t i) {
    rf_shape y = problem->y;
    size_t c = i % y.c, x = i / y.c % y.w, line = i / y.c / y.w % y.h, n = i / y.c / y.w / y.h;
    return ((n * map.h + line * 2) * map.w + x * 2) * map.c + c;
}

static size_t position_at(rf_shape map, int position) {
    return ((size_t)(position / 2) * map.w + position % 2) * map.c;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    rf_problem conv;
    rf_arrays between = *a;
    uint8_t *argmax = (uint8_t *)a->saved;
    size_t count = rf_shape_count(problem->y);
    if (conv_problem(&conv, problem) != RF_OK) return;
    between.y = rf_alloc(rf_shape_count(conv.y), sizeof(float));
    if (between.y != NULL) rf_conv_forward(&conv, &between);
    for (size_t i = 0; i < count; i++) {
        const float *window = between.y != NULL ? between.y + window_at(problem, conv.y, i) : NULL;
        float best = window != NULL ? window[0] : NAN;
        int position = 0;
        for (int p = 1; p < 4 && window != NULL; p++) {
            float value = window[position_at(conv.y, p)];
            if (!(value > best) && !isnan(value)) continue;
            best = value;
            position = p;
        }
        a->y[i] = rf_act_apply(best, problem->act);
        if (argmax != NULL) argmax[i] = (uint8_t)position;
    }
    free(between.y);
}

/* The gradient of the map between; free() it. */
static float *spread(const rf_problem *problem, const rf_problem *conv, const rf_arrays *a) {
    float *map = rf_alloc(rf_shape_count(conv->y), sizeof *map);
    const uint8_t *argmax = (const uint8_t *)a->saved;
    for (size_t i = 0; map != NULL && i < rf_shape_count(problem->y); i++)
        map[window_at(problem, conv->y, i) + position_at(conv->y, argmax[i])] =
            rf_act_gradient(a->dy[i], problem->act ? a->y[i] : 0, problem->act);
    return map;
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    rf_problem conv;
    rf_arrays between = *a;
    if (conv_problem(&conv, problem) != RF_OK) return;
    between.dy = spread(problem, &conv, a);
    if (between.dy != NULL) rf_conv_backward_data(&conv, &between);
    free(between.dy);
}

/* sums [panel][r][s][c][16] += d * x for output channel k at (py, px) of image n. */
static void add_position(double *sums, const rf_conv *v, const float *x, int n, int py, int px, int k,
                         double d) {
    double *panel = sums + (size_t)(k / RF_PANEL) * v->r * v->s * v->c * RF_PANEL + k % RF_PANEL;
    for (int r = 0; r < v->r; r++)
        for (int s = 0; s < v->s; s++) {
            int iy = py * v->stride.y - v->pad.y + r * v->dilation.y;
            int ix = px * v->stride.x - v->pad.x + s * v->dilation.x;
            if (iy < 0 || iy >= v->h || ix < 0 || ix >= v->w) continue;
            for (int c = 0; c < v->c; c++)
                panel[((size_t)(r * v->s + s) * v->c + c) * RF_PANEL] +=
                    d * x[(((size_t)n * v->h + iy) * v->w + ix) * v->c + c];
        }
}

/* Only the argmax positions: the gradient of all others is zero. */
static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    rf_conv v = rf_conv_of(problem);
    rf_shape y = problem->y;
    const uint8_t *argmax = (const uint8_t *)a->saved;
    size_t weights = rf_round_up((size_t)v.k, RF_PANEL) * v.r * v.s * v.c;
    double *sums = rf_alloc(weights + (size_t)v.k, sizeof *sums);
    if (sums == NULL) return;
    double *bias = sums + weights;
    for (size_t i = 0; i < rf_shape_count(y); i++) {
        int k = (int)(i % y.c), px = (int)(i / y.c % y.w), py = (int)(i / y.c / y.w % y.h);
        double d = rf_act_gradient(a->dy[i], problem->act ? a->y[i] : 0, problem->act);
        add_position(sums, &v, a->x[0], (int)(i / y.c / y.w / y.h), py * 2 + argmax[i] / 2,
                     px * 2 + argmax[i] % 2, k, d);
        bias[k] += d;
    }
    for (size_t i = 0; i < weights; i++) a->grad[0][i] = (float)sums[i];
    for (int k = 0; k < v.k && v.bias; k++) a->grad[1][k] = (float)bias[k];
    free(sums);
}

/* ---- the op ---- */

/* Of equal rank the first preferred one is taken. */
static const rf_solver *const solvers[] = {RF_CONV_POOL_SOLVERS(RF_SOLVER_ENTRIES) NULL};

#define CONV(K, RS, PAD)                                                                                     \
    .attrs = {.out = K,                                                                                      \
              .kernel = {RS, RS},                                                                            \
              .stride = {1, 1},                                                                              \
              .pad = {PAD, PAD},                                                                             \
              .dilation = {1, 1},                                                                            \
              .groups = 1,                                                                                   \
              .bias = true}
#define X(N, C, H, W) .x = {{.n = N, .c = C, .h = H, .w = W}}
static const rf_case cases[] = {
    {.label = "3x3 pad 1", CONV(16, 3, 1), X(2, 1, 8, 6)},
    {.label = "fused relu", CONV(16, 3, 1), .act = RF_ACT_RELU, X(2, 1, 10, 12)},
    {.label = "fused relu6, odd map", CONV(10, 3, 1), .act = RF_ACT_RELU6, X(2, 3, 9, 7)},
    {.label = "5x5 unpadded", CONV(20, 5, 0), X(2, 1, 12, 14)},
    {.label = "inference", CONV(9, 3, 1), .act = RF_ACT_RELU, X(2, 1, 6, 7), .inference = true},
    {.label = "two channels, one window",
     .attrs = {.out = 5, .kernel = {3, 2}, .stride = {2, 1}, .pad = {1, 0}, .dilation = {1, 2}, .groups = 1},
     X(3, 2, 4, 5)},
    {.label = "simplecnn conv1", CONV(16, 3, 1), .act = RF_ACT_RELU, X(8, 1, 28, 28), .large = true},
    {.label = "lenet conv1", CONV(20, 5, 0), X(8, 1, 28, 28), .large = true},
    {.label = "many channels", CONV(50, 5, 0), X(5, 20, 12, 12)},
    {.label = "many channels, fused relu, odd map", CONV(21, 3, 1), .act = RF_ACT_RELU, X(3, 13, 9, 11)},
    {.label = "many channels, fused relu6, accumulate",
     CONV(130, 3, 1),
     .act = RF_ACT_RELU6,
     X(2, 40, 6, 8),
     .accumulate = true},
    {.label = "many channels, inference",
     CONV(20, 3, 1),
     .act = RF_ACT_RELU,
     X(2, 24, 9, 8),
     .inference = true},
    {.label = "many channels, 5x5, fused relu, odd map",
     CONV(17, 5, 2),
     .act = RF_ACT_RELU,
     X(2, 19, 11, 13)},
    {.label = "every tap beside the map",
     .attrs = {.out = 3,
               .kernel = {2, 2},
               .stride = {1, 1},
               .pad = {1, 1},
               .dilation = {3, 3},
               .groups = 1,
               .bias = true},
     .act = RF_ACT_RELU,
     X(2, 2, 3, 3)},
    {.label = "five channels", CONV(6, 3, 1), .act = RF_ACT_RELU, X(1, 5, 7, 6)},
    {.label = "many channels, 5x3 stride 2",
     .attrs = {.out = 9, .kernel = {5, 3}, .stride = {2, 2}, .pad = {2, 0}, .dilation = {2, 1}, .groups = 1},
     X(2, 6, 16, 13)},
    {.label = NULL},
};

static const rf_case refused[] = {
    {.label = "the convolution gives 1x4", CONV(3, 3, 0), X(1, 1, 3, 6)},
    {.label = NULL},
};

const rf_op rf_op_conv_pool = {
    .name = "conv_pool",
    .pools = true,
    .summary = "convolution and 2x2 max pooling in one",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .attrs = attrs,
    .positional = "out kernel",
    .infer = infer,
    .params = params,
    .saved = saved,
    .saved_bits = true,
    .near_ties = true,
    .takes_act = RF_ALWAYS,
    .parts = {&rf_op_conv, &rf_op_max_pool},
    .joins = joins,
    .flops = flops,
    .reference = {forward, backward_params, backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
