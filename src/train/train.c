/* The training loop: epochs, each in runs of at most RF_SEGMENT steps, between which the state can be saved. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "optim/schedule.h"
#include "train/exchange.h"
#include "train/folder.h"
#include "train/tensorboard.h"

/* What a run remembers besides the trainer's state. */
typedef struct memory {
    double loss_sum; /* of the epoch's steps so far */
    double best_epoch, best_step, best_accuracy, best_accuracy5, best_loss,
        waited; /* validations since the best */
} memory;

typedef struct training {
    rf_train_desc desc;
    rf_trainer *trainer;
    rf_folder *folder; /* borrowed; NULL: nothing is kept */
    rf_train_result *result;
    rf_schedule_setup schedule;
    memory memory;
    rf_metrics metrics;
    rf_events *events;             /* NULL: not asked for */
    size_t per_epoch, total, done; /* steps */
    double rates[RF_SEGMENT], losses[RF_SEGMENT], observed[RF_SEGMENT];
    double epoch_ms, saved_ms; /* when the epoch began, when the state was last saved */
    double save_ms, step_ms;   /* how long saving took, and a step */
    size_t epoch_steps;        /* of this epoch in this process */
    rf_state *best;            /* weights that are not saved yet */
} training;

static int epoch_of(const training *t, size_t step) {
    return (int)(step / t->per_epoch) + 1;
}

/* ---- the state ---- */

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"train.loss_sum", offsetof(training, memory.loss_sum)},
    {"train.best_epoch", offsetof(training, memory.best_epoch)},
    {"train.best_step", offsetof(training, memory.best_step)},
    {"train.best_accuracy", offsetof(training, memory.best_accuracy)},
    {"train.best_accuracy5", offsetof(training, memory.best_accuracy5)},
    {"train.best_loss", offsetof(training, memory.best_loss)},
    {"train.waited", offsetof(training, memory.waited)},
    {"train.schedule_factor", offsetof(training, schedule.memory.factor)},
    {"train.schedule_best", offsetof(training, schedule.memory.best)},
    {"train.schedule_bad", offsetof(training, schedule.memory.bad)},
    {"train.schedule_resting", offsetof(training, schedule.memory.resting)},
};

static double *number_at(training *t, size_t i) {
    return (double *)((char *)t + numbers[i].offset);
}

static rf_status recall(training *t, const rf_state *state) {
    for (size_t i = 0; i < RF_COUNT(numbers); i++) {
        const char *text = rf_state_text(state, numbers[i].name);
        char *end;
        if (text == NULL)
            return rf_fail(RF_E_INPUT, "the state does not say its '%s': it is none of a training run",
                           numbers[i].name);
        *number_at(t, i) = strtod(text, &end);
        if (end == text || *end != '\0')
            return rf_fail(RF_E_INPUT, "the state's '%s' is '%s', which is no number", numbers[i].name, text);
    }
    return RF_OK;
}

static rf_status add_class_names(rf_state *weights, const rf_dataset *data) {
    rf_json json = {0};
    if (data->class_names == NULL) return RF_OK;
    rf_json_open(&json, NULL, '[');
    for (int c = 0; c < data->classes; c++) rf_json_string(&json, NULL, data->class_names[c]);
    rf_json_close(&json);
    rf_status status = rf_json_end(&json);
    if (status == RF_OK) return rf_state_add_text(weights, "class_names", json.text.data);
    rf_str_free(&json.text);
    return status;
}

static rf_status get_weights(rf_state **out, const training *t) {
    RF_TRY(rf_trainer_get_weights(out, t->trainer));
    rf_status status = rf_state_add_number(*out, "step", t->done);
    if (status == RF_OK) status = add_class_names(*out, t->trainer->desc.dataset);
    if (status == RF_OK) return RF_OK;
    rf_state_free(*out);
    *out = NULL;
    return status;
}

static rf_status save_weights(const rf_state *weights, const rf_folder *folder, const char *name) {
    char *path = rf_folder_file(folder, name);
    if (path == NULL) return RF_E_MEMORY;
    rf_status status = rf_state_save_weights(weights, path);
    free(path);
    return status;
}

/* The state last: what it speaks of is there. */
static rf_status save(training *t) {
    rf_state *state = NULL, *last = NULL;
    const double begin_ms = rf_time_ms();
    if (t->folder == NULL) return RF_OK;
    rf_status status = RF_OK;
    if (t->best != NULL) status = save_weights(t->best, t->folder, RF_FOLDER_BEST);
    if (status == RF_OK) status = get_weights(&last, t);
    if (status == RF_OK) status = save_weights(last, t->folder, RF_FOLDER_LAST);
    if (status == RF_OK) status = rf_metrics_save(&t->metrics, t->folder);
    if (status == RF_OK) status = rf_trainer_get_state(&state, t->trainer);
    for (size_t i = 0; i < RF_COUNT(numbers) && status == RF_OK; i++)
        status = rf_state_add_text(state, numbers[i].name, rf_format("%a", *number_at(t, i)));
    if (status == RF_OK) status = rf_folder_save_state(t->folder, state);
    if (status == RF_OK) {
        rf_state_free(t->best);
        t->best = NULL;
        t->saved_ms = rf_time_ms();
        t->save_ms = t->saved_ms - begin_ms;
    }
    rf_state_free(state);
    rf_state_free(last);
    return status;
}

/* Milliseconds between two states: so that saving takes a fiftieth of the time at most.  0: after each epoch. */
static double save_interval(const training *t) {
    const double every = t->desc.save_every;
    return every < 0 ? 0 : fmax(1e3 * (every > 0 ? every : 10), 50 * t->save_ms);
}

static bool save_is_due(const training *t) {
    return save_interval(t) == 0 ? t->done % t->per_epoch == 0
                                 : rf_time_ms() - t->saved_ms >= save_interval(t);
}

/* How many steps to make before looking whether a state is due. */
static size_t steps_at_once(const training *t, size_t left) {
    enum { AT_FIRST = 32 };
    if (t->folder == NULL || save_interval(t) == 0) return RF_MIN(left, RF_SEGMENT);
    const double fit = t->step_ms > 0 ? save_interval(t) / t->step_ms : AT_FIRST;
    return RF_MIN(left, (size_t)fmin(fmax(fit, 1), RF_SEGMENT));
}

/* ---- TensorBoard ---- */

/* Some of the steps behind `first`: a hundred an epoch. */
static rf_status add_steps(const training *t, size_t first, size_t steps) {
    const size_t every = RF_MAX(t->per_epoch / 100, 1);
    if (t->events == NULL) return RF_OK;
    for (size_t i = 0; i < steps; i++) {
        const rf_scalar scalars[] = {{"loss/step", t->losses[i]}, {"learning_rate", t->rates[i]}};
        if ((first + i + 1) % every == 0)
            RF_TRY(rf_events_add(t->events, first + i + 1, scalars, RF_COUNT(scalars)));
    }
    return RF_OK;
}

static rf_status add_epoch(const training *t, const rf_epoch *e) {
    const rf_scalar scalars[] = {{"loss/train", e->loss},
                                 {"loss/validation", e->validation_loss},
                                 {"accuracy/validation", e->accuracy},
                                 {"accuracy/top5", e->accuracy5},
                                 {"images_per_second", e->images_per_second}};
    if (t->events == NULL) return RF_OK;
    RF_TRY(rf_events_add(t->events, e->step, scalars, RF_COUNT(scalars)));
    return rf_events_flush(t->events);
}

/* ---- an epoch's end ---- */

/* Ends the run where the callback of any rank wants it. */
static rf_status stop_where_told(training *t, bool go_on) {
    float refused = !go_on;
    RF_TRY(rf_dist_sum(t->trainer->desc.dist, &refused, 1));
    if (refused > 0) t->result->stop = RF_STOP_INTERRUPTED;
    return RF_OK;
}

static void validate(training *t, rf_epoch *e, const rf_evaluation *evaluation) {
    memory *m = &t->memory;
    e->accuracy = evaluation->accuracy;
    e->accuracy5 = evaluation->accuracy5;
    e->best = m->best_epoch == 0 || e->accuracy > m->best_accuracy ||
              (e->accuracy == m->best_accuracy && e->validation_loss < m->best_loss);
    m->waited++;
    if (!e->best) return;
    m->best_epoch = e->epoch;
    m->best_step = (double)e->step;
    m->best_accuracy = e->accuracy;
    m->best_accuracy5 = e->accuracy5;
    m->best_loss = e->validation_loss;
    m->waited = 0;
}

static rf_status observe(training *t, rf_epoch *e) {
    const rf_evaluator *evaluator = &t->trainer->validation;
    const int32_t *labels = t->trainer->desc.validation_data != NULL
                                ? t->trainer->desc.validation_data->labels
                                : t->trainer->desc.dataset->labels;
    rf_evaluation *evaluation;
    RF_TRY(rf_evaluator_read(&evaluation, evaluator, labels));
    validate(t, e, evaluation);
    rf_evaluation_free(evaluation);
    if (!e->best || t->folder == NULL) return RF_OK;
    rf_state_free(t->best);
    return get_weights(&t->best, t);
}

static rf_status end_epoch(training *t, double lr, bool validated, double validation_loss) {
    const double seconds = (rf_time_ms() - t->epoch_ms) / 1e3;
    rf_epoch e = {.epoch = epoch_of(t, t->done - 1),
                  .epochs = t->desc.epochs,
                  .step = t->done,
                  .lr = lr,
                  .loss = t->memory.loss_sum / (double)t->per_epoch,
                  .validation_loss = validated ? validation_loss : NAN,
                  .accuracy = NAN,
                  .accuracy5 = NAN,
                  .seconds = seconds,
                  .images_per_second =
                      (double)t->epoch_steps * rf_trainer_step_images(t->trainer) / RF_MAX(seconds, 1e-9)};
    if (validated) RF_TRY(observe(t, &e));
    if (validated || t->trainer->validation.total == 0)
        rf_schedule_observe(&t->schedule, validated ? validation_loss : e.loss);
    RF_TRY(rf_metrics_add(&t->metrics, &e));
    RF_TRY(add_epoch(t, &e));
    t->memory.loss_sum = 0;
    t->epoch_ms = rf_time_ms();
    t->epoch_steps = 0;
    t->result->last = e;
    if (e.best) t->result->best = e;
    if (t->desc.patience > 0 && t->memory.waited >= t->desc.patience) t->result->early = true;
    return stop_where_told(t, t->desc.epoch == NULL || t->desc.epoch(t->desc.context, &e));
}

/* ---- steps ---- */

static bool on_progress(void *context, const rf_range_test_progress *now) {
    const training *t = context;
    const size_t step = t->done + (size_t)now->step;
    const double per_step = now->remaining_ms / RF_MAX(now->steps - now->step, 1);
    const rf_train_progress progress = {.epoch = epoch_of(t, step - 1),
                                        .epochs = t->desc.epochs,
                                        .step = step,
                                        .steps = t->total,
                                        .lr = now->lr,
                                        .loss = now->loss,
                                        .images_per_second = now->images_per_second,
                                        .remaining_ms = per_step * (double)(t->total - step)};
    return t->desc.progress(t->desc.context, &progress);
}

/* Some steps of one epoch. */
static rf_status run_steps(training *t) {
    const size_t in_epoch = t->done % t->per_epoch, steps = steps_at_once(t, t->per_epoch - in_epoch);
    const double begin_ms = rf_time_ms();
    const int epoch = epoch_of(t, t->done);
    const bool ends = in_epoch + steps == t->per_epoch;
    const bool validated = ends && t->trainer->validation.total > 0 &&
                           (epoch % t->desc.validate_every == 0 || epoch == t->desc.epochs);
    for (size_t i = 0; i < steps; i++) t->rates[i] = rf_schedule_rate(&t->schedule, t->done + i);
    const rf_run_desc run = {.lr = t->rates,
                             .steps = steps,
                             .observe_every = validated ? (int)steps : 0,
                             .progress = t->desc.progress != NULL ? on_progress : NULL,
                             .progress_context = t};
    rf_run_result result;
    RF_TRY(rf_trainer_execute(&result, t->losses, t->observed, t->trainer, &run));
    for (size_t i = 0; i < result.steps; i++) t->memory.loss_sum += t->losses[i];
    RF_TRY(add_steps(t, t->done, result.steps));
    t->done += result.steps;
    t->epoch_steps += result.steps;
    t->step_ms = (rf_time_ms() - begin_ms) / (double)RF_MAX(result.steps, 1);
    if (result.stop == RF_STOP_NOT_FINITE)
        return rf_fail(RF_E_FAILED,
                       "the loss is not finite at step %zu (epoch %d), with learning rate %.3g%s", t->done,
                       epoch, t->rates[result.steps - 1],
                       t->folder != NULL ? "; the folder keeps the state before" : "");
    if (result.stop == RF_STOP_INTERRUPTED) t->result->stop = RF_STOP_INTERRUPTED;
    if (!ends || result.steps < steps) return RF_OK;
    return end_epoch(t, t->rates[steps - 1], validated, t->observed[steps - 1]);
}

/* ---- the run ---- */

static rf_status check(training *t) {
    rf_train_desc *d = &t->desc;
    if (d->epochs == 0) d->epochs = 20;
    if (d->validate_every == 0) d->validate_every = 1;
    if (d->epochs < 0 || d->validate_every < 0 || d->patience < 0)
        return rf_fail(RF_E_USAGE, "%d epochs, validation every %d, patience %d: none may be below 0",
                       d->epochs, d->validate_every, d->patience);
    if (d->patience > 0 && t->trainer->validation.total == 0)
        return rf_fail(RF_E_USAGE, "patience has no effect without validation images");
    if (d->tensorboard && t->folder == NULL)
        return rf_fail(RF_E_USAGE, "a folder is missing to write TensorBoard's files to");
    t->per_epoch = rf_trainer_steps_per_epoch(t->trainer);
    t->total = t->per_epoch * (size_t)d->epochs;
    return rf_schedule_open(&t->schedule, d->schedule, d->lr, t->total, t->per_epoch);
}

static rf_status resume(training *t) {
    rf_state *state;
    char *note;
    RF_TRY(rf_folder_load_state(&state, &note, t->folder));
    if (state == NULL) return RF_OK; /* the run was stopped before it began */
    rf_status status = recall(t, state);
    if (status == RF_OK) status = rf_trainer_take_state(t->trainer, state, t->desc.force);
    if (status != RF_OK)
        status = rf_fail_prefix(status, "%s cannot be resumed%s", t->folder->path,
                                status == RF_E_USAGE && !t->desc.force ? " without --force" : "");
    if (note != NULL) snprintf(t->result->note, sizeof t->result->note, "%s", note);
    rf_state_free(state);
    free(note);
    RF_TRY(status);
    return RF_OK;
}

/* The best epoch so far, as it is remembered. */
static rf_epoch best_of(const training *t) {
    const memory *m = &t->memory;
    return (rf_epoch){.epoch = (int)m->best_epoch,
                      .epochs = t->desc.epochs,
                      .step = (size_t)m->best_step,
                      .validation_loss = m->best_loss,
                      .accuracy = m->best_accuracy,
                      .accuracy5 = m->best_accuracy5,
                      .best = true};
}

/* What rank 0 has resumed from, to all. */
static rf_status share(training *t) {
    rf_dist *dist = t->trainer->desc.dist;
    for (size_t i = 0; i < RF_COUNT(numbers); i++)
        RF_TRY(rf_dist_broadcast(dist, number_at(t, i), sizeof(double)));
    return rf_exchange_state(t->trainer);
}

static rf_status run(training *t) {
    rf_dist *dist = t->trainer->desc.dist;
    if (t->desc.resume) {
        RF_TRY(rf_dist_agree(dist, rf_dist_rank(dist) == 0 ? resume(t) : RF_OK));
        RF_TRY(share(t));
        t->result->best = best_of(t);
    }
    t->done = (size_t)t->trainer->steps_done;
    if (t->done > t->total)
        return rf_fail(RF_E_USAGE, "%d epochs are %zu steps, and the run has done %zu: give more epochs",
                       t->desc.epochs, t->total, t->done);
    if (t->folder != NULL)
        RF_TRY(rf_metrics_load(&t->metrics, t->folder, t->desc.resume ? (int)(t->done / t->per_epoch) : 0));
    RF_TRY(stop_where_told(t, t->desc.begin == NULL || t->desc.begin(t->desc.context)));
    if (t->desc.tensorboard) RF_TRY(rf_events_open(&t->events, t->folder->path, t->done + 1));
    t->epoch_ms = t->saved_ms = rf_time_ms();
    if (t->done == 0) RF_TRY(save(t)); /* from then on there is one to resume from */
    while (t->done < t->total && !t->result->early && t->result->stop == RF_STOP_COMPLETED) {
        RF_TRY(run_steps(t));
        if (save_is_due(t)) RF_TRY(save(t));
    }
    return save(t);
}

rf_status rf_train_in(rf_train_result *out, rf_trainer *trainer, const rf_train_desc *desc,
                      rf_folder *folder) {
    *out = (rf_train_result){.stop = RF_STOP_COMPLETED};
    training *t = rf_alloc(1, sizeof *t);
    if (t == NULL) return RF_E_MEMORY;
    t->desc = *desc;
    t->trainer = trainer;
    if (rf_dist_rank(trainer->desc.dist) > 0) { /* which writes nothing */
        folder = NULL;
        t->desc.tensorboard = false;
    }
    t->folder = folder;
    t->result = out;
    rf_status status = check(t);
    if (status == RF_OK) status = run(t);
    rf_schedule_close(&t->schedule);
    rf_metrics_release(&t->metrics);
    rf_events_close(t->events);
    rf_state_free(t->best);
    free(t);
    return status;
}

rf_status rf_train_sized(rf_train_result *out, rf_trainer *trainer, const rf_train_desc *given, size_t size) {
    rf_train_desc desc;
    rf_folder *folder = NULL;
    RF_TRY(rf_desc_copy(&desc, sizeof desc, given, size));
    if (desc.resume && desc.folder == NULL) return rf_fail(RF_E_USAGE, "a folder is missing to resume from");
    if (desc.folder != NULL && rf_dist_rank(trainer->desc.dist) == 0)
        RF_TRY(rf_folder_open(&folder, desc.folder));
    rf_status status = rf_train_in(out, trainer, &desc, folder);
    rf_folder_close(folder);
    return status;
}
