/* Augmented batches on the device.  The host draws the views of each batch and uploads them; one kernel makes the images
 * and normalises them, in the gather's place. */
#ifndef RF_TRAIN_AUGMENTER_H
#define RF_TRAIN_AUGMENTER_H

#include "augment/augment.h"
#include "train/feeder.h"

typedef struct rf_augmenter {
    const rf_feeder *feeder;             /* borrowed, as is augmentation */
    const rf_augmentation *augmentation; /* for its batches */
    uint64_t seed;
    rf_buffer *views;
    /* two batches' views on the host, in turn */
    int turn;
    rf_view *staging[2];
    rf_event *event[2];
} rf_augmenter;

rf_status rf_augmenter_create(rf_augmenter **out, const rf_feeder *feeder,
                              const rf_augmentation *augmentation, uint64_t seed);
void rf_augmenter_free(rf_augmenter *augmenter);
size_t
rf_augmenter_bytes(const rf_augmentation *augmentation); /* on the device; on the host it is twice as much */

/* Uploads the views of the batch of this number in the run, of these images, before the launch that reads them. */
rf_status rf_augmenter_stage(rf_augmenter *augmenter, const int32_t *indices, uint64_t number);
rf_status rf_augmenter_emit(rf_augmenter *augmenter, rf_sequence *sequence, rf_buffer *images,
                            rf_buffer *labels);

#endif
