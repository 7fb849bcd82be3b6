/* Down along half a cosine to `end` times the rate: torch's CosineAnnealingLR (Loshchilov and Hutter 2017), step by step. */
#include "optim/schedule.h"

static const rf_spec_option options[] = {RF_SCHEDULE_COMMON, {"end", 1, {0}, 0, 1}, {NULL}};

static double factor(const rf_schedule_run *run, double step) {
    return run->steps > 0 ? rf_cosine_between(1, run->o[0], step / run->steps) : 1;
}

const rf_schedule rf_schedule_cosine = {{"cosine", "along half a cosine", options, NULL}, factor};
