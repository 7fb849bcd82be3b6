/* Files of networks, as rf_model_create takes them. */
#ifndef RF_MODEL_ZOO_H
#define RF_MODEL_ZOO_H

#include <stdbool.h>

#include "rangefinder/model.h"

/* Whether it is an ONNX file, which has a number of classes of its own. */
bool rf_model_is_onnx(const char *path);
/* What it is for where nobody says: photos of 224x224 with ImageNet's classes, or small images as CIFAR-10's; for an ONNX file
 * 0 channels, height and width and 1 class, which stand for its own. */
rf_image_shape rf_model_usual_images(const char *name_or_file);
/* rf_model_create, with a new last layer where the network is an ONNX file, whose number of classes may be another. */
rf_status rf_model_create_new_head(rf_model **out, const char *name_or_file, rf_image_shape images,
                                   uint64_t seed);

/* The names of copies by rf_model_copy, ended by NULL: one a kind of file. */
extern const char *const rf_model_copies[];
/* Which of them a file's copy gets. */
const char *rf_model_copy_name(const char *path);
/* Copies the file to folder under that name, with those that it names. */
rf_status rf_model_copy(const char *path, const char *folder);

#endif
