/* Which maps are stored in halves: all but images, scores and losses, and what is read together with them.  Steps whose solvers
 * take floats alone get them converted (steps.c). */
#include "graph/storage.h"

#include <stdlib.h>

void rf_store_conversion(rf_problem *problem, rf_shape shape, bool from_half) {
    *problem = (rf_problem){.op = rf_op_find("affine"),
                            .inputs = 1,
                            .x = {shape},
                            .y = shape,
                            .half_x = from_half,
                            .half_y = !from_half};
    rf_attrs_default(&problem->attrs, problem->op); /* 1 * x + 0 */
}

static bool can_convert(const rf_device *device, rf_shape shape, bool from_half) {
    rf_problem problem;
    rf_store_conversion(&problem, shape, from_half);
    for (const rf_solver *const *s = problem.op->solvers; *s != NULL; s++)
        if (rf_solver_match(*s, &problem, RF_FORWARD, device) != RF_MATCH_NONE) return true;
    return false;
}

/* Not if the device cannot convert it: on the reference, or where it is too large for kernels. */
static bool may_be_half(const rf_lowered *lowered, int k, const rf_device *device) {
    const rf_shape shape = lowered->nodes[k].problem.y;
    return k != lowered->scores && k != lowered->loss && can_convert(device, shape, true) &&
           can_convert(device, shape, false);
}

/* A node's inputs are stored alike: in halves only if all of them may be.  True: some are taken back. */
static bool store_alike(rf_lowered_node *node, bool *half) {
    bool all = true, changed = false;
    for (int i = 0; i < node->problem.inputs; i++) all = all && node->input[i] >= 0 && half[node->input[i]];
    node->problem.half_x = all;
    for (int i = 0; i < node->problem.inputs && !all; i++) {
        if (node->input[i] < 0 || !half[node->input[i]]) continue;
        half[node->input[i]] = false;
        changed = true;
    }
    return changed;
}

rf_status rf_store_halves(rf_lowered *lowered, const rf_device *device) {
    bool *half = rf_alloc((size_t)lowered->count, sizeof *half), changed = true;
    if (half == NULL) return RF_E_MEMORY;
    for (int k = 0; k < lowered->count; k++) half[k] = may_be_half(lowered, k, device);
    while (changed) {
        changed = false;
        for (int k = lowered->count - 1; k >= 0; k--) {
            rf_lowered_node *node = &lowered->nodes[k];
            const int in = node->input[0];
            changed |= store_alike(node, half);
            if (node->problem.op->alias && half[k] != node->problem.half_x) { /* the same memory */
                half[k] = false;
                if (in >= 0) half[in] = false;
                changed = true;
            }
            node->problem.half_y = half[k];
        }
    }
    free(half);
    return RF_OK;
}
