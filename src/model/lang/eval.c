/* The model language's values: variables, expressions, and attributes computed for given images. */
#include "model/lang/eval.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static const rf_tree *node_of(rf_expansion *e, int index) {
    return &e->net->nodes[index];
}

static bool same(rf_slice a, rf_slice b) {
    return a.length == b.length && !memcmp(a.at, b.at, (size_t)a.length);
}

/* ---- variables ---- */

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

void rf_scope_free(rf_scope *scope) {
    free(scope->variables);
    scope->variables = NULL;
}

/* Words that have a value everywhere. */
static bool constant(double *out, const rf_images *images, rf_slice name) {
    const struct {
        const char *name;
        double value;
    } constants[] = {
        {"classes", images->classes},
        {"channels", images->channels},
        {"height", images->height},
        {"width", images->width},
        {"yes", 1},
        {"no", 0},
        {"true", 1},
        {"false", 0},
    };
    for (size_t i = 0; i < RF_COUNT(constants); i++)
        if (rf_slice_is(name, constants[i].name)) return *out = constants[i].value, true;
    return false;
}

/* LAYER.channels and the like; `dot` is the last one in the word. */
static rf_status eval_property(double *out, rf_expansion *e, const rf_scope *scope, const rf_tree *word,
                               const char *dot) {
    const rf_slice layer = {word->name.at, (int)(dot - word->name.at)};
    const rf_slice what = {dot + 1, word->name.length - layer.length - 1};
    int node;
    RF_TRY(rf_expand_find(&node, e, scope, layer, word->place));
    const rf_shape shape = e->model->nodes[node].shape;
    const struct {
        const char *name;
        double value;
    } properties[] = {
        {"channels", shape.flat ? (double)rf_shape_count(shape) : shape.c},
        {"height", shape.flat ? 1 : shape.h},
        {"width", shape.flat ? 1 : shape.w},
        {"features", (double)rf_shape_count(shape)},
    };
    for (size_t i = 0; i < RF_COUNT(properties); i++)
        if (rf_slice_is(what, properties[i].name)) return *out = properties[i].value, RF_OK;
    return rf_net_fail(e->net->origin, word->place,
                       "expected .channels, .height, .width or .features behind '%.*s', found '.%.*s'",
                       RF_MIN(layer.length, 60), layer.at, RF_MIN(what.length, 60), what.at);
}

static rf_status eval_word(rf_value *out, rf_expansion *e, const rf_scope *scope, const rf_tree *word) {
    int steps;
    const int slot = scope->slot[slot_of(&steps, scope, word->name)];
    RF_TRY(rf_take_steps(e, steps, word->place));
    if (slot) return *out = scope->variables[slot - 1].value, RF_OK;
    if (constant(&out->y, &e->model->images, word->name)) return RF_OK;
    const char *dot = NULL;
    for (int i = 0; i < word->name.length; i++)
        if (word->name.at[i] == '.') dot = word->name.at + i;
    if (dot) return eval_property(&out->y, e, scope, word, dot);

    char name[64], near_names[RF_MAX_VARIABLES][64];
    const char *words[RF_MAX_VARIABLES + 8] = {"classes", "channels", "height", "width",
                                               "yes",     "no",       "true",   "false"};
    snprintf(name, sizeof name, "%.*s", RF_SLICE(word->name));
    int node;
    if (rf_expand_find(&node, e, scope, word->name, word->place) == RF_OK)
        return rf_net_fail(e->net->origin, word->place,
                           "expected a number, found the layer '%s' (write `%s.channels` for its channels, "
                           "`<- %s` to read it)",
                           name, name, name);
    for (int i = 0; i < scope->count; i++) {
        snprintf(near_names[i], sizeof near_names[i], "%.*s", RF_SLICE(scope->variables[i].name));
        words[8 + i] = near_names[i];
    }
    const char *near = rf_nearest(name, words, (size_t)scope->count + 8);
    return rf_net_fail(e->net->origin, word->place,
                       near ? "expected a number, found '%s'; did you mean '%s'?"
                            : "expected a number, found '%s'",
                       name, near);
}

/* ---- expressions ---- */

static rf_status eval_unary(rf_value *out, rf_expansion *e, const rf_scope *scope, const rf_tree *node) {
    RF_TRY(rf_eval_number(&out->y, e, scope, node->first));
    out->y = node->token == RF_TOKEN_NOT ? out->y == 0 : -out->y;
    return RF_OK;
}

static double compute(rf_token_kind token, double a, double b) {
    switch (token) {
    case RF_TOKEN_EQUAL:
        return a == b;
    case RF_TOKEN_UNEQUAL:
        return a != b;
    case RF_TOKEN_LESS:
        return a < b;
    case RF_TOKEN_AT_MOST:
        return a <= b;
    case RF_TOKEN_MORE:
        return a > b;
    case RF_TOKEN_AT_LEAST:
        return a >= b;
    case RF_TOKEN_PLUS:
        return a + b;
    case RF_TOKEN_MINUS:
        return a - b;
    case RF_TOKEN_TIMES:
        return a * b;
    case RF_TOKEN_DIVIDE:
        return a / b;
    case RF_TOKEN_MODULO:
        return a - b * floor(a / b);
    default:
        return NAN;
    }
}

static rf_status eval_binary(rf_value *out, rf_expansion *e, const rf_scope *scope, const rf_tree *node) {
    double a, b;
    RF_TRY(rf_eval_number(&a, e, scope, node->first));
    if ((node->token == RF_TOKEN_AND && a == 0) || (node->token == RF_TOKEN_OR && a != 0))
        return out->y = a != 0, RF_OK; /* the other side may be what the first one guards against */
    RF_TRY(rf_eval_number(&b, e, scope, node->second));
    if (node->token == RF_TOKEN_AND || node->token == RF_TOKEN_OR) return out->y = b != 0, RF_OK;
    if (b == 0 && (node->token == RF_TOKEN_DIVIDE || node->token == RF_TOKEN_MODULO))
        return rf_net_fail(e->net->origin, node->place, "division by zero");
    out->y = compute(node->token, a, b);
    if (!isfinite(out->y)) return rf_net_fail(e->net->origin, node->place, "the number is too large");
    return RF_OK;
}

static rf_status eval_call(rf_value *out, rf_expansion *e, const rf_scope *scope, const rf_tree *node) {
    double a, b = 0;
    RF_TRY(rf_eval_number(&a, e, scope, node->first));
    if (node->second) RF_TRY(rf_eval_number(&b, e, scope, node->second));
    out->y = rf_slice_is(node->name, "floor") ? floor(a)
             : rf_slice_is(node->name, "min") ? fmin(a, b)
                                              : fmax(a, b);
    return RF_OK;
}

rf_status rf_eval(rf_value *out, rf_expansion *e, const rf_scope *scope, int expr) {
    const rf_tree *node = node_of(e, expr);
    *out = (rf_value){0};
    RF_TRY(rf_take_steps(e, 1, node->place));
    switch (node->kind) {
    case RF_TREE_WORD:
        return eval_word(out, e, scope, node);
    case RF_TREE_UNARY:
        return eval_unary(out, e, scope, node);
    case RF_TREE_BINARY:
        return eval_binary(out, e, scope, node);
    case RF_TREE_CALL:
        return eval_call(out, e, scope, node);
    case RF_TREE_PAIR:
        out->pair = true;
        RF_TRY(rf_eval_number(&out->y, e, scope, node->first));
        return rf_eval_number(&out->x, e, scope, node->second);
    default:
        out->y = node->number;
        return RF_OK;
    }
}

rf_status rf_eval_number(double *out, rf_expansion *e, const rf_scope *scope, int expr) {
    rf_value value;
    *out = 0;
    RF_TRY(rf_eval(&value, e, scope, expr));
    if (value.pair)
        return rf_net_fail(e->net->origin, node_of(e, expr)->place,
                           "expected one number, found the pair %gx%g", value.y, value.x);
    *out = value.y;
    return RF_OK;
}

static bool is_int(double value) {
    return value == floor(value) && fabs(value) <= INT_MAX;
}

rf_status rf_eval_int(int *out, rf_expansion *e, const rf_scope *scope, int expr) {
    double value;
    RF_TRY(rf_eval_number(&value, e, scope, expr));
    if (!is_int(value))
        return rf_net_fail(e->net->origin, node_of(e, expr)->place, "expected a whole number, found %.15g",
                           value);
    *out = (int)value;
    return RF_OK;
}

rf_status rf_eval_template(int *out, rf_expansion *e, const rf_scope *scope, rf_slice text, rf_place place) {
    rf_tree word = {.kind = RF_TREE_WORD, .name = text, .place = place};
    int offset = 0; /* {i+1} */
    for (int i = 0; i < text.length; i++)
        if (text.at[i] == '+' || text.at[i] == '-') {
            offset = atoi(text.at + i);
            word.name.length = i;
        }
    rf_value value = {0};
    RF_TRY(eval_word(&value, e, scope, &word));
    value.y += offset;
    if (value.pair || !is_int(value.y) || value.y < 0)
        return rf_net_fail(e->net->origin, place,
                           "{%.*s} in a name must be a whole number from 0, it is %.15g", RF_SLICE(text),
                           value.y);
    *out = (int)value.y;
    return RF_OK;
}

/* ---- attributes and parameters ---- */

static rf_status store(rf_attrs *attrs, const rf_attr_spec *spec, rf_expansion *e, rf_place place,
                       rf_value value) {
    if (!value.pair) value.x = value.y;
    const double low = spec->type == RF_ATTR_BOOL ? 0 : spec->min,
                 high = spec->type == RF_ATTR_BOOL ? 1 : spec->max;
    const double part[2] = {value.y, value.x};
    if (value.pair && spec->type != RF_ATTR_PAIR)
        return rf_net_fail(e->net->origin, place, "%s: expected one number, found the pair %gx%g", spec->name,
                           value.y, value.x);
    for (int i = 0; i < 2; i++) {
        if (spec->type == RF_ATTR_BOOL ? part[i] != 0 && part[i] != 1
                                       : spec->type != RF_ATTR_FLOAT && !is_int(part[i]))
            return rf_net_fail(e->net->origin, place, "%s: expected %s, found %.15g", spec->name,
                               spec->type == RF_ATTR_BOOL ? "yes or no" : "a whole number", part[i]);
        if (!(part[i] >= low && part[i] <= high))
            return rf_net_fail(e->net->origin, place,
                               "%s: expected a number from %.10g to %.10g, found %.15g", spec->name, low,
                               high, part[i]);
    }
    rf_attr_set(attrs, spec, value.y, value.x);
    return RF_OK;
}

rf_status rf_eval_attributes(rf_attrs *out, rf_expansion *e, const rf_scope *scope, const rf_tree *layer) {
    rf_attrs_default(out, layer->op);
    for (int i = layer->first; i; i = node_of(e, i)->next) {
        const rf_tree *argument = node_of(e, i);
        rf_value value;
        RF_TRY(rf_eval(&value, e, scope, argument->first));
        RF_TRY(store(out, &layer->op->attrs[argument->index], e, argument->place, value));
    }
    return RF_OK;
}

rf_status rf_eval_parameters(rf_scope *inner, rf_expansion *e, const rf_scope *outer, const rf_tree *layer) {
    int given[RF_MAX_BLOCK_PARAMETERS] = {0}, index = 0;
    for (int i = layer->first; i; i = node_of(e, i)->next) given[node_of(e, i)->index] = node_of(e, i)->first;
    for (int i = node_of(e, layer->block)->first; i; i = node_of(e, i)->next, index++) {
        const rf_tree *parameter = node_of(e, i);
        rf_value value;
        if (given[index])
            RF_TRY(rf_eval(&value, e, outer, given[index]));
        else /* a default may use earlier parameters and `in` */
            RF_TRY(rf_eval(&value, e, inner, parameter->first));
        RF_TRY(rf_scope_set(inner, e, parameter->name, value, parameter->place));
    }
    return RF_OK;
}
