/* Timing a trainer: whole steps without profiling, then each launch by the device's own clock.  Timing inference. */
#include "tune/bench.h"

#include <stdlib.h>
#include <string.h>

#include "train/evaluator.h"
#include "train/trainer.h"

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void set_step(rf_bench *out, double *times, int count) {
    qsort(times, (size_t)count, sizeof *times, ascending);
    out->step_ms = times[0];
    out->step_median_ms = times[count / 2];
}

/* Short steps are timed together, enough to hide the overhead of starting and ending a run, and to fill LEAST_MS; of those that
 * take long a minimum is only one if each is timed. */
enum { TOGETHER = 5, LEAST_MS = 10, ENOUGH_MS = 50 };

static int steps_together(double step_ms) {
    const double wanted = RF_MAX(RF_MIN(TOGETHER, ENOUGH_MS / step_ms), LEAST_MS / step_ms);
    return (int)RF_MAX(1, RF_MIN(wanted, RF_SEGMENT));
}

/* The mean time of `steps` steps. */
static rf_status run_steps(double *ms, rf_trainer *t, int steps) {
    double *rate = rf_alloc((size_t)steps * 2, sizeof *rate), start = rf_time_ms();
    rf_run_result result;
    if (rate == NULL) return RF_E_MEMORY;
    rf_status status = rf_trainer_execute(&result, rate + steps, NULL, t,
                                          &(rf_run_desc){.lr = rate, .steps = (size_t)steps});
    *ms = (rf_time_ms() - start) / steps;
    free(rate);
    return status;
}

static rf_status time_steps(rf_bench *out, rf_trainer *t, int steps) {
    double warm;
    RF_TRY(run_steps(&out->first_ms, t, 1));
    RF_TRY(run_steps(&warm, t, TOGETHER));
    const int together = steps_together(RF_MAX(warm, 1e-3));
    const int runs = (int)rf_ceil_div((size_t)steps, (size_t)RF_MIN(together, TOGETHER));
    double *times = rf_alloc((size_t)runs, sizeof *times);
    if (times == NULL) return RF_E_MEMORY;
    rf_status status = RF_OK;
    for (int i = 0; i < runs && status == RF_OK; i++) status = run_steps(&times[i], t, together);
    out->early_ms = (times[0] + times[runs > 1]) / 2;
    out->late_ms = (times[runs - 1] + times[runs - 1 - (runs > 1)]) / 2;
    set_step(out, times, runs);
    free(times);
    return status;
}

static rf_status make_room(rf_bench *out, size_t rows) {
    rf_bench_row *grown = rf_resize(out->rows, out->row_count + rows, sizeof *grown);
    if (grown == NULL) return RF_E_MEMORY;
    out->rows = grown;
    return RF_OK;
}

/* A row for each launch, as it was profiled. */
static rf_status add_rows(void *bench, rf_sequence *sequence) {
    rf_bench *out = bench;
    RF_TRY(make_room(out, rf_sequence_count(sequence)));
    for (size_t i = 0; i < rf_sequence_count(sequence); i++) {
        const rf_launch_profile *from = rf_sequence_profile(sequence, i);
        rf_bench_row *row = &out->rows[out->row_count++];
        *row = (rf_bench_row){.time_ms = from->min_ms,
                              .flops = from->flops,
                              .bytes = from->bytes,
                              .start_ms = from->start_ms,
                              .last_ms = from->last_ms};
        snprintf(row->label, sizeof row->label, "%s", from->label);
        snprintf(row->kernel, sizeof row->kernel, "%s", from->kernel);
        out->flops += from->flops;
    }
    return RF_OK;
}

/* Streamed images: a row for the upload of a batch, which is no launch. */
static rf_status profile_streaming(rf_bench_row *row, rf_trainer *t) {
    double start = rf_time_ms();
    RF_TRY(rf_feeder_stage(t->feeder, t->order_host, t->desc.batch));
    RF_TRY(rf_device_sync(t->desc.device));
    row->last_ms = rf_time_ms() - start;
    row->time_ms = row->time_ms > 0 ? RF_MIN(row->time_ms, row->last_ms) : row->last_ms;
    return RF_OK;
}

static rf_status profile_step(rf_bench_row *stream, rf_trainer *t) {
    const uint32_t zeros[3] = {0}; /* STEP, CURRENT, BATCH: the first step again, whose tables are there */
    RF_TRY(rf_buffer_write(t->control, 0, zeros, sizeof zeros));
    if (t->feeder->streaming) RF_TRY(profile_streaming(stream, t));
    for (int p = 0; p < RF_PHASES; p++) RF_TRY(rf_sequence_run_profiled(t->phase[p]));
    return RF_OK;
}

static rf_status profile(rf_bench *out, rf_trainer *t, int runs) {
    rf_bench_row stream = {
        .label = "stream", .kernel = "write", .bytes = (double)t->desc.batch * (t->feeder->per_image + 4)};
    RF_TRY(rf_device_profile(t->desc.device, true));
    for (int i = 0; i < runs; i++) RF_TRY(profile_step(&stream, t));
    stream.start_ms = rf_sequence_profile(t->phase[RF_PHASE_FEED], 0)->start_ms -
                      stream.last_ms; /* on the device's clock */
    if (t->feeder->streaming) {
        RF_TRY(make_room(out, 1));
        out->rows[out->row_count++] = stream;
    }
    for (int p = 0; p < RF_PHASES; p++) RF_TRY(add_rows(out, t->phase[p]));
    return rf_device_profile(t->desc.device, false);
}

rf_status rf_bench_trainer(rf_bench *out, rf_trainer *trainer, int steps, int runs) {
    *out = (rf_bench){.memory_bytes = rf_plan_memory_bytes(trainer->plan),
                      .repeated = rf_plan_repeated(trainer->plan)};
    rf_status status = time_steps(out, trainer, RF_MAX(steps, 1));
    if (status == RF_OK && runs > 0) status = profile(out, trainer, runs);
    if (status != RF_OK) rf_bench_free(out);
    return status;
}

/* ---- inference ---- */

typedef struct inference {
    double *times, last; /* (steps + 1): with the first */
    int count, steps;
} inference;

static bool on_scores(void *context, size_t first, size_t count, const float *scores) {
    inference *i = context;
    const double now = rf_time_ms();
    (void)first, (void)count, (void)scores;
    i->times[i->count++] = now - i->last;
    i->last = now;
    return i->count <= i->steps;
}

rf_status rf_bench_inference(rf_bench *out, const rf_evaluate_desc *desc, int steps, int runs) {
    rf_evaluate_desc timed = *desc;
    rf_evaluation *evaluation = NULL;
    inference i = {.steps = RF_MIN(steps, desc->dataset->count / desc->batch - 1)};
    *out = (rf_bench){0};
    if (i.steps < 1)
        return rf_fail(RF_E_USAGE, "%d images are fewer than two batches of %d", desc->dataset->count,
                       desc->batch);
    if ((i.times = rf_alloc((size_t)i.steps + 1, sizeof *i.times)) == NULL) return RF_E_MEMORY;
    timed.scores = on_scores;
    timed.context = &i;
    i.last = rf_time_ms();
    rf_status status = rf_evaluate(&evaluation, &timed);
    if (i.count > i.steps) status = RF_OK; /* there was no need for more */
    if (status == RF_OK) {
        out->first_ms = i.times[0];
        set_step(out, i.times + 1, i.steps);
        i.count = 0;
        i.steps = RF_MIN(runs, i.steps);
        if (runs > 0) status = rf_evaluate_profiled(&timed, add_rows, out);
    }
    rf_evaluation_free(evaluation);
    free(i.times);
    if (status != RF_OK) rf_bench_free(out);
    return status;
}

void rf_bench_free(rf_bench *bench) {
    free(bench->rows);
    *bench = (rf_bench){0};
}
