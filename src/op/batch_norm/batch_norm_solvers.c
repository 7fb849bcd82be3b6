/* Batch norm's launches, for both families: statistics, merge, apply; gradient_sums, fold; gradient.  Skips the sums
 * that the step before has computed (op/bn_sums.h).  By the images of all ranks: statistics, join_blocks, ranks, merge, apply;
 * gradient_sums, fold, ranks; gradient. */
#include "op/batch_norm/batch_norm.h"
#include "op/bn_sums.h"
#include "op/family.h"

enum { RUN_FLOATS = 4096, BLOCK_FLOATS = 65536, GROUP_ROWS = 8, MAX_COLUMNS = 64, MAX_MERGED = 4 };
enum { FEW_UNITS = 16, GROUPS_PER_UNIT = 8 };

static size_t channels(const rf_problem *problem) {
    return (size_t)problem->x[0].c;
}
static size_t rows(const rf_problem *problem) {
    return rf_shape_pixels(problem->x[0]);
}

/* Channels that a work-group of the group family takes side by side: a power of two. */
static size_t columns(const rf_problem *problem, const rf_device_info *info) {
    size_t wide = 1;
    while (wide < channels(problem) && wide < MAX_COLUMNS && wide < rf_family_group(RF_GROUP, info))
        wide *= 2;
    return wide;
}

/* Channels of a work-group that merges blocks: few, to leave many lines, each of which reads its blocks one after
 * another. */
static size_t merged(const rf_device_info *info) {
    return RF_MIN((size_t)MAX_MERGED, rf_family_group(RF_GROUP, info));
}

/* Work-groups of the group family that fill the device.  At least as many as for a mid-size GPU, so that small devices
 * test the same code. */
static size_t full(const rf_device_info *info) {
    return (size_t)RF_MAX(info->compute_units, FEW_UNITS) * GROUPS_PER_UNIT;
}

/* Into how many blocks of rows the sums are cut: by the device and the shape alone. */
static size_t blocks(const rf_problem *problem, const rf_device_info *info, rf_family family) {
    const size_t units = (size_t)RF_MAX(info->compute_units, 1), count = rows(problem) * channels(problem);
    if (family == RF_TILE)
        return RF_MAX(
            RF_MIN(RF_MAX(RF_MIN(count / RUN_FLOATS, units * 2), count / BLOCK_FLOATS), rows(problem)), 1);
    const size_t wide = columns(problem, info), lines = rf_family_group(RF_GROUP, info) / wide;
    const size_t most = rf_ceil_div(rows(problem), lines * GROUP_ROWS);
    return RF_MAX(RF_MIN(most, full(info) / rf_ceil_div(channels(problem), wide)), 1);
}

/* The partial sums; at inference the channels' scale and shift. */
static size_t workspace(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)config;
    const size_t most = RF_MAX(blocks(problem, info, RF_TILE), blocks(problem, info, RF_GROUP));
    return (problem->training ? rf_bn_sums_floats((int)most, (int)channels(problem))
                              : RF_BN_SAVED * channels(problem)) *
           sizeof(float);
}

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, double passes) {
    char options[RF_OPTIONS];
    desc->program = "batch_norm";
    desc->options = family == RF_TILE ? rf_family_options(options, family, info, "%s", "")
                                      : rf_family_options(options, family, info, "-DCOLUMNS=%zu -DMERGED=%zu",
                                                          columns(problem, info), merged(info));
    desc->bytes += passes * (double)(rows(problem) * channels(problem) * sizeof(float));
    return rf_emit(sequence, desc);
}

/* A launch over the blocks of rows. */
static rf_status emit_sums(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                           rf_family family, rf_launch_desc *desc, double passes) {
    desc->local[0] = rf_family_group(family, info);
    desc->global[0] = blocks(problem, info, family) * desc->local[0];
    if (family == RF_GROUP) desc->global[1] = rf_ceil_div(channels(problem), columns(problem, info));
    return emit(sequence, problem, info, family, desc, passes);
}

/* A launch over the channels. */
static rf_status emit_channels(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               rf_family family, rf_launch_desc *desc) {
    const size_t vector = (size_t)rf_family_vector(family, info);
    rf_family_spread(desc, family, info, rf_ceil_div(channels(problem), vector), vector * 16);
    return emit(sequence, problem, info, family, desc, 0);
}

/* A launch over the channels, which folds the blocks. */
static rf_status emit_folding(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              rf_family family, rf_launch_desc *desc) {
    if (family == RF_TILE) return emit_channels(sequence, problem, info, family, desc);
    desc->local[0] = rf_family_group(family, info);
    desc->global[0] = rf_ceil_div(channels(problem), merged(info)) * desc->local[0];
    return emit(sequence, problem, info, family, desc, 0);
}

/* A launch over all elements.  group: as many work-items as the device holds, since each begins with what it needs of
 * its channel, and a multiple of the channels. */
static rf_status emit_elements(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               rf_family family, rf_launch_desc *desc, double passes) {
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, rows(problem), channels(problem));
    else {
        const size_t local = rf_family_group(family, info);
        const size_t most = rf_ceil_div(rows(problem) * channels(problem), local);
        size_t whole = channels(problem); /* groups of which the work-items are a multiple of the channels */
        for (size_t items = local; items > 1 && whole % 2 == 0; items /= 2) whole /= 2;
        desc->local[0] = local;
        desc->global[0] = rf_round_up(RF_MIN(most, full(info)), whole) * local;
    }
    return emit(sequence, problem, info, family, desc, passes);
}

/* The sums of x (or dy), into how many blocks they were cut, and where they lie. */
typedef struct partial {
    rf_buffer *at;
    size_t blocks;
} partial;

static partial partial_of(const rf_problem *problem, const rf_device_info *info, const rf_tensors *t,
                          rf_family family) {
    if (problem->sums.blocks > 0) return (partial){t->sums[RF_BN_SUMS_PARTIAL], (size_t)problem->sums.blocks};
    return (partial){t->work, blocks(problem, info, family)};
}

static rf_status batch_statistics(rf_sequence *sequence, const rf_problem *problem,
                                  const rf_device_info *info, const rf_tensors *t, rf_family family) {
    partial p = partial_of(problem, info, t, family);
    rf_launch_desc sums = {
        .kernel = "statistics",
        .args = {RF_BUF(t->x[0]), RF_BUF(p.at), RF_I32(rows(problem)), RF_I32(channels(problem))}};
    if (problem->sums.blocks == 0) RF_TRY(emit_sums(sequence, problem, info, family, &sums, 1));
    if (problem->dist != NULL) {
        rf_launch_desc own = {
            .kernel = "join_blocks",
            .args = {RF_BUF(p.at), RF_BUF(t->saved), RF_I32(channels(problem)), RF_I32(p.blocks)}};
        RF_TRY(emit_folding(sequence, problem, info, family, &own));
        RF_TRY(rf_batch_norm_emit_join(sequence, problem, RF_FORWARD, t->saved));
        p = (partial){t->saved, 1};
    }
    rf_launch_desc merge = {.kernel = "merge",
                            .args = {RF_BUF(p.at), RF_BUF(t->saved), RF_BUF(t->param[RF_BN_WEIGHT]),
                                     RF_BUF(t->param[RF_BN_BIAS]), RF_BUF(t->state[RF_BN_RUNNING_MEAN]),
                                     RF_BUF(t->state[RF_BN_RUNNING_VAR]), RF_BUF(t->control),
                                     RF_I32(channels(problem)), RF_I32(p.blocks), RF_F32(problem->attrs.eps),
                                     RF_F32(problem->attrs.momentum)}};
    return emit_folding(sequence, problem, info, family, &merge);
}

static rf_status running_statistics(rf_sequence *sequence, const rf_problem *problem,
                                    const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "running",
                           .args = {RF_BUF(t->state[RF_BN_RUNNING_MEAN]), RF_BUF(t->state[RF_BN_RUNNING_VAR]),
                                    RF_BUF(t->work), RF_BUF(t->param[RF_BN_WEIGHT]),
                                    RF_BUF(t->param[RF_BN_BIAS]), RF_I32(channels(problem)),
                                    RF_F32(problem->attrs.eps)}};
    return emit_channels(sequence, problem, info, family, &desc);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, rf_family family) {
    const bool residual = problem->inputs > 1;
    rf_launch_desc apply = {.kernel = "apply",
                            .args = {RF_BUF(t->x[0]), RF_BUF(residual ? t->x[1] : NULL), RF_BUF(t->y),
                                     RF_BUF(problem->training ? t->saved : t->work), RF_I32(rows(problem)),
                                     RF_I32(channels(problem)), RF_I32(problem->act)}};
    if (!problem->repeated)
        RF_TRY(
            (problem->training ? batch_statistics : running_statistics)(sequence, problem, info, t, family));
    if (problem->deferred) return RF_OK;
    return emit_elements(sequence, problem, info, family, &apply, residual ? 3 : 2);
}

/* y, for act's gradient; NULL: it is computed from x. */
static rf_buffer *seen(const rf_problem *problem, const rf_tensors *t) {
    return rf_backward_reads_y(problem) ? t->y : NULL;
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, rf_family family) {
    const partial p = partial_of(problem, info, t, family);
    const rf_tensors own = {.sums = {[RF_BN_SUMS_PARTIAL] = p.at,
                                     [RF_BN_SUMS_X] = t->x[0],
                                     [RF_BN_SUMS_Y] = seen(problem, t),
                                     [RF_BN_SUMS_SAVED] = t->saved}};
    rf_launch_desc sums = {.kernel = "gradient_sums",
                           .args = {RF_BUF(t->dy), RF_I32(rows(problem)), RF_I32(channels(problem))}};
    rf_bn_sums_args(&sums, &own, problem->act, rf_shape_count(problem->x[0]));
    rf_launch_desc fold = {.kernel = "fold",
                           .args = {RF_BUF(p.at), RF_BUF(t->saved), RF_BUF(t->grad[RF_BN_WEIGHT]),
                                    RF_BUF(t->grad[RF_BN_BIAS]), RF_I32(channels(problem)),
                                    RF_I32(p.blocks)}};
    if (problem->sums.blocks == 0) RF_TRY(emit_sums(sequence, problem, info, family, &sums, 1));
    RF_TRY(emit_folding(sequence, problem, info, family, &fold));
    if (problem->dist == NULL) return RF_OK;
    return rf_batch_norm_emit_join(sequence, problem, RF_BACKWARD_PARAMS, t->saved);
}

/* Where dy is that before act, it is the gradient of the residual: nothing to write where both share memory. */
static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    const bool *add = problem->accumulate, before_act = problem->sums.blocks > 0;
    rf_buffer *y = before_act ? NULL : seen(problem, t), *dx = problem->need_dx[0] ? t->dx[0] : NULL,
              *dresidual = problem->need_dx[1] && !(before_act && t->dx[1] == t->dy) ? t->dx[1] : NULL;
    if (dx == NULL && dresidual == NULL) return RF_OK;
    rf_launch_desc desc = {.kernel = "gradient",
                           .args = {RF_BUF(t->x[0]), RF_BUF(y), RF_BUF(t->dy), RF_BUF(dx), RF_BUF(dresidual),
                                    RF_BUF(t->saved), RF_I32(rows(problem)), RF_I32(channels(problem)),
                                    RF_I32(before_act ? RF_ACT_NONE : problem->act), RF_I32(add[0]),
                                    RF_I32(add[1])}};
    double passes = 1 + (y != NULL) + (dx != NULL ? 2 + add[0] : 0) + (dresidual != NULL ? 1 + add[1] : 0);
    return emit_elements(sequence, problem, info, family, &desc, passes);
}

RF_SOLVER_PAIR(forward, "batch_norm", RF_FORWARD, RF_HALF_EITHER, rf_indexable, workspace, forward)
RF_SOLVER_PAIR(params, "batch_norm", RF_BACKWARD_PARAMS, RF_HALF_EITHER, rf_indexable, workspace,
               backward_params)
RF_SOLVER_PAIR(data, "batch_norm", RF_BACKWARD_DATA, RF_HALF_EITHER, rf_indexable, NULL, backward_data)
const rf_solver *const rf_batch_norm_solvers[] = {&forward_tile, &forward_group, &params_tile, &params_group,
                                                  &data_tile,    &data_group,    NULL};
