/* Choice of solvers: by $RANGEFINDER_SOLVER, then tuning, then match, then rank. */
#include "graph/choose.h"

/* config NULL: the solver's defaults. */
static void fill(rf_choice *choice, const rf_solver *solver, rf_match match, const rf_config *config,
                 const rf_problem *problem, const rf_device_info *info) {
    *choice = (rf_choice){.solver = solver, .match = match};
    if (config != NULL)
        choice->config = *config;
    else
        rf_solver_defaults(&choice->config, solver, problem, info);
    choice->workspace_bytes = rf_solver_workspace(solver, problem, info, &choice->config);
}

int rf_choose(rf_choice *choices, int limit, const rf_problem *problem, rf_direction direction,
              rf_device *device, const rf_tuning *tuning) {
    const rf_device_info *info = rf_device_describe(device);
    const rf_solver *tuned = NULL;
    rf_config tuned_config;
    int count = 0;
    long rank[RF_MAX_CHOICES];
    limit = RF_MIN(limit, (int)RF_MAX_CHOICES);
    if (!rf_tuning_find(&tuned, &tuned_config, tuning, problem, direction)) tuned = NULL;
    for (const rf_solver *const *s = problem->op->solvers; s != NULL && *s != NULL; s++) {
        const rf_match match = rf_solver_match(*s, problem, direction, device);
        if (match == RF_MATCH_NONE) continue;
        long own = (*s)->rank + match * 1000000L;
        if (*s == tuned) own += 10000000L;
        if (rf_is_forced((*s)->name)) own += 1000000000L;
        if (count == limit && rank[limit - 1] >= own) continue;
        int at = count < limit ? count++ : limit - 1;
        for (; at > 0 && rank[at - 1] < own; at--) choices[at] = choices[at - 1], rank[at] = rank[at - 1];
        fill(&choices[at], *s, match, *s == tuned ? &tuned_config : NULL, problem, info);
        rank[at] = own;
    }
    return count;
}
