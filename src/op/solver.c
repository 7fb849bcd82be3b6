/* Queries to solvers: does it match a problem, its tunables, its workspace, and the device info that it gets. */
#include "op/op.h"

#include <stdlib.h>
#include <string.h>

const char *const rf_direction_names[RF_DIRECTIONS] = {
    [RF_FORWARD] = "forward",
    [RF_BACKWARD_PARAMS] = "backward_params",
    [RF_BACKWARD_DATA] = "backward_data",
};

static bool is_applicable(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info) {
    return solver->applicable == NULL || solver->applicable(problem, info);
}

enum { LITTLE = 32 }; /* one in so many outputs may be wasted */

/* The device info for the solver: with native vectors where it prefers them. */
static rf_device_info seen_by(const rf_solver *solver, const rf_problem *problem,
                              const rf_device_info *info) {
    rf_device_info seen = *info;
    const size_t native = (size_t)info->native_vector_width, general = (size_t)info->vector_width,
                 outputs = (size_t)(solver->direction == RF_BACKWARD_DATA ? problem->x[0].c : problem->y.c);
    if (!solver->native_vectors || native <= general ||
        (rf_round_up(outputs, native) - rf_round_up(outputs, general)) * LITTLE > outputs)
        return seen;
    seen.vector_width = info->native_vector_width;
    return is_applicable(solver, problem, &seen) ? seen : *info;
}

static bool takes_storage(const rf_solver *solver, const rf_problem *problem) {
    if (!problem->half_x && !problem->half_y) return true;
    return solver->half == RF_HALF_EITHER ||
           (solver->half == RF_HALF_ALIKE && problem->half_x == problem->half_y);
}

rf_match rf_solver_claim(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info) {
    const bool residual = problem->inputs > problem->op->inputs_max;
    if ((residual && !solver->takes_residual) || (problem->normed && !solver->takes_norm) ||
        !takes_storage(solver, problem) || !is_applicable(solver, problem, info))
        return RF_MATCH_NONE;
    if ((solver->devices & info->kind) == 0) return RF_MATCH_OTHER;
    return solver->preferred == NULL || solver->preferred(problem, solver->direction, info) ? RF_MATCH_FAST
                                                                                            : RF_MATCH_SLOW;
}

bool rf_is_forced(const char *name) {
    const size_t length = strlen(name);
    for (const char *item = getenv("RANGEFINDER_SOLVER"); item != NULL && *item != '\0';) {
        const size_t n = strcspn(item, ",");
        const char *end = n <= length ? name + length - n : NULL;
        if (n > 0 && end != NULL && strncmp(item, end, n) == 0 && (end == name || end[-1] == '_'))
            return true;
        item += n + (item[n] == ',');
    }
    return false;
}

rf_match rf_solver_match(const rf_solver *solver, const rf_problem *problem, rf_direction direction,
                         const rf_device *device) {
    const rf_device_info *info = rf_device_describe(device);
    const char *name = rf_direction_names[direction];
    if (solver->direction != direction || info->kind == RF_DEVICE_REFERENCE || rf_is_forced("reference") ||
        rf_device_is_quarantined(device, problem->op->name, name) ||
        rf_device_is_quarantined(device, solver->name, name))
        return RF_MATCH_NONE;
    return rf_solver_claim(solver, problem, info);
}

size_t rf_solver_workspace(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info,
                           const rf_config *config) {
    const rf_device_info seen = seen_by(solver, problem, info);
    return solver->workspace ? solver->workspace(problem, &seen, config) : 0;
}

int rf_solver_sums(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info,
                   const rf_config *config) {
    const rf_device_info seen = seen_by(solver, problem, info);
    return solver->sums ? solver->sums(problem, solver->direction, &seen, config) : 0;
}

rf_status rf_solver_prepare(const rf_solver *solver, rf_sequence *sequence, const rf_problem *problem,
                            const rf_device_info *info, const rf_tensors *tensors, const rf_config *config) {
    const rf_device_info seen = seen_by(solver, problem, info);
    rf_sequence_halves(sequence, problem->half_x, problem->half_y);
    const rf_status status = solver->prepare(sequence, problem, &seen, tensors, config);
    rf_sequence_halves(sequence, false, false);
    return status;
}

void rf_solver_defaults(rf_config *config, const rf_solver *solver, const rf_problem *problem,
                        const rf_device_info *info) {
    const rf_device_info seen = seen_by(solver, problem, info);
    memset(config, 0, sizeof *config);
    for (int i = 0; i < RF_MAX_TUNABLES && solver->tunables && solver->tunables[i].name; ++i)
        config->value[i] = solver->tunables[i].values[0];
    if (solver->choose) solver->choose(config, problem, &seen);
}
