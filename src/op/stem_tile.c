/* Convolution of few input channels on CPUs, a network's first: kernels/stem_tile.cl.  Its gradient of x is
 * left to conv_tile. */
#include "op/conv.h"

#include <math.h>

enum {
    MOST_CHANNELS = 4,
    MOST_TAPS = 256, /* all unrolled */
    ROOM = 4096,     /* floats of a band */
    BLOCK = 256,     /* places of dy in a band */
    ITEMS_PER_UNIT = 4,
};

static int vector(const rf_device_info *info) {
    return rf_family_vector(RF_TILE, info);
}

/* Sums that the registers hold beside what is multiplied. */
static int registers(const rf_device_info *info) {
    return vector(info) == 16 ? 24 : 12;
}

/* Floats of x that `rows` rows of `places` outputs read. */
static double band_floats(const rf_conv *v, int rows, int places) {
    return ((rows - 1.0) * v->stride.y + (v->r - 1.0) * v->dilation.y + 1) *
           ((places - 1.0) * v->stride.x + (v->s - 1.0) * v->dilation.x + 1) * v->c;
}

/* Rows of a band: as many as there is room for, but enough bands for the cores. */
static int rows_of(const rf_conv *v, int places, int block, const rf_device_info *info) {
    int wanted = ITEMS_PER_UNIT * RF_MAX(info->compute_units, 1);
    int rows = RF_MAX(1, RF_MIN(v->oh, (int)((long long)v->n * v->oh / wanted)));
    while (rows > 1 && (band_floats(v, rows, places) > ROOM || rows * places > block)) rows--;
    rows = (int)rf_ceil_div(v->oh, rf_ceil_div(v->oh, rows));
    return band_floats(v, rows, places) <= ROOM && rows * places <= block ? rows : 0;
}

static bool suits(const rf_conv *v) {
    return v->groups == 1 && v->c <= MOST_CHANNELS && v->r * v->s * v->c <= MOST_TAPS;
}

static size_t bands_of(const rf_conv *v, int rows) {
    return (size_t)v->n * rf_ceil_div(v->oh, rows);
}

/* Work-items for `bands` bands of `rounds` rounds of loops each. */
static size_t items_for(size_t bands, double rounds, const rf_device_info *info) {
    double wanted = ITEMS_PER_UNIT * RF_MAX(info->compute_units, 1);
    return (size_t)RF_MIN((double)bands,
                          RF_MAX(wanted, ceil((double)bands * rounds / rf_family_rounds(info))));
}

#define GEOMETRY(v, rows)                                                                                    \
    RF_I32((v).n), RF_I32((v).h), RF_I32((v).w), RF_I32((v).oh), RF_I32((v).ow), RF_I32((v).k),              \
        RF_I32((v).stride.y), RF_I32((v).dilation.y), RF_PAIR_ARG((v).pad), RF_I32(rows)
#define OPTIONS       "-DC=%d -DR=%d -DS=%d -DSX=%d -DDX=%d -DACT=%d -DROOM=%d "
#define OPTIONS_OF(v) (v).c, (v).r, (v).s, (v).stride.x, (v).dilation.x, (int)(v).act, ROOM

/* ---- forward ---- */

/* A tile: `sums` vectors of outputs by `pixels` pixels. */
typedef struct forward_cut {
    int sums, pixels, rows;
    size_t items;
} forward_cut;

static const rf_tunable forward_tunables[] = {{"pixels", {6, 4, 5, 3, 8, 12}}, {NULL}};

static int sums_of(const rf_conv *v, const rf_device_info *info) {
    int vectors = (int)rf_ceil_div(v->k, vector(info)), most = RF_MAX(registers(info) / 4, 16 / vector(info));
    return (int)rf_ceil_div(vectors, rf_ceil_div(vectors, most));
}

/* The tile that takes fewest products for a row of y, those past its end included. */
static void choose_forward(rf_config *config, const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    int sums = sums_of(&v, info);
    double best = HUGE_VAL;
    for (const int *pixels = forward_tunables[0].values; *pixels; pixels++) {
        double cost = (double)rf_ceil_div(v.ow, *pixels) * (RF_MAX(*pixels * sums, 8) + 1);
        if (*pixels * sums > registers(info) || cost >= best) continue;
        best = cost;
        config->value[0] = *pixels;
    }
}

static forward_cut cut_forward(const rf_conv *v, const rf_config *config, const rf_device_info *info) {
    forward_cut c = {.sums = sums_of(v, info), .pixels = config->value[0]};
    c.rows = rows_of(v, RF_MAX(v->ow, c.pixels), INT32_MAX, info);
    if (c.rows == 0) return c;
    double tiles = (double)c.rows * rf_ceil_div(v->ow, c.pixels) * rf_ceil_div(v->k, c.sums * vector(info));
    double rounds = band_floats(v, c.rows, v->ow) + tiles * (2.0 + v->r * (v->s + 1));
    if (rounds <= rf_family_rounds(info) / 2) c.items = items_for(bands_of(v, c.rows), rounds * 2, info);
    return c;
}

static bool applicable_forward(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    rf_config config = {{6}};
    if (!suits(&v) || !rf_indexable(problem, info)) return false;
    config.value[0] = 12; /* the longest row */
    return cut_forward(&v, &config, info).items > 0;
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    char options[128];
    rf_conv v = rf_conv_of(problem);
    forward_cut c = cut_forward(&v, config, info);
    rf_launch_desc desc = {
        .program = "stem_tile",
        .kernel = "forward",
        .options = rf_family_options(options, RF_TILE, info, OPTIONS "-DSUMS=%d -DPIXELS=%d", OPTIONS_OF(v),
                                     c.sums, c.pixels),
        .args = {RF_BUF(t->x[0]), RF_BUF(t->param[0]), RF_BUF(v.bias ? t->param[1] : NULL), RF_BUF(t->y),
                 GEOMETRY(v, c.rows)},
        .global = {c.items},
        .flops = rf_conv_flops(problem),
        .bytes = 4.0 * (rf_shape_count(problem->x[0]) + rf_shape_count(problem->y)),
    };
    return rf_emit(sequence, &desc);
}

/* ---- the gradients of weights and bias ---- */

/* rows x columns taps of the kernel in registers, over `places` outputs at a time. */
typedef struct filter_cut {
    int taps_y, taps_x, places, rows;
    rf_partials partials;
} filter_cut;

static filter_cut cut_filter(const rf_conv *v, const rf_device_info *info) {
    filter_cut c = {.partials = {.size = rf_round_up((size_t)v->k, RF_PANEL) * v->c * v->r * v->s,
                                 .biases = v->bias ? rf_round_up((size_t)v->k, RF_PANEL) : 0}};
    int most = registers(info), row = v->s * v->c;
    c.taps_y = row <= most ? (int)rf_ceil_div(v->r, rf_ceil_div(v->r, most / row)) : 1;
    c.taps_x = row <= most ? v->s : (int)rf_ceil_div(v->s, rf_ceil_div(v->s, most / v->c));
    c.places = RF_MIN(RF_MAX((most == 12 ? 13 : 28) - c.taps_y * c.taps_x * v->c, 2), 4);
    int places = (int)rf_round_up((size_t)v->ow, (size_t)c.places);
    c.rows = rows_of(v, places, BLOCK, info);
    if (c.rows == 0) return c;
    double panels = (double)rf_ceil_div(v->k, RF_PANEL),
           tiles = rf_ceil_div(v->r * row, c.taps_y * c.taps_x * v->c);
    double band = (double)c.rows * places;
    double rounds = band_floats(v, c.rows, places) +
                    panels * (band + 4 * (tiles + 1) * (band / c.places + c.rows + v->r * row));
    if (rounds <= rf_family_rounds(info) / 2)
        c.partials.parts = (int)items_for(bands_of(v, c.rows), rounds * 2, info);
    return c;
}

static bool applicable_params(const rf_problem *problem, const rf_device_info *info) {
    rf_conv v = rf_conv_of(problem);
    return suits(&v) && rf_indexable(problem, info) && cut_filter(&v, info).partials.parts > 0;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_partials p = cut_filter(&v, info).partials;
    return p.parts > 1 ? (p.size + p.biases) * p.parts * sizeof(float) : 0;
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    (void)config;
    char options[128];
    rf_conv v = rf_conv_of(problem);
    filter_cut c = cut_filter(&v, info);
    rf_partials p = c.partials;
    bool whole = p.parts == 1;
    rf_launch_desc desc = {
        .program = "stem_tile",
        .kernel = "filter",
        .options =
            rf_family_options(options, RF_TILE, info, OPTIONS "-DROWS=%d -DCOLS=%d -DPLACES=%d -DBLOCK=%d",
                              OPTIONS_OF(v), c.taps_y, c.taps_x, c.places, BLOCK),
        .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(v.act ? t->y : NULL),
                 RF_BUF(whole ? t->grad[0] : t->work),
                 RF_BUF(!v.bias ? NULL
                        : whole ? t->grad[1]
                                : t->work),
                 RF_I32(0), RF_I32(whole ? 0 : p.size), RF_I32(p.size + p.biases), GEOMETRY(v, c.rows)},
        .global = {(size_t)p.parts},
        .flops = rf_conv_flops(problem),
        .bytes = 4.0 * (rf_shape_count(problem->x[0]) + (double)rf_shape_count(problem->y) * (v.act ? 2 : 1)),
    };
    RF_TRY(rf_emit(sequence, &desc));
    return whole ? RF_OK : rf_emit_reduce(sequence, info, RF_TILE, &v, t, &p);
}

/* ---- the solvers ---- */

const rf_solver rf_stem_tile[2] = {
    {.name = "stem_tile",
     .direction = RF_FORWARD,
     .devices = RF_DEVICE_CPU,
     .rank = 20,
     .applicable = applicable_forward,
     .tunables = forward_tunables,
     .choose = choose_forward,
     .prepare = forward},
    {.name = "stem_tile",
     .direction = RF_BACKWARD_PARAMS,
     .devices = RF_DEVICE_CPU,
     .rank = 20,
     .applicable = applicable_params,
     .workspace = backward_params_work,
     .prepare = backward_params},
};
