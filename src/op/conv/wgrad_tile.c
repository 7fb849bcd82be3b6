/* The gradients of weights and bias on CPUs, of 1x1 convolutions, and of those where a tap reads x at places far apart:
 * kernels/conv/wgrad_tile.cl. */
#include <math.h>

#include "op/conv/conv_form.h"

enum {
    LINE = 16,            /* floats of a cache line */
    BLOCK = 128,          /* rows that a work-item takes at a time, at most */
    MOST_COLUMNS = 256,   /* of a work-item */
    X_FLOATS = 32 * 1024, /* of a block's columns, which stay in a core's cache */
    FAR_APART = 256,      /* floats: BLOCK rows so far apart compete for the same sets of the L1 cache */
};

/* Through a batch norm, columns have to be channels.  Zeros of the padding are multiplied, too: there have to be few. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const rf_conv v = rf_conv_of(problem);
    const bool one = v.r * v.s == 1 && !v.pad.y && !v.pad.x;
    const bool far_apart = v.stride.x * v.c >= FAR_APART && 4 * v.pad.y <= v.oh && 4 * v.pad.x <= v.ow;
    return (one || (far_apart && !problem->normed)) && v.groups == 1 && rf_indexable(problem, info) &&
           rf_family_rounds(info) == HUGE_VAL;
}

static const rf_tunable tunables[] = {{"lines", {6, 4, 8, 12}}, {"width", {2, 3, 1}}, {NULL}};
enum { LINES, WIDTH };

static void choose(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    rf_family_accumulators(&config->value[LINES], &config->value[WIDTH], rf_conv_of(problem).k, info);
}

typedef struct partition {
    int block, share, pitch, shares, groups; /* rows; columns; ranges of the columns, and of the outputs */
    rf_partials partials;
} partition;

/* Ranges of the columns, as many for each core; parts of the rows, each of which costs a pass over the gradient; where that is
 * too much, ranges of the outputs. */
static partition partition_of(const rf_problem *problem, const rf_config *config,
                              const rf_device_info *info) {
    const rf_conv v = rf_conv_of(problem);
    const rf_view o = rf_view_of(&v, RF_TILE);
    const int columns = v.c * v.r * v.s, least = (columns + MOST_COLUMNS - 1) / MOST_COLUMNS;
    const int even = (int)rf_round_up((size_t)least, info->compute_units);
    const double wanted = 4.0 * info->compute_units, rows = (double)v.n * v.oh * v.ow;
    const double vectors = (double)rf_ceil_div((size_t)v.k, (size_t)rf_family_vector(RF_TILE, info));
    partition c = {.partials = rf_wgrad_partials(&v, &o, 1),
                   .shares = least > 1 && even < 2 * least ? even : least};
    c.share = (int)rf_round_up(rf_ceil_div((size_t)columns, (size_t)c.shares), (size_t)config->value[LINES]);
    c.shares = (columns + c.share - 1) / c.share;
    c.pitch = (int)rf_round_up((size_t)c.share, LINE) + LINE; /* vectors and tiles reach beyond the columns */
    if (c.pitch % (2 * LINE) == 0) c.pitch += LINE;
    c.block = RF_MIN(BLOCK, X_FLOATS / c.pitch);
    const double worth = (rf_view_floats(&o) + rows * v.k) / (4 * (double)c.partials.size);
    const double parts = RF_MIN(RF_MIN(ceil(wanted / c.shares), ceil(rows / c.block)), worth);
    c.partials.parts = (int)RF_MAX(1, floor(parts));
    c.groups = (int)RF_MIN(ceil(vectors / config->value[WIDTH]), ceil(wanted / c.shares / c.partials.parts));
    return c;
}

static size_t work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    const partition c = partition_of(problem, config, info);
    return rf_wgrad_work(&c.partials);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    char options[RF_OPTIONS], norm[24];
    rf_launch_desc desc;
    const rf_conv v = rf_conv_of(problem);
    const partition c = partition_of(problem, config, info);
    RF_TRY(rf_wgrad_begin(sequence, problem, info, t, RF_TILE, &c.partials, &desc));
    rf_launch_add(&desc, (rf_arg)RF_I32(c.block));
    rf_launch_add(&desc, (rf_arg)RF_I32(c.share));
    rf_launch_add(&desc, (rf_arg)RF_I32(c.pitch));
    rf_launch_add(&desc, (rf_arg)RF_BUF(t->norm));
    desc.program = "wgrad_tile";
    desc.global[0] = (size_t)c.groups;
    desc.global[1] = (size_t)c.shares;
    desc.global[2] = (size_t)c.partials.parts;
    desc.options = rf_family_options(
        options, RF_TILE, info, "-DLINES=%d -DWIDTH=%d -DWHOLE=%d -DBLOCK=%d -DX_FLOATS=%d%s",
        config->value[LINES], config->value[WIDTH], v.k % rf_family_vector(RF_TILE, info) == 0, BLOCK,
        X_FLOATS, rf_norm_option(norm, problem));
    RF_TRY(rf_emit(sequence, &desc));
    return c.partials.parts == 1 ? RF_OK : rf_emit_reduce(sequence, info, RF_TILE, &v, t, &c.partials);
}

const rf_solver rf_wgrad_tile[] = {{.name = "wgrad_tile",
                                    .direction = RF_BACKWARD_PARAMS,
                                    .devices = RF_DEVICE_CPU,
                                    .rank = 20,
                                    .takes_norm = true,
                                    .native_vectors = true,
                                    .applicable = applicable,
                                    .tunables = tunables,
                                    .choose = choose,
                                    .workspace = work,
                                    .prepare = backward_params}};
