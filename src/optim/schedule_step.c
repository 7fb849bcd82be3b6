/* Less by `gamma` every `size` epochs: torch's StepLR. */
#include <math.h>

#include "optim/schedule.h"

enum { SIZE, GAMMA };
static const rf_spec_option options[] = {
    RF_SCHEDULE_COMMON, {"size", 1, {30}, 1, 1e6}, {"gamma", 1, {0.1}, 0, 1e6}, {NULL}};

static double factor(const rf_schedule_run *run, double step) {
    return pow(run->o[GAMMA], floor(floor(step / run->epoch) / run->o[SIZE]));
}

const rf_schedule rf_schedule_step = {{"step", "less every so many epochs", options, NULL}, factor};
