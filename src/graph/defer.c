/* Which batch norms are deferred. */
#include "graph/defer.h"

#include <stdlib.h>

#include "graph/choose.h"

/* Whether the solver that is best for the problem as it is reads x[0] through a batch norm. */
static bool best_takes_norm(const rf_problem *problem, rf_direction direction, rf_device *device,
                            const rf_tuning *tuning) {
    rf_problem plain = *problem;
    rf_choice best, normed;
    plain.normed = false;
    return rf_choose(&best, 1, &plain, direction, device, tuning) == 1 &&
           rf_choose(&normed, 1, problem, direction, device, tuning) == 1 && best.solver == normed.solver;
}

/* The steps that read x[0] are forward and, of a convolution, backward_params. */
static bool may_defer(const rf_problem *norm, const rf_problem *reader, rf_device *device,
                      const rf_tuning *tuning) {
    return norm->op->takes_bn_sums && norm->training && norm->inputs == 1 && norm->half_x == norm->half_y &&
           best_takes_norm(reader, RF_FORWARD, device, tuning) &&
           (!rf_backward_reads_x(reader, 0) || best_takes_norm(reader, RF_BACKWARD_PARAMS, device, tuning));
}

rf_status rf_defer_norms(rf_lowered *lowered, rf_device *device, const rf_tuning *tuning) {
    if (!rf_fusion_wanted(device)) return RF_OK;
    int *uses = rf_alloc((size_t)lowered->count, sizeof *uses);
    if (uses == NULL) return RF_E_MEMORY;
    for (int k = 0; k < lowered->count; k++)
        for (int i = 0; i < lowered->nodes[k].problem.inputs; i++)
            if (lowered->nodes[k].input[i] >= 0) uses[lowered->nodes[k].input[i]]++;
    uses[lowered->scores]++; /* the caller may read them */
    for (int k = 0; k < lowered->count; k++) {
        const int before = lowered->nodes[k].input[0];
        if (before < 0 || uses[before] != 1) continue;
        rf_problem *norm = &lowered->nodes[before].problem, reader = lowered->nodes[k].problem;
        reader.normed = true;
        reader.norm_act = norm->act;
        if (!may_defer(norm, &reader, device, tuning)) continue;
        norm->deferred = true;
        lowered->nodes[k].problem = reader;
    }
    free(uses);
    return RF_OK;
}
