/* Evaluators: the mean loss of images, and of each the class predicted and the rank of its label. */
#ifndef RF_TRAIN_EVALUATOR_H
#define RF_TRAIN_EVALUATOR_H

#include "dist/dist.h"
#include "graph/plan.h"
#include "rangefinder/evaluate.h"
#include "train/feeder.h"

enum { RF_EVALUATION_BATCH = 256 };

typedef struct rf_evaluator_part {
    rf_plan *plan;
    rf_sequence *sequence; /* a batch */
    int batch, batches;
} rf_evaluator_part;

typedef struct rf_evaluator {  /* starts as {0} */
    rf_evaluator_part part[2]; /* the images in whole batches, and the rest of them */
    int count, classes;
    int first, total; /* with several ranks: which images are this one's, of how many */
    rf_dist *dist;    /* borrowed; NULL: there is one rank */
    rf_device *device;
    rf_feeder *feeder; /* borrowed */
    int32_t *images;   /* their indices in the feeder's data set; owned */
    rf_buffer *order;  /* the same on the device */
    rf_buffer *ranks;  /* of each image: predicted class, rank of the label */
    bool profiled;     /* batches run launch by launch, each timed; the device must have profiling on */
} rf_evaluator;

/* Plans without memory. desc: its batch, 0: RF_EVALUATION_BATCH; its training is not read; total: images, of which each
 * rank takes its part. */
rf_status rf_evaluator_plan(rf_evaluator *evaluator, const rf_plan_desc *desc, int total, rf_dist *dist);
size_t rf_evaluator_bytes(const rf_evaluator *evaluator, size_t *largest); /* of the plans and all else */
/* images: of the feeder's data set, `total` of them; NULL: the first ones. */
rf_status rf_evaluator_allocate(rf_evaluator *evaluator, const rf_plan_memory *memory, rf_feeder *feeder,
                                const int32_t *images);
/* Makes the launches.  control: MICRO counts the batches, and nothing is recorded after STOP; the mean loss, or this rank's part of
 * it, is written to observed[control[CURRENT]]. */
rf_status rf_evaluator_emit(rf_evaluator *evaluator, rf_buffer *control, rf_buffer *observed);
/* Enqueues the evaluation of all images.  visit: called after each batch, which then waits; or NULL. */
typedef rf_status rf_evaluator_visit(void *context, const rf_evaluator_part *part, int first);
rf_status rf_evaluator_run(rf_evaluator *evaluator, rf_evaluator_visit *visit, void *context);
/* What the last run found of this rank's images, with the accuracies of all: collective.  The loss is the caller's to fill in.
 * labels: of the data set's images. */
rf_status rf_evaluator_read(rf_evaluation **out, const rf_evaluator *evaluator, const int32_t *labels);
void rf_evaluator_release(rf_evaluator *evaluator);

/* Evaluates as rf_evaluate does, launch by launch, and then shows the launches of a batch, with their times, also where desc->scores
 * has ended it. */
rf_status rf_evaluate_profiled(const rf_evaluate_desc *desc,
                               rf_status (*show)(void *context, rf_sequence *batch), void *context);

#endif
