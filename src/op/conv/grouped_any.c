/* Convolution with any number of groups, in either family: kernels/conv/grouped_any.cl. */
#include "op/conv/conv.h"

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_conv_of(problem).groups > 1 && rf_indexable(problem, info);
}

#define GEOMETRY(v)                                                                                          \
    RF_I32((v).c), RF_I32((v).h), RF_I32((v).w), RF_I32((v).k), RF_I32((v).oh), RF_I32((v).ow),              \
        RF_I32(rf_pair_pack((v).r, (v).s)), RF_PAIR_ARG((v).stride), RF_PAIR_ARG((v).pad),                   \
        RF_PAIR_ARG((v).dilation), RF_I32((v).c / (v).groups), RF_I32((v).k / (v).groups)

/* An upper bound on the loop iterations of a task. */
static size_t rounds(const rf_conv *v, int channels) {
    return 4 + 2 * (size_t)v->r * (2 + (size_t)v->s * (channels + 2));
}

/* cost: loop iterations of one task. */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, size_t tasks, size_t cost) {
    char options[RF_OPTIONS];
    rf_conv v = rf_conv_of(problem);
    desc->program = "grouped_any";
    desc->options =
        rf_family_options(options, family, info, "%s", v.act && problem->half_y ? "-DMASKED" : "");
    desc->flops = rf_conv_flops(problem);
    desc->bytes = 4.0 * v.n * ((double)v.c * v.h * v.w + (double)v.k * v.oh * v.ow);
    rf_family_spread(desc, family, info, tasks, cost);
    return rf_emit(sequence, desc);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, rf_family family) {
    rf_conv v = rf_conv_of(problem);
    size_t count = rf_shape_count(problem->y);
    rf_launch_desc desc = {.kernel = "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(v.bias ? t->param[1] : NULL),
                                    RF_BUF(t->y), RF_I32(count), GEOMETRY(v), RF_I32(v.act)}};
    return emit(sequence, problem, info, family, &desc, count, rounds(&v, v.c / v.groups));
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_conv v = rf_conv_of(problem);
    size_t count = rf_shape_count(problem->x[0]);
    if (!problem->need_dx[0]) return RF_OK;
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, family, &v, t, 0));
    rf_launch_desc desc = {.kernel = "backward_data",
                           .args = {RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->param[0]), RF_BUF(t->dx[0]),
                                    RF_I32(count), GEOMETRY(v), RF_I32(problem->accumulate[0])}};
    return emit(sequence, problem, info, family, &desc, count, rounds(&v, v.k / v.groups));
}

/* Enough parts of the images to fill the device with tasks. */
static rf_partials partials_of(const rf_conv *v, const rf_device_info *info) {
    rf_partials p = {.at = rf_masked_floats(v),
                     .size = (size_t)v->r * v->s * (v->c / v->groups) * v->k,
                     .biases = v->bias ? (size_t)v->k : 0};
    p.parts = (int)RF_MIN((size_t)v->n, rf_ceil_div((size_t)RF_MAX(info->compute_units, 1) * 2048, p.size));
    return p;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_partials p = partials_of(&v, info);
    return (p.at + (p.size + p.biases) * p.parts) * sizeof(float);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, rf_family family) {
    rf_conv v = rf_conv_of(problem);
    rf_partials p = partials_of(&v, info);
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, family, &v, t, 0));
    rf_launch_desc desc = {.kernel = "backward_params",
                           .args = {RF_BUF(t->x[0]), RF_BUF(v.act ? t->work : t->dy), RF_BUF(t->work),
                                    RF_I32(p.at), RF_I32(v.n), GEOMETRY(v), RF_I32(v.bias), RF_I32(p.parts)}};
    size_t pixels = rf_ceil_div((size_t)v.n, (size_t)p.parts) * v.oh * (v.ow + 2) * 2;
    RF_TRY(emit(sequence, problem, info, family, &desc, (p.size + p.biases) * p.parts, pixels));
    return rf_emit_reduce(sequence, info, family, &v, t, &p);
}

/* Both families, told apart by the third argument of PREPARE. */
#define PREPARE(function, family, suffix)                                                                    \
    static rf_status function##_##suffix(rf_sequence *sequence, const rf_problem *problem,                   \
                                         const rf_device_info *info, const rf_tensors *t,                    \
                                         const rf_config *config) {                                          \
        (void)config;                                                                                        \
        return function(sequence, problem, info, t, family);                                                 \
    }
#define SOLVERS(family, suffix, devices_, half_)                                                             \
    PREPARE(forward, family, suffix)                                                                         \
    PREPARE(backward_params, family, suffix)                                                                 \
    PREPARE(backward_data, family, suffix)                                                                   \
    const rf_solver rf_grouped_any_##suffix[RF_DIRECTIONS] = {                                               \
        {"grouped_any_" #suffix, RF_FORWARD, devices_, 10, applicable, .half = half_,                        \
         .prepare = forward_##suffix},                                                                       \
        {"grouped_any_" #suffix, RF_BACKWARD_PARAMS, devices_, 10, applicable, .half = half_,                \
         .workspace = backward_params_work, .prepare = backward_params_##suffix},                            \
        {"grouped_any_" #suffix, RF_BACKWARD_DATA, devices_, 10, applicable, .half = half_,                  \
         .workspace = rf_masked_work, .prepare = backward_data_##suffix},                                    \
    };
SOLVERS(RF_TILE, tile, RF_DEVICE_CPU, RF_HALF_NEVER) /* where maps are converted, grouped_tile is faster */
SOLVERS(RF_GROUP, group, RF_DEVICE_GPU | RF_DEVICE_ACCELERATOR, RF_HALF_EITHER)
