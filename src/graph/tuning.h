/* The results of `rangefinder tune`: the fastest solver and tunables for a problem on a device.  Kept as
 * JSON in the user's cache folder, one file a device and driver. */
#ifndef RF_GRAPH_TUNING_H
#define RF_GRAPH_TUNING_H

#include "op/op.h"
#include "rangefinder/model.h"

typedef struct rf_tuning rf_tuning;

/* Reads the device's file; a missing or damaged one is an empty tuning.  *out is NULL where there is nothing.
 */
rf_status rf_tuning_load(rf_tuning **out, const rf_device_info *info);
void rf_tuning_free(rf_tuning *tuning);
/* The choice for a problem; false if it was not tuned, or if what was chosen does not exist any more. */
bool rf_tuning_find(const rf_solver **solver, rf_config *config, const rf_tuning *tuning,
                    const rf_problem *problem, rf_direction direction);

/* A tuned problem: the best time, and that of the untuned choice. */
typedef struct rf_tune_row {
    char problem[192];  /* "conv.forward 128x16x32x32 16 3x3 ..." */
    const char *solver; /* static; NULL: none is right */
    char config[64];    /* "pixels 6, panels 2" */
    double best_ms, default_ms;
    int tried, wrong; /* configurations timed; those that disagreed with the reference or did not run */
} rf_tune_row;
typedef struct rf_tune_desc {
    rf_device *device; /* borrowed, as all here: for the call */
    const rf_model *model;
    int batch;
    double limit_ms; /* no new configuration is begun after that */
    bool (*progress)(void *context, const rf_tune_row *row, int done,
                     int total); /* false stops; may be NULL */
    void *context;
} rf_tune_desc;
/* Tries every applicable solver with every value of its tunables on the problems of a training step of the
 * model, checks each against the reference first, and adds the fastest to the tuning file. */
rf_status rf_tune(const rf_tune_desc *desc);

#endif
