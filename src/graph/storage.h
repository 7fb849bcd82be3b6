/* The choice of what is stored in halves. */
#ifndef RF_GRAPH_STORAGE_H
#define RF_GRAPH_STORAGE_H

#include "graph/lower.h"

/* Sets half_x and half_y of all problems; to none where the device cannot convert. */
rf_status rf_store_halves(rf_lowered *lowered, const rf_device *device);
/* y = x, from halves to floats or the other way round: an op's problem, forward. */
void rf_store_conversion(rf_problem *problem, rf_shape shape, bool from_half);

#endif
