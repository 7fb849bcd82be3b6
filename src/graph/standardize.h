/* Weights that steps compute from parameters: those of conv_standardized, which is lowered to a convolution. */
#ifndef RF_GRAPH_STANDARDIZE_H
#define RF_GRAPH_STANDARDIZE_H

#include "graph/lower.h"
#include "graph/steps.h"

/* Makes a conv_standardized a convolution, where the device is not the reference, which runs it as it is. */
void rf_standardize_lower(rf_lowered_node *node, const rf_device *device);

/* Tensors of a node's weights w; -1: none. */
typedef struct rf_standardized {
    int saved, normed, scaled; /* of the norm; w normed; times the factor */
    int weight;                /* times the gain: for the convolution; the last of these */
} rf_standardized;

/* Where steps go, and what they are of. */
typedef struct rf_standardize_desc {
    rf_steps *steps;
    const rf_model *model;
    const rf_lowered_node *node;
    int index; /* of the node */
    bool training;
    rf_device *device;
    const rf_tuning *tuning;
} rf_standardize_desc;

/* Appends the steps before the convolution's forward pass. */
rf_status rf_standardize_forward(rf_standardized *out, const rf_standardize_desc *desc);
/* Appends those behind its gradient of the weights, which is overwritten; adds: to the parameters' gradients. */
rf_status rf_standardize_backward(const rf_standardized *s, const rf_standardize_desc *desc, int gradient,
                                  bool adds);
/* The slot of the gain among the parameters; -1: it has none. */
int rf_standardize_gain(const rf_lowered_node *node);

#endif
