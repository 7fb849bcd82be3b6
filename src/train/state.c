/* States: named arrays and texts; saving, loading and comparing. */
#include "train/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/safetensors.h"

_Static_assert((int)RF_STATE_MAX_RANK == (int)RF_TENSOR_MAX_RANK, "whatever a file holds fits");

#define FORMAT  "rangefinder-state"
#define VERSION 1

static int by_name(const void *a, const void *b) {
    return strcmp(((const rf_state_entry *)a)->name, ((const rf_state_entry *)b)->name);
}

void rf_state_sort(rf_state *state) {
    if (state->array_count > 0) qsort(state->arrays, state->array_count, sizeof *state->arrays, by_name);
}

const rf_state_entry *rf_state_find(const rf_state *state, const char *name) {
    const rf_state_entry key = {.name = (char *)name};
    return state->array_count > 0 ? bsearch(&key, state->arrays, state->array_count, sizeof key, by_name)
                                  : NULL;
}

const char *rf_state_text(const rf_state *state, const char *name) {
    for (size_t i = 0; i < state->text_count; i++)
        if (strcmp(state->texts[i].name, name) == 0) return state->texts[i].text;
    return NULL;
}

int rf_state_array(const rf_state *state, size_t index, rf_parameter_view *view) {
    if (index >= state->array_count) return 0;
    const rf_state_entry *a = &state->arrays[index];
    *view = (rf_parameter_view){a->name, a->rank, a->shape, a->values, a->count};
    return 1;
}

void rf_state_clear(rf_state *state) {
    for (size_t i = 0; i < state->array_count; i++) {
        free(state->arrays[i].name);
        free(state->arrays[i].values);
    }
    for (size_t i = 0; i < state->text_count; i++) {
        free(state->texts[i].name);
        free(state->texts[i].text);
    }
    free(state->arrays);
    free(state->texts);
}

void rf_state_free(rf_state *state) {
    if (state == NULL) return;
    rf_state_clear(state);
    free(state);
}

/* ---- building ---- */

rf_state_entry *rf_state_add(rf_state *state, char *name, int rank, const int *shape) {
    if (name == NULL) return NULL;
    if (state->array_count == state->array_capacity) {
        const size_t capacity = RF_MAX(2 * state->array_capacity, (size_t)64);
        rf_state_entry *grown = rf_resize(state->arrays, capacity, sizeof *grown);
        if (grown == NULL) {
            free(name);
            return NULL;
        }
        state->arrays = grown;
        state->array_capacity = capacity;
    }
    rf_state_entry *a = &state->arrays[state->array_count++];
    *a = (rf_state_entry){.name = name, .rank = rank, .count = 1};
    for (int k = 0; k < rank; k++) a->count *= (size_t)(a->shape[k] = shape[k]);
    a->values = rf_alloc(a->count, sizeof *a->values);
    return a->values != NULL ? a : NULL;
}

rf_status rf_state_add_text(rf_state *state, const char *name, char *text) {
    rf_state_note *grown =
        text != NULL ? rf_resize(state->texts, state->text_count + 1, sizeof *grown) : NULL;
    char *copy = grown != NULL ? rf_strdup(name) : NULL;
    if (grown != NULL) state->texts = grown;
    if (copy == NULL) {
        free(text);
        return RF_E_MEMORY;
    }
    state->texts[state->text_count++] = (rf_state_note){copy, text};
    return RF_OK;
}

rf_status rf_state_add_number(rf_state *state, const char *name, uint64_t number) {
    return rf_state_add_text(state, name, rf_format("%" PRIu64, number));
}

/* ---- files ---- */

/* first: a note on the file's kind, and perhaps another; ended by one without a name. */
static rf_status write_file(const rf_state *state, const char *path, const rf_tensor_note *first) {
    size_t count = 0;
    rf_tensor_source *tensors = rf_alloc(state->array_count + 1, sizeof *tensors);
    rf_tensor_note *notes = rf_alloc(state->text_count + 2, sizeof *notes);
    rf_status status = tensors != NULL && notes != NULL ? RF_OK : RF_E_MEMORY;
    for (size_t i = 0; status == RF_OK && i < state->array_count; i++) {
        const rf_state_entry *a = &state->arrays[i];
        tensors[i] = (rf_tensor_source){a->name, a->rank, a->shape, a->values};
    }
    if (status == RF_OK) {
        for (; first->name != NULL; first++) notes[count++] = *first;
        for (size_t i = 0; i < state->text_count; i++)
            notes[count++] = (rf_tensor_note){state->texts[i].name, state->texts[i].text};
        status = rf_tensor_file_write(path, tensors, state->array_count, notes, count, true);
    }
    free(tensors);
    free(notes);
    return status;
}

rf_status rf_state_save(const rf_state *state, const char *path) {
    char version[16];
    snprintf(version, sizeof version, "%d", VERSION);
    return write_file(
        state, path, (const rf_tensor_note[]){{"format", FORMAT}, {"format_version", version}, {NULL, NULL}});
}

rf_status rf_state_save_weights(const rf_state *weights, const char *path) {
    return write_file(weights, path, (const rf_tensor_note[]){{"format", "pt"}, {NULL, NULL}});
}

static rf_status take_texts(rf_state *state, const rf_tensor_file *file) {
    const char *format = NULL, *version = NULL;
    for (size_t i = 0; i < file->note_count; i++) {
        const rf_tensor_note *note = &file->notes[i];
        if (strcmp(note->name, "format") == 0)
            format = note->text;
        else if (strcmp(note->name, "format_version") == 0)
            version = note->text;
        else
            RF_TRY(rf_state_add_text(state, note->name, rf_strdup(note->text)));
    }
    if (format == NULL || strcmp(format, FORMAT) != 0 || version == NULL)
        return rf_fail(RF_E_INPUT, "%s: weights, but no state of a training run", file->path);
    if (!file->checked) return rf_fail(RF_E_INPUT, "%s: damaged: its checksum is missing", file->path);
    if (atoi(version) != VERSION)
        return rf_fail(RF_E_INPUT,
                       "%s: a state in version %.20s of the format; this program reads version %d",
                       file->path, version, VERSION);
    return RF_OK;
}

static rf_status take_array(rf_state *state, const rf_tensor_file *file, const rf_tensor *tensor) {
    int shape[RF_STATE_MAX_RANK];
    for (int k = 0; k < tensor->rank; k++) {
        if (tensor->shape[k] > INT32_MAX)
            return rf_fail(RF_E_INPUT, "%s: '%.200s' is too large", file->path, tensor->name);
        shape[k] = (int)tensor->shape[k];
    }
    const rf_state_entry *a = rf_state_add(state, rf_strdup(tensor->name), tensor->rank, shape);
    return a != NULL ? rf_tensor_read(a->values, file, tensor) : RF_E_MEMORY;
}

rf_status rf_state_load(rf_state **out, const char *path) {
    rf_tensor_file *file = NULL;
    *out = NULL;
    rf_state *state = rf_alloc(1, sizeof *state);
    rf_status status = state != NULL ? rf_tensor_file_open(&file, path) : RF_E_MEMORY;
    if (status == RF_OK) status = take_texts(state, file);
    for (size_t i = 0; status == RF_OK && i < file->count; i++)
        status = take_array(state, file, &file->tensors[i]);
    if (status == RF_OK) rf_state_sort(state);
    rf_tensor_file_close(file);
    if (status == RF_OK)
        *out = state;
    else
        rf_state_free(state);
    return status;
}

/* ---- comparing ---- */

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static rf_status compare_array(const rf_state_entry *a, const rf_state_entry *b) {
    if (a->rank != b->rank || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) != 0)
        return rf_fail(RF_E_FAILED, "'%s' has another shape", a->name);
    for (size_t i = 0; i < a->count; i++)
        if (bits_of(a->values[i]) != bits_of(b->values[i]))
            return rf_fail(RF_E_FAILED, "'%s' differs at %zu: %.9g and %.9g", a->name, i,
                           (double)a->values[i], (double)b->values[i]);
    return RF_OK;
}

rf_status rf_state_compare(const rf_state *a, const rf_state *b) {
    for (size_t i = 0; i < a->text_count; i++) {
        const char *other = rf_state_text(b, a->texts[i].name);
        if (other == NULL || strcmp(other, a->texts[i].text) != 0)
            return rf_fail(RF_E_FAILED, "%s: '%s' and '%s'", a->texts[i].name, a->texts[i].text,
                           other != NULL ? other : "");
    }
    for (size_t i = 0; i < a->array_count; i++) {
        const rf_state_entry *other = rf_state_find(b, a->arrays[i].name);
        if (other == NULL) return rf_fail(RF_E_FAILED, "only one has '%s'", a->arrays[i].name);
        RF_TRY(compare_array(&a->arrays[i], other));
    }
    if (a->array_count == b->array_count && a->text_count == b->text_count) return RF_OK;
    return rf_fail(RF_E_FAILED, "one has %zu arrays and %zu texts, the other %zu and %zu", a->array_count,
                   a->text_count, b->array_count, b->text_count);
}
