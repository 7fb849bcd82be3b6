/* Softmax cross-entropy of scores (N,C) against labels, averaged over the batch, with label smoothing and
 * class weights as PyTorch has them: the mean is weighted by the labels' weights.  A label outside 0..C-1
 * makes the loss NaN.  A row of a mixed image has two labels: its term and its weight are those of both, each times
 * its share (mixup, Zhang et al. 2018). */
#include <math.h>

#include "op/loss.h"

static rf_status infer(rf_problem *problem) {
    rf_problem plain = *problem;
    if (problem->x[1].c == RF_MIXED_LABELS) plain.x[1].c = 1;
    RF_TRY(rf_loss_infer(&plain));
    problem->y = plain.y;
    return RF_OK;
}

static size_t
saved(const rf_problem *problem) { /* max, log sum of each row; sums of the rows' and classes' weights */
    return 2 * (size_t)problem->x[0].n + 2;
}

static int states(const rf_problem *problem, rf_param_spec out[RF_MAX_STATES]) {
    const int c = problem->x[0].c;
    out[0] =
        (rf_param_spec){.name = "weight", .rank = 1, .dim = {c}, .shape = {c, 1, 1, 1}, .init = RF_INIT_ONE};
    return 1;
}

/* ---- reference ---- */

typedef struct softmax {
    float top, log_total;
} softmax;

static softmax softmax_of(const float *row, int classes) {
    float top = row[0];
    double total = 0;
    for (int c = 1; c < classes; ++c) top = row[c] > top ? row[c] : top;
    for (int c = 0; c < classes; ++c) total += exp((double)row[c] - top);
    return (softmax){top, (float)log(total)};
}

/* -log p of the label with its share of smoothing, times the weights. */
static double row_loss(const rf_problem *problem, const float *row, softmax s, int32_t label,
                       const float *weights) {
    const int C = problem->x[0].c;
    const double smoothing = problem->attrs.smoothing;
    double smooth = 0;
    if (!rf_is_label(label, C)) return NAN;
    if (smoothing > 0)
        for (int c = 0; c < C; ++c) smooth -= weights[c] * ((double)row[c] - s.top - s.log_total);
    return -(1 - smoothing) * weights[label] * ((double)row[label] - s.top - s.log_total) +
           smoothing / C * smooth;
}

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const int N = problem->x[0].n, C = problem->x[0].c;
    const int32_t *labels = (const int32_t *)a->x[1];
    const float *weights = a->state[0];
    double loss = 0, total = 0, classes = 0;
    for (int n = 0; n < N; ++n) {
        const float *row = a->x[0] + (size_t)n * C;
        const softmax s = softmax_of(row, C);
        for (int k = 0; k < rf_label_count(problem); ++k) {
            const int32_t label = labels[k * N + n];
            const double share = rf_label_share(problem, a->x[1], k, n);
            loss += share * row_loss(problem, row, s, label, weights);
            total += share * (rf_is_label(label, C) ? weights[label] : NAN);
        }
        if (a->saved) {
            a->saved[n] = s.top;
            a->saved[N + n] = s.log_total;
        }
    }
    a->y[0] = (float)(loss / total);
    if (!a->saved) return;
    for (int c = 0; c < C; ++c) classes += weights[c];
    a->saved[2 * N] = (float)total;
    a->saved[2 * N + 1] = (float)classes;
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    const int N = problem->x[0].n, C = problem->x[0].c;
    const int32_t *labels = (const int32_t *)a->x[1];
    const double scale = (double)a->dy[0] / a->saved[2 * N], smoothing = problem->attrs.smoothing;
    for (int n = 0; n < N; ++n)
        for (int c = 0; c < C; ++c) {
            float *dx = a->dx[0] + (size_t)n * C + c;
            const double p = exp((double)a->x[0][(size_t)n * C + c] - a->saved[n] - a->saved[N + n]);
            double g = 0;
            for (int k = 0; k < rf_label_count(problem); ++k) {
                const int32_t label = labels[k * N + n];
                const double weight = rf_is_label(label, C) ? a->state[0][label] : NAN;
                g += (1 - smoothing) * rf_label_share(problem, a->x[1], k, n) * weight * (p - (c == label));
            }
            if (smoothing > 0) g += smoothing / C * (p * a->saved[2 * N + 1] - a->state[0][c]);
            *dx = (float)(g * scale + (problem->accumulate[0] ? *dx : 0));
        }
}

/* ---- solvers ---- */

static const char *options_of(const rf_problem *problem) {
    return rf_label_count(problem) > 1 ? " -DMIXED" : NULL;
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    const rf_shape x = problem->x[0];
    rf_launch_desc rows = {.kernel = "cross_rows",
                           .options = options_of(problem),
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->x[1]), RF_BUF(t->state[0]), RF_BUF(t->work),
                                    RF_BUF(t->saved), RF_BUF(rf_loss_y_of_rows(problem, info, family, t)),
                                    RF_I32(x.n), RF_I32(x.c), RF_F32(problem->attrs.smoothing)},
                           .bytes = (double)(rf_shape_count(x) * sizeof(float))};
    RF_TRY(rf_loss_emit(sequence, info, family, &rows, (size_t)x.n, x.c));
    return rf_loss_reduce(sequence, problem, info, family, t, t->state[0], t->saved);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    const rf_shape x = problem->x[0];
    rf_launch_desc desc = {.kernel = "cross_gradient",
                           .options = options_of(problem),
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->x[1]), RF_BUF(t->state[0]), RF_BUF(t->saved),
                                    RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_I32(x.n), RF_I32(x.c),
                                    RF_F32(problem->attrs.smoothing), RF_I32(problem->accumulate[0])},
                           .bytes = 2.0 * (double)(rf_shape_count(x) * sizeof(float))};
    return rf_loss_emit(sequence, info, family, &desc, family == RF_TILE ? (size_t)x.n : rf_shape_count(x),
                        x.c);
}

RF_SOLVER_PAIR(cross_f, "cross_entropy", RF_FORWARD, RF_HALF_NEVER, rf_indexable, rf_loss_workspace,
               forward_build)
RF_SOLVER_PAIR(cross_b, "cross_entropy", RF_BACKWARD_DATA, RF_HALF_NEVER, rf_indexable, NULL, backward_build)
static const rf_solver *const solvers[] = {&cross_f_tile, &cross_f_group, &cross_b_tile, &cross_b_group,
                                           NULL};

static const rf_case cases[] = {
    {.label = "1x1", .x = {{1, 1, 1, 1}, {1, 1, 1, 1}}},
    {.label = "5x10", .x = {{5, 10, 1, 1}, {5, 1, 1, 1}}},
    {.label = "7x13 smoothing accumulate",
     .attrs = {.smoothing = 0.1},
     .x = {{7, 13, 1, 1, true}, {7, 1, 1, 1}},
     .accumulate = true},
    {.label = "5x10 far from zero", .x = {{5, 10, 1, 1}, {5, 1, 1, 1}}, .offset = 200},
    {.label = "300x3", .x = {{300, 3, 1, 1}, {300, 1, 1, 1}}},
    {.label = "5x10 inference", .x = {{5, 10, 1, 1}, {5, 1, 1, 1}}, .inference = true},
    {.label = "5x10 mixed", .x = {{5, 10, 1, 1}, {5, RF_MIXED_LABELS, 1, 1}}},
    {.label = "7x13 mixed smoothing accumulate",
     .attrs = {.smoothing = 0.1},
     .x = {{7, 13, 1, 1, true}, {7, RF_MIXED_LABELS, 1, 1}},
     .accumulate = true},
    {.label = "300x3 mixed", .x = {{300, 3, 1, 1}, {300, RF_MIXED_LABELS, 1, 1}}},
    {.label = "512x1000 smoothing",
     .attrs = {.smoothing = 0.2},
     .x = {{512, 1000, 1, 1}, {512, 1, 1, 1}},
     .large = true},
    {NULL},
};

static const rf_attr_spec attrs[] = {RF_ATTR(smoothing, FLOAT, 0, 0, 1), RF_ATTR_END};

const rf_op rf_op_cross_entropy = {
    .name = "cross_entropy",
    .summary = "softmax cross-entropy against class labels, averaged over the batch",
    .inputs_min = 2,
    .inputs_max = 2,
    .label_input = 2,
    .is_loss = true,
    .x_in_backward = true,
    .attrs = attrs,
    .infer = infer,
    .states = states,
    .saved = saved,
    .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},
    .solvers = solvers,
    .cases = cases,
    .refused = rf_loss_refused,
};
