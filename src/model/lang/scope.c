/* The model language's variables, and the step counter that limits a text. */
#include <stdlib.h>
#include <string.h>

#include "model/lang/eval.h"

enum { STEPS_AT_LEAST = 1 << 20, STEPS_PER_PART = 16, STEPS_PER_LAYER = 256 };

rf_status rf_take_steps(rf_expansion *e, int steps, rf_place place) {
    const int64_t limit = STEPS_AT_LEAST + (int64_t)STEPS_PER_PART * e->net->count +
                          (int64_t)STEPS_PER_LAYER * e->model->node_count;
    e->model->steps += steps;
    if (e->model->steps <= limit) return RF_OK;
    return rf_net_fail(
        e->net->origin, place,
        "the text takes more than %lld steps to unfold into %d layers: compute less in its loops",
        (long long)limit, e->model->node_count - 1);
}

static bool same(rf_slice a, rf_slice b) {
    return a.length == b.length && !memcmp(a.at, b.at, (size_t)a.length);
}

/* Where the variable stands in the scope's table, or would; *steps is what looking takes. */
static int slot_of(int *steps, const rf_scope *scope, rf_slice name) {
    const int slots = (int)RF_COUNT(scope->slot);
    int at = (int)(rf_hash(name.at, (size_t)name.length, 0) % (unsigned)slots);
    *steps = 1 + name.length / 16;
    while (scope->slot[at] && !same(scope->variables[scope->slot[at] - 1].name, name)) {
        at = (at + 1) % slots;
        ++*steps;
    }
    return at;
}

rf_status rf_scope_set(rf_scope *scope, rf_expansion *e, rf_slice name, rf_value value, rf_place place) {
    int steps;
    int16_t *slot = &scope->slot[slot_of(&steps, scope, name)];
    RF_TRY(rf_take_steps(e, steps, place));
    if (*slot) return scope->variables[*slot - 1].value = value, RF_OK;
    if (scope->count == scope->capacity) {
        if (scope->count >= RF_MAX_VARIABLES)
            return rf_net_fail(e->net->origin, place, "more than %d variables", RF_MAX_VARIABLES);
        const int capacity = RF_MAX(8, scope->capacity * 2);
        rf_variable *more = rf_resize(scope->variables, (size_t)capacity, sizeof *more);
        if (!more) return RF_E_MEMORY;
        scope->variables = more;
        scope->capacity = capacity;
    }
    scope->variables[scope->count++] = (rf_variable){.name = name, .value = value};
    *slot = (int16_t)scope->count;
    return RF_OK;
}

rf_status rf_scope_get(const rf_value **out, const rf_scope *scope, rf_expansion *e, rf_slice name,
                       rf_place place) {
    int steps;
    const int slot = scope->slot[slot_of(&steps, scope, name)];
    *out = slot ? &scope->variables[slot - 1].value : NULL;
    return rf_take_steps(e, steps, place);
}

void rf_scope_free(rf_scope *scope) {
    free(scope->variables);
    scope->variables = NULL;
}
