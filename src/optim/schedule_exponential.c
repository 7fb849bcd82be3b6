/* Less by `gamma` every epoch: torch's ExponentialLR. */
#include <math.h>

#include "optim/schedule.h"

static const rf_spec_option options[] = {RF_SCHEDULE_COMMON, {"gamma", 1, {0.95}, 0, 1e6}, {NULL}};

static double factor(const rf_schedule_run *run, double step) {
    return pow(run->o[0], floor(step / run->epoch));
}

const rf_schedule rf_schedule_exponential = {{"exponential", "less every epoch", options, NULL}, factor};
