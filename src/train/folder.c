/* A run's folder: states, of which the one before is kept, and metrics. */
#include "train/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "train/tensorboard.h"

#define NEWEST   "state.safetensors"
#define PREVIOUS "state.previous.safetensors"
#define CSV      "metrics.csv"
#define JSONL    "metrics.jsonl"
enum { MAX_METRICS_BYTES = 1 << 28 };

rf_status rf_folder_open(rf_folder **out, const char *path) {
    *out = NULL;
    RF_TRY(rf_make_dirs(path));
    rf_folder *folder = rf_alloc(1, sizeof *folder);
    if (folder == NULL) return RF_E_MEMORY;
    rf_status status = RF_OK;
    folder->descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if ((folder->path = rf_strdup(path)) == NULL)
        status = RF_E_MEMORY;
    else if (folder->descriptor < 0)
        status = rf_fail_errno(errno, "%s: cannot be opened", path);
    else if (flock(folder->descriptor, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? rf_fail(RF_E_USAGE, "%s: another process trains in this folder", path)
                                      : rf_fail_errno(errno, "%s: cannot be locked", path);
    if (status == RF_OK)
        *out = folder;
    else
        rf_folder_close(folder);
    return status;
}

void rf_folder_close(rf_folder *folder) {
    if (folder == NULL) return;
    if (folder->descriptor >= 0) close(folder->descriptor);
    free(folder->path);
    free(folder);
}

char *rf_folder_file(const rf_folder *folder, const char *name) {
    return rf_format("%s/%s", folder->path, name);
}

rf_status rf_folder_remove(const rf_folder *folder, const char *name) {
    if (unlinkat(folder->descriptor, name, 0) == 0 || errno == ENOENT) return RF_OK;
    return rf_fail_errno(errno, "%s/%s: cannot be removed", folder->path, name);
}

rf_status rf_folder_clear(const rf_folder *folder) {
    static const char *const names[] = {CSV, JSONL, RF_FOLDER_LAST, RF_FOLDER_BEST, NEWEST, PREVIOUS};
    for (size_t i = 0; i < RF_COUNT(names); i++) RF_TRY(rf_folder_remove(folder, names[i]));
    return rf_events_remove(folder->path);
}

/* ---- states ---- */

/* Between the two renames only the one before is there, which loading then takes. */
rf_status rf_folder_save_state(const rf_folder *folder, const rf_state *state) {
    char *path = rf_folder_file(folder, NEWEST);
    if (path == NULL) return RF_E_MEMORY;
    rf_status status = RF_OK;
    if (renameat(folder->descriptor, NEWEST, folder->descriptor, PREVIOUS) != 0 && errno != ENOENT)
        status = rf_fail_errno(errno, "%s: cannot be renamed", path);
    if (status == RF_OK) status = rf_state_save(state, path);
    free(path);
    return status;
}

static rf_status load(rf_state **out, const rf_folder *folder, const char *name) {
    char *path = rf_folder_file(folder, name);
    if (path == NULL) return RF_E_MEMORY;
    rf_status status = rf_state_load(out, path);
    free(path);
    return status;
}

bool rf_folder_has_state(const rf_folder *folder) {
    return faccessat(folder->descriptor, NEWEST, F_OK, 0) == 0 ||
           faccessat(folder->descriptor, PREVIOUS, F_OK, 0) == 0;
}

rf_status rf_folder_load_state(rf_state **out, char **note, const rf_folder *folder) {
    *note = NULL;
    *out = NULL;
    if (!rf_folder_has_state(folder)) return RF_OK;
    const rf_status newest = load(out, folder, NEWEST);
    if (newest == RF_OK || newest == RF_E_MEMORY) return newest;
    rf_error_hold(); /* the message stays the newest's */
    const rf_status previous = load(out, folder, PREVIOUS);
    rf_error_release();
    if (previous != RF_OK) return newest;
    *note = rf_format("%s; the state before it is taken", rf_error_message());
    if (*note != NULL) return RF_OK;
    rf_state_free(*out);
    *out = NULL;
    return RF_E_MEMORY;
}

/* ---- metrics ---- */

/* The columns behind the epoch's number. */
static const struct {
    const char *name;
    size_t offset; /* of a double in rf_epoch */
} columns[] = {{"lr", offsetof(rf_epoch, lr)},
               {"train_loss", offsetof(rf_epoch, loss)},
               {"val_loss", offsetof(rf_epoch, validation_loss)},
               {"val_accuracy", offsetof(rf_epoch, accuracy)},
               {"val_top5", offsetof(rf_epoch, accuracy5)},
               {"seconds", offsetof(rf_epoch, seconds)},
               {"images_per_second", offsetof(rf_epoch, images_per_second)}};

static double *column_of(const rf_epoch *epoch, size_t i) {
    return (double *)((char *)epoch + columns[i].offset);
}

rf_status rf_metrics_add(rf_metrics *m, const rf_epoch *e) {
    if (m->csv.length == 0) {
        rf_str_add(&m->csv, "epoch,step");
        for (size_t i = 0; i < RF_COUNT(columns); i++) rf_str_addf(&m->csv, ",%s", columns[i].name);
        rf_str_add(&m->csv, "\n");
    }
    rf_str_addf(&m->csv, "%d,%zu", e->epoch, e->step);
    rf_str_addf(&m->jsonl, "{\"epoch\": %d, \"step\": %zu", e->epoch, e->step);
    for (size_t i = 0; i < RF_COUNT(columns); i++) {
        const double value = *column_of(e, i);
        rf_str_add(&m->csv, ",");
        rf_str_addf(&m->jsonl, ", \"%s\": ", columns[i].name);
        if (isfinite(value)) {
            rf_str_add_number(&m->csv, value);
            rf_str_add_number(&m->jsonl, value);
        } else
            rf_str_add(&m->jsonl, "null");
    }
    rf_str_add(&m->csv, "\n");
    rf_str_add(&m->jsonl, "}\n");
    RF_TRY(rf_str_status(&m->csv));
    return rf_str_status(&m->jsonl);
}

/* One line; names: of its fields, by their heading. */
static rf_status parse_line(rf_epoch *out, char *line, char *const *names, size_t name_count,
                            const char *path) {
    *out = (rf_epoch){.epoch = 0};
    for (size_t i = 0; i < RF_COUNT(columns); i++) *column_of(out, i) = NAN;
    char *field;
    for (size_t k = 0; k < name_count && (field = strsep(&line, ",")) != NULL; k++) {
        char *end = field;
        const double value = field[0] != '\0' ? strtod(field, &end) : NAN;
        if (*end != '\0') return rf_fail(RF_E_INPUT, "%s: '%.40s' is no number", path, field);
        if (strcmp(names[k], "epoch") == 0 && value >= 1 && value <= INT32_MAX) out->epoch = (int)value;
        for (size_t i = 0; i < RF_COUNT(columns); i++)
            if (strcmp(names[k], columns[i].name) == 0) *column_of(out, i) = value;
    }
    return out->epoch > 0 ? RF_OK : rf_fail(RF_E_INPUT, "%s: a line without a number of its epoch", path);
}

rf_status rf_metrics_read(rf_epoch **out, size_t *count, const char *path) {
    enum { MAX_NAMES = 64 };
    void *data = NULL;
    size_t length, lines = 0, name_count = 0;
    char *names[MAX_NAMES], *rest, *line, *field;
    *count = 0;
    *out = NULL;
    RF_TRY(rf_file_read(&data, &length, path, MAX_METRICS_BYTES));
    for (size_t i = 0; i < length; i++) lines += ((char *)data)[i] == '\n';
    rf_epoch *epochs = rf_alloc(lines + 1, sizeof *epochs);
    rf_status status = epochs != NULL ? RF_OK : RF_E_MEMORY;
    rest = data;
    line = strsep(&rest, "\n");
    while (name_count < MAX_NAMES && (field = strsep(&line, ",")) != NULL) names[name_count++] = field;
    while (status == RF_OK && (line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0') status = parse_line(&epochs[(*count)++], line, names, name_count, path);
    if (status == RF_OK && *count == 0) status = rf_fail(RF_E_INPUT, "%s: no epoch in it", path);
    free(data);
    if (status == RF_OK)
        *out = epochs;
    else
        free(epochs);
    return status;
}

static rf_status load_lines(rf_str *out, const rf_folder *folder, const char *name, int lines) {
    void *data = NULL;
    size_t length = 0, kept = 0;
    char *path = rf_folder_file(folder, name);
    if (path == NULL) return RF_E_MEMORY;
    rf_status status =
        access(path, F_OK) == 0 ? rf_file_read(&data, &length, path, MAX_METRICS_BYTES) : RF_OK;
    free(path);
    for (; kept < length && lines > 0; kept++) lines -= ((char *)data)[kept] == '\n';
    if (kept > 0) rf_str_add_bytes(out, data, kept);
    free(data);
    return status == RF_OK ? rf_str_status(out) : status;
}

rf_status rf_metrics_load(rf_metrics *m, const rf_folder *folder, int epochs) {
    if (epochs == 0) return RF_OK;
    RF_TRY(load_lines(&m->csv, folder, CSV, epochs + 1)); /* and the heading */
    return load_lines(&m->jsonl, folder, JSONL, epochs);
}

static rf_status save_text(const rf_str *text, const rf_folder *folder, const char *name) {
    char *path = rf_folder_file(folder, name);
    if (path == NULL) return RF_E_MEMORY;
    rf_status status = rf_file_write(path, rf_str_text(text), text->length);
    free(path);
    return status;
}

rf_status rf_metrics_save(const rf_metrics *m, const rf_folder *folder) {
    RF_TRY(save_text(&m->csv, folder, CSV));
    return save_text(&m->jsonl, folder, JSONL);
}

void rf_metrics_release(rf_metrics *m) {
    rf_str_free(&m->csv);
    rf_str_free(&m->jsonl);
}
