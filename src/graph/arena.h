/* A memory arena for all tensors of a plan: tensors whose lifetimes overlap do not share memory. */
#ifndef RF_GRAPH_ARENA_H
#define RF_GRAPH_ARENA_H

#include "device/device.h"

typedef struct rf_tensor {
    size_t bytes;
    int first, last;   /* the steps at which it is written first and used last */
    bool shared;       /* holds the gradients of several nodes at once */
    int parameter;     /* its memory is not the arena's, but this parameter's of the model, plus 1; 0: the arena's */
    bool of_gradient;  /* its gradient's */
    size_t offset;     /* given by rf_arena_create */
    rf_buffer *buffer; /* the region, from rf_arena_allocate on; owned by the arena */
} rf_tensor;

typedef struct rf_arena rf_arena;
/* Places the tensors: sets their offsets, and allocates nothing.  tensors: borrowed: outlives the arena. */
rf_status rf_arena_create(rf_arena **out, rf_device *device, rf_tensor *tensors, size_t count);
void rf_arena_free(rf_arena *arena);
rf_status rf_arena_allocate(rf_arena *arena);
size_t rf_arena_bytes(const rf_arena *arena);
size_t rf_arena_largest(const rf_arena *arena); /* bytes that must lie in one allocation */

#endif
