/* What a file with a network's weights says of classes and images, as pairs of names and JSON texts. */
#ifndef RF_MODEL_METADATA_H
#define RF_MODEL_METADATA_H

#include "model/safetensors.h"

enum { RF_MAX_METADATA = 3 }; /* "class_names", "mean", "std" */

/* The texts are the caller's, to be freed in any case. */
rf_status rf_metadata_make(rf_tensor_note out[RF_MAX_METADATA], size_t *count, const rf_model *model,
                           const rf_export_options *options);
/* rf_model_save_weights, with what the options say, and synced to disk. */
rf_status rf_metadata_save_weights(const rf_model *model, const char *path, const rf_export_options *options);

#endif
