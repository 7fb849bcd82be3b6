/* The choice of what is stored in halves. */
#ifndef RF_GRAPH_STORAGE_H
#define RF_GRAPH_STORAGE_H

#include "graph/lower.h"

/* Sets half_x and half_y of all problems, as far as the device has solvers for it. */
rf_status rf_store_halves(rf_lowered *lowered, const rf_device *device);

#endif
