/* The learning-rate range test (Smith 2017, arXiv 1506.01186): train while the learning rate rises, record the losses,
 * restore the state. The learning rates are pytorch-lr-finder's: step i of N has r = i/(N-1) of the way, in the
 * logarithm or linearly, so that the first is start_lr and the last end_lr. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"
#include "curve/features.h"
#include "finder/race.h"
#include "finder/range.h"
#include "optim/schedule.h"

static rf_status check(rf_range_test_desc *d) {
    if (d->start_lr == 0) d->start_lr = 1e-6;
    if (d->end_lr == 0) d->end_lr = 10;
    if (d->diverge == 0) d->diverge = 4;
    if (!(d->start_lr > 0) || !(d->end_lr > d->start_lr) || isinf(d->end_lr))
        return rf_fail(RF_E_USAGE,
                       "learning rates from %g to %g: the first must be above 0 and below the last",
                       d->start_lr, d->end_lr);
    if (d->epochs < 0) return rf_fail(RF_E_USAGE, "%d epochs: expected 0 or more", d->epochs);
    if (d->seeds == 0) d->seeds = 1;
    if (d->seeds < 1 || d->seeds > RF_RUNS_MAX)
        return rf_fail(RF_E_USAGE, "%d range tests: expected 1 to %d", d->seeds, RF_RUNS_MAX);
    if (d->iterations < 2) return rf_fail(RF_E_USAGE, "%d iterations: at least 2 are needed", d->iterations);
    return RF_OK;
}

static double rate(const rf_range_test_desc *d, int i) {
    double r = (double)i / (d->iterations - 1);
    return d->linear ? d->start_lr + r * (d->end_lr - d->start_lr)
                     : d->start_lr * pow(d->end_lr / d->start_lr, r);
}

double rf_loss_of_guessing(const rf_trainer *trainer) {
    const double classes = trainer->classes;
    return strcmp(trainer->desc.loss, "mse") == 0 ? (classes - 1) / (classes * classes) : log(classes);
}

/* The steps of the training that follows, each counted by the factor of its rate. */
static rf_status training_steps(double *out, const rf_trainer *trainer, const rf_range_test_desc *d) {
    const size_t epoch = rf_trainer_steps_per_epoch(trainer), steps = (size_t)d->epochs * epoch;
    rf_schedule_setup schedule;
    *out = 0;
    if (steps == 0) return RF_OK;
    RF_TRY(rf_schedule_open(&schedule, d->schedule, 1, steps, epoch));
    for (size_t i = 0; i < steps; i++) *out += rf_schedule_rate(&schedule, i);
    rf_schedule_close(&schedule);
    return RF_OK;
}

/* ---- one test of several ---- */

/* Epochs between the first ones of two tests; a prime, so that the numbers of their batches differ in 32 bits, too, by which
 * augmentation draws. */
enum { EPOCHS_APART = 65537, DROPOUTS_APART = 1 << 24 };

typedef struct range_test {
    rf_range_test_desc desc;
    rf_trainer *trainer;
    rf_host_state before;
    double following, *lr, *loss, *observed;
    int seed; /* from 0 */
} range_test;

/* The order of the images is that of a later epoch, and so is what augmentation draws; dropout is that of a later step. */
static rf_status take_seed(const range_test *test) {
    rf_trainer *const t = test->trainer;
    rf_order_state order = test->before.order;
    uint32_t rng[4];
    if (test->seed == 0) return RF_OK;
    order.epoch += (uint64_t)test->seed * EPOCHS_APART;
    rf_order_seek(t->order, order);
    RF_TRY(rf_buffer_read(t->rng, 0, rng, sizeof rng));
    rng[2] += (uint32_t)test->seed * DROPOUTS_APART;
    return rf_buffer_write(t->rng, 0, rng, sizeof rng);
}

static bool on_progress(void *context, const rf_range_test_progress *now) {
    const range_test *const test = context;
    const rf_range_test_desc *const d = &test->desc;
    const int left = d->seeds - 1 - test->seed;
    rf_range_test_progress all = *now;
    all.step += test->seed * now->steps;
    all.steps *= d->seeds;
    all.remaining_ms += left * now->steps * 1e3 * rf_trainer_step_images(test->trainer) /
                        RF_MAX(now->images_per_second, 1e-6);
    return d->progress(d->progress_context, &all);
}

/* Runs it, and restores the trainer. */
static rf_status run_one(rf_curve **out, range_test *test) {
    const rf_range_test_desc *const d = &test->desc;
    rf_trainer *const t = test->trainer;
    const bool validation = t->desc.validation > 0;
    const rf_run_desc run = {.lr = test->lr,
                             .steps = (size_t)d->iterations,
                             .diverge = d->diverge > 0 ? d->diverge : 0,
                             .observe_every = validation,
                             .judge_validation = validation,
                             .progress = d->progress != NULL ? on_progress : NULL,
                             .progress_context = test};
    rf_run_result result = {0};
    rf_status status = take_seed(test);
    if (status == RF_OK) status = rf_trainer_execute(&result, test->loss, test->observed, t, &run);
    if (status != RF_OK) rf_error_hold();
    const rf_status restored = rf_trainer_restore(t, &test->before);
    if (status != RF_OK) rf_error_release();
    if (status == RF_OK) status = restored;
    if (status == RF_OK) status = rf_device_sync(t->desc.device);
    if (status == RF_OK && result.stop == RF_STOP_INTERRUPTED && result.steps < 2)
        status = rf_fail(RF_E_INTERRUPTED, "interrupted before the second step");
    if (status == RF_OK)
        status = rf_curve_create(out, test->lr, validation ? test->observed : test->loss, result.steps);
    if (status != RF_OK) return status;
    (*out)->stop = result.stop;
    (*out)->planned = (size_t)d->iterations;
    (*out)->planned_lr = test->lr[d->iterations - 1];
    (*out)->chance = rf_loss_of_guessing(t);
    (*out)->usual_lr = rf_optimizer_usual_lr(&t->setup);
    (*out)->training_steps = test->following;
    (*out)->epoch_steps = (double)rf_trainer_steps_per_epoch(t);
    return RF_OK;
}

/* ---- all of them ---- */

static rf_status run_all(rf_curve **out, range_test *test) {
    const size_t seeds = (size_t)test->desc.seeds;
    rf_curve **const runs = rf_alloc(seeds, sizeof *runs);
    rf_status status = runs != NULL ? RF_OK : RF_E_MEMORY;
    for (size_t i = 0; i < seeds && status == RF_OK; i++) {
        test->seed = (int)i;
        status = run_one(&runs[i], test);
        if (status == RF_OK && seeds > 1 && runs[i]->stop == RF_STOP_INTERRUPTED)
            status = rf_fail(RF_E_INTERRUPTED, "interrupted in range test %zu of %zu", i + 1, seeds);
    }
    if (status == RF_OK) return rf_curve_median(out, runs, seeds);
    for (size_t r = 0; runs != NULL && r < seeds; r++) rf_curve_free(runs[r]);
    free(runs);
    return status;
}

/* With desc.iterations steps. */
static rf_status run_length(rf_curve **out, range_test *test) {
    const size_t steps = (size_t)test->desc.iterations;
    if ((test->lr = rf_alloc(steps * 3, sizeof *test->lr)) == NULL) return RF_E_MEMORY;
    test->loss = test->lr + steps;
    test->observed = test->loss + steps;
    for (int i = 0; i < test->desc.iterations; i++) test->lr[i] = rate(&test->desc, i);
    const rf_status status = run_all(out, test);
    free(test->lr);
    return status;
}

/* ---- once more, where it showed nothing ---- */

bool rf_range_wants_more(const rf_verdict *verdict) {
    return verdict->kind == RF_VERDICT_NONE &&
           (strcmp(verdict->cause, "flat") == 0 || strcmp(verdict->cause, "noise") == 0);
}

/* Three and a half decades that end soon above where the first test did harm, or far above the optimizer's usual rate, so that
 * the steps are spent where something may be learned.  In the limits of the first test, and of two digits. */
static rf_status look_closer(rf_range_test_desc *d, const rf_curve *first) {
    static const double above_harm = 3, above_usual = 100, width = 3000;
    rf_features features = {0};
    const rf_status status = rf_features_measure(&features, first);
    if (status == RF_OK) {
        double end = d->end_lr;
        if (first->usual_lr > 0) end = fmin(end, above_usual * first->usual_lr);
        if (features.harm < first->count) end = fmin(end, above_harm * first->lr[features.harm]);
        end = strtod(rf_rate(end).text, NULL);
        const double start = fmax(d->start_lr, strtod(rf_rate(end / width).text, NULL));
        if (end > start) d->start_lr = start, d->end_lr = fmin(d->end_lr, end);
    }
    rf_features_release(&features);
    return status;
}

static rf_status run_closer(rf_curve **out, range_test *test) {
    rf_verdict verdict;
    rf_status status = rf_curve_judge(&verdict, *out);
    if (status == RF_OK && ((*out)->stop == RF_STOP_INTERRUPTED || !rf_range_wants_more(&verdict)))
        return RF_OK;
    if (status == RF_OK) status = look_closer(&test->desc, *out);
    rf_curve_free(*out);
    *out = NULL;
    test->desc.iterations = RF_RANGE_STEPS_MORE;
    return status == RF_OK ? run_length(out, test) : status;
}

rf_status rf_range_test_run_sized(rf_curve **out, rf_trainer *trainer, const rf_range_test_desc *desc,
                                  size_t size) {
    range_test test = {.trainer = trainer};
    *out = NULL;
    RF_TRY(rf_desc_copy(&test.desc, sizeof test.desc, desc, size));
    const bool usual = test.desc.iterations == 0;
    if (usual) test.desc.iterations = RF_RANGE_STEPS;
    RF_TRY(check(&test.desc));
    RF_TRY(training_steps(&test.following, trainer, &test.desc));
    RF_TRY(rf_trainer_snapshot(&test.before, trainer));
    RF_TRY(run_length(out, &test));
    return usual ? run_closer(out, &test) : RF_OK;
}
