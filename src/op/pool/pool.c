/* Max pooling, average pooling, and adaptive average pooling, which is average pooling whose windows follow the input:
 * output o of OUT is the mean of o*IN/OUT, rounded down, to (o+1)*IN/OUT, rounded up, as in PyTorch. This file: the ops; the arithmetic is in pool_reference.c, the kernels' launches are in pool_solvers.c. */
#include "op/pool/pool.h"

/* Whether all taps of some window miss the map along one axis: possible only for a window that begins in the padding,
 * with a large dilation. */
static bool misses(int in, int kernel, int stride, int pad, int dilation) {
    for (int start = -pad; start < 0 && start + dilation * (kernel - 1) < in + pad; start += stride) {
        const int first = start + (int)rf_round_up((size_t)-start, (size_t)dilation); /* tap at or above 0 */
        if (first >= in || first > start + dilation * (kernel - 1)) return true;
    }
    return false;
}

/* Windows along one axis.  up: with a last one that begins in the map and ends behind its padding. */
static int windows(int in, int room, int stride, int pad, bool up) {
    const int count = room / stride + 1;
    return count + (up && room % stride > 0 && count * stride - pad < in);
}

static rf_status infer(rf_problem *problem) {
    const rf_window g = rf_window_of(problem);
    const rf_shape x = problem->x[0];
    const int room_y = x.h + 2 * g.pad.y - g.dilation.y * (g.kernel.y - 1) - 1;
    const int room_x = x.w + 2 * g.pad.x - g.dilation.x * (g.kernel.x - 1) - 1;
    RF_TRY(rf_check_map(problem, false));
    if (g.pad.y * 2 > g.kernel.y || g.pad.x * 2 > g.kernel.x)
        return rf_fail(RF_E_SHAPE, "%s: pad %dx%d is more than half of the kernel %dx%d", problem->op->name,
                       g.pad.y, g.pad.x, g.kernel.y, g.kernel.x);
    if (room_y < 0 || room_x < 0)
        return rf_fail(RF_E_SHAPE,
                       "%s: input is %dx%d, kernel %dx%d with pad %dx%d needs %dx%d" RF_LARGER_IMAGES,
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
    const bool up = problem->attrs.ceil;
    problem->y = (rf_shape){.n = x.n,
                            .c = x.c,
                            .h = windows(x.h, room_y, g.stride.y, g.pad.y, up),
                            .w = windows(x.w, room_x, g.stride.x, g.pad.x, up)};
    return RF_OK;
}

static rf_status adaptive_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0];
    const rf_pair size = problem->attrs.size;
    RF_TRY(rf_check_map(problem, false));
    problem->y = (rf_shape){.n = x.n, .c = x.c, .h = size.y, .w = size.x};
    return RF_OK;
}

static size_t max_saved(const rf_problem *problem) { /* one ushort an element */
    return rf_ceil_div(rf_shape_count(problem->y), 2);
}

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
    {.label = "3x3 stride 2 ceil",
     .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}, .ceil = true},
     .x = {{2, 5, 6, 7}},
     .accumulate = true},
    {.label = "2x2 ceil odd, windows apart",
     .attrs = {.kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}, .ceil = true},
     .x = {{2, 9, 7, 5}}},
    {.label = "2x3 pad 1 stride 3 ceil",
     .attrs = {.kernel = {2, 3}, .stride = {3, 3}, .pad = {1, 1}, .dilation = {1, 1}, .ceil = true},
     .x = {{1, 3, 6, 8}}},
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
    {.label = "3x3 stride 2 ceil",
     .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .count_pad = true, .ceil = true},
     .x = {{2, 5, 6, 7}}},
    {.label = "2x2 ceil odd, not counted",
     .attrs = {.kernel = {2, 2}, .stride = {2, 2}, .ceil = true},
     .x = {{2, 9, 7, 5}},
     .accumulate = true},
    {.label = "3x3 stride 2 pad 1 ceil",
     .attrs = {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .count_pad = true, .ceil = true},
     .x = {{1, 4, 6, 6}}},
    {.label = "stride above the map", .attrs = AVG(3, 64, 1, true), .x = {{2, 3, 5, 4}}, .accumulate = true},
    {.label = "the whole map of 5x3", .attrs = {.kernel = {5, 3}}, .x = {{3, 17, 5, 3}}, .accumulate = true},
    {.label = "2x2 64 of 32x32", .attrs = AVG(2, 0, 0, true), .x = {{16, 64, 32, 32}}, .large = true},
    {NULL},
};
static const rf_case adaptive_cases[] = {
    {.label = "global", .attrs = {.size = {1, 1}}, .x = {{2, 9, 4, 3}}},
    {.label = "global accumulate", .attrs = {.size = {1, 1}}, .x = {{5, 40, 7, 9}}, .accumulate = true},
    {.label = "global of 1x1", .attrs = {.size = {1, 1}}, .x = {{3, 2, 1, 1}}},
    {.label = "to 2x3", .attrs = {.size = {2, 3}}, .x = {{2, 5, 4, 9}}, .accumulate = true},
    {.label = "to 3x4 of 7x6", .attrs = {.size = {3, 4}}, .x = {{2, 5, 7, 6}}},
    {.label = "to 7x7 of 2x9", .attrs = {.size = {7, 7}}, .x = {{1, 9, 2, 9}}, .accumulate = true},
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
    {.label = "the input is flat", .attrs = {.size = {1, 1}}, .x = {{1, 1, 8, 8, true}}},
    {NULL},
};

static const rf_attr_spec max_attrs[] = {
    RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL),
    RF_ATTR(stride, PAIR, 0, 1, RF_MAX_KERNEL), /* where absent 0: the kernel's size */
    RF_ATTR(pad, PAIR, 0, 0, RF_MAX_KERNEL / 2),
    RF_ATTR(dilation, PAIR, 1, 1, RF_MAX_KERNEL),
    RF_ATTR(ceil, BOOL, 0, 0, 1),
    RF_ATTR_END};
static const rf_attr_spec avg_attrs[] = {RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL),
                                         RF_ATTR(stride, PAIR, 0, 1, RF_MAX_KERNEL),
                                         RF_ATTR(pad, PAIR, 0, 0, RF_MAX_KERNEL / 2),
                                         RF_ATTR(count_pad, BOOL, 1, 0, 1),
                                         RF_ATTR(ceil, BOOL, 0, 0, 1),
                                         RF_ATTR_END};
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
    .reference = {[RF_FORWARD] = rf_max_pool_forward, [RF_BACKWARD_DATA] = rf_max_pool_backward},
    .solvers = rf_max_pool_solvers,
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
    .reference = {[RF_FORWARD] = rf_average_pool_forward, [RF_BACKWARD_DATA] = rf_average_pool_backward},
    .solvers = rf_average_pool_solvers,
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
    .reference = {[RF_FORWARD] = rf_average_pool_forward, [RF_BACKWARD_DATA] = rf_average_pool_backward},
    .solvers = rf_adaptive_pool_solvers,
    .cases = adaptive_cases,
    .refused = adaptive_refused,
};
