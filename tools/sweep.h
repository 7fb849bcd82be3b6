/* The results of a sweep: read from the runs' files, shown and written. */
#ifndef RF_TOOLS_SWEEP_H
#define RF_TOOLS_SWEEP_H

#include "variations.h"

/* Of one combination. Numbers that are not known are NAN. */
typedef struct rf_sweep_result {
    char *path;                                      /* of its file; owned, as are the other texts */
    bool done;                                       /* there is a curve, in that file */
    double lr, lr_min, lr_max, lowest_loss, time_ms; /* the lowest of the smoothed losses */
    char *confidence;                                /* NULL without a rate */
    char *reason; /* of the verdict, or why the run failed; NULL: not run yet */
} rf_sweep_result;

typedef struct rf_sweep {
    const rf_variations *variations; /* borrowed */
    rf_sweep_result *results;        /* of each combination; owned */
} rf_sweep;

/* Makes results that are not run yet, with their files' paths. */
rf_status rf_sweep_create(rf_sweep *out, const rf_variations *variations, const char *folder);
void rf_sweep_release(rf_sweep *sweep);
/* Reads the file of a combination.  Errors: RF_E_INPUT, it is no range test's; RF_E_USAGE, it is of another command, or of
 * data with another fingerprint. */
rf_status rf_sweep_read(rf_sweep *sweep, size_t i, uint64_t fingerprint);

/* On stdout: the table's heading, and its rows one by one. */
rf_status rf_sweep_print_heading(const rf_sweep *sweep);
rf_status rf_sweep_print_row(const rf_sweep *sweep, size_t i);
/* Adds a line on how the rate moves with the batch, for each combination of the other settings that has rates for three
 * batches. */
void rf_sweep_add_batch_rules(rf_str *out, const rf_sweep *sweep);
rf_status rf_sweep_write_json(const rf_sweep *sweep, const char *path, const char *command);
rf_status rf_sweep_write_csv(const rf_sweep *sweep, const char *path);

#endif
