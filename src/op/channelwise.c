/* Element by element with a learned number w: scale, y = x * w (ConvNeXt's layer scale, Liu et al. 2022), shift, y = x + w, and PReLU
 * (He et al. 2015).  w is one number a channel, one for all (shared), or one for each number of an image (each).  One list has each
 * op's formulas, of which its reference and solvers are made; kernels/channelwise.cl has the same formulas. */
#include "op/fold.h"
#include "op/reference.h"

/* symbol, sentence, the parameter's name, and rank: PyTorch's shape is (C,1,1) or (C); its default; y, dx, and dw's terms, from x,
 * w, and g for dy.  A comparison with NaN is false, and must take the branch that propagates it. */
#define KINDS(X)                                                                                             \
    X(scale, "x * weight, a learned number a channel, one, or one for each", "", 3, 1, x *w, g *w, g *x)     \
    X(shift, "x + bias, a learned number a channel, one, or one for each", "bias", 3, 0, x + w, g, g)        \
    X(prelu, "x, or weight times x below zero, a learned number a channel, one, or one for each", "weight",  \
      1, 0.25, x > 0 ? x : x * w, x > 0 ? g : g * w, x > 0 ? 0 : g * x)

static rf_status infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    RF_TRY(rf_check_map(problem, true));
    if (problem->attrs.shared && problem->attrs.each)
        return rf_fail(RF_E_SHAPE, "%s: one number, shared, and one for each: it can be but one of them",
                       problem->op->name);
    problem->y = x;
    return RF_OK;
}

/* Rows of numbers that have a weight each, unless all share one: pixels of channels, or images of numbers. */
static size_t rows_of(const rf_problem *problem) {
    return problem->attrs.each ? (size_t)problem->y.n : rf_shape_pixels(problem->y);
}
static size_t row_length(const rf_problem *problem) {
    return rf_shape_count(problem->y) / rows_of(problem);
}

/* How many numbers w has. */
static size_t weights(const rf_problem *problem) {
    return problem->attrs.shared ? 1 : row_length(problem);
}

/* (C,H,W), stored as an image is. */
static void set_each(rf_param_spec *spec, rf_shape x) {
    spec->rank = 3;
    spec->dim[1] = x.h;
    spec->dim[2] = x.w;
    spec->shape[0] = 1;
    spec->shape[1] = x.c;
    spec->shape[2] = x.h;
    spec->shape[3] = x.w;
    spec->layout = RF_LAYOUT_RSCK;
}

#define PARAMS(symbol, summary, parameter, rank_, default_, f, dx, dw)                                       \
    static int symbol##_params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {                \
        const rf_shape x = problem->x[0];                                                                    \
        const int c = problem->attrs.shared ? 1 : x.c;                                                       \
        out[0] = (rf_param_spec){.name = parameter,                                                          \
                                 .rank = problem->attrs.shared ? 1 : rank_,                                  \
                                 .dim = {c, 1, 1},                                                           \
                                 .shape = {c, 1, 1, 1},                                                      \
                                 .init = RF_INIT_VALUE,                                                      \
                                 .value = (float)problem->attrs.init};                                       \
        if (problem->attrs.each) set_each(&out[0], x);                                                       \
        return 1;                                                                                            \
    }
KINDS(PARAMS)

/* ---- reference ---- */

#define REFERENCE(symbol, summary, parameter, rank, default_, f, dx_, dw)                                    \
    static void symbol##_forward(const rf_problem *problem, const rf_arrays *a) {                            \
        const size_t count = weights(problem);                                                               \
        for (size_t i = 0; i < rf_shape_count(problem->y); ++i) {                                            \
            const double x = a->x[0][i], w = a->param[0][i % count];                                         \
            a->y[i] = (float)(f);                                                                            \
        }                                                                                                    \
    }                                                                                                        \
    static void symbol##_backward_data(const rf_problem *problem, const rf_arrays *a) {                      \
        const size_t count = weights(problem);                                                               \
        for (size_t i = 0; i < rf_shape_count(problem->y); ++i) {                                            \
            const double x = a->x[0][i], w = a->param[0][i % count], g = a->dy[i];                           \
            (void)x, (void)w;                                                                                \
            a->dx[0][i] = (float)((dx_) + (problem->accumulate[0] ? a->dx[0][i] : 0));                       \
        }                                                                                                    \
    }                                                                                                        \
    static void symbol##_backward_params(const rf_problem *problem, const rf_arrays *a) {                    \
        const size_t count = weights(problem);                                                               \
        for (size_t c = 0; c < count; ++c) {                                                                 \
            double sum = 0;                                                                                  \
            for (size_t i = c; i < rf_shape_count(problem->y); i += count) {                                 \
                const double x = a->x[0][i], g = a->dy[i];                                                   \
                (void)x;                                                                                     \
                sum += dw;                                                                                   \
            }                                                                                                \
            a->grad[0][c] = (float)sum;                                                                      \
        }                                                                                                    \
    }
KINDS(REFERENCE)

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, double passes) {
    char options[RF_OPTIONS];
    desc->program = "channelwise";
    desc->options = rf_family_options(options, family, info, "-DKIND=%s", problem->op->name);
    desc->bytes = passes * (double)(rf_shape_count(problem->y) * sizeof(float));
    return rf_emit(sequence, desc);
}

static rf_status emit_elements(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               rf_family family, rf_launch_desc *desc, double passes) {
    const size_t rows = rows_of(problem), length = row_length(problem);
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, rows, length);
    else
        rf_family_spread(desc, family, info, rows * length, 1);
    return emit(sequence, problem, info, family, desc, passes);
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(t->y),
                                    RF_I32(rows_of(problem)), RF_I32(row_length(problem)),
                                    RF_I32(problem->attrs.shared)}};
    return emit_elements(sequence, problem, info, family, &desc, 2);
}

static rf_status data_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, rf_family family) {
    const bool accumulate = problem->accumulate[0];
    rf_launch_desc desc = {.kernel = "gradient",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(t->dy), RF_BUF(t->dx[0]),
                                    RF_I32(rows_of(problem)), RF_I32(row_length(problem)),
                                    RF_I32(problem->attrs.shared), RF_I32(accumulate)}};
    return emit_elements(sequence, problem, info, family, &desc, accumulate ? 4 : 3);
}

static size_t params_workspace(const rf_problem *problem, const rf_device_info *info,
                               const rf_config *config) {
    const size_t length = row_length(problem);
    (void)config;
    return rf_fold_blocks_max(info, rows_of(problem), length) * length * sizeof(float);
}

static rf_status params_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              const rf_tensors *t, rf_family family) {
    const size_t rows = rows_of(problem), length = row_length(problem),
                 blocks = rf_fold_blocks(info, family, rows, length);
    rf_launch_desc desc = {.kernel = "parameter_sums",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(t->work), RF_I32(rows),
                                    RF_I32(length), RF_I32(blocks)}};
    rf_fold_spread(&desc, family, info, blocks, rows, length);
    RF_TRY(emit(sequence, problem, info, family, &desc, 2));
    if (!problem->attrs.shared)
        return rf_emit_fold(sequence, info, family, t->work, 0, blocks, 1, length, t->grad);
    rf_buffer *const channels_sums[2] = {t->work}; /* in place of the first block's */
    RF_TRY(rf_emit_fold(sequence, info, family, t->work, 0, blocks, 1, length, channels_sums));
    return rf_emit_fold(sequence, info, family, t->work, 0, length, 1, 1, t->grad);
}

/* A tile work-item has a row at least. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && (double)row_length(problem) <= rf_family_rounds(info);
}

static const rf_case cases[] = {
    {.label = "2x19x3x5", .attrs = {.init = 1}, .x = {{2, 19, 3, 5}}},
    {.label = "flat, accumulate", .attrs = {.init = 1}, .x = {{5, 40, 1, 1, true}}, .accumulate = true},
    {.label = "one channel", .attrs = {.init = 1}, .x = {{3, 1, 5, 4}}},
    {.label = "shared", .attrs = {.init = 1, .shared = true}, .x = {{2, 19, 3, 5}}, .accumulate = true},
    {.label = "inference", .attrs = {.init = 1}, .x = {{2, 19, 3, 5}}, .inference = true},
    {.label = "each", .attrs = {.init = 1, .each = true}, .x = {{3, 19, 3, 5}}, .accumulate = true},
    {.label = "each, one image", .attrs = {.init = 1, .each = true}, .x = {{1, 3, 7, 1}}},
    {.label = "each of 40x24x20", .attrs = {.init = 1, .each = true}, .x = {{9, 40, 24, 20}}, .large = true},
    {.label = "8x96x28x28", .attrs = {.init = 1}, .x = {{8, 96, 28, 28}}, .large = true},
    {NULL},
};

static const rf_case refused[] = {
    {.label = "the input is flat", .attrs = {.init = 1}, .x = {{1, 8, 2, 2, true}}},
    {.label = "but one of them", .attrs = {.init = 1, .shared = true, .each = true}, .x = {{1, 8, 2, 2}}},
    {NULL},
};

#define OP(symbol, summary_, parameter, rank, default_, f, dx, dw)                                           \
    RF_SOLVER_PAIR(symbol##_f, #symbol, RF_FORWARD, RF_HALF_EITHER, applicable, NULL, forward_build)         \
    RF_SOLVER_PAIR(symbol##_p, #symbol, RF_BACKWARD_PARAMS, RF_HALF_EITHER, applicable, params_workspace,    \
                   params_build)                                                                             \
    RF_SOLVER_PAIR(symbol##_d, #symbol, RF_BACKWARD_DATA, RF_HALF_EITHER, applicable, NULL, data_build)      \
    static const rf_solver *const symbol##_solvers[] = {&symbol##_f_tile,                                    \
                                                        &symbol##_f_group,                                   \
                                                        &symbol##_p_tile,                                    \
                                                        &symbol##_p_group,                                   \
                                                        &symbol##_d_tile,                                    \
                                                        &symbol##_d_group,                                   \
                                                        NULL};                                               \
    static const rf_attr_spec symbol##_attrs[] = {RF_ATTR(init, FLOAT, default_, -1e6, 1e6),                 \
                                                  RF_ATTR(shared, BOOL, 0, 0, 1),                            \
                                                  RF_ATTR(each, BOOL, 0, 0, 1), RF_ATTR_END};                \
    const rf_op rf_op_##symbol = {                                                                           \
        .name = #symbol,                                                                                     \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .x_in_backward = true,                                                                               \
        .in_place = true,                                                                                    \
        .attrs = symbol##_attrs,                                                                             \
        .positional = "init",                                                                                \
        .infer = infer,                                                                                      \
        .params = symbol##_params,                                                                           \
        .reference = {symbol##_forward, symbol##_backward_params, symbol##_backward_data},                   \
        .solvers = symbol##_solvers,                                                                         \
        .cases = cases,                                                                                      \
        .refused = refused,                                                                                  \
    };
KINDS(OP)
