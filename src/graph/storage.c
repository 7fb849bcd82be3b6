/* Which maps are stored in halves: each for which every step that writes or reads it has a solver that takes it so.  Images,
 * scores and losses are floats. */
#include "graph/storage.h"

#include <stdlib.h>

static bool has_solver(const rf_problem *problem, rf_direction direction, const rf_device *device) {
    if (problem->op->reference[direction] == NULL) return true;
    for (const rf_solver *const *s = problem->op->solvers; s != NULL && *s != NULL; s++)
        if (rf_solver_match(*s, problem, direction, device) != RF_MATCH_NONE) return true;
    return false;
}

static bool is_supported(const rf_problem *problem, const rf_device *device) {
    rf_problem whole = *problem;
    if (problem->op->alias) return problem->half_x == problem->half_y;
    for (int i = 0; i < whole.inputs; i++) whole.need_dx[i] = whole.op->label_input != i + 1;
    for (int d = RF_FORWARD; d < (problem->training ? RF_DIRECTIONS : RF_FORWARD + 1); d++)
        if (!has_solver(&whole, (rf_direction)d, device)) return false;
    return true;
}

/* Whether all inputs of a node are in halves; else none is to be. */
static bool reads_halves(const rf_lowered_node *node, const bool *half) {
    bool all = true;
    for (int i = 0; i < node->problem.inputs; i++) all = all && node->input[i] >= 0 && half[node->input[i]];
    return all;
}

static bool read_floats(const rf_lowered_node *node, bool *half) {
    bool changed = false;
    for (int i = 0; i < node->problem.inputs; i++) {
        if (node->input[i] < 0 || !half[node->input[i]]) continue;
        half[node->input[i]] = false;
        changed = true;
    }
    return changed;
}

/* Sets the node's storage; takes halves back where they are not supported.  True: some of what others use. */
static bool settle(rf_lowered_node *node, bool *own, bool *half, const rf_device *device) {
    rf_problem *p = &node->problem;
    bool changed = false;
    p->half_x = reads_halves(node, half);
    if (!p->half_x) changed = read_floats(node, half);
    p->half_y = *own;
    if (!is_supported(p, device) && p->half_y) {
        p->half_y = *own = false;
        changed = true;
    }
    if (is_supported(p, device) || !p->half_x) return changed;
    p->half_x = false;
    return read_floats(node, half) || changed;
}

rf_status rf_store_halves(rf_lowered *lowered, const rf_device *device) {
    bool *half = rf_alloc((size_t)lowered->count, sizeof *half), changed = true;
    if (half == NULL) return RF_E_MEMORY;
    for (int k = 0; k < lowered->count; k++) half[k] = k != lowered->scores && k != lowered->loss;
    while (changed) {
        changed = false;
        for (int k = lowered->count - 1; k >= 0; k--)
            changed |= settle(&lowered->nodes[k], &half[k], half, device);
    }
    free(half);
    return RF_OK;
}
