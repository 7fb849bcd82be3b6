/* Trainers: a model compiled for a device and a batch size, with an optimizer, reading a data set. */
#ifndef RANGEFINDER_TRAINER_H
#define RANGEFINDER_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rangefinder/dataset.h"
#include "rangefinder/device.h"
#include "rangefinder/dist.h"
#include "rangefinder/finder.h"
#include "rangefinder/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The names of the optimizers, of the losses and of the augmentations, ended by NULL. */
RF_API const char *const *rf_optimizer_names(void);
RF_API const char *const *rf_loss_names(void);
RF_API const char *const *rf_augment_names(void);
RF_API const char *const *rf_recompute_names(void); /* "auto", "on", "off" */

/* A parameter group: parameters whose name matches the pattern (* and ?); the first match counts.  Their learning rate
 * is multiplied by lr_multiplier, also in a range test: where the test's rates go from a to b, theirs go from
 * lr_multiplier * a to lr_multiplier * b. */
typedef struct rf_parameter_group {
    const char *pattern;
    double lr_multiplier;
    bool own_decay; /* rather than the optimizer's weight decay: */
    double weight_decay;
} rf_parameter_group;

/* The options of a trainer. Zero means the default, which is PyTorch's unless said otherwise.  All but device and
 * the data sets is read by rf_trainer_create alone, and may be freed after it. */
typedef struct rf_trainer_desc {
    rf_device *device;         /* borrowed: outlives the trainer */
    const rf_model *model;     /* its values are copied */
    const rf_dataset *dataset; /* borrowed: outlives the trainer, which may stream the images */
    int batch;                 /* 64 */
    /* A name and its options, "sgd" (NULL means that), "sgd momentum=0.9 nesterov", "adamw betas=0.9,0.95
     * weight_decay=0.1": names and defaults are PyTorch's, and `rangefinder find --help` lists them. */
    const char *optimizer;
    const rf_parameter_group *groups;
    size_t group_count;
    const char *loss;       /* "cross_entropy" (default), "mse" (against one-hot) */
    double label_smoothing; /* 0..1, of cross_entropy */
    /* Of cross_entropy: the dataset's `classes` of them, 0 and above; NULL: all 1.  Classes that the model alone has
     * weigh 1. */
    const float *class_weights;
    /* The dataset's `channels` of each, of pixels scaled to 0..1; NULL: measured, or 0 and 1 where the network normalises
     * its images itself (an ONNX file's may), or 0 and 1/255 where that is for pixels of 0..255. */
    const double *mean, *std;
    bool no_shuffle;          /* file order, whole batches, then again from the first */
    int accumulate;           /* micro-batches of `batch` images a step; 1 */
    int validation;           /* images held out at the end of the shuffled order for validation losses; 0 */
    uint64_t seed;
    /* Validation images of their own, of the same shape and classes; borrowed, outlives the trainer.  `validation` is 0
     * then. */
    const rf_dataset *validation_data;
    /* What is done to the images of training, and never to those of validation: names and options, applied in this order,
     * "flip+shift pixels=4+cutout size=8"; NULL: nothing.  `rangefinder find --help` lists them. */
    const char *augment;
    /* Gradient clipping, of the mean gradient of the micro-batches; 0: none.  By value, each number to
     * -clip_value..clip_value; then by norm, all of it together to clip_norm.  As torch.nn.utils has them. */
    double clip_value, clip_norm;
    /* No weight decay for these: "norm" (the parameters of batch norm), "bias" (of any layer), or both, "norm,bias", in
     * groups with a decay of their own, too. */
    const char *decay_exclude;
    /* Patterns of parameters that are not trained, "conv1.*,*.bias".  No gradient is computed below the last trained
     * layer.  As in PyTorch, batch norm goes on normalising by the batch and averaging its statistics. */
    const char *freeze;
    /* An exponential moving average of the parameters with this decay, like 0.999, which is then what validation sees
     * and rf_trainer_export copies; 0: none.  As torch.optim.swa_utils.AveragedModel, batch norm's statistics are not
     * averaged. */
    double ema;
    /* The ranks that train together, each with a trainer of the same options: borrowed, outlives the trainer; NULL: one process
     * alone.  `batch` is each rank's, which takes its part of the batch of all; gradients and losses are the means over all
     * ranks; state and validation are shared.  Batch norm normalises by a rank's own batch, and rank 0's averages are kept.
     * rf_trainer_create and all that trains are then collective. */
    rf_dist *dist;
    /* Batch norm normalises by the images of all ranks, as torch.nn.SyncBatchNorm, so that n ranks train as one process with n
     * times the batch. */
    bool sync_bn;
    /* Whether activations are computed again in the backward pass rather than kept for it, which needs less memory and takes
     * longer; results are the same, bit by bit.  "auto" (default): where the training would not fit otherwise, as little as
     * makes it fit, and where activations need 640 MiB or more and a tenth of the forward pass, repeated, saves a quarter of
     * that; "on": as far as it saves memory; "off". */
    const char *recompute;
    /* Activations and their gradients are stored in halves (IEEE 754 binary16), which takes half the memory; all is computed,
     * and images, scores, sums, parameters and what the optimizer keeps are stored, in floats.  The loss is scaled, as
     * torch.amp.GradScaler does it: a step whose gradients are not finite updates nothing.  Errors: RF_E_USAGE on the
     * reference, which has floats alone. */
    bool half;
} rf_trainer_desc;

/* A trainer. Threads: one at a time, and no other may use its device meanwhile. */
typedef struct rf_trainer rf_trainer;
/* Makes a trainer. Errors: RF_E_USAGE for invalid options, and for those that differ between ranks, RF_E_SHAPE where model and data do not match; RF_E_MEMORY,
 * before anything is allocated, where training and a range test need more memory than the device and the machine have,
 * with the batch and image size that would fit. */
RF_API rf_status rf_trainer_create_sized(rf_trainer **out, const rf_trainer_desc *desc, size_t size);
static inline rf_status rf_trainer_create(rf_trainer **out, const rf_trainer_desc *desc) {
    return rf_trainer_create_sized(out, desc, sizeof *desc);
}
RF_API void rf_trainer_free(rf_trainer *trainer);

/* Copies the parameters and buffers into a model of the same architecture: those to be evaluated, which are an average of
 * the trained ones where there is one (`ema`, the optimizer adamw_schedule_free). */
RF_API rf_status rf_trainer_export(rf_trainer *trainer, rf_model *model);

typedef struct rf_range_test_progress {
    int step, steps; /* done, planned */
    double lr, loss; /* of the last completed step */
    double images_per_second, remaining_ms;
} rf_range_test_progress;

/* The options of a range test; only read during the call. */
typedef struct rf_range_test_desc {
    double start_lr, end_lr; /* 1e-6, 10 */
    int iterations;          /* 0: 300; where these show nothing, once more with 1000 over fewer rates */
    bool linear;             /* the learning rate rises linearly rather than exponentially */
    double diverge; /* stop when the smoothed loss exceeds this times the best; 0: 4, negative: never */
    bool (*progress)(void *context,
                     const rf_range_test_progress *progress); /* returns false to stop; or NULL */
    void *progress_context;
    /* The training that follows, which says how low a rate suffices: its epochs, 0: as many steps as the test; its
     * schedule, NULL: "constant". */
    int epochs;
    const char *schedule;
    /* Range tests of which the curve is the median; 1.  The first is as if it were alone; the others, from the same weights, see
     * the images in other orders, with other augmentation and dropout. */
    int seeds;
} rf_range_test_desc;

/* Raises the learning rate from start_lr to end_lr and records the loss at each step; afterwards the
 * trainer's state is bit-identical to before.  Stops early at divergence and at a loss that is not finite;
 * loss[i] is that before the update with lr[i] (with validation images: theirs, after it).  Owns: the caller
 * frees the curve. Errors: RF_E_USAGE for a bad range, RF_E_DEVICE; RF_E_INTERRUPTED when progress returned
 * false before two steps. */
RF_API rf_status rf_range_test_run_sized(rf_curve **out, rf_trainer *trainer, const rf_range_test_desc *desc,
                                         size_t size);
static inline rf_status rf_range_test_run(rf_curve **out, rf_trainer *trainer,
                                          const rf_range_test_desc *desc) {
    return rf_range_test_run_sized(out, trainer, desc, sizeof *desc);
}

/* The options of a race; only read during the call. */
typedef struct rf_race_desc {
    double lr;            /* the suggestion */
    int epochs;           /* of the planned training; 20 */
    const char *schedule; /* its, as rf_schedule_rates takes it; NULL: "constant" */
    double share;         /* of the plan's steps that the race takes, all trainings together; 1/3 */
    bool (*progress)(void *context,
                     const rf_range_test_progress *progress); /* as of a range test, over all steps */
    void *progress_context;
    bool only_lower; /* as the verdict's by_heart: shortened trainings do not show what the whole one learns by heart */
} rf_race_desc;
/* Trains by the plan, shortened, at four rates half a decade apart, the second of which is the suggestion; afterwards the trainer's
 * state is bit-identical to before.  They are judged by the loss of the trainer's validation images, else by that of
 * training.  Another rate is clearly better where it gains a tenth of what could be learned; docs/finding.md has the rule.  Owns: the
 * caller frees the race.  Errors: RF_E_USAGE for invalid options; RF_E_INTERRUPTED when progress returned false; RF_E_DEVICE. */
RF_API rf_status rf_race_run_sized(rf_race **out, rf_trainer *trainer, const rf_race_desc *desc, size_t size);
static inline rf_status rf_race_run(rf_race **out, rf_trainer *trainer, const rf_race_desc *desc) {
    return rf_race_run_sized(out, trainer, desc, sizeof *desc);
}

/* Trains `steps` steps at a constant learning rate; *loss (may be NULL) receives the training loss of each step.  At a
 * loss that is not finite it fails, with RF_E_FAILED; the state is then that after the step of that loss, its update
 * made.  Errors: as above. */
RF_API rf_status rf_trainer_run(rf_trainer *trainer, double lr, int steps, double *loss);

#ifdef __cplusplus
}
#endif
#endif
