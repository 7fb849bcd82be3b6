/* The gradient of an average over whole maps on CPUs, with the sums of a batch norm before it: kernels/pool_map.cl. */
#include <math.h>

#include "op/bn_sums.h"
#include "op/family.h"
#include "op/pool/pool.h"

enum { BLOCK_FLOATS = 65536 };

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const rf_window g = rf_window_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    return rf_indexable(problem, info) && !rf_window_varies(problem) && y.h == 1 && y.w == 1 &&
           g.kernel.y == x.h && g.kernel.x == x.w && g.pad.y == 0 && g.pad.x == 0 &&
           rf_family_rounds(info) == HUGE_VAL;
}

/* Blocks of rows: some for each core. */
static int blocks(const rf_problem *problem, const rf_device_info *info) {
    const size_t rows = rf_shape_pixels(problem->x[0]), count = rf_shape_count(problem->x[0]);
    return (int)RF_MIN(rows, RF_MAX(8 * (size_t)RF_MAX(info->compute_units, 1), count / BLOCK_FLOATS));
}

static int sums(const rf_problem *problem, rf_direction direction, const rf_device_info *info,
                const rf_config *config) {
    (void)direction, (void)config;
    return blocks(problem, info);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    char options[RF_OPTIONS], bn_sums[40];
    (void)config;
    const rf_shape x = problem->x[0];
    const size_t count = rf_shape_count(x);
    const bool add = problem->accumulate[0];
    rf_launch_desc desc = {.program = "pool_map",
                           .kernel = "spread",
                           .options =
                               rf_family_options(options, RF_TILE, info, "%s",
                                                 rf_bn_sums_option(bn_sums, problem, RF_BACKWARD_DATA)),
                           .args = {RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_I32(add), RF_I32(rf_shape_pixels(x)),
                                    RF_I32(x.h * x.w), RF_I32(x.c)},
                           .global = {(size_t)blocks(problem, info)},
                           .bytes = 4.0 * ((1.0 + add) * (double)count + (double)x.n * x.c)};
    rf_bn_sums_args(&desc, t, problem->sums.act, count);
    return rf_emit(sequence, &desc);
}

const rf_solver rf_average_map_tile = {.name = "avg_pool_map_tile",
                                       .direction = RF_BACKWARD_DATA,
                                       .devices = RF_DEVICE_CPU,
                                       .rank = 20,
                                       .applicable = applicable,
                                       .native_vectors = true,
                                       .sums = sums,
                                       .prepare = backward_data};
