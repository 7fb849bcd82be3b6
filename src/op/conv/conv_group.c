/* Convolution and linear on GPUs: implicit GEMM in local memory, kernels/conv/conv_group.cl, for every direction. The
 * tunables are the tile: rows of the product for each work-item, columns for each work-group. */
#include "op/conv/conv_form.h"

#include <string.h>

enum { ITEMS = 256, DEPTH = 16, MIN_CHUNKS = 4 };

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    return v.groups == 1 && info->max_work_group >= ITEMS && rf_indexable(problem, info) &&
           RF_MAX(v.h, v.w) < 30000; /* a row and a column have 16 bits each */
}

static const rf_tunable tunables[] = {{"rows", {8, 4}}, {"columns", {64, 128, 32, 16}}, {NULL}};
enum { ROWS, COLUMNS };

/* The product that a launch computes, and the tile that its work-groups take. */
typedef struct product {
    int item_rows, item_columns, column_items;
    size_t row_groups, column_groups, chunks; /* chunks of the depth */
} product;

static product product_of(size_t rows, size_t columns, size_t chunks, const rf_config *config) {
    product p = {.chunks = chunks};
    const int wide = config->value[COLUMNS];
    p.column_items = RF_MIN(wide / 4, 16);
    p.item_columns = wide / p.column_items;
    p.item_rows = wide == 16 ? 4 : config->value[ROWS]; /* eight would exceed local memory */
    p.row_groups = rf_ceil_div(rows, (size_t)ITEMS / p.column_items * p.item_rows);
    p.column_groups = rf_ceil_div(columns, (size_t)wide);
    return p;
}

/* Intel's compiler for GPUs keeps the results of larger tiles than 4x4 in memory, not in registers (docs/performance.md). */
static void limit_tile(rf_config *config, const rf_device_info *info) {
    if (strncmp(info->vendor, "Intel", 5) != 0) return;
    config->value[ROWS] = RF_MIN(config->value[ROWS], 4);
    config->value[COLUMNS] = RF_MIN(config->value[COLUMNS], 64);
}

/* The largest tile that still gives each compute unit enough of them. Where x is loaded float by float, fewer rows save
 * registers. */
static void choose_tile(rf_config *config, size_t rows, size_t columns, bool wide_x,
                        const rf_device_info *info) {
    const size_t units = (size_t)RF_MAX(info->compute_units, 1);
    config->value[ROWS] = wide_x ? 8 : 4;
    config->value[COLUMNS] = columns <= 16 && wide_x ? 16 : columns <= 32 ? 32 : columns <= 64 ? 64 : 128;
    product p = product_of(rows, columns, 1, config);
    if (config->value[COLUMNS] == 128 && p.row_groups * p.column_groups < units) config->value[COLUMNS] = 64;
    p = product_of(rows, columns, 1, config);
    if (p.row_groups * p.column_groups < units) config->value[ROWS] = 4;
    limit_tile(config, info);
}

/* Parts of the depth (split-K) where there are too few tiles: two for each compute unit, if each part outweighs its
 * partial sums' memory traffic. */
static int parts_of(const product *p, int phases, const rf_device_info *info) {
    const size_t wanted = (size_t)RF_MAX(info->compute_units, 1) * 2,
                 groups = p->row_groups * p->column_groups * (size_t)phases;
    if (groups * 4 > wanted * 3) return 1;
    return (int)RF_MAX(RF_MIN(rf_ceil_div(wanted, groups), p->chunks / MIN_CHUNKS), 1);
}

static const char *options_of(char options[RF_OPTIONS], const product *p, bool wide_x, bool wide_y,
                              const char *more, const rf_device_info *info) {
    return rf_family_options(options, RF_GROUP, info,
                             "-DTM=%d -DTN=%d -DCOLUMN_ITEMS=%d -DWIDE_X=%d -DWIDE_Y=%d%s", p->item_rows,
                             p->item_columns, p->column_items, wide_x ? 4 : 1, wide_y ? 4 : 1, more);
}

static void set_groups(rf_launch_desc *desc, const product *p, int parts) {
    desc->global[0] = p->row_groups * ITEMS;
    desc->global[1] = p->column_groups;
    desc->global[2] = (size_t)parts;
    desc->local[0] = ITEMS;
}

/* ---- forward and backward data ---- */

static product forward_product(const rf_problem *problem, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_GROUP);
    return product_of((size_t)o.n * o.grid_h * o.grid_w, (size_t)v.k,
                      rf_ceil_div((size_t)o.taps_y * o.taps_x * o.length, DEPTH), config);
}

/* Of dx, the largest phase of the stride. */
static product data_product(const rf_problem *problem, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    return product_of((size_t)v.n * rf_ceil_div(v.h, v.stride.y) * rf_ceil_div(v.w, v.stride.x), (size_t)v.c,
                      rf_ceil_div(v.r, v.stride.y) * rf_ceil_div(v.s, v.stride.x) * rf_ceil_div(v.k, DEPTH),
                      config);
}

static void choose_forward(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    choose_tile(config, rf_shape_pixels(problem->y), (size_t)problem->y.c, problem->x[0].c % 4 == 0, info);
}

static void choose_data(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    choose_tile(config, (size_t)v.n * v.h * v.w / ((size_t)v.stride.y * v.stride.x), (size_t)v.c,
                v.k % 4 == 0, info);
}

/* The arguments of a launch of `gather`, forward or backward data; y is (n, grid_h, grid_w, k). */
typedef struct gather {
    rf_buffer *x, *w, *bias, *y, *work;
    size_t partial_at; /* offset of the parts in work */
    rf_view view;      /* of x */
    int k, phases, parts;
    bool transposed, accumulate;
    rf_act act;
} gather;

static rf_status emit_gather(rf_sequence *sequence, const rf_problem *problem, const gather *g,
                             const product *p, const rf_device_info *info) {
    char options[RF_OPTIONS];
    rf_conv v = rf_conv_of(problem);
    const rf_view *o = &g->view;
    const size_t positions = (size_t)o->n * o->grid_h * o->grid_w;
    rf_launch_desc desc = {
        .program = "conv_group",
        .kernel = "gather",
        .options = options_of(options, p, o->c % 4 == 0 && o->length % 4 == 0, g->k % 4 == 0,
                              !g->transposed             ? ""
                              : v.act && problem->half_y ? " -DTRANSPOSED -DMASKED"
                                                         : " -DTRANSPOSED",
                              info),
        .args = {RF_BUF(g->x),
                 RF_BUF(g->w),
                 RF_BUF(g->bias),
                 RF_BUF(g->y),
                 RF_I32(o->n),
                 RF_I32(o->grid_h),
                 RF_I32(o->grid_w),
                 RF_I32(o->h),
                 RF_I32(o->w),
                 RF_I32(o->c),
                 RF_I32(o->length),
                 RF_PAIR_ARG(o->stride),
                 RF_PAIR_ARG(o->pad),
                 RF_PAIR_ARG(o->dilation),
                 RF_I32(rf_pair_pack(o->taps_y, o->taps_x)),
                 RF_I32(g->k),
                 RF_I32(g->act),
                 RF_I32(g->accumulate),
                 RF_BUF(g->parts > 1 ? g->work : NULL),
                 RF_I32(g->partial_at),
                 RF_I32(g->parts)},
        .flops = rf_conv_flops(problem),
        .bytes = 4.0 * (rf_view_floats(o) + (double)positions * g->k + (double)v.k * v.c * v.r * v.s)};
    set_groups(&desc, p, g->phases * g->parts);
    RF_TRY(rf_emit(sequence, &desc));
    if (g->parts == 1) return RF_OK;
    rf_launch_desc combine = {.program = "conv_group",
                              .kernel = "combine",
                              .options = options,
                              .args = {RF_BUF(g->work), RF_BUF(g->bias), RF_BUF(g->y), RF_I32(g->partial_at),
                                       RF_I32(positions), RF_I32(g->k), RF_I32(g->parts), RF_I32(g->act),
                                       RF_I32(g->accumulate)},
                              .bytes = 4.0 * (g->parts + 1 + g->accumulate) * (double)positions * g->k};
    rf_family_spread(&combine, RF_GROUP, info, positions * rf_ceil_div(g->k, 4), 4);
    return rf_emit(sequence, &combine);
}

static size_t forward_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    const product p = forward_product(problem, config);
    const int parts = parts_of(&p, 1, info);
    return parts > 1 ? rf_shape_count(problem->y) * parts * sizeof(float) : 0;
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    const product p = forward_product(problem, config);
    const gather g = {.x = t->x[0],
                      .w = t->param[0],
                      .bias = v.bias ? t->param[1] : NULL,
                      .y = t->y,
                      .work = t->work,
                      .view = rf_view_of(&v, RF_GROUP),
                      .k = v.k,
                      .phases = 1,
                      .parts = parts_of(&p, 1, info),
                      .act = v.act};
    return emit_gather(sequence, problem, &g, &p, info);
}

static size_t data_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    const product p = data_product(problem, config);
    const int parts = parts_of(&p, v.stride.y * v.stride.x, info);
    return (rf_round_up(rf_masked_floats(&v), 4) + (parts > 1 ? rf_shape_count(problem->x[0]) * parts : 0)) *
           sizeof(float);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    const product p = data_product(problem, config);
    const int phases = v.stride.y * v.stride.x;
    if (!problem->need_dx[0]) return RF_OK;
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_GROUP, &v, t, 0));
    const gather g = {.x = v.act ? t->work : t->dy,
                      .w = t->param[0],
                      .y = t->dx[0],
                      .work = t->work,
                      .partial_at = rf_round_up(rf_masked_floats(&v), 4),
                      .view = {.n = v.n,
                               .h = v.oh,
                               .w = v.ow,
                               .c = v.k,
                               .length = v.k,
                               .taps_y = v.r,
                               .taps_x = v.s,
                               .grid_h = v.h,
                               .grid_w = v.w,
                               .stride = v.stride,
                               .pad = v.pad,
                               .dilation = v.dilation},
                      .k = v.c,
                      .phases = phases,
                      .parts = parts_of(&p, phases, info),
                      .transposed = true,
                      .accumulate = problem->accumulate[0]};
    return emit_gather(sequence, problem, &g, &p, info);
}

/* ---- the gradients of weights and bias ---- */

/* The product is small and its depth, the positions, long: enough parts (split-K) for some work-groups on each compute
 * unit. */
typedef struct wgrad_partition {
    product product;
    rf_partials partials;
} wgrad_partition;

static wgrad_partition partition_wgrad(const rf_problem *problem, const rf_config *config,
                                       const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_GROUP);
    const size_t positions = (size_t)o.n * o.grid_h * o.grid_w;
    wgrad_partition c = {.product = product_of((size_t)o.taps_y * o.taps_x * o.length, (size_t)v.k,
                                               rf_ceil_div(positions, DEPTH), config)};
    const size_t wanted = (size_t)RF_MAX(info->compute_units, 1) * 4,
                 groups = c.product.row_groups * c.product.column_groups;
    const size_t parts = RF_MIN(rf_ceil_div(wanted, groups), rf_ceil_div(c.product.chunks, MIN_CHUNKS * 2));
    c.partials = rf_wgrad_partials(&v, &o, (int)parts);
    return c;
}

static void choose_wgrad(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_GROUP);
    const size_t rows = (size_t)o.taps_y * o.taps_x * o.length;
    config->value[COLUMNS] = v.k <= 16 ? 16 : v.k <= 32 ? 32 : v.k <= 64 || rows < 1024 ? 64 : 128;
    config->value[ROWS] = rows > 64 ? 8 : 4;
    limit_tile(config, info);
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    wgrad_partition c = partition_wgrad(problem, config, info);
    return rf_wgrad_work(&c.partials);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    char options[RF_OPTIONS];
    rf_launch_desc desc;
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_GROUP);
    wgrad_partition c = partition_wgrad(problem, config, info);
    RF_TRY(rf_wgrad_begin(sequence, problem, info, t, RF_GROUP, &c.partials, &desc));
    desc.options = options_of(options, &c.product, o.c % 4 == 0 && o.length % 4 == 0, v.k % 4 == 0, "", info);
    set_groups(&desc, &c.product, c.partials.parts);
    RF_TRY(rf_emit(sequence, &desc));
    return c.partials.parts == 1 ? RF_OK : rf_emit_reduce(sequence, info, RF_GROUP, &v, t, &c.partials);
}

#define SOLVER(direction_, ...)                                                                              \
    [direction_] = {.name = "conv_group",                                                                    \
                    .direction = direction_,                                                                 \
                    .rank = 10,                                                                              \
                    .applicable = applicable,                                                                \
                    .devices = RF_DEVICE_GPU | RF_DEVICE_ACCELERATOR,                                        \
                    .half = RF_HALF_EITHER,                                                                  \
                    .tunables = tunables,                                                                    \
                    __VA_ARGS__}
const rf_solver rf_conv_group[RF_DIRECTIONS] = {
    SOLVER(RF_FORWARD, .choose = choose_forward, .workspace = forward_work, .prepare = forward),
    SOLVER(RF_BACKWARD_PARAMS, .choose = choose_wgrad, .workspace = backward_params_work,
           .prepare = backward_params),
    SOLVER(RF_BACKWARD_DATA, .choose = choose_data, .workspace = data_work, .prepare = backward_data),
};
