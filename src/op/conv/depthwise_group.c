/* Depthwise convolution on GPUs: kernels/conv/depthwise_group.cl.  A work-item computes a block of pixels of one
 * channel, whose size is tunable. */
#include "op/conv/conv.h"

/* LANES: channels side by side in a work-group, for coalesced accesses. ITEMS_PER_UNIT: fewer work-items on a compute
 * unit do not hide memory's latency; then smaller blocks are better. Group indices in a launch's second and third
 * dimension have 16 bits in CUDA. */
enum { LANES = 32, ITEMS_PER_UNIT = 512, SMALLEST_GROUP = 64, MOST_GROUPS = 65535 };
/* What fits a work-item's registers: taps along one axis, weights, pixels that a block reads. */
enum { MOST_TAPS = 7, MOST_WEIGHTS = 25, MOST_STRIDE = 3, MOST_READ = 50 };
/* Weight gradient: up to FEW_TURNS turns of a work-group over its blocks cost less than a launch that reduces parts. */
enum { GROUPS_PER_UNIT = 4, MOST_PARTS = 64, FEW_TURNS = 4, FEW_LANE_BITS = 3 };

static const rf_tunable tunables[] = {{"rows", {4, 2, 1}}, {"columns", {4, 2, 1}}, {NULL}};
enum { ROWS, COLUMNS };

static int up(int n, int step) {
    return (n + step - 1) / step * step;
}

/* The partition of a map into blocks, and of these into work-groups of `lines` x `lanes` work-items. */
typedef struct map_partition {
    int strips_x, strips; /* blocks in a row of blocks, and in a map */
    int lane_bits, lines;
    size_t channels; /* work-groups that the channels take */
} map_partition;

static void set_lanes(map_partition *partition, const rf_conv *v, int lane_bits, const rf_device_info *info) {
    partition->lane_bits = lane_bits;
    partition->lines = (int)rf_family_group(RF_GROUP, info) >> lane_bits;
    partition->channels = rf_ceil_div((size_t)v->c, (size_t)1 << lane_bits);
}

static map_partition partition_map(const rf_conv *v, int height, int width, rf_pair block,
                                   const rf_device_info *info) {
    map_partition partition = {.strips_x = (int)rf_ceil_div((size_t)width, (size_t)block.x)};
    int bits = 0;
    partition.strips = partition.strips_x * (int)rf_ceil_div((size_t)height, (size_t)block.y);
    while (1 << bits < RF_MIN(v->c, LANES)) bits++;
    set_lanes(&partition, v, bits, info);
    return partition;
}

/* For a kernel whose groups stay within an image: idle lines are better used for more channels. */
static map_partition partition_image(const rf_conv *v, int height, int width, rf_pair block,
                                     const rf_device_info *info) {
    map_partition partition = partition_map(v, height, width, block, info);
    while (partition.lines > 1 && partition.lines / 2 >= partition.strips && 1 << partition.lane_bits < v->c)
        set_lanes(&partition, v, partition.lane_bits + 1, info);
    return partition;
}

/* The block that the tunables set, smaller where its inputs would exceed the registers. */
static rf_pair block_of(const rf_conv *v, const rf_config *config) {
    rf_pair b = {config->value[ROWS], config->value[COLUMNS]};
    while (b.y * b.x > 1 && ((b.y - 1) * v->stride.y + v->r) * ((b.x - 1) * v->stride.x + v->s) > MOST_READ)
        *(b.x >= b.y ? &b.x : &b.y) /= 2;
    return b;
}

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    size_t group = rf_family_group(RF_GROUP, info), pixels = (size_t)RF_MAX(v.h, v.oh) * RF_MAX(v.w, v.ow);
    return v.groups > 1 && v.groups == v.c && v.k == v.c && RF_MAX(v.r, v.s) <= MOST_TAPS &&
           v.r * v.s <= MOST_WEIGHTS && RF_MAX(v.stride.y, v.stride.x) <= MOST_STRIDE &&
           RF_MAX(v.dilation.y, v.dilation.x) == 1 && v.n <= MOST_GROUPS && group >= SMALLEST_GROUP &&
           pixels / (group / LANES) < MOST_GROUPS && rf_indexable(problem, info);
}

/* The largest block that fits the map. */
static void choose_largest(rf_config *config, int height, int width) {
    int rows = 4, columns = 4;
    while (rows > 1 && rows / 2 >= height) rows /= 2;
    while (columns > 1 && columns / 2 >= width) columns /= 2;
    config->value[ROWS] = rows;
    config->value[COLUMNS] = columns;
}

/* The largest that leaves enough work-items. */
static void choose_blocks(rf_config *config, const rf_conv *v, const rf_device_info *info, int height,
                          int width) {
    int *rows = &config->value[ROWS], *columns = &config->value[COLUMNS];
    size_t enough = (size_t)RF_MAX(info->compute_units, 1) * ITEMS_PER_UNIT;
    choose_largest(config, height, width);
    while (*rows * *columns > 1 && (size_t)v->n * v->c * rf_ceil_div((size_t)height, (size_t)*rows) *
                                           rf_ceil_div((size_t)width, (size_t)*columns) <
                                       enough)
        *(*columns >= *rows ? columns : rows) /= 2;
}

static void choose_y(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    choose_blocks(config, &v, info, v.oh, v.ow);
}

static void choose_dx(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    choose_blocks(config, &v, info, v.h, v.w);
}

static void choose_params(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    (void)info;
    choose_largest(config, problem->y.h, problem->y.w);
}

/* Emits a launch of cut.channels x `rows` x `images` work-groups. */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      const rf_config *config, rf_launch_desc *desc, const map_partition *partition,
                      size_t rows, size_t images) {
    char options[RF_OPTIONS];
    rf_conv v = rf_conv_of(problem);
    rf_pair block = block_of(&v, config);
    desc->program = "depthwise_group";
    desc->options = rf_family_options(
        options, RF_GROUP, info,
        "-DR=%d -DS=%d -DSTRIDE_Y=%d -DSTRIDE_X=%d -DPAD_Y=%d -DPAD_X=%d -DACT=%d -DROWS=%d -DCOLUMNS=%d",
        v.r, v.s, v.stride.y, v.stride.x, v.pad.y, v.pad.x, (int)v.act, block.y, block.x);
    desc->local[0] = rf_family_group(RF_GROUP, info);
    desc->global[0] = partition->channels * desc->local[0];
    desc->global[1] = rows;
    desc->global[2] = images;
    desc->flops = rf_conv_flops(problem);
    desc->bytes = 4.0 * v.n * v.c * ((double)v.h * v.w + (double)v.oh * v.ow);
    return rf_emit(sequence, desc);
}

#define GEOMETRY(v, partition)                                                                               \
    RF_I32((v).c), RF_I32((v).h), RF_I32((v).w), RF_I32((v).oh), RF_I32((v).ow),                             \
        RF_I32((partition).strips_x), RF_I32((partition).strips)

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    map_partition partition = partition_image(&v, v.oh, v.ow, block_of(&v, config), info);
    rf_launch_desc desc = {.kernel = "forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(v.bias ? t->param[1] : NULL),
                                    RF_BUF(t->y), GEOMETRY(v, partition), RF_I32(partition.lane_bits)}};
    return emit(sequence, problem, info, config, &desc, &partition,
                rf_ceil_div((size_t)partition.strips, (size_t)partition.lines), (size_t)v.n);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    rf_pair b = block_of(&v, config), block = {up(b.y, v.stride.y), up(b.x, v.stride.x)};
    map_partition partition = partition_image(&v, v.h, v.w, block, info);
    if (!problem->need_dx[0]) return RF_OK;
    rf_launch_desc desc = {.kernel = "backward_data",
                           .args = {RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL), RF_BUF(t->param[0]),
                                    RF_BUF(t->dx[0]), GEOMETRY(v, partition), RF_I32(partition.lane_bits),
                                    RF_I32(problem->accumulate[0])}};
    return emit(sequence, problem, info, config, &desc, &partition,
                rf_ceil_div((size_t)partition.strips, (size_t)partition.lines), (size_t)v.n);
}

/* The blocks of all images in parts, each a work-group's for some channels. */
typedef struct wgrad_shares {
    map_partition partition;
    size_t blocks, share; /* blocks in a part */
    rf_partials partials;
} wgrad_shares;

static size_t turns(const wgrad_shares *s) {
    return rf_ceil_div(s->blocks, (size_t)s->partition.lines);
}

/* One part where that takes few turns (fewer channels side by side leave more lines). Else as many as keep the units
 * busy and every line has a block for; each has to be reduced. */
static wgrad_shares share_blocks(const rf_conv *v, const rf_device_info *info, const rf_config *config) {
    wgrad_shares s = {.partition = partition_map(v, v->oh, v->ow, block_of(v, config), info),
                      .partials = {.size = (size_t)v->r * v->s * v->c, .biases = v->bias ? (size_t)v->c : 0}};
    const map_partition wide = s.partition;
    size_t parts = 1, units = (size_t)RF_MAX(info->compute_units, 1);
    s.blocks = (size_t)v->n * s.partition.strips;
    while (turns(&s) > 1 && s.partition.channels < units && s.partition.lane_bits > FEW_LANE_BITS)
        set_lanes(&s.partition, v, s.partition.lane_bits - 1, info);
    if (turns(&s) > FEW_TURNS) {
        s.partition = wide;
        parts = RF_MIN(rf_ceil_div(units * GROUPS_PER_UNIT, wide.channels), (size_t)MOST_PARTS);
    }
    s.share = rf_ceil_div(turns(&s), parts) * s.partition.lines;
    s.partials.parts = (int)rf_ceil_div(s.blocks, s.share);
    return s;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    rf_partials p = share_blocks(&v, info, config).partials;
    return p.parts == 1 ? 0 : (p.size + p.biases) * p.parts * sizeof(float);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    wgrad_shares s = share_blocks(&v, info, config);
    const rf_partials *p = &s.partials;
    bool one = p->parts == 1;
    rf_buffer *grad = one ? t->grad[0] : t->work, *grad_bias = one ? t->grad[1] : t->work;
    rf_launch_desc desc = {.kernel = "backward_params",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL), RF_BUF(grad),
                                    RF_BUF(v.bias ? grad_bias : NULL), RF_I32(one ? 0 : p->size),
                                    RF_I32(p->size + p->biases), GEOMETRY(v, s.partition), RF_I32(s.blocks),
                                    RF_I32(s.share), RF_I32(s.partition.lane_bits)}};
    RF_TRY(emit(sequence, problem, info, config, &desc, &s.partition, (size_t)p->parts, 1));
    return one ? RF_OK : rf_emit_reduce(sequence, info, RF_GROUP, &v, t, p);
}

#define SOLVER(direction_, ...)                                                                              \
    [direction_] = {.name = "depthwise_group",                                                               \
                    .direction = direction_,                                                                 \
                    .devices = RF_DEVICE_GPU | RF_DEVICE_ACCELERATOR,                                        \
                    .half = RF_HALF_EITHER,                                                                  \
                    .rank = 20,                                                                              \
                    .applicable = applicable,                                                                \
                    .tunables = tunables,                                                                    \
                    __VA_ARGS__}
const rf_solver rf_depthwise_group[RF_DIRECTIONS] = {
    SOLVER(RF_FORWARD, .choose = choose_y, .prepare = forward),
    SOLVER(RF_BACKWARD_PARAMS, .choose = choose_params, .workspace = backward_params_work,
           .prepare = backward_params),
    SOLVER(RF_BACKWARD_DATA, .choose = choose_dx, .prepare = backward_data),
};
