/* The results of a sweep, from the JSON that `find` writes. */
#include "sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "curve/curve.h"
#include "data/listing.h"

enum { RESULT_BYTES_MAX = 256 << 20 };

rf_status rf_sweep_create(rf_sweep *out, const rf_variations *variations, const char *folder) {
    *out = (rf_sweep){.variations = variations};
    out->results = rf_alloc(variations->combination_count, sizeof *out->results);
    if (out->results == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < variations->combination_count; i++) {
        rf_sweep_result *r = &out->results[i];
        *r = (rf_sweep_result){.lr = NAN, .lr_min = NAN, .lr_max = NAN, .lowest_loss = NAN, .time_ms = NAN};
        if ((r->path = rf_path_join(folder, variations->combinations[i].file)) == NULL) return RF_E_MEMORY;
    }
    return RF_OK;
}

void rf_sweep_release(rf_sweep *sweep) {
    for (size_t i = 0; sweep->results != NULL && i < sweep->variations->combination_count; i++) {
        free(sweep->results[i].path);
        free(sweep->results[i].confidence);
        free(sweep->results[i].reason);
    }
    free(sweep->results);
}

/* ---- reading ---- */

static double number_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Equal texts, where both are there. */
static bool same(const json_t *object, const char *key, const char *expected) {
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL && strcmp(value, expected) == 0;
}

static rf_status read_verdict(rf_sweep_result *r, const json_t *root, const rf_combination *c,
                              uint64_t fingerprint) {
    static const char other[] = "give another --out, or --overwrite to run it again";
    const json_t *verdict = json_object_get(root, "verdict");
    const char *command = json_string_value(json_object_get(root, "command"));
    const char *confidence = json_string_value(json_object_get(verdict, "confidence"));
    const char *reason = json_string_value(json_object_get(verdict, "reason"));
    char data[24];
    snprintf(data, sizeof data, "%016" PRIx64, fingerprint);
    if (command == NULL || reason == NULL)
        return rf_fail(RF_E_INPUT, "%s: is not the result of a range test; %s", r->path, other);
    if (!same(root, "command", c->command))
        return rf_fail(RF_E_USAGE, "%s: is the result of other options, '%s' rather than '%s'; %s", r->path,
                       command, c->command, other);
    if (!same(root, "data_fingerprint", data))
        return rf_fail(RF_E_USAGE, "%s: is the result of other data of the same name; %s", r->path, other);
    r->lr = number_at(verdict, "lr");
    r->lr_min = number_at(verdict, "lr_min");
    r->lr_max = number_at(verdict, "lr_max");
    r->time_ms = number_at(root, "time_ms");
    if (confidence != NULL && (r->confidence = rf_strdup(confidence)) == NULL) return RF_E_MEMORY;
    return (r->reason = rf_strdup(reason)) != NULL ? RF_OK : RF_E_MEMORY;
}

static double lowest_of(const rf_curve *curve) {
    double lowest = INFINITY;
    for (size_t i = 0; i < rf_curve_finite(curve); i++) lowest = fmin(lowest, curve->smoothed[i]);
    return lowest;
}

rf_status rf_sweep_read(rf_sweep *sweep, size_t i, uint64_t fingerprint) {
    rf_sweep_result *r = &sweep->results[i];
    void *text = NULL;
    size_t length;
    json_t *root = NULL;
    rf_curve *curve = NULL;
    rf_status status = rf_file_read(&text, &length, r->path, RESULT_BYTES_MAX);
    if (status == RF_OK && (status = rf_json_parse(&root, text, length)) != RF_OK)
        rf_fail_prefix(status, "%s", r->path);
    if (status == RF_OK) status = read_verdict(r, root, &sweep->variations->combinations[i], fingerprint);
    if (status == RF_OK) status = rf_curve_read(&curve, r->path);
    if (status == RF_OK) {
        r->lowest_loss = lowest_of(curve);
        r->done = true;
    }
    rf_curve_free(curve);
    json_decref(root);
    free(text);
    return status;
}

/* ---- the table ---- */

static void add_settings(rf_str *line, const rf_variations *v, const char *const *values) {
    for (size_t i = 0; i < v->count; i++) {
        size_t width = strlen(v->all[i].row->name);
        for (size_t k = 0; k < v->all[i].count; k++) width = RF_MAX(width, strlen(v->all[i].values[k]));
        rf_str_addf(line, "%-*s  ", (int)width, values != NULL ? values[i] : v->all[i].row->name);
    }
}

static rf_status print(rf_str *line) {
    const rf_status status = rf_str_status(line);
    if (status == RF_OK) rf_print_line("%s", line->data);
    rf_str_free(line);
    fflush(stdout);
    return status;
}

#define COLUMNS "%-8s  %-19s  %-10s  %-11s  %s"

rf_status rf_sweep_print_heading(const rf_sweep *sweep) {
    rf_str line = {0};
    add_settings(&line, sweep->variations, NULL);
    rf_str_addf(&line, COLUMNS, "rate", "range", "confidence", "lowest loss", "time");
    return print(&line);
}

rf_status rf_sweep_print_row(const rf_sweep *sweep, size_t i) {
    const rf_sweep_result *r = &sweep->results[i];
    char range[64], time[32];
    rf_str line = {0};
    add_settings(&line, sweep->variations, sweep->variations->combinations[i].values);
    if (isnan(r->lr)) {
        rf_str_addf(&line, "none: %s", r->reason);
        return print(&line);
    }
    snprintf(range, sizeof range, "%s to %s", rf_rate(r->lr_min).text, rf_rate(r->lr_max).text);
    snprintf(time, sizeof time, r->time_ms < 10000 ? "%.2g s" : "%.0f s", r->time_ms / 1000);
    rf_str_addf(&line, COLUMNS, rf_rate(r->lr).text, range, r->confidence, rf_loss(r->lowest_loss).text,
                time);
    return print(&line);
}

/* ---- how the rate moves with the batch ---- */

/* A line through the logarithms of rates over those of batches. */
typedef struct fit {
    size_t count;
    double first, last;  /* batches */
    double slope, error; /* the slope's standard error */
} fit;

/* The combinations from `first` on, each `stride` after the one before, differ in the batch alone. */
static fit fit_rates(const rf_sweep *sweep, size_t batch, size_t first, size_t stride) {
    const rf_variation *v = &sweep->variations->all[batch];
    double x = 0, y = 0, xx = 0, xy = 0, yy = 0;
    fit f = {.first = INFINITY};
    for (size_t k = 0; k < v->count; k++) {
        const double size = atof(v->values[k]), lr = sweep->results[first + k * stride].lr;
        if (isnan(lr)) continue;
        f.first = fmin(f.first, size);
        f.last = fmax(f.last, size);
        f.count++;
        x += log(size), y += log(lr);
        xx += log(size) * log(size), xy += log(size) * log(lr), yy += log(lr) * log(lr);
    }
    const double n = (double)f.count;
    xx -= x * x / n, xy -= x * y / n, yy -= y * y / n;
    f.slope = xy / xx;
    f.error = sqrt(fmax(yy - f.slope * xy, 0) / (n - 2) / xx);
    return f;
}

static const char *rule_of(double slope) {
    static const struct {
        double below;
        const char *text;
    } rules[] = {{-0.2, "larger batches want lower rates"},
                 {0.2, "the batch hardly matters"},
                 {0.4, "less than by the square-root rule (1.41)"},
                 {0.6, "about as the square-root rule says (1.41)"},
                 {0.85, "between the square-root rule (1.41) and the linear one (2)"},
                 {1.15, "about as the linear rule says (2)"},
                 {INFINITY, "more than by the linear rule (2)"}};
    size_t i = 0;
    while (slope >= rules[i].below) i++;
    return rules[i].text;
}

static void add_rule(rf_str *out, const fit *f, const rf_variations *v, size_t batch, size_t first) {
    size_t others = 0;
    for (size_t i = 0; i < v->count; i++)
        if (i != batch)
            rf_str_addf(out, "%s%s=%s", others++ == 0 ? "With " : " ", v->all[i].row->name,
                        v->combinations[first].values[i]);
    rf_str_addf(out,
                "%s doubling the batch multiplies the rate by %.2f (%.2f to %.2f, a standard error): %s. "
                "From %zu batches of %g to "
                "%g, a range test each.\n",
                others > 0 ? "," : "Here", exp2(f->slope), exp2(f->slope - f->error),
                exp2(f->slope + f->error), rule_of(f->slope), f->count, f->first, f->last);
}

void rf_sweep_add_batch_rules(rf_str *out, const rf_sweep *sweep) {
    const rf_variations *v = sweep->variations;
    size_t batch = 0, stride = 1;
    while (batch < v->count && strcmp(v->all[batch].row->name, "batch") != 0) batch++;
    if (batch == v->count) return;
    for (size_t i = batch + 1; i < v->count; i++) stride *= v->all[i].count;
    for (size_t i = 0; i < v->combination_count; i++) {
        if (i / stride % v->all[batch].count != 0) continue;
        const fit f = fit_rates(sweep, batch, i, stride);
        if (f.count >= 3) add_rule(out, &f, v, batch, i);
    }
}

/* ---- files ---- */

rf_status rf_sweep_write_json(const rf_sweep *sweep, const char *path, const char *command) {
    const rf_variations *v = sweep->variations;
    rf_str rules = {0};
    rf_json json = {0};
    rf_json_open(&json, NULL, '{');
    rf_json_string(&json, "version", rf_version());
    rf_json_string(&json, "command", command);
    rf_json_open(&json, "runs", '[');
    for (size_t i = 0; i < v->combination_count; i++) {
        const rf_sweep_result *r = &sweep->results[i];
        rf_json_open(&json, NULL, '{');
        rf_json_open(&json, "settings", '{');
        for (size_t k = 0; k < v->count; k++)
            rf_json_string(&json, v->all[k].row->name, v->combinations[i].values[k]);
        rf_json_close(&json);
        rf_json_string(&json, "command", v->combinations[i].command);
        rf_json_string(&json, "file", r->done ? r->path : NULL);
        rf_json_number(&json, "lr", r->lr);
        rf_json_number(&json, "lr_min", r->lr_min);
        rf_json_number(&json, "lr_max", r->lr_max);
        rf_json_string(&json, "confidence", r->confidence);
        rf_json_number(&json, "lowest_loss", r->lowest_loss);
        rf_json_number(&json, "time_ms", r->time_ms);
        rf_json_string(&json, "reason", r->reason);
        rf_json_close(&json);
    }
    rf_json_close(&json);
    rf_json_open(&json, "batch", '[');
    rf_sweep_add_batch_rules(&rules, sweep);
    for (char *line, *rest = rules.data; (line = strsep(&rest, "\n")) != NULL;)
        if (*line != '\0') rf_json_string(&json, NULL, line);
    rf_json_close(&json);
    rf_json_close(&json);
    json.text.failed |= rules.failed;
    rf_str_free(&rules);
    return rf_json_write(&json, path);
}

/* A field with a comma or a quote in it stands in quotes. */
static void add_field(rf_str *out, const char *text) {
    const bool quoted = text[strcspn(text, ",\"\n")] != '\0';
    if (quoted) rf_str_add(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"') rf_str_add(out, "\"");
        rf_str_add_bytes(out, text, 1);
    }
    rf_str_add(out, quoted ? "\"," : ",");
}

static void add_number(rf_str *out, double value) {
    if (isfinite(value)) rf_str_add_number(out, value);
    rf_str_add(out, ",");
}

rf_status rf_sweep_write_csv(const rf_sweep *sweep, const char *path) {
    const rf_variations *v = sweep->variations;
    rf_str out = {0};
    for (size_t k = 0; k < v->count; k++) add_field(&out, v->all[k].row->name);
    rf_str_add(&out, "lr,lr_min,lr_max,confidence,lowest_loss,time_ms,reason\n");
    for (size_t i = 0; i < v->combination_count; i++) {
        const rf_sweep_result *r = &sweep->results[i];
        for (size_t k = 0; k < v->count; k++) add_field(&out, v->combinations[i].values[k]);
        add_number(&out, r->lr);
        add_number(&out, r->lr_min);
        add_number(&out, r->lr_max);
        add_field(&out, r->confidence != NULL ? r->confidence : "");
        add_number(&out, r->lowest_loss);
        add_number(&out, r->time_ms);
        add_field(&out, r->reason != NULL ? r->reason : "");
        out.data[out.length - 1] = '\n';
    }
    rf_status status = rf_str_status(&out);
    if (status == RF_OK) status = rf_file_write(path, out.data, out.length);
    rf_str_free(&out);
    return status;
}
