/* conv: y[n,k] = bias[k] + sum over c,r,s of x[n,c,y*stride-pad+r*dilation,...] * weight[k,c,r,s], with
 * groups. The op itself: shapes, parameters.  The arithmetic is in conv_reference.c and the solvers, the sample cases
 * are in conv_cases.c.
 */
#include "op/conv/conv.h"

#include <limits.h>

static const rf_attr_spec attrs[] = {RF_CONV_ATTRS, RF_ATTR(linear, BOOL, 0, 0, 1), RF_ATTR_END};

/* Positions of a kernel along one axis; <= 0 if it does not fit. */
static long long extent(long long in, int kernel, int stride, int pad, int dilation) {
    long long room = in + 2LL * pad - (long long)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

rf_status rf_conv_infer(rf_problem *problem) {
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
        return rf_fail(RF_E_SHAPE,
                       "input is %dx%d with padding %dx%d, but a %dx%d kernel with dilation %dx%d needs "
                       "%dx%d" RF_LARGER_IMAGES,
                       x.h, x.w, a->pad.y, a->pad.x, a->kernel.y, a->kernel.x, a->dilation.y, a->dilation.x,
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

int rf_conv_params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]) {
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
    if (a->linear) { /* as that of a linear layer: (out,in) */
        out[0].rank = 2;
        out[0].dim[1] = c * r * s;
    }
    return a->bias ? 2 : 1;
}

static const rf_solver *const solvers[] = {RF_CONV_SOLVERS(RF_SOLVER_ENTRIES) NULL};

const rf_op rf_op_conv = {
    .name = "conv",
    .summary = "convolution with stride, padding, dilation and groups",
    .inputs_min = 1,
    .inputs_max = 1,
    .x_in_backward = true,
    .attrs = attrs,
    .positional = "out kernel",
    .infer = rf_conv_infer,
    .params = rf_conv_params,
    .takes_act = RF_ALWAYS,
    .takes_residual = RF_AT_INFERENCE,
    .flops = rf_conv_flops,
    .reference = {rf_conv_forward, rf_conv_backward_params, rf_conv_backward_data},
    .solvers = solvers,
    .cases = rf_conv_cases,
    .refused = rf_conv_refused,
};
