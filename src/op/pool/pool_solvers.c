/* Pooling's launches, for both families. */
#include "op/family.h"
#include "op/pool/pool.h"

/* Whether windows neither overlap nor begin in the padding: each can then write its own part of dx.
 */
static bool is_disjoint(const rf_window g) {
    return g.pad.y == 0 && g.pad.x == 0 && g.dilation.y == 1 && g.dilation.x == 1 &&
           g.stride.y >= g.kernel.y && g.stride.x >= g.kernel.x;
}

/* Whether 2x2 windows tile the map: the tile family has kernels of their own for them, on processors. */
static bool is_2x2(const rf_problem *problem, const rf_device_info *info, rf_family family) {
    const rf_window g = rf_window_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    return family == RF_TILE && rf_family_is_processor(info) && is_disjoint(g) && g.kernel.y == 2 &&
           g.kernel.x == 2 && g.stride.y == 2 && g.stride.x == 2 && x.h == 2 * y.h && x.w == 2 * y.w;
}

/* Whether the last windows end behind the map: only with ceil, where the windows are disjoint. */
static bool is_cut(const rf_problem *problem) {
    const rf_window g = rf_window_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    return (y.h - 1) * g.stride.y + g.kernel.y > x.h || (y.w - 1) * g.stride.x + g.kernel.x > x.w;
}

/* Appends the kernels' GEOMETRY to the arguments, spreads the elements of `map` over work-items, and emits.  Kernels for
 * windows that vary know none. */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, rf_shape map) {
    const rf_window none = {{1, 1}, {1, 1}, {0, 0}, {1, 1}};
    const rf_window g = rf_window_varies(problem) ? none : rf_window_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    const int numbers[] = {x.n, x.h, x.w, x.c, y.h, y.w};
    char options[RF_OPTIONS], norm[24];
    for (size_t i = 0; i < RF_COUNT(numbers); ++i) rf_launch_add(desc, (rf_arg)RF_I32(numbers[i]));
    desc->program = "pool";
    desc->options =
        rf_family_options(options, family, info,
                          "-DKH=%d -DKW=%d -DSH=%d -DSW=%d -DPH=%d -DPW=%d -DDH=%d -DDW=%d -DCOUNT_PAD=%d%s",
                          g.kernel.y, g.kernel.x, g.stride.y, g.stride.x, g.pad.y, g.pad.x, g.dilation.y,
                          g.dilation.x, problem->attrs.count_pad, rf_norm_option(norm, problem));
    desc->bytes += (double)sizeof(float) * (double)(rf_shape_count(x) + rf_shape_count(y));
    if (family == RF_GROUP)
        rf_family_spread(desc, family, info, rf_shape_count(map), 1);
    else
        rf_family_spread(desc, family, info, (size_t)map.n * map.h,
                         rf_shape_count(x) / ((size_t)map.n * map.h));
    return rf_emit(sequence, desc);
}

static bool takes_uniform(const rf_problem *problem, const rf_device_info *info) {
    return rf_indexable(problem, info) && !rf_window_varies(problem);
}
/* Its kernels compute with (o+1)*IN + OUT in 32 bits. */
static bool takes_varying(const rf_problem *problem, const rf_device_info *info) {
    const rf_shape x = problem->x[0], y = problem->y;
    return rf_indexable(problem, info) && (double)(y.h + 1) * (x.h + 1) < INT32_MAX &&
           (double)(y.w + 1) * (x.w + 1) < INT32_MAX;
}

/* The bytes of max pooling's argmax indices, and of dx where it is read too. */
static double index_bytes(const rf_problem *problem) {
    return 2.0 * (double)rf_shape_count(problem->y);
}
static double added_bytes(const rf_problem *problem) {
    return problem->accumulate[0] ? (double)(rf_shape_count(problem->x[0]) * sizeof(float)) : 0;
}

static rf_status max_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                   const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = is_2x2(problem, info, family) ? "max_forward_2x2" : "max_forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_BUF(t->saved), RF_BUF(t->norm)},
                           .bytes = t->saved ? index_bytes(problem) : 0};
    return emit(sequence, problem, info, family, &desc, problem->y);
}

static rf_status max_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                    const rf_device_info *info, const rf_tensors *t, rf_family family) {
    const bool disjoint = is_disjoint(rf_window_of(problem));
    rf_launch_desc desc = {
        .kernel = is_2x2(problem, info, family) ? "max_spread_2x2"
                  : disjoint                    ? "max_spread"
                                                : "max_gather",
        .args = {RF_BUF(t->dy), RF_BUF(t->saved), RF_BUF(t->dx[0]), RF_I32(problem->accumulate[0])},
        .bytes = index_bytes(problem) + added_bytes(problem)};
    return emit(sequence, problem, info, family, &desc, disjoint ? problem->y : problem->x[0]);
}

static rf_status average_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                       const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "average_forward", .args = {RF_BUF(t->x[0]), RF_BUF(t->y)}};
    return emit(sequence, problem, info, family, &desc, problem->y);
}

static rf_status average_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                        const rf_device_info *info, const rf_tensors *t, rf_family family) {
    const bool disjoint = is_disjoint(rf_window_of(problem)) && !is_cut(problem);
    rf_launch_desc desc = {.kernel = disjoint ? "average_spread" : "average_gather",
                           .args = {RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_I32(problem->accumulate[0])},
                           .bytes = added_bytes(problem)};
    return emit(sequence, problem, info, family, &desc, disjoint ? problem->y : problem->x[0]);
}

static rf_status adaptive_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                        const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "adaptive_forward", .args = {RF_BUF(t->x[0]), RF_BUF(t->y)}};
    return emit(sequence, problem, info, family, &desc, problem->y);
}

static rf_status adaptive_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                         const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "adaptive_gather",
                           .args = {RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_I32(problem->accumulate[0])},
                           .bytes = added_bytes(problem)};
    return emit(sequence, problem, info, family, &desc, problem->x[0]);
}

RF_SOLVER_PAIR_NORM(max_f, "max_pool", RF_FORWARD, RF_HALF_EITHER, true, rf_indexable, NULL,
                    max_forward_build)
RF_SOLVER_PAIR(max_b, "max_pool", RF_BACKWARD_DATA, RF_HALF_EITHER, rf_indexable, NULL, max_backward_build)
RF_SOLVER_PAIR(avg_f, "avg_pool", RF_FORWARD, RF_HALF_EITHER, takes_uniform, NULL, average_forward_build)
RF_SOLVER_PAIR(avg_b, "avg_pool", RF_BACKWARD_DATA, RF_HALF_EITHER, takes_uniform, NULL,
               average_backward_build)
RF_SOLVER_PAIR(adaptive_f, "adaptive_pool", RF_FORWARD, RF_HALF_EITHER, takes_varying, NULL,
               adaptive_forward_build)
RF_SOLVER_PAIR(adaptive_b, "adaptive_pool", RF_BACKWARD_DATA, RF_HALF_EITHER, takes_varying, NULL,
               adaptive_backward_build)
const rf_solver *const rf_max_pool_solvers[] = {&max_f_tile, &max_f_group, &max_b_tile, &max_b_group, NULL};
const rf_solver *const rf_average_pool_solvers[] = {&avg_f_tile, &avg_f_group, &rf_average_map_tile,
                                                    &avg_b_tile, &avg_b_group, NULL};
const rf_solver *const rf_adaptive_pool_solvers[] = {
    &rf_average_map_tile, &avg_f_tile,       &avg_f_group,     &avg_b_tile,       &avg_b_group,
    &adaptive_f_tile,     &adaptive_f_group, &adaptive_b_tile, &adaptive_b_group, NULL};
