/* A trainer's internals, and runs: steps with given learning rates, enqueued without waiting. */
#ifndef RF_TRAIN_TRAINER_H
#define RF_TRAIN_TRAINER_H

#include "data/feed.h"
#include "dist/dist.h"
#include "graph/plan.h"
#include "kernels/common/control.clh"
#include "optim/optimizer.h"
#include "rangefinder/state.h"
#include "rangefinder/trainer.h"
#include "train/augmenter.h"
#include "train/evaluator.h"
#include "train/feeder.h"

enum { RF_SEGMENT = 1024 }; /* steps whose tables lie on the device at once */

/* The phases of a step, each a sequence of launches.  After them a step may *observe*:
 * evaluate the validation images, which changes nothing that the phases wrote. */
typedef enum rf_phase {
    RF_PHASE_FEED,    /* a micro-batch is gathered */
    RF_PHASE_COMPUTE, /* its losses and gradients; both run once for each micro-batch */
    RF_PHASE_UPDATE,  /* the optimizer's; before it ranks exchange their gradients (exchange.h) */
    RF_PHASES
} rf_phase;

/* The norms of each parameter and of its direction, for the optimizers that need them: runs of floats (chunks), each
 * within one parameter (its owner). */
typedef struct rf_norms {
    size_t chunks, owners;
    rf_buffer *owner;        /* of each block of `alignment` floats */
    rf_buffer *chunk, *part; /* a chunk's begin and end; its two sums of squares */
    rf_buffer *first, *norm; /* an owner's first chunk, and the end; its two norms */
} rf_norms;

typedef struct rf_group_numbers { /* of a parameter */
    float lr_multiplier, weight_decay;
} rf_group_numbers;

typedef struct rf_exchange_times {
    size_t steps;
    double waiting_ms, summing_ms, least_ms; /* for the slowest rank; of gradients; the shortest such sum */
    double norms_ms,
        before_ms; /* of batch norm's sums, from the second step on; rf_dist_calling_ms at a step's begin */
} rf_exchange_times;

struct rf_trainer {
    rf_trainer_desc desc; /* with defaults filled in; what rf_trainer_create alone reads is NULL */
    rf_exchange_times exchange;
    int classes; /* of the model */
    rf_optimizer_setup setup;
    int slots;     /* of the optimizer */
    bool *trained; /* of each of the model's parameters */
    struct {
        char *freeze, *decay_exclude, *groups;
    } texts; /* of options, for the state; owned */
    rf_augmentation augmentation;
    rf_order *order;
    bool streaming; /* images are uploaded batch by batch, as they do not fit on the device */
    rf_feeder *feeder;
    rf_augmenter *augmenter; /* of training, in the feeder's place; NULL: none */
    rf_weights *weights;
    rf_weights *
        averaged; /* a view with what is evaluated and exported in place of the trained values; NULL: those */
    rf_plan *plan;
    rf_evaluator validation;
    rf_feeder *validation_feeder; /* of desc.validation_data; NULL: they lie in the same data set */
    uint64_t data_fingerprint;    /* 0: not computed yet */
    long steps_done;              /* of the optimizer, over its whole life */
    /* device memory */
    rf_buffer **slot;   /* `slots` of them, flat as the parameters */
    rf_buffer *scalars; /* of the optimizer; or NULL */
    rf_buffer *scaling; /* of the loss (loss_scale.c); or NULL */
    rf_buffer *ema;     /* flat as the parameters; or NULL */
    rf_buffer *sum;     /* of micro-batches' gradients, flat; or NULL */
    rf_buffer *group;   /* rf_group_numbers: of each `alignment` floats of the parameters, or one for all */
    rf_norms norms;
    rf_buffer *part; /* of sums over all parameters; or NULL */
    rf_buffer *rng, *control;
    rf_buffer *order_table, *numbers, *losses, *observed; /* of a segment */
    rf_buffer **
        snapshot; /* of the buffers that state_buffer() in snapshot.c lists; allocated at the first snapshot */
    /* launches */
    rf_sequence *phase[RF_PHASES];
    int32_t *order_host; /* the segment's order */
    float *numbers_host; /* the segment's numbers for the optimizer */
    double mean[16], std[16];
};

/* Floats of a step in the table of numbers: the optimizer's, and the weight of the new values in the moving average. */
static inline size_t rf_trainer_numbers(const rf_trainer *t) {
    return (size_t)t->setup.optimizer->numbers + (t->desc.ema > 0);
}
/* Of all ranks. */
static inline double rf_trainer_step_images(const rf_trainer *t) {
    return (double)t->desc.batch * t->desc.accumulate * rf_dist_size(t->desc.dist);
}
/* Of a micro-batch of one rank, in the loss and the gradient of a step. */
static inline float rf_trainer_share(const rf_trainer *t) {
    return 1.0f / ((float)t->desc.accumulate * (float)rf_dist_size(t->desc.dist));
}
static inline size_t rf_trainer_steps_per_epoch(const rf_trainer *t) {
    return RF_MAX(rf_order_batches_per_epoch(t->order) / (size_t)t->desc.accumulate, 1);
}
/* The weights to evaluate and to export. */
static inline rf_weights *rf_trainer_evaluated(const rf_trainer *t) {
    return t->averaged != NULL ? t->averaged : t->weights;
}

/* A run: lr[i] for each step; stops early when the device says so. */
typedef struct rf_run_desc {
    const double *lr; /* borrowed, as all here: for the call */
    size_t steps;
    double diverge;        /* 0: never */
    int observe_every;     /* steps, counted from the first of the run; 0: never */
    bool judge_validation; /* the losses observed decide to stop, rather than those of training */
    bool (*progress)(void *context, const rf_range_test_progress *progress);
    void *progress_context;
} rf_run_desc;
typedef struct rf_run_result {
    size_t steps; /* losses recorded */
    rf_stop_reason stop;
} rf_run_result;
/* loss: of training, desc->steps long; observed: of the validation images after the step, NaN where none were observed;
 * as long, or NULL. */
rf_status rf_trainer_execute(rf_run_result *result, double *loss, double *observed, rf_trainer *trainer,
                             const rf_run_desc *desc);

/* The parameters and buffers that are evaluated, named and laid out as PyTorch's. */
rf_status rf_trainer_get_weights(rf_state **out, rf_trainer *trainer);

/* Adds what tells one run from another: where it is, and its options. */
rf_status rf_trainer_add_texts(rf_state *state, rf_trainer *trainer);
/* rf_trainer_set_state; force: also of a run with other data, batch or seed. */
rf_status rf_trainer_take_state(rf_trainer *trainer, const rf_state *state, bool force);

/* Snapshots of the training state, in device memory. */
typedef struct rf_host_state { /* the part on the host */
    long steps_done;
    rf_order_state order;
} rf_host_state;
/* All device memory that is training state, by number; false past the end.  *out: NULL where the trainer has no such memory. */
bool rf_trainer_state_buffer(rf_buffer **out, const rf_trainer *trainer, int index);
rf_status rf_trainer_snapshot(rf_host_state *host, rf_trainer *trainer);
rf_status rf_trainer_restore(rf_trainer *trainer, const rf_host_state *host);
void rf_trainer_forget_snapshot(rf_trainer *trainer);

/* As rf_trainer_create.  emptied: desc's model once more, whose values are freed one by one as the device has them, so
 * that they are not in memory twice; also on failure.  NULL: it keeps them. */
rf_status rf_trainer_create_emptying(rf_trainer **out, const rf_trainer_desc *desc, rf_model *emptied);
/* Compiles the kernels of such a trainer, the last steps first, into the driver's cache: for a helper process
 * (rf_device_on_compile). */
rf_status rf_trainer_compile(const rf_trainer_desc *desc);

/* Makes the plans without their memory, decides on streaming, and fails where the trainer would need more memory than
 * is available. processes: how many need as much at the same time. Errors: RF_E_MEMORY with what would fit. */
rf_status rf_trainer_budget(rf_trainer *trainer, int processes);
size_t rf_trainer_order_bytes(const rf_trainer_desc *desc); /* of the order table */

/* Parameter groups and frozen parameters (groups.c): freeze before all else, which asks what is trained. */
rf_status rf_groups_freeze(rf_trainer *trainer);
typedef struct rf_exclusion {
    bool norm, bias;
} rf_exclusion;
rf_status rf_exclusion_read(rf_exclusion *out, const char *decay_exclude); /* "norm,bias"; or NULL */
bool rf_groups_differ(const rf_trainer_desc *desc); /* rates or decays are not the same for all */
size_t rf_groups_bytes(const rf_trainer_desc *desc, size_t blocks);
rf_status rf_groups_create(rf_trainer *trainer);

/* Builds the launches (step.c). */
rf_status rf_trainer_emit(rf_trainer *trainer);

/* The optimizer's launches and the memory for its norms (update.c). */
size_t rf_update_bytes(const rf_trainer *trainer, size_t alignment, size_t trained_floats);
rf_status rf_update_prepare(rf_trainer *trainer);
void rf_update_release(rf_trainer *trainer);
rf_status rf_update_emit(rf_trainer *trainer, rf_sequence *sequence);

/* All parameters at once, which lie flat (sums.c): the gradient of the step, all micro-batches together; a launch over them, whose
 * kernel takes them as rf_train_vectors. */
rf_buffer *rf_flat_gradient(const rf_trainer *trainer);
rf_status rf_flat_emit(rf_trainer *trainer, rf_sequence *sequence, rf_launch_desc *desc);
rf_status rf_flat_scale(rf_trainer *trainer, rf_sequence *sequence); /* the gradient, by the first part of the sums below */
/* Sums over all parameters, two at a time: each work-item of such a launch writes its part of them, a float2; fold
 * leaves as many parts as a single work-item may add up. */
size_t rf_sums_bytes(const rf_trainer *trainer, size_t trained_floats); /* 0: no sums are needed */
rf_status rf_sums_prepare(rf_trainer *trainer);
rf_status rf_sums_fold(int *parts, rf_trainer *trainer, rf_sequence *sequence);
rf_status rf_sums_of_squares(int *parts, rf_trainer *trainer,
                             rf_sequence *sequence); /* of the gradient, folded */

/* The moving average of the parameters (ema.c). */
rf_status rf_ema_check(const rf_trainer *trainer);
rf_status rf_ema_create(rf_trainer *trainer);
float rf_ema_weight(const rf_trainer_desc *desc, long step); /* of the new values; step counts from 1 */
rf_status rf_ema_emit(rf_trainer *trainer, rf_sequence *sequence);

/* Loss scaling (loss_scale.c): before the forward pass of a micro-batch, and once the gradient is complete. */
rf_status rf_loss_scale_create(rf_trainer *trainer);
rf_status rf_loss_scale_begin(rf_trainer *trainer, rf_sequence *sequence);
rf_status rf_loss_scale_end(rf_trainer *trainer, rf_sequence *sequence);

/* Gradient clipping (clip.c). */
rf_status rf_clip_check(const rf_trainer_desc *desc);
rf_status rf_clip_emit(rf_trainer *trainer, rf_sequence *sequence);
/* Runs the trainer's own launches once, on a stopped run, to compile their kernels. */
rf_status rf_trainer_run_idle(rf_trainer *trainer);

#endif
