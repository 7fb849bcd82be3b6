/* linear: y = x W^T + bias over all numbers of an image.  It is a 1x1 convolution on 1x1 maps with H*W*C
 * channels, in the order in which they lie, so that it shares the reference and the solvers of conv. */
#include "op/conv/conv.h"

#include <limits.h>

extern const rf_op rf_op_linear;

static const rf_attr_spec attrs[] = {
    RF_ATTR_REQUIRED(out, INT, 1, 1 << 20),
    RF_ATTR(bias, BOOL, 1, 0, 1),
    RF_ATTR_END,
};

static rf_status infer(rf_problem *problem) {
    rf_shape x = problem->x[0];
    double in = (double)x.c * x.h * x.w;
    if (in * (double)rf_round_up((size_t)problem->attrs.out, RF_PANEL) > INT_MAX / 2) /* as they are stored */
        return rf_fail(RF_E_SHAPE, "a linear layer from %.0f to %d numbers is too large", in,
                       problem->attrs.out);
    problem->y = (rf_shape){.n = x.n, .c = problem->attrs.out, .h = 1, .w = 1, .flat = true};
    return RF_OK;
}

static int params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
    rf_shape x = problem->x[0];
    int k = problem->attrs.out, in = x.c * x.h * x.w;
    out[0] = (rf_param_spec){.name = "weight",
                             .rank = 2,
                             .dim = {k, in},
                             .shape = {k, x.c, x.h, x.w},
                             .layout = RF_LAYOUT_PANEL,
                             .init = RF_INIT_FAN_IN,
                             .fan_in = in};
    out[1] = (rf_param_spec){
        .name = "bias", .rank = 1, .dim = {k}, .shape = {k, 1, 1, 1}, .init = RF_INIT_FAN_IN, .fan_in = in};
    return problem->attrs.bias ? 2 : 1;
}

static const rf_solver *const solvers[] = {RF_LINEAR_SOLVERS(RF_SOLVER_ENTRIES) NULL};

#define LINEAR(K)     .attrs = {.out = K, .bias = true}
#define X(N, C, H, W) .x = {{.n = N, .c = C, .h = H, .w = W, .flat = true}}
static const rf_case cases[] = {
    {.label = "16 to 10", LINEAR(10), X(4, 16, 1, 1)},
    {.label = "one number", LINEAR(1), X(1, 1, 1, 1)},
    {.label = "odd", LINEAR(37), X(7, 53, 1, 1)},
    {.label = "maps 14x14x16 to 10", LINEAR(10), X(5, 16, 14, 14)},
    {.label = "maps 3x5x7, not flattened", LINEAR(20), .x = {{.n = 3, .c = 7, .h = 3, .w = 5}}},
    {.label = "without bias", .attrs = {.out = 16}, X(2, 32, 1, 1)},
    {.label = "fused relu", LINEAR(50), .act = RF_ACT_RELU, X(6, 20, 2, 2)},
    {.label = "accumulated", LINEAR(12), X(3, 30, 1, 1), .accumulate = true},
    {.label = "accumulated, many outputs", LINEAR(70), X(5, 27, 1, 1), .accumulate = true},
    {.label = "more outputs than are at work at a time", LINEAR(530), X(13, 35, 1, 1)},
    {.label = "whole panels and tiles", LINEAR(48), .act = RF_ACT_RELU, X(128, 64, 1, 1)},
    {.label = "few outputs, fused relu6", LINEAR(7), .act = RF_ACT_RELU6, X(9, 35, 1, 1)},
    {.label = "simplecnn fc", LINEAR(10), X(32, 16, 14, 14), .large = true},
    {.label = "lenet fc1", LINEAR(500), .act = RF_ACT_RELU, X(64, 50, 4, 4), .large = true},
    {.label = "lenet fc2", LINEAR(10), X(64, 500, 1, 1), .large = true},
    {.label = "vgg11 fc", LINEAR(512), .act = RF_ACT_RELU, X(64, 512, 1, 1), .large = true},
    {.label = "mobilenetv2 fc", LINEAR(10), X(32, 1280, 1, 1), .large = true},
    {.label = NULL},
};
static const rf_case refused[] = {
    {.label = "from 65536 to 1048576 numbers is too large", LINEAR(1 << 20), X(1, 1 << 16, 1, 1)},
    {.label = "from 134217728 to 1 numbers is too large",
     LINEAR(1),
     X(1, 8, 4096, 4096)}, /* stored: 16 times as many */
    {.label = NULL},
};

const rf_op rf_op_linear = {
    .name = "linear",
    .summary = "fully connected layer",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .attrs = attrs,
    .positional = "out",
    .infer = infer,
    .params = params,
    .takes_act = RF_ALWAYS,
    .flops = rf_conv_flops,
    .reference = {rf_conv_forward, rf_conv_backward_params, rf_conv_backward_data},
    .solvers = solvers,
    .cases = cases,
    .refused = refused,
};
