/* conv_transpose: the transposed convolution.  It is the backward pass of a convolution from y to x, its dual: y is the
 * gradient of the dual's input where x is that of its output, and its weights are the dual's.  The dual's reference and
 * solvers do the work; this file adds the bias. */
#include "op/conv/conv.h"
#include "op/fold.h"
#include "op/reference.h"
#include "op/rows.h"

#include <limits.h>

extern const rf_op rf_op_conv;

static const rf_attr_spec attrs[] = {
    RF_ATTR_REQUIRED(out, INT, 1, 1 << 20),
    RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL),
    RF_ATTR(stride, PAIR, 1, 1, RF_MAX_KERNEL),
    RF_ATTR(pad, PAIR, 0, 0, 4 * RF_MAX_KERNEL),
    RF_ATTR(output_pad, PAIR, 0, 0, RF_MAX_KERNEL),
    RF_ATTR(dilation, PAIR, 1, 1, RF_MAX_KERNEL),
    RF_ATTR(groups, INT, 1, 1, 1 << 20),
    RF_ATTR(bias, BOOL, 1, 0, 1),
    RF_ATTR_END,
};

/* The convolution whose backward pass this is. */
static rf_problem dual_of(const rf_problem *problem) {
    rf_problem dual = {.op = &rf_op_conv,
                       .attrs = problem->attrs,
                       .inputs = 1,
                       .x = {problem->y},
                       .y = problem->x[0],
                       .training = problem->training,
                       .need_dx = {true},
                       .id = problem->id};
    dual.attrs.out = problem->x[0].c;
    dual.attrs.bias = false;
    return dual;
}

static rf_status infer(rf_problem *problem) {
    const rf_attrs *a = &problem->attrs;
    const rf_shape x = problem->x[0];
    RF_TRY(rf_check_map(problem, true));
    if (a->output_pad.y >= a->stride.y || a->output_pad.x >= a->stride.x)
        return rf_fail(RF_E_SHAPE, "conv_transpose: output_pad %dx%d must be less than the stride %dx%d",
                       a->output_pad.y, a->output_pad.x, a->stride.y, a->stride.x);
    const double h = (x.h - 1.0) * a->stride.y - 2.0 * a->pad.y + a->dilation.y * (a->kernel.y - 1.0) +
                     a->output_pad.y + 1,
                 w = (x.w - 1.0) * a->stride.x - 2.0 * a->pad.x + a->dilation.x * (a->kernel.x - 1.0) +
                     a->output_pad.x + 1;
    if (h < 1 || w < 1 || h * w * a->out > INT_MAX / 2)
        return rf_fail(RF_E_SHAPE, "conv_transpose: input is %dx%d, and the output would be %.0fx%.0f", x.h,
                       x.w, h, w);
    problem->y = (rf_shape){.n = x.n, .c = a->out, .h = (int)h, .w = (int)w};
    rf_problem dual = dual_of(problem);
    return rf_op_conv.infer(&dual);
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    const rf_problem dual = dual_of(problem);
    rf_op_conv.params(&dual, out);
    out[1] = (rf_param_spec){.name = "bias",
                             .rank = 1,
                             .dim = {problem->attrs.out},
                             .shape = {problem->attrs.out, 1, 1, 1},
                             .init = RF_INIT_FAN_IN,
                             .fan_in = out[0].fan_in};
    return problem->attrs.bias ? 2 : 1;
}

static double flops(const rf_problem *problem) {
    const rf_problem dual = dual_of(problem);
    return rf_conv_flops(&dual);
}

/* ---- reference ---- */

static void forward(const rf_problem *problem, const rf_arrays *a) {
    const rf_problem dual = dual_of(problem);
    const size_t channels = (size_t)problem->y.c;
    rf_conv_backward_data(&dual, &(rf_arrays){.dy = a->x[0], .dx = {a->y}, .param = {a->param[0]}});
    for (size_t i = 0; i < rf_shape_count(problem->y) && a->param[1] != NULL; ++i)
        a->y[i] += a->param[1][i % channels];
}

static void backward_params(const rf_problem *problem, const rf_arrays *a) {
    const rf_problem dual = dual_of(problem);
    const size_t channels = (size_t)problem->y.c;
    rf_conv_backward_params(&dual, &(rf_arrays){.x = {a->dy}, .dy = a->x[0], .grad = {a->grad[0]}});
    for (size_t c = 0; c < channels && a->grad[1] != NULL; ++c) {
        double sum = 0;
        for (size_t i = c; i < rf_shape_count(problem->y); i += channels) sum += a->dy[i];
        a->grad[1][c] = (float)sum;
    }
}

/* One number of dx: of input channel k at a pixel. */
static double dx_at(const rf_problem *problem, const rf_arrays *a, int n, int iy, int ix, int k) {
    const rf_attrs *at = &problem->attrs;
    const rf_shape x = problem->x[0], y = problem->y;
    const int size = y.c / at->groups, first = k / (x.c / at->groups) * size;
    double sum = 0;
    for (int r = 0; r < at->kernel.y; ++r)
        for (int s = 0; s < at->kernel.x; ++s) {
            const int oy = iy * at->stride.y - at->pad.y + r * at->dilation.y,
                      ox = ix * at->stride.x - at->pad.x + s * at->dilation.x,
                      position = r * at->kernel.x + s, positions = at->kernel.y * at->kernel.x;
            if (oy < 0 || oy >= y.h || ox < 0 || ox >= y.w) continue;
            const float *dy = a->dy + (((size_t)n * y.h + oy) * y.w + ox) * y.c + first;
            for (int c = 0; c < size; ++c)
                sum +=
                    (double)dy[c] *
                    a->param[0][at->groups > 1
                                    ? ((size_t)position * size + c) * x.c + k
                                    : (((size_t)k / RF_PANEL * positions + position) * size + c) * RF_PANEL +
                                          k % RF_PANEL];
        }
    return sum;
}

static void backward_data(const rf_problem *problem, const rf_arrays *a) {
    const rf_shape x = problem->x[0];
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < x.n; ++n)
        for (int iy = 0; iy < x.h; ++iy)
            for (int ix = 0; ix < x.w; ++ix)
                for (int k = 0; k < x.c; ++k) {
                    float *dx = a->dx[0] + (((size_t)n * x.h + iy) * x.w + ix) * x.c + k;
                    *dx = (float)(dx_at(problem, a, n, iy, ix, k) + (problem->accumulate[0] ? *dx : 0));
                }
}

/* ---- solvers ---- */

static const rf_direction dual_direction[RF_DIRECTIONS] = {
    [RF_FORWARD] = RF_BACKWARD_DATA,
    [RF_BACKWARD_PARAMS] = RF_BACKWARD_PARAMS,
    [RF_BACKWARD_DATA] = RF_FORWARD,
};

/* The dual's best solver of a family. */
static const rf_solver *solver_of(const rf_problem *dual, rf_direction direction, const rf_device_info *info,
                                  rf_family family) {
    const rf_solver *best = NULL;
    rf_match best_match = RF_MATCH_NONE;
    for (const rf_solver *const *s = rf_op_conv.solvers; *s != NULL; ++s) {
        const rf_match match = rf_solver_claim(*s, dual, info);
        const bool is_tile = ((*s)->devices & RF_DEVICE_CPU) != 0;
        if ((*s)->direction != dual_direction[direction] || is_tile != (family == RF_TILE) ||
            match == RF_MATCH_NONE)
            continue;
        if (best == NULL || match > best_match || (match == best_match && (*s)->rank > best->rank)) {
            best = *s;
            best_match = match;
        }
    }
    return best;
}

static rf_status emit_dual(rf_sequence *sequence, const rf_problem *problem, rf_direction direction,
                           const rf_device_info *info, const rf_tensors *t, rf_family family) {
    const rf_problem dual = dual_of(problem);
    const rf_solver *solver = solver_of(&dual, direction, info, family);
    rf_config config;
    rf_solver_defaults(&config, solver, &dual, info);
    return rf_solver_prepare(solver, sequence, &dual, info, t, &config);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    const size_t channels = (size_t)problem->y.c;
    const rf_tensors dual = {.dy = t->x[0], .dx = {t->y}, .param = {t->param[0]}, .work = t->work};
    const rf_rows y = {.buffer = t->y, .stride = channels}, bias = {.buffer = t->param[1]};
    RF_TRY(emit_dual(sequence, problem, RF_FORWARD, info, &dual, family));
    return problem->attrs.bias ? rf_emit_rows(sequence, info, family, y, y, bias, rf_shape_pixels(problem->y),
                                              channels, RF_ACT_NONE)
                               : RF_OK;
}

static rf_status params_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              const rf_tensors *t, rf_family family) {
    const rf_tensors dual = {.x = {t->dy}, .dy = t->x[0], .grad = {t->grad[0]}, .work = t->work};
    RF_TRY(emit_dual(sequence, problem, RF_BACKWARD_PARAMS, info, &dual, family));
    return problem->attrs.bias ? rf_emit_row_sums(sequence, info, family, t->dy, rf_shape_pixels(problem->y),
                                                  (size_t)problem->y.c, t->work, t->grad[1])
                               : RF_OK;
}

static rf_status data_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, rf_family family) {
    const rf_tensors dual = {.x = {t->dy}, .y = t->dx[0], .param = {t->param[0]}, .work = t->work};
    return emit_dual(sequence, problem, RF_BACKWARD_DATA, info, &dual, family);
}

/* A convolution does not add to its output. */
static bool applicable(const rf_problem *problem, const rf_device_info *info, rf_direction direction,
                       rf_family family) {
    const rf_problem dual = dual_of(problem);
    return rf_indexable(problem, info) && !(direction == RF_BACKWARD_DATA && problem->accumulate[0]) &&
           solver_of(&dual, direction, info, family) != NULL;
}

static size_t workspace(const rf_problem *problem, const rf_device_info *info, rf_direction direction,
                        rf_family family) {
    const rf_problem dual = dual_of(problem);
    const rf_solver *solver = solver_of(&dual, direction, info, family);
    const size_t channels = (size_t)problem->y.c;
    rf_config config;
    rf_solver_defaults(&config, solver, &dual, info);
    const size_t bytes = rf_solver_workspace(solver, &dual, info, &config),
                 sums = rf_fold_blocks_max(info, rf_shape_pixels(problem->y), channels) * channels *
                        sizeof(float);
    return direction == RF_BACKWARD_PARAMS && problem->attrs.bias ? RF_MAX(bytes, sums) : bytes;
}

#define SOLVER(symbol, direction_, build, family, name_, devices_)                                           \
    static bool symbol##_applicable(const rf_problem *problem, const rf_device_info *info) {                 \
        return applicable(problem, info, direction_, family);                                                \
    }                                                                                                        \
    static size_t symbol##_workspace(const rf_problem *problem, const rf_device_info *info,                  \
                                     const rf_config *config) {                                              \
        (void)config;                                                                                        \
        return workspace(problem, info, direction_, family);                                                 \
    }                                                                                                        \
    RF_SOLVER_ONE(symbol, name_, direction_, RF_HALF_NEVER, false, symbol##_applicable, symbol##_workspace,  \
                  build, family, devices_)
#define SOLVERS(symbol, direction, build)                                                                    \
    SOLVER(symbol##_tile, direction, build, RF_TILE, "conv_transpose_tile", RF_DEVICE_CPU)                   \
    SOLVER(symbol##_group, direction, build, RF_GROUP, "conv_transpose_group",                               \
           RF_DEVICE_GPU | RF_DEVICE_ACCELERATOR)
SOLVERS(forward, RF_FORWARD, forward_build)
SOLVERS(params, RF_BACKWARD_PARAMS, params_build)
SOLVERS(data, RF_BACKWARD_DATA, data_build)
static const rf_solver *const solvers[] = {&forward_tile, &forward_group, &params_tile, &params_group,
                                           &data_tile,    &data_group,    NULL};

#define CT(k, s, p, o)                                                                                       \
    .kernel = {k, k}, .stride = {s, s}, .pad = {p, p}, .output_pad = {o, o}, .dilation = {1, 1}

static const rf_case cases[] = {
    {.label = "2x2 stride 2",
     .attrs = {.out = 6, CT(2, 2, 0, 0), .groups = 1, .bias = true},
     .x = {{2, 10, 3, 4}}},
    {.label = "3x3 stride 2 pad 1 output_pad 1",
     .attrs = {.out = 19, CT(3, 2, 1, 1), .groups = 1, .bias = true},
     .x = {{2, 5, 4, 3}}},
    {.label = "3x3 pad 1 accumulate",
     .attrs = {.out = 4, CT(3, 1, 1, 0), .groups = 1},
     .x = {{1, 7, 4, 5}},
     .accumulate = true},
    {.label = "4x4 stride 2 pad 1 groups 2",
     .attrs = {.out = 6, CT(4, 2, 1, 0), .groups = 2, .bias = true},
     .x = {{2, 4, 3, 3}}},
    {.label = "inference",
     .attrs = {.out = 3, CT(2, 2, 0, 0), .groups = 1, .bias = true},
     .x = {{2, 8, 2, 3}},
     .inference = true},
    {.label = "2x2 stride 2, 128 to 64 of 14x14",
     .attrs = {.out = 64, CT(2, 2, 0, 0), .groups = 1, .bias = true},
     .x = {{4, 128, 14, 14}},
     .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "output_pad 1x1 must be less than the stride 1x1",
     .attrs = {.out = 4, CT(3, 1, 1, 1), .groups = 1},
     .x = {{1, 3, 4, 4}}},
    {.label = "the output would be 0x0",
     .attrs = {.out = 4, CT(2, 1, 1, 0), .groups = 1},
     .x = {{1, 3, 1, 1}}},
    {.label = "the input is flat",
     .attrs = {.out = 4, CT(2, 2, 0, 0), .groups = 1},
     .x = {{1, 3, 2, 2, true}}},
    {.label = "groups divide neither", .attrs = {.out = 4, CT(2, 2, 0, 0), .groups = 3}, .x = {{1, 3, 2, 2}}},
    {NULL},
};

const rf_op rf_op_conv_transpose = {
    .name = "conv_transpose",
    .summary = "transposed convolution: the gradient of a convolution, as a layer",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .attrs = attrs,
    .positional = "out kernel",
    .infer = infer,
    .params = params,
    .flops = flops,
    .reference = {forward, backward_params, backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
