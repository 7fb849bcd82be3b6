/* rangefinder find: the main job.  Opens device, data and network, runs the range test, reports. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "curve/curve.h"
#include "dist/dist.h"
#include "find.h"
#include "finder/budget.h"
#include "finder/race.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "rangefinder/schedule.h"
#include "train/trainer.h"

/* ---- options ---- */

static const char *const *mode_names(void) {
    static const char *const names[] = {"exp", "linear", NULL};
    return names;
}
/* A number, or "never", which the library writes as a negative one. */
static rf_status parse_diverge(void *target, const rf_option *option, const char *text) {
    if (strcmp(text, "never") != 0) return rf_opt_number(target, option, text);
    *(double *)target = -1;
    return RF_OK;
}

/* "30", "30s", "5m", "1h". */
static rf_status parse_budget(void *target, const rf_option *option, const char *text) {
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};
    char number[32];
    const size_t digits = strspn(text, "0123456789.");
    double value;
    snprintf(number, sizeof number, "%.*s", (int)RF_MIN(digits, sizeof number - 1), text);
    for (size_t i = 0; i < RF_COUNT(units) && rf_parse_number(&value, number); i++) {
        if (strcmp(text + digits, units[i].unit) != 0) continue;
        *(double *)target = value * units[i].seconds;
        if (*(double *)target >= option->min && *(double *)target <= option->max) return RF_OK;
    }
    return rf_fail(RF_E_USAGE, "--budget: '%s' is not a time, like 30s, 5m or 1h", text);
}

#define AT(field) .offset = offsetof(rf_find_args, field)

static const rf_option options[] = {
    {"start-lr", "X", "learning rate of the first step", "1e-6", .parse = rf_opt_number, AT(start_lr),
     .min = 1e-12, .max = 1e6},
    {"end-lr", "X", "learning rate of the last step", "10", .parse = rf_opt_number, AT(end_lr), .min = 1e-12,
     .max = 1e6},
    {"iterations", "N", "steps; where N is not given, 1000 over fewer rates if 300 show nothing", "300",
     .parse = rf_opt_int, AT(iterations), .min = 2, .max = 100000},
    {"mode", "HOW", "how the learning rate rises:", "exp", .parse = rf_opt_choice, AT(mode),
     .choices = mode_names},
    {"validation", "N", "images held out: the curve is then of their loss", "0", .parse = rf_opt_int,
     AT(validation), .min = 0, .max = 1000000},
    {"diverge", "X|never", "stop when the smoothed loss exceeds X times its best", "4",
     .parse = parse_diverge, AT(diverge), .min = 1, .max = 1e9},
    {"epochs", "N", "of the training that follows: the longer, the lower the range begins; with --confirm 20",
     .parse = rf_opt_int, AT(epochs), .min = 1, .max = 1000000},
    {"schedule", "SPEC",
     "of the training that follows; 'rangefinder schedule --help' tells them; with --confirm cosine",
     .parse = rf_opt_text, AT(schedule), .choices = rf_schedule_names},
    {"seeds", "N",
     "range tests from the same weights, in other orders of the images, with other dropout and augmentation: "
     "the curve is their "
     "median",
     "1", .parse = rf_opt_int, AT(seeds), .min = 1, .max = RF_RUNS_MAX},
    {"confirm", NULL,
     "then train by --epochs and --schedule, shortened to a twelfth, at four rates around the suggestion",
     .parse = rf_opt_flag, AT(confirm)},
    {"val-split", "SHARE", "of --confirm: share of the images held out to judge by", "0.2",
     .parse = rf_opt_number, AT(val_split), .min = 0, .max = 0.9},
    {"budget", "TIME",
     "as much of a range test, --confirm and --seeds 5 as fits into 30s, 5m or 1h, from the start of the "
     "program",
     .parse = parse_budget, AT(budget_s), .min = 1e-3, .max = 1e7},
    RF_OUTPUT_OPTIONS(rf_find_args),
    RF_OPT_END,
};

/* The planned training is that of `train` where nothing else is given. */
static rf_status take_plan(rf_find_args *args) {
    char epochs[16];
    if (args->epochs == 0) args->epochs = 20;
    if (args->schedule == NULL) args->schedule = "cosine";
    snprintf(epochs, sizeof epochs, "%d", args->epochs);
    RF_TRY(rf_settings_set(&args->common.settings, "epochs", epochs));
    return rf_settings_set(&args->common.settings, "schedule", args->schedule);
}

static rf_status check_together(rf_find_args *args) {
    if (args->budget_s > 0 && rf_settings_given(&args->common.settings, "seeds"))
        return rf_fail(RF_E_USAGE, "--seeds has no effect with --budget, which decides on them");
    if (args->budget_s > 0) args->confirm = true;
    const bool split = rf_settings_given(&args->common.settings, "val-split");
    rf_schedule_setup schedule;
    if (args->start_lr >= args->end_lr)
        return rf_fail(RF_E_USAGE, "--start-lr %g is not below --end-lr %g; the rate has to rise",
                       args->start_lr, args->end_lr);
    if (args->seeds > 1 && args->training.no_shuffle)
        return rf_fail(RF_E_USAGE,
                       "--seeds has no effect with --no-shuffle: every test would see the same images");
    if (split && !args->confirm) return rf_fail(RF_E_USAGE, "--val-split has no effect without --confirm");
    if (split && args->validation > 0)
        return rf_fail(RF_E_USAGE, "--val-split and --validation both hold out images; give one of them");
    if (args->confirm) RF_TRY(take_plan(args));
    if (args->schedule == NULL) return RF_OK;
    if (args->epochs == 0) return rf_fail(RF_E_USAGE, "--schedule has no effect without --epochs");
    RF_TRY(rf_schedule_open(&schedule, args->schedule, 1, (size_t)args->epochs, 1));
    rf_schedule_close(&schedule);
    return RF_OK;
}

/* ---- the run ---- */

/* All that a run holds; everything is owned. */
typedef struct find_run {
    rf_session session;
    rf_curve *curve;
    rf_suggestion *suggestions;
    size_t suggestion_count;
    rf_verdict verdict;
    double test_ms;
    rf_str train, pytorch; /* what to do with the number */
    rf_race *race;         /* NULL: none */
} find_run;

static void release_run(find_run *run) {
    rf_str_free(&run->train);
    rf_str_free(&run->pytorch);
    free(run->suggestions);
    rf_race_free(run->race);
    rf_curve_free(run->curve);
    rf_session_release(&run->session);
}

static rf_race_desc race_of(const rf_find_args *args, double lr) {
    return (rf_race_desc){.lr = lr, .epochs = args->epochs, .schedule = args->schedule};
}

/* It is what is validated. */
static rf_status note_average(find_run *run, const rf_find_args *args) {
    if (args->training.ema == 0 || args->validation > 0 || args->confirm) return RF_OK;
    return rf_session_note(&run->session,
                           rf_strdup("--ema has no effect on a range test without --validation"));
}

/* Decides by the time of a step on the steps of a range test, on how many there are, and on the race. */
static rf_status fit_budget(find_run *run, rf_find_args *args) {
    rf_settings *const settings = &args->common.settings;
    const rf_race_desc race = race_of(args, 1);
    rf_budget budget = {.iterations = args->iterations};
    double step_ms;
    char text[2][32];
    RF_TRY(rf_race_steps(&budget.race_steps, run->session.trainer, &race));
    RF_TRY(rf_step_time(&step_ms, run->session.trainer));
    double left_ms = 1e3 * args->budget_s - (rf_time_ms() - run->session.started_ms);
    RF_TRY(rf_dist_broadcast(args->common.dist, &step_ms, sizeof step_ms)); /* one clock counts */
    RF_TRY(rf_dist_broadcast(args->common.dist, &left_ms, sizeof left_ms));
    if (!rf_budget_fit(&budget, left_ms / step_ms))
        return rf_fail(RF_E_USAGE,
                       "--budget %g s: a step takes %.3g ms, and %.3g s are left after the start, which is "
                       "too little for a range test of "
                       "100 steps; give more time, or a smaller --batch",
                       args->budget_s, step_ms, fmax(left_ms, 0) / 1e3);
    args->iterations = budget.iterations;
    args->seeds = args->training.no_shuffle ? 1 : budget.seeds;
    args->confirm = budget.race;
    if (!budget.race)
        RF_TRY(rf_session_note(&run->session,
                               rf_format("a race would take %s, and is left out",
                                         rf_time_text(text[0], (double)budget.race_steps * step_ms))));
    snprintf(text[0], sizeof text[0], "%d", args->iterations);
    snprintf(text[1], sizeof text[1], "%d", args->seeds);
    RF_TRY(rf_settings_set(settings, "iterations", text[0]));
    return rf_settings_set(settings, "seeds", text[1]);
}

static bool on_progress(void *context, const rf_range_test_progress *now) {
    char left[32];
    rf_progress_draw(context, "step %d/%d  rate %.3g  loss %.4g  %.0f images/s  %s left", now->step,
                     now->steps, now->lr, now->loss, now->images_per_second,
                     rf_time_text(left, now->remaining_ms));
    return !rf_interrupted();
}

/* The test may have been made again, with more steps over fewer rates. */
static rf_status note_closer(find_run *run, rf_find_args *args) {
    rf_settings *const settings = &args->common.settings;
    const rf_curve *const curve = run->curve;
    char text[24];
    const int planned = (int)curve->planned;
    if (planned == args->iterations) return RF_OK;
    const rf_number_text start = rf_rate(curve->lr[0]), end = rf_rate(curve->planned_lr);
    RF_TRY(rf_session_note(
        &run->session,
        rf_format("%d steps from %s to %s showed nothing, so the test was made again, with %d from %s to %s",
                  args->iterations, rf_rate(args->start_lr).text, rf_rate(args->end_lr).text, planned,
                  start.text, end.text)));
    args->iterations = planned;
    snprintf(text, sizeof text, "%d", planned);
    RF_TRY(rf_settings_set(settings, "iterations", text));
    RF_TRY(rf_settings_set(settings, "start-lr", start.text));
    return rf_settings_set(settings, "end-lr", end.text);
}

static rf_status run_test(find_run *run, rf_find_args *args) {
    rf_progress progress;
    const bool told = !args->common.quiet || run->session.opened != NULL; /* quiet: about the result */
    rf_progress_begin(&progress, told && !args->common.no_progress);
    const rf_range_test_desc desc = {
        .start_lr = args->start_lr,
        .end_lr = args->end_lr,
        .iterations = args->budget_s > 0 || rf_settings_given(&args->common.settings, "iterations")
                          ? args->iterations
                          : 0,
        .linear = strcmp(args->mode, "linear") == 0,
        .diverge = args->diverge,
        .progress = on_progress,
        .progress_context = &progress,
        .epochs = args->epochs,
        .schedule = args->schedule,
        .seeds = args->seeds,
    };
    const double before_ms = rf_time_ms();
    rf_status status = rf_range_test_run(&run->curve, run->session.trainer, &desc);
    run->test_ms = rf_time_ms() - before_ms;
    rf_progress_end(&progress);
    if (rf_interrupted()) return RF_E_INTERRUPTED;
    rf_ahead_end();
    RF_TRY(status);
    if (run->curve->stop == RF_STOP_INTERRUPTED) return RF_E_INTERRUPTED; /* another rank was */
    rf_session_verbose(&run->session, "range test done");
    rf_session_verbose_exchange(&run->session);
    RF_TRY(note_closer(run, args));
    RF_TRY(rf_curve_suggest(&run->suggestions, &run->suggestion_count, run->curve, NULL));
    return rf_curve_judge(&run->verdict, run->curve);
}

static bool on_race(void *context, const rf_range_test_progress *now) {
    char left[32];
    rf_progress_draw(context, "race: step %d/%d  rate %.3g  loss %.4g  %s left", now->step, now->steps,
                     now->lr, now->loss, rf_time_text(left, now->remaining_ms));
    return !rf_interrupted();
}

static rf_status run_race(find_run *run, const rf_find_args *args) {
    rf_progress progress;
    if (!args->confirm || run->verdict.kind != RF_VERDICT_RANGE) return RF_OK;
    rf_progress_begin(&progress, !args->common.quiet && !args->common.no_progress);
    rf_race_desc race = race_of(args, run->verdict.lr);
    race.only_lower = run->verdict.by_heart;
    race.progress = on_race;
    race.progress_context = &progress;
    const rf_status status = rf_race_run(&run->race, run->session.trainer, &race);
    rf_progress_end(&progress);
    if (rf_interrupted()) return RF_E_INTERRUPTED;
    RF_TRY(status);
    rf_session_verbose(&run->session, "race done");
    rf_verdict_confirm(&run->verdict, run->race);
    return RF_OK;
}

static void print_heading(const find_run *run, const rf_find_args *args) {
    rf_session_print(&run->session);
    printf("test     %s, batch %d, rate %g to %g in %d steps", args->training.optimizer.name,
           rf_session_batch(&run->session), args->start_lr, args->end_lr, args->iterations);
    if (args->seeds > 1) printf(", in %d orders of the images", args->seeds);
    printf("\n");
    if (args->confirm) {
        char judges[64] = "training loss judges";
        const rf_dataset *const held_out = run->session.held_out;
        const int images = held_out != NULL ? held_out->count : args->validation;
        if (images > 0) snprintf(judges, sizeof judges, "the loss of %d images held out judges", images);
        rf_print_line("race     %d epochs, %s, shortened; %s", args->epochs, args->schedule, judges);
    }
    printf("\n");
    fflush(stdout);
}

static rf_status report(const find_run *run, const rf_find_args *args) {
    const rf_session *session = &run->session;
    const rf_report all = {
        .curve = run->curve,
        .suggestions = run->suggestions,
        .suggestion_count = run->suggestion_count,
        .verdict = &run->verdict,
        .device = rf_device_describe(session->device)->name,
        .model = rf_model_name(session->model),
        .data = session->dataset->name,
        .optimizer = args->training.optimizer.name,
        .parameters = rf_model_parameter_count(session->model),
        .batch = rf_session_batch(session),
        .seed = args->training.seed,
        .time_ms = rf_time_ms() - session->started_ms,
        .notes = (const char *const *)session->notes,
        .command = args->common.command,
        .settings = args->common.settings.rows,
        .setting_count = args->common.settings.count,
        .mean = session->trainer->mean,
        .std = session->trainer->std,
        .channels = session->dataset->channels,
        .test_ms = run->test_ms,
        .data_fingerprint = session->opened != NULL ? session->opened->fingerprint : 0,
        .train = run->train.data,
        .pytorch = run->pytorch.data,
        .race = run->race,
    };
    return rf_outputs_finish(&args->outputs, &args->common, &all);
}

/* What to do with the number; in PyTorch, where neither rate nor decay differs between parameters. */
static rf_status add_next(find_run *run, const rf_find_args *args) {
    rf_optimizer_setup setup;
    rf_str text = {0};
    char lr[32];
    if (run->verdict.kind != RF_VERDICT_RANGE) return RF_OK;
    snprintf(lr, sizeof lr, "%.3g", run->verdict.lr);
    if (args->common.dist != NULL) rf_str_addf(&run->train, "mpirun -n %d ", rf_dist_size(args->common.dist));
    rf_str_addf(&run->train, "rangefinder train --lr %s", lr);
    rf_session_add_options(&run->train, &run->session);
    if (rf_settings_given(&args->common.settings, "epochs"))
        rf_str_addf(&run->train, " --epochs %d", args->epochs);
    if (rf_settings_given(&args->common.settings, "schedule")) {
        rf_str_add(&run->train, " --schedule");
        rf_add_word(&run->train, args->schedule);
    }
    RF_TRY(rf_str_status(&run->train));
    if (args->training.groups.count > 0 || args->training.decay_exclude != NULL) return RF_OK;
    RF_TRY(rf_optimizer_parse(&setup, run->session.optimizer));
    rf_optimizer_add_pytorch(&text, &setup, run->verdict.lr);
    rf_optimizer_release(&setup);
    if (text.length > 0)
        rf_str_addf(
            &run->pytorch,
            "optimizer = %s\n"
            "scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=%s, total_steps=STEPS)",
            text.data, lr);
    run->pytorch.failed |= text.failed;
    rf_str_free(&text);
    return rf_str_status(&run->pytorch);
}

static void print_next(const find_run *run) {
    printf("\nTo train with it:\n");
    rf_print_line("  %s", rf_str_text(&run->train));
    if (run->pytorch.length == 0) return;
    const int first = (int)strcspn(run->pytorch.data, "\n");
    printf("or in PyTorch:\n  %.*s\n  %s\n", first, run->pytorch.data, run->pytorch.data + first + 1);
}

rf_status rf_find_check(rf_find_args *args, rf_opened *opened) {
    rf_session session = {0};
    rf_status status = check_together(args);
    if (status == RF_OK) status = rf_session_begin(&session, &args->common, &args->training);
    session.opened = opened;
    if (status == RF_OK && opened != NULL) status = rf_session_open(&session);
    rf_session_release(&session);
    return status;
}

rf_status rf_find_run(rf_find_args *args, rf_opened *opened) {
    find_run run = {0};
    const char *const inputs[] = {args->training.data, args->training.model, args->training.weights, NULL};
    if (rf_dist_rank(args->common.dist) > 0) args->outputs = (rf_outputs){0};
    const bool for_people = opened == NULL && rf_outputs_for_people(&args->outputs, &args->common);
    rf_status status = check_together(args);
    if (status == RF_OK) status = rf_session_begin(&run.session, &args->common, &args->training);
    run.session.opened = opened;
    if (status == RF_OK) status = rf_outputs_check(&args->outputs, inputs);
    if (status == RF_OK) status = rf_session_open(&run.session);
    run.session.desc.validation = args->validation;
    if (status == RF_OK && args->confirm && args->validation == 0)
        status = rf_session_split(&run.session, args->val_split);
    if (status == RF_OK) status = rf_session_make_trainer(&run.session);
    if (status == RF_OK) status = note_average(&run, args);
    if (rf_ahead_data() != NULL) goto done; /* the helper has compiled, and reports nothing */
    if (status == RF_OK && args->budget_s > 0) status = fit_budget(&run, args);
    if (status == RF_OK && for_people) print_heading(&run, args);
    if (status == RF_OK) status = run_test(&run, args);
    if (status == RF_OK) status = run_race(&run, args);
    if (status == RF_OK) status = rf_session_note_bad(&run.session);
    if (status == RF_OK) status = rf_session_note_device(&run.session);
    if (status == RF_OK) status = rf_session_settings(&args->common.settings, &run.session);
    if (status == RF_OK) status = add_next(&run, args);
    if (status == RF_OK) status = report(&run, args);
    if (status == RF_OK && for_people) print_next(&run);
done:
    release_run(&run);
    return status;
}

static rf_status find_main(void *args, char **operands) {
    (void)operands;
    return rf_find_run(args, NULL);
}

static void release(void *given) {
    rf_training_release(&((rf_find_args *)given)->training);
}

static const rf_example examples[] = {
    {"rangefinder find", "a small network on handwritten digits that are built in"},
    {"rangefinder find -d photos/ -m resnet18 --image-size 64 --plot lr.png",
     "ResNet-18 on a folder with one sub-folder of images a class; the curve as a picture"},
    {"rangefinder find -d train-images.gz,train-labels.gz -m mynet.net -o adamw -b 128 --json lr.json",
     "a network in the model language on MNIST's files; everything as JSON"},
    {"rangefinder find -d photos/ -m resnet18 --seeds 3 --confirm --epochs 30 --schedule onecycle",
     "the median of three range tests, then a race of short trainings around what they suggest"},
    {"rangefinder find -d photos/ -m resnet18 --budget 2m", "as much of that as two minutes suffice for"},
    {"rangefinder find -d photos/ -q --print suggestion",
     "one number for scripts; exit status 1 if there is none"},
    {NULL},
};

static const rf_shared_options shared[] = {RF_TRAINING_SHARED(rf_find_args), {.rows = NULL}};

const rf_command rf_command_find = {
    .name = "find",
    .examples = examples,
    .summary = "Find the learning rate of a network on images",
    .details =
        "Raises the learning rate from one step to the next, records the loss, and says which range to train "
        "with. Without options: a small network on handwritten digits that are built in.",
    .options = options,
    .shared = shared,
    .ranks = true,
    .args_size = sizeof(rf_find_args),
    .run = find_main,
    .release = release,
};
