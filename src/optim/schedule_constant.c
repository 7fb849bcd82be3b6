/* The same learning rate all along. */
#include "optim/schedule.h"

static const rf_spec_option options[] = {RF_SCHEDULE_COMMON, {NULL}};

static double factor(const rf_schedule_run *run, double step) {
    (void)run, (void)step;
    return 1;
}

const rf_schedule rf_schedule_constant = {{"constant", "the same all along", options, NULL}, factor};
