/* Winograd convolution on CPUs, for 3x3 and 5x5 kernels with stride 1, with a 2x2 max pooling behind it too
 * (conv_pool): kernels/conv/winograd_tile.cl and winograd_wgrad.cl.  Here: how tiles are grouped into blocks and blocks
 * into work-items, and the workspace that each needs. */
#include <math.h>

#include "op/bn_sums.h"
#include "op/conv/conv.h"
#include "op/conv/winograd.h"

enum { LINE = 16, WINDOW = 6, LARGE = 8 };
/* Tunables: a register tile's rows and panels; tiles in a block (of 36 points, or as many numbers); groups of panels at
 * a time (gather), channels and outputs at a time (wgrad). */
enum { ROWS, PANELS, BLOCK, SPAN, SHARE = SPAN };

/* Not for kernels larger than the map: the gradient of a tap that meets no pixel must be exactly 0, and here it would
 * be rounding error. */
/* The weight gradient reads x once for every 64 outputs: through a batch norm not too often. */
enum { MOST_NORMED = 128 };

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    return (!problem->normed || v.k <= MOST_NORMED) && v.groups == 1 && v.r == v.s &&
           (v.r == 3 || v.r == 5) && v.stride.y == 1 && v.stride.x == 1 && v.dilation.y == 1 &&
           v.dilation.x == 1 && v.pad.y < v.r && v.pad.x < v.r && RF_MIN(v.h, v.w) >= v.r &&
           RF_MIN(v.c, v.k) >= rf_family_vector(RF_TILE, info) && RF_MIN(v.oh, v.ow) >= WINDOW - v.r &&
           rf_family_rounds(info) == HUGE_VAL && rf_indexable(problem, info);
}

/* Floats from one point to the next: STEP in the kernels. */
static size_t step_of(size_t floats) {
    return (rf_ceil_div(floats, LINE) | 1) * LINE;
}

/* What one direction reads and writes: maps of (n,h,w,c) as windows, results (n,oh,ow,k) in tiles of `out`. */
typedef struct side {
    int h, w, c, oh, ow, k;
    rf_pair pad, out;
    size_t points, tiles;
} side;

/* `s` with windows of `high` x `wide`. */
static side with_windows(side s, const rf_conv *v, int high, int wide) {
    s.out = (rf_pair){high + 1 - v->r, wide + 1 - v->s};
    s.points = (size_t)high * wide;
    s.tiles = (size_t)v->n * rf_ceil_div(s.oh, s.out.y) * rf_ceil_div(s.ow, s.out.x);
    return s;
}

/* 5x5 kernels have windows of 6 or 8 each way, whatever takes fewer products; with `narrow` they are 6 wide.  (3x3
 * would save a ninth each way, and such tiles fill few maps.) */
static side side_of(const rf_conv *v, bool flipped, bool narrow) {
    side s = {0};
    if (flipped)
        s.h = v->oh, s.w = v->ow, s.c = v->k, s.oh = v->h, s.ow = v->w, s.k = v->c,
        s.pad = (rf_pair){v->r - 1 - v->pad.y, v->s - 1 - v->pad.x};
    else
        s.h = v->h, s.w = v->w, s.c = v->c, s.oh = v->oh, s.ow = v->ow, s.k = v->k, s.pad = v->pad;
    side best = with_windows(s, v, WINDOW, WINDOW);
    for (int i = 1; i < (narrow ? 2 : 4) && v->r == 5; i++) {
        side other = with_windows(s, v, i & 1 ? LARGE : WINDOW, i & 2 ? LARGE : WINDOW);
        if (other.points * other.tiles < best.points * best.tiles) best = other;
    }
    return best;
}

/* The kernels' arguments for them. */
#define GEOMETRY(v, s)                                                                                       \
    RF_I32((v).n), RF_I32((s).h), RF_I32((s).w), RF_I32((s).c), RF_I32((s).oh), RF_I32((s).ow),              \
        RF_I32((s).k), RF_PAIR_ARG((s).pad)

/* Along one axis: pairs of an output and a tap that meet the map. */
static int products(int out, int taps, int in, int pad) {
    int count = 0;
    for (int o = 0; o < out; o++)
        for (int t = 0; t < taps; t++) count += o - pad + t >= 0 && o - pad + t < in;
    return count;
}

/* Products for each pair of channels, with the cost of the transforms: as much as some 16 channels, of the weights as
 * much as some 32 tiles (measured on AVX2). */
static double products_of(const rf_conv *v, const side *s) {
    return s->points * (s->tiles + 32.0) * (1 + 16.0 / v->c + 16.0 / v->k);
}

static bool pools(const rf_problem *problem) {
    return problem->op->pools;
}

/* Whether backward data takes dy's tiles rather than dx's (scatter): those are clearly fewer where a map without
 * padding shrinks, and cheap to transform where it is pooled. */
static bool use_scatter(const rf_problem *problem, const rf_conv *v) {
    side straight = side_of(v, false, false), flipped = side_of(v, true, false);
    return pools(problem) || straight.points * straight.tiles * 1.5 < flipped.points * flipped.tiles;
}

/* The maps of each direction.  With 8x8 points the rounding errors of the weight gradient, a sum over all tiles, come
 * near the tolerance. */
static side side_in(const rf_problem *problem, const rf_conv *v, rf_direction direction) {
    return side_of(v, direction == RF_BACKWARD_DATA && !use_scatter(problem, v),
                   direction == RF_BACKWARD_PARAMS);
}

double rf_winograd_products(const rf_problem *problem, rf_direction direction) {
    rf_conv v = rf_conv_of(problem);
    if (RF_MAX(v.r, v.s) > WINDOW) return HUGE_VAL; /* no window holds such a kernel */
    side s = side_in(problem, &v, direction);
    return products_of(&v, &s);
}

static bool preferred(const rf_problem *problem, rf_direction direction, const rf_device_info *info) {
    (void)info;
    rf_conv v = rf_conv_of(problem);
    double direct = (double)v.n * products(v.oh, v.r, v.h, v.pad.y) * products(v.ow, v.s, v.w, v.pad.x);
    return direct > 1.15 * rf_winograd_products(problem, direction);
}

/* Blocks of nearly one size, multiples of `step` tiles, at most about `most`. */
static int block_of(size_t tiles, int most, int step) {
    size_t blocks = rf_ceil_div(tiles, most);
    return (int)rf_round_up(rf_ceil_div(tiles, blocks), step);
}

/* The tunable is of windows of 36 points. */
static int scaled_block(const side *s, const rf_config *config) {
    return RF_MAX(1, config->value[BLOCK] * WINDOW * WINDOW / (int)s->points);
}

/* Rows of a block or share: register tiles for few outputs at the end of `outputs` have twice the rows. */
static int rows_of(const rf_config *config, int outputs) {
    int group = RF_PANEL * config->value[PANELS], rest = (outputs - 1) % group + 1;
    return config->value[ROWS] * (rest <= group / 2 ? 2 : 1);
}

/* The argmax indices of the windows, where y is pooled. */
static rf_buffer *argmax_of(const rf_problem *problem, const rf_tensors *t) {
    return pools(problem) ? t->saved : NULL;
}

/* A register tile's rows are tiles, or channels in the weight gradient. */
static const char *options_of(char options[RF_OPTIONS], const rf_problem *problem, const side *s,
                              const rf_config *config, const rf_device_info *info, const char *bn_sums) {
    char norm[24];
    return rf_family_options(
        options, RF_TILE, info, "-DTAPS=%d -DOUT_Y=%d -DOUT_X=%d -DROWS=%d -DPANELS=%d%s%s%s",
        rf_conv_of(problem).r, s->out.y, s->out.x, config->value[ROWS], config->value[PANELS], bn_sums,
        pools(problem) ? " -DPOOL" : "", rf_norm_option(norm, problem));
}

/* ---- forward and backward data ---- */

static const rf_tunable gather_tunables[] = {
    {"rows", {6, 12, 3, 5}}, {"panels", {1, 2}}, {"block", {24, 48, 12}}, {"span", {1, 4, 8}}, {NULL}};

/* Tiles in a block: with few channels so few that the transformed inputs stay in the L1 cache. */
static int choose_block(const rf_problem *problem) {
    return rf_conv_of(problem).c < 32 ? 12 : 24;
}

/* Rows of a register tile: somewhat fewer than `most` where that wastes much less of the last tile. */
static int fitting_rows(int most, int channels) {
    int best = most;
    for (int rows = most - 1; rows >= most - most / 4; rows--)
        if (rf_round_up(channels, rows) * 1.15 < rf_round_up(channels, best)) best = rows;
    return best;
}

/* Where a block's inputs exceed a core's cache, several panels are taken at a time. Any number of rows would do:
 * wgrad's makes it one program. */
static void choose_gather(rf_config *config, const rf_problem *problem, int channels,
                          const rf_device_info *info) {
    int width = rf_family_vector(RF_TILE, info);
    config->value[ROWS] = fitting_rows(width == 16 ? 12 : width == 8 ? 6 : 3, rf_conv_of(problem).c);
    config->value[PANELS] = width == 16 ? 2 : 1;
    config->value[BLOCK] = choose_block(problem);
    config->value[SPAN] = channels > 64 ? 8 : 1;
}

static void choose_forward(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    choose_gather(config, problem, rf_conv_of(problem).c, info);
}

/* An item of `scatter` has few tiles: rows that fit most numbers of them. */
static void choose_backward_data(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    choose_gather(config, problem, v.k, info);
    if (use_scatter(problem, &v)) config->value[ROWS] = RF_MIN(config->value[ROWS], 4);
}

/* The workspace, in floats: transformed weights, the items' scratch. */
typedef struct gather_partition {
    int block, span;
    size_t blocks, groups; /* of the launch */
    bool own;              /* each item transforms the weights that it needs */
    size_t at, scratch, floats;
} gather_partition;

static gather_partition partition_blocks(const side *s, int most, bool own, const rf_config *config,
                                         const rf_device_info *info) {
    const size_t cores = (size_t)RF_MAX(info->compute_units, 1), wanted = own ? cores : 2 * cores;
    size_t outputs = RF_PANEL * (size_t)config->value[PANELS], groups = rf_ceil_div(s->k, outputs);
    size_t panel = s->points * step_of(RF_PANEL * (size_t)s->c), panels = rf_ceil_div(s->k, RF_PANEL);
    gather_partition g = {.block = block_of(s->tiles, most, rows_of(config, s->k)), .own = own};
    g.blocks = RF_MIN(rf_ceil_div(s->tiles, g.block), 4 * wanted);
    g.groups = RF_MIN(groups, rf_ceil_div(wanted, g.blocks));
    g.span = (int)RF_MIN(rf_ceil_div(groups, g.groups), own ? 2 : (size_t)config->value[SPAN]);
    g.at = own ? 0 : panels * panel;
    g.scratch =
        s->points * (step_of((size_t)g.block * s->c) + g.span * step_of(g.block * outputs) + 2 * s->c);
    if (own) g.scratch += g.span * config->value[PANELS] * panel;
    g.floats = g.at + g.blocks * g.groups * g.scratch;
    return g;
}

/* All tiles in one block, and weights transformed by each item, if that takes less memory than all transformed weights:
 * these are many then, and would cross memory twice. */
static gather_partition partition_gather(const side *s, const rf_config *config, const rf_device_info *info) {
    gather_partition blocks = partition_blocks(s, scaled_block(s, config), false, config, info),
                     one = partition_blocks(s, (int)s->tiles, true, config, info);
    return one.floats < blocks.at ? one : blocks;
}

enum { AS_STORED, FLIPPED, TRANSPOSED }; /* how a pass reads the weights: see winograd_tile.cl */

static rf_status emit_weights(rf_sequence *sequence, const rf_device_info *info, const side *s, rf_buffer *w,
                              rf_buffer *work, int taps, int order, const char *options) {
    size_t tasks = rf_ceil_div(s->k, RF_PANEL) * s->c;
    rf_launch_desc desc = {.program = "winograd_tile",
                           .kernel = "weights",
                           .options = options,
                           .args = {RF_BUF(w), RF_BUF(work), RF_I32(s->c), RF_I32(s->k), RF_I32(order)},
                           .bytes = 4.0 * tasks * RF_PANEL * (s->points + (double)taps)};
    rf_family_spread(&desc, RF_TILE, info, tasks, RF_PANEL * s->points);
    return rf_emit(sequence, &desc);
}

static rf_status gather(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                        const rf_tensors *t, const rf_config *config, rf_direction direction) {
    char options[RF_OPTIONS], bn_sums[40];
    const bool flipped = direction == RF_BACKWARD_DATA;
    rf_conv v = rf_conv_of(problem);
    side s = side_in(problem, &v, direction);
    gather_partition g = partition_gather(&s, config, info);
    options_of(options, problem, &s, config, info, rf_bn_sums_option(bn_sums, problem, direction));
    if (!g.own)
        RF_TRY(emit_weights(sequence, info, &s, t->param[0], t->work, v.r * v.s,
                            flipped ? FLIPPED : AS_STORED, options));
    rf_launch_desc desc = {
        .program = "winograd_tile",
        .kernel = "gather",
        .options = options,
        .args = {RF_BUF(flipped ? t->dy : t->x[0]), RF_BUF(flipped && v.act ? t->y : NULL),
                 RF_BUF(g.own ? t->param[0] : NULL), RF_BUF(t->work),
                 RF_BUF(flipped || !v.bias ? NULL : t->param[1]), RF_BUF(flipped ? t->dx[0] : t->y),
                 RF_BUF(argmax_of(problem, t)), RF_I32(g.at), RF_I32(g.scratch), GEOMETRY(v, s),
                 RF_I32(g.block), RF_I32(g.span), RF_I32(flipped ? FLIPPED : AS_STORED), RF_I32(v.act),
                 RF_I32(flipped ? RF_ACT_NONE : v.act), RF_I32(flipped && problem->accumulate[0]),
                 RF_BUF(t->norm)},
        .global = {g.blocks, g.groups},
        .flops = rf_conv_flops(problem),
        .bytes = 4.0 * (v.n * (double)s.h * s.w * s.c + rf_shape_count(flipped ? problem->x[0] : problem->y)),
    };
    rf_bn_sums_args(&desc, t, problem->sums.act, rf_shape_count(problem->x[0]));
    return rf_emit(sequence, &desc);
}

/* As partition_blocks, of whole images: transformed weights, the items' scratch. */
static gather_partition partition_scatter(const rf_conv *v, const side *s, const rf_config *config,
                                          const rf_device_info *info) {
    size_t per_image = s->tiles / (size_t)v->n, outputs = RF_PANEL * (size_t)config->value[PANELS];
    gather_partition g = {.blocks = RF_MIN((size_t)v->n, 8 * (size_t)RF_MAX(info->compute_units, 1))};
    g.block =
        block_of(rf_ceil_div(v->n, g.blocks) * per_image, scaled_block(s, config), rows_of(config, v->c));
    g.at = rf_ceil_div(v->c, RF_PANEL) * s->points * step_of(RF_PANEL * (size_t)v->k);
    g.scratch = s->points * (step_of((size_t)g.block * v->k) + step_of(g.block * outputs) + RF_PANEL);
    g.floats = g.at + g.blocks * g.scratch;
    return g;
}

static rf_status scatter(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    char options[RF_OPTIONS];
    rf_conv v = rf_conv_of(problem);
    side straight = side_in(problem, &v, RF_BACKWARD_DATA),
         flipped = {.c = v.k, .k = v.c, .points = straight.points};
    gather_partition g = partition_scatter(&v, &straight, config, info);
    options_of(options, problem, &straight, config, info, "");
    RF_TRY(emit_weights(sequence, info, &flipped, t->param[0], t->work, v.r * v.s, TRANSPOSED, options));
    rf_launch_desc desc = {
        .program = "winograd_tile",
        .kernel = "scatter",
        .options = options,
        .args = {RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL), RF_BUF(argmax_of(problem, t)), RF_BUF(t->work),
                 RF_BUF(t->dx[0]), RF_I32(g.at), RF_I32(g.scratch), GEOMETRY(v, straight), RF_I32(g.block),
                 RF_I32(v.act), RF_I32(problem->accumulate[0])},
        .global = {g.blocks},
        .flops = rf_conv_flops(problem),
        .bytes = rf_conv_gradient_bytes(problem),
    };
    return rf_emit(sequence, &desc);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    return gather(sequence, problem, info, t, config, RF_FORWARD);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    if (!problem->need_dx[0]) return RF_OK;
    rf_conv v = rf_conv_of(problem);
    return use_scatter(problem, &v) ? scatter(sequence, problem, info, t, config)
                                    : gather(sequence, problem, info, t, config, RF_BACKWARD_DATA);
}

/* A block of sums covers what the work-items of one range of tiles write. */
static int sums(const rf_problem *problem, rf_direction direction, const rf_device_info *info,
                const rf_config *config) {
    const bool flipped = direction == RF_BACKWARD_DATA;
    rf_conv v = rf_conv_of(problem);
    side s = side_in(problem, &v, direction);
    return flipped && use_scatter(problem, &v) ? 0 : (int)partition_gather(&s, config, info).blocks;
}

static size_t forward_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    side s = side_in(problem, &v, RF_FORWARD);
    return partition_gather(&s, config, info).floats * sizeof(float);
}

static size_t backward_data_work(const rf_problem *problem, const rf_device_info *info,
                                 const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    side s = side_in(problem, &v, RF_BACKWARD_DATA);
    gather_partition g = use_scatter(problem, &v) ? partition_scatter(&v, &s, config, info)
                                                  : partition_gather(&s, config, info);
    return g.floats * sizeof(float);
}

/* ---- the gradients of weights and bias ---- */

static const rf_tunable wgrad_tunables[] = {
    {"rows", {6, 8, 4, 5}}, {"panels", {1, 2}}, {"block", {24, 48, 96}}, {"share", {64, 32, 128}}, {NULL}};

static void choose_wgrad(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    int width = rf_family_vector(RF_TILE, info);
    config->value[ROWS] = fitting_rows(width == 16 ? 8 : width == 8 ? 6 : 4, rf_conv_of(problem).c);
    config->value[PANELS] = width == 16 ? 2 : 1;
    config->value[BLOCK] = choose_block(problem);
    config->value[SHARE] = 64;
}

/* The workspace, in floats: partial sums, partial biases, the items' scratch. */
typedef struct wgrad_partition {
    int block, share, pitch, span;
    size_t items, parts, bias_at, at, scratch, floats;
} wgrad_partition;

static wgrad_partition partition_wgrad(const rf_conv *v, const side *s, const rf_config *config,
                                       const rf_device_info *info) {
    const size_t wanted = 2 * (size_t)RF_MAX(info->compute_units, 1); /* more of them have more to reduce */
    wgrad_partition f = {.block = block_of(s->tiles, scaled_block(s, config), 1)};
    size_t outputs = RF_PANEL * (size_t)config->value[PANELS], rows = rows_of(config, v->k);
    size_t shares = rf_ceil_div(v->c, config->value[SHARE]), spans = rf_ceil_div(v->k, config->value[SHARE]);
    f.share = (int)rf_ceil_div(v->c, shares);
    if (shares > 1) f.share = (int)rf_round_up(f.share, rows);
    f.pitch = (int)rf_round_up(f.share, rows);
    f.span = (int)rf_ceil_div(rf_ceil_div(v->k, spans), outputs);
    size_t tasks = rf_ceil_div(v->c, f.share) * rf_ceil_div(v->k, f.span * outputs);
    size_t task = f.span * outputs * s->points * f.pitch, biases = v->bias ? rf_round_up(v->k, RF_PANEL) : 0;
    f.items = RF_MIN(tasks, wanted);
    f.parts = RF_MIN(rf_ceil_div(wanted, tasks), rf_ceil_div(s->tiles, f.block));
    f.bias_at = f.parts > 1 ? f.parts * tasks * task : 0;
    f.at = f.bias_at + f.parts * biases;
    f.scratch = s->points * (step_of((size_t)f.block * f.pitch) + f.span * step_of(f.block * outputs) +
                             f.share + RF_MAX(f.share, RF_PANEL));
    if (f.parts == 1) f.scratch += task;
    f.floats = f.at + f.items * f.parts * f.scratch;
    return f;
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    char options[RF_OPTIONS];
    rf_conv v = rf_conv_of(problem);
    side s = side_in(problem, &v, RF_BACKWARD_PARAMS);
    wgrad_partition f = partition_wgrad(&v, &s, config, info);
    options_of(options, problem, &s, config, info, "");
    rf_buffer *grad_bias = v.bias ? t->grad[1] : NULL;
    rf_launch_desc wgrad = {
        .program = "winograd_wgrad",
        .kernel = "wgrad",
        .options = options,
        .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL), RF_BUF(argmax_of(problem, t)),
                 RF_BUF(t->work), RF_BUF(t->grad[0]), RF_BUF(grad_bias), RF_I32(f.bias_at), RF_I32(f.at),
                 RF_I32(f.scratch), GEOMETRY(v, s), RF_I32(f.block), RF_I32(f.share), RF_I32(f.pitch),
                 RF_I32(f.span), RF_I32(v.act), RF_BUF(t->norm)},
        .global = {f.items, f.parts},
        .flops = rf_conv_flops(problem),
        .bytes = rf_conv_gradient_bytes(problem),
    };
    RF_TRY(rf_emit(sequence, &wgrad));
    if (f.parts == 1) return RF_OK;
    size_t tasks = rf_ceil_div(v.k, RF_PANEL) * v.c;
    rf_launch_desc reduce_parts = {
        .program = "winograd_wgrad",
        .kernel = "reduce_parts",
        .options = options,
        .args = {RF_BUF(t->work), RF_BUF(t->grad[0]), RF_BUF(grad_bias), RF_I32(f.bias_at), RF_I32(f.parts),
                 RF_I32(v.c), RF_I32(v.k), RF_I32(f.share), RF_I32(f.pitch), RF_I32(f.span)},
        .bytes = 4.0 * tasks * RF_PANEL * ((double)f.parts * s.points + v.r * v.s)};
    rf_family_spread(&reduce_parts, RF_TILE, info, tasks, RF_PANEL * s.points * f.parts);
    return rf_emit(sequence, &reduce_parts);
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    side s = side_in(problem, &v, RF_BACKWARD_PARAMS);
    return partition_wgrad(&v, &s, config, info).floats * sizeof(float);
}

/* ---- the solvers ---- */

#define SOLVER(direction_, ...)                                                                              \
    {                                                                                                        \
        .name = "winograd_tile", .direction = direction_, .devices = RF_DEVICE_CPU, .rank = 20,              \
        .applicable = applicable, .preferred = preferred, .native_vectors = direction_ != RF_FORWARD,        \
        __VA_ARGS__                                                                                          \
    }
#define SOLVERS(...)                                                                                         \
    {                                                                                                        \
        SOLVER(RF_FORWARD, .takes_norm = true, .tunables = gather_tunables, .choose = choose_forward,        \
               .workspace = forward_work, .prepare = forward, __VA_ARGS__),                                  \
            SOLVER(RF_BACKWARD_PARAMS, .takes_norm = true, .tunables = wgrad_tunables,                       \
                   .choose = choose_wgrad, .workspace = backward_params_work, .prepare = backward_params),   \
            SOLVER(RF_BACKWARD_DATA, .tunables = gather_tunables, .choose = choose_backward_data,            \
                   .workspace = backward_data_work, .prepare = backward_data, __VA_ARGS__),                  \
    }
const rf_solver rf_winograd_tile[RF_DIRECTIONS] = SOLVERS(.sums = sums);
const rf_solver rf_winograd_pool_tile[RF_DIRECTIONS] = SOLVERS(.sums = NULL);
