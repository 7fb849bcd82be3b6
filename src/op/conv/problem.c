/* Problems of conv, linear and conv_pool as one kind of convolution: dimensions, FLOPs, bytes. */
#include "op/conv/conv.h"

rf_conv rf_conv_of(const rf_problem *problem) {
    const rf_attrs *a = &problem->attrs;
    rf_shape x = problem->x[0], y = problem->y;
    const int pooled = problem->op->pools ? 2 : 1;
    if (a->kernel.y == 0) /* linear: all of the map */
        return (rf_conv){.n = x.n,
                         .c = x.c * x.h * x.w,
                         .h = 1,
                         .w = 1,
                         .k = y.c,
                         .oh = 1,
                         .ow = 1,
                         .r = 1,
                         .s = 1,
                         .stride = {1, 1},
                         .dilation = {1, 1},
                         .groups = 1,
                         .bias = a->bias,
                         .act = problem->act};
    return (rf_conv){.n = x.n,
                     .c = x.c,
                     .h = x.h,
                     .w = x.w,
                     .k = y.c,
                     .oh = y.h * pooled,
                     .ow = y.w * pooled,
                     .r = a->kernel.y,
                     .s = a->kernel.x,
                     .stride = a->stride,
                     .pad = a->pad,
                     .dilation = a->dilation,
                     .groups = a->groups,
                     .bias = a->bias,
                     .act = problem->act};
}

double rf_conv_flops(const rf_problem *problem) {
    rf_conv v = rf_conv_of(problem);
    return 2.0 * v.n * v.oh * v.ow * v.k * (v.c / v.groups) * v.r * v.s;
}

double rf_conv_gradient_bytes(const rf_problem *problem) {
    const double passes = (problem->act ? 2 : 1) + (problem->op->pools ? 0.25 : 0);
    return 4.0 * ((double)rf_shape_count(problem->x[0]) + (double)rf_shape_count(problem->y) * passes);
}
