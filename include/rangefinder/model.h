/* Models: a network as described (ops, edges, named parameters), with its parameters' values on the host. */
#ifndef RANGEFINDER_MODEL_H
#define RANGEFINDER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thread at a time while it is made or its values change; then any number may read it. */
typedef struct rf_model rf_model;

/* The input and output of a network, which adapts to the images' channels and size and to the number of classes. */
typedef struct rf_image_shape {
    int channels, height, width, classes;
} rf_image_shape;

/* Makes a built-in network by its name ("simplecnn", "resnet20", ...; also "ResNet-20"), or one from a file in the
 * model language. Its parameters have PyTorch's default initialisation, from `seed`. Errors: RF_E_INPUT with line,
 * column and what was expected; RF_E_SHAPE where the images do not fit.
 * An ONNX file (docs/onnx.md) brings its weights and its number of classes, at least images.classes; channels, height and
 * width of 0 are then the file's own, and 3x224x224 where it leaves them open.  RF_E_INPUT and RF_E_SHAPE name the node
 * and its op. */
RF_API rf_status rf_model_create(rf_model **out, const char *name_or_file, rf_image_shape images,
                                 uint64_t seed);
/* The same from text; origin is what messages call it.  Both are read during the call alone. */
RF_API rf_status rf_model_parse(rf_model **out, const char *text, const char *origin, rf_image_shape images,
                                uint64_t seed);
/* The names of the built-in networks, ended by NULL. */
RF_API const char *const *rf_model_names(void);

/* Building a network in C: begin, add layers, each reading the last one unless `inputs` says otherwise, finish.
 * attributes are written as in the model language: "16 3x3 pad=1".  inputs: names separated by blanks, or
 * NULL. */
RF_API rf_status rf_model_begin(rf_model **out, const char *name, rf_image_shape images);
RF_API rf_status rf_model_add(rf_model *model, const char *op, const char *name, const char *attributes,
                              const char *inputs);
RF_API rf_status rf_model_finish(rf_model *model, uint64_t seed);
RF_API void rf_model_free(rf_model *model);

/* Replaces the last layer with parameters by one for so many classes, initialised from `seed`: the head of a network that was
 * trained for others.  Errors: RF_E_INPUT, RF_E_SHAPE: there is none; the model can only be freed then. */
RF_API rf_status rf_model_new_head(rf_model *model, int classes, uint64_t seed);

RF_API const char *rf_model_name(const rf_model *model); /* borrowed: lives as long as the model */
/* What should be known of how the network was made, such as batch norms that an ONNX file's exporter folded away, or of
 * the weights loaded last; NULL: nothing.  Borrowed until weights are loaded. */
RF_API const char *rf_model_note(const rf_model *model);
RF_API size_t rf_model_parameter_count(const rf_model *model); /* numbers, as PyTorch counts them */

/* Reads weights from a safetensors file (F64, F32, F16, BF16), by PyTorch's names and layouts.  A prefix ("module.",
 * "_orig_mod.", "model.", several of them) is dropped where the names then match.  Counters, moving averages of the
 * weights (ema.) and tensors of integers that the network has not are skipped.  On failure the model is unchanged.
 * Errors: RF_E_INPUT naming missing and unexpected keys and shape mismatches, or the tensors that hold NaN or
 * infinities, and how many. */
RF_API rf_status rf_model_load_weights(rf_model *model, const char *path);
/* The same, to train on: the last layer with parameters keeps its initial values where the file's has another shape or is
 * missing, and always with new_head; tensors outside of the prefix (another head, a loss) are left out.  rf_model_note
 * then says so. */
RF_API rf_status rf_model_load_pretrained(rf_model *model, const char *path, int new_head);
RF_API rf_status rf_model_save_weights(const rf_model *model, const char *path); /* F32 */

/* What a file holds besides the network; only read during the call. */
typedef struct rf_export_options {
    const char *const *class_names; /* as many as the network has classes; NULL: none */
    const double *mean, *std; /* that images of 0 to 1 are normalised by, one a channel; NULL: not known */
    bool normalize;           /* the first nodes do that */
} rf_export_options;
/* Writes the network as it predicts, with its weights: ONNX operators of version 17, input "images" (N,C,H,W), output "scores"
 * (N,classes), any N, parameters by their names.  Names of classes, mean and std are in the metadata, as JSON.  options: NULL for none.
 * Errors: RF_E_USAGE where the build has no ONNX; RF_E_SHAPE above the 2 GiB that such a file can hold. */
RF_API rf_status rf_model_save_onnx_sized(const rf_model *model, const char *path,
                                          const rf_export_options *options, size_t size);
static inline rf_status rf_model_save_onnx(const rf_model *model, const char *path,
                                           const rf_export_options *options) {
    return rf_model_save_onnx_sized(model, path, options, sizeof *options);
}

/* One parameter (or batch-norm buffer) in PyTorch's layout.  All pointers are borrowed: they live as long as the model.
 */
typedef struct rf_parameter_view {
    const char *name;
    int rank;
    const int *shape;
    float *values;
    size_t count;
} rf_parameter_view;
/* False past the end. */
RF_API int rf_model_parameter(const rf_model *model, size_t index, rf_parameter_view *view);

#ifdef __cplusplus
}
#endif
#endif
