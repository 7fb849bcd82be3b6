/* rangefinder train: from data and network to a trained one, in a run's folder. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ahead.h"
#include "dist/dist.h"
#include "ending.h"
#include "optim/schedule.h"
#include "outputs.h"
#include "record.h"
#include "runs.h"
#include "train/folder.h"
#include "session.h"

typedef struct train_args {
    rf_common common;
    rf_training training;
    rf_outputs outputs; /* the plot alone */
    double lr;          /* 0: auto */
    double lr_fallback, val_split, save_every;
    int epochs, val_every, patience;
    const char *schedule, *out, *resume, *val_data;
    bool overwrite, force, tensorboard;
} train_args;

/* ---- options ---- */

static rf_status parse_lr(void *target, const rf_option *option, const char *text) {
    if (strcmp(text, "auto") != 0) return rf_opt_number(target, option, text);
    *(double *)target = 0;
    return RF_OK;
}

static const char *const *lr_choices(void) {
    static const char *const names[] = {"auto", NULL};
    return names;
}

#define AT(field) .offset = offsetof(train_args, field)

static const rf_option options[] = {
    {"lr", "X|auto", "learning rate, which the schedule multiplies; auto: a range test finds it", "auto",
     .parse = parse_lr, AT(lr), .min = 1e-12, .max = 1e6, .choices = lr_choices},
    {"lr-fallback", "X", "take this one where the range test finds none, rather than stop",
     .parse = rf_opt_number, AT(lr_fallback), .min = 1e-12, .max = 1e6},
    {"schedule", "SPEC", "how the learning rate changes; 'rangefinder schedule --help' tells them", "cosine",
     .parse = rf_opt_text, AT(schedule), .choices = rf_schedule_names},
    {"epochs", "N", "how often each image is seen", "20", .parse = rf_opt_int, AT(epochs), .min = 1,
     .max = 1000000},
    {"out", "FOLDER", "where the run is kept (runs/1, or the next number that is free)", .parse = rf_opt_text,
     AT(out), .files = true},
    {"overwrite", NULL, "replace a run that is in --out", .parse = rf_opt_flag, AT(overwrite)},
    {"resume", "FOLDER", "go on with the run in this folder, with its options; others given replace them",
     .parse = rf_opt_text, AT(resume), .files = true},
    {"force", NULL, "resume although data or options differ from the run's", .parse = rf_opt_flag, AT(force)},
    {"val-split", "SHARE", "share of the images held out for validation", "0.2", .parse = rf_opt_number,
     AT(val_split), .min = 0, .max = 0.9},
    {"val-data", "SPEC", "images for validation, rather than a share of --data", .parse = rf_opt_text,
     AT(val_data), .files = true},
    {"val-every", "N", "validate after every N epochs, and after the last", "1", .parse = rf_opt_int,
     AT(val_every), .min = 1, .max = 1000000},
    {"patience", "N", "stop after N validations without a better one (0: never)", "0", .parse = rf_opt_int,
     AT(patience), .min = 0, .max = 1000000},
    {"save-every", "SECONDS", "time between two saved states, within an epoch too; 0: after every epoch",
     "10", .parse = rf_opt_number, AT(save_every), .min = 0, .max = 1e6},
    {"plot", "FILE", "draw losses and accuracy; .svg, .png or .pdf", .parse = rf_opt_text,
     AT(outputs.paths[RF_OUTPUT_plot]), .files = true},
    {"tensorboard", NULL, "write TensorBoard's event files to the run's folder", .parse = rf_opt_flag,
     AT(tensorboard)},
    RF_OPT_END,
};
static const rf_shared_options shared[] = {RF_TRAINING_SHARED(train_args), {.rows = NULL}};

/* ---- the run ---- */

typedef struct train_run {
    rf_session session;
    const train_args *args;
    rf_record record; /* of the run that is resumed */
    rf_folder *folder;
    char *out;      /* the folder's name */
    size_t before;  /* characters of it that named a folder before this run made the others */
    char *schedule; /* with the range's ends, where the schedule has such */
    rf_verdict verdict;
    rf_record_more lr;
    rf_status recorded; /* whether run.json could be written */
    rf_progress progress;
    bool for_people;
    rf_train_result result;
} train_run;

/* Cuts off the last part of a path. */
static void cut_last(char *path) {
    char *slash = strrchr(path, '/');
    *(slash != NULL ? slash : path) = '\0';
}

/* How much of the path there is already. */
static rf_status measure_existing(size_t *out, const char *path) {
    char *part = rf_strdup(path);
    if (part == NULL) return RF_E_MEMORY;
    while (part[0] != '\0' && access(part, F_OK) != 0) cut_last(part);
    *out = strlen(part);
    free(part);
    return RF_OK;
}

/* Removes the folders that were made and into which nothing has come. */
static void remove_empty(train_run *run) {
    while (strlen(run->out) > run->before && rmdir(run->out) == 0) cut_last(run->out);
}

static void release_run(train_run *run) {
    rf_session_release(&run->session);
    if (run->folder != NULL) remove_empty(run);
    rf_folder_close(run->folder);
    rf_record_release(&run->record);
    free(run->schedule);
    free(run->out);
}

/* ---- the folder ---- */

/* Fails where there is something of this name that is no empty folder. */
static rf_status check_free(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL && errno == ENOENT) return RF_OK;
    if (folder == NULL && errno != ENOTDIR) return rf_fail_errno(errno, "--out %s: cannot be opened", path);
    if (folder != NULL) {
        bool empty = true;
        for (const struct dirent *e; empty && (e = readdir(folder)) != NULL;)
            empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        closedir(folder);
        if (empty) return RF_OK;
    }
    return rf_fail(RF_E_USAGE,
                   "--out %s: is there already; '--resume %s' goes on with the run in it, and --overwrite "
                   "replaces it",
                   path, path);
}

static rf_status open_folder(train_run *run) {
    const train_args *args = run->args;
    run->out = args->resume != NULL ? rf_strdup(args->resume)
               : args->out != NULL  ? rf_strdup(args->out)
                                    : rf_next_free_folder("runs");
    if (run->out == NULL) return RF_E_MEMORY;
    if (args->resume == NULL && !args->overwrite) RF_TRY(check_free(run->out));
    RF_TRY(measure_existing(&run->before, run->out));
    RF_TRY(rf_folder_open(&run->folder, run->out));
    if (!args->overwrite) return RF_OK;
    RF_TRY(rf_record_remove(run->folder));
    return rf_folder_clear(run->folder);
}

/* The options of the run that is resumed, under those given now. */
static rf_status recall(train_args *args, train_run *run) {
    static const char *const of_begin[] = {"out", "overwrite", "weights", "strict", "lr-fallback"};
    rf_option_table tables[RF_MAX_TABLES];
    for (size_t i = 0; i < RF_COUNT(of_begin); i++)
        if (rf_settings_given(&args->common.settings, of_begin[i]))
            return rf_fail(RF_E_USAGE, "--%s has no effect with --resume", of_begin[i]);
    RF_TRY(rf_record_read(&run->record, args->resume));
    if (rf_settings_given(&args->common.settings, "lr") && args->lr == 0)
        return rf_fail(RF_E_USAGE, "--lr auto has no effect with --resume: %s has learning rate %g",
                       args->resume, run->record.lr);
    rf_command_tables(tables, &rf_command_train);
    RF_TRY(rf_options_recall(args, &args->common.settings, tables, &run->record.settings, true));
    args->out = NULL;
    args->overwrite = false;
    if (!rf_settings_given(&args->common.settings,
                           "global-batch")) /* the ranks may be others, the step is the same */
        args->training.global_batch =
            rf_settings_given(&args->common.settings, "batch") ? 0 : args->training.batch;
    if (!rf_settings_given(&args->common.settings, "model")) args->training.model = run->record.model;
    return RF_OK;
}

/* ---- data ---- */

static rf_status open_validation(train_run *run) {
    const train_args *args = run->args;
    rf_session *s = &run->session;
    const rf_dataset *data = s->dataset;
    if (args->val_data == NULL ||
        rf_ahead_data() != NULL) /* an ahead helper only needs to know that there are some */
        return rf_session_split(s, args->val_data == NULL ? args->val_split : 1);
    const rf_record like = {.images = {data->channels, data->height, data->width, data->classes},
                            .class_names = data->class_names};
    rf_dataset_options reading = rf_reading_for(&args->training.reading, &like.images);
    reading.skip_bad = args->training.skip_bad;
    reading.limit = 0;
    RF_TRY(rf_dataset_open(&s->held_out, args->val_data, &reading));
    return rf_record_match(&like, s->held_out);
}

/* ---- the learning rate ---- */

static bool on_range_test(void *context, const rf_range_test_progress *now) {
    char left[32];
    rf_progress_draw(context, "range test: step %d/%d  rate %.3g  loss %.4g  %s left", now->step, now->steps,
                     now->lr, now->loss, rf_time_text(left, now->remaining_ms));
    return !rf_interrupted();
}

static rf_status run_range_test(train_run *run) {
    rf_curve *curve = NULL;
    const rf_range_test_desc desc = {.progress = on_range_test,
                                     .progress_context = &run->progress,
                                     .epochs = run->args->epochs,
                                     .schedule = run->args->schedule};
    rf_status status = rf_range_test_run(&curve, run->session.trainer, &desc);
    rf_progress_end(&run->progress);
    if (rf_interrupted() || (curve != NULL && curve->stop == RF_STOP_INTERRUPTED)) status = RF_E_INTERRUPTED;
    if (status == RF_OK) status = rf_curve_judge(&run->verdict, curve);
    rf_curve_free(curve);
    rf_session_verbose(&run->session, "range test done");
    return status;
}

static rf_status find_lr(train_run *run) {
    const train_args *args = run->args;
    rf_verdict *verdict = &run->verdict;
    RF_TRY(run_range_test(run));
    run->lr = (rf_record_more){verdict->lr, "range test", verdict};
    if (verdict->kind == RF_VERDICT_RANGE) {
        if (run->for_people)
            rf_print_line("rate     %.3g, found by a range test (good from %.2g to %.2g): %s", verdict->lr,
                          verdict->lr_min, verdict->lr_max, verdict->reason);
        return RF_OK;
    }
    run->lr = (rf_record_more){args->lr_fallback, "fallback", NULL};
    if (args->lr_fallback > 0) {
        rf_say("the range test found no learning rate (%s); --lr-fallback %g is taken", verdict->reason,
               args->lr_fallback);
        return RF_OK;
    }
    return rf_fail(
        RF_E_FAILED,
        "no learning rate to train with: %s 'rangefinder find' shows the curve; --lr or --lr-fallback "
        "gives one",
        verdict->reason);
}

/* Schedules that run between rates take the ends of the range that was found, unless the user gives them. */
static rf_status use_range(train_run *run) {
    const rf_verdict *v = &run->verdict;
    const char *text = run->args->schedule;
    rf_schedule_setup setup;
    RF_TRY(rf_schedule_open(&setup, text, 1, (size_t)run->args->epochs, 1));
    const rf_schedule *s = setup.schedule;
    rf_schedule_close(&setup);
    if (v->kind == RF_VERDICT_RANGE && s->low_option != NULL && !rf_spec_gives(text, s->low_option)) {
        const double high = s->spans ? v->lr_max : v->lr, low = v->lr_min;
        run->schedule =
            rf_format("%s %s=%.6g", text, s->low_option, s->low_divides ? high / low : low / high);
        run->lr.lr = high;
    } else
        run->schedule = rf_strdup(text);
    return run->schedule != NULL ? RF_OK : RF_E_MEMORY;
}

static rf_status choose_lr(train_run *run) {
    const train_args *args = run->args;
    if (args->lr > 0)
        run->lr = (rf_record_more){args->lr, "given", NULL};
    else if (args->resume != NULL)
        run->lr = (rf_record_more){run->record.lr, "range test", NULL};
    else
        RF_TRY(find_lr(run));
    return use_range(run);
}

/* ---- training ---- */

/* Not before: a run that cannot be resumed stays as it is. */
static bool on_begin(void *context) {
    train_run *run = context;
    if (rf_dist_rank(run->args->common.dist) > 0) return true;
    run->recorded = rf_record_write(run->out, &run->session, &run->lr);
    return run->recorded == RF_OK;
}

static bool on_progress(void *context, const rf_train_progress *now) {
    train_run *run = context;
    char left[32];
    rf_progress_draw(&run->progress,
                     "epoch %d/%d  step %zu/%zu  rate %.3g  loss %.4g  %.0f images/s  %s left", now->epoch,
                     now->epochs, now->step, now->steps, now->lr, now->loss, now->images_per_second,
                     rf_time_text(left, now->remaining_ms));
    return !rf_interrupted();
}

static void print_epoch(const rf_epoch *e) {
    char validation[128] = "";
    if (isfinite(e->accuracy))
        snprintf(validation, sizeof validation, "  validation %.4f  accuracy %5.2f %%%s", e->validation_loss,
                 100 * e->accuracy, e->best ? "  best" : "");
    rf_print_line("epoch %3d/%d  rate %-8.3g  loss %.4f  %.0f images/s%s", e->epoch, e->epochs, e->lr,
                  e->loss, e->images_per_second, validation);
    fflush(stdout);
}

static bool on_epoch(void *context, const rf_epoch *epoch) {
    train_run *run = context;
    rf_progress_end(&run->progress);
    if (run->for_people) print_epoch(epoch);
    rf_progress_begin(&run->progress, !run->args->common.quiet && !run->args->common.no_progress);
    return !rf_interrupted();
}

static rf_status train(train_run *run) {
    const train_args *args = run->args;
    const rf_train_desc desc = {.lr = run->lr.lr,
                                .schedule = run->schedule,
                                .epochs = args->epochs,
                                .validate_every = args->val_every,
                                .patience = args->patience,
                                .resume = args->resume != NULL,
                                .force = args->force,
                                .save_every = args->save_every > 0 ? args->save_every : -1,
                                .begin = on_begin,
                                .progress = on_progress,
                                .epoch = on_epoch,
                                .context = run,
                                .tensorboard = args->tensorboard};
    rf_ending_wait();
    rf_status status = rf_train_in(&run->result, run->session.trainer, &desc, run->folder);
    rf_progress_end(&run->progress);
    rf_session_verbose_exchange(&run->session);
    if (status == RF_OK) status = run->recorded;
    if (run->result.note[0] != '\0') rf_say("%s", run->result.note);
    rf_ahead_end();
    return status;
}

/* ---- telling ---- */

static void print_heading(const train_run *run) {
    const train_args *args = run->args;
    const rf_session *s = &run->session;
    rf_session_print(s);
    rf_print_line("train    %s, batch %d, %d epoch%s, %s; %d images for validation",
                  args->training.optimizer.name, rf_session_batch(s), args->epochs,
                  args->epochs == 1 ? "" : "s", args->schedule, s->held_out != NULL ? s->held_out->count : 0);
    fflush(stdout);
}

static void print_end(const train_run *run) {
    const rf_train_result *r = &run->result;
    if (r->last.epoch == 0)
        rf_print_line("nothing left to do: %d epochs are done; --epochs N trains on", run->args->epochs);
    if (r->early) rf_print_line("stopped early: %d validations without a better one", run->args->patience);
    if (r->best.epoch > 0)
        rf_print_line("best     accuracy %.2f %% (validation loss %.4f) after epoch %d",
                      100 * r->best.accuracy, r->best.validation_loss, r->best.epoch);
    rf_print_line("kept in  %s", run->out);
    rf_print_line("next     rangefinder eval --run %s; rangefinder predict --run %s IMAGE...", run->out,
                  run->out);
}

static rf_status finish(train_run *run) {
    const char *plot = run->args->outputs.paths[RF_OUTPUT_plot];
    if (plot != NULL) RF_TRY(rf_runs_plot(plot, (const char *const[]){run->out, NULL}));
    if (run->result.stop == RF_STOP_INTERRUPTED) {
        rf_say("stopped; 'rangefinder train --resume %s' goes on", run->out);
        return RF_E_INTERRUPTED;
    }
    if (run->for_people) print_end(run);
    return RF_OK;
}

static rf_status check_together(const train_args *args) {
    if (args->lr_fallback > 0 && args->lr > 0)
        return rf_fail(RF_E_USAGE, "--lr-fallback has no effect with --lr %g", args->lr);
    if (args->val_data != NULL && rf_settings_given(&args->common.settings, "val-split"))
        return rf_fail(RF_E_USAGE, "--val-split has no effect with --val-data");
    if (args->force && args->resume == NULL)
        return rf_fail(RF_E_USAGE, "--force has no effect without --resume");
    /* Parsed once before anything slow begins. */
    rf_schedule_setup schedule;
    RF_TRY(rf_schedule_open(&schedule, args->schedule, 1, (size_t)args->epochs, 1));
    rf_schedule_close(&schedule);
    return RF_OK;
}

static rf_status train_main(void *given, char **operands) {
    (void)operands;
    train_args *args = given;
    train_run run = {.args = args, .for_people = !args->common.quiet};
    const bool ahead = rf_ahead_data() != NULL, first = rf_dist_rank(args->common.dist) == 0;
    rf_status status = RF_OK;
    if (!first) args->outputs = (rf_outputs){0};
    if (args->resume != NULL) status = recall(args, &run);
    const char *const inputs[] = {args->training.data, args->training.model, NULL};
    if (status == RF_OK) status = check_together(args);
    if (status == RF_OK) status = rf_session_begin(&run.session, &args->common, &args->training);
    if (status == RF_OK) status = rf_outputs_check(&args->outputs, inputs);
    if (status == RF_OK && !ahead && first) status = open_folder(&run);
    if (args->resume != NULL && (run.folder == NULL || rf_folder_has_state(run.folder)))
        args->training.weights = NULL; /* the state has others */
    status = rf_dist_agree(args->common.dist, status);
    if (status == RF_OK) status = rf_session_open(&run.session);
    if (status == RF_OK) status = open_validation(&run);
    if (status == RF_OK) status = rf_session_make_trainer(&run.session);
    if (ahead) goto done;
    if (status == RF_OK && run.for_people) print_heading(&run);
    rf_progress_begin(&run.progress, !args->common.quiet && !args->common.no_progress);
    if (status == RF_OK) status = choose_lr(&run);
    if (status == RF_OK) status = rf_session_settings(&args->common.settings, &run.session);
    if (status == RF_OK) status = rf_settings_set(&args->common.settings, "schedule", run.schedule);
    if (status == RF_OK) status = train(&run);
    if (status == RF_OK) status = rf_session_note_bad(&run.session);
    if (status == RF_OK) status = rf_session_note_device(&run.session);
    if (status == RF_OK) status = finish(&run);
done:
    release_run(&run);
    return status;
}

static void release(void *given) {
    rf_training_release(&((train_args *)given)->training);
}

static const rf_example examples[] = {
    {"rangefinder train", "a small network on handwritten digits, at a rate that a range test finds"},
    {"rangefinder train -d photos/ -m resnet18 --image-size 64 -o adam --epochs 30 --out runs/photos",
     "ResNet-18 on a folder with one sub-folder of images a class"},
    {"rangefinder train --resume runs/photos", "goes on, to the same bits as if it had never stopped"},
    {"rangefinder train -d photos/ --lr 0.01 --schedule 1x50,0.1x50 --epochs 100",
     "50 epochs at 0.01, then 50 at a tenth of it"},
    {NULL},
};

const rf_command rf_command_train = {
    .name = "train",
    .examples = examples,
    .summary = "Train a network, at a rate that a range test finds",
    .details =
        "Finds the learning rate (unless --lr gives it), trains by a schedule, and keeps the run in a "
        "folder: its "
        "options, the weights of the last and of the best epoch (PyTorch opens them), a line of metrics "
        "an epoch, and the state that it can be resumed from. Ctrl-C saves the state and stops.",
    .options = options,
    .shared = shared,
    .ranks = true,
    .args_size = sizeof(train_args),
    .run = train_main,
    .release = release,
};
