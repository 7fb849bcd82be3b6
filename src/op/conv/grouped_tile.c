/* Convolutions in groups on CPUs: kernels/conv/grouped_tile.cl. */
#include <math.h>

#include "op/conv/conv_form.h"

enum {
    LEAST_VECTOR = 4,         /* of the kernels, but for one number */
    BLOCK_FLOATS = 32 * 1024, /* of x */
    LATENCY = 8,              /* multiply-adds that a core begins before the first is done */
};

static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    return rf_conv_of(problem).groups > 1 && rf_indexable(problem, info) &&
           rf_family_rounds(info) == HUGE_VAL;
}

/* The device with the widest vectors that a group's outputs fill, and how many of these are taken at a time. */
static rf_device_info narrowed(const rf_device_info *info, int outputs, int *width) {
    rf_device_info narrow = *info;
    narrow.vector_width = rf_family_vector(RF_TILE, info);
    while (outputs % narrow.vector_width) narrow.vector_width /= 2;
    if (narrow.vector_width < LEAST_VECTOR) narrow.vector_width = 1;
    *width = outputs % (2 * narrow.vector_width) == 0 ? 2 : 1;
    return narrow;
}

/* Of the kernels; `lines` is wgrad's. So many pixels that their accumulators fit the registers, 16 or AVX-512's 32; and of one
 * vector, their addresses. */
static const char *options_of(char options[RF_OPTIONS], const rf_device_info *narrow, int width, int lines) {
    const int pixels = narrow->vector_width == 16 ? 12 : width == 2 ? 6 : 8;
    return rf_family_options(options, RF_TILE, narrow, "-DPIXELS=%d -DWIDTH=%d -DLINES=%d -DUNROLL=%d%s",
                             pixels, width, lines, lines * width < LATENCY ? 2 : 1,
                             narrow->vector_width == 1 ? " -DSCALAR" : "");
}

/* Rows of the output whose inputs stay in a core's cache. */
static int block_of(int width, int channels, int stride) {
    return (int)RF_MAX(1, BLOCK_FLOATS / ((double)width * channels * stride));
}

/* ---- forward and backward data ---- */

typedef struct gather {
    rf_gather at;
    rf_buffer *x, *w, *bias, *zeros, *y;
    size_t x_at;
    int in, out, act, accumulate;
} gather;

static rf_status emit_gather(rf_sequence *sequence, const gather *g, const rf_device_info *info) {
    char options[RF_OPTIONS];
    int width;
    const rf_device_info narrow = narrowed(info, g->out, &width);
    const double positions = (double)g->at.n * g->at.grid_h * g->at.grid_w;
    const double taps = (double)g->at.taps.y * g->at.taps.x;
    const size_t rows = (size_t)g->at.n * g->at.grid_h;
    const rf_launch_desc desc = {
        .program = "grouped_tile",
        .kernel = "gather",
        .options = options_of(options, &narrow, width, 1),
        .args = {RF_BUF(g->x),
                 RF_BUF(g->w),
                 RF_BUF(g->bias),
                 RF_BUF(g->y),
                 RF_I32(g->x_at),
                 RF_I32(g->at.n),
                 RF_I32(g->at.grid_h),
                 RF_I32(g->at.grid_w),
                 RF_I32(g->at.ih),
                 RF_I32(g->at.iw),
                 RF_I32(g->at.c),
                 RF_I32(g->in),
                 RF_PAIR_ARG(g->at.stride),
                 RF_PAIR_ARG(g->at.offset),
                 RF_PAIR_ARG(g->at.step),
                 RF_PAIR_ARG(g->at.taps),
                 RF_I32(g->at.first),
                 RF_PAIR_ARG(g->at.next),
                 RF_I32(g->at.k),
                 RF_I32(g->out),
                 RF_I32(g->at.y_image),
                 RF_I32(g->at.y_row),
                 RF_I32(g->at.y_column),
                 RF_I32(g->at.y_first),
                 RF_I32(g->act),
                 RF_I32(g->accumulate),
                 RF_BUF(g->zeros),
                 RF_I32(block_of(g->at.iw, g->at.c, g->at.stride.y))},
        .global = {RF_MIN(rows, 8 * (size_t)RF_MAX(info->compute_units, 1))},
        .flops = 2 * positions * taps * g->in * g->at.k,
        .bytes = 4 * (positions * g->at.k + (double)g->at.n * g->at.ih * g->at.iw * g->at.c),
    };
    return rf_emit(sequence, &desc);
}

static rf_status forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, const rf_config *config) {
    (void)config;
    const rf_conv v = rf_conv_of(problem);
    rf_buffer *zeros;
    RF_TRY(rf_sequence_zeros(sequence, &zeros, (size_t)(v.c / v.groups)));
    const gather g = {.at = {.n = v.n,
                             .grid_h = v.oh,
                             .grid_w = v.ow,
                             .ih = v.h,
                             .iw = v.w,
                             .c = v.c,
                             .stride = v.stride,
                             .offset = {-v.pad.y, -v.pad.x},
                             .step = v.dilation,
                             .taps = {v.r, v.s},
                             .next = {v.s, 1},
                             .k = v.k,
                             .y_image = v.oh * v.ow * v.k,
                             .y_row = v.ow * v.k,
                             .y_column = v.k},
                      .x = t->x[0],
                      .w = t->param[0],
                      .bias = v.bias ? t->param[1] : NULL,
                      .zeros = zeros,
                      .y = t->y,
                      .in = v.c / v.groups,
                      .out = v.k / v.groups,
                      .act = v.act};
    return emit_gather(sequence, &g, info);
}

/* Work of backward data, in floats: transposed weights, and from here on dy before a fused activation. */
static size_t masked_at(const rf_conv *v) {
    return (size_t)v->r * v->s * (v->k / v->groups) * v->c;
}

static size_t backward_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)info, (void)config;
    const rf_conv v = rf_conv_of(problem);
    return (masked_at(&v) + rf_masked_floats(&v)) * sizeof(float);
}

static rf_status emit_transpose(rf_sequence *sequence, const rf_device_info *info, const rf_conv *v,
                                const rf_tensors *t) {
    char options[RF_OPTIONS];
    int width;
    const rf_device_info narrow = narrowed(info, v->c / v->groups, &width);
    const size_t tasks = (size_t)v->r * v->s * v->groups,
                 numbers = (size_t)(v->k / v->groups) * (v->c / v->groups);
    rf_launch_desc desc = {.program = "grouped_tile",
                           .kernel = "transpose",
                           .options = options_of(options, &narrow, width, 1),
                           .args = {RF_BUF(t->param[0]), RF_BUF(t->work), RF_I32(v->r * v->s), RF_I32(v->c),
                                    RF_I32(v->c / v->groups), RF_I32(v->k), RF_I32(v->k / v->groups)},
                           .bytes = 8.0 * tasks * numbers};
    rf_family_spread(&desc, RF_TILE, info, tasks, 2 * numbers);
    return rf_emit(sequence, &desc);
}

static rf_status backward_data(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, const rf_config *config) {
    (void)config;
    const rf_conv v = rf_conv_of(problem);
    rf_buffer *zeros;
    if (!problem->need_dx[0]) return RF_OK;
    RF_TRY(rf_sequence_zeros(sequence, &zeros, (size_t)(v.k / v.groups)));
    RF_TRY(emit_transpose(sequence, info, &v, t));
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, masked_at(&v)));
    for (int index = 0; index < v.stride.y * v.stride.x; index++) {
        gather g = {.x = v.act ? t->work : t->dy,
                    .x_at = v.act ? masked_at(&v) : 0,
                    .w = t->work,
                    .zeros = zeros,
                    .y = t->dx[0],
                    .in = v.k / v.groups,
                    .out = v.c / v.groups,
                    .accumulate = problem->accumulate[0]};
        if (!rf_gather_phase(&g.at, problem, &v, index)) continue;
        RF_TRY(emit_gather(sequence, &g, info));
    }
    return RF_OK;
}

/* ---- the gradients of weights and bias ---- */

/* Lines of a tile: as many inputs as divide a group's, whose accumulators fit the registers. */
static int lines_of(int in, int width, const rf_device_info *narrow) {
    int lines = (narrow->vector_width == 16 ? 24 : 12) / width;
    while (in % lines) lines--;
    return lines;
}

typedef struct partition {
    int vectors, block; /* ranges of the vectors of outputs; rows at a time */
    rf_partials partials;
} partition;

/* Parts of the rows, each of which costs a pass over the gradient; where that is too much, ranges of the outputs. */
static partition partition_of(const rf_conv *v, const rf_device_info *info) {
    const double wanted = 4.0 * RF_MAX(info->compute_units, 1), rows = (double)v->n * v->oh;
    const double read = (double)v->n * ((double)v->h * v->w * v->c + (double)v->oh * v->ow * v->k);
    int width;
    const rf_device_info narrow = narrowed(info, v->k / v->groups, &width);
    const double vectors = (double)v->k / (width * narrow.vector_width);
    partition p = {.block = block_of(v->w, v->c, v->stride.y),
                   .partials = {.at = rf_masked_floats(v),
                                .size = (size_t)v->r * v->s * (v->c / v->groups) * v->k,
                                .biases = v->bias ? (size_t)v->k : 0}};
    p.partials.parts = (int)RF_MAX(1, RF_MIN(RF_MIN(wanted, rows), floor(read / (4.0 * p.partials.size))));
    p.vectors = (int)RF_MIN(vectors, ceil(wanted / p.partials.parts));
    return p;
}

static size_t backward_params_work(const rf_problem *problem, const rf_device_info *info,
                                   const rf_config *config) {
    (void)config;
    const rf_conv v = rf_conv_of(problem);
    const rf_partials p = partition_of(&v, info).partials;
    return rf_wgrad_work(&p);
}

static rf_status backward_params(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                 const rf_tensors *t, const rf_config *config) {
    (void)config;
    char options[RF_OPTIONS];
    int width;
    const rf_conv v = rf_conv_of(problem);
    const int in = v.c / v.groups, out = v.k / v.groups;
    const rf_device_info narrow = narrowed(info, out, &width);
    const int lines = lines_of(in, width, &narrow);
    const partition p = partition_of(&v, info);
    const bool whole = p.partials.parts == 1;
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, 0));
    const rf_launch_desc desc = {
        .program = "grouped_tile",
        .kernel = "wgrad",
        .options = options_of(options, &narrow, width, lines),
        .args = {RF_BUF(t->x[0]),
                 RF_BUF(v.act ? t->work : t->dy),
                 RF_BUF(whole ? t->grad[0] : t->work),
                 RF_BUF(!v.bias ? NULL
                        : whole ? t->grad[1]
                                : t->work),
                 RF_I32(whole ? 0 : p.partials.at),
                 RF_I32(whole ? 0 : p.partials.at + p.partials.size),
                 RF_I32(v.n),
                 RF_I32(v.h),
                 RF_I32(v.w),
                 RF_I32(v.c),
                 RF_I32(in),
                 RF_I32(v.oh),
                 RF_I32(v.ow),
                 RF_I32(v.k),
                 RF_I32(out),
                 RF_I32(rf_pair_pack(v.r, v.s)),
                 RF_PAIR_ARG(v.stride),
                 RF_PAIR_ARG(v.pad),
                 RF_PAIR_ARG(v.dilation),
                 RF_I32(p.partials.size + p.partials.biases),
                 RF_I32(p.block)},
        .global = {(size_t)p.vectors, (size_t)p.partials.parts},
        .flops = rf_conv_flops(problem),
        .bytes = rf_conv_gradient_bytes(problem),
    };
    RF_TRY(rf_emit(sequence, &desc));
    return whole ? RF_OK : rf_emit_reduce(sequence, info, RF_TILE, &v, t, &p.partials);
}

/* ---- the solvers ---- */

#define SOLVER(direction_, ...)                                                                              \
    {                                                                                                        \
        .name = "grouped_tile", .direction = direction_, .devices = RF_DEVICE_CPU, .rank = 20,               \
        .applicable = applicable, __VA_ARGS__                                                                \
    }
const rf_solver rf_grouped_tile[RF_DIRECTIONS] = {
    SOLVER(RF_FORWARD, .prepare = forward),
    SOLVER(RF_BACKWARD_PARAMS, .workspace = backward_params_work, .prepare = backward_params),
    SOLVER(RF_BACKWARD_DATA, .workspace = backward_work, .prepare = backward_data),
};
