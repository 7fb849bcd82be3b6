/* A task's network at the start of its training. */
#ifndef REGRET_NETWORK_H
#define REGRET_NETWORK_H

#include "rangefinder/trainer.h"
#include "task.h"

/* base: images of other classes, on which all but the last layer is trained before; NULL: nothing is.
 * Threads: as the device. */
rf_status network_open(rf_model **out, const task *t, rf_device *device, const rf_dataset *data,
                       const rf_dataset *base, int seed);

/* What a frozen network trains: its last layer. The first group's pattern is owned by the caller: free(). */
enum { FROZEN_GROUPS = 2 };
rf_status network_freeze(rf_parameter_group groups[FROZEN_GROUPS], const rf_model *model);

#endif
