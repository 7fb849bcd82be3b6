/* Resizing by whole factors or to a size: nearest, and bilinear with pixels' centres or corners mapped to each other
 * (align_corners). */
#include <string.h>

#include "op/family.h"
#include "op/reference.h"

/* An input's size times its output's: kernels compute with four times as much in 32 bits. */
enum { DEFAULT_SCALE = 2, MAX_SQUARE = 1 << 28 };

static bool is_bilinear(const rf_problem *problem) {
    return problem->op->attrs[2].name != NULL; /* align_corners */
}

static rf_status infer(rf_problem *problem) {
    const char *name = problem->op->name;
    const rf_shape x = problem->x[0];
    const rf_pair scale = problem->attrs.scale, size = problem->attrs.size;
    const bool sized = size.y > 0 || size.x > 0;
    RF_TRY(rf_check_map(problem, true));
    if (sized && (size.y == 0 || size.x == 0))
        return rf_fail(RF_E_SHAPE, "%s: a size of %dx%d has no pixel", name, size.y, size.x);
    if (sized && (scale.y != DEFAULT_SCALE || scale.x != DEFAULT_SCALE))
        return rf_fail(RF_E_SHAPE, "%s: scale and size: one of them is enough", name);
    const double h = sized ? size.y : (double)x.h * scale.y, w = sized ? size.x : (double)x.w * scale.x;
    if (h > 1 << 16 || w > 1 << 16)
        return rf_fail(RF_E_SHAPE, "%s: %dx%d to %.0fx%.0f is more than %d high or wide", name, x.h, x.w, h,
                       w, 1 << 16);
    if (h * x.h > MAX_SQUARE || w * x.w > MAX_SQUARE)
        return rf_fail(RF_E_SHAPE, "%s: %dx%d to %.0fx%.0f is too large", name, x.h, x.w, h, w);
    problem->y = x;
    problem->y.h = (int)h;
    problem->y.w = (int)w;
    problem->y.flat = false;
    return RF_OK;
}

/* ---- reference ---- */

/* The two inputs that output o lies between, and the second one's share. */
typedef struct between {
    int first, second;
    double share;
} between;

static between place(const rf_problem *problem, int o, int in, int out) {
    if (!is_bilinear(problem)) {
        const int from = (int)((long long)o * in / out);
        return (between){from, from, 0};
    }
    const double at = problem->attrs.align_corners ? (out > 1 ? (double)o * (in - 1) / (out - 1) : 0)
                                                   : fmax((o + 0.5) * in / out - 0.5, 0);
    const int first = RF_MIN((int)at, in - 1), second = RF_MIN(first + 1, in - 1);
    return (between){first, second, at - first};
}

/* Calls `body` for the four pixels of x that a pixel of y is made of, with `from`, `to` and the pixel's share in scope. */
#define FOR_SHARES(problem, from, to, share, body)                                                           \
    do {                                                                                                     \
        const rf_shape x_ = (problem)->x[0], y_ = (problem)->y;                                              \
        for (int n = 0; n < y_.n; ++n)                                                                       \
            for (int oy = 0; oy < y_.h; ++oy)                                                                \
                for (int ox = 0; ox < y_.w; ++ox)                                                            \
                    for (int corner = 0; corner < 4; ++corner) {                                             \
                        const between v = place(problem, oy, x_.h, y_.h),                                    \
                                      h = place(problem, ox, x_.w, y_.w);                                    \
                        const double share =                                                                 \
                            (corner / 2 ? v.share : 1 - v.share) * (corner % 2 ? h.share : 1 - h.share);     \
                        const size_t from = (((size_t)n * x_.h + (corner / 2 ? v.second : v.first)) * x_.w + \
                                             (corner % 2 ? h.second : h.first)) *                            \
                                            x_.c,                                                            \
                                     to = (((size_t)n * y_.h + oy) * y_.w + ox) * y_.c;                      \
                        if (share == 0) continue;                                                            \
                        for (int c = 0; c < y_.c; ++c) body;                                                 \
                    }                                                                                        \
    } while (0)

static void forward(const rf_problem *problem, const rf_arrays *a) {
    memset(a->y, 0, rf_shape_count(problem->y) * sizeof *a->y);
    FOR_SHARES(problem, from, to, share, a->y[to + c] += (float)(share * a->x[0][from + c]));
}

static void backward(const rf_problem *problem, const rf_arrays *a) {
    if (!problem->accumulate[0]) memset(a->dx[0], 0, rf_shape_count(problem->x[0]) * sizeof *a->dx[0]);
    FOR_SHARES(problem, from, to, share, a->dx[0][from + c] += (float)(share * a->dy[to + c]));
}

/* ---- solvers ---- */

static rf_status emit(rf_sequence *sequence, const rf_device_info *info, rf_family family, rf_shape over,
                      double bytes, rf_launch_desc *desc) {
    char options[RF_OPTIONS];
    desc->program = "upsample";
    desc->options = rf_family_options(options, family, info, "%s", "");
    desc->bytes = bytes;
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, (size_t)over.n * over.h, (size_t)over.w * over.c);
    else
        rf_family_spread(desc, family, info, rf_shape_count(over), 1);
    return rf_emit(sequence, desc);
}

/* N, H, W, C, height and width of y; and align_corners, of bilinear. */
static int add_geometry(rf_arg *args, const rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const rf_arg geometry[] = {RF_I32(x.n),
                               RF_I32(x.h),
                               RF_I32(x.w),
                               RF_I32(x.c),
                               RF_I32(problem->y.h),
                               RF_I32(problem->y.w),
                               RF_I32(problem->attrs.align_corners)};
    const int count = is_bilinear(problem) ? 7 : 6;
    memcpy(args, geometry, (size_t)count * sizeof *args);
    return count;
}

static double bytes_of(const rf_problem *problem, bool accumulate) {
    return sizeof(float) *
           (double)(rf_shape_count(problem->x[0]) * (accumulate ? 2 : 1) + rf_shape_count(problem->y));
}

static rf_status forward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                               const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = is_bilinear(problem) ? "bilinear" : "nearest",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y)}};
    add_geometry(desc.args + 2, problem);
    return emit(sequence, info, family, problem->y, bytes_of(problem, false), &desc);
}

static rf_status backward_build(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = is_bilinear(problem) ? "bilinear_gradient" : "nearest_gradient",
                           .args = {RF_BUF(t->dy), RF_BUF(t->dx[0])}};
    const int count = add_geometry(desc.args + 2, problem);
    desc.args[2 + count] = (rf_arg)RF_I32(problem->accumulate[0]);
    return emit(sequence, info, family, problem->x[0], bytes_of(problem, problem->accumulate[0]), &desc);
}

/* The outputs in which an input may have a share, along one axis. */
static double reach(int in, int out) {
    return 2 * (double)rf_ceil_div((size_t)out, (size_t)in) + 1;
}

/* A tile work-item has a row of y, of which each pixel has four inputs, or of dx. */
static bool applicable(const rf_problem *problem, const rf_device_info *info) {
    const rf_shape x = problem->x[0], y = problem->y;
    const double vectors = (double)rf_ceil_div((size_t)y.c, (size_t)rf_family_vector(RF_TILE, info));
    const double work = RF_MAX(4.0 * y.w, x.w * reach(x.w, y.w) * reach(x.h, y.h));
    return rf_indexable(problem, info) && vectors * work <= rf_family_rounds(info);
}

#define BY(y_, x_)      .attrs = {.scale = {y_, x_}}
#define CORNERS(y_, x_) .attrs = {.scale = {y_, x_}, .align_corners = true}
#define TO(y_, x_)      .attrs = {.scale = {DEFAULT_SCALE, DEFAULT_SCALE}, .size = {y_, x_}}
#define TO_CORNERS(y_, x_)                                                                                   \
    .attrs = {.scale = {DEFAULT_SCALE, DEFAULT_SCALE}, .size = {y_, x_}, .align_corners = true}

static const rf_case nearest_cases[] = {
    {.label = "2", BY(2, 2), .x = {{2, 19, 3, 5}}},
    {.label = "1x3", BY(1, 3), .x = {{2, 5, 4, 3}}, .accumulate = true},
    {.label = "of 1x1", BY(4, 2), .x = {{3, 2, 1, 1}}},
    {.label = "of one number a channel, flat", BY(3, 2), .x = {{2, 9, 1, 1, true}}},
    {.label = "3x5 to 7x8", TO(7, 8), .x = {{2, 19, 3, 5}}},
    {.label = "7x8 to 3x5", TO(3, 5), .x = {{2, 5, 7, 8}}, .accumulate = true},
    {.label = "4x9 to 1x9", TO(1, 9), .x = {{2, 3, 4, 9}}},
    {.label = "of 1x1 to 5x1", TO(5, 1), .x = {{2, 17, 1, 1}}},
    {.label = "2 of 64x28x28", BY(2, 2), .x = {{4, 64, 28, 28}}, .large = true},
    {NULL},
};
static const rf_case bilinear_cases[] = {
    {.label = "2", BY(2, 2), .x = {{2, 19, 3, 4}}},
    {.label = "3x1", BY(3, 1), .x = {{2, 5, 4, 3}}, .accumulate = true},
    {.label = "of 1x2", BY(4, 2), .x = {{3, 2, 1, 2}}},
    {.label = "2 by corners", CORNERS(2, 2), .x = {{2, 6, 3, 5}}},
    {.label = "3x2 by corners of 1x4", CORNERS(3, 2), .x = {{1, 3, 1, 4}}, .accumulate = true},
    {.label = "1 by corners of 1x1", CORNERS(1, 1), .x = {{2, 3, 1, 1}}},
    {.label = "3x5 to 7x8", TO(7, 8), .x = {{2, 19, 3, 5}}},
    {.label = "7x8 to 3x5", TO(3, 5), .x = {{2, 5, 7, 8}}, .accumulate = true},
    {.label = "16x9 to 2x2", TO(2, 2), .x = {{2, 3, 16, 9}}},
    {.label = "4x9 to 1x9", TO(1, 9), .x = {{2, 3, 4, 9}}},
    {.label = "3x5 to 7x8 by corners", TO_CORNERS(7, 8), .x = {{2, 18, 3, 5}}},
    {.label = "9x8 to 4x1 by corners", TO_CORNERS(4, 1), .x = {{2, 6, 9, 8}}, .accumulate = true},
    {.label = "2 of 64x28x28", BY(2, 2), .x = {{4, 64, 28, 28}}, .large = true},
    {NULL},
};
static const rf_case refused[] = {
    {.label = "the input is flat", BY(2, 2), .x = {{1, 8, 2, 2, true}}},
    {.label = "more than 65536 high", BY(64, 1), .x = {{1, 1, 2048, 2}}},
    {.label = "too large", BY(1, 1), .x = {{1, 1, 1, 40000}}},
    {.label = "scale and size", .attrs = {.scale = {3, 3}, .size = {4, 4}}, .x = {{1, 1, 2, 2}}},
    {.label = "size of 4x0", TO(4, 0), .x = {{1, 1, 2, 2}}},
    {NULL},
};

#define SIZES                                                                                                \
    RF_ATTR(scale, PAIR, DEFAULT_SCALE, 1, RF_MAX_KERNEL),                                                   \
        RF_ATTR(size, PAIR, 0, 0, 1 << 16) /* 0: by scale */
static const rf_attr_spec nearest_attrs[] = {SIZES, RF_ATTR_END};
static const rf_attr_spec bilinear_attrs[] = {SIZES, RF_ATTR(align_corners, BOOL, 0, 0, 1), RF_ATTR_END};

#define OP(symbol, kind, summary_)                                                                           \
    RF_SOLVER_PAIR(symbol##_f, #symbol, RF_FORWARD, RF_HALF_EITHER, applicable, NULL, forward_build)         \
    RF_SOLVER_PAIR(symbol##_b, #symbol, RF_BACKWARD_DATA, RF_HALF_EITHER, applicable, NULL, backward_build)  \
    static const rf_solver *const symbol##_solvers[] = {&symbol##_f_tile, &symbol##_f_group,                 \
                                                        &symbol##_b_tile, &symbol##_b_group, NULL};          \
    const rf_op rf_op_##symbol = {                                                                           \
        .name = #symbol,                                                                                     \
        .summary = summary_,                                                                                 \
        .inputs_min = 1,                                                                                     \
        .inputs_max = 1,                                                                                     \
        .attrs = kind##_attrs,                                                                               \
        .positional = "scale",                                                                               \
        .infer = infer,                                                                                      \
        .reference = {[RF_FORWARD] = forward, [RF_BACKWARD_DATA] = backward},                                \
        .solvers = symbol##_solvers,                                                                         \
        .cases = kind##_cases,                                                                               \
        .refused = refused,                                                                                  \
    };
OP(upsample_nearest, nearest, "maps `scale` times as high and wide, or of `size`: the nearest pixel")
OP(upsample_bilinear, bilinear, "maps `scale` times as high and wide, or of `size`: linear between pixels")
