/* Down to zero along a power of what is left: torch's PolynomialLR, step by step. */
#include <math.h>

#include "optim/schedule.h"

static const rf_spec_option options[] = {RF_SCHEDULE_COMMON, {"power", 1, {1}, 0, 100}, {NULL}};

static double factor(const rf_schedule_run *run, double step) {
    return run->steps > 0 ? pow(1 - step / run->steps, run->o[0]) : 1;
}

const rf_schedule rf_schedule_polynomial = {
    {"polynomial", "to zero along a power of the steps left", options, NULL}, factor};
