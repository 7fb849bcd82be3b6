/* The whole result as one JSON document, one member a line. The keys are a promise to programs: every one is
 * always there, and what does not exist is null. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "rangefinder/finder.h"

static const char *const stop_words[] = {
#define WORD(name, text) [RF_STOP_##name] = text,
    RF_STOP_MAP(WORD)
#undef WORD
};

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* Names of files and devices need not be UTF-8; JSON must be. */
static json_t *text(const char *value) {
    if (!value) return json_null();
    json_t *string = json_string(value);
    if (string) return string;
    char *const plain = rf_strdup(value);
    if (!plain) return NULL;
    for (char *at = plain; *at; at++)
        if (*at & 0x80) *at = '?';
    string = json_string(plain);
    free(plain);
    return string;
}

static json_t *numbers(const double *values, size_t count) {
    json_t *const array = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(array, number(values[i]));
    return array;
}

static json_t *curve_json(const rf_curve *curve) {
    return json_pack("{s:o, s:o, s:o}", "lr", numbers(curve->lr, curve->count), "loss",
                     numbers(curve->loss, curve->count), "smoothed", numbers(curve->smoothed, curve->count));
}

static json_t *stop_json(const rf_curve *curve) {
    return json_pack("{s:I, s:s}", "step", (json_int_t)curve->count, "reason", stop_words[curve->stop]);
}

static json_t *suggestions_json(const rf_report *report) {
    json_t *const object = json_object();
    for (size_t i = 0; i < report->suggestion_count; i++)
        json_object_set_new(object, report->suggestions[i].method, number(report->suggestions[i].lr));
    return object;
}

static json_t *verdict_json(const rf_verdict *verdict) {
    static const char *const kinds[] = {[RF_VERDICT_NONE] = "none", [RF_VERDICT_RANGE] = "range"};
    static const char *const confidences[] = {"low", "medium", "high"};
    if (!verdict) return json_null();
    const bool range = verdict->kind == RF_VERDICT_RANGE;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "kind", kinds[verdict->kind], "lr_min",
                     number(verdict->lr_min), "lr", number(verdict->lr), "lr_max", number(verdict->lr_max),
                     "confidence", text(range ? confidences[verdict->confidence] : NULL), "cause",
                     verdict->cause, "reason", text(verdict->reason), "advice",
                     text(*verdict->advice ? verdict->advice : NULL));
}

/* An option that repeats is an array of its values. */
static json_t *settings_json(const rf_report *report) {
    json_t *const object = json_object();
    for (size_t i = 0; i < report->setting_count; i++) {
        const rf_setting *const setting = &report->settings[i];
        json_t *const before = json_object_get(object, setting->name);
        if (json_is_array(before))
            json_array_append_new(before, text(setting->value));
        else if (before)
            json_object_set_new(object, setting->name, json_pack("[O, o]", before, text(setting->value)));
        else
            json_object_set_new(object, setting->name, text(setting->value));
    }
    return object;
}

static json_t *normalisation_json(const rf_report *report) {
    if (!report->mean || !report->std) return json_null();
    const size_t channels = (size_t)report->channels;
    return json_pack("{s:o, s:o}", "mean", numbers(report->mean, channels), "std",
                     numbers(report->std, channels));
}

static json_t *notes_json(const char *const *notes) {
    json_t *const array = json_array();
    for (; notes && *notes; notes++) json_array_append_new(array, text(*notes));
    return array;
}

/* Adds one member, and releases it. */
static void add(rf_str *out, const char *key, json_t *value) {
    char *const dumped = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (dumped)
        rf_str_addf(out, "%s  \"%s\": %s", out->length ? ",\n" : "{\n", key, dumped);
    else
        out->failed = true;
    free(dumped);
    json_decref(value);
}

rf_status rf_report_json(const rf_report *report, const char *path) {
    const rf_curve *const curve = report->curve;
    rf_str out = {0};
    add(&out, "version", text(rf_version()));
    add(&out, "command", text(report->command));
    add(&out, "options", settings_json(report));
    add(&out, "normalisation", normalisation_json(report));
    add(&out, "device", text(report->device));
    add(&out, "model", text(report->model));
    add(&out, "parameters", report->parameters ? json_integer((json_int_t)report->parameters) : json_null());
    add(&out, "data", text(report->data));
    add(&out, "batch", report->batch ? json_integer(report->batch) : json_null());
    add(&out, "optimizer", text(report->optimizer));
    add(&out, "seed", json_integer((json_int_t)report->seed));
    add(&out, "iterations", json_integer((json_int_t)curve->planned));
    add(&out, "curve", curve_json(curve));
    add(&out, "stop", stop_json(curve));
    add(&out, "suggestions", suggestions_json(report));
    add(&out, "verdict", verdict_json(report->verdict));
    add(&out, "time_ms", report->time_ms > 0 ? number(report->time_ms) : json_null());
    add(&out, "notes", notes_json(report->notes));
    rf_str_add(&out, "\n}\n");
    const rf_status status = out.failed ? rf_fail(RF_E_MEMORY, "out of memory for the JSON report")
                                        : rf_file_write(path, out.data, out.length);
    rf_str_free(&out);
    return status;
}
