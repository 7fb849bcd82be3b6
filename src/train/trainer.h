/* A trainer's insides, and the run: steps whose rates are given beforehand, enqueued without waiting. */
#ifndef RF_TRAIN_TRAINER_H
#define RF_TRAIN_TRAINER_H

#include "data/feed.h"
#include "graph/plan.h"
#include "optim/optimizer.h"
#include "rangefinder/trainer.h"
#include "train/feeder.h"

enum { RF_SEGMENT = 1024 }; /* steps whose tables lie on the device at once */

typedef struct rf_validator { /* the validation images in whole batches, and the rest of them */
    rf_plan *plan;
    int batch, batches;
} rf_validator;

struct rf_trainer {
    rf_trainer_desc desc; /* with defaults filled in; what rf_trainer_create alone reads is NULL */
    int classes;          /* of the model */
    const rf_optimizer *optimizer;
    rf_order *order;
    bool streaming; /* batch by batch, as the images do not fit on the device */
    rf_feeder *feeder;
    rf_weights *weights;
    rf_plan *plan;
    rf_validator validator[2];
    long steps_done; /* of the optimizer, over its whole life */
    /* device memory */
    rf_buffer *slot[2], *sum; /* flat, as the parameters; sum: of micro-batches' gradients, or NULL */
    rf_buffer *ratio;         /* one a grain of the parameters */
    rf_buffer *rng, *control;
    rf_buffer *order_table, *factors, *losses; /* of a segment */
    rf_buffer *validation_order;
    rf_buffer *snapshot[5]; /* params, states, slots, rng; made at the first snapshot */
    /* launches */
    rf_sequence *micro, *update; /* a micro-batch; what follows the last one of a step */
    rf_sequence *validate[2];    /* one batch of each validator */
    int32_t *order_host;         /* the segment's order */
    double mean[16], std[16];
};

/* A run: lr[i] for each step; stops early when the device says so. */
typedef struct rf_run_desc {
    const double *lr; /* borrowed, as all here: for the call */
    size_t steps;
    double diverge; /* 0: never */
    bool (*progress)(void *context, const rf_range_test_progress *progress);
    void *progress_context;
} rf_run_desc;
typedef struct rf_run_result {
    size_t steps; /* losses recorded */
    rf_stop_reason stop;
} rf_run_result;
/* loss: room for desc->steps. */
rf_status rf_trainer_execute(rf_run_result *result, double *loss, rf_trainer *trainer,
                             const rf_run_desc *desc);

/* The training state, kept on the device: a few copies there and back. */
typedef struct rf_host_state { /* what lives on the host */
    long steps_done;
    rf_order_state order;
} rf_host_state;
rf_status rf_trainer_snapshot(rf_host_state *host, rf_trainer *trainer);
rf_status rf_trainer_restore(rf_trainer *trainer, const rf_host_state *host);

/* Compiles what the steps of such a trainer need, the last steps first, into the cache that the driver keeps:
 * for a second process, beside the one that makes the trainer (rf_device_on_compile). */
rf_status rf_trainer_compile(const rf_trainer_desc *desc);

/* Makes the plans, without memory, and fails where all that the trainer will need is more than there is; decides on
 * streaming.  processes: that will need as much at the same time.  Errors: RF_E_MEMORY with what would fit. */
rf_status rf_trainer_draft(rf_trainer *trainer, int processes);
size_t rf_trainer_order_bytes(const rf_trainer_desc *desc); /* of the order table */

/* Builds the launches; trainer.c and launches.c share the work. */
rf_status rf_trainer_emit(rf_trainer *trainer);
/* Runs the launches that are the trainer's own once, on a stopped run, so that their kernels are compiled. */
rf_status rf_trainer_run_idle(rf_trainer *trainer);

#endif
