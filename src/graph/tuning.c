/* The tuning file: reading, looking up, and the name of a problem in it. */
#include "graph/tuning.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "graph/tuning_file.h"

enum { MAX_TUNING_BYTES = 16 << 20 };

void rf_tuning_key(char *out, size_t size, const rf_problem *p, rf_direction direction) {
    const rf_attrs *a = &p->attrs;
    const rf_shape *x = &p->x[0], *y = &p->y;
    snprintf(
        out, size, "%s.%s x%d,%d,%d,%d y%d,%d,%d k%d,%d s%d,%d p%d,%d d%d,%d g%d b%d act%d in%d dx%d%d+%d%d",
        p->op->name, rf_direction_names[direction], x->n, x->c, x->h, x->w, y->c, y->h, y->w, a->kernel.y,
        a->kernel.x, a->stride.y, a->stride.x, a->pad.y, a->pad.x, a->dilation.y, a->dilation.x, a->groups,
        a->bias, (int)p->act, p->inputs, p->need_dx[0], p->need_dx[1], p->accumulate[0], p->accumulate[1]);
    if (p->half_x || p->half_y) {
        const size_t used = strlen(out);
        snprintf(out + used, size - used, " half%d%d", p->half_x, p->half_y);
    }
}

rf_status rf_tuning_load(rf_tuning **out, const rf_device_info *info) {
    void *text = NULL;
    size_t length = 0;
    *out = NULL;
    char *path = rf_device_cache_path(info, "tuning", "json");
    if (path == NULL || rf_file_read(&text, &length, path, MAX_TUNING_BYTES) != RF_OK) {
        free(path);
        return RF_OK;
    }
    free(path);
    json_t *root = NULL;
    rf_status status = rf_json_parse(&root, text, length);
    free(text);
    if (status == RF_E_MEMORY) return status;
    if (!json_is_object(root)) {
        json_decref(root);
        return RF_OK;
    }
    rf_tuning *tuning = rf_alloc(1, sizeof *tuning);
    if (tuning == NULL)
        json_decref(root);
    else
        tuning->root = root;
    *out = tuning;
    return tuning != NULL ? RF_OK : RF_E_MEMORY;
}

void rf_tuning_free(rf_tuning *tuning) {
    if (tuning == NULL) return;
    json_decref(tuning->root);
    free(tuning);
}

/* Only values of the solver's table are accepted: the file is a user's and may hold anything. */
static bool allowed(const rf_tunable *tunable, json_int_t value) {
    for (size_t i = 0; i < RF_COUNT(tunable->values) && tunable->values[i] != 0; i++)
        if (tunable->values[i] == value) return true;
    return false;
}

bool rf_tuning_find(const rf_solver **solver, rf_config *config, const rf_tuning *tuning,
                    const rf_problem *problem, rf_direction direction) {
    char key[192];
    if (tuning == NULL) return false;
    rf_tuning_key(key, sizeof key, problem, direction);
    const json_t *entry = json_object_get(tuning->root, key);
    const char *name = json_string_value(json_object_get(entry, "solver"));
    const json_t *values = json_object_get(entry, "config");
    *solver = NULL;
    *config = (rf_config){{0}};
    for (const rf_solver *const *s = problem->op->solvers; name != NULL && s != NULL && *s != NULL; s++)
        if ((*s)->direction == direction && strcmp((*s)->name, name) == 0) *solver = *s;
    if (*solver == NULL) return false;
    const rf_tunable *t = (*solver)->tunables;
    for (size_t i = 0; t != NULL && t[i].name != NULL; i++) {
        json_int_t value = json_integer_value(json_array_get(values, i));
        if (!allowed(&t[i], value)) return false;
        config->value[i] = (int)value;
    }
    return true;
}
