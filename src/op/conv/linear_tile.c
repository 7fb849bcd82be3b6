/* Linear layers on CPUs where conv_tile is slow: the gradient of x, for which that one transposes the
 * weights, and all of a layer of few outputs.  kernels/conv/linear_tile.cl. */
#include "op/conv/conv.h"

#include <math.h>
#include <stdio.h>

/* With few outputs the weights of COLUMNS columns are in private memory; else those of DEPTH outputs and as many
 * columns as registers allow, in the L1 cache. */
enum { FEW_OUTPUTS = 32, DEPTH = 256, COLUMNS = 64 };
enum {
    PART_OF_PANEL = 12, /* up to here much of a panel of 16 outputs would be unused */
    BLOCK = 128,        /* rows of x in the L1 cache */
    ITEMS_PER_UNIT = 8,
};

static int vector(const rf_device_info *info) {
    return rf_family_vector(RF_TILE, info);
}

/* Rows of a tile by 2 vectors, as registers allow; with few outputs a number that divides most batch sizes. */
static int most_rows(const rf_device_info *info) {
    return vector(info) == 16 ? 12 : 6;
}

static int few_rows(const rf_device_info *info) {
    return vector(info) == 16 ? 8 : 4;
}

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && rf_family_rounds(info) == HUGE_VAL;
}

/* Finishes and emits a launch of `tasks` tasks. */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_launch_desc *desc, size_t tasks, const char *more) {
    char options[RF_OPTIONS];
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

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    (void)config;
    char more[64];
    rf_conv v = rf_conv_of(problem);
    bool few = v.k <= FEW_OUTPUTS;
    int columns = few ? COLUMNS : 2 * vector(info);
    if (!problem->need_dx[0]) return RF_OK;
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, 0));
    rf_launch_desc desc = {.kernel = "data",
                           .args = {RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->param[0]), RF_BUF(t->dx[0]),
                                    RF_I32(v.n), RF_I32(v.c), RF_I32(v.k), RF_I32(problem->accumulate[0])}};
    snprintf(more, sizeof more, "-DCOLUMNS=%d -DDEPTH=%d -DROWS=%d -DWHOLE=%d", columns,
             few ? FEW_OUTPUTS : DEPTH, few ? few_rows(info) : most_rows(info), v.c % columns == 0);
    return emit(sequence, problem, info, &desc, rf_ceil_div(v.c, columns), more);
}

/* ---- few outputs: forward, and the gradients of weights and bias, in one program ---- */

static bool applicable_few(const rf_problem *problem, const rf_device_info *info) {
    return applicable(problem, info) && rf_conv_of(problem).k <= PART_OF_PANEL;
}

static rf_status emit_few(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                          rf_launch_desc *desc, size_t tasks) {
    char more[64];
    rf_conv v = rf_conv_of(problem);
    int most = most_rows(info);
    snprintf(more, sizeof more, "-DK=%d -DOUTPUTS=%d -DROWS=%d -DWHOLE=%d", v.k,
             (int)rf_ceil_div(v.k, rf_ceil_div(v.k, most)), few_rows(info), v.c % (2 * vector(info)) == 0);
    return emit(sequence, problem, info, desc, tasks, more);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_launch_desc desc = {.kernel = "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(v.bias ? t->param[1] : NULL),
                                    RF_BUF(t->y), RF_I32(v.n), RF_I32(v.c), RF_I32(v.act)}};
    return emit_few(sequence, problem, info, &desc, rf_ceil_div(v.n, few_rows(info)));
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, 0));
    rf_launch_desc desc = {.kernel = "wgrad",
                           .args = {RF_BUF(t->x[0]), RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->grad[0]),
                                    RF_BUF(v.bias ? t->grad[1] : NULL), RF_I32(v.n), RF_I32(v.c),
                                    RF_I32(BLOCK)}};
    return emit_few(sequence, problem, info, &desc, rf_ceil_div(v.c, 2 * vector(info)));
}

/* ---- the solvers ---- */

const rf_solver rf_linear_tile[RF_DIRECTIONS] = {
    {.name = "linear_tile",
     .direction = RF_FORWARD,
     .devices = RF_DEVICE_CPU,
     .rank = 20,
     .applicable = applicable_few,
     .native_vectors = true,
     .prepare = forward},
    {.name = "linear_tile",
     .direction = RF_BACKWARD_PARAMS,
     .devices = RF_DEVICE_CPU,
     .rank = 20,
     .applicable = applicable_few,
     .native_vectors = true,
     .workspace = rf_masked_work,
     .prepare = backward_params},
    {.name = "linear_tile",
     .direction = RF_BACKWARD_DATA,
     .devices = RF_DEVICE_CPU,
     .rank = 20,
     .applicable = applicable,
     .workspace = rf_masked_work,
     .prepare = backward_data},
};
