#include "results.h"

#include <errno.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "curve/curve.h"
#include "rivals.h"

enum { FILE_MAX = 64 << 20 };
const struct range_test range_tests[TEST_LENGTHS] = {{100, 3}, {300, 3}, {1000, 1}};

const double race_factors[RACE_RATES] = {0.1, 0.3162, 1, 3.162, 10};
const int race_parts[RACE_LENGTHS] = {30, 12, 9, 3};

static const double first_lr = 1e-6, last_lr = 10;

double rate_of(double sixths) {
    return pow(10, sixths / 6);
}

static rf_status keep_run(results *r, const run_result *run) {
    run_result *const runs = rf_resize(r->runs, r->run_count + 1, sizeof *runs);
    if (!runs) return RF_E_MEMORY;
    r->runs = runs;
    runs[r->run_count++] = *run;
    return RF_OK;
}

/* Takes the curve. */
static rf_status keep_curve(results *r, const curve_result *curve) {
    curve_result *const curves = rf_resize(r->curves, r->curve_count + 1, sizeof *curves);
    if (!curves) {
        rf_curve_free(curve->curve);
        return RF_E_MEMORY;
    }
    r->curves = curves;
    curves[r->curve_count++] = *curve;
    return RF_OK;
}

static rf_status keep_trial(results *r, int seed, const rf_trial *trial) {
    trial_result *const trials = rf_resize(r->trials, r->trial_count + 1, sizeof *trials);
    if (!trials) return RF_E_MEMORY;
    r->trials = trials;
    trials[r->trial_count] = (trial_result){seed, *trial};
    trials[r->trial_count++].trial.losses = NULL;
    return RF_OK;
}

static rf_status keep_rival(results *r, const rival_result *rival) {
    rival_result *const kept = rf_resize(r->rivals, r->rival_count + 1, sizeof *kept);
    if (!kept) return RF_E_MEMORY;
    r->rivals = kept;
    kept[r->rival_count++] = *rival;
    return RF_OK;
}

/* ---- reading ---- */

/* Losses at rates from first to last. */
static rf_status read_losses(results *r, int steps, int stop, curve_result *out, double first, double last,
                             const char *text) {
    if (steps < 2 || steps > 100000) return rf_fail(RF_E_INPUT, "not a curve");
    double *const lr = rf_alloc(2 * (size_t)steps, sizeof *lr), *const loss = lr ? lr + steps : NULL;
    if (!lr) return RF_E_MEMORY;
    for (int i = 0; i < steps; i++) lr[i] = first * pow(last / first, (double)i / (steps - 1));
    size_t count = 0;
    char *next;
    for (; count < (size_t)steps; text = next) {
        const double value = strtod(text, &next);
        if (next == text) break;
        loss[count++] = value;
    }
    const rf_status status = rf_curve_create(&out->curve, lr, loss, count);
    free(lr);
    if (status != RF_OK) return status;
    out->curve->stop = (rf_stop_reason)stop;
    out->curve->planned = (size_t)steps;
    out->curve->chance = log(r->classes);
    out->curve->epoch_steps = (double)r->images / r->task->batch;
    return keep_curve(r, out);
}

static rf_status read_curve(results *r, const char *text) {
    int steps, stop, length;
    curve_result curve = {0};
    if (sscanf(text, "%d\t%d\t%d\t%n", &curve.seed, &steps, &stop, &length) != 3)
        return rf_fail(RF_E_INPUT, "not a curve");
    return read_losses(r, steps, stop, &curve, first_lr, last_lr, text + length);
}

static rf_status read_closer(results *r, const char *text) {
    int steps, stop, length;
    double first, last;
    curve_result curve = {.closer = true};
    if (sscanf(text, "%d\t%d\t%d\t%lf\t%lf\t%n", &curve.seed, &steps, &stop, &first, &last, &length) != 5)
        return rf_fail(RF_E_INPUT, "not a curve");
    return read_losses(r, steps, stop, &curve, first, last, text + length);
}

static rf_status read_run(results *r, const char *text) {
    run_result run;
    if (sscanf(text, "%d\t%d\t%lf\t%lf\t%lf\t%lf\t%lf", &run.seed, &run.sixths, &run.loss, &run.accuracy,
               &run.settled_loss, &run.settled_accuracy, &run.train) != 7)
        return rf_fail(RF_E_INPUT, "not a run");
    return keep_run(r, &run);
}

static rf_status read_trial(results *r, const char *text) {
    int seed;
    rf_trial trial = {0};
    if (sscanf(text, "%d\t%zu\t%lf\t%lf\t%lf\t%lf", &seed, &trial.steps, &trial.lr, &trial.loss,
               &trial.validation_loss, &trial.accuracy) != 6)
        return rf_fail(RF_E_INPUT, "not a trial");
    return keep_trial(r, seed, &trial);
}

static rf_status read_rival(results *r, const char *text) {
    char key[16];
    rival_result rival = {0};
    if (sscanf(text, "%d\t%15s\t%lf\t%lf\t%lf", &rival.seed, key, &rival.lr, &rival.loss, &rival.accuracy) !=
        5)
        return rf_fail(RF_E_INPUT, "not of a rival");
    for (; rival.rival < RIVALS; rival.rival++)
        if (strcmp(rivals[rival.rival].key, key) == 0) return keep_rival(r, &rival);
    return rf_fail(RF_E_INPUT, "no such rival: %s", key);
}

static rf_status read_task(results *r, const char *text) {
    if (sscanf(text, "%d\t%lf\t%lf\t%d", &r->classes, &r->chance, &r->majority, &r->images) != 4)
        return rf_fail(RF_E_INPUT, "not a task");
    return RF_OK;
}

static const struct {
    const char *word;
    rf_status (*read)(results *, const char *);
} kinds[] = {{"task", read_task},     {"run", read_run},     {"curve", read_curve},
             {"closer", read_closer}, {"trial", read_trial}, {"rival", read_rival}};

/* Lines of tasks that the list no longer has are left out. */
static rf_status read_line(results *all, const char *line) {
    char word[8], name[sizeof(task_name)];
    int length;
    if (sscanf(line, "%7[^\t]\t%95[^\t]\t%n", word, name, &length) != 2)
        return rf_fail(RF_E_INPUT, "expected KIND, NAME and numbers, separated by tabs");
    for (size_t t = 0; t < task_count; t++) {
        if (strcmp(task_name_of(&tasks[t]).text, name) != 0) continue;
        for (size_t k = 0; k < RF_COUNT(kinds); k++)
            if (strcmp(kinds[k].word, word) == 0) return kinds[k].read(&all[t], line + length);
    }
    return RF_OK;
}

rf_status results_read(results **out, const char *path) {
    void *text = NULL;
    size_t length, number = 1;
    rf_status status = RF_OK;
    results *const all = *out = rf_alloc(task_count, sizeof *all);
    if (!all) return RF_E_MEMORY;
    for (size_t t = 0; t < task_count; t++) all[t].task = &tasks[t];
    FILE *const file = fopen(path, "r");
    if (!file) return RF_OK;
    fclose(file);
    RF_TRY(rf_file_read(&text, &length, path, FILE_MAX));
    for (char *line = text, *end; status == RF_OK && (end = strchr(line, '\n')); line = end + 1, number++) {
        *end = '\0';
        status = read_line(all, line);
        if (status != RF_OK) rf_fail_prefix(status, "%s, line %zu: ", path, number);
    }
    free(text);
    return status;
}

void results_free(results *all) {
    for (size_t t = 0; all && t < task_count; t++) {
        for (size_t i = 0; i < all[t].curve_count; i++) rf_curve_free(all[t].curves[i].curve);
        free(all[t].curves);
        free(all[t].runs);
        free(all[t].trials);
        free(all[t].rivals);
    }
    free(all);
}

rf_status results_median(rf_curve **out, const results *r, int steps) {
    rf_curve **const runs = rf_alloc(TEST_SEEDS, sizeof *runs);
    size_t count = 0;
    rf_status status = runs ? RF_OK : RF_E_MEMORY;
    for (int seed = TEST_SEED; status == RF_OK && seed < TEST_SEED + TEST_SEEDS; seed++) {
        const rf_curve *const curve = results_curve(r, seed, steps);
        status = rf_curve_create(&runs[count], curve->lr, curve->loss, curve->count);
        if (status != RF_OK) break;
        runs[count]->planned = curve->planned;
        runs[count]->stop = curve->stop;
        runs[count]->epoch_steps = curve->epoch_steps;
        runs[count++]->chance = curve->chance;
    }
    if (status == RF_OK) return rf_curve_median(out, runs, count);
    for (size_t i = 0; i < count; i++) rf_curve_free(runs[i]);
    free(runs);
    return status;
}

bool results_complete(const results *r) {
    for (int i = 0; i < TEST_SEEDS; i++)
        if (!results_curve(r, TEST_SEED + i, RF_RANGE_STEPS)) return false;
    for (size_t i = 0; i < r->run_count; i++)
        if (r->runs[i].seed == SEEDS && r->runs[i].sixths % 3 != 0) return true; /* the last ones to be run */
    return false;
}

size_t results_count(const results *r) {
    return r->run_count + r->curve_count + r->trial_count + r->rival_count;
}

/* ---- writing ---- */

/* Without a buffer each line is one write: several processes may share the file, and one that is killed leaves whole lines. */
rf_status results_open(FILE **out, const char *path) {
    *out = fopen(path, "a");
    if (!*out) return rf_fail_errno(errno, "%s: cannot be written", path);
    setvbuf(*out, NULL, _IONBF, 0);
    return RF_OK;
}

static rf_status append(FILE *file, rf_str *line) {
    rf_str_add(line, "\n");
    rf_status status = rf_str_status(line);
    if (status == RF_OK && fwrite(line->data, line->length, 1, file) != 1)
        status = rf_fail_errno(errno, "the results cannot be written");
    rf_str_free(line);
    return status;
}

rf_status results_add_task(results *r, FILE *file, const task *t) {
    rf_str line = {0};
    rf_str_addf(&line, "task\t%s\t%d\t%.5g\t%.5g\t%d", task_name_of(t).text, r->classes, r->chance,
                r->majority, r->images);
    return append(file, &line);
}

rf_status results_add_run(results *r, FILE *file, const task *t, const run_result *run) {
    rf_str line = {0};
    rf_str_addf(&line, "run\t%s\t%d\t%d\t%.4g\t%.4g\t%.4g\t%.4g\t%.4g", task_name_of(t).text, run->seed,
                run->sixths, run->loss, run->accuracy, run->settled_loss, run->settled_accuracy, run->train);
    RF_TRY(append(file, &line));
    return keep_run(r, run);
}

rf_status results_add_curve(results *r, FILE *file, const task *t, const curve_result *result) {
    const rf_curve *const curve = result->curve;
    rf_str line = {0};
    rf_str_addf(&line, "%s\t%s\t%d\t%zu\t%d\t", result->closer ? "closer" : "curve", task_name_of(t).text,
                result->seed, curve->planned, (int)curve->stop);
    if (result->closer) rf_str_addf(&line, "%.6g\t%.6g\t", curve->lr[0], curve->planned_lr);
    for (size_t i = 0; i < curve->count; i++) rf_str_addf(&line, i ? " %.4g" : "%.4g", curve->loss[i]);
    const rf_status status = append(file, &line);
    if (status == RF_OK) return keep_curve(r, result);
    rf_curve_free(result->curve);
    return status;
}

rf_status results_add_trial(results *r, FILE *file, const task *t, int seed, const rf_trial *trial) {
    rf_str line = {0};
    rf_str_addf(&line, "trial\t%s\t%d\t%zu\t%.4g\t%.4g\t%.4g\t%.4g", task_name_of(t).text, seed, trial->steps,
                trial->lr, trial->loss, trial->validation_loss, trial->accuracy);
    RF_TRY(append(file, &line));
    return keep_trial(r, seed, trial);
}

rf_status results_add_rival(results *r, FILE *file, const task *t, const rival_result *rival) {
    rf_str line = {0};
    rf_str_addf(&line, "rival\t%s\t%d\t%s\t%.4g\t%.4g\t%.4g", task_name_of(t).text, rival->seed,
                rivals[rival->rival].key, rival->lr, rival->loss, rival->accuracy);
    RF_TRY(append(file, &line));
    return keep_rival(r, rival);
}

/* ---- finding ---- */

const run_result *results_run(const results *r, int seed, int sixths) {
    for (size_t i = 0; i < r->run_count; i++)
        if (r->runs[i].seed == seed && r->runs[i].sixths == sixths) return &r->runs[i];
    return NULL;
}

const rf_curve *results_curve(const results *r, int seed, int steps) {
    for (size_t i = 0; i < r->curve_count; i++)
        if (!r->curves[i].closer && r->curves[i].seed == seed && r->curves[i].curve->planned == (size_t)steps)
            return r->curves[i].curve;
    return NULL;
}

const rf_curve *results_closer(const results *r, int seed) {
    for (size_t i = 0; i < r->curve_count; i++)
        if (r->curves[i].closer && r->curves[i].seed == seed) return r->curves[i].curve;
    return NULL;
}

const rival_result *results_rival(const results *r, int seed, int rival) {
    for (size_t i = 0; i < r->rival_count; i++)
        if (r->rivals[i].seed == seed && r->rivals[i].rival == rival) return &r->rivals[i];
    return NULL;
}

const rf_trial *results_trial(const results *r, int seed, size_t steps, double lr) {
    for (size_t i = 0; i < r->trial_count; i++) {
        const trial_result *const t = &r->trials[i];
        if (t->seed == seed && t->trial.steps == steps && fabs(log(t->trial.lr / lr)) < 0.01)
            return &t->trial;
    }
    return NULL;
}
