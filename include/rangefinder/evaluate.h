/* Evaluation: how a network does on labelled images, and what it predicts. */
#ifndef RANGEFINDER_EVALUATE_H
#define RANGEFINDER_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rangefinder/dataset.h"
#include "rangefinder/device.h"
#include "rangefinder/model.h"
#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Owns its arrays. */
typedef struct rf_evaluation {
    double loss;                /* the mean over the images */
    double accuracy, accuracy5; /* shares whose label is the highest score, is among the five highest */
    size_t count;
    int classes; /* of the network */
    /* Of each image, in the data set's order: its label; the class with the highest score; how many classes score
     * higher than the label. */
    int32_t *label, *predicted, *rank;
} rf_evaluation;
RF_API void rf_evaluation_free(rf_evaluation *evaluation);
/* The confusion matrix.  Shape: out is (classes, classes): images of each label (row) by the class predicted. */
RF_API void rf_evaluation_confusion(size_t *out, const rf_evaluation *evaluation);

/* The options of an evaluation; only read during the call. */
typedef struct rf_evaluate_desc {
    rf_device *device;
    const rf_model *model; /* dropout is off, and batch norm uses its running statistics */
    const rf_dataset *dataset;
    const double *mean, *std; /* as the network was trained with; NULL: what a trainer would take */
    const char *loss;         /* as in rf_trainer_desc */
    double label_smoothing;
    int batch; /* at most so many images at once; 0: 256, or as many as fit into memory */
    /* Receives the scores of `count` images from image `first` on, before softmax. Shape: (count, classes).  False: stop;
     * NULL: not wanted. */
    bool (*scores)(void *context, size_t first, size_t count, const float *scores);
    void *context;
} rf_evaluate_desc;

/* Evaluates a network on a data set.  Errors: RF_E_USAGE for invalid options, RF_E_SHAPE where network and data do not match,
 * RF_E_INTERRUPTED where `scores` returned false, RF_E_MEMORY, RF_E_DEVICE. */
RF_API rf_status rf_evaluate_sized(rf_evaluation **out, const rf_evaluate_desc *desc, size_t size);
static inline rf_status rf_evaluate(rf_evaluation **out, const rf_evaluate_desc *desc) {
    return rf_evaluate_sized(out, desc, sizeof *desc);
}

#ifdef __cplusplus
}
#endif
#endif
