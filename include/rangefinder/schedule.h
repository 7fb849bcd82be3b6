/* Schedules: the learning rate of each step of a run. */
#ifndef RANGEFINDER_SCHEDULE_H
#define RANGEFINDER_SCHEDULE_H

#include <stddef.h>

#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The names of the schedules, ended by NULL. */
RF_API const char *const *rf_schedule_names(void);

/* Fills rates with `steps` learning rates, by PyTorch's formulas.
 * schedule: a name and options, which `rangefinder schedule --help` lists: "cosine", "step size=30 gamma=0.1 warmup=5", or factors
 * times epochs, "1x50,0.1x50" (the last one stays to the end).  NULL: "constant".
 * lr, above 0: what factors multiply; the highest of onecycle and the cyclical ones.
 * steps_per_epoch: at least 1; options count epochs.
 * Errors: RF_E_USAGE where the schedule does not parse, or is longer than the run. */
RF_API rf_status rf_schedule_rates(double *rates, size_t steps, const char *schedule, double lr,
                                   size_t steps_per_epoch);

#ifdef __cplusplus
}
#endif
#endif
