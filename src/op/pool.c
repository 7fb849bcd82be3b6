/* Max pooling, average pooling, and adaptive average pooling, which is average pooling whose window follows
 * the input. */
#include <math.h>
#include <string.h>

#include "op/family.h"
#include "op/reference.h"

/* Where window (oy, ox) lies: it starts at (oy*stride.y - pad.y, ...) and has taps `dilation` apart. */
typedef struct geometry {
    rf_pair kernel, stride, pad, dilation;
} geometry;

static geometry geometry_of(const rf_problem *problem) {
    const rf_attrs *a = &problem->attrs;
    const rf_pair one = {1, 1};
    if (a->size.y > 0) { /* only the adaptive one has it */
        const rf_pair window = {problem->x[0].h / a->size.y, problem->x[0].w / a->size.x};
        return (geometry){.kernel = window, .stride = window, .dilation = one};
    }
    return (geometry){
        .kernel = a->kernel,
        .stride = {a->stride.y > 0 ? a->stride.y : a->kernel.y, a->stride.x > 0 ? a->stride.x : a->kernel.x},
        .pad = a->pad,
        .dilation = {a->dilation.y > 0 ? a->dilation.y : 1, a->dilation.x > 0 ? a->dilation.x : 1}};
}

/* Whether the taps of some window all miss the map along one axis: only those of a window that begins before it
 * can, whose taps are too far apart. */
static bool misses(int in, int kernel, int stride, int pad, int dilation) {
    for (int start = -pad; start < 0 && start + dilation * (kernel - 1) < in + pad; start += stride) {
        const int first = start + (int)rf_round_up((size_t)-start, (size_t)dilation); /* tap at or above 0 */
        if (first >= in || first > start + dilation * (kernel - 1)) return true;
    }
    return false;
}

static rf_status infer(rf_problem *problem) {
    const geometry g = geometry_of(problem);
    const rf_shape x = problem->x[0];
    const int room_y = x.h + 2 * g.pad.y - g.dilation.y * (g.kernel.y - 1) - 1;
    const int room_x = x.w + 2 * g.pad.x - g.dilation.x * (g.kernel.x - 1) - 1;
    if (x.flat)
        return rf_fail(RF_E_SHAPE, "%s: the input is flat (%d numbers), and must be a map", problem->op->name,
                       x.c * x.h * x.w);
    if (g.pad.y * 2 > g.kernel.y || g.pad.x * 2 > g.kernel.x)
        return rf_fail(RF_E_SHAPE, "%s: pad %dx%d is more than half of the kernel %dx%d", problem->op->name,
                       g.pad.y, g.pad.x, g.kernel.y, g.kernel.x);
    if (room_y < 0 || room_x < 0)
        return rf_fail(RF_E_SHAPE, "%s: input is %dx%d, kernel %dx%d with pad %dx%d needs %dx%d",
                       problem->op->name, x.h, x.w, g.kernel.y, g.kernel.x, g.pad.y, g.pad.x, x.h - room_y,
                       x.w - room_x);
    if (misses(x.h, g.kernel.y, g.stride.y, g.pad.y, g.dilation.y) ||
        misses(x.w, g.kernel.x, g.stride.x, g.pad.x, g.dilation.x))
        return rf_fail(
            RF_E_SHAPE,
            "%s: input is %dx%d, and a window of kernel %dx%d with pad %dx%d and dilation %dx%d would lie "
            "wholly in the padding: use a smaller dilation, or no pad",
            problem->op->name, x.h, x.w, g.kernel.y, g.kernel.x, g.pad.y, g.pad.x, g.dilation.y,
            g.dilation.x);
    problem->y = (rf_shape){x.n, x.c, room_y / g.stride.y + 1, room_x / g.stride.x + 1, false};
    return RF_OK;
}

static rf_status adaptive_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const rf_pair size = problem->attrs.size;
    if (size.y < 1 || size.x < 1 || x.h % size.y != 0 || x.w % size.x != 0)
        return rf_fail(RF_E_SHAPE, "adaptive_avg_pool: input is %dx%d, which %dx%d does not divide", x.h, x.w,
                       size.y, size.x);
    return infer(problem);
}

static size_t max_saved(const rf_problem *problem) { /* one ushort an element */
    return rf_ceil_div(rf_shape_count(problem->y), 2);
}

/* ---- reference ---- */

static inline size_t offset_of(rf_shape s, int n, int y, int x) {
    return (((size_t)n * s.h + y) * s.w + x) * s.c;
}

/* Calls `body` with the pixel (iy, ix) of x for every tap of window (oy, ox) that lies inside. */
#define FOR_TAPS(g, oy, ox, x)                                                                               \
    for (int r = 0, iy = (oy)*g.stride.y - g.pad.y; r < g.kernel.y; ++r, iy += g.dilation.y)                 \
        for (int s = 0, ix = (ox)*g.stride.x - g.pad.x; s < g.kernel.x; ++s, ix += g.dilation.x)             \
            if (iy >= 0 && iy < x.h && ix >= 0 && ix < x.w)

static void max_window(const geometry g, const rf_shape x, const float *map, int oy, int ox, float *best,
                       uint16_t *index) {
    bool first = true;
    FOR_TAPS(g, oy, ox, x) {
        const float *pixel = map + ((size_t)iy * x.w + ix) * x.c;
        for (int c = 0; c < x.c; ++c)
            if (first || pixel[c] > best[c] || isnan(pixel[c])) {
                best[c] = pixel[c];
                if (index) index[c] = (uint16_t)(r * g.kernel.x + s);
            }
        first = false;
    }
}

static void max_forward(const rf_problem *problem, const rf_arrays *a) {
    const geometry g = geometry_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    uint16_t *index = (uint16_t *)a->saved;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n)
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox) {
                const size_t at = offset_of(y, n, oy, ox);
                max_window(g, x, a->x[0] + offset_of(x, n, 0, 0), oy, ox, a->y + at,
                           index ? index + at : NULL);
            }
}

static void clear_unless_accumulating(const rf_problem *problem, float *image) {
    const rf_shape x = problem->x[0];
    if (!problem->accumulate[0]) memset(image, 0, (size_t)x.h * x.w * x.c * sizeof *image);
}

static void max_backward(const rf_problem *problem, const rf_arrays *a) {
    const geometry g = geometry_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    const uint16_t *index = (const uint16_t *)a->saved;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n) {
        float *image = a->dx[0] + offset_of(x, n, 0, 0);
        clear_unless_accumulating(problem, image);
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox)
                for (int c = 0; c < y.c; ++c) {
                    const size_t at = offset_of(y, n, oy, ox) + (size_t)c;
                    const int iy = oy * g.stride.y - g.pad.y + index[at] / g.kernel.x * g.dilation.y;
                    const int ix = ox * g.stride.x - g.pad.x + index[at] % g.kernel.x * g.dilation.x;
                    image[((size_t)iy * x.w + ix) * x.c + c] += a->dy[at];
                }
    }
}

/* What the sum over window (oy, ox) is divided by. */
static double divisor(const rf_problem *problem, const geometry g, int oy, int ox) {
    const rf_shape x = problem->x[0];
    int inside = 0;
    if (problem->attrs.count_pad) return (double)g.kernel.y * g.kernel.x;
    FOR_TAPS(g, oy, ox, x)++ inside;
    return inside;
}

static void average_forward(const rf_problem *problem, const rf_arrays *a) {
    const geometry g = geometry_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n)
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox) {
                const double by = divisor(problem, g, oy, ox);
                for (int c = 0; c < y.c; ++c) {
                    double sum = 0;
                    FOR_TAPS(g, oy, ox, x) sum += a->x[0][offset_of(x, n, iy, ix) + (size_t)c];
                    a->y[offset_of(y, n, oy, ox) + (size_t)c] = (float)(sum / by);
                }
            }
}

static void average_backward(const rf_problem *problem, const rf_arrays *a) {
    const geometry g = geometry_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n) {
        clear_unless_accumulating(problem, a->dx[0] + offset_of(x, n, 0, 0));
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox) {
                const float part = (float)(1 / divisor(problem, g, oy, ox));
                const float *dy = a->dy + offset_of(y, n, oy, ox);
                FOR_TAPS(g, oy, ox, x)
                for (int c = 0; c < x.c; ++c) a->dx[0][offset_of(x, n, iy, ix) + (size_t)c] += dy[c] * part;
            }
    }
}

/* ---- solvers ---- */

/* Whether no pixel lies in two windows, nor before the first: a window can then write its part of dx alone.
 */
static bool is_disjoint(const geometry g) {
    return g.pad.y == 0 && g.pad.x == 0 && g.dilation.y == 1 && g.dilation.x == 1 &&
           g.stride.y >= g.kernel.y && g.stride.x >= g.kernel.x;
}

/* Whether 2x2 windows tile the map: the tile family has kernels of their own for them, on processors. */
static bool is_2x2(const rf_problem *problem, const rf_device_info *info, rf_family family) {
    const geometry g = geometry_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    return family == RF_TILE && rf_family_is_processor(info) && is_disjoint(g) && g.kernel.y == 2 &&
           g.kernel.x == 2 && g.stride.y == 2 && g.stride.x == 2 && x.h == 2 * y.h && x.w == 2 * y.w;
}

/* Appends the kernels' GEOMETRY to the arguments, spreads the elements of `map` over work-items, and emits.
 */
static rf_status emit(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                      rf_family family, rf_launch_desc *desc, rf_shape map) {
    const geometry g = geometry_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    const int numbers[] = {x.n,     x.h,        x.w,          x.c,          y.h,
                           y.w,     g.kernel.y, g.kernel.x,   g.stride.y,   g.stride.x,
                           g.pad.y, g.pad.x,    g.dilation.y, g.dilation.x, problem->attrs.count_pad};
    char options[RF_OPTIONS];
    int used = 0;
    while (desc->args[used].kind != RF_ARG_END) ++used;
    for (size_t i = 0; i < RF_COUNT(numbers); ++i) desc->args[used + (int)i] = (rf_arg)RF_I32(numbers[i]);
    desc->program = "pool";
    desc->options = rf_family_options(options, family, info, "%s", "");
    desc->bytes += (double)sizeof(float) * (double)(rf_shape_count(x) + rf_shape_count(y));
    if (family == RF_GROUP)
        rf_family_spread(desc, family, info, rf_shape_count(map), 1);
    else
        rf_family_spread(desc, family, info, (size_t)map.n * map.h,
                         rf_shape_count(x) / ((size_t)map.n * map.h));
    return rf_emit(sequence, desc);
}

/* The bytes of max pooling's places, and of dx where it is read too. */
static double index_bytes(const rf_problem *problem) {
    return 2.0 * (double)rf_shape_count(problem->y);
}
static double added_bytes(const rf_problem *problem) {
    return problem->accumulate[0] ? (double)(rf_shape_count(problem->x[0]) * sizeof(float)) : 0;
}

static rf_status max_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                   const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = is_2x2(problem, info, family) ? "max_forward_2x2" : "max_forward",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_BUF(t->saved)},
                           .bytes = t->saved ? index_bytes(problem) : 0};
    return emit(sequence, problem, info, family, &desc, problem->y);
}

static rf_status max_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                    const rf_device_info *info, const rf_tensors *t, rf_family family) {
    const bool disjoint = is_disjoint(geometry_of(problem));
    rf_launch_desc desc = {
        .kernel = is_2x2(problem, info, family) ? "max_spread_2x2"
                  : disjoint                    ? "max_spread"
                                                : "max_gather",
        .args = {RF_BUF(t->dy), RF_BUF(t->saved), RF_BUF(t->dx[0]), RF_I32(problem->accumulate[0])},
        .bytes = index_bytes(problem) + added_bytes(problem)};
    return emit(sequence, problem, info, family, &desc, disjoint ? problem->y : problem->x[0]);
}

static rf_status average_forward_build(rf_sequence *sequence, const rf_problem *problem,
                                       const rf_device_info *info, const rf_tensors *t, rf_family family) {
    rf_launch_desc desc = {.kernel = "average_forward", .args = {RF_BUF(t->x[0]), RF_BUF(t->y)}};
    return emit(sequence, problem, info, family, &desc, problem->y);
}

static rf_status average_backward_build(rf_sequence *sequence, const rf_problem *problem,
                                        const rf_device_info *info, const rf_tensors *t, rf_family family) {
    const bool disjoint = is_disjoint(geometry_of(problem));
    rf_launch_desc desc = {.kernel = disjoint ? "average_spread" : "average_gather",
                           .args = {RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_I32(problem->accumulate[0])},
                           .bytes = added_bytes(problem)};
    return emit(sequence, problem, info, family, &desc, disjoint ? problem->y : problem->x[0]);
}

RF_SOLVER_PAIR(max_f, "max_pool", RF_FORWARD, rf_indexable, NULL, max_forward_build)
RF_SOLVER_PAIR(max_b, "max_pool", RF_BACKWARD_DATA, rf_indexable, NULL, max_backward_build)
RF_SOLVER_PAIR(avg_f, "avg_pool", RF_FORWARD, rf_indexable, NULL, average_forward_build)
RF_SOLVER_PAIR(avg_b, "avg_pool", RF_BACKWARD_DATA, rf_indexable, NULL, average_backward_build)
static const rf_solver *const max_solvers[] = {&max_f_tile, &max_f_group, &max_b_tile, &max_b_group, NULL};
static const rf_solver *const avg_solvers[] = {&avg_f_tile, &avg_f_group, &avg_b_tile, &avg_b_group, NULL};

/* ---- ops ---- */

#define MAX(k, s, p, d)                                                                                      \
    {                                                                                                        \
        .kernel = {k, k}, .stride = {s, s}, .pad = {p, p}, .dilation = { d, d }                              \
    }
#define AVG(k, s, p, padded)                                                                                 \
    { .kernel = {k, k}, .stride = {s, s}, .pad = {p, p}, .count_pad = padded }

static const rf_case max_cases[] = {
    {.label = "1x1", .attrs = MAX(1, 0, 0, 1), .x = {{1, 1, 1, 1}}},
    {.label = "2x2", .attrs = MAX(2, 0, 0, 1), .x = {{2, 3, 6, 8}}},
    {.label = "2x2 odd", .attrs = MAX(2, 0, 0, 1), .x = {{2, 9, 7, 5}}, .accumulate = true},
    {.label = "3x3 stride 2 pad 1", .attrs = MAX(3, 2, 1, 1), .x = {{2, 5, 7, 8}}},
    {.label = "3x3 stride 1 dilation 2 pad 1",
     .attrs = MAX(3, 1, 1, 2),
     .x = {{1, 4, 9, 7}},
     .accumulate = true},
    {.label = "3x2 stride 1x3",
     .attrs = {.kernel = {3, 2}, .stride = {1, 3}, .pad = {1, 0}, .dilation = {1, 1}},
     .x = {{2, 17, 5, 9}}},
    {.label = "2x2 stride 3", .attrs = MAX(2, 3, 0, 1), .x = {{1, 3, 8, 9}}},
    {.label = "2x2 dilation 4 around a map of 4x4", .attrs = MAX(2, 1, 1, 4), .x = {{2, 3, 4, 4}}},
    {.label = "3x3 dilation 2 pad 1 on 3x4",
     .attrs = MAX(3, 1, 1, 2),
     .x = {{1, 2, 3, 4}},
     .accumulate = true},
    {.label = "stride above the map", .attrs = MAX(3, 64, 1, 1), .x = {{2, 3, 5, 4}}},
    {.label = "2x2 16 of 28x28", .attrs = MAX(2, 0, 0, 1), .x = {{32, 16, 28, 28}}, .large = true},
    {.label = "2x2 50 of 8x8", .attrs = MAX(2, 0, 0, 1), .x = {{64, 50, 8, 8}}, .large = true},
    {NULL},
};
static const rf_case avg_cases[] = {
    {.label = "2x2", .attrs = AVG(2, 0, 0, true), .x = {{2, 3, 6, 8}}},
    {.label = "2x2 odd", .attrs = AVG(2, 0, 0, true), .x = {{2, 9, 7, 5}}, .accumulate = true},
    {.label = "3x3 stride 2 pad 1", .attrs = AVG(3, 2, 1, true), .x = {{2, 5, 7, 8}}},
    {.label = "3x3 stride 1 pad 1 not counted",
     .attrs = AVG(3, 1, 1, false),
     .x = {{1, 17, 5, 6}},
     .accumulate = true},
    {.label = "2x2 stride 3", .attrs = AVG(2, 3, 0, false), .x = {{1, 3, 8, 9}}},
    {.label = "4x4 pad 2 not counted on 1x2", .attrs = AVG(4, 1, 2, false), .x = {{2, 3, 1, 2}}},
    {.label = "stride above the map", .attrs = AVG(3, 64, 1, true), .x = {{2, 3, 5, 4}}, .accumulate = true},
    {.label = "2x2 64 of 32x32", .attrs = AVG(2, 0, 0, true), .x = {{16, 64, 32, 32}}, .large = true},
    {NULL},
};
static const rf_case adaptive_cases[] = {
    {.label = "global", .attrs = {.size = {1, 1}}, .x = {{2, 9, 4, 3}}},
    {.label = "global of 1x1", .attrs = {.size = {1, 1}}, .x = {{3, 2, 1, 1}}},
    {.label = "to 2x3", .attrs = {.size = {2, 3}}, .x = {{2, 5, 4, 9}}, .accumulate = true},
    {.label = "global 64 of 8x8", .attrs = {.size = {1, 1}}, .x = {{128, 64, 8, 8}}, .large = true},
    {NULL},
};

/* The first: a window whose taps are -1 and 3, on 3x3. */
static const rf_case max_refused[] = {
    {.label = "wholly in the padding", .attrs = MAX(2, 1, 1, 4), .x = {{1, 1, 3, 3}}},
    {.label = "wholly in the padding",
     .attrs = {.kernel = {1, 2}, .stride = {1, 3}, .pad = {0, 1}, .dilation = {1, 64}},
     .x = {{1, 1, 9, 63}}},
    {.label = "input is 3x3, kernel 4x4 with pad 0x0 needs 4x4",
     .attrs = MAX(4, 0, 0, 1),
     .x = {{1, 1, 3, 3}}},
    {.label = "input is 3x3, kernel 64x64 with pad 32x32 needs 3969x3969",
     .attrs = MAX(64, 64, 32, 64),
     .x = {{1, 1, 3, 3}}},
    {.label = "pad 2x2 is more than half of the kernel 3x3", .attrs = MAX(3, 1, 2, 1), .x = {{1, 1, 8, 8}}},
    {.label = "the input is flat", .attrs = MAX(2, 0, 0, 1), .x = {{1, 1, 8, 8, true}}},
    {NULL},
};
static const rf_case avg_refused[] = {
    {.label = "input is 3x3, kernel 4x4 with pad 0x0 needs 4x4",
     .attrs = AVG(4, 0, 0, true),
     .x = {{1, 1, 3, 3}}},
    {.label = "pad 1x1 is more than half of the kernel 1x1",
     .attrs = AVG(1, 1, 1, false),
     .x = {{1, 1, 8, 8}}},
    {NULL},
};
static const rf_case adaptive_refused[] = {
    {.label = "input is 3x3, which 4x4 does not divide", .attrs = {.size = {4, 4}}, .x = {{1, 1, 3, 3}}},
    {.label = "input is 8x8, which 8x3 does not divide", .attrs = {.size = {8, 3}}, .x = {{1, 1, 8, 8}}},
    {NULL},
};

static const rf_attr_spec max_attrs[] = {
    RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL),
    RF_ATTR(stride, PAIR, 0, 1, RF_MAX_KERNEL), /* where absent 0: the kernel's size */
    RF_ATTR(pad, PAIR, 0, 0, RF_MAX_KERNEL / 2), RF_ATTR(dilation, PAIR, 1, 1, RF_MAX_KERNEL), RF_ATTR_END};
static const rf_attr_spec avg_attrs[] = {
    RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL), RF_ATTR(stride, PAIR, 0, 1, RF_MAX_KERNEL),
    RF_ATTR(pad, PAIR, 0, 0, RF_MAX_KERNEL / 2), RF_ATTR(count_pad, BOOL, 1, 0, 1), RF_ATTR_END};
static const rf_attr_spec adaptive_attrs[] = {RF_ATTR(size, PAIR, 1, 1, 65536), RF_ATTR_END};

const rf_op rf_op_max_pool = {
    .name = "max_pool",
    .summary = "largest of each window",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = max_attrs,
    .positional = "kernel",
    .infer = infer,
    .saved = max_saved,
    .saved_bits = true,
    .reference = {[RF_FORWARD] = max_forward, [RF_BACKWARD_DATA] = max_backward},
    .solvers = max_solvers,
    .cases = max_cases,
    .refused = max_refused,
};
const rf_op rf_op_avg_pool = {
    .name = "avg_pool",
    .summary = "mean of each window",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = avg_attrs,
    .positional = "kernel",
    .infer = infer,
    .reference = {[RF_FORWARD] = average_forward, [RF_BACKWARD_DATA] = average_backward},
    .solvers = avg_solvers,
    .cases = avg_cases,
    .refused = avg_refused,
};
const rf_op rf_op_adaptive_avg_pool = {
    .name = "adaptive_avg_pool",
    .summary = "mean over windows that make the output `size`; 1: the whole map",
    .inputs_min = 1,
    .inputs_max = 1,
    .attrs = adaptive_attrs,
    .positional = "size",
    .infer = adaptive_infer,
    .reference = {[RF_FORWARD] = average_forward, [RF_BACKWARD_DATA] = average_backward},
    .solvers = avg_solvers,
    .cases = adaptive_cases,
    .refused = adaptive_refused,
};
