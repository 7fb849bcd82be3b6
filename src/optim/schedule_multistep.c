/* Less by `gamma` at each of some epochs: torch's MultiStepLR. */
#include <math.h>

#include "optim/schedule.h"

enum { GAMMA, MILESTONES };
static const rf_spec_option options[] = {
    RF_SCHEDULE_COMMON, {"gamma", 1, {0.1}, 0, 1e6}, {"milestones", RF_SPEC_LIST, {30}, 0, 1e6}, {NULL}};

static double factor(const rf_schedule_run *run, double step) {
    double out = 1;
    for (size_t i = MILESTONES; i < run->count; i++)
        if (floor(step / run->epoch) >= run->o[i]) out *= run->o[GAMMA];
    return out;
}

const rf_schedule rf_schedule_multistep = {{"multistep", "less at each of some epochs", options, NULL},
                                           factor};
