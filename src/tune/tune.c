/* Tuning: times the solvers of each problem of a network, and keeps the fastest that agrees with the reference. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/plan.h"
#include "graph/tuning_file.h"
#include "verify/check.h"

enum { TIMED_RUNS = 5, CHECK_BATCH = 2 };

typedef struct search {
    const rf_tune_desc *desc;
    const rf_problem *problem;
    rf_sample *sample; /* of the whole problem; for the times */
    rf_tune_row *row;
    const rf_solver *best;
    rf_config best_config;
    double deadline_ms;
} search;

static void config_text(char *out, size_t size, const rf_solver *solver, const rf_config *config) {
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; solver->tunables != NULL && solver->tunables[i].name != NULL && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s %d", i > 0 ? ", " : "",
                                 solver->tunables[i].name, config->value[i]);
}

/* Checks on few images first, then times on all of them. */
static rf_status measure(double *ms, search *s, const rf_solver *solver, const rf_config *config) {
    rf_check_result result;
    rf_problem small = *s->problem;
    for (int i = 0; i < small.inputs; i++) small.x[i].n = RF_MIN(small.x[i].n, CHECK_BATCH);
    RF_TRY(small.op->infer(&small));
    RF_TRY(rf_check_solver(&result, s->desc->device, &small, solver, config));
    if (!rf_check_passed(&result)) return RF_E_DEVICE;
    return rf_check_time(ms, s->desc->device, s->sample, solver, config, TIMED_RUNS);
}

/* A variant that fails is counted, but not for lack of memory or an interruption. */
static rf_status try_config(search *s, const rf_solver *solver, const rf_config *config, bool is_default) {
    double ms;
    const rf_status status = measure(&ms, s, solver, config);
    if (rf_interrupted() || status == RF_E_INTERRUPTED || status == RF_E_MEMORY)
        return rf_interrupted() ? RF_E_INTERRUPTED : status;
    s->row->tried++;
    if (status != RF_OK) {
        s->row->wrong++;
        return RF_OK;
    }
    if (is_default) s->row->default_ms = ms;
    if (s->best != NULL && ms >= s->row->best_ms) return RF_OK;
    s->best = solver;
    s->best_config = *config;
    s->row->best_ms = ms;
    s->row->solver = solver->name;
    config_text(s->row->config, sizeof s->row->config, solver, config);
    return RF_OK;
}

/* Every combination of the tunables' values, counted like an odometer; a solver without tunables has one. */
static rf_status try_solver(search *s, const rf_solver *solver, const rf_config *skip) {
    int at[RF_MAX_TUNABLES] = {0};
    for (;;) {
        rf_config config = {{0}};
        int wheel = 0;
        for (int i = 0; solver->tunables != NULL && i < RF_MAX_TUNABLES && solver->tunables[i].name != NULL;
             i++)
            config.value[i] = solver->tunables[i].values[at[i]];
        if (rf_time_ms() > s->deadline_ms) return RF_OK;
        if (memcmp(&config, skip, sizeof config) != 0) RF_TRY(try_config(s, solver, &config, false));
        for (; solver->tunables != NULL && wheel < RF_MAX_TUNABLES && solver->tunables[wheel].name != NULL;
             wheel++) {
            const rf_tunable *t = &solver->tunables[wheel];
            if (++at[wheel] < (int)RF_COUNT(t->values) && t->values[at[wheel]] != 0) break;
            at[wheel] = 0;
        }
        if (solver->tunables == NULL || wheel == RF_MAX_TUNABLES || solver->tunables[wheel].name == NULL)
            return RF_OK;
    }
}

/* Tunes one step and writes what is best into root. */
static rf_status tune_step(json_t *root, const rf_tune_desc *desc, const rf_step *step, rf_tune_row *row,
                           double deadline) {
    search s = {.desc = desc, .problem = &step->problem, .row = row, .deadline_ms = deadline};
    const rf_device_info *info = rf_device_describe(desc->device);
    rf_status status = rf_sample_create(&s.sample, s.problem, NULL);
    for (int i = 0; i < step->choice_count && status == RF_OK; i++) {
        rf_config normal;
        const rf_solver *solver = step->choices[i].solver;
        if (i > 0 && step->choices[i].match == RF_MATCH_OTHER) continue;
        if (i > 0 && rf_time_ms() > deadline) break;
        rf_solver_defaults(&normal, solver, s.problem, info);
        status = try_config(&s, solver, &normal, i == 0);
        if (status == RF_OK) status = try_solver(&s, solver, &normal);
    }
    rf_sample_free(s.sample);
    if (status != RF_OK || s.best == NULL) return status;
    json_t *config = json_array();
    bool complete = true;
    for (int i = 0; s.best->tunables != NULL && s.best->tunables[i].name != NULL; i++)
        complete &= json_array_append_new(config, json_integer(s.best_config.value[i])) == 0;
    json_t *entry =
        json_pack("{s:s, s:o, s:f}", "solver", s.best->name, "config", config, "ms", row->best_ms);
    complete &= json_object_set_new(root, row->problem, entry) == 0; /* false for NULL, too */
    return complete ? RF_OK : rf_fail(RF_E_MEMORY, "out of memory for what was tuned");
}

/* Whether there is a choice to make. */
static bool has_choice(const rf_step *step) {
    for (int i = 0; i < step->choice_count; i++)
        if (step->choices[i].solver->tunables != NULL) return true;
    return step->choice_count > 1;
}

static rf_status store(const json_t *root, const rf_device_info *info) {
    char *path = rf_device_cache_path(info, "tuning", "json"),
         *text = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
    rf_status status =
        path == NULL ? rf_fail(RF_E_IO, "there is no cache folder: set HOME or XDG_CACHE_HOME") : RF_OK;
    if (status == RF_OK)
        status = text != NULL ? rf_file_write(path, text, strlen(text))
                              : rf_fail(RF_E_MEMORY, "out of memory for what was tuned");
    free(path);
    free(text);
    return status;
}

static rf_status tune_steps(json_t *root, const rf_tune_desc *desc, const rf_plan *plan) {
    double deadline = rf_time_ms() + desc->limit_ms;
    int total = (int)rf_plan_step_count(plan);
    json_t *seen = json_object();
    rf_status status = seen != NULL ? RF_OK : RF_E_MEMORY;
    for (int i = 0; i < total && status == RF_OK && rf_time_ms() < deadline && !rf_interrupted(); i++) {
        const char *name;
        const rf_solver *solver;
        const rf_step *step = rf_plan_step(plan, (size_t)i, &name, &solver);
        rf_tune_row row = {.default_ms = NAN};
        rf_tuning_key(row.problem, sizeof row.problem, &step->problem, step->direction);
        if (!has_choice(step) || json_object_get(seen, row.problem) != NULL) continue;
        if (json_object_set_new(seen, row.problem, json_true()) != 0)
            status = rf_fail(RF_E_MEMORY, "out of memory for what was tuned");
        if (status == RF_OK) status = tune_step(root, desc, step, &row, deadline);
        if (status == RF_OK && desc->progress != NULL && !desc->progress(desc->context, &row, i + 1, total))
            break;
    }
    json_decref(seen);
    return status;
}

static rf_status make_plan(rf_plan **out, const rf_tune_desc *desc, int batch) {
    return rf_plan_create(out, &(rf_plan_desc){.device = desc->device,
                                               .model = desc->model,
                                               .batch = batch,
                                               .training = true,
                                               .undeferred = true,
                                               .loss = "cross_entropy",
                                               .loss_gradient = 1});
}

/* Of the step with the largest tensors: the sample, and what rf_check_time makes of it, a copy and one on the
 * device. */
static size_t need_of(const rf_plan *plan) {
    size_t most = 0;
    for (size_t i = 0; i < rf_plan_step_count(plan); i++) {
        const char *name;
        const rf_solver *solver;
        const rf_step *step = rf_plan_step(plan, i, &name, &solver);
        const size_t bytes = has_choice(step) ? rf_sample_bytes(&step->problem) : 0;
        most = RF_MAX(most, bytes);
    }
    return 3 * most;
}

/* The plan itself is never allocated. */
static rf_status check_memory(const rf_plan *plan, const rf_tune_desc *desc) {
    const size_t need = need_of(plan), available = rf_memory_available();
    char wants[32], has[32];
    int low = 0, high = desc->batch;
    if (need <= available) return RF_OK;
    while (high - low > 1) { /* the largest batch that fits */
        const int middle = low + (high - low) / 2;
        rf_plan *smaller;
        RF_TRY(make_plan(&smaller, desc, middle));
        *(need_of(smaller) <= available ? &low : &high) = middle;
        rf_plan_free(smaller);
    }
    rf_bytes_text(wants, (double)need);
    rf_bytes_text(has, (double)available);
    if (low == 0)
        return rf_fail(
            RF_E_MEMORY,
            "tuning at batch %d needs %s, and the host can give %s; not even --batch 1 fits: use a "
            "smaller --input",
            desc->batch, wants, has);
    return rf_fail(RF_E_MEMORY,
                   "tuning at batch %d needs %s, and the host can give %s; use --batch %d or less",
                   desc->batch, wants, has, low);
}

rf_status rf_tune(const rf_tune_desc *desc) {
    const rf_device_info *info = rf_device_describe(desc->device);
    rf_tuning *old = NULL;
    rf_plan *plan = NULL;
    json_t *root = NULL;
    if (info->kind == RF_DEVICE_REFERENCE) return rf_fail(RF_E_USAGE, "the reference has nothing to tune");
    rf_status status = rf_tuning_load(&old, info);
    if (status == RF_OK) root = old != NULL ? json_incref(old->root) : json_object();
    if (status == RF_OK) status = make_plan(&plan, desc, desc->batch);
    if (status == RF_OK) status = check_memory(plan, desc);
    if (status == RF_OK) status = tune_steps(root, desc, plan);
    if (status == RF_OK || status == RF_E_INTERRUPTED) status = store(root, info);
    if (status == RF_OK && rf_interrupted())
        status = rf_fail(RF_E_INTERRUPTED, "interrupted; what was tuned is kept");
    rf_plan_free(plan);
    rf_tuning_free(old);
    json_decref(root);
    return status;
}
