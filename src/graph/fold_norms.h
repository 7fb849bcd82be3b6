/* A network for inference: batch norms become part of the layers before them. */
#ifndef RF_GRAPH_FOLD_NORMS_H
#define RF_GRAPH_FOLD_NORMS_H

#include "graph/model.h"

/* A copy of a finished model that gives the same scores, up to rounding, by fewer layers: a batch norm behind a convolution or
 * linear layer that nothing else reads scales that layer's weights, and adds to its bias.
 * Layers that share weights have copies of their own. */
rf_status rf_model_fold_norms(rf_model **out, const rf_model *model);

#endif
