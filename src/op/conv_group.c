/* Convolution and linear on GPUs: implicit matrix products in local memory, kernels/conv_group.cl, for every
 * direction. A work-group is 16x16 items; the tunables say how many rows and columns of the product each
 * takes. */
#include "op/conv_form.h"

enum { ITEMS = 256, SIDE = 16 };

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v);
    bool one_row = o.h == 1 && o.taps_y * o.taps_x == 1 && !v.pad.y; /* else rows and columns have 16 bits */
    return v.groups == 1 && info->max_work_group >= ITEMS && rf_indexable(problem, info) &&
           (one_row || (o.h < 30000 && o.w < 30000));
}

static const rf_tunable tunables[] = {{"rows", {8, 4, 1}}, {"columns", {4, 2, 1}}, {NULL}};
enum { ROWS, COLUMNS };

static void config_of(rf_config *config, size_t rows, int outputs) {
    config->value[COLUMNS] = outputs > 2 * SIDE ? 4 : outputs > SIDE ? 2 : 1;
    config->value[ROWS] = rows > 4096 ? 8 : rows > SIDE ? 4 : 1;
}

static void choose_forward(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    (void)info;
    config_of(config, rf_shape_pixels(problem->y), problem->y.c);
}

static void choose_data(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    (void)info;
    rf_conv v = rf_conv_of(problem);
    config_of(config, (size_t)v.n * v.h * v.w, v.c);
}

static void choose_filter(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    (void)info;
    rf_conv v = rf_conv_of(problem);
    config_of(config, (size_t)rf_view_of(&v).length, v.k);
}

static void set_groups(rf_launch_desc *desc, size_t x, size_t y, size_t z) {
    desc->global[0] = x * ITEMS;
    desc->global[1] = y;
    desc->global[2] = z;
    desc->local[0] = ITEMS;
}

static rf_status emit_gather(rf_sequence *sequence, const rf_gather *g, const rf_config *config,
                             const rf_device_info *info) {
    char options[RF_OPTIONS];
    rf_launch_desc desc;
    rf_gather_desc(&desc, g, "conv_group");
    set_groups(&desc, rf_ceil_div((size_t)g->n * g->grid_h * g->grid_w, (size_t)SIDE * config->value[ROWS]),
               rf_ceil_div((size_t)g->k, (size_t)SIDE * config->value[COLUMNS]), 1);
    desc.options = rf_family_options(options, RF_GROUP, info, "-DTM=%d -DTN=%d", config->value[ROWS],
                                     config->value[COLUMNS]);
    return rf_emit(sequence, &desc);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    return rf_gather_forward(sequence, problem, info, t, config, RF_GROUP, emit_gather);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    return rf_gather_backward(sequence, problem, info, t, config, RF_GROUP, emit_gather);
}

typedef struct filter_cut {
    size_t rows, columns;
    rf_partials partials;
} filter_cut;

/* The product is small and its depth, the positions, long: as many parts of it as give each compute unit some
 * groups. */
static filter_cut cut_filter(const rf_problem *problem, const rf_config *config, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v);
    filter_cut c = {.rows = (size_t)o.taps_y * o.taps_x *
                            rf_ceil_div(o.length, (size_t)SIDE * config->value[ROWS]),
                    .columns = rf_ceil_div(v.k, (size_t)SIDE * config->value[COLUMNS])};
    size_t wanted = (size_t)RF_MAX(info->compute_units, 1) * 8, positions = (size_t)o.n * o.grid_h * o.grid_w;
    size_t parts = RF_MIN(rf_ceil_div(wanted, c.rows * c.columns), rf_ceil_div(positions, 256));
    c.partials = rf_filter_partials(&v, &o, (int)parts);
    return c;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    filter_cut c = cut_filter(problem, config, info);
    return rf_filter_work(&c.partials);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    char options[RF_OPTIONS];
    rf_launch_desc desc;
    rf_conv v = rf_conv_of(problem);
    filter_cut c = cut_filter(problem, config, info);
    RF_TRY(rf_filter_begin(sequence, problem, info, t, RF_GROUP, &c.partials, &desc));
    set_groups(&desc, c.rows, c.columns, (size_t)c.partials.parts);
    desc.options = rf_family_options(options, RF_GROUP, info, "-DTM=%d -DTN=%d", config->value[ROWS],
                                     config->value[COLUMNS]);
    RF_TRY(rf_emit(sequence, &desc));
    return c.partials.parts == 1 ? RF_OK : rf_emit_reduce(sequence, info, RF_GROUP, &v, t, &c.partials);
}

#define SOLVER(direction_, ...)                                                                              \
    [direction_] = {.name = "conv_group",                                                                    \
                    .direction = direction_,                                                                 \
                    .rank = 10,                                                                              \
                    .applicable = applicable,                                                                \
                    .devices = RF_DEVICE_GPU | RF_DEVICE_ACCELERATOR,                                        \
                    .tunables = tunables,                                                                    \
                    __VA_ARGS__}
const rf_solver rf_conv_group[RF_DIRECTIONS] = {
    SOLVER(RF_FORWARD, .choose = choose_forward, .workspace = rf_gather_forward_work, .prepare = forward),
    SOLVER(RF_BACKWARD_PARAMS, .choose = choose_filter, .workspace = backward_params_work,
           .prepare = backward_params),
    SOLVER(RF_BACKWARD_DATA, .choose = choose_data, .workspace = rf_gather_backward_work,
           .prepare = backward_data),
};
