/* 1x1 convolutions without padding on CPUs, forward and backward data: kernels/conv/pointwise_tile.cl. */
#include "op/conv/conv.h"

#include <math.h>

#include "op/bn_sums.h"

/* Rows that are read through a batch norm are computed into OWN_FLOATS; 12 rows of so many channels fit. */
enum { MOST_NORMED = 2048, OWN_FLOATS = 12 * MOST_NORMED };

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    return (!problem->normed || v.c <= MOST_NORMED) && v.groups == 1 && v.r * v.s == 1 && !v.pad.y &&
           !v.pad.x && rf_indexable(problem, info) && rf_family_rounds(info) == HUGE_VAL;
}

static bool strided(const rf_conv *v) {
    return v->stride.y * v->stride.x > 1;
}

/* Of the kernels: -DSTRIDED. */
enum { READ = 1, WRITTEN };

static size_t vector(const rf_device_info *info) {
    return (size_t)rf_family_vector(RF_TILE, info);
}

static bool whole_vectors(int outputs, const rf_device_info *info) {
    return (size_t)outputs % vector(info) == 0;
}

enum { LINES, WIDTH, PACKING };

/* ---- forward and backward data ---- */

enum { AS_IT_IS = 1, PACKED };
static const rf_tunable gather_tunables[] = {
    {"pixels", {6, 4, 8, 12, 3}}, {"width", {2, 3, 1}}, {"packing", {AS_IT_IS, PACKED}}, {NULL}};

typedef struct gather {
    rf_buffer *x, *w, *bias, *residual, *y;
    size_t x_at;
    int c, k, act, accumulate;
} gather;

/* A core's caches, in floats, less a part for streams.  Where other maps are read beside y, a block has LEAST_BLOCK tiles, so that
 * the weights are read once for all of them, although the maps are then not walked in order. */
enum { FIRST_CACHE = 5 * 1024, SECOND_CACHE = 32 * 1024, LEAST_BLOCK = 3 };

/* Ranges of rows, each of `share` tiles, by ranges of outputs. */
typedef struct row_partition {
    int share;
    size_t rows, outputs;
} row_partition;

static row_partition partition_of(int rows, int k, const rf_config *config, const rf_device_info *info) {
    const double wanted = 8.0 * info->compute_units, tiles = ceil((double)rows / config->value[LINES]);
    const double all = ceil((double)rf_ceil_div((size_t)k, vector(info)) / config->value[WIDTH]);
    /* Each range of rows reads the weights again, each range of outputs x. */
    double blocks = RF_MIN(tiles, RF_MAX(1, floor(sqrt(wanted * rows / k))));
    double groups = RF_MIN(all, ceil(wanted / blocks));
    blocks = RF_MIN(tiles, RF_MAX(blocks, ceil(wanted / groups)));
    const int share = (int)ceil(tiles / blocks);
    return (row_partition){share, (size_t)ceil(tiles / share), (size_t)groups};
}

/* What packing costs is paid back where many rows make a tile, and many outputs read it. */
enum { MOST_PACKED = 40 * 1024, MANY_ROWS = 8, MANY_OUTPUTS = 128 };

static void choose_gather(rf_config *config, const rf_conv *v, int outputs, const rf_device_info *info) {
    rf_family_accumulators(&config->value[LINES], &config->value[WIDTH], outputs, info);
    const row_partition partition = partition_of(v->n * v->oh * v->ow, outputs, config, info);
    const bool pays = config->value[LINES] >= MANY_ROWS && outputs >= MANY_OUTPUTS * (int)partition.outputs;
    config->value[PACKING] = pays ? PACKED : AS_IT_IS;
}

static void choose_forward(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    const rf_conv v = rf_conv_of(problem);
    choose_gather(config, &v, v.k, info);
}

static void choose_data(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    const rf_conv v = rf_conv_of(problem);
    choose_gather(config, &v, v.c, info);
}

/* A block's rows of x stay in a core's cache for all its outputs; and those of y, where other maps are read beside it, so that
 * all of them are walked nearly in order. */
static rf_status emit_gather(rf_sequence *sequence, const gather *g, const rf_config *config,
                             const rf_device_info *info, const rf_problem *problem, rf_direction direction,
                             const rf_tensors *t) {
    char options[RF_OPTIONS], norm[24], bn_sums[40];
    const int pixels = config->value[LINES], width = config->value[WIDTH];
    const int vectors = (int)rf_ceil_div((size_t)g->k, vector(info));
    const double w_floats = (double)g->c * g->k;
    const rf_conv v = rf_conv_of(problem);
    const int rows = v.n * v.oh * v.ow;
    const double touched = g->accumulate || g->residual != NULL ? 2.0 * rows
                           : direction == RF_FORWARD            ? rows
                                                                : (double)v.n * v.h * v.w;
    const row_partition partition = partition_of(rows, g->k, config, info);
    const bool packed = config->value[PACKING] == PACKED && (double)g->c * pixels <= MOST_PACKED;
    const int read = g->accumulate + (t->sums[RF_BN_SUMS_X] != NULL) + (t->sums[RF_BN_SUMS_Y] != NULL);
    const double row = g->c + (read > 0 ? (read + 1.0) * g->k : 0);
    const int most = packed ? MOST_PACKED / (g->c * pixels) : rows;
    int block = w_floats <= FIRST_CACHE
                    ? 1
                    : (int)RF_MAX(SECOND_CACHE / (row * pixels), read > 0 ? RF_MIN(LEAST_BLOCK, most) : 1);
    if (problem->normed)
        block = RF_MIN(block, OWN_FLOATS / (pixels * (int)rf_round_up((size_t)g->c, vector(info))));
    rf_launch_desc desc = {
        .program = "pointwise_tile",
        .kernel = "gather",
        .options = rf_family_options(
            options, RF_TILE, info,
            "-DPACKED=%d -DPIXELS=%d -DWIDTH=%d -DREST=%d -DWHOLE=%d -DSTRIDED=%d "
            "-DOWN_FLOATS=%d%s%s",
            packed ? MOST_PACKED : 0, pixels, width, vectors % width, whole_vectors(g->k, info),
            !strided(&v)              ? 0
            : direction == RF_FORWARD ? READ
                                      : WRITTEN,
            OWN_FLOATS, rf_norm_option(norm, problem), rf_bn_sums_option(bn_sums, problem, direction)),
        .args = {RF_BUF(g->x), RF_BUF(g->w), RF_BUF(g->bias), RF_BUF(g->residual), RF_BUF(g->y),
                 RF_I32(g->x_at), RF_I32(0), RF_I32(rows), RF_I32(v.h), RF_I32(v.w), RF_PAIR_ARG(v.stride),
                 RF_I32(g->c), RF_I32(g->k), RF_I32(g->act), RF_I32(g->accumulate), RF_I32(partition.share),
                 RF_I32(block), RF_BUF(t->norm)},
        .global = {partition.rows, partition.outputs},
        .flops = 2.0 * rows * g->c * g->k,
        .bytes = 4.0 * ((double)rows * g->c + touched * g->k + w_floats)};
    rf_bn_sums_args(&desc, t, problem->sums.act, rf_shape_count(problem->x[0]));
    return rf_emit(sequence, &desc);
}

static int sums(const rf_problem *problem, rf_direction direction, const rf_device_info *info,
                const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    if (direction == RF_BACKWARD_DATA && strided(&v)) return 0;
    return (int)partition_of(v.n * v.oh * v.ow, direction == RF_FORWARD ? v.k : v.c, config, info).rows;
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    gather g = {.x = t->x[0],
                .w = t->param[0],
                .bias = v.bias ? t->param[1] : NULL,
                .residual = problem->inputs > 1 ? t->x[1] : NULL,
                .y = t->y,
                .c = v.c,
                .k = v.k,
                .act = v.act};
    return emit_gather(sequence, &g, config, info, problem, RF_FORWARD, t);
}

/* Work: the transposed weights, then dy before a fused activation. */
static size_t transposed_floats(const rf_conv *v) {
    return rf_round_up((size_t)v->c, RF_PANEL) * (size_t)v->k;
}

static size_t backward_data_work(const rf_problem *problem, const rf_device_info *info,
                                 const rf_config *config) {
    (void)info, (void)config;
    rf_conv v = rf_conv_of(problem);
    return (transposed_floats(&v) + rf_masked_floats(&v)) * sizeof(float);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    rf_conv v = rf_conv_of(problem);
    if (!problem->need_dx[0]) return RF_OK;
    RF_TRY(rf_emit_transpose(sequence, info, &v, t->param[0], t->work));
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, transposed_floats(&v)));
    gather g = {.x = v.act ? t->work : t->dy,
                .x_at = v.act ? transposed_floats(&v) : 0,
                .w = t->work,
                .y = t->dx[0],
                .c = v.k,
                .k = v.c,
                .accumulate = problem->accumulate[0]};
    return emit_gather(sequence, &g, config, info, problem, RF_BACKWARD_DATA, t);
}

/* ---- the solvers ---- */

#define SOLVER(direction_, ...)                                                                              \
    {                                                                                                        \
        .name = "pointwise_tile", .direction = direction_, .devices = RF_DEVICE_CPU, .rank = 20,             \
        .applicable = applicable, .native_vectors = true, __VA_ARGS__                                        \
    }
const rf_solver rf_pointwise_tile[] = {
    SOLVER(RF_FORWARD, .takes_residual = true, .takes_norm = true, .tunables = gather_tunables,
           .choose = choose_forward, .sums = sums, .prepare = forward),
    SOLVER(RF_BACKWARD_DATA, .tunables = gather_tunables, .choose = choose_data,
           .workspace = backward_data_work, .sums = sums, .prepare = backward_data),
};
