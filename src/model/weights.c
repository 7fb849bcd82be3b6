/* A model's weights from and to safetensors files, by PyTorch's names: missing and unexpected keys and shape
 * mismatches are reported before anything is changed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "model/safetensors.h"

enum { MAX_LISTED = 6, MAX_PREFIXES = 8, MAX_LIST_BYTES = 500 };

/* ---- matching names ---- */

/* num_batches_tracked, which the arithmetic does not use. */
static bool is_ignored(const char *name) {
    static const char ending[] = "num_batches_tracked";
    const size_t length = strlen(name);
    return length >= sizeof ending - 1 && !strcmp(name + length - (sizeof ending - 1), ending);
}

/* The parameters that are found where the first `skip` bytes of every name are left out; -1: not all names share
 * them. */
static long found_without(const rf_tensor_file *file, const rf_names *names, size_t skip) {
    long count = 0;
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        if (strncmp(name, file->tensors[0].name, skip) != 0) return -1;
        count += rf_names_find(names, name + skip, strlen(name + skip)) >= 0;
    }
    return count;
}

/* Length of the prefix that wrappers put before every name ("module.", "_orig_mod.", "model.", "net.", and several of
 * them): the shortest prefix ending in a dot with which the most parameters are found. */
static size_t wrapper_prefix(const rf_tensor_file *file, const rf_names *names) {
    size_t best = 0, tried = 0;
    if (file->count == 0) return 0;
    const char *first = file->tensors[0].name;
    long most = found_without(file, names, 0);
    for (const char *dot = strchr(first, '.'); dot && tried < MAX_PREFIXES;
         dot = strchr(dot + 1, '.'), tried++) {
        const size_t skip = (size_t)(dot + 1 - first);
        const long found = found_without(file, names, skip);
        if (found < 0) break;
        if (found > most) most = found, best = skip;
    }
    return best;
}

/* ---- lists of tensors for messages ---- */

typedef struct tensor_list {
    const char *one, *many; /* what its entries are called */
    rf_str text;
    size_t count, listed;
} tensor_list;

static void add_tensor(tensor_list *list, const char *name, const char *more) {
    list->count++;
    if (list->listed == MAX_LISTED || list->text.length > MAX_LIST_BYTES) return;
    rf_str_addf(&list->text, "%s%.120s%s", list->listed++ ? ", " : "", name, more);
}

static void shape_text(rf_str *out, const rf_tensor *tensor, const rf_param_spec *spec) {
    rf_str_add(out, " (the file has ");
    for (int i = 0; i < tensor->rank; i++)
        rf_str_addf(out, "%s%llu", i ? "x" : "", (unsigned long long)tensor->shape[i]);
    rf_str_add(out, tensor->rank ? ", the network " : "one number, the network ");
    for (int i = 0; i < spec->rank; i++) rf_str_addf(out, "%s%d", i ? "x" : "", spec->dim[i]);
    rf_str_add(out, ")");
}

static bool same_shape(const rf_tensor *tensor, const rf_param_spec *spec) {
    bool same = tensor->rank == spec->rank;
    for (int i = 0; i < spec->rank && same; i++) same = tensor->shape[i] == (uint64_t)spec->dim[i];
    return same;
}

/* Finds each parameter's tensor; found[] has one for every parameter if all fit. */
static rf_status match(const rf_tensor **found, const rf_model *model, const rf_tensor_file *file,
                       const rf_names *names) {
    tensor_list missing = {.one = "missing key", .many = "missing keys"},
                unexpected = {.one = "unexpected key", .many = "unexpected keys"},
                shape = {.one = "shape mismatch", .many = "shape mismatches"};
    const size_t skip = wrapper_prefix(file, names);
    for (size_t i = 0; i < file->count; i++) {
        const rf_tensor *tensor = &file->tensors[i];
        const int at = rf_names_find(names, tensor->name + skip, strlen(tensor->name + skip));
        if (at >= 0)
            found[at] = tensor;
        else if (!is_ignored(tensor->name))
            add_tensor(&unexpected, tensor->name, "");
        if (at >= 0 && !same_shape(tensor, &model->parameters[at].spec)) {
            rf_str shapes = {0};
            shape_text(&shapes, tensor, &model->parameters[at].spec);
            add_tensor(&shape, tensor->name, rf_str_text(&shapes));
            rf_str_free(&shapes);
        }
    }
    for (int i = 0; i < model->parameter_count; i++)
        if (!found[i]) add_tensor(&missing, model->parameters[i].name, "");

    rf_str message = {0};
    tensor_list *const lists[] = {&missing, &unexpected, &shape};
    for (size_t i = 0; i < RF_COUNT(lists); i++) {
        if (lists[i]->count)
            rf_str_addf(&message, "; %zu %s: %s%s", lists[i]->count,
                        lists[i]->count == 1 ? lists[i]->one : lists[i]->many, rf_str_text(&lists[i]->text),
                        lists[i]->listed < lists[i]->count ? ", ..." : "");
        rf_str_free(&lists[i]->text);
    }
    const rf_status status = message.length ? rf_fail(RF_E_INPUT, "%s does not fit the network '%s'%s",
                                                      file->path, model->name, rf_str_text(&message))
                                            : RF_OK;
    rf_str_free(&message);
    return status;
}

/* ---- loading ---- */

static rf_status name_parameters(rf_names *names, const rf_model *model) {
    for (int i = 0; i < model->parameter_count; i++)
        RF_TRY(rf_names_add(names, model->parameters[i].name, i));
    return RF_OK;
}

/* Adds a tensor to the list if it holds NaN or infinities. */
static void look_for_nan(tensor_list *list, const char *name, const float *values, size_t count) {
    size_t nan = 0, infinite = 0;
    char more[96];
    for (size_t i = 0; i < count; i++) {
        nan += isnan(values[i]) != 0;
        infinite += isinf(values[i]) != 0;
    }
    if (nan + infinite == 0) return;
    snprintf(more, sizeof more, " (%zu NaN and %zu infinite of %zu)", nan, infinite, count);
    add_tensor(list, name, more);
}

/* Reads everything into temporary memory first, so that a truncated file changes nothing. */
static rf_status read_all(float **fresh, const rf_model *model, const rf_tensor_file *file,
                          const rf_tensor **found) {
    tensor_list not_finite = {0};
    rf_status status = RF_OK;
    for (int i = 0; i < model->parameter_count && status == RF_OK; i++) {
        const size_t count = rf_param_count(&model->parameters[i].spec);
        fresh[i] = rf_alloc(count, sizeof **fresh);
        status = fresh[i] ? rf_tensor_read(fresh[i], file, found[i]) : RF_E_MEMORY;
        if (status == RF_OK) look_for_nan(&not_finite, found[i]->name, fresh[i], count);
    }
    if (status == RF_OK && not_finite.count)
        status = rf_fail(
            RF_E_INPUT,
            "%s: %zu tensor%s hold%s numbers that are not finite: %s%s; the training that wrote them had "
            "diverged: take an earlier checkpoint",
            file->path, not_finite.count, not_finite.count == 1 ? "" : "s", not_finite.count == 1 ? "s" : "",
            rf_str_text(&not_finite.text), not_finite.listed < not_finite.count ? ", ..." : "");
    rf_str_free(&not_finite.text);
    return status;
}

static rf_status check_finished(const rf_model *model, const char *path) {
    if (model->finished) return RF_OK;
    return rf_fail(RF_E_USAGE, "%s: the network '%s' is not finished yet", path, model->name);
}

rf_status rf_model_read_weights(rf_model *model, const rf_tensor_file *file) {
    rf_names names = {0};
    const rf_tensor **found = rf_alloc((size_t)model->parameter_count + 1, sizeof *found);
    float **fresh = rf_alloc((size_t)model->parameter_count + 1, sizeof *fresh);
    rf_status status = found && fresh ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK) status = name_parameters(&names, model);
    if (status == RF_OK) status = match(found, model, file, &names);
    if (status == RF_OK) status = read_all(fresh, model, file, found);
    for (int i = 0; i < model->parameter_count && status == RF_OK; i++) {
        float *old = model->parameters[i].values;
        model->parameters[i].values = fresh[i];
        fresh[i] = old;
    }
    for (int i = 0; fresh && i < model->parameter_count; i++) free(fresh[i]);
    free(fresh);
    free(found);
    rf_names_free(&names);
    return status;
}

rf_status rf_model_load_weights(rf_model *model, const char *path) {
    rf_tensor_file *file = NULL;
    RF_TRY(check_finished(model, path));
    RF_TRY(rf_tensor_file_open(&file, path));
    rf_status status = rf_model_read_weights(model, file);
    rf_tensor_file_close(file);
    return status;
}

/* ---- saving ---- */

rf_status rf_model_write_weights(const rf_model *model, const char *path, const rf_tensor_note *notes,
                                 size_t note_count, bool durable) {
    RF_TRY(check_finished(model, path));
    rf_tensor_source *tensors = rf_alloc((size_t)model->parameter_count + 1, sizeof *tensors);
    rf_tensor_note *all = rf_alloc(note_count + 1, sizeof *all);
    rf_status status = tensors && all ? RF_OK : RF_E_MEMORY;
    for (int i = 0; i < model->parameter_count && status == RF_OK; i++) {
        const rf_parameter *p = &model->parameters[i];
        tensors[i] = (rf_tensor_source){p->name, p->spec.rank, p->spec.dim, p->values};
    }
    if (status == RF_OK) {
        all[0] = (rf_tensor_note){"format", "pt"}; /* PyTorch's names and layouts */
        for (size_t i = 0; i < note_count; i++) all[i + 1] = notes[i];
        status =
            rf_tensor_file_write(path, tensors, (size_t)model->parameter_count, all, note_count + 1, durable);
    }
    free(tensors);
    free(all);
    return status;
}

rf_status rf_model_save_weights(const rf_model *model, const char *path) {
    return rf_model_write_weights(model, path, NULL, 0, false);
}
