/* Factors, each for some epochs; the last one stays. */
#include "optim/schedule.h"

static const rf_spec_option options[] = {RF_SCHEDULE_COMMON, {"parts", RF_SPEC_LIST, {1}, 0, 1e6}, {NULL}};

static rf_status check(const double *o, size_t count) {
    (void)o;
    if ((count - RF_SCHEDULE_OWN) % 2 == 0) return RF_OK;
    return rf_fail(RF_E_USAGE, "table: factors times epochs are wanted, like 1x50,0.1x50");
}

static double factor(const rf_schedule_run *run, double step) {
    size_t i = 0;
    for (double end = run->o[1]; i + 2 < run->count && step >= end * run->epoch; end += run->o[i + 1]) i += 2;
    return run->o[i];
}

const rf_schedule rf_schedule_table = {{"table", "factors times epochs, 1x50,0.1x50", options, check},
                                       factor};
