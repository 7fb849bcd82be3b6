/* The feed on the device: the data set's bytes, and the launch that gathers and normalises a batch. */
#ifndef RF_TRAIN_FEEDER_H
#define RF_TRAIN_FEEDER_H

#include "data/prefetch.h"
#include "graph/model.h"
#include "launch/sequence.h"
#include "op/family.h"
#include "rangefinder/dataset.h"

/* The family of train.cl's kernels on this device: tile for CPUs, unless $RANGEFINDER_SOLVER forces group; else
 * group. */
rf_family rf_train_family(const rf_device *device);
bool rf_train_on_reference(const rf_device *device); /* rather than by kernels */
/* The vectors of its kernels in so many floats: of eight, or of four. */
size_t rf_train_vectors(const rf_device *device, size_t floats);
/* Sets the work-items for as many vectors. */
void rf_train_spread(rf_launch_desc *desc, const rf_device *device, size_t vectors);
/* Emits a launch of one of them: fills in program and options. */
rf_status rf_train_emit(rf_sequence *sequence, const rf_device *device, rf_launch_desc *desc);

/* Whether the network takes the images. Errors: RF_E_SHAPE, RF_E_INPUT. */
rf_status rf_check_images(const rf_model *model, const rf_dataset *data);
/* Mean and std of each channel: those given, or the data's, or 0 and 1, or 1/255, where the network normalises.  Errors: RF_E_USAGE. */
rf_status rf_normalisation(double *mean, double *std, const rf_model *model, const rf_dataset *data,
                           const double *given_mean, const double *given_std);

typedef struct rf_feeder {
    rf_device *device; /* borrowed, as is dataset */
    const rf_dataset *dataset;
    int per_image;  /* bytes */
    bool streaming; /* the host gathers each batch */
    rf_buffer *pixels, *labels, *scale_shift;
    /* streaming: one batch on the device, fed from two staging buffers on the host in turn */
    int staged_batch, turn;
    uint8_t *staging[2];
    int32_t *staging_labels[2];
    rf_event *staging_event[2][2];
    rf_buffer *identity;   /* order of a staged batch: 0, 1, 2, ... */
    rf_prefetch *prefetch; /* of images that have to be decoded */
} rf_feeder;

typedef struct rf_feeder_desc {
    rf_device *device;
    const rf_dataset *dataset;
    const double *mean,
        *std;       /* of pixels scaled to 0..1, `channels` of each; read by rf_feeder_create alone */
    int batch;      /* the most images a batch has */
    bool streaming; /* rather than all images on the device */
} rf_feeder_desc;
rf_status rf_feeder_create(rf_feeder **out, const rf_feeder_desc *desc);
void rf_feeder_free(rf_feeder *feeder);

/* One gather: `batch` images into images and labels, by order[base + control[word] * batch ...]. */
typedef struct rf_gather {
    rf_buffer *order, *control, *images, *labels;
    int batch, word, base;
} rf_gather;
rf_status rf_feeder_emit(rf_feeder *feeder, rf_sequence *sequence, const rf_gather *gather);
/* The images of the batches that will be staged next, in their order.  Where images have to be decoded, threads begin with
 * it, RF_BATCHES_AHEAD batches ahead. */
enum { RF_BATCHES_AHEAD = 4 };
rf_status rf_feeder_announce(rf_feeder *feeder, const int32_t *indices, size_t count);
bool rf_feeder_is_idle(const rf_feeder *feeder); /* all that was announced has been staged */
/* Streaming only: uploads the images `indices`, before the gather that reads them. */
rf_status rf_feeder_stage(rf_feeder *feeder, const int32_t *indices, int batch);

#endif
