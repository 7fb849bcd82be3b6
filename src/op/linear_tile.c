/* Linear layers on CPUs where conv_tile does them badly: the gradient of x, for which that one transposes the
 * weights, and the gradient of the weights of few outputs.  kernels/linear_tile.cl. */
#include "op/conv.h"

#include <math.h>

enum {
    FEW_OUTPUTS = 32,   /* whose weights of some columns lie in private memory */
    PART_OF_PANEL = 12, /* up to here a panel of 16 outputs would be used badly */
    MOST_ROWS = 256,    /* above, transposed weights pay */
    COLUMNS = 64,
    CACHED_FLOATS = 6144, /* of dy, in the first level of the cache beside the weights */
    BLOCK = 128,          /* rows of x there */
    ITEMS_PER_UNIT = 8,
};

static int vector(const rf_device_info *info) {
    return rf_family_vector(RF_TILE, info);
}

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && rf_family_rounds(info) == HUGE_VAL;
}

/* Finishes and emits a launch of `tasks` tasks. */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_launch_desc *desc, size_t tasks, const char *more) {
    char options[128];
    rf_conv v = rf_conv_of(problem);
    size_t wanted = (size_t)ITEMS_PER_UNIT * (size_t)RF_MAX(info->compute_units, 1);
    desc->program = "linear_tile";
    desc->options = rf_family_options(options, RF_TILE, info, "%s", more);
    desc->global[0] = RF_MIN(tasks, wanted);
    desc->flops = rf_conv_flops(problem);
    desc->bytes = 4.0 * ((double)v.n * v.c + (double)v.n * v.k + (double)v.k * v.c);
    return rf_emit(sequence, desc);
}

/* ---- the gradient of x ---- */

static bool is_narrow(const rf_conv *v) {
    return v->k <= FEW_OUTPUTS;
}

static int padded(const rf_conv *v) {
    return (int)rf_round_up((size_t)v->k, RF_PANEL);
}

static bool applicable_data(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    return applicable(problem, info) && (is_narrow(&v) || (v.n <= MOST_ROWS && v.c >= 4));
}

static size_t data_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    if (is_narrow(&v)) return rf_masked_work(problem, info, config);
    return (size_t)v.n * padded(&v) * sizeof(float);
}

static rf_status narrow(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                        const rf_tensors *t) {
    char more[64];
    rf_conv v = rf_conv_of(problem);
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, 0));
    rf_launch_desc desc = {.kernel = "narrow",
                           .args = {RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->param[0]), RF_BUF(t->dx[0]),
                                    RF_I32(v.n), RF_I32(v.c), RF_I32(v.k), RF_I32(problem->accumulate[0])}};
    snprintf(more, sizeof more, "-DCOLUMNS=%d -DROWS=%d", COLUMNS, vector(info) == 16 ? 12 : 6);
    return emit(sequence, problem, info, &desc, rf_ceil_div(v.c, COLUMNS), more);
}

static rf_status dots(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      const rf_tensors *t) {
    char more[64];
    rf_conv v = rf_conv_of(problem);
    int rows = vector(info) == 16 ? 6 : 3, block = RF_MAX(1, CACHED_FLOATS / padded(&v) / rows) * rows;
    snprintf(more, sizeof more, "-DDOTS -DROWS=%d", rows);
    rf_launch_desc pack = {.kernel = "pack",
                           .args = {RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL), RF_BUF(t->work), RF_I32(v.n),
                                    RF_I32(v.k), RF_I32(padded(&v)), RF_I32(v.act)}};
    rf_launch_desc desc = {.kernel = "dots",
                           .args = {RF_BUF(t->work), RF_BUF(t->param[0]), RF_BUF(t->dx[0]), RF_I32(v.n),
                                    RF_I32(v.c), RF_I32(padded(&v)), RF_I32(block),
                                    RF_I32(problem->accumulate[0])}};
    RF_TRY(emit(sequence, problem, info, &pack, (size_t)v.n, more));
    return emit(sequence, problem, info, &desc, rf_ceil_div(v.c, 4), more);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    if (!problem->need_dx[0]) return RF_OK;
    return (is_narrow(&v) ? narrow : dots)(sequence, problem, info, t);
}

/* ---- the gradients of weights and bias ---- */

static bool applicable_params(const rf_problem *problem, const rf_device_info *info) {
    return applicable(problem, info) && rf_conv_of(problem).k <= PART_OF_PANEL;
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    (void)config;
    char more[64];
    rf_conv v = rf_conv_of(problem);
    int most = vector(info) == 16 ? 12 : 6;
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, 0));
    rf_launch_desc desc = {.kernel = "filter",
                           .args = {RF_BUF(t->x[0]), RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->grad[0]),
                                    RF_BUF(v.bias ? t->grad[1] : NULL), RF_I32(v.n), RF_I32(v.c), RF_I32(v.k),
                                    RF_I32(BLOCK)}};
    snprintf(more, sizeof more, "-DOUTPUTS=%d", (int)rf_ceil_div(v.k, rf_ceil_div(v.k, most)));
    return emit(sequence, problem, info, &desc, rf_ceil_div(v.c, 2 * vector(info)), more);
}

/* ---- the solvers ---- */

const rf_solver rf_linear_tile[2] = {
    {.name = "linear_tile",
     .direction = RF_BACKWARD_PARAMS,
     .devices = RF_DEVICE_CPU,
     .rank = 20,
     .applicable = applicable_params,
     .workspace = rf_masked_work,
     .prepare = backward_params},
    {.name = "linear_tile",
     .direction = RF_BACKWARD_DATA,
     .devices = RF_DEVICE_CPU,
     .rank = 20,
     .applicable = applicable_data,
     .workspace = data_work,
     .prepare = backward_data},
};
