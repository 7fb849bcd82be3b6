/* Networks from ONNX files.  The graph becomes a model's layers, one op of ours for each pattern of ONNX ops that means
 * one; its initialisers become the parameters' values, and keep their names. */
#ifndef RF_MODEL_ONNX_ONNX_H
#define RF_MODEL_ONNX_ONNX_H

#include "rangefinder/model.h"

#include "base/base.h"

/* The network has as many classes as its last layer has outputs: images.classes at least.  seed is for parameters that the
 * file lacks.  Errors: RF_E_INPUT and RF_E_SHAPE name the node and its op. */
rf_status rf_onnx_create(rf_model **out, const char *path, rf_image_shape images, uint64_t seed);
/* Copies the file to folder/name, and those beside it that hold its tensors under their own names. */
rf_status rf_onnx_copy(const char *path, const char *folder, const char *name);

#endif
