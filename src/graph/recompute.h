/* Less memory for more work: activations that are not kept for the backward pass, which computes them again. */
#ifndef RF_GRAPH_RECOMPUTE_H
#define RF_GRAPH_RECOMPUTE_H

#include "graph/autodiff.h"

/* Replaces the steps and their arena, where they need more than `limit` bytes, by those that repeat the least work of those
 * that do not; where none do, by those that need the least memory.  With cheaply, large ones that fit are replaced, too, where
 * a tenth of the forward pass, repeated, saves a quarter of the memory.  Losses, gradients and states stay the same, bit by
 * bit. */
rf_status rf_recompute(rf_steps **steps, rf_arena **arena, rf_device *device, size_t limit, bool cheaply);

#endif
