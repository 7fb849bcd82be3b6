/* The learning-rate range test (Smith 2017, arXiv 1506.01186): train while the learning rate rises, record the losses,
 * restore the state. The learning rates are pytorch-lr-finder's: step i of N has r = i/(N-1) of the way, in the
 * logarithm or linearly, so that the first is start_lr and the last end_lr. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optim/schedule.h"
#include "train/trainer.h"

static rf_status check(rf_range_test_desc *d) {
    if (d->start_lr == 0) d->start_lr = 1e-6;
    if (d->end_lr == 0) d->end_lr = 10;
    if (d->iterations == 0) d->iterations = 300;
    if (d->diverge == 0) d->diverge = 4;
    if (!(d->start_lr > 0) || !(d->end_lr > d->start_lr) || isinf(d->end_lr))
        return rf_fail(RF_E_USAGE,
                       "learning rates from %g to %g: the first must be above 0 and below the last",
                       d->start_lr, d->end_lr);
    if (d->epochs < 0) return rf_fail(RF_E_USAGE, "%d epochs: expected 0 or more", d->epochs);
    if (d->iterations < 2) return rf_fail(RF_E_USAGE, "%d iterations: at least 2 are needed", d->iterations);
    return RF_OK;
}

static double rate(const rf_range_test_desc *d, int i) {
    double r = (double)i / (d->iterations - 1);
    return d->linear ? d->start_lr + r * (d->end_lr - d->start_lr)
                     : d->start_lr * pow(d->end_lr / d->start_lr, r);
}

/* The loss of the best constant prediction: a uniform distribution, or for mse the mean of the one-hot targets. */
static double loss_of_guessing(const rf_trainer *trainer) {
    const double classes = trainer->classes;
    return strcmp(trainer->desc.loss, "mse") == 0 ? (classes - 1) / (classes * classes) : log(classes);
}

/* The steps of the training that follows, each counted by the factor of its rate. */
static rf_status training_steps(double *out, const rf_trainer *trainer, const rf_range_test_desc *d) {
    const size_t epoch = rf_order_batches_per_epoch(trainer->order), steps = (size_t)d->epochs * epoch;
    rf_schedule_setup schedule;
    *out = 0;
    if (steps == 0) return RF_OK;
    RF_TRY(rf_schedule_open(&schedule, d->schedule, 1, steps, epoch));
    for (size_t i = 0; i < steps; i++) *out += rf_schedule_rate(&schedule, i);
    rf_schedule_close(&schedule);
    return RF_OK;
}

rf_status rf_range_test_run_sized(rf_curve **out, rf_trainer *trainer, const rf_range_test_desc *desc,
                                  size_t size) {
    rf_range_test_desc d;
    rf_run_result result = {0};
    rf_host_state before;
    double following;
    *out = NULL;
    RF_TRY(rf_desc_copy(&d, sizeof d, desc, size));
    RF_TRY(check(&d));
    RF_TRY(training_steps(&following, trainer, &d));
    size_t steps = (size_t)d.iterations;
    const bool validation = trainer->desc.validation > 0;
    double *lr = rf_alloc(steps * 3, sizeof *lr);
    if (lr == NULL) return RF_E_MEMORY;
    double *loss = lr + steps, *observed = loss + steps;
    for (int i = 0; i < d.iterations; i++) lr[i] = rate(&d, i);
    rf_run_desc run = {.lr = lr,
                       .steps = steps,
                       .diverge = d.diverge > 0 ? d.diverge : 0,
                       .observe_every = validation,
                       .judge_validation = validation,
                       .progress = d.progress,
                       .progress_context = d.progress_context};
    rf_status status = rf_trainer_snapshot(&before, trainer);
    if (status != RF_OK) goto done;
    status = rf_trainer_execute(&result, loss, observed, trainer, &run);
    if (status != RF_OK) rf_error_hold();
    rf_status restored = rf_trainer_restore(trainer, &before);
    if (status != RF_OK) rf_error_release();
    if (status == RF_OK) status = restored;
    if (status == RF_OK) status = rf_device_sync(trainer->desc.device);
    if (status == RF_OK && result.stop == RF_STOP_INTERRUPTED && result.steps < 2)
        status = rf_fail(RF_E_INTERRUPTED, "interrupted before the second step");
    if (status == RF_OK) status = rf_curve_create(out, lr, validation ? observed : loss, result.steps);
    if (status == RF_OK) {
        (*out)->stop = result.stop;
        (*out)->planned = steps;
        (*out)->chance = loss_of_guessing(trainer);
        (*out)->usual_lr = rf_optimizer_usual_lr(&trainer->setup);
        (*out)->training_steps = following;
    }
done:
    free(lr);
    return status;
}
