/* Training: epochs by a schedule of learning rates, validation after each, and a folder that a run is resumed from. */
#ifndef RANGEFINDER_TRAIN_H
#define RANGEFINDER_TRAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "rangefinder/finder.h"
#include "rangefinder/status.h"
#include "rangefinder/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rf_train_progress {
    int epoch, epochs;  /* that of the last completed step, from 1; planned */
    size_t step, steps; /* done, planned, of the whole run */
    double lr, loss;    /* of the last completed step */
    double images_per_second, remaining_ms;
} rf_train_progress;

/* An epoch that is done. */
typedef struct rf_epoch {
    int epoch, epochs; /* from 1; planned */
    size_t step;       /* steps done, of the whole run */
    double lr;         /* of its last step */
    double loss;       /* of training: the mean of its steps */
    /* Of the validation images: loss, and the shares whose label is the highest score, or among the five highest.  NAN
     * where the epoch was not validated. */
    double validation_loss, accuracy, accuracy5;
    bool best; /* the highest accuracy so far, or the same with a lower loss */
    double seconds, images_per_second;
} rf_epoch;

/* The options of training; only read during the call.  Zero means the default. */
typedef struct rf_train_desc {
    double lr;            /* above 0: what the schedule multiplies */
    const char *schedule; /* as rf_schedule_rates takes it; NULL: "constant" */
    int epochs;           /* 20 */
    int validate_every;   /* epochs; 1.  The last one is validated in any case */
    int patience;         /* stop after so many validations without a better one; 0: never */
    const char *folder;   /* where the run is kept, made if it is missing; NULL: nowhere */
    bool resume;          /* from the folder's state, with the same bits as if it had never stopped */
    bool force;           /* resume although data, batch or seed are others than the run's */
    /* Seconds between two states in the folder, or more, so that saving takes a fiftieth of the time at most; 0: 10; below
     * 0: after each epoch. */
    double save_every;
    /* Each returns false to stop; or NULL.  begin: once, where all options are right and a state, if any, is taken; epoch:
     * after each. */
    bool (*begin)(void *context);
    bool (*progress)(void *context, const rf_train_progress *progress);
    bool (*epoch)(void *context, const rf_epoch *epoch);
    void *context; /* of all three */
    bool
        tensorboard; /* also write an event file to the folder: losses and rates over steps, metrics over epochs */
} rf_train_desc;

typedef struct rf_train_result {
    rf_stop_reason stop; /* COMPLETED also for a stop by `patience` */
    bool early;          /* stopped by `patience` */
    rf_epoch last, best; /* best.epoch 0: no epoch was validated */
    char note[512];      /* what was wrong with the newest state that was to be resumed from, or "" */
} rf_train_result;

/* Trains `epochs` epochs of whole batches (of steps, where gradients are accumulated: those that an epoch's batches
 * suffice for), from where the trainer stands.  The validation images are those of the trainer.
 * The folder then holds, each file written to a temporary one, synced and renamed: state.safetensors and the one before,
 * state.previous.safetensors; the weights last.safetensors and (with validation) best.safetensors, which PyTorch
 * opens; metrics.csv and metrics.jsonl, a line an epoch.  (Not `tensorboard`'s: event files only grow, one for each call.)
 * Errors: RF_E_USAGE for invalid options, for another process in the folder, and for a state of another run;
 * RF_E_FAILED at a loss that is not finite: the folder keeps the last good state; RF_E_IO, RF_E_DEVICE, RF_E_MEMORY. */
RF_API rf_status rf_train_sized(rf_train_result *out, rf_trainer *trainer, const rf_train_desc *desc,
                                size_t size);
static inline rf_status rf_train(rf_train_result *out, rf_trainer *trainer, const rf_train_desc *desc) {
    return rf_train_sized(out, trainer, desc, sizeof *desc);
}

#ifdef __cplusplus
}
#endif
#endif
