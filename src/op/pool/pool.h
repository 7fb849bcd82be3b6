/* Shared by the pooling ops, their reference and their solvers. */
#ifndef RF_OP_POOL_POOL_H
#define RF_OP_POOL_POOL_H

#include "op/op.h"

/* Where window (oy, ox) lies: it starts at (oy*stride.y - pad.y, ...) and has taps `dilation` apart. */
typedef struct rf_window {
    rf_pair kernel, stride, pad, dilation;
} rf_window;

static inline rf_window rf_window_of(const rf_problem *problem) {
    const rf_attrs *a = &problem->attrs;
    const rf_pair one = {1, 1};
    if (a->size.y > 0) { /* only the adaptive one has it */
        const rf_pair window = {problem->x[0].h / a->size.y, problem->x[0].w / a->size.x};
        return (rf_window){.kernel = window, .stride = window, .dilation = one};
    }
    return (rf_window){
        .kernel = a->kernel,
        .stride = {a->stride.y > 0 ? a->stride.y : a->kernel.y, a->stride.x > 0 ? a->stride.x : a->kernel.x},
        .pad = a->pad,
        .dilation = {a->dilation.y > 0 ? a->dilation.y : 1, a->dilation.x > 0 ? a->dilation.x : 1}};
}

/* Whether it is adaptive, and its windows are of different sizes or overlap: the map is no multiple of the output. */
static inline bool rf_window_varies(const rf_problem *problem) {
    const rf_pair size = problem->attrs.size;
    return size.y > 0 && (problem->x[0].h % size.y != 0 || problem->x[0].w % size.x != 0);
}

/* The directions in plain C. */
void rf_max_pool_forward(const rf_problem *problem, const rf_arrays *arrays);
void rf_max_pool_backward(const rf_problem *problem, const rf_arrays *arrays);
void rf_average_pool_forward(const rf_problem *problem, const rf_arrays *arrays);
void rf_average_pool_backward(const rf_problem *problem, const rf_arrays *arrays);

extern const rf_solver rf_average_map_tile;
extern const rf_solver *const rf_max_pool_solvers[], *const rf_average_pool_solvers[],
                                                         *const rf_adaptive_pool_solvers[];

#endif
