/* conv: y[n,k] = bias[k] + sum over c,r,s of x[n,c,y*stride-pad+r*dilation,...] * weight[k,c,r,s], with
 * groups. The op itself: shapes, parameters, samples.  The arithmetic is in conv_reference.c and the solvers.
 */
#include "op/conv/conv.h"

#include <limits.h>

static const rf_attr_spec attrs[] = {
    RF_ATTR_REQUIRED(out, INT, 1, 1 << 20),
    RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL),
    RF_ATTR(stride, PAIR, 1, 1, RF_MAX_KERNEL),
    RF_ATTR(pad, PAIR, 0, 0, 4 * RF_MAX_KERNEL),
    RF_ATTR(dilation, PAIR, 1, 1, RF_MAX_KERNEL),
    RF_ATTR(groups, INT, 1, 1, 1 << 20),
    RF_ATTR(bias, BOOL, 1, 0, 1),
    RF_ATTR_END,
};

/* Positions of a kernel along one axis; <= 0 if it does not fit. */
static long long extent(long long in, int kernel, int stride, int pad, int dilation) {
    long long room = in + 2LL * pad - (long long)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static rf_status infer(rf_problem *problem) {
    const rf_attrs *a = &problem->attrs;
    rf_shape x = problem->x[0];
    if (x.flat && x.h * x.w > 1)
        return rf_fail(RF_E_SHAPE,
                       "a convolution needs maps, but its input was flattened to %d numbers an image",
                       x.c * x.h * x.w);
    if (x.c % a->groups || a->out % a->groups)
        return rf_fail(RF_E_SHAPE, "%d groups divide neither or only one of %d input and %d output channels",
                       a->groups, x.c, a->out);
    long long oh = extent(x.h, a->kernel.y, a->stride.y, a->pad.y, a->dilation.y);
    long long ow = extent(x.w, a->kernel.x, a->stride.x, a->pad.x, a->dilation.x);
    if (oh <= 0 || ow <= 0)
        return rf_fail(
            RF_E_SHAPE,
            "input is %dx%d with padding %dx%d, but a %dx%d kernel with dilation %dx%d needs %dx%d", x.h, x.w,
            a->pad.y, a->pad.x, a->kernel.y, a->kernel.x, a->dilation.y, a->dilation.x,
            a->dilation.y * (a->kernel.y - 1) + 1, a->dilation.x * (a->kernel.x - 1) + 1);
    /* as they are stored: in whole panels where there is one group */
    const size_t outputs = a->groups == 1 ? rf_round_up((size_t)a->out, RF_PANEL) : (size_t)a->out;
    double image = (double)oh * ow * a->out,
           weights = (double)outputs * (x.c / a->groups) * a->kernel.y * a->kernel.x;
    if (image > INT_MAX / 2 || weights > INT_MAX / 2 || (double)oh * ow * x.n > INT_MAX / 2)
        return rf_fail(RF_E_SHAPE,
                       "%d channels of %lldx%lld for %d images, with %.0f weights, are too many numbers",
                       a->out, oh, ow, x.n, weights);
    problem->y = (rf_shape){.n = x.n, .c = a->out, .h = (int)oh, .w = (int)ow};
    return RF_OK;
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    const rf_attrs *a = &problem->attrs;
    int k = a->out, c = problem->x[0].c / a->groups, r = a->kernel.y, s = a->kernel.x;
    out[0] = (rf_param_spec){.name = "weight",
                             .rank = 4,
                             .dim = {k, c, r, s},
                             .shape = {k, c, r, s},
                             .layout = a->groups == 1 ? RF_LAYOUT_PANEL : RF_LAYOUT_RSCK,
                             .init = RF_INIT_FAN_IN,
                             .fan_in = c * r * s};
    out[1] = (rf_param_spec){.name = "bias",
                             .rank = 1,
                             .dim = {k},
                             .shape = {k, 1, 1, 1},
                             .init = RF_INIT_FAN_IN,
                             .fan_in = c * r * s};
    return a->bias ? 2 : 1;
}

static const rf_solver *const solvers[] = {RF_CONV_SOLVERS(RF_SOLVER_ENTRIES) NULL};

/* K outputs, kernel RxS; what else differs from the defaults comes behind. */
#define CONV(K, R, S, ...)                                                                                   \
    {                                                                                                        \
        .out = K, .kernel = {R, S}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1, .bias = true,         \
        __VA_ARGS__                                                                                          \
    }
#define X(N, C, H, W)                                                                                        \
    {                                                                                                        \
        { .n = N, .c = C, .h = H, .w = W }                                                                   \
    }
#define PAD(Y, X_) .pad = {Y, X_}
#define NO_BIAS    .bias = false
#define STRIDE2    .stride = {2, 2}
/* A bias-free layer of a network of the zoo. */
#define LAYER(LABEL, N, C, HW, K, RS, PADDING, STEP)                                                         \
    {                                                                                                        \
        .label = LABEL, .attrs = CONV(K, RS, RS, PAD(PADDING, PADDING), NO_BIAS, .stride = {STEP, STEP}),    \
        .x = X(N, C, HW, HW), .large = true                                                                  \
    }
#define DEPTHWISE(LABEL, N, C, HW, STEP)                                                                     \
    {                                                                                                        \
        .label = LABEL, .attrs = CONV(C, 3, 3, PAD(1, 1), NO_BIAS, .stride = {STEP, STEP}, .groups = C),     \
        .x = X(N, C, HW, HW), .large = true                                                                  \
    }

/* The overridden initialisers (bias, stride, groups) are what CONV is for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const rf_case cases[] = {
    {.label = "3x3 pad 1", .attrs = CONV(16, 3, 3, PAD(1, 1)), .x = X(2, 16, 8, 8)},
    {.label = "3x3 pad 1, odd sizes", .attrs = CONV(21, 3, 3, PAD(1, 1)), .x = X(3, 19, 7, 5)},
    {.label = "3x3 unpadded", .attrs = CONV(33, 3, 3, PAD(0, 0)), .x = X(2, 17, 9, 6)},
    {.label = "3x3 stride 2", .attrs = CONV(32, 3, 3, PAD(1, 1), STRIDE2, NO_BIAS), .x = X(2, 16, 9, 8)},
    {.label = "1x1", .attrs = CONV(24, 1, 1, PAD(0, 0)), .x = X(2, 40, 5, 7)},
    {.label = "1x1 stride 2", .attrs = CONV(20, 1, 1, STRIDE2, NO_BIAS), .x = X(2, 18, 7, 8)},
    {.label = "1x1 stride 3x2, fused relu",
     .attrs = CONV(50, 1, 1, .stride = {3, 2}),
     .act = RF_ACT_RELU,
     .x = X(3, 21, 8, 11)},
    {.label = "1x1 stride above the map", .attrs = CONV(9, 1, 1, .stride = {5, 7}), .x = X(2, 16, 3, 4)},
    {.label = "1x1 pad 1", .attrs = CONV(5, 1, 1, PAD(1, 1)), .x = X(1, 3, 4, 3)},
    {.label = "one number", .attrs = CONV(1, 1, 1, PAD(0, 0)), .x = X(1, 1, 1, 1)},
    {.label = "one channel 3x3", .attrs = CONV(32, 3, 3, PAD(1, 1)), .x = X(3, 1, 14, 13)},
    {.label = "one channel 5x5 unpadded", .attrs = CONV(20, 5, 5, PAD(0, 0)), .x = X(2, 1, 12, 11)},
    {.label = "three channels 3x3", .attrs = CONV(16, 3, 3, PAD(1, 1), NO_BIAS), .x = X(2, 3, 9, 10)},
    {.label = "three channels 7x7 stride 2",
     .attrs = CONV(12, 7, 7, PAD(3, 3), STRIDE2),
     .x = X(1, 3, 17, 16)},
    {.label = "four channels 3x1, dilation 2",
     .attrs = CONV(9, 3, 1, PAD(2, 0), .dilation = {2, 2}),
     .x = X(2, 4, 6, 5)},
    {.label = "5x5 stride 2, odd", .attrs = CONV(10, 5, 5, PAD(2, 2), STRIDE2), .x = X(2, 7, 11, 9)},
    {.label = "pad above half the kernel", .attrs = CONV(8, 3, 3, PAD(3, 4)), .x = X(1, 6, 4, 3)},
    {.label = "5x5, many channels", .attrs = CONV(21, 5, 5, PAD(2, 2)), .x = X(2, 17, 9, 7)},
    {.label = "5x5, many channels, fused relu",
     .attrs = CONV(18, 5, 5, PAD(1, 2), NO_BIAS),
     .act = RF_ACT_RELU,
     .x = X(1, 50, 14, 11)},
    {.label = "kernel larger than the map", .attrs = CONV(6, 5, 5, PAD(2, 2)), .x = X(2, 9, 2, 3)},
    {.label = "dilation 2", .attrs = CONV(16, 3, 3, PAD(2, 2), .dilation = {2, 2}), .x = X(1, 12, 9, 8)},
    {.label = "dilation 2, stride 2",
     .attrs = CONV(11, 3, 3, PAD(1, 2), STRIDE2, .dilation = {2, 2}),
     .x = X(2, 10, 9, 11)},
    {.label = "dilation 3, stride 2",
     .attrs = CONV(7, 3, 2, PAD(3, 1), STRIDE2, .dilation = {3, 3}),
     .x = X(1, 5, 12, 9)},
    {.label = "stride 3x2, kernel 2x4",
     .attrs = CONV(18, 2, 4, PAD(0, 1), .stride = {3, 2}),
     .x = X(2, 8, 11, 10)},
    {.label = "stride above the kernel", .attrs = CONV(4, 2, 2, .stride = {4, 3}), .x = X(1, 8, 11, 10)},
    {.label = "1x7", .attrs = CONV(16, 1, 7, PAD(0, 3)), .x = X(1, 16, 4, 12)},
    {.label = "batch 1, 4x4", .attrs = CONV(64, 3, 3, PAD(1, 1), NO_BIAS), .x = X(1, 48, 4, 4)},
    {.label = "fused relu", .attrs = CONV(20, 3, 3, PAD(1, 1)), .act = RF_ACT_RELU, .x = X(2, 8, 6, 7)},
    {.label = "fused relu6, stride 2",
     .attrs = CONV(16, 3, 3, PAD(1, 1), STRIDE2),
     .act = RF_ACT_RELU6,
     .x = X(2, 16, 8, 8)},
    {.label = "fused relu, one channel",
     .attrs = CONV(10, 5, 5, PAD(2, 2)),
     .act = RF_ACT_RELU,
     .x = X(2, 1, 9, 9)},
    {.label = "accumulated", .attrs = CONV(17, 3, 3, PAD(1, 1)), .x = X(2, 20, 5, 6), .accumulate = true},
    {.label = "accumulated, 1x1 stride 2",
     .attrs = CONV(8, 1, 1, STRIDE2),
     .x = X(2, 12, 5, 6),
     .accumulate = true},
    {.label = "two groups", .attrs = CONV(20, 3, 3, PAD(1, 1), .groups = 2), .x = X(2, 12, 6, 5)},
    {.label = "groups of 3 to 2, stride 2",
     .attrs = CONV(8, 3, 3, PAD(1, 1), STRIDE2, .groups = 4),
     .act = RF_ACT_RELU,
     .x = X(2, 12, 7, 6),
     .accumulate = true},
    {.label = "depthwise", .attrs = CONV(24, 3, 3, PAD(1, 1), NO_BIAS, .groups = 24), .x = X(2, 24, 7, 6)},
    {.label = "depthwise stride 2, odd",
     .attrs = CONV(13, 3, 3, PAD(1, 1), STRIDE2, .groups = 13),
     .act = RF_ACT_RELU6,
     .x = X(2, 13, 7, 8)},
    {.label = "depthwise 5x5 dilation 2",
     .attrs = CONV(32, 5, 5, PAD(4, 4), .dilation = {2, 2}, .groups = 32),
     .x = X(1, 32, 9, 9),
     .accumulate = true},
    {.label = "depthwise, two outputs a channel",
     .attrs = CONV(18, 3, 3, PAD(1, 1), .groups = 9),
     .x = X(2, 9, 6, 6)},
    {.label = "simplecnn conv1",
     .attrs = CONV(16, 3, 3, PAD(1, 1)),
     .act = RF_ACT_RELU,
     .x = X(8, 1, 28, 28),
     .large = true},
    {.label = "lenet conv1", .attrs = CONV(20, 5, 5, PAD(0, 0)), .x = X(8, 1, 28, 28), .large = true},
    {.label = "lenet conv2", .attrs = CONV(50, 5, 5, PAD(0, 0)), .x = X(8, 20, 12, 12), .large = true},
    LAYER("resnet20 stem", 4, 3, 32, 16, 3, 1, 1),
    LAYER("resnet20 16", 4, 16, 32, 16, 3, 1, 1),
    LAYER("resnet20 16-32", 4, 16, 32, 32, 3, 1, 2),
    LAYER("resnet20 32", 4, 32, 16, 32, 3, 1, 1),
    LAYER("resnet20 64", 4, 64, 8, 64, 3, 1, 1),
    LAYER("resnet18 stem", 2, 3, 32, 64, 3, 1, 1),
    LAYER("resnet18 64", 2, 64, 32, 64, 3, 1, 1),
    LAYER("resnet18 64-128", 2, 64, 32, 128, 3, 1, 2),
    LAYER("resnet18 128", 2, 128, 16, 128, 3, 1, 1),
    LAYER("resnet18 256", 2, 256, 8, 256, 3, 1, 1),
    LAYER("resnet18 512", 3, 512, 4, 512, 3, 1, 1),
    LAYER("resnet18 shortcut", 2, 256, 8, 512, 1, 0, 2),
    LAYER("mobilenetv2 expand", 2, 24, 32, 144, 1, 0, 1),
    LAYER("mobilenetv2 project", 2, 960, 4, 160, 1, 0, 1),
    LAYER("mobilenetv2 last", 2, 320, 4, 1280, 1, 0, 1),
    DEPTHWISE("mobilenetv2 depthwise 96", 2, 96, 32, 2),
    DEPTHWISE("mobilenetv2 depthwise 144", 2, 144, 16, 1),
    DEPTHWISE("mobilenetv2 depthwise 960", 2, 960, 4, 1),
    {.label = "1x1, accumulated, odd",
     .attrs = CONV(21, 1, 1, PAD(0, 0)),
     .x = X(3, 19, 5, 7),
     .accumulate = true},
    {.label = "1x1, fused relu6",
     .attrs = CONV(8, 1, 1, PAD(0, 0)),
     .act = RF_ACT_RELU6,
     .x = X(2, 27, 4, 3)},
    {.label = "1x1, fused relu, five vectors",
     .attrs = CONV(40, 1, 1, NO_BIAS),
     .act = RF_ACT_RELU,
     .x = X(2, 5, 3, 3)},
    {.label = "1x1, many channels", .attrs = CONV(72, 1, 1, PAD(0, 0)), .x = X(1, 290, 2, 2), .large = true},
    LAYER("mobilenetv2 project 24", 4, 96, 32, 24, 1, 0, 1),
    LAYER("mobilenetv2 first project", 4, 32, 32, 16, 1, 0, 1),
    {.label = "depthwise 5x5, two rows",
     .attrs = CONV(16, 5, 5, PAD(2, 2), .groups = 16),
     .x = X(2, 16, 2, 7)},
    {.label = "depthwise 1x6", .attrs = CONV(9, 1, 6, PAD(0, 2), .groups = 9), .x = X(2, 9, 4, 8)},
    {.label = "depthwise stride 3, wide",
     .attrs = CONV(20, 3, 3, PAD(1, 1), .stride = {3, 3}, .groups = 20),
     .x = X(1, 20, 5, 140),
     .accumulate = true},
    {.label = "depthwise 5x5 stride 2, 33 channels",
     .attrs = CONV(33, 5, 5, PAD(2, 2), STRIDE2, .groups = 33),
     .act = RF_ACT_RELU,
     .x = X(2, 33, 11, 8),
     .accumulate = true},
    {.label = "depthwise unpadded, 70 channels",
     .attrs = CONV(70, 3, 3, .groups = 70),
     .act = RF_ACT_RELU,
     .x = X(2, 70, 7, 9)},
    {.label = "depthwise stride 2, even",
     .attrs = CONV(12, 3, 3, PAD(1, 1), STRIDE2, NO_BIAS, .groups = 12),
     .x = X(3, 12, 8, 8)},
    {.label = "depthwise 3x2 stride 2x1, pad above the kernel",
     .attrs = CONV(6, 3, 2, PAD(4, 2), .stride = {2, 1}, .groups = 6),
     .x = X(2, 6, 5, 4),
     .accumulate = true},
    {.label = "depthwise stride above the kernel",
     .attrs = CONV(7, 2, 1, .stride = {3, 2}, .groups = 7),
     .x = X(2, 7, 9, 6)},
    {.label = "depthwise, many images of 5 channels",
     .attrs = CONV(5, 3, 3, PAD(1, 1), .groups = 5),
     .act = RF_ACT_RELU6,
     .x = X(40, 5, 9, 8)},
    {.label = "every tap beside the map",
     .attrs = CONV(5, 2, 2, PAD(1, 1), .dilation = {4, 4}),
     .x = X(2, 3, 3, 3)},
    {.label = "every tap beside the map, two groups",
     .attrs = CONV(6, 2, 2, PAD(1, 1), .dilation = {4, 4}, .groups = 2),
     .x = X(2, 4, 3, 3),
     .accumulate = true},
    {.label = "every tap beside the map, depthwise",
     .attrs = CONV(3, 2, 3, PAD(1, 4), .dilation = {4, 6}, .groups = 3),
     .x = X(1, 3, 3, 5)},
    {.label = "1x1 with more padding than map",
     .attrs = CONV(4, 1, 1, PAD(3, 4), STRIDE2),
     .x = X(1, 2, 1, 2)},
    {.label = NULL},
};
static const rf_case refused[] = {
    {.label = "a 4x4 kernel with dilation 1x1 needs 4x4",
     .attrs = CONV(1, 4, 4, PAD(0, 0)),
     .x = X(1, 1, 3, 3)},
    {.label = "a 64x64 kernel with dilation 64x64 needs 4033x4033",
     .attrs = CONV(1, 64, 64, PAD(256, 256), .dilation = {64, 64}),
     .x = X(1, 1, 3, 3)},
    {.label = "3 groups divide neither", .attrs = CONV(6, 1, 1, .groups = 3), .x = X(1, 4, 3, 3)},
    {.label = "3 groups divide neither", .attrs = CONV(4, 1, 1, .groups = 3), .x = X(1, 6, 3, 3)},
    {.label = "flattened to 18 numbers", .attrs = CONV(1, 1, 1, PAD(0, 0)), .x = {{1, 2, 3, 3, true}}},
    {.label = "too many numbers", .attrs = CONV(1 << 20, 64, 64, PAD(63, 63)), .x = X(1, 1, 1, 1)},
    {.label = "too many numbers",
     .attrs = CONV(1, 64, 64, PAD(0, 0)),
     .x = X(1, 1 << 16, 64, 64)}, /* stored: 16 times as many */
    {.label = "too many numbers", .attrs = CONV(1, 1, 1, PAD(0, 0)), .x = X(1 << 20, 1, 64, 64)},
    {.label = NULL},
};
#pragma GCC diagnostic pop

const rf_op rf_op_conv = {
    .name = "conv",
    .summary = "convolution with stride, padding, dilation and groups",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .y_in_backward = true, /* of a fused activation */
    .attrs = attrs,
    .positional = "out kernel",
    .infer = infer,
    .params = params,
    .takes_act = true,
    .flops = rf_conv_flops,
    .reference = {rf_conv_forward, rf_conv_backward_params, rf_conv_backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
