/* The records of a run: losses of steps and of evaluations, written on the device, which by them decides to stop. */
#ifndef RF_TRAIN_RECORD_H
#define RF_TRAIN_RECORD_H

#include "launch/sequence.h"

/* A loss that is the weighted sum of several batches' means. */
typedef struct rf_record {
    float share; /* of a batch */
    int batches;
} rf_record;

/* After a batch of training: loss is its mean; losses[CURRENT] gets the step's; rng[2] counts the batches. */
rf_status rf_record_emit(rf_sequence *sequence, rf_buffer *loss, rf_buffer *control, rf_buffer *losses,
                         rf_buffer *rng, const rf_record *record);
/* After a batch of an evaluation: observed[CURRENT] gets the mean of all of them. */
rf_status rf_observe_emit(rf_sequence *sequence, rf_buffer *loss, rf_buffer *control, rf_buffer *observed,
                          const rf_record *record);

/* What is made of a loss: the smoothed one, and the decision to stop, in the control words. */
void rf_record_judge(uint32_t *control, float loss);

#endif
