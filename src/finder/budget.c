/* How long a step takes, and what fits. */
#include "finder/budget.h"

#include <math.h>

enum { WARM_STEPS = 3, TIMED_RUNS = 3, RUN_STEPS = 4, ITERATIONS_MIN = 100, SEEDS_MOST = 5 };

/* At a rate of zero: the weights cannot diverge. */
static rf_status run_steps(rf_trainer *t, size_t steps) {
    static const double still[RUN_STEPS];
    double loss[RUN_STEPS];
    rf_run_result result;
    RF_TRY(rf_trainer_execute(&result, loss, NULL, t, &(rf_run_desc){.lr = still, .steps = steps}));
    return rf_device_sync(t->desc.device);
}

rf_status rf_step_time(double *ms, rf_trainer *t) {
    rf_host_state before;
    *ms = INFINITY;
    RF_TRY(rf_trainer_snapshot(&before, t));
    rf_status status = run_steps(t, WARM_STEPS);
    for (int i = 0; i < TIMED_RUNS && status == RF_OK; i++) {
        const double begun = rf_time_ms();
        status = run_steps(t, RUN_STEPS);
        *ms = fmin(*ms, (rf_time_ms() - begun) / RUN_STEPS);
    }
    if (status != RF_OK) rf_error_hold();
    const rf_status restored = rf_trainer_restore(t, &before);
    if (status != RF_OK) rf_error_release();
    return status != RF_OK ? status : restored;
}

bool rf_budget_fit(rf_budget *b, double steps) {
    b->seeds = 1;
    b->race = false;
    if (steps < RF_MIN(b->iterations, ITERATIONS_MIN)) return false;
    b->iterations = (int)fmin(b->iterations, steps);
    steps -= b->iterations;
    b->race = steps >= (double)b->race_steps;
    if (b->race) steps -= (double)b->race_steps;
    b->seeds += (int)fmin(steps / b->iterations, SEEDS_MOST - 1);
    return true;
}
