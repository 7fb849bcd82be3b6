/* Choosing solvers: what the user forces, then what was tuned, then the rank. */
#include "graph/choose.h"

#include <stdlib.h>
#include <string.h>

/* True if the comma-separated list holds the name, or the family that the name ends in. */
static bool listed(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *item = list; item != NULL && *item != '\0';) {
        size_t n = strcspn(item, ",");
        bool whole = n == length && strncmp(item, name, n) == 0;
        bool family =
            n > 0 && n < length && name[length - n - 1] == '_' && strncmp(item, name + length - n, n) == 0;
        if (whole || family) return true;
        item += n + (item[n] == ',');
    }
    return false;
}

bool rf_is_forced(const char *solver) {
    const char *forced = getenv("RANGEFINDER_SOLVER");
    return forced != NULL && listed(forced, solver);
}

/* config NULL: the solver's defaults. */
static void fill(rf_choice *choice, const rf_solver *solver, const rf_config *config,
                 const rf_problem *problem, const rf_device_info *info) {
    *choice = (rf_choice){.solver = solver};
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
    if (info->kind == RF_DEVICE_REFERENCE || rf_is_forced("reference") ||
        rf_device_is_quarantined(device, problem->op->name, rf_direction_names[direction]))
        return 0;
    limit = RF_MIN(limit, (int)RF_MAX_CHOICES);
    if (!rf_tuning_find(&tuned, &tuned_config, tuning, problem, direction)) tuned = NULL;
    for (const rf_solver *const *s = problem->op->solvers; s != NULL && *s != NULL; s++) {
        if ((*s)->direction != direction || ((*s)->applicable != NULL && !(*s)->applicable(problem, info)) ||
            rf_device_is_quarantined(device, (*s)->name, rf_direction_names[direction]))
            continue;
        long own = (*s)->rank + (rf_solver_suits(*s, problem, info) ? 1000000L : 0);
        if (*s == tuned) own += 10000000L;
        if (rf_is_forced((*s)->name)) own += 1000000000L;
        if (count == limit && rank[limit - 1] >= own) continue;
        int at = count < limit ? count++ : limit - 1;
        for (; at > 0 && rank[at - 1] < own; at--) choices[at] = choices[at - 1], rank[at] = rank[at - 1];
        fill(&choices[at], *s, *s == tuned ? &tuned_config : NULL, problem, info);
        rank[at] = own;
    }
    return count;
}
