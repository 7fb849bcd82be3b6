/* Checking reads through a batch norm. */
#include "verify/check_norm.h"

#include "op/batch_norm/batch_norm.h"
#include "op/reference.h"

bool rf_check_norm_applies(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info) {
    rf_problem normed = *problem;
    normed.normed = true;
    return problem->training && rf_solver_claim(solver, &normed, info) != RF_MATCH_NONE;
}

rf_status rf_check_norm_ask(rf_sample *sample, const rf_problem *asked) {
    static const rf_act acts[] = {RF_ACT_NONE, RF_ACT_RELU6, RF_ACT_SILU};
    const size_t C = (size_t)sample->problem.x[0].c, count = RF_BN_SAVED * C;
    float *numbers = sample->arrays.norm = rf_alloc(count, sizeof *numbers);
    if (numbers == NULL) return RF_E_MEMORY;
    sample->counts.norm = count;
    rf_random random;
    rf_random_init(&random, 3, 4);
    for (size_t i = 0; i < count; i++)
        numbers[i] = rf_random_uniform(&random) + (i < C || i >= 5 * C ? -0.5f : 0.5f);
    sample->problem.normed = true;
    sample->problem.norm_act = asked != NULL ? asked->norm_act : acts[C % RF_COUNT(acts)];
    return RF_OK;
}

void rf_check_norm_apply(rf_sample *sample) {
    const size_t C = (size_t)sample->problem.x[0].c;
    const float *mean = sample->arrays.norm, *scale = mean + 4 * C, *shift = mean + 5 * C;
    float *x = sample->arrays.x[0];
    for (size_t at = 0; at < sample->counts.x[0]; at++) {
        float z = x[at] - mean[at % C]; /* as kernels do, to the same bits, by which a maximum is found */
        z = z * scale[at % C];
        x[at] = rf_act_apply(z + shift[at % C], sample->problem.norm_act);
    }
}
