/* The model language's values: names of layers, words, expressions, and attributes computed for given images.  Names
 * and words belong together: a name may hold a variable, a word may be a layer's number of channels. */
#include "model/lang/eval.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_OF_NAME = 8, MAX_CANDIDATES = 1000 };

static const rf_tree *node_of(rf_expansion *e, int index) {
    return &e->net->nodes[index];
}

static bool is_int(double value) {
    return value == floor(value) && fabs(value) <= INT_MAX;
}

static rf_status eval_word(rf_value *out, rf_expansion *e, const rf_scope *scope, const rf_tree *word);

/* ---- names of layers ---- */

/* The whole number that {i} or {i+1} stands for; text is what the braces hold. */
static rf_status eval_template(int *out, rf_expansion *e, const rf_scope *scope, rf_slice text,
                               rf_place place) {
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

rf_status rf_name_expand(char out[RF_MAX_NAME + 1], rf_expansion *e, const rf_scope *scope, rf_slice name,
                         rf_place place) {
    rf_str text = {0};
    rf_status status = RF_OK;
    rf_str_add(&text, scope->prefix);
    for (const char *at = name.at, *end = name.at + name.length; at < end && status == RF_OK;) {
        const char *open = memchr(at, '{', (size_t)(end - at));
        rf_str_add_bytes(&text, at, (size_t)((open ? open : end) - at));
        if (!open) break;
        const char *close = memchr(open, '}', (size_t)(end - open)); /* the lexer guarantees it */
        int value = 0;
        status = eval_template(&value, e, scope, (rf_slice){open + 1, (int)(close - open - 1)}, place);
        rf_str_addf(&text, "%d", value);
        at = close + 1;
    }
    if (status == RF_OK && text.failed) status = RF_E_MEMORY;
    if (status == RF_OK) status = rf_take_steps(e, STEPS_OF_NAME + (int)(text.length / 16), place);
    if (status == RF_OK && text.length > RF_MAX_NAME)
        status = rf_net_fail(e->net->origin, place,
                             "the name '%.40s...' would have %zu characters; %d is the most",
                             rf_str_text(&text), text.length, RF_MAX_NAME);
    if (status == RF_OK) memcpy(out, rf_str_text(&text), text.length + 1);
    rf_str_free(&text);
    return status;
}

/* True if the layer of that name is defined later in the text, or is the one that reads it. */
static const rf_tree *defined_later(const rf_net *net, const rf_tree *input) {
    for (int i = 1; i < net->count; i++) {
        const rf_tree *node = &net->nodes[i];
        if (node->kind == RF_TREE_LAYER && node->place.line >= input->place.line &&
            node->name.length == input->name.length &&
            !memcmp(node->name.at, input->name.at, (size_t)node->name.length))
            return node;
    }
    return NULL;
}

static const char *nearest_layer(rf_expansion *e, const rf_scope *scope, const char *name) {
    const rf_model *model = e->model;
    const size_t skip = strlen(scope->prefix);
    const char *words[MAX_CANDIDATES];
    size_t count = 0;
    words[count++] = "in";
    words[count++] = "prev";
    for (int i = model->node_count - 1; i > 0 && count < MAX_CANDIDATES; i--)
        if (!strncmp(model->nodes[i].name, scope->prefix, skip)) words[count++] = model->nodes[i].name + skip;
    for (int i = e->instance_count - 1; i >= 0 && count < MAX_CANDIDATES; i--)
        if (!strncmp(e->instances[i].name, scope->prefix, skip)) words[count++] = e->instances[i].name + skip;
    return rf_nearest(name + skip, words, count);
}

rf_status rf_name_find(int *out, rf_expansion *e, const rf_scope *scope, rf_slice name, rf_place place) {
    char full[RF_MAX_NAME + 1];
    if (rf_slice_is(name, "in")) return *out = scope->in, RF_OK;
    if (rf_slice_is(name, "prev")) return *out = scope->prev, RF_OK;
    RF_TRY(rf_name_expand(full, e, scope, name, place));
    *out = rf_model_find_node(e->model, full, strlen(full));
    if (*out >= 0) return RF_OK;
    const int instance = rf_names_find(&e->instance_names, full, strlen(full));
    if (instance >= 0) return *out = e->instances[instance].node, RF_OK;

    const rf_tree *later = defined_later(e->net, &(rf_tree){.name = name, .place = place});
    if (later && later->place.line == place.line)
        return rf_net_fail(e->net->origin, place,
                           "the layer '%.*s' reads itself: a network may have no cycles", RF_SLICE(name));
    if (later)
        return rf_net_fail(e->net->origin, place,
                           "the layer '%.*s' comes only in line %d: a layer reads earlier ones (a network "
                           "may have no cycles)",
                           RF_SLICE(name), later->place.line);
    const char *near = nearest_layer(e, scope, full);
    return rf_net_fail(e->net->origin, place,
                       near ? "no layer '%s'%s; did you mean '%s'?" : "no layer '%s'%s",
                       full + strlen(scope->prefix), *scope->prefix ? " in this block" : "", near);
}

/* ---- words ---- */

static const char *const constant_names[] = {RF_CONSTANT_MAP(RF_CONSTANT_NAME)};

static bool constant(double *out, const rf_image_shape *images, rf_slice name) {
#define CONSTANT_VALUE(name, value) value,
    const double values[] = {RF_CONSTANT_MAP(CONSTANT_VALUE)};
#undef CONSTANT_VALUE
    for (size_t i = 0; i < RF_COUNT(values); i++)
        if (rf_slice_is(name, constant_names[i])) return *out = values[i], true;
    return false;
}

/* LAYER.channels and the like; `dot` is the last one in the word. */
static rf_status eval_property(double *out, rf_expansion *e, const rf_scope *scope, const rf_tree *word,
                               const char *dot) {
    const rf_slice layer = {word->name.at, (int)(dot - word->name.at)};
    const rf_slice what = {dot + 1, word->name.length - layer.length - 1};
    int node;
    RF_TRY(rf_name_find(&node, e, scope, layer, word->place));
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
    const rf_value *variable;
    RF_TRY(rf_scope_get(&variable, scope, e, word->name, word->place));
    if (variable) return *out = *variable, RF_OK;
    if (constant(&out->y, &e->model->images, word->name)) return RF_OK;
    const char *dot = NULL;
    for (int i = 0; i < word->name.length; i++)
        if (word->name.at[i] == '.') dot = word->name.at + i;
    if (dot) return eval_property(&out->y, e, scope, word, dot);

    char name[64], near_names[RF_MAX_VARIABLES][64];
    const char *words[RF_MAX_VARIABLES + RF_COUNT(constant_names)];
    size_t count = 0;
    snprintf(name, sizeof name, "%.*s", RF_SLICE(word->name));
    int node;
    if (rf_name_find(&node, e, scope, word->name, word->place) == RF_OK)
        return rf_net_fail(e->net->origin, word->place,
                           "expected a number, found the layer '%s' (write `%s.channels` for its channels, "
                           "`<- %s` to read it)",
                           name, name, name);
    for (; count < RF_COUNT(constant_names); count++) words[count] = constant_names[count];
    for (int i = 0; i < scope->count; i++) {
        snprintf(near_names[i], sizeof near_names[i], "%.*s", RF_SLICE(scope->variables[i].name));
        words[count++] = near_names[i];
    }
    const char *near = rf_nearest(name, words, count);
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
        return out->y = a != 0, RF_OK; /* short-circuit: the other side may be invalid then */
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
    if (rf_slice_is(node->name, "sqrt") && a < 0)
        return rf_net_fail(e->net->origin, node->place, "sqrt of %g, a negative number", a);
    out->y = rf_slice_is(node->name, "floor")  ? floor(a)
             : rf_slice_is(node->name, "sqrt") ? sqrt(a)
             : rf_slice_is(node->name, "min")  ? fmin(a, b)
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

rf_status rf_eval_int(int *out, rf_expansion *e, const rf_scope *scope, int expr) {
    double value;
    RF_TRY(rf_eval_number(&value, e, scope, expr));
    if (!is_int(value))
        return rf_net_fail(e->net->origin, node_of(e, expr)->place, "expected a whole number, found %.15g",
                           value);
    *out = (int)value;
    return RF_OK;
}

/* ---- attributes and parameters ---- */

static rf_status store(rf_attrs *attrs, const rf_attr_spec *spec, rf_expansion *e, rf_place place,
                       rf_value value) {
    if (!value.pair) value.x = value.y;
    const double part[2] = {value.y, value.x};
    if (value.pair && spec->type != RF_ATTR_PAIR)
        return rf_net_fail(e->net->origin, place, "%s: expected one number, found the pair %gx%g", spec->name,
                           value.y, value.x);
    for (int i = 0; i < 2; i++) {
        if (spec->type == RF_ATTR_BOOL ? part[i] != 0 && part[i] != 1
                                       : spec->type != RF_ATTR_FLOAT && !is_int(part[i]))
            return rf_net_fail(e->net->origin, place, "%s: expected %s, found %.15g", spec->name,
                               spec->type == RF_ATTR_BOOL ? "yes or no" : "a whole number", part[i]);
        if (!(part[i] >= spec->min && part[i] <= spec->max))
            return rf_net_fail(e->net->origin, place,
                               "%s: expected a number from %.10g to %.10g, found %.15g", spec->name,
                               spec->min, spec->max, part[i]);
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
