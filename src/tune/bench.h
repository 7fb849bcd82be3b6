/* Where a training step's time goes. */
#ifndef RF_TUNE_BENCH_H
#define RF_TUNE_BENCH_H

#include "launch/sequence.h"
#include "rangefinder/trainer.h"
#include "tune/peak.h"

typedef struct rf_bench_row { /* one launch of a step */
    char label[RF_MAX_LABEL], kernel[48];
    double time_ms; /* the least of the runs: what a device shared with others takes when it is left alone */
    double flops, bytes;
    double start_ms, last_ms; /* of the last run, for a trace */
} rf_bench_row;

typedef struct rf_bench {
    double step_ms, step_median_ms; /* a whole step, unprofiled, of some timed together: least and median */
    double first_ms;                /* the first step, with what is compiled late */
    double early_ms, late_ms;       /* a step among the first timed, some 20 ms of them, and among the last */
    size_t memory_bytes;            /* device memory of the plan */
    double flops;                   /* of a step */
    rf_bench_row *rows;             /* owned: rf_bench_free */
    size_t row_count;
} rf_bench;

/* Runs `steps` steps, more where they are short, for the whole-step times (rate 0, as a range test runs them), then `runs` profiled ones.
 * The trainer's state is as before afterwards. */
rf_status rf_bench_trainer(rf_bench *out, rf_trainer *trainer, int steps, int runs);
void rf_bench_free(rf_bench *bench);

#endif
