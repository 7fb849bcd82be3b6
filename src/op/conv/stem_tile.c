/* Convolution of few input channels on CPUs, a network's first, alone or with the 2x2 max pooling behind it
 * (conv_pool): kernels/conv/stem_tile.cl.  Its gradient of x is left to conv_tile. */
#include "op/conv/conv.h"

#include <math.h>
#include <stdio.h>

enum {
    MOST_CHANNELS = 4,
    MOST_TAPS = 256,
    ROOM = 4096,         /* floats of a band */
    BLOCK = 256,         /* positions of dy in a band */
    SPARSE_BLOCK = 2048, /* floats of dy in a band, and outputs with sums, where only maxima count */
    SPARSE_OUTPUTS = 64,
    ITEMS_PER_UNIT = 4,
};

/* The convolution; with pooling behind, `step` is 2: outputs that become one along each axis; else 1. */
typedef struct stem {
    rf_conv v;
    int step;
} stem;

static stem stem_of(const rf_problem *problem) {
    return (stem){rf_conv_of(problem), problem->op->pools ? 2 : 1};
}

static int vector(const rf_device_info *info) {
    return rf_family_vector(RF_TILE, info);
}

/* Accumulators that fit the registers beside the factors. */
static int registers(const rf_device_info *info) {
    return vector(info) == 16 ? 24 : 12;
}

/* Floats of x that `rows` rows of `positions` outputs read. */
static double band_floats(const rf_conv *v, int rows, int positions) {
    return ((rows - 1.0) * v->stride.y + (v->r - 1.0) * v->dilation.y + 1) *
           ((positions - 1.0) * v->stride.x + (v->s - 1.0) * v->dilation.x + 1) * v->c;
}

static bool fits(const rf_conv *v, int rows, int positions, int block) {
    return band_floats(v, rows, positions) <= ROOM && (double)rows * positions <= block;
}

/* Rows of a band: as many as fit, but enough bands for the cores; 0 where none fits. */
static int rows_of(const stem *s, int positions, int block, const rf_device_info *info) {
    int wanted = ITEMS_PER_UNIT * RF_MAX(info->compute_units, 1), all = s->v.oh / s->step;
    int rows = RF_MAX(1, RF_MIN(all, (int)((long long)s->v.n * all / wanted)));
    while (rows > 1 && !fits(&s->v, rows * s->step, positions, block)) rows--;
    rows = s->step * (int)rf_ceil_div(all, rf_ceil_div(all, rows));
    return fits(&s->v, rows, positions, block) ? rows : 0;
}

static bool is_supported(const stem *s, const rf_problem *problem, const rf_device_info *info) {
    return s->v.groups == 1 && s->v.c <= MOST_CHANNELS && s->v.r * s->v.s * s->v.c <= MOST_TAPS &&
           rf_indexable(problem, info) && rf_family_rounds(info) == HUGE_VAL &&
           (s->step == 1 || info->kind == RF_DEVICE_CPU);
}

static size_t bands_of(const rf_conv *v, int rows) {
    return (size_t)v->n * rf_ceil_div(v->oh, rows);
}

static size_t items_for(size_t bands, const rf_device_info *info) {
    return RF_MIN(bands, ITEMS_PER_UNIT * (size_t)RF_MAX(info->compute_units, 1));
}

static const char *options_of(char options[RF_OPTIONS], const stem *s, const rf_device_info *info,
                              const char *more) {
    const rf_conv *v = &s->v;
    return rf_family_options(
        options, RF_TILE, info, "-DC=%d -DK=%d -DR=%d -DS=%d -DSX=%d -DDX=%d -DACT=%d %s%s", v->c, v->k, v->r,
        v->s, v->stride.x, v->dilation.x, (int)v->act, s->step == 2 ? "-DPOOL " : "", more);
}

#define GEOMETRY(v, rows)                                                                                    \
    RF_I32((v).n), RF_I32((v).h), RF_I32((v).w), RF_I32((v).oh), RF_I32((v).ow), RF_I32((v).stride.y),       \
        RF_I32((v).dilation.y), RF_PAIR_ARG((v).pad), RF_I32(rows)

/* ---- forward ---- */

/* A tile: `sums` vectors of outputs by `pixels` pixels. */
typedef struct forward_partition {
    int sums, pixels, rows;
    size_t items;
} forward_partition;

static const rf_tunable tunables[] = {{"pixels", {6, 4, 5, 3, 8, 12}}, {NULL}};
static const rf_tunable pool_tunables[] = {{"pixels", {4, 8, 12}}, {NULL}}; /* whole windows */

static int sums_of(const stem *s, const rf_device_info *info) {
    int vectors = (int)rf_ceil_div(s->v.k, vector(info)), most = registers(info) / 4;
    if (s->step == 1) most = RF_MAX(most, RF_PANEL / vector(info));
    return (int)rf_ceil_div(vectors, rf_ceil_div(vectors, most));
}

/* The tile with the fewest products for a row of y, including those past its end. */
static void choose_forward(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    stem s = stem_of(problem);
    int sums = sums_of(&s, info);
    double best = HUGE_VAL;
    for (const int *pixels = (s.step == 2 ? pool_tunables : tunables)->values; *pixels; pixels++) {
        double cost = (double)rf_ceil_div(s.v.ow * s.step, *pixels) * (RF_MAX(*pixels * sums, 8) + 1);
        if (*pixels * sums > registers(info) || cost >= best) continue;
        best = cost;
        config->value[0] = *pixels;
    }
}

static forward_partition partition_forward(const stem *s, const rf_config *config,
                                           const rf_device_info *info) {
    const rf_conv *v = &s->v;
    forward_partition c = {.sums = sums_of(s, info), .pixels = config->value[0]};
    c.rows = rows_of(s, RF_MAX(v->ow, c.pixels), INT32_MAX, info);
    if (c.rows > 0) c.items = items_for(bands_of(v, c.rows), info);
    return c;
}

static bool applicable_forward(const rf_problem *problem, const rf_device_info *info) {
    stem s = stem_of(problem);
    rf_config longest = {{12}};
    return is_supported(&s, problem, info) && partition_forward(&s, &longest, info).items > 0;
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    char options[RF_OPTIONS], more[64];
    stem s = stem_of(problem);
    forward_partition c = partition_forward(&s, config, info);
    snprintf(more, sizeof more, "-DROOM=%d -DACCUMULATORS=%d -DPIXELS=%d", ROOM, c.sums, c.pixels);
    rf_launch_desc desc = {
        .program = "stem_tile",
        .kernel = "forward",
        .options = options_of(options, &s, info, more),
        .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(s.v.bias ? t->param[1] : NULL), RF_BUF(t->y),
                 RF_BUF(s.step == 2 ? t->saved : NULL), GEOMETRY(s.v, c.rows)},
        .global = {c.items},
        .flops = problem->op->flops(problem),
        .bytes = 4.0 * (rf_shape_count(problem->x[0]) + rf_shape_count(problem->y)),
    };
    return rf_emit(sequence, &desc);
}

/* ---- the gradients of weights and bias ---- */

/* rows x columns taps of the kernel in registers, over `positions` outputs at a time; or sparse: only the products of
 * the pooling's argmax positions. */
typedef struct wgrad_partition {
    bool sparse;
    int taps_y, taps_x, positions, rows;
    rf_partials partials;
} wgrad_partition;

static int padded(const rf_conv *v, const rf_device_info *info) {
    return (int)rf_round_up((size_t)v->k, (size_t)vector(info));
}

/* Sparse: a window and an output channel cost a vector of products for each row of the kernel, and some for the index;
 * else four positions cost a product of VEC outputs for each tap. */
static bool is_sparse(const stem *s, const rf_device_info *info) {
    const rf_conv *v = &s->v;
    double row = (double)rf_ceil_div(v->s * v->c, vector(info)), sums = v->r * row;
    return s->step == 2 && v->dilation.x == 1 && v->k <= SPARSE_OUTPUTS && sums * 2 <= registers(info) &&
           v->k * (sums + 3) < 4.0 * rf_ceil_div(v->k, vector(info)) * v->r * v->s * v->c;
}

static wgrad_partition partition_wgrad(const stem *s, const rf_device_info *info) {
    const rf_conv *v = &s->v;
    wgrad_partition c = {.partials = {.size = rf_round_up((size_t)v->k, RF_PANEL) * v->c * v->r * v->s,
                                      .biases = v->bias ? rf_round_up((size_t)v->k, RF_PANEL) : 0}};
    int most = registers(info), row = v->s * v->c;
    c.taps_y = row <= most ? (int)rf_ceil_div(v->r, rf_ceil_div(v->r, most / row)) : 1;
    c.taps_x = row <= most ? v->s : (int)rf_ceil_div(v->s, rf_ceil_div(v->s, most / v->c));
    c.positions = RF_MIN(RF_MAX((most == 12 ? 13 : 28) - c.taps_y * c.taps_x * v->c, 2), 4);
    c.sparse = is_sparse(s, info);
    if (c.sparse) c.positions = 1;
    int positions = (int)rf_round_up((size_t)v->ow, (size_t)c.positions);
    int block = c.sparse ? SPARSE_BLOCK * 4 / padded(v, info) : BLOCK;
    c.rows = rows_of(s, positions, block, info);
    if (c.rows > 0) c.partials.parts = (int)items_for(bands_of(v, c.rows), info);
    return c;
}

static bool applicable_params(const rf_problem *problem, const rf_device_info *info) {
    stem s = stem_of(problem);
    return is_supported(&s, problem, info) && partition_wgrad(&s, info).partials.parts > 0;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    (void)config;
    stem s = stem_of(problem);
    rf_partials p = partition_wgrad(&s, info).partials;
    return p.parts > 1 ? (p.size + p.biases) * p.parts * sizeof(float) : 0;
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    (void)config;
    char options[RF_OPTIONS], more[64];
    stem s = stem_of(problem);
    wgrad_partition c = partition_wgrad(&s, info);
    rf_partials p = c.partials;
    bool whole = p.parts == 1;
    rf_buffer *bias = whole ? t->grad[1] : t->work;
    if (c.sparse)
        snprintf(more, sizeof more, "-DSPARSE -DROOM=%d -DBLOCK=%d", ROOM, SPARSE_BLOCK);
    else
        snprintf(more, sizeof more, "-DROOM=%d -DBLOCK=%d -DROWS=%d -DCOLS=%d -DPOSITIONS=%d", ROOM, BLOCK,
                 c.taps_y, c.taps_x, c.positions);
    rf_launch_desc desc = {
        .program = "stem_tile",
        .kernel = "wgrad",
        .options = options_of(options, &s, info, more),
        .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(s.v.act ? t->y : NULL),
                 RF_BUF(s.step == 2 ? t->saved : NULL), RF_BUF(whole ? t->grad[0] : t->work),
                 RF_BUF(s.v.bias ? bias : NULL), RF_I32(0), RF_I32(whole ? 0 : p.size),
                 RF_I32(p.size + p.biases), GEOMETRY(s.v, c.rows)},
        .global = {(size_t)p.parts},
        .flops = problem->op->flops(problem),
        .bytes =
            4.0 * (rf_shape_count(problem->x[0]) + (double)rf_shape_count(problem->y) * (s.v.act ? 2 : 1)),
    };
    RF_TRY(rf_emit(sequence, &desc));
    return whole ? RF_OK : rf_emit_reduce(sequence, info, RF_TILE, &s.v, t, &p);
}

/* ---- the solvers ---- */

#define SOLVERS(name_, tunables_)                                                                            \
    {                                                                                                        \
        {.name = name_,                                                                                      \
         .direction = RF_FORWARD,                                                                            \
         .devices = RF_DEVICE_CPU,                                                                           \
         .rank = 20,                                                                                         \
         .applicable = applicable_forward,                                                                   \
         .native_vectors = true,                                                                             \
         .tunables = tunables_,                                                                              \
         .choose = choose_forward,                                                                           \
         .prepare = forward},                                                                                \
            {.name = name_,                                                                                  \
             .direction = RF_BACKWARD_PARAMS,                                                                \
             .devices = RF_DEVICE_CPU,                                                                       \
             .rank = 20,                                                                                     \
             .applicable = applicable_params,                                                                \
             .native_vectors = true,                                                                         \
             .workspace = backward_params_work,                                                              \
             .prepare = backward_params},                                                                    \
    }
const rf_solver rf_stem_tile[2] = SOLVERS("stem_tile", tunables),
                rf_stem_pool_tile[2] = SOLVERS("stem_pool_tile", pool_tunables);
