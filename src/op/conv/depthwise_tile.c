/* Depthwise convolution on CPUs: kernels/conv/depthwise_tile.cl. */
#include "op/conv/conv.h"

#include <math.h>

#include "op/bn_sums.h"

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    return v.groups > 1 && v.groups == v.c && v.k == v.c && rf_indexable(problem, info) &&
           (!problem->normed || rf_family_rounds(info) == HUGE_VAL);
}

#define GEOMETRY(v)                                                                                          \
    RF_I32((v).n), RF_I32((v).c), RF_I32((v).h), RF_I32((v).w), RF_I32((v).oh), RF_I32((v).ow),              \
        RF_I32(rf_pair_pack((v).r, (v).s)), RF_PAIR_ARG((v).stride), RF_PAIR_ARG((v).pad),                   \
        RF_PAIR_ARG((v).dilation)

static double floats_moved(const rf_conv *v) {
    return (double)v->n * v->c * ((double)v->h * v->w + v->oh * v->ow);
}

/* Where x is read through a batch norm: each begins with rows of it that the one before has, too. */
enum { NORMED_ITEMS_PER_UNIT = 16 };

/* Work-items take runs of rows of the map that is written. */
static void spread(rf_launch_desc *desc, const rf_problem *problem, const rf_device_info *info,
                   rf_direction direction) {
    const rf_conv conv = rf_conv_of(problem), *v = &conv;
    const int h = direction == RF_FORWARD ? v->oh : v->h, width = direction == RF_FORWARD ? v->ow : v->w;
    const size_t cost = rf_family_rounds(info) < HUGE_VAL ? (size_t)v->r * (v->s + 2) + 4 : 4;
    rf_family_spread(desc, RF_TILE, info, (size_t)v->n * h, (size_t)width * v->c * cost);
    if (problem->normed)
        desc->global[0] =
            RF_MIN(desc->global[0], (size_t)RF_MAX(info->compute_units, 1) * NORMED_ITEMS_PER_UNIT);
}

/* -DLARGE: 0, where no pixel is reached by more than 3 taps along an axis; else how many taps of a row have their weight
 * gradients computed together. */
static int large(const rf_conv *v, rf_direction direction) {
    enum { SMALL = 3, MOST = 8 };
    const bool phases = direction == RF_BACKWARD_DATA && v->dilation.y == 1 && v->dilation.x == 1;
    const int y = phases ? (v->r - 1) / v->stride.y + 1 : v->r,
              x = phases ? (v->s - 1) / v->stride.x + 1 : v->s;
    return y > SMALL || x > SMALL ? RF_MIN(v->s, MOST) : 0;
}

/* Rows of x that a work-item keeps where it reads them through a batch norm, and the floats that all of them take. */
static int ring_rows(const rf_conv *v) {
    return (v->r - 1) * v->dilation.y + 1;
}
static size_t ring_floats(const rf_problem *problem, size_t items) {
    rf_conv v = rf_conv_of(problem);
    return problem->normed ? items * ring_rows(&v) * v.w * v.c : 0;
}

/* A block of sums covers what a work-item writes. */
static int sums(const rf_problem *problem, rf_direction direction, const rf_device_info *info,
                const rf_config *config) {
    (void)config;
    rf_launch_desc desc = {.kernel = NULL};
    spread(&desc, problem, info, direction);
    return (int)desc.global[0];
}

static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_launch_desc *desc, rf_direction direction) {
    char options[RF_OPTIONS], norm[24], bn_sums[40];
    rf_conv v = rf_conv_of(problem);
    desc->program = "depthwise_tile";
    desc->options =
        rf_family_options(options, RF_TILE, info, "-DLARGE=%d%s%s", large(&v, direction),
                          rf_bn_sums_option(bn_sums, problem, direction), rf_norm_option(norm, problem));
    desc->flops = rf_conv_flops(problem);
    desc->bytes += 4.0 * floats_moved(&v);
    return rf_emit(sequence, desc);
}

static size_t forward_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    return ring_floats(problem, (size_t)sums(problem, RF_FORWARD, info, config)) * sizeof(float);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_launch_desc desc = {.kernel = "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(v.bias ? t->param[1] : NULL),
                                    RF_BUF(t->y), GEOMETRY(v), RF_I32(v.act), RF_BUF(t->norm),
                                    RF_BUF(t->work), RF_I32(ring_rows(&v))}};
    spread(&desc, problem, info, RF_FORWARD);
    rf_bn_sums_args(&desc, t, problem->sums.act, rf_shape_count(problem->x[0]));
    return emit(sequence, problem, info, &desc, RF_FORWARD);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    if (!problem->need_dx[0]) return RF_OK;
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, 0));
    rf_launch_desc desc = {.kernel = "backward_data",
                           .args = {RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->param[0]), RF_BUF(t->dx[0]),
                                    GEOMETRY(v), RF_I32(problem->accumulate[0])}};
    spread(&desc, problem, info, RF_BACKWARD_DATA);
    rf_bn_sums_args(&desc, t, problem->sums.act, rf_shape_count(problem->x[0]));
    return emit(sequence, problem, info, &desc, RF_BACKWARD_DATA);
}

/* Parts of the rows of dy, each with partial sums of its own: enough to balance the load of the cores. */
static rf_partials partials_of(const rf_conv *v, const rf_device_info *info) {
    rf_partials p = {
        .at = rf_masked_floats(v), .size = (size_t)v->r * v->s * v->c, .biases = v->bias ? (size_t)v->c : 0};
    double rounds = (double)v->n * v->oh * v->ow * v->c * v->r * v->s / rf_family_vector(RF_TILE, info);
    double parts = RF_MAX(4.0 * info->compute_units, ceil(rounds / rf_family_rounds(info)));
    p.parts = (int)RF_MIN((double)v->n * v->oh, parts);
    return p;
}

static size_t partials_end(const rf_partials *p) {
    return p->at + (p->size + p->biases) * p->parts;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_partials p = partials_of(&v, info);
    return (partials_end(&p) + ring_floats(problem, (size_t)p.parts)) * sizeof(float);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_partials p = partials_of(&v, info);
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, 0));
    rf_launch_desc desc = {.kernel = "backward_params",
                           .args = {RF_BUF(t->x[0]), RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->work),
                                    RF_I32(p.at), GEOMETRY(v), RF_I32(v.bias), RF_I32(p.size + p.biases),
                                    RF_BUF(t->norm), RF_I32(partials_end(&p)), RF_I32(ring_rows(&v))},
                           .global = {p.parts}};
    RF_TRY(emit(sequence, problem, info, &desc, RF_BACKWARD_PARAMS));
    return rf_emit_reduce(sequence, info, RF_TILE, &v, t, &p);
}

#define SOLVER(direction_, ...)                                                                              \
    [direction_] = {.name = "depthwise_tile",                                                                \
                    .direction = direction_,                                                                 \
                    .devices = RF_DEVICE_CPU,                                                                \
                    .rank = 20,                                                                              \
                    .applicable = applicable,                                                                \
                    __VA_ARGS__}
const rf_solver rf_depthwise_tile[RF_DIRECTIONS] = {
    SOLVER(RF_FORWARD, .takes_norm = true, .workspace = forward_work, .sums = sums, .prepare = forward),
    SOLVER(RF_BACKWARD_PARAMS, .takes_norm = true, .native_vectors = true, .workspace = backward_params_work,
           .prepare = backward_params),
    SOLVER(RF_BACKWARD_DATA, .workspace = rf_masked_work, .sums = sums, .prepare = backward_data),
};
