/* The whole result as one JSON document, one member a line. The keys are stable: every one is always present, null
 * without a value. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "curve/curve.h"
#include "rangefinder/version.h"
#include "report/writer.h"

/* Zero is "not known". */
static void add_count(rf_json *json, const char *key, size_t value) {
    if (value > 0)
        rf_json_count(json, key, value);
    else
        rf_json_null(json, key);
}

static void add_known(rf_json *json, const char *key, double value) {
    rf_json_number(json, key, value > 0 ? value : NAN);
}

/* As text: not every reader keeps 64 bits of a number. */
static void add_fingerprint(rf_json *json, unsigned long long fingerprint) {
    char text[24];
    snprintf(text, sizeof text, "%016llx", fingerprint);
    rf_json_string(json, "data_fingerprint", fingerprint != 0 ? text : NULL);
}

static void add_curve(rf_json *json, const rf_curve *curve) {
    rf_json_open(json, "curve", '{');
    rf_json_numbers(json, "lr", curve->lr, curve->count);
    rf_json_numbers(json, "loss", curve->loss, curve->count);
    rf_json_numbers(json, "smoothed", curve->smoothed, curve->count);
    rf_json_open(json, "runs", '[');
    for (size_t r = 0; r < curve->run_count; r++)
        rf_json_numbers(json, NULL, curve->runs[r]->loss, curve->runs[r]->count);
    rf_json_close(json);
    rf_json_close(json);
    rf_json_open(json, "stop", '{');
    rf_json_count(json, "step", curve->count);
    rf_json_string(json, "reason", rf_stop_text(curve->stop));
    rf_json_close(json);
}

static void add_suggestions(rf_json *json, const rf_report *report) {
    rf_json_open(json, "suggestions", '{');
    for (size_t i = 0; i < report->suggestion_count; i++)
        rf_json_number(json, report->suggestions[i].method, report->suggestions[i].lr);
    rf_json_close(json);
}

static void add_verdict(rf_json *json, const rf_verdict *verdict) {
    static const char *const kinds[] = {[RF_VERDICT_NONE] = "none", [RF_VERDICT_RANGE] = "range"};
    if (verdict == NULL) {
        rf_json_null(json, "verdict");
        return;
    }
    const bool range = verdict->kind == RF_VERDICT_RANGE;
    rf_json_open(json, "verdict", '{');
    rf_json_string(json, "kind", kinds[verdict->kind]);
    rf_json_number(json, "lr_min", verdict->lr_min);
    rf_json_number(json, "lr", verdict->lr);
    rf_json_number(json, "lr_max", verdict->lr_max);
    rf_json_number(json, "lr_lowest", verdict->lr_lowest);
    rf_json_number(json, "lr_highest", verdict->lr_highest);
    rf_json_string(json, "confidence", range ? rf_confidence_text(verdict->confidence) : NULL);
    rf_json_string(json, "cause", verdict->cause);
    rf_json_string(json, "reason", verdict->reason);
    rf_json_string(json, "advice", *verdict->advice ? verdict->advice : NULL);
    rf_json_close(json);
}

static void add_race(rf_json *json, const rf_race *race) {
    if (race == NULL) {
        rf_json_null(json, "race");
        return;
    }
    rf_json_open(json, "race", '{');
    rf_json_number(json, "lr", race->lr);
    rf_json_bool(json, "clear", race->clear);
    rf_json_string(json, "reason", race->reason);
    rf_json_count(json, "plan_steps", race->plan_steps);
    rf_json_open(json, "trials", '[');
    for (const rf_trial *t = race->trials; t < race->trials + race->count; t++) {
        rf_json_open(json, NULL, '{');
        rf_json_number(json, "lr", t->lr);
        rf_json_count(json, "steps", t->steps);
        rf_json_number(json, "loss", t->loss);
        rf_json_number(json, "validation_loss", t->validation_loss);
        rf_json_number(json, "accuracy", t->accuracy);
        rf_json_numbers(json, "losses", t->losses, t->done);
        rf_json_close(json);
    }
    rf_json_close(json);
    rf_json_close(json);
}

static bool same_setting(const rf_report *report, size_t i, size_t k) {
    return strcmp(report->settings[i].name, report->settings[k].name) == 0;
}

/* An option that repeats is an array of its values. */
static void add_settings(rf_json *json, const rf_report *report) {
    rf_json_open(json, "options", '{');
    for (size_t i = 0; i < report->setting_count; i++) {
        size_t before = 0, next = i + 1;
        while (before < i && !same_setting(report, i, before)) before++;
        if (before < i) continue;
        while (next < report->setting_count && !same_setting(report, i, next)) next++;
        const bool repeats = next < report->setting_count;
        if (repeats) rf_json_open(json, report->settings[i].name, '[');
        rf_json_string(json, repeats ? NULL : report->settings[i].name, report->settings[i].value);
        for (; next < report->setting_count; next++)
            if (same_setting(report, i, next)) rf_json_string(json, NULL, report->settings[next].value);
        if (repeats) rf_json_close(json);
    }
    rf_json_close(json);
}

static void add_normalisation(rf_json *json, const rf_report *report) {
    if (!report->mean || !report->std) {
        rf_json_null(json, "normalisation");
        return;
    }
    rf_json_open(json, "normalisation", '{');
    rf_json_numbers(json, "mean", report->mean, (size_t)report->channels);
    rf_json_numbers(json, "std", report->std, (size_t)report->channels);
    rf_json_close(json);
}

static void add_notes(rf_json *json, const char *const *notes) {
    rf_json_open(json, "notes", '[');
    for (; notes && *notes; notes++) rf_json_string(json, NULL, *notes);
    rf_json_close(json);
}

rf_status rf_report_json(const rf_report *report, const char *path) {
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "version", rf_version());
    rf_json_string(&json, "command", report->command);
    add_settings(&json, report);
    add_normalisation(&json, report);
    rf_json_string(&json, "device", report->device);
    rf_json_string(&json, "model", report->model);
    add_count(&json, "parameters", report->parameters);
    rf_json_string(&json, "data", report->data);
    add_fingerprint(&json, report->data_fingerprint);
    add_count(&json, "batch", (size_t)report->batch);
    rf_json_string(&json, "optimizer", report->optimizer);
    add_known(&json, "usual_lr", report->curve->usual_lr);
    add_known(&json, "chance", report->curve->chance);
    add_known(&json, "training_steps", report->curve->training_steps);
    add_known(&json, "epoch_steps", report->curve->epoch_steps);
    rf_json_count(&json, "seed", report->seed);
    rf_json_count(&json, "iterations", report->curve->planned);
    add_curve(&json, report->curve);
    add_suggestions(&json, report);
    add_verdict(&json, report->verdict);
    add_race(&json, report->race);
    add_known(&json, "time_ms", report->time_ms);
    add_known(&json, "test_ms", report->test_ms);
    add_notes(&json, report->notes);
    rf_json_close(&json);
    return rf_json_write(&json, path);
}
