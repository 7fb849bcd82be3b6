/* A run that is there to be used: its network with the trained weights, and a device. */
#ifndef RF_TOOLS_TRAINED_H
#define RF_TOOLS_TRAINED_H

#include "record.h"

/* Options of the commands that use a run. */
typedef struct rf_trained_options {
    const char *run, *weights, *device;
} rf_trained_options;

/* The rows of the options table; `type` is the command's arguments, with a field `trained`. */
#define RF_RUN_OPTIONS(type)                                                                                 \
    {.name = "run",                                                                                          \
     .metavar = "FOLDER",                                                                                    \
     .help = "the run's folder, as 'rangefinder train' made it",                                             \
     .parse = rf_opt_text,                                                                                   \
     .offset = offsetof(type, trained.run),                                                                  \
     .files = true},                                                                                         \
    {                                                                                                        \
        .name = "weights", .metavar = "best|last|FILE",                                                      \
        .help = "which weights (best, or last where no epoch was validated)", .parse = rf_opt_text,          \
        .offset = offsetof(type, trained.weights), .choices = rf_trained_weights, .files = true              \
    }
#define RF_TRAINED_OPTIONS(type)                                                                             \
    RF_RUN_OPTIONS(type), {                                                                                  \
        .name = "device", .metavar = "WHICH", .help = "as for 'rangefinder train' (auto)",                   \
        .parse = rf_opt_text, .offset = offsetof(type, trained.device), .choices = rf_device_choices         \
    }
const char *const *rf_trained_weights(void);

typedef struct rf_trained { /* everything is owned */
    rf_record record;
    rf_training training; /* the options that the run was made with; its texts live in the record */
    rf_settings settings;
    rf_device *device; /* NULL: only loaded */
    rf_model *model;
    char *weights; /* the file that they come from */
} rf_trained;
/* Reads the run and its weights, whose checksum must hold. */
rf_status rf_trained_load(rf_trained *out, const rf_trained_options *options);
/* The same, and opens the device. */
rf_status rf_trained_open(rf_trained *out, const rf_trained_options *options);
void rf_trained_release(rf_trained *trained);
/* How images are read for it: as in training, of the same size and channels. */
rf_dataset_options rf_trained_reading(const rf_trained *trained);
/* The name of a class, or its number, written into `number`. */
const char *rf_trained_class(char number[16], const rf_trained *trained, int index);

#endif
