/* The gradients of conv_pool on CPUs, by the products of the windows' argmax positions alone:
 * kernels/conv/pooled_tile.cl.  Here: the partition of maps into bands and of weights into runs. */
#include <math.h>
#include <stdio.h>

#include "op/conv/conv.h"
#include "op/conv/winograd.h"

enum {
    ROOM = 6144,      /* floats of the bands, and of a block's weights: what fits the L1 cache */
    WINDOWS = 64,     /* of a band, at most */
    AT_ONCE = 32,     /* windows of several bands, or of some rows of data */
    LISTED = 1 << 16, /* gradients in the lists of these */
    CACHED = 1 << 18, /* floats */
    ITEMS_PER_UNIT = 2,
    SUMMED = 1 << 21, /* floats of all parts' sums */
};

/* Runs of S x C floats in vectors: as many in registers as leave two for the factors. */
typedef struct runs {
    int vectors; /* of a chunk */
    size_t chunk, floats;
} runs;

static runs runs_of(const rf_conv *v, const rf_device_info *info) {
    int width = rf_family_vector(RF_TILE, info), most = width == 16 ? 28 : 13;
    size_t all = rf_ceil_div((size_t)v->s * v->c, width), chunks = rf_ceil_div(all, most);
    runs r = {.vectors = (int)rf_ceil_div(all, chunks)};
    r.chunk = (size_t)r.vectors * width;
    r.floats = v->r * chunks * r.chunk * v->k;
    return r;
}

/* Floats of the rows of x that `rows` rows of outputs read. */
static size_t band_floats(const rf_conv *v, int rows) {
    return ((rows - 1) * (size_t)v->stride.y + (v->r - 1) * (size_t)v->dilation.y + 1) *
           ((v->ow - 1) * (size_t)v->stride.x + v->s) * v->c;
}

/* Rows of outputs at a time, 0 where not even a pair fits, and windows of them. */
static int rows_of(const rf_conv *v, int windows, size_t room) {
    int rows = RF_MIN(v->oh, windows / (v->ow / 2) * 2);
    while (rows > 0 && band_floats(v, rows) > room) rows -= 2;
    return rows > 0 ? 2 * (int)rf_ceil_div(v->oh / 2, rf_ceil_div(v->oh, rows)) : 0;
}

static int windows_of(const rf_conv *v, int rows) {
    return rows / 2 * (v->ow / 2);
}

static bool is_supported(const rf_conv *v, const rf_problem *problem, const rf_device_info *info) {
    return v->groups == 1 && v->dilation.x == 1 && info->kind == RF_DEVICE_CPU &&
           rf_indexable(problem, info) && rf_family_rounds(info) == HUGE_VAL;
}

/* Whether it is likely faster (measured on AVX2 and AVX-512): it takes a quarter of the direct form's products, each of
 * which costs 1.75 of Winograd's, in backward data 2; an activation drops some third of them. A part's sums should fit
 * a cache. */
static bool preferred(const rf_problem *problem, rf_direction direction, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    double weight = (direction == RF_BACKWARD_DATA ? 2 : 1.75) / (v.act ? 1.4 : 1);
    double products = rf_conv_flops(problem) / (2.0 * v.c * v.k) / 4 * weight;
    return v.n >= info->compute_units && runs_of(&v, info).floats <= CACHED &&
           products < rf_winograd_products(problem, direction);
}

static const char *options_of(char options[RF_OPTIONS], const rf_conv *v, const runs *r,
                              const rf_device_info *info, const char *more) {
    return rf_family_options(options, RF_TILE, info,
                             "-DC=%d -DK=%d -DR=%d -DS=%d -DSX=%d -DDX=1 -DACT=%d -DACCUMULATORS=%d %s", v->c,
                             v->k, v->r, v->s, v->stride.x, (int)v->act, r->vectors, more);
}

#define GEOMETRY(v)                                                                                          \
    RF_I32((v).n), RF_I32((v).h), RF_I32((v).w), RF_I32((v).oh), RF_I32((v).ow), RF_I32((v).stride.y),       \
        RF_I32((v).dilation.y), RF_PAIR_ARG((v).pad)

/* Tasks of `weights` and `reduce_parts`, and what they move. */
static rf_status emit_runs(rf_sequence *sequence, const rf_conv *v, const runs *r, const rf_device_info *info,
                           rf_launch_desc *desc, int parts) {
    size_t tasks =
        rf_ceil_div(v->k, RF_PANEL) * v->r * rf_ceil_div((size_t)v->s * v->c, r->chunk) * r->vectors;
    desc->program = "pooled_tile";
    desc->bytes = 4.0 * r->floats * (parts + 1);
    rf_family_spread(desc, RF_TILE, info, tasks, r->floats * (parts + 1) / tasks);
    return rf_emit(sequence, desc);
}

/* ---- the gradients of weights and bias ---- */

typedef struct wgrad_partition {
    runs runs;
    int rows, together;         /* of outputs in a band; bands at a time */
    size_t parts, part, ranges; /* of the workspace, and floats of each; of the outputs */
} wgrad_partition;

static wgrad_partition partition_wgrad(const rf_conv *v, const rf_device_info *info) {
    wgrad_partition f = {.runs = runs_of(v, info), .rows = rows_of(v, WINDOWS, ROOM)};
    if (f.rows == 0) return f;
    size_t bands = v->n * rf_ceil_div(v->oh, f.rows),
           wanted = ITEMS_PER_UNIT * (size_t)RF_MAX(info->compute_units, 1),
           vectors = rf_ceil_div(v->k, rf_family_vector(RF_TILE, info));
    size_t together = RF_MIN((size_t)AT_ONCE / windows_of(v, f.rows), ROOM / band_floats(v, f.rows));
    f.together = (int)RF_MAX(RF_MIN(together, bands / wanted), 1);
    f.part = f.runs.floats + rf_round_up(v->k, rf_family_vector(RF_TILE, info));
    f.parts = RF_MIN(RF_MIN(wanted, rf_ceil_div(bands, f.together)), RF_MAX(SUMMED / f.part, 1));
    f.ranges = RF_MIN(rf_ceil_div(wanted, f.parts), vectors);
    return f;
}

static bool applicable_params(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    return is_supported(&v, problem, info) && v.k * WINDOWS <= LISTED && rows_of(&v, WINDOWS, ROOM) > 0;
}

static size_t params_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    wgrad_partition f = partition_wgrad(&v, info);
    return f.parts * f.part * sizeof(float);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    (void)config;
    char options[RF_OPTIONS], more[64];
    rf_conv v = rf_conv_of(problem);
    wgrad_partition f = partition_wgrad(&v, info);
    snprintf(more, sizeof more, "-DROOM=%zu -DWINDOWS=%zu", f.together * band_floats(&v, f.rows),
             rf_round_up((size_t)f.together * windows_of(&v, f.rows), 4));
    rf_launch_desc wgrad = {
        .program = "pooled_tile",
        .kernel = "wgrad",
        .options = options_of(options, &v, &f.runs, info, more),
        .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL), RF_BUF(t->saved),
                 RF_BUF(t->work), GEOMETRY(v), RF_I32(f.rows), RF_I32(f.together)},
        .global = {f.parts, f.ranges},
        .flops = rf_conv_flops(problem),
        .bytes = rf_conv_gradient_bytes(problem),
    };
    RF_TRY(rf_emit(sequence, &wgrad));
    rf_launch_desc reduce_parts = {
        .kernel = "reduce_parts",
        .options = options,
        .args = {RF_BUF(t->work), RF_BUF(t->grad[0]), RF_BUF(v.bias ? t->grad[1] : NULL), RF_I32(f.parts)}};
    return emit_runs(sequence, &v, &f.runs, info, &reduce_parts, (int)f.parts);
}

/* ---- backward data ---- */

/* The workspace: weights as runs, then each item's map. */
typedef struct data_partition {
    runs runs;
    int rows, depth; /* of outputs at a time; outputs whose weights stay in the L1 cache */
    size_t items, map;
} data_partition;

static data_partition partition_data(const rf_conv *v, const rf_device_info *info) {
    const runs r = runs_of(v, info);
    size_t width = (size_t)rf_family_vector(RF_TILE, info),
           most = RF_MAX(ROOM / r.chunk / width * width, width);
    data_partition d = {.runs = r, .rows = rows_of(v, RF_MAX(AT_ONCE, v->ow / 2), SIZE_MAX)};
    d.depth = (int)rf_round_up(rf_ceil_div(v->k, rf_ceil_div(v->k, most)), width);
    d.items = RF_MIN((size_t)v->n, ITEMS_PER_UNIT * (size_t)RF_MAX(info->compute_units, 1));
    d.map = rf_round_up(band_floats(v, v->oh) + r.chunk, RF_PANEL);
    return d;
}

/* Gradients in the lists: all could have the same argmax. */
static size_t listed(const rf_conv *v, const data_partition *d) {
    return (size_t)windows_of(v, d->rows) * rf_ceil_div(v->k, d->depth) * d->depth * 4;
}

static bool applicable_data(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    data_partition d = partition_data(&v, info);
    return is_supported(&v, problem, info) && listed(&v, &d) <= LISTED;
}

static size_t data_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    data_partition d = partition_data(&v, info);
    return (d.runs.floats + d.items * d.map) * sizeof(float);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    (void)config;
    char options[RF_OPTIONS], more[64];
    rf_conv v = rf_conv_of(problem);
    data_partition d = partition_data(&v, info);
    if (!problem->need_dx[0]) return RF_OK;
    snprintf(more, sizeof more, "-DROOM=1 -DWINDOWS=%d -DDEPTH=%d", windows_of(&v, d.rows), d.depth);
    rf_launch_desc weights = {.kernel = "weights",
                              .options = options_of(options, &v, &d.runs, info, more),
                              .args = {RF_BUF(t->param[0]), RF_BUF(t->work)}};
    RF_TRY(emit_runs(sequence, &v, &d.runs, info, &weights, 1));
    rf_launch_desc desc = {
        .program = "pooled_tile",
        .kernel = "data",
        .options = options,
        .args = {RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL), RF_BUF(t->saved), RF_BUF(t->work),
                 RF_BUF(t->dx[0]), RF_I32(d.map), GEOMETRY(v), RF_I32(d.rows),
                 RF_I32(problem->accumulate[0])},
        .global = {d.items},
        .flops = rf_conv_flops(problem),
        .bytes = rf_conv_gradient_bytes(problem),
    };
    return rf_emit(sequence, &desc);
}

/* ---- the solvers ---- */

#define SOLVER(direction_, applicable_, workspace_, prepare_)                                                \
    {                                                                                                        \
        .name = "pooled_tile", .direction = direction_, .devices = RF_DEVICE_CPU, .rank = 20,                \
        .applicable = applicable_, .preferred = preferred, .workspace = workspace_, .prepare = prepare_      \
    }
const rf_solver rf_pooled_tile[2] = {
    SOLVER(RF_BACKWARD_PARAMS, applicable_params, params_work, backward_params),
    SOLVER(RF_BACKWARD_DATA, applicable_data, data_work, backward_data),
};
