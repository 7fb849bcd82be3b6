/* Automatic differentiation: the steps of a plan, forward, and backward derived from it. */
#ifndef RF_GRAPH_AUTODIFF_H
#define RF_GRAPH_AUTODIFF_H

#include "graph/lower.h"
#include "graph/steps.h"

/* Derives the steps; with training also those of the backward pass, from the loss to every trained
 * parameter, and no further. */
rf_status rf_steps_create(rf_steps **out, const rf_lowered *lowered, const rf_model *model, bool training,
                          rf_device *device, const rf_tuning *tuning);

#endif
