/* A model's weights from and to safetensors files, by PyTorch's names: missing and unexpected keys and shape
 * mismatches are reported before anything is changed.  The last layer of a network that was trained for other classes
 * may be left as it is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "model/safetensors.h"

enum { MAX_LISTED = 6, MAX_WRAPPERS = 64, MAX_WRAPPER_PARTS = 8, MAX_LIST_BYTES = 500 };

/* ---- names ---- */

/* Whether a part of the name between dots is one of the words. */
static bool has_part(const char *name, const char *const *words) {
    for (size_t length; *name != '\0'; name += length + (name[length] == '.')) {
        length = strcspn(name, ".");
        for (const char *const *word = words; *word != NULL; word++)
            if (strlen(*word) == length && !strncmp(name, *word, length)) return true;
    }
    return false;
}

/* Averages of the weights that some training scripts keep beside them. */
static bool is_average(const char *name) {
    static const char *const words[] = {"ema",       "ema_model",      "model_ema", "module_ema",
                                        "swa_model", "averaged_model", "avg_model", NULL};
    return has_part(name, words);
}

/* What a file may hold although no network wants it: averages, counters, and whatever else is integers. */
static bool is_ignored(const rf_tensor *tensor) {
    static const char *const counters[] = {"num_batches_tracked", "n_averaged", NULL};
    return is_average(tensor->name) || has_part(tensor->name, counters) || rf_tensor_is_integer(tensor);
}

/* What a wrapper puts before the names of a network: "module.", "_orig_mod.", "model.", "net.", several of them. */
typedef struct wrapper {
    const char *text; /* borrowed, not terminated */
    size_t length, found;
} wrapper;

static bool is_under(const char *name, const wrapper *w) {
    return strncmp(name, w->text, w->length) == 0;
}

/* The bytes before the longest part of the name, from a dot on, that is a parameter's; -1: none is. */
static long wrapped_by(const char *name, const rf_names *names) {
    const char *at = name;
    for (int parts = 0; at != NULL && parts <= MAX_WRAPPER_PARTS; parts++) {
        if (rf_names_find(names, at, strlen(at)) >= 0) return at - name;
        at = strchr(at, '.');
        if (at != NULL) at++;
    }
    return -1;
}

static bool is_better(const wrapper *a, const wrapper *b) {
    const bool average = is_average(a->text), other = is_average(b->text);
    if (a->found != b->found) return a->found > b->found;
    return average != other ? other : a->length < b->length;
}

/* With which the most parameters are found; of equal ones, no average, and the shortest. */
static wrapper find_wrapper(const rf_tensor_file *file, const rf_names *names) {
    wrapper all[MAX_WRAPPERS] = {{.text = ""}};
    size_t count = 1, best = 0;
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        const long length = wrapped_by(name, names);
        size_t at = 0;
        if (length < 0) continue;
        while (at < count && (all[at].length != (size_t)length || !is_under(name, &all[at]))) at++;
        if (at == MAX_WRAPPERS) continue;
        if (at == count) all[count++] = (wrapper){.text = name, .length = (size_t)length};
        all[at].found++;
    }
    for (size_t i = 1; i < count; i++)
        if (is_better(&all[i], &all[best])) best = i;
    return all[best];
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

/* But for ones at the end: a 1x1 convolution may have been a linear layer. */
static bool same_shape(const rf_tensor *tensor, const rf_param_spec *spec) {
    bool same = true;
    for (int i = 0; i < RF_MAX(tensor->rank, spec->rank) && same; i++)
        same = (i < tensor->rank ? tensor->shape[i] : 1) == (i < spec->rank ? (uint64_t)spec->dim[i] : 1);
    return same;
}

/* ---- matching ---- */

typedef struct matching {
    const rf_model *model;
    const rf_tensor_file *file;
    const rf_tensor **found; /* one a parameter; NULL: it keeps its values */
    wrapper wrapper;
    int head;     /* the node that may be new; -1: none may */
    bool misfits; /* the file's is another */
    tensor_list missing, unexpected, shape, outside, head_shape;
} matching;

/* Of the layer that may be new, such as fc.weight or fc.0.weight. */
static bool is_of_head(const matching *m, const char *name) {
    if (m->head < 0) return false;
    const char *head = m->model->nodes[m->head].name;
    const size_t length = strlen(head);
    return strncmp(name, head, length) == 0 && name[length] == '.';
}

static void place_tensor(matching *m, const rf_tensor *tensor, const rf_names *names) {
    const bool under = is_under(tensor->name, &m->wrapper);
    const char *name = tensor->name + (under ? m->wrapper.length : 0);
    const int at = under ? rf_names_find(names, name, strlen(name)) : -1;
    if (at >= 0)
        m->found[at] = tensor;
    else if (is_ignored(tensor))
        return;
    else if (under && is_of_head(m, name))
        m->misfits = true;
    else
        add_tensor(!under && m->head >= 0 ? &m->outside : &m->unexpected, tensor->name, "");
}

static void check_parameter(matching *m, int index) {
    const rf_parameter *p = &m->model->parameters[index];
    const rf_tensor *tensor = m->found[index];
    const bool fits = tensor && same_shape(tensor, &p->spec), of_head = p->node == m->head;
    if (fits) return;
    m->misfits |= of_head;
    if (!tensor) {
        if (!of_head) add_tensor(&m->missing, p->name, "");
        return;
    }
    rf_str shapes = {0};
    shape_text(&shapes, tensor, &p->spec);
    add_tensor(of_head ? &m->head_shape : &m->shape, tensor->name, rf_str_text(&shapes));
    rf_str_free(&shapes);
}

/* Whether anything but the head is found: else a file that has nothing in common with the network would fit. */
static bool finds_more_than_head(const matching *m) {
    for (int i = 0; i < m->model->parameter_count; i++)
        if (m->found[i] && m->model->parameters[i].node != m->head) return true;
    return false;
}

static void match(matching *m, const rf_names *names) {
    m->wrapper = find_wrapper(m->file, names);
    for (size_t i = 0; i < m->file->count; i++) place_tensor(m, &m->file->tensors[i], names);
    if (m->head < 0 || !finds_more_than_head(m)) m->head = -1, m->misfits = false;
    for (int i = 0; i < m->model->parameter_count; i++) check_parameter(m, i);
}

static void add_list(rf_str *message, const tensor_list *list) {
    if (list->count == 0) return;
    rf_str_addf(message, "; %zu %s: %s%s", list->count, list->count == 1 ? list->one : list->many,
                rf_str_text(&list->text), list->listed < list->count ? ", ..." : "");
}

static rf_status check_match(const matching *m) {
    rf_str lists = {0};
    add_list(&lists, &m->missing);
    add_list(&lists, &m->unexpected);
    add_list(&lists, &m->shape);
    const rf_status status =
        lists.length == 0 ? RF_OK
                          : rf_fail(RF_E_INPUT,
                                    "%s does not fit the network '%s'%s; take weights of this network, or "
                                    "the network of these weights",
                                    m->file->path, m->model->name, rf_str_text(&lists));
    rf_str_free(&lists);
    return status;
}

/* What is left out of the file; NULL: nothing. */
static rf_status note_rest(char **note, const matching *m) {
    rf_str text = {0};
    *note = NULL;
    if (m->misfits)
        rf_str_addf(&text, "; the last layer, %s, is new%s%s", m->model->nodes[m->head].name,
                    m->head_shape.count ? ": " : "", rf_str_text(&m->head_shape.text));
    add_list(&text, &m->outside);
    if (text.length) *note = rf_format("%s: %s", m->file->path, rf_str_text(&text) + strlen("; "));
    const rf_status status = text.failed || (text.length && !*note) ? RF_E_MEMORY : RF_OK;
    rf_str_free(&text);
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
        if (!found[i]) continue;
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

static bool is_of_new_head(const matching *m, int parameter) {
    return m->misfits && m->model->parameters[parameter].node == m->head;
}

static rf_status read_matching(rf_model *model, matching *m, char **note) {
    rf_names names = {0};
    float **fresh = rf_alloc((size_t)model->parameter_count + 1, sizeof *fresh);
    rf_status status = m->found && fresh ? name_parameters(&names, model) : RF_E_MEMORY;
    if (status == RF_OK) {
        match(m, &names);
        status = check_match(m);
    }
    if (status == RF_OK) status = note_rest(note, m);
    for (int i = 0; i < model->parameter_count && status == RF_OK; i++)
        if (is_of_new_head(m, i)) m->found[i] = NULL;
    if (status == RF_OK) status = read_all(fresh, model, m->file, m->found);
    for (int i = 0; i < model->parameter_count && status == RF_OK; i++) {
        if (!fresh[i]) continue;
        free(model->parameters[i].values);
        model->parameters[i].values = fresh[i];
        fresh[i] = NULL;
    }
    for (int i = 0; fresh && i < model->parameter_count; i++) free(fresh[i]);
    free(fresh);
    rf_names_free(&names);
    return status;
}

rf_status rf_model_read_weights(rf_model *model, const rf_tensor_file *file, rf_head head) {
    char *note = NULL;
    matching m = {.model = model,
                  .file = file,
                  .found = rf_alloc((size_t)model->parameter_count + 1, sizeof *m.found),
                  .head = head == RF_HEAD_FITS ? -1 : rf_model_head(model),
                  .misfits = head == RF_HEAD_NEW,
                  .missing = {.one = "missing key", .many = "missing keys"},
                  .unexpected = {.one = "unexpected key", .many = "unexpected keys"},
                  .shape = {.one = "shape mismatch", .many = "shape mismatches"},
                  .outside = {.one = "tensor of no part of it is left out",
                              .many = "tensors of no part of it are left out"}};
    const rf_status status = read_matching(model, &m, &note);
    if (status == RF_OK) {
        free(model->note);
        model->note = note;
        note = NULL;
    }
    rf_str_free(&m.missing.text);
    rf_str_free(&m.unexpected.text);
    rf_str_free(&m.shape.text);
    rf_str_free(&m.outside.text);
    rf_str_free(&m.head_shape.text);
    free(note);
    free(m.found);
    return status;
}

static rf_status load(rf_model *model, const char *path, rf_head head) {
    rf_tensor_file *file = NULL;
    RF_TRY(check_finished(model, path));
    RF_TRY(rf_tensor_file_open(&file, path));
    rf_status status = rf_model_read_weights(model, file, head);
    rf_tensor_file_close(file);
    return status;
}

rf_status rf_model_load_weights(rf_model *model, const char *path) {
    return load(model, path, RF_HEAD_FITS);
}

rf_status rf_model_load_pretrained(rf_model *model, const char *path, int new_head) {
    return load(model, path, new_head ? RF_HEAD_NEW : RF_HEAD_MAY_DIFFER);
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
