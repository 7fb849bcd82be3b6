/* Less memory for more work: activations that are not kept for the backward pass, which computes them again. */
#ifndef RF_GRAPH_RECOMPUTE_H
#define RF_GRAPH_RECOMPUTE_H

#include "graph/autodiff.h"

/* Replaces the steps and their arena by those that repeat the least work of those that need at most `limit` bytes; where
 * none do, by those that need the least memory.  Losses, gradients and states stay the same, bit by bit. */
rf_status rf_recompute(rf_steps **steps, rf_arena **arena, rf_device *device, size_t limit);

#endif
