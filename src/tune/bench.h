/* Times of a training step, of its kernels, and of inference. */
#ifndef RF_TUNE_BENCH_H
#define RF_TUNE_BENCH_H

#include "graph/plan.h"
#include "launch/sequence.h"
#include "rangefinder/evaluate.h"
#include "rangefinder/trainer.h"
#include "tune/peak.h"

typedef struct rf_bench_row { /* one launch of a step */
    char label[RF_MAX_LABEL], kernel[48];
    double time_ms; /* the minimum of the runs: excludes other users of a shared device */
    double flops, bytes;
    double start_ms, last_ms; /* of the last run, for a trace */
} rf_bench_row;

typedef struct rf_bench {
    double step_ms, step_median_ms; /* a whole step, unprofiled; short ones timed together: minimum and median */
    double first_ms;                /* the first step, with kernels that are compiled then */
    double early_ms, late_ms;       /* a step among the first timed, 20 ms of them or more, and among the last */
    size_t memory_bytes;            /* device memory of the plan */
    rf_plan_repeats repeated;
    double flops;       /* of a step */
    rf_bench_row *rows; /* owned: rf_bench_free */
    size_t row_count;
} rf_bench;

/* Runs `steps` steps, more where they are short, for the whole-step times (with learning rate 0, as in a range test),
 * then `runs` profiled ones. The trainer's order, generator and running statistics are others afterwards. */
rf_status rf_bench_trainer(rf_bench *out, rf_trainer *trainer, int steps, int runs);
/* Evaluates batches of the data set, one after the other, each from its images to the scores on the host: `steps` of them, or
 * as many as there are whole ones, after a first (first_ms) that compiles; then up to `runs` profiled ones.  Memory is not told.  Errors:
 * RF_E_USAGE, fewer images than two batches; those of rf_evaluate. */
rf_status rf_bench_inference(rf_bench *out, const rf_evaluate_desc *desc, int steps, int runs);
void rf_bench_free(rf_bench *bench);

#endif
