/* run.json. */
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "data/listing.h"
#include "device/device.h"
#include "model/zoo.h"
#include "train/trainer.h"

enum { VERSION = 1, MAX_BYTES = 64 << 20 };

/* ---- writing ---- */

static void add_settings(rf_json *json, const rf_settings *settings) {
    rf_json_open(json, "options", '[');
    for (size_t i = 0; i < settings->count; i++) {
        rf_json_open(json, NULL, '[');
        rf_json_string(json, NULL, settings->rows[i].name);
        rf_json_string(json, NULL, settings->rows[i].value);
        rf_json_close(json);
    }
    rf_json_close(json);
}

static void add_data(rf_json *json, const rf_session *s) {
    const rf_dataset *data = s->dataset;
    const int classes = s->trainer->classes; /* the network may have more */
    char fingerprint[32], number[16];
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, rf_dataset_fingerprint(data));
    rf_json_open(json, "data", '{');
    rf_json_string(json, "name", data->name);
    rf_json_string(json, "fingerprint", fingerprint);
    rf_json_count(json, "images", (uint64_t)data->count);
    rf_json_count(json, "channels", (uint64_t)data->channels);
    rf_json_count(json, "height", (uint64_t)data->height);
    rf_json_count(json, "width", (uint64_t)data->width);
    rf_json_count(json, "classes", (uint64_t)classes);
    if (data->class_names != NULL) {
        rf_json_open(json, "class_names", '[');
        for (int c = 0; c < classes; c++) {
            snprintf(number, sizeof number, "%d", c);
            rf_json_string(json, NULL, c < data->classes ? data->class_names[c] : number);
        }
        rf_json_close(json);
    }
    rf_json_numbers(json, "mean", s->trainer->mean, (size_t)data->channels);
    rf_json_numbers(json, "std", s->trainer->std, (size_t)data->channels);
    rf_json_close(json);
}

/* What recomputation saves and costs, where there is any. */
static void add_recompute(rf_json *json, const rf_plan *plan) {
    const rf_plan_repeats repeats = rf_plan_repeated(plan);
    if (repeats.share == 0) return;
    rf_json_open(json, "recompute", '{');
    rf_json_count(json, "memory_bytes", rf_plan_memory_bytes(plan));
    rf_json_count(json, "memory_bytes_without", repeats.bytes);
    rf_json_number(json, "forward_share", repeats.share);
    rf_json_close(json);
}

static void add_lr(rf_json *json, const rf_record_more *more) {
    const rf_verdict *verdict = more->verdict;
    rf_json_open(json, "lr", '{');
    rf_json_number(json, "value", more->lr);
    rf_json_string(json, "source", more->lr_source);
    if (verdict != NULL) {
        rf_json_number(json, "min", verdict->lr_min);
        rf_json_number(json, "suggestion", verdict->lr);
        rf_json_number(json, "max", verdict->lr_max);
        rf_json_string(json, "reason", verdict->reason);
    }
    rf_json_close(json);
}

rf_status rf_record_write(const char *folder, const rf_session *s, const rf_record_more *more) {
    rf_json json = {0};
    char *path = rf_path_join(folder, RF_RECORD_NAME);
    if (path == NULL) return RF_E_MEMORY;
    const bool own = access(s->training->model, F_OK) == 0;
    rf_json_open(&json, NULL, '{');
    rf_json_count(&json, "format", VERSION);
    rf_json_string(&json, "rangefinder", rf_version());
    rf_json_string(&json, "command", s->common->command);
    rf_json_string(&json, "device", rf_device_describe(s->device)->name);
    rf_json_string(&json, "model", own ? rf_model_copy_name(s->training->model) : s->training->model);
    rf_json_count(&json, "parameters", rf_model_parameter_count(s->model));
    rf_json_count(&json, "seed", s->training->seed);
    add_lr(&json, more);
    add_recompute(&json, s->trainer->plan);
    add_data(&json, s);
    add_settings(&json, &s->common->settings);
    rf_json_close(&json);
    rf_status status = rf_json_write(&json, path);
    if (status == RF_OK && own) status = rf_model_copy(s->training->model, folder);
    free(path);
    return status;
}

rf_status rf_record_remove(const rf_folder *folder) {
    for (const char *const *copy = rf_model_copies; *copy != NULL; copy++)
        RF_TRY(rf_folder_remove(folder, *copy));
    return rf_folder_remove(folder, RF_RECORD_NAME);
}

/* ---- reading ---- */

static rf_status malformed(const rf_record *r, const char *what) {
    return rf_fail(RF_E_INPUT, "%s/%s: '%s' is missing, or not what it should be", r->folder, RF_RECORD_NAME,
                   what);
}

static bool get_count(int *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > INT32_MAX)
        return false;
    *out = (int)json_integer_value(value);
    return true;
}

static bool get_numbers(double *out, const json_t *array, int count) {
    for (int i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, (size_t)i);
        if (!json_is_number(value)) return false;
        out[i] = json_number_value(value);
    }
    return true;
}

static rf_status read_data(rf_record *r, const json_t *data) {
    rf_image_shape *images = &r->images;
    if (!get_count(&images->channels, data, "channels") || !get_count(&images->height, data, "height") ||
        !get_count(&images->width, data, "width") || !get_count(&images->classes, data, "classes") ||
        images->channels > 16 || images->classes > 1 << 20)
        return malformed(r, "data");
    if (!get_numbers(r->mean, json_object_get(data, "mean"), images->channels)) return malformed(r, "mean");
    if (!get_numbers(r->std, json_object_get(data, "std"), images->channels)) return malformed(r, "std");
    const json_t *names = json_object_get(data, "class_names");
    if (names == NULL) return RF_OK;
    if (json_array_size(names) != (size_t)images->classes) return malformed(r, "class_names");
    if ((r->class_names = rf_alloc((size_t)images->classes, sizeof *r->class_names)) == NULL)
        return RF_E_MEMORY;
    for (size_t c = 0; c < json_array_size(names); c++) {
        const char *name = json_string_value(json_array_get(names, c));
        if (name == NULL) return malformed(r, "class_names");
        if ((r->class_names[c] = rf_strdup(name)) == NULL) return RF_E_MEMORY;
    }
    return RF_OK;
}

static rf_status read_settings(rf_record *r, const json_t *options) {
    for (size_t i = 0; i < json_array_size(options); i++) {
        const json_t *row = json_array_get(options, i);
        const char *name = json_string_value(json_array_get(row, 0)),
                   *value = json_string_value(json_array_get(row, 1));
        if (name == NULL || value == NULL) return malformed(r, "options");
        RF_TRY(rf_settings_add(&r->settings, name, value)); /* the name lives in the document */
    }
    return json_is_array(options) ? RF_OK : malformed(r, "options");
}

/* Of the network's file, which lies in the folder. */
static bool is_copy(const char *model) {
    for (int i = 0; rf_model_copies[i] != NULL; i++)
        if (strcmp(model, rf_model_copies[i]) == 0) return true;
    return false;
}

static rf_status read_root(rf_record *r) {
    const json_t *format = json_object_get(r->root, "format"), *lr = json_object_get(r->root, "lr");
    const char *model = json_string_value(json_object_get(r->root, "model"));
    if (!json_is_integer(format)) return malformed(r, "format");
    if (json_integer_value(format) != VERSION)
        return rf_fail(RF_E_INPUT, "%s/%s: version %d of the format; this program reads version %d",
                       r->folder, RF_RECORD_NAME, (int)json_integer_value(format), VERSION);
    if (model == NULL) return malformed(r, "model");
    r->model = is_copy(model) ? rf_path_join(r->folder, model) : rf_strdup(model);
    if (r->model == NULL) return RF_E_MEMORY;
    r->lr = json_number_value(json_object_get(lr, "value"));
    if (!(r->lr > 0)) return malformed(r, "lr");
    RF_TRY(read_data(r, json_object_get(r->root, "data")));
    return read_settings(r, json_object_get(r->root, "options"));
}

rf_status rf_record_read(rf_record *r, const char *folder) {
    void *data = NULL;
    size_t length = 0;
    *r = (rf_record){.folder = rf_strdup(folder)};
    char *path = rf_path_join(folder, RF_RECORD_NAME);
    rf_status status = path != NULL && r->folder != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK && access(path, F_OK) != 0)
        status = access(folder, F_OK) != 0
                     ? rf_fail(RF_E_INPUT, "%s: no such folder", folder)
                     : rf_fail(RF_E_INPUT, "%s: no run's folder: it has no %s", folder, RF_RECORD_NAME);
    if (status == RF_OK) status = rf_file_read(&data, &length, path, MAX_BYTES);
    if (status == RF_OK) {
        status = rf_json_parse(&r->root, data, length);
        if (status != RF_OK) rf_fail_prefix(status, "%s", path);
    }
    if (status == RF_OK) status = read_root(r);
    free(data);
    free(path);
    return status;
}

const char *rf_record_option(const rf_record *r, const char *name) {
    for (size_t i = 0; i < r->settings.count; i++)
        if (strcmp(r->settings.rows[i].name, name) == 0) return r->settings.rows[i].value;
    return NULL;
}

void rf_record_release(rf_record *r) {
    for (int c = 0; r->class_names != NULL && c < r->images.classes; c++) free(r->class_names[c]);
    free(r->class_names);
    rf_settings_free(&r->settings);
    json_decref(r->root);
    free(r->model);
    free(r->folder);
}

/* ---- classes ---- */

enum { UNKNOWN = -1, AMBIGUOUS = -2 }; /* instead of a class's number */

/* A class without a name is called by its number: folders '0' to '9' fit IDX files. */
static int class_numbered(const rf_record *r, const char *name) {
    char *end;
    const long number = strtol(name, &end, 10);
    return end != name && *end == '\0' && number >= 0 && number < r->images.classes ? (int)number : UNKNOWN;
}

/* Whether the record has the name so: run.json is UTF-8, and has '?' for other bytes. */
static bool is_stored_as(const char *stored, const char *name) {
    uint32_t code;
    for (size_t length; *name != '\0'; name += length, stored += length) {
        length = rf_utf8_next(&code, name);
        if (code == RF_NOT_UTF8 ? *stored != '?' : strncmp(stored, name, length) != 0) return false;
    }
    return *stored == '\0';
}

static int class_named(const rf_record *r, const char *name) {
    int found = UNKNOWN;
    if (r->class_names == NULL) return class_numbered(r, name);
    for (int c = 0; c < r->images.classes; c++)
        if (is_stored_as(r->class_names[c], name)) found = found == UNKNOWN ? c : AMBIGUOUS;
    return found;
}

static rf_status no_class(const rf_record *r, const rf_dataset *data, const char *name, int found) {
    if (found == AMBIGUOUS)
        return rf_fail(
            RF_E_INPUT,
            "%s: the class '%s' of training cannot be told from others, whose names differ only in bytes "
            "that are not UTF-8; rename their folders, and train again",
            data->name, name);
    if (r->class_names != NULL)
        return rf_fail(RF_E_INPUT, "%s: there was no class '%s' in training", data->name, name);
    return rf_fail(RF_E_INPUT, "%s: there was no class '%s' in training; its classes are 0 to %d", data->name,
                   name, r->images.classes - 1);
}

/* The number in training of each of the data set's classes; an array of data->classes. */
static rf_status match_classes(int32_t *number, const rf_record *r, const rf_dataset *data) {
    for (int c = 0; c < data->classes; c++) {
        const char *name = data->class_names != NULL ? data->class_names[c] : NULL;
        number[c] = name != NULL ? class_named(r, name) : c;
        if (number[c] < 0) return no_class(r, data, name, number[c]);
        if (number[c] >= r->images.classes)
            return rf_fail(RF_E_INPUT, "%s: %d classes, and training had %d", data->name, data->classes,
                           r->images.classes);
    }
    return RF_OK;
}

rf_status rf_record_match(const rf_record *r, rf_dataset *data) {
    const rf_image_shape *images = &r->images;
    if (data->channels != images->channels || data->height != images->height || data->width != images->width)
        return rf_fail(RF_E_SHAPE, "%s: images of %dx%dx%d, and training had %dx%dx%d", data->name,
                       data->channels, data->height, data->width, images->channels, images->height,
                       images->width);
    int32_t *number = rf_alloc((size_t)data->classes, sizeof *number);
    if (number == NULL) return RF_E_MEMORY;
    rf_status status = match_classes(number, r, data);
    for (int i = 0; i < data->count && status == RF_OK; i++) data->labels[i] = number[data->labels[i]];
    if (status == RF_OK) {
        for (int c = 0; data->class_names != NULL && c < data->classes; c++) free(data->class_names[c]);
        free(data->class_names);
        data->class_names = NULL; /* they are the record's from here on */
        data->classes = images->classes;
    }
    free(number);
    return status;
}
