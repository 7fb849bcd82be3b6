/* Deferred batch norms: what one convolution or max pooling alone reads is computed while it reads it, from batch norm's
 * input.  Batch norm then only computes its statistics: one pass over memory less in the forward pass, and no output that
 * lives until the backward pass. */
#ifndef RF_GRAPH_DEFER_H
#define RF_GRAPH_DEFER_H

#include "graph/lower.h"
#include "graph/tuning.h"

/* Marks the batch norms of a plan for training that are deferred, and their readers, where the solvers that would be taken for
 * these can do it; after the storage of the maps is known.  None without fusion (rf_fusion_wanted). */
rf_status rf_defer_norms(rf_lowered *lowered, rf_device *device, const rf_tuning *tuning);

#endif
