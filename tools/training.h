/* The options that the commands that train share: data, network, device, optimizer. */
#ifndef RF_TOOLS_TRAINING_H
#define RF_TOOLS_TRAINING_H

#include "optimizing.h"
#include "reading.h"

typedef struct rf_training {
    const char *data, *model, *device, *loss, *weights, *augment;
    const char *balance;                 /* of rf_balance_choices */
    int batch, global_batch, accumulate; /* global_batch 0: `batch` on each rank */
    double label_smoothing;
    rf_numbers class_weights, mean, std;
    rf_texts groups;
    const char *decay_exclude, *freeze, *recompute;
    bool half;
    double clip_norm, clip_value, ema;
    rf_reading reading;
    rf_optimizing optimizer;
    bool no_shuffle, skip_bad, new_head, strict, sync_bn;
    uint64_t seed;
} rf_training;

/* The rows of the options above, without the optimizer's own. */
const rf_option *rf_training_rows(void);
/* Both tables, for a command's list of shared options; `type` is the command's arguments, with a field `training`. */
#define RF_TRAINING_SHARED(type)                                                                             \
    {.rows = rf_training_rows, .offset = offsetof(type, training), .first = true}, {                         \
        .rows = rf_optimizing_rows, .offset = offsetof(type, training.optimizer)                             \
    }
void rf_training_release(rf_training *training);

/* Checks the options that need no data. */
rf_status rf_training_check(const rf_training *training);
/* The parameter groups of --group; their patterns are the caller's, also on failure. */
rf_status rf_training_groups(rf_parameter_group groups[RF_MAX_REPEATS], const rf_training *training);
/* The batch of each rank. */
rf_status rf_training_batch(int *batch, const rf_training *training, const rf_common *common);
/* What --mean, --std and --class-weights say of these data; owned by the caller; NULL: not given.  Checks --augment, too. */
rf_status rf_training_fit(double **mean, double **std, float **class_weights, const rf_training *training,
                          const rf_dataset *data);

#endif
