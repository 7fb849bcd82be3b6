/* The study's runs.  A task's rates are searched: half a decade apart at first, on to either side while the best is the last
 * one, then thirds of that around the best.  Rates that lose half of what can be learned are run with one seed. */
#include "study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "data.h"
#include "device/device.h"
#include "dist/handout.h"
#include "finder/race.h"
#include "finder/range.h"
#include "network.h"
#include "oracle.h"
#include "rangefinder/schedule.h"
#include "rivals.h"
#include "rules.h"
#include "train/trainer.h"

const char *const study_part_names[STUDY_PARTS] = {
    [STUDY_RUN] = "run", [STUDY_RACE] = "race", [STUDY_RIVALS] = "rivals"};

enum { HALF_DECADE = 3, SIXTHS_MAX = 12, SIXTHS_MIN = -48, SETTLE_STEPS = 30 };
static const double hopeless = 0.5; /* regret */

static const struct {
    int first, last;
} grid[OPTIMIZER_KINDS] = {[PLAIN] = {-18, 6}, [MOMENTUM] = {-24, 0}, [ADAPTIVE] = {-27, -6}};

typedef struct study {
    const task *task;
    results *results;
    FILE *file;
    rf_device *device;
    rf_dataset *data, *base; /* base: what the network was trained on before; NULL: nothing */
} study;

/* optimizer: NULL for the task's. */
static rf_status make_trainer(rf_trainer **out, const study *s, const char *optimizer, int seed,
                              int validation) {
    const rf_dataset *data = s->data;
    rf_parameter_group groups[FROZEN_GROUPS] = {0};
    optimizer_kind kind;
    const char *const own = task_optimizer(s->task, &kind);
    rf_model *model = NULL;
    rf_status status = network_open(&model, s->task, s->device, data, s->base, seed);
    if (status == RF_OK && s->task->start == FROZEN) status = network_freeze(groups, model);
    if (status == RF_OK)
        status =
            rf_trainer_create(out, &(rf_trainer_desc){.device = s->device,
                                                      .model = model,
                                                      .dataset = data,
                                                      .batch = s->task->batch,
                                                      .optimizer = optimizer ? optimizer : own,
                                                      .augment = s->task->augment,
                                                      .groups = groups,
                                                      .group_count = groups[0].pattern ? FROZEN_GROUPS : 0,
                                                      .validation = validation,
                                                      .seed = (uint64_t)seed});
    free((char *)groups[0].pattern);
    rf_model_free(model);
    return status;
}

/* ---- one run ---- */

/* Trains, and evaluates the images held out after the last step.  At a loss that is not finite *held_out is INFINITY. */
static rf_status execute(double *held_out, double *accuracy, double *loss, double *observed, rf_trainer *t,
                         const double *lr, int steps) {
    rf_run_result result;
    rf_evaluation *evaluation;
    const rf_run_desc desc = {.lr = lr, .steps = (size_t)steps, .observe_every = steps};
    *held_out = INFINITY;
    RF_TRY(rf_trainer_execute(&result, loss, observed, t, &desc));
    if (result.stop != RF_STOP_COMPLETED || !isfinite(observed[steps - 1])) return RF_OK;
    RF_TRY(rf_evaluator_read(&evaluation, &t->validation, t->desc.dataset->labels));
    *held_out = observed[steps - 1];
    *accuracy = evaluation->accuracy;
    rf_evaluation_free(evaluation);
    return RF_OK;
}

static rf_status train(run_result *run, rf_trainer *trainer, const task *t, const char *schedule,
                       double rate) {
    static const double still[SETTLE_STEPS];
    const size_t epoch = rf_order_batches_per_epoch(trainer->order);
    const int room = RF_MAX(t->steps, SETTLE_STEPS), tail = t->steps - t->steps / 10;
    double *const lr = rf_alloc(3 * (size_t)room, sizeof *lr);
    if (!lr) return RF_E_MEMORY;
    double *const loss = lr + room, *const observed = loss + room;
    run->settled_loss = run->train = INFINITY;
    rf_status status = rf_schedule_rates(lr, (size_t)t->steps, schedule, rate, epoch);
    if (status == RF_OK) status = execute(&run->loss, &run->accuracy, loss, observed, trainer, lr, t->steps);
    if (status != RF_OK || !isfinite(run->loss)) goto done;
    run->train = 0;
    for (int i = tail; i < t->steps; i++) run->train += loss[i] / (t->steps - tail);
    status =
        execute(&run->settled_loss, &run->settled_accuracy, loss, observed, trainer, still, SETTLE_STEPS);
done:
    free(lr);
    return status;
}

/* ---- a task's runs ---- */

static bool wanted(const study *s, int seed, int sixths) {
    if (results_run(s->results, seed, sixths)) return false;
    const oracle o = oracle_of(s->results, SETTLED_LOSS);
    return seed == 1 || oracle_regret(&o, rate_of(sixths)) < hopeless;
}

/* The rates from first to last that are wanted, with one seed. */
static rf_status run_rates(study *s, int seed, int first, int last, int apart) {
    rf_trainer *trainer = NULL;
    rf_host_state fresh;
    rf_status status = RF_OK;
    for (int sixths = first; sixths <= last && status == RF_OK; sixths += apart) {
        if (!wanted(s, seed, sixths)) continue;
        run_result run = {.seed = seed, .sixths = sixths};
        if (rf_interrupted()) {
            status = rf_fail(RF_E_INTERRUPTED, "interrupted");
        } else if (!trainer) {
            status = make_trainer(&trainer, s, NULL, seed, data_held_out(s->data));
            if (status == RF_OK) status = rf_trainer_snapshot(&fresh, trainer);
        } else {
            status = rf_trainer_restore(trainer, &fresh);
        }
        if (status == RF_OK) status = train(&run, trainer, s->task, s->task->schedule, rate_of(sixths));
        if (status == RF_OK) status = results_add_run(s->results, s->file, s->task, &run);
    }
    rf_trainer_free(trainer);
    return status;
}

/* The best rate of the coarse grid, which does not change when finer ones are added to the file. */
static int coarse_best(const study *s) {
    const oracle o = oracle_of(s->results, SETTLED_LOSS);
    const oracle_point *found = NULL;
    for (size_t i = 0; i < o.count; i++)
        if (o.point[i].sixths % HALF_DECADE == 0 && (!found || o.point[i].mean < found->mean))
            found = &o.point[i];
    return found->sixths;
}

static rf_status run_grid(study *s) {
    optimizer_kind kind;
    task_optimizer(s->task, &kind);
    int first = grid[kind].first, last = grid[kind].last;
    RF_TRY(run_rates(s, 1, first, last, HALF_DECADE));
    for (; coarse_best(s) == first && first > SIXTHS_MIN; first -= HALF_DECADE)
        RF_TRY(run_rates(s, 1, first - HALF_DECADE, first, HALF_DECADE));
    for (; coarse_best(s) == last && last < SIXTHS_MAX; last += HALF_DECADE)
        RF_TRY(run_rates(s, 1, last, last + HALF_DECADE, HALF_DECADE));
    for (int seed = 2; seed <= SEEDS; seed++) RF_TRY(run_rates(s, seed, first, last, HALF_DECADE));
    return RF_OK;
}

static rf_status refine(study *s) {
    const int middle = coarse_best(s);
    for (int seed = 1; seed <= SEEDS; seed++)
        RF_TRY(run_rates(s, seed, middle - HALF_DECADE + 1, middle + HALF_DECADE - 1, 1));
    return RF_OK;
}

/* steps: 0 for those of `find`, which are over fewer rates where the usual ones show nothing. */
static rf_status run_test(study *s, int seed, int steps) {
    rf_trainer *trainer = NULL;
    curve_result test = {.seed = seed, .closer = steps == 0};
    if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
    rf_status status = make_trainer(&trainer, s, NULL, seed, 0);
    if (status == RF_OK)
        status = rf_range_test_run(&test.curve, trainer, &(rf_range_test_desc){.iterations = steps});
    rf_trainer_free(trainer);
    return status == RF_OK ? results_add_curve(s->results, s->file, s->task, &test) : status;
}

static bool shows_nothing(const study *s, int seed) {
    const rf_verdict verdict = judge(results_curve(s->results, seed, RF_RANGE_STEPS), s->task);
    return rf_range_wants_more(&verdict);
}

static rf_status run_tests(study *s) {
    for (size_t i = 0; i < TEST_LENGTHS; i++) {
        const int steps = range_tests[i].steps;
        for (int seed = TEST_SEED; seed < TEST_SEED + range_tests[i].seeds; seed++)
            if (!results_curve(s->results, seed, steps)) RF_TRY(run_test(s, seed, steps));
    }
    for (int seed = TEST_SEED; seed < TEST_SEED + TEST_SEEDS; seed++)
        if (shows_nothing(s, seed) && !results_closer(s->results, seed)) RF_TRY(run_test(s, seed, 0));
    return RF_OK;
}

/* ---- races ---- */

static rf_status run_trials(const study *s, rf_trainer *t, int seed, double middle) {
    rf_host_state start;
    const rf_race_plan plan = {.schedule = s->task->schedule,
                               .steps = (size_t)s->task->steps,
                               .epoch = rf_trainer_steps_per_epoch(t)};
    RF_TRY(rf_trainer_snapshot(&start, t));
    for (int i = 0; i < RACE_RATES * RACE_LENGTHS; i++) {
        const double lr = middle * race_factors[i % RACE_RATES];
        const size_t steps = plan.steps / (size_t)race_parts[i / RACE_RATES];
        rf_trial trial = {0};
        if (results_trial(s->results, seed, steps, lr)) continue;
        if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
        rf_status status = rf_race_try(&trial, t, &start, &plan, lr, steps);
        if (status == RF_OK) status = results_add_trial(s->results, s->file, s->task, seed, &trial);
        free(trial.losses);
        RF_TRY(status);
    }
    return RF_OK;
}

static rf_status run_races(study *s) {
    for (int seed = TEST_SEED; seed < TEST_SEED + RACE_SEEDS; seed++) {
        rf_trainer *trainer = NULL;
        const rf_verdict verdict = judge(test_of_find(s->results, seed, s->task), s->task);
        if (verdict.kind != RF_VERDICT_RANGE) continue;
        rf_status status = make_trainer(&trainer, s, NULL, seed, data_held_out(s->data));
        if (status == RF_OK) status = run_trials(s, trainer, seed, verdict.lr);
        rf_trainer_free(trainer);
        RF_TRY(status);
    }
    return RF_OK;
}

/* ---- rivals ---- */

/* Goes on for so many steps, at the same rate. *loss: the mean of the last half of them. */
static rf_status go_on(double *loss, rf_trainer *t, double rate, int steps) {
    double lr[SEARCH_STEPS], each[SEARCH_STEPS];
    rf_run_result result;
    for (int i = 0; i < steps; i++) lr[i] = rate;
    RF_TRY(rf_trainer_execute(&result, each, NULL, t, &(rf_run_desc){.lr = lr, .steps = (size_t)steps}));
    *loss = 0;
    for (int i = steps / 2; i < steps; i++) *loss += each[i] / (steps - steps / 2);
    if (result.stop != RF_STOP_COMPLETED || !isfinite(*loss)) *loss = INFINITY;
    return RF_OK;
}

typedef struct arm {
    rf_trainer *trainer;
    double lr, loss;
} arm;

static int by_loss(const void *a, const void *b) {
    const double x = ((const arm *)a)->loss, y = ((const arm *)b)->loss;
    return (x > y) - (x < y);
}

/* *lr: the rate with the lowest training loss in the end. */
static rf_status search(double *lr, const study *s, int seed, int rungs) {
    arm arms[SEARCH_RATES] = {0};
    rf_status status = RF_OK;
    for (int i = 0; i < SEARCH_RATES && status == RF_OK; i++) {
        arms[i].lr = rival_rate(s->task, i);
        status = make_trainer(&arms[i].trainer, s, NULL, seed, 0);
    }
    for (int rung = 0, left = SEARCH_RATES; rung < rungs && status == RF_OK; rung++, left /= 2) {
        for (int i = 0; i < left && status == RF_OK; i++)
            if (isfinite(arms[i].loss))
                status = go_on(&arms[i].loss, arms[i].trainer, arms[i].lr, SEARCH_STEPS / rungs / left);
        qsort(arms, (size_t)left, sizeof *arms, by_loss);
    }
    for (int i = 0; i < SEARCH_RATES; i++) rf_trainer_free(arms[i].trainer);
    *lr = arms[0].lr;
    return status;
}

static rf_status train_rival(rival_result *out, const study *s, const rival_kind *r) {
    rf_trainer *trainer = NULL;
    run_result run = {0};
    rf_status status = make_trainer(&trainer, s, r->optimizer, out->seed, data_held_out(s->data));
    out->lr = r->lr;
    if (status == RF_OK)
        status = train(&run, trainer, s->task, r->schedule ? r->schedule : s->task->schedule, r->lr);
    rf_trainer_free(trainer);
    out->loss = run.settled_loss;
    out->accuracy = run.settled_accuracy;
    return status;
}

static rf_status run_rivals(study *s) {
    for (int i = 0; i < RIVALS * SEEDS; i++) {
        const rival_kind *const r = &rivals[i % RIVALS];
        rival_result result = {
            .seed = i / RIVALS + (r->rungs > 0 ? TEST_SEED : 1), .rival = i % RIVALS, .loss = NAN};
        if (results_rival(s->results, result.seed, result.rival)) continue;
        if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
        RF_TRY(r->rungs > 0 ? search(&result.lr, s, result.seed, r->rungs) : train_rival(&result, s, r));
        RF_TRY(results_add_rival(s->results, s->file, s->task, &result));
    }
    return RF_OK;
}

/* ---- all tasks ---- */

static rf_status add_chance(study *s) {
    const rf_dataset *data = s->data;
    results *const r = s->results;
    if (r->classes > 0) return RF_OK;
    r->classes = data->classes;
    r->images = data->count;
    for (int c = 0; c < data->classes; c++) {
        double share = 0;
        for (int i = 0; i < data->count; i++) share += data->labels[i] == c;
        share /= data->count;
        if (share > 0) r->chance -= share * log(share);
        r->majority = fmax(r->majority, share);
    }
    return results_add_task(r, s->file, s->task);
}

static rf_status run_all(study *s) {
    RF_TRY(add_chance(s));
    RF_TRY(run_tests(s));
    RF_TRY(run_grid(s));
    return refine(s);
}

/* Races may have been run around another suggestion: each trial is looked for. */
static bool is_done(const results *r, study_part part) {
    if (part == STUDY_RUN) return false;
    return !results_complete(r) || (part == STUDY_RIVALS && r->rival_count == RIVALS * SEEDS);
}

static rf_status run_task(study *s, const char *data_folder, study_part part) {
    static rf_status (*const parts[STUDY_PARTS])(study *) = {
        [STUDY_RUN] = run_all, [STUDY_RACE] = run_races, [STUDY_RIVALS] = run_rivals};
    const double began = rf_time_ms();
    const size_t before = results_count(s->results);
    if (is_done(s->results, part)) return RF_OK;
    rf_status status = data_open(&s->data, s->task->data, data_folder);
    if (status == RF_OK && s->task->start != FRESH) {
        data_halve(s->data, true);
        status = data_open(&s->base, s->task->data, data_folder);
        if (status == RF_OK) data_halve(s->base, false);
    }
    if (status == RF_OK) status = parts[part](s);
    rf_dataset_free(s->data);
    rf_dataset_free(s->base);
    if (status != RF_OK) return rf_fail_prefix(status, "%s: ", task_name_of(s->task).text);
    if (results_count(s->results) > before)
        fprintf(stderr, "%s: %zu results in %.0f s\n", task_name_of(s->task).text,
                results_count(s->results) - before, (rf_time_ms() - began) / 1e3);
    return RF_OK;
}

rf_status study_run(const char *results_path, const char *data_folder, int share, int of, rf_dist *dist,
                    study_part part) {
    const size_t count = (task_count + (size_t)(of - share)) / (size_t)of;
    rf_device *device = NULL;
    rf_handout *handout = NULL;
    results *all = NULL;
    FILE *file = NULL;
    size_t i;
    int devices;
    rf_status status = results_read(&all, results_path);
    if (status == RF_OK) status = results_open(&file, results_path);
    if (status == RF_OK) status = rf_device_open_for(&device, &devices, NULL, rf_dist_local_rank(dist));
    status = rf_dist_agree(dist, status);
    if (status == RF_OK) status = rf_handout_begin(&handout, dist, count);
    while (status == RF_OK && (status = rf_handout_next(&i, handout)) == RF_OK && i < count) {
        const size_t t = i * (size_t)of + (size_t)share - 1;
        status = run_task(&(study){.task = &tasks[t], .results = &all[t], .file = file, .device = device},
                          data_folder, part);
    }
    rf_handout_end(handout);
    rf_device_close(device);
    if (file) fclose(file);
    results_free(all);
    return status;
}
