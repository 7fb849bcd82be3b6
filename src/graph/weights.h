/* A model's parameters on a device: one flat buffer for the trained ones, one for their gradients, one for all that is not
 * trained: the buffers of batch norm, and frozen parameters.  Each parameter starts at a multiple of `alignment` floats, in its storage layout; gaps are
 * zero. */
#ifndef RF_GRAPH_WEIGHTS_H
#define RF_GRAPH_WEIGHTS_H

#include "graph/model.h"

typedef struct rf_weights {
    rf_device *device;                   /* borrowed: outlives this */
    size_t alignment;                    /* floats */
    size_t trained_floats, state_floats; /* of the flat buffers; multiples of alignment, not 0 */
    rf_buffer *params, *grads, *states;  /* the flat buffers */
    int count;                           /* the model's parameters */
    char **name;                         /* of each, as are all below */
    rf_param_spec *spec;
    bool *trained;
    size_t *offset; /* floats from the start of params, or of states */
    bool is_view;
    rf_buffer **value, **gradient; /* regions; gradient is NULL for what is not trained */
} rf_weights;

/* The floats of the flat buffers, before anything is allocated. */
void rf_weights_measure(size_t *trained_floats, size_t *state_floats, const rf_device *device,
                        const rf_model *model, const bool *trained);
/* Lays out, allocates and uploads the model's values.  emptied: the same model, whose values are freed one by one as the
 * device has them; NULL: it keeps them.  trained: of each parameter; NULL: none is frozen.  with_gradients: false for a
 * plan that only infers. */
rf_status rf_weights_create(rf_weights **out, rf_device *device, const rf_model *model, rf_model *emptied,
                            const bool *trained, bool with_gradients);
/* The same parameters, but for the values of the trained ones, which lie in `params`.  Borrowed: both outlive the view. */
rf_status rf_weights_view(rf_weights **out, const rf_weights *of, rf_buffer *params);
void rf_weights_free(rf_weights *weights);
/* Copies the device's values into a model of the same architecture. */
rf_status rf_weights_export(rf_weights *weights, rf_model *model);

#endif
