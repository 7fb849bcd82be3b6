/* What every solver is asked through: its tunables, its workspace, and the device as it is to see it. */
#include "op/op.h"

#include <string.h>

const char *const rf_direction_names[RF_DIRECTIONS] = {
    [RF_FORWARD] = "forward",
    [RF_BACKWARD_PARAMS] = "backward_params",
    [RF_BACKWARD_DATA] = "backward_data",
};

enum { LITTLE = 32 }; /* one in so many outputs may go to waste */

/* The device as the solver is to see it. */
static rf_device_info seen_by(const rf_solver *solver, const rf_problem *problem,
                              const rf_device_info *info) {
    rf_device_info seen = *info;
    const size_t native = (size_t)info->native_vector_width, general = (size_t)info->vector_width,
                 outputs = (size_t)(solver->direction == RF_BACKWARD_DATA ? problem->x[0].c : problem->y.c);
    if (!solver->native_vectors || native <= general ||
        (rf_round_up(outputs, native) - rf_round_up(outputs, general)) * LITTLE > outputs)
        return seen;
    seen.vector_width = info->native_vector_width;
    return solver->applicable == NULL || solver->applicable(problem, &seen) ? seen : *info;
}

bool rf_solver_suits(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info) {
    return (solver->devices & info->kind) != 0 &&
           (solver->wins == NULL || solver->wins(problem, solver->direction, info));
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
    return solver->prepare(sequence, problem, &seen, tensors, config);
}

void rf_solver_defaults(rf_config *config, const rf_solver *solver, const rf_problem *problem,
                        const rf_device_info *info) {
    const rf_device_info seen = seen_by(solver, problem, info);
    memset(config, 0, sizeof *config);
    for (int i = 0; i < RF_MAX_TUNABLES && solver->tunables && solver->tunables[i].name; ++i)
        config->value[i] = solver->tunables[i].values[0];
    if (solver->choose) solver->choose(config, problem, &seen);
}
