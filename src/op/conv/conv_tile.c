/* Convolution and linear on CPUs: register tiles in explicit vectors, one work-item a work-group.
 * kernels/conv/conv_tile.cl runs forward and, as the forward of the transposed weights, phase by phase of the stride,
 * backward data; kernels/conv/conv_wgrad.cl the weight gradient, kernels/conv/conv_pack.cl their preparation and
 * reduction. Here: the partition into work-items, and the tiles' sizes; conv_form.c converts a problem to the kernels'
 * form. */
#include <math.h>

#include "op/conv/conv_form.h"

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    double rounds = RF_MAX((double)v.r * v.s * v.k, (double)v.r * v.s * v.c); /* of one tile of one panel */
    return v.groups == 1 && rf_indexable(problem, info) && rounds * 2 < rf_family_rounds(info);
}

static int vector(const rf_device_info *info) {
    return rf_family_vector(RF_TILE, info);
}

/* ---- gather: forward and backward data ---- */

static const rf_tunable gather_tunables[] = {{"pixels", {6, 4, 5, 3, 8, 12}}, {"panels", {1, 2}}, {NULL}};
enum { PIXELS, PANELS };

/* 16 registers of 8: 6 pixels by 2 accumulators.  32 of 16: 8 pixels by 2, whose addresses are in registers, too, or 12 by 1 for
 * one panel.  16 of 4: 3 pixels by 4. */
static void gather_config(rf_config *config, int outputs, const rf_device_info *info) {
    int width = vector(info);
    config->value[PANELS] = width == 16 && outputs > RF_PANEL ? 2 : 1;
    config->value[PIXELS] = width == 8 ? 6 : width == 4 ? 3 : config->value[PANELS] == 2 ? 8 : 12;
}

static void choose_forward(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    gather_config(config, rf_conv_of(problem).k, info);
}

static void choose_data(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    gather_config(config, rf_conv_of(problem).c, info);
}

/* Forward, or one phase of backward data: kernels/conv/conv_tile.cl explains the arguments. */
typedef struct gather {
    rf_gather at;
    rf_buffer *x, *w, *bias, *zeros, *y; /* zeros: NULL where no tap reaches the padding */
    size_t x_at, w_at, bias_at;
    int length, all_taps, act, accumulate;
    double flops, bytes;
} gather;

/* The partition into work-items: positions in blocks of `tiles` tiles, panels in groups. */
typedef struct partition {
    int tiles;
    size_t blocks, groups;
} partition;

/* Enough items for the cores, with little read repeatedly (weights by each block, x by each group), and a group's
 * weights in a core's cache while it walks its block. */
static partition partition_gather(const gather *g, int pixels, int panels, const rf_device_info *info) {
    const double cache_floats = 48 * 1024, wanted = 8.0 * info->compute_units;
    double tiles = ceil((double)g->at.n * g->at.grid_h * g->at.grid_w / pixels),
           all = ceil((double)g->at.k / (RF_PANEL * panels));
    double x_floats = (double)g->at.n * g->at.ih * g->at.iw * g->at.c;
    double w_floats = (double)g->at.taps.y * g->at.taps.x * g->length * RF_PANEL * panels * all + 1;
    double blocks = RF_MIN(tiles, RF_MAX(1, floor(sqrt(wanted * x_floats / w_floats))));
    double groups = RF_MIN(all, RF_MAX(ceil(wanted / blocks), ceil(w_floats / cache_floats)));
    if (rf_family_rounds(info) < HUGE_VAL) groups = all;
    groups = ceil(all / floor(all / groups));
    double rounds =
        ceil(all / groups) * g->at.taps.y * g->at.taps.x * (g->length + 2.0) + 2 * pixels; /* a tile's */
    double most = RF_MAX(1, floor(rf_family_rounds(info) / rounds));
    blocks = RF_MIN(tiles, RF_MAX(blocks, RF_MAX(ceil(wanted / groups), ceil(tiles / most))));
    partition c = {.tiles = (int)ceil(tiles / blocks), .groups = (size_t)groups};
    c.blocks = (size_t)ceil(tiles / c.tiles);
    return c;
}

enum { SMALL_FLOATS = 1 << 18, PANEL_WASTE = 20 }; /* at most 1/20 of the outputs */

/* The outputs of `g` as whole panels, `lanes` of each panel in use. */
static rf_status emit_lanes(rf_sequence *sequence, const gather *g, int pixels, int panels, int lanes,
                            const rf_device_info *info) {
    char options[RF_OPTIONS];
    const partition c = partition_gather(g, pixels, panels, info);
    const rf_launch_desc desc = {
        .program = "conv_tile",
        .kernel = "gather",
        .options = rf_family_options(options, RF_TILE, info, "-DPIXELS=%d -DPANELS=%d -DLANES=%d", pixels,
                                     panels, lanes),
        .args = {RF_BUF(g->x),
                 RF_BUF(g->w),
                 RF_BUF(g->bias),
                 RF_BUF(g->y),
                 RF_I32(g->x_at),
                 RF_I32(g->w_at),
                 RF_I32(g->bias_at),
                 RF_I32(g->at.n),
                 RF_I32(g->at.grid_h),
                 RF_I32(g->at.grid_w),
                 RF_I32(g->at.ih),
                 RF_I32(g->at.iw),
                 RF_I32(g->at.c),
                 RF_I32(g->length),
                 RF_PAIR_ARG(g->at.stride),
                 RF_PAIR_ARG(g->at.offset),
                 RF_PAIR_ARG(g->at.step),
                 RF_PAIR_ARG(g->at.taps),
                 RF_I32(g->at.first),
                 RF_PAIR_ARG(g->at.next),
                 RF_I32(g->all_taps),
                 RF_I32(g->at.k),
                 RF_I32(g->at.y_image),
                 RF_I32(g->at.y_row),
                 RF_I32(g->at.y_column),
                 RF_I32(g->at.y_first),
                 RF_I32(g->act),
                 RF_I32(g->accumulate),
                 RF_BUF(g->zeros),
                 RF_I32(g->zeros ? pixels : 1),
                 RF_I32(c.tiles)},
        .global = {c.blocks, c.groups},
        .flops = g->flops,
        .bytes = g->bytes,
    };
    return rf_emit(sequence, &desc);
}

/* All outputs; a remainder that fills few vectors of its panel gets a launch with more pixels and fewer vectors a
 * tile. */
static rf_status emit_gather(rf_sequence *sequence, const gather *g, const rf_config *config,
                             const rf_device_info *info) {
    int rest = g->at.k % RF_PANEL, lanes = (int)rf_round_up((size_t)rest, (size_t)vector(info));
    int pixels = config->value[PIXELS], panels = config->value[PANELS];
    bool streams =
        g->at.k > rest && g->all_taps == 1 &&
        (double)g->at.n * g->at.ih * g->at.iw * g->at.c > SMALL_FLOATS; /* reading x again is expensive */
    bool slight = (RF_PANEL - lanes) * PANEL_WASTE < g->at.k;           /* cheaper than a launch */
    if (rest == 0 || lanes == RF_PANEL || streams || slight)
        return emit_lanes(sequence, g, pixels, panels, RF_PANEL, info);
    gather whole = *g, end = *g;
    double share = (double)rest / g->at.k;
    whole.at.k = g->at.k - rest;
    whole.flops = g->flops * (1 - share);
    whole.bytes = g->bytes * (1 - share);
    end.at.k = rest;
    end.w_at += (size_t)g->all_taps * g->length * whole.at.k;
    end.bias_at += (size_t)whole.at.k;
    end.at.y_first += whole.at.k;
    end.flops = g->flops * share;
    end.bytes = g->bytes * share;
    if (whole.at.k > 0) RF_TRY(emit_lanes(sequence, &whole, pixels, panels, RF_PANEL, info));
    return emit_lanes(sequence, &end, pixels * RF_PANEL / lanes, 1, lanes, info);
}

static size_t forward_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)info, (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_TILE);
    return o.copied ? rf_view_floats(&o) * sizeof(float) : 0;
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_TILE);
    rf_buffer *zeros = NULL;
    if (o.copied) RF_TRY(rf_emit_pad(sequence, info, &v, t->x[0], t->work));
    if (o.pad.y || o.pad.x) RF_TRY(rf_sequence_zeros(sequence, &zeros, (size_t)o.length));
    gather g = {
        .at = {.n = o.n,
               .grid_h = o.grid_h,
               .grid_w = o.grid_w,
               .ih = o.h,
               .iw = o.w,
               .c = o.c,
               .stride = o.stride,
               .offset = {-o.pad.y, -o.pad.x},
               .step = o.dilation,
               .taps = {o.taps_y, o.taps_x},
               .next = {o.taps_x, 1},
               .k = v.k,
               .y_image = o.grid_h * o.grid_w * v.k,
               .y_row = o.grid_w * v.k,
               .y_column = v.k},
        .x = o.copied ? t->work : t->x[0],
        .w = t->param[0],
        .bias = v.bias ? t->param[1] : NULL,
        .zeros = zeros,
        .y = t->y,
        .length = o.length,
        .all_taps = o.taps_y * o.taps_x,
        .act = v.act,
        .flops = rf_conv_flops(problem),
        .bytes = 4.0 * (rf_view_floats(&o) + (double)v.n * v.oh * v.ow * v.k + (double)v.k * v.c * v.r * v.s),
    };
    return emit_gather(sequence, &g, config, info);
}

/* Work of backward data, in floats: transposed weights, and from here on dy before a fused activation. */
static size_t masked_at(const rf_conv *v) {
    return rf_round_up((size_t)v->c, RF_PANEL) * v->r * v->s * v->k;
}

static size_t backward_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)info, (void)config;
    rf_conv v = rf_conv_of(problem);
    return (masked_at(&v) + rf_masked_floats(&v)) * sizeof(float);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    rf_buffer *zeros;
    if (!problem->need_dx[0]) return RF_OK;
    RF_TRY(rf_sequence_zeros(sequence, &zeros, (size_t)v.k));
    RF_TRY(rf_emit_transpose(sequence, info, &v, t->param[0], t->work));
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, masked_at(&v)));
    for (int index = 0; index < v.stride.y * v.stride.x; index++) {
        gather g = {
            .x = v.act ? t->work : t->dy,
            .x_at = v.act ? masked_at(&v) : 0,
            .w = t->work,
            .zeros = zeros,
            .y = t->dx[0],
            .length = v.k,
            .all_taps = v.r * v.s,
            .accumulate = problem->accumulate[0],
        };
        if (!rf_gather_phase(&g.at, problem, &v, index)) continue;
        const double positions = (double)v.n * g.at.grid_h * g.at.grid_w,
                     taps = (double)g.at.taps.y * g.at.taps.x;
        g.flops = 2.0 * positions * taps * v.k * v.c;
        g.bytes = 4.0 * (positions * (v.c + (taps > 0 ? v.k : 0)) + taps * v.c * v.k);
        RF_TRY(emit_gather(sequence, &g, config, info));
    }
    return RF_OK;
}

/* ---- the gradients of weights and bias ---- */

static const rf_tunable wgrad_tunables[] = {
    {"channels", {6, 4, 8}}, {"panels", {1, 2}}, {"block", {128, 64, 32}}, {NULL}};
enum { CHANNELS, FILTER_PANELS, BLOCK };

static void choose_wgrad(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    int width = vector(info);
    config->value[CHANNELS] = width == 16 ? 8 : width == 8 ? 6 : 4;
    config->value[FILTER_PANELS] = width == 16 && rf_conv_of(problem).k > RF_PANEL ? 2 : 1;
    config->value[BLOCK] = 128;
}

typedef struct wgrad_partition {
    int shares, groups; /* of taps x channels, of panels */
    rf_partials partials;
} wgrad_partition;

/* A core takes as many panels at once as its cache holds accumulators for, so that they share x. Then parts of the
 * positions, each of which costs a pass over the weights; where that is too much, groups of panels, and shares of the
 * weights, each of which reads dy again. */
static wgrad_partition partition_wgrad(const rf_problem *problem, const rf_config *config,
                                       const rf_device_info *info) {
    const double cache_floats = 32 * 1024, wanted = 8.0 * info->compute_units;
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_TILE);
    wgrad_partition c = {.partials = rf_wgrad_partials(&v, &o, 1)};
    double all = ceil((double)v.k / (RF_PANEL * config->value[FILTER_PANELS])),
           size = (double)c.partials.size;
    double positions = (double)o.n * o.grid_h * o.grid_w, read = rf_view_floats(&o) + positions * v.k;
    double groups = RF_MIN(all, ceil(size / cache_floats));
    double blocks = ceil(positions / config->value[BLOCK]);
    double parts = RF_MIN(ceil(wanted / groups), RF_MIN(blocks, read / (4 * size)));
    c.partials.parts = (int)RF_MAX(1, floor(parts));
    c.groups = (int)RF_MIN(all, RF_MAX(groups, ceil(wanted / c.partials.parts)));
    double tiles = (double)o.taps_y * o.taps_x * rf_ceil_div(o.length, config->value[CHANNELS]);
    c.shares = (int)RF_MIN(tiles, RF_MAX(1, floor(wanted / c.groups / c.partials.parts)));
    double most = rf_family_rounds(info) / config->value[BLOCK], rounds = 3; /* a tile's and a block's */
    if (most < HUGE_VAL) {
        c.groups = (int)all;
        c.shares = (int)RF_MIN(tiles, ceil(4 * rounds * tiles / most));
        rounds = 1 + rounds * ceil(tiles / c.shares);
        c.partials.parts = (int)RF_MIN(blocks, RF_MAX(c.partials.parts, ceil(blocks * rounds / most)));
    }
    return c;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    wgrad_partition c = partition_wgrad(problem, config, info);
    return rf_wgrad_work(&c.partials);
}

/* The gradients of the outputs k_begin .. k_end-1. */
static rf_status emit_wgrad(rf_sequence *sequence, rf_launch_desc desc, const wgrad_partition *c, int k_begin,
                            int k_end, int lanes, const rf_config *config, const rf_device_info *info) {
    char options[RF_OPTIONS];
    int channels = config->value[CHANNELS], panels = config->value[FILTER_PANELS];
    rf_launch_add(&desc, (rf_arg)RF_I32(k_begin));
    rf_launch_add(&desc, (rf_arg)RF_I32(k_end));
    desc.global[0] =
        RF_MIN((size_t)c->groups, rf_ceil_div((size_t)(k_end - k_begin), (size_t)RF_PANEL * panels));
    desc.global[1] = (size_t)c->shares;
    desc.global[2] = (size_t)c->partials.parts;
    desc.options = rf_family_options(
        options, RF_TILE, info, "-DCHANNELS=%d -DPANELS=%d -DBLOCK=%d -DLANES=%d",
        lanes < RF_PANEL ? 8 : channels, lanes < RF_PANEL ? 1 : panels, config->value[BLOCK], lanes);
    return rf_emit(sequence, &desc);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    rf_launch_desc desc;
    rf_conv v = rf_conv_of(problem);
    wgrad_partition c = partition_wgrad(problem, config, info);
    int rest = v.k % RF_PANEL, lanes = (int)rf_round_up((size_t)rest, (size_t)vector(info));
    if (lanes == RF_PANEL || (v.k > rest && v.r * v.s == 1))
        rest = 0; /* no gain; or x is read again, which is expensive */
    RF_TRY(rf_wgrad_begin(sequence, problem, info, t, RF_TILE, &c.partials, &desc));
    double flops = desc.flops;
    desc.flops = flops * (v.k - rest) / v.k;
    if (v.k > rest) RF_TRY(emit_wgrad(sequence, desc, &c, 0, v.k - rest, RF_PANEL, config, info));
    desc.flops = flops * rest / v.k;
    if (rest > 0) RF_TRY(emit_wgrad(sequence, desc, &c, v.k - rest, v.k, lanes, config, info));
    return c.partials.parts == 1 ? RF_OK : rf_emit_reduce(sequence, info, RF_TILE, &v, t, &c.partials);
}

/* ---- the solvers ---- */

#define SOLVER(direction_, ...)                                                                              \
    [direction_] = {.name = "conv_tile",                                                                     \
                    .direction = direction_,                                                                 \
                    .devices = RF_DEVICE_CPU,                                                                \
                    .rank = 10,                                                                              \
                    .applicable = applicable,                                                                \
                    __VA_ARGS__}
const rf_solver rf_conv_tile[RF_DIRECTIONS] = {
    SOLVER(RF_FORWARD, .tunables = gather_tunables, .choose = choose_forward, .workspace = forward_work,
           .prepare = forward),
    SOLVER(RF_BACKWARD_PARAMS, .native_vectors = true, .tunables = wgrad_tunables, .choose = choose_wgrad,
           .workspace = backward_params_work, .prepare = backward_params),
    SOLVER(RF_BACKWARD_DATA, .tunables = gather_tunables, .choose = choose_data, .workspace = backward_work,
           .prepare = backward_data),
};
