/* A race: the planned training, shortened, at several rates, from one snapshot and on the same batches. */
#include "finder/race.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"
#include "optim/schedule.h"

/* Half decades around the suggestion, which is the second.  The highest shows whether the one below it is near to divergence. */
const double rf_race_factors[RF_RACE_RATES] = {0.31622776601683794, 1, 3.1622776601683795, 10};

enum { STEPS_MIN = 10, SETTLE_STEPS = 30 }; /* batch norm's averages then hold 4 % of what they held before */

/* ---- one training ---- */

/* Step i of the short training has the rate in the middle of its share of the plan. */
static rf_status shorten(double *rates, size_t steps, const rf_race_plan *plan, double lr) {
    rf_schedule_setup schedule;
    RF_TRY(rf_schedule_open(&schedule, plan->schedule, lr, plan->steps, plan->epoch));
    for (size_t i = 0; i < steps; i++)
        rates[i] = rf_schedule_rate(&schedule, (2 * i + 1) * plan->steps / (2 * steps));
    rf_schedule_close(&schedule);
    return RF_OK;
}

static bool has_batch_norm(const rf_trainer *t) {
    static const char suffix[] = ".running_mean";
    for (int i = 0; i < t->weights->count; i++) {
        const char *const end = strrchr(t->weights->name[i], '.');
        if (end != NULL && strcmp(end, suffix) == 0) return true;
    }
    return false;
}

/* Some steps that change no weight, and an evaluation after the last. */
static rf_status evaluate(rf_trial *out, rf_trainer *t) {
    static const double still[SETTLE_STEPS];
    const rf_dataset *const data =
        t->desc.validation_data != NULL ? t->desc.validation_data : t->desc.dataset;
    const size_t steps = has_batch_norm(t) ? SETTLE_STEPS : 1;
    double loss[SETTLE_STEPS], observed[SETTLE_STEPS];
    rf_run_result result;
    rf_evaluation *evaluation;
    RF_TRY(rf_trainer_execute(&result, loss, observed, t,
                              &(rf_run_desc){.lr = still, .steps = steps, .observe_every = (int)steps}));
    out->validation_loss = INFINITY;
    if (result.stop != RF_STOP_COMPLETED || !isfinite(observed[steps - 1])) return RF_OK;
    out->validation_loss = observed[steps - 1];
    RF_TRY(rf_evaluator_read(&evaluation, &t->validation, data->labels));
    out->accuracy = evaluation->accuracy;
    rf_evaluation_free(evaluation);
    return RF_OK;
}

rf_status rf_race_try(rf_trial *out, rf_trainer *t, const rf_host_state *start, const rf_race_plan *plan,
                      double lr, size_t steps) {
    const double ema = t->desc.ema;
    rf_run_result result;
    *out = (rf_trial){.lr = lr, .steps = steps, .loss = INFINITY, .validation_loss = NAN, .accuracy = NAN};
    double *const rates = rf_alloc(steps, sizeof *rates);
    out->losses = rf_alloc(steps, sizeof *out->losses);
    rf_status status = rates != NULL && out->losses != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK) status = shorten(rates, steps, plan, lr);
    if (status == RF_OK) status = rf_trainer_restore(t, start);
    t->desc.ema = ema > 0 ? pow(ema, (double)plan->steps / (double)steps) : 0;
    const rf_run_desc run = {
        .lr = rates, .steps = steps, .progress = plan->progress, .progress_context = plan->progress_context};
    if (status == RF_OK) status = rf_trainer_execute(&result, out->losses, NULL, t, &run);
    free(rates);
    if (status != RF_OK) goto done;
    out->done = result.steps;
    if (result.stop == RF_STOP_INTERRUPTED) status = rf_fail(RF_E_INTERRUPTED, "interrupted in the race");
    if (status != RF_OK) goto done;
    if (result.stop == RF_STOP_NOT_FINITE) {
        out->validation_loss = t->validation.total > 0 ? INFINITY : NAN;
        goto done;
    }
    const size_t tail = RF_MAX(steps / 10, 1);
    out->loss = 0;
    for (size_t i = steps - tail; i < steps; i++) out->loss += out->losses[i] / (double)tail;
    if (t->validation.total > 0) status = evaluate(out, t);
done:
    t->desc.ema = ema;
    return status;
}

/* ---- the race ---- */

typedef struct race_run {
    rf_race_desc desc;
    rf_trainer *trainer;
    rf_race_plan plan;
    size_t steps; /* of a training */
    rf_race *race;
} race_run;

static bool on_progress(void *context, const rf_range_test_progress *now) {
    const race_run *const r = context;
    rf_range_test_progress all = *now;
    const double per_step = now->remaining_ms / RF_MAX(now->steps - now->step, 1);
    all.step += (int)(r->race->count * r->steps);
    all.steps *= RF_RACE_RATES;
    all.remaining_ms = per_step * (all.steps - all.step);
    return r->desc.progress(r->desc.progress_context, &all);
}

static rf_status check(race_run *r) {
    rf_race_desc *const d = &r->desc;
    const rf_trainer *const t = r->trainer;
    if (d->epochs == 0) d->epochs = 20;
    if (d->share == 0) d->share = 1. / 3;
    if (!(d->lr > 0) || isinf(d->lr) || d->epochs < 0 || !(d->share > 0 && d->share <= 1))
        return rf_fail(RF_E_USAGE,
                       "a race around %g, for %d epochs, of a share of %g: rate and epochs must be above 0, "
                       "the share at most 1",
                       d->lr, d->epochs, d->share);
    const size_t epoch = rf_trainer_steps_per_epoch(t), steps = epoch * (size_t)d->epochs;
    r->plan = (rf_race_plan){.schedule = d->schedule,
                             .steps = steps,
                             .epoch = epoch,
                             .progress = d->progress != NULL ? on_progress : NULL,
                             .progress_context = r};
    r->steps = RF_MAX((size_t)(d->share * (double)steps / RF_RACE_RATES), STEPS_MIN);
    return RF_OK;
}

rf_status rf_race_steps(size_t *steps, rf_trainer *trainer, const rf_race_desc *desc) {
    race_run r = {.desc = *desc, .trainer = trainer};
    RF_TRY(check(&r));
    const size_t images = (size_t)rf_trainer_step_images(trainer);
    const size_t settling = trainer->validation.total > 0 && has_batch_norm(trainer) ? SETTLE_STEPS : 0;
    *steps = RF_RACE_RATES * (r.steps + settling + (size_t)trainer->validation.total / images / 3);
    return RF_OK;
}

static rf_status run_all(race_run *r) {
    rf_race *const race = r->race;
    rf_host_state start;
    RF_TRY(rf_trainer_snapshot(&start, r->trainer));
    rf_status status = RF_OK;
    for (; race->count < RF_RACE_RATES && status == RF_OK; race->count++)
        status = rf_race_try(&race->trials[race->count], r->trainer, &start, &r->plan,
                             r->desc.lr * rf_race_factors[race->count], r->steps);
    if (status != RF_OK) rf_error_hold();
    const rf_status restored = rf_trainer_restore(r->trainer, &start);
    if (status != RF_OK) rf_error_release();
    if (status == RF_OK) status = restored;
    return status == RF_OK ? rf_device_sync(r->trainer->desc.device) : status;
}

rf_status rf_race_run_sized(rf_race **out, rf_trainer *trainer, const rf_race_desc *desc, size_t size) {
    race_run r = {.trainer = trainer};
    *out = NULL;
    RF_TRY(rf_desc_copy(&r.desc, sizeof r.desc, desc, size));
    RF_TRY(check(&r));
    rf_race *const race = r.race = rf_alloc(1, sizeof *race);
    if (race == NULL) return RF_E_MEMORY;
    race->trials = rf_alloc(RF_RACE_RATES, sizeof *race->trials);
    race->suggested = 1;
    race->plan_steps = r.plan.steps;
    race->chance = rf_loss_of_guessing(trainer);
    race->only_lower = r.desc.only_lower;
    const rf_status status = race->trials != NULL ? run_all(&r) : RF_E_MEMORY;
    if (status != RF_OK) {
        rf_race_free(race);
        return status;
    }
    rf_race_decide(race);
    *out = race;
    return RF_OK;
}
