/* A model lowered for a batch size and a purpose: its nodes, then the loss, fused where that saves a pass. */
#ifndef RF_GRAPH_LOWER_H
#define RF_GRAPH_LOWER_H

#include "graph/model.h"

enum { RF_FROM_IMAGES = -1, RF_FROM_LABELS = -2 };
/* The most numbers in a layer's output: sums over all layers then fit size_t. */
#define RF_MAX_BATCH_NUMBERS 0x1p40

typedef struct rf_lowered_node {
    rf_problem problem;
    int input[RF_MAX_INPUTS]; /* an earlier lowered node, or RF_FROM_* */
    int model_node;           /* whose parameters it uses; -1: the loss */
    bool trained[RF_MAX_PARAMS];
    bool standardized; /* a convolution whose weights are computed first (standardize.h) */
    const char *name; /* borrowed from the model */
} rf_lowered_node;

typedef struct rf_lowered {
    rf_lowered_node *nodes;
    int count;
    int scores, loss; /* the node whose output is the class scores; the loss, or -1 */
} rf_lowered;

typedef struct rf_lower_desc {
    const rf_model *model; /* borrowed: outlives what is made, which holds its names */
    int batch;
    bool training;
    const bool *trained; /* of each parameter; NULL: none is frozen; read by rf_lower alone */
    const rf_op *loss;   /* NULL: none */
    double smoothing;
    bool mixed; /* an image has two labels (RF_MIXED_LABELS) */
    const rf_device
        *device; /* borrowed; fusion is tried where a solver of this device takes the fused problem */
} rf_lower_desc;

/* False on the reference, and with $RANGEFINDER_FUSION=0. */
bool rf_fusion_wanted(const rf_device *device);
rf_status rf_lower(rf_lowered **out, const rf_lower_desc *desc);
void rf_lowered_free(rf_lowered *lowered);

#endif
