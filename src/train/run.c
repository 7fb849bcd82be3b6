/* A run: the host enqueues steps, and retires each when its copy of the control words arrives, with up to
 * STEPS_IN_FLIGHT steps in flight. The device itself decides to stop. The step that stops is completed; those enqueued
 * behind it do not change the training state, since kernels that write it check the control words.  Several ranks wait for
 * each other in each step, and their hosts decide (exchange.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/exchange.h"

enum { STEPS_IN_FLIGHT = 4 };

typedef struct run {
    rf_trainer *trainer;
    const rf_run_desc *desc;
    double *loss, *observed, start_ms;
    uint32_t (*words)[RF_CONTROL_WORDS]; /* one for each step in flight, written by the device */
    rf_event *event[STEPS_IN_FLIGHT];
    size_t enqueued, retired; /* steps enqueued; steps whose control words have arrived */
    size_t kept;              /* losses copied out of earlier segments */
    uint64_t first_batch;     /* number of the segment's first */
    bool refused, cancelled;  /* by the caller, on this rank; the run ends, on all */
    uint32_t stop;
} run;

static rf_status start_control(run *r) {
    uint32_t words[RF_CONTROL_WORDS] = {0};
    float weight = 1, best = INFINITY, diverge = (float)r->desc->diverge;
    memcpy(&words[RF_CONTROL_WEIGHT], &weight, sizeof weight);
    memcpy(&words[RF_CONTROL_BEST], &best, sizeof best);
    memcpy(&words[RF_CONTROL_DIVERGE], &diverge, sizeof diverge);
    words[RF_CONTROL_JUDGED] = r->trainer->desc.dist != NULL ? RF_JUDGED_BY_HOST
                               : r->desc->judge_validation   ? RF_JUDGED_VALIDATION
                                                             : RF_JUDGED_TRAINING;
    return rf_buffer_write(r->trainer->control, 0, words, sizeof words);
}

/* The tables of the next segment; the device is idle here. */
static rf_status start_segment(run *r, size_t first, size_t steps) {
    rf_trainer *t = r->trainer;
    const rf_optimizer *optimizer = t->setup.optimizer;
    const size_t row = rf_trainer_numbers(t);
    uint32_t zeros[3] = {0};
    for (size_t i = 0; i < steps; i++) {
        const long step = t->steps_done + (long)i + 1;
        optimizer->step(t->numbers_host + i * row, t->setup.spec.o, r->desc->lr[first + i], step);
        if (t->desc.ema > 0) t->numbers_host[(i + 1) * row - 1] = rf_ema_weight(&t->desc, step);
    }
    size_t batches = steps * (size_t)t->desc.accumulate;
    rf_order_fill(t->order, t->order_host, batches);
    RF_TRY(
        rf_buffer_write(t->order_table, 0, t->order_host, batches * (size_t)t->desc.batch * sizeof(int32_t)));
    RF_TRY(rf_feeder_announce(t->feeder, t->order_host, batches * (size_t)t->desc.batch));
    RF_TRY(rf_buffer_write(t->numbers, 0, t->numbers_host, steps * row * sizeof(float)));
    return rf_buffer_write(t->control, 0, zeros, sizeof zeros); /* STEP, CURRENT, BATCH */
}

/* Whether the step, counted from 0 in the run, is observed. */
static bool observes(const run *r, size_t step) {
    return r->desc->observe_every > 0 && (step + 1) % (size_t)r->desc->observe_every == 0;
}

static rf_status exchange(run *r) {
    if (r->trainer->desc.dist == NULL) return RF_OK;
    r->cancelled = r->refused;
    return rf_exchange_step(&r->stop, &r->cancelled, r->trainer, !r->desc->judge_validation);
}

static rf_status observe(run *r) {
    rf_trainer *t = r->trainer;
    RF_TRY(rf_exchange_before_observing(t));
    RF_TRY(rf_evaluator_run(&t->validation, NULL, NULL));
    return rf_exchange_observed(&r->stop, t, r->desc->judge_validation);
}

static rf_status enqueue_step(run *r, size_t in_segment) {
    rf_trainer *t = r->trainer;
    for (int m = 0; m < t->desc.accumulate; m++) {
        size_t row = in_segment * (size_t)t->desc.accumulate + (size_t)m;
        const int32_t *indices = t->order_host + row * (size_t)t->desc.batch;
        RF_TRY(rf_feeder_stage(t->feeder, indices, t->desc.batch));
        if (t->augmenter != NULL) RF_TRY(rf_augmenter_stage(t->augmenter, indices, r->first_batch + row));
        RF_TRY(rf_sequence_run(t->phase[RF_PHASE_FEED]));
        RF_TRY(rf_sequence_run(t->phase[RF_PHASE_COMPUTE]));
    }
    RF_TRY(exchange(r));
    RF_TRY(rf_sequence_run(t->phase[RF_PHASE_UPDATE]));
    if (observes(r, r->enqueued)) RF_TRY(observe(r));
    size_t slot = r->enqueued++ % STEPS_IN_FLIGHT;
    RF_TRY(rf_buffer_read_begin(&r->event[slot], t->control, 0, r->words[slot], sizeof *r->words));
    return rf_device_flush(t->desc.device);
}

static void report(run *r, const uint32_t *words) {
    rf_trainer *t = r->trainer;
    size_t done = words[RF_CONTROL_SEEN];
    float loss;
    memcpy(&loss, &words[RF_CONTROL_LAST], sizeof loss);
    if (r->desc->progress == NULL || done == 0) return;
    double elapsed = rf_time_ms() - r->start_ms, per_step = elapsed / (double)done;
    rf_range_test_progress progress = {.step = (int)done,
                                       .steps = (int)r->desc->steps,
                                       .lr = r->desc->lr[done - 1],
                                       .loss = loss,
                                       .images_per_second =
                                           rf_trainer_step_images(t) * 1e3 / RF_MAX(per_step, 1e-6),
                                       .remaining_ms = per_step * (double)(r->desc->steps - done)};
    if (!r->desc->progress(r->desc->progress_context, &progress)) r->refused = true;
    if (t->desc.dist == NULL) r->cancelled = r->refused;
}

/* Waits for the oldest step in flight and checks its control words. */
static rf_status retire_step(run *r) {
    size_t slot = r->retired++ % STEPS_IN_FLIGHT;
    rf_status status = rf_event_wait(r->event[slot]);
    rf_event_free(r->event[slot]);
    r->event[slot] = NULL;
    if (status != RF_OK) return status;
    if (r->stop == 0) r->stop = r->words[slot][RF_CONTROL_STOP];
    report(r, r->words[slot]);
    return RF_OK;
}

static rf_status run_segment(run *r, size_t first, size_t steps) {
    rf_trainer *t = r->trainer;
    const rf_order_state before = rf_order_tell(t->order);
    r->first_batch = rf_order_number(t->order);
    /* With several ranks a step is done when the next one's gradients are exchanged. */
    const size_t in_flight = t->desc.dist != NULL ? 2 : STEPS_IN_FLIGHT;
    RF_TRY(start_segment(r, first, steps));
    for (size_t i = 0; i < steps && r->stop == 0 && !r->cancelled; i++) {
        RF_TRY(enqueue_step(r, i));
        if (r->enqueued - r->retired == in_flight) RF_TRY(retire_step(r));
    }
    while (r->retired < r->enqueued) RF_TRY(retire_step(r));
    uint32_t words[RF_CONTROL_WORDS];
    float losses[RF_SEGMENT], observed[RF_SEGMENT];
    RF_TRY(rf_buffer_read(t->control, 0, words, sizeof words));
    size_t recorded = RF_MIN(words[RF_CONTROL_STEP], steps);
    if (recorded > 0) RF_TRY(rf_buffer_read(t->losses, 0, losses, recorded * sizeof *losses));
    if (recorded > 0 && r->observed != NULL)
        RF_TRY(rf_buffer_read(t->observed, 0, observed, recorded * sizeof *observed));
    for (size_t i = 0; i < recorded; i++, r->kept++) {
        r->loss[r->kept] = losses[i];
        if (r->observed != NULL) r->observed[r->kept] = observes(r, r->kept) ? observed[i] : NAN;
    }
    t->steps_done += (long)recorded;
    if (recorded < steps) { /* the order is at the end of the segment */
        rf_order_seek(t->order, before);
        rf_order_fill(t->order, t->order_host, recorded * (size_t)t->desc.accumulate);
    }
    return RF_OK;
}

rf_status rf_trainer_execute(rf_run_result *result, double *loss, double *observed, rf_trainer *trainer,
                             const rf_run_desc *desc) {
    run r = {.trainer = trainer, .desc = desc, .loss = loss, .observed = observed, .start_ms = rf_time_ms()};
    *result = (rf_run_result){0};
    if ((r.words = rf_alloc(STEPS_IN_FLIGHT, sizeof *r.words)) == NULL) return RF_E_MEMORY;
    rf_status status = start_control(&r);
    for (size_t first = 0; first < desc->steps && status == RF_OK && r.stop == 0 && !r.cancelled;
         first += RF_SEGMENT)
        status = run_segment(&r, first, RF_MIN(desc->steps - first, (size_t)RF_SEGMENT));
    for (int i = 0; i < STEPS_IN_FLIGHT; i++) rf_event_free(r.event[i]);
    rf_device_free_host(trainer->desc.device, r.words); /* after a failure reads may still be in flight */
    *result = (rf_run_result){.steps = r.kept,
                              .stop = r.stop == RF_RUN_DIVERGED     ? RF_STOP_DIVERGED
                                      : r.stop == RF_RUN_NOT_FINITE ? RF_STOP_NOT_FINITE
                                      : r.cancelled                 ? RF_STOP_INTERRUPTED
                                                                    : RF_STOP_COMPLETED};
    return status;
}

rf_status rf_trainer_run(rf_trainer *trainer, double lr, int steps, double *loss) {
    if (steps < 0 || !(lr >= 0) || isinf(lr))
        return rf_fail(RF_E_USAGE, "%d steps at rate %g: steps and rate must be 0 or above", steps, lr);
    double *rates = rf_alloc((size_t)steps * 2, sizeof *rates);
    if (rates == NULL) return RF_E_MEMORY;
    double *losses = rates + steps;
    for (int i = 0; i < steps; i++) rates[i] = lr;
    rf_run_result result;
    rf_run_desc desc = {.lr = rates, .steps = (size_t)steps};
    rf_status status = rf_trainer_execute(&result, losses, NULL, trainer, &desc);
    if (status == RF_OK && result.stop == RF_STOP_NOT_FINITE)
        status = rf_fail(RF_E_FAILED, "the loss is not finite at step %zu of %d at rate %g", result.steps,
                         steps, lr);
    for (size_t i = 0; loss != NULL && i < (size_t)steps; i++) loss[i] = i < result.steps ? losses[i] : NAN;
    free(rates);
    return status;
}
