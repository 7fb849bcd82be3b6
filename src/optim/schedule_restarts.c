/* Half cosines one behind the other, the first of `first` epochs, each `mult` times as long as the one before: torch's
 * CosineAnnealingWarmRestarts, step by step. */
#include <math.h>

#include "optim/schedule.h"

enum { FIRST, MULT, END };
static const rf_spec_option options[] = {RF_SCHEDULE_COMMON,
                                         {"first", 1, {10}, 1e-6, 1e6},
                                         {"mult", 1, {1}, 1, 1000},
                                         {"end", 1, {0}, 0, 1},
                                         {NULL}};

static double factor(const rf_schedule_run *run, double step) {
    double length = run->o[FIRST] * run->epoch;
    if (run->o[MULT] == 1)
        step = fmod(step, length);
    else
        for (; step >= length; length *= run->o[MULT]) step -= length;
    return rf_cosine_between(1, run->o[END], step / length);
}

const rf_schedule rf_schedule_restarts = {{"restarts", "half cosines, again and again", options, NULL},
                                          factor};
