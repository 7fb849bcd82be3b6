/* Curves in JSON. The text is read once and only the numbers of the curve are kept, so that memory stays a
 * small multiple of the file. Python's NaN and Infinity are read too.
 *
 * Where a number lies says what it is: in an array (or an object by row) that is named like a rate or a loss,
 * {"lr": [...], "loss": [...]}; under such a name in one of many objects, [{"lr": ..., "loss": ...}, ...] or
 * one object a line; or by its position in one of many arrays, [[lr, loss], ...]. These are all the ways of
 * pandas' to_json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"

enum { DEPTH_MAX = 32, KEY_BYTES = 64, PLANNED_MAX = 1000000 };

/* The path of a value: its key in an object, else its index in an array, and what that lies in. */
typedef struct path {
    const struct path *parent; /* NULL: a document */
    bool keyed;
    char key[KEY_BYTES];
    size_t index;
} path;

typedef struct column {
    double *values; /* owned; NaN: missing, or no number */
    size_t count, capacity;
    char name[KEY_BYTES];
    bool array;      /* in an array of its own (or an object by row), rather than a number in each object */
    bool by_row;     /* in an object by row */
    size_t position; /* in each of many arrays */
} column;

typedef struct reader {
    const char *name, *text, *at;
    column columns[RF_ROLE_COUNT];
    size_t documents, root_keys, planned;
    bool own; /* written by rf_report_json */
    rf_stop_reason stop;
    double chance, usual_lr, training_steps, epoch_steps;
    rf_curve_runs runs;
} reader;

static rf_status fail_here(const reader *json, const char *problem) {
    size_t line = 1, begin = 0;
    for (size_t i = 0; json->text + i < json->at; i++)
        if (json->text[i] == '\n') line++, begin = i + 1;
    return rf_fail(RF_E_INPUT, "%s, line %zu, column %zu: %s; expected {\"lr\": [...], \"loss\": [...]}",
                   json->name, line, (size_t)(json->at - json->text) - begin + 1, problem);
}

static char next(reader *json) {
    json->at += strspn(json->at, " \t\r\n");
    return *json->at;
}

/* ---- what a path means ---- */

static bool is_key(const path *at, const char *key) {
    return at && at->keyed && strcmp(at->key, key) == 0;
}

/* One of many: an element of an array, or pandas' row by its number. */
static bool is_row(const path *at) {
    return !at->keyed || at->key[strspn(at->key, "0123456789")] == '\0';
}

static bool is_cell(const path *at) {
    const path *const row = at->parent, *const rows = row ? row->parent : NULL;
    return !at->keyed && row && !row->keyed && rows && (!rows->parent || is_key(rows, "data"));
}

static bool names_column(const path *at) {
    return at && at->keyed && rf_curve_role_of(at->key) != RF_ROLE_NONE;
}

/* The column that a number at this path belongs to, or NULL. */
static column *column_of(reader *json, const path *at) {
    for (size_t i = 0; is_cell(at) && i < RF_ROLE_COUNT; i++)
        if (json->columns[i].position == at->index) return &json->columns[i];
    const bool array = names_column(at->parent);
    if (!array && !(names_column(at) && is_row(at->parent))) return NULL;
    const char *const name = array ? at->parent->key : at->key;
    column *const found = &json->columns[rf_curve_role_of(name)];
    if (found->array != array || (*found->name && strcmp(found->name, name) != 0)) return NULL;
    memcpy(found->name, name, KEY_BYTES);
    return found;
}

/* An array named like a rate or a loss begins. It goes before numbers under such names; the first one counts. */
static rf_status begin_column(reader *json, const path *at) {
    column *const found = &json->columns[rf_curve_role_of(at->key)];
    if (found->array && strcmp(found->name, at->key) == 0) return fail_here(json, "duplicate name");
    if (found->array) return RF_OK;
    found->array = true;
    found->by_row = *json->at == '{';
    found->count = 0;
    memcpy(found->name, at->key, KEY_BYTES);
    return RF_OK;
}

static rf_status append(column *to, double value) {
    if (to->count == to->capacity) {
        const size_t capacity = RF_MAX(128, to->capacity + to->capacity / 2);
        double *const values = rf_resize(to->values, capacity, sizeof *values);
        if (!values) return RF_E_MEMORY;
        to->values = values;
        to->capacity = capacity;
    }
    to->values[to->count++] = value;
    return RF_OK;
}

/* A row that lacks one of the two counts in both columns. */
static rf_status end_row(reader *json) {
    column *const rates = &json->columns[RF_ROLE_RATE], *const losses = &json->columns[RF_ROLE_LOSS];
    if (rates->array || losses->array) return RF_OK;
    if (rates->count < losses->count) return append(rates, NAN);
    return rates->count > losses->count ? append(losses, NAN) : RF_OK;
}

/* ---- values ---- */

static rf_stop_reason stop_of(const char *word) {
    const char *text;
    for (int i = 0; (text = rf_stop_text((rf_stop_reason)i)) != NULL; i++)
        if (strcmp(word, text) == 0) return (rf_stop_reason)i;
    return RF_STOP_COMPLETED;
}

/* What the document says of the run. */
static void take_known(reader *json, const char *key, double value) {
    if (strcmp(key, "iterations") == 0 && value <= PLANNED_MAX) json->planned = (size_t)value;
    if (strcmp(key, "chance") == 0) json->chance = value;
    if (strcmp(key, "usual_lr") == 0) json->usual_lr = value;
    if (strcmp(key, "training_steps") == 0) json->training_steps = value;
    if (strcmp(key, "epoch_steps") == 0) json->epoch_steps = value;
}

/* A loss of one of several range tests: of "curve": {"runs": [[...], ...]}. */
static bool is_of_run(const path *at) {
    const path *const run = at->parent, *const runs = run ? run->parent : NULL;
    return !at->keyed && is_key(runs, "runs") && is_key(runs->parent, "curve") && run->index < RF_RUNS_MAX;
}

static rf_status take_number(reader *json, const path *at, double value) {
    if (is_of_run(at)) return rf_curve_add_run(&json->runs, at->parent->index, value);
    column *const to = column_of(json, at);
    if (at->keyed && !at->parent->parent && value > 0 && isfinite(value)) take_known(json, at->key, value);
    return to ? append(to, value) : RF_OK;
}

/* Anything but a number or null. */
static rf_status refuse_other(reader *json, const path *at) {
    const column *const to = column_of(json, at);
    if (!to) return RF_OK;
    if (to == &json->columns[RF_ROLE_RATE])
        return rf_fail(RF_E_INPUT, "%s, lr[%zu]: not a number, expected a learning rate", json->name,
                       to->count);
    return rf_fail(RF_E_INPUT, "%s, loss[%zu]: neither a number nor null, expected a loss", json->name,
                   to->count);
}

/* The text of a string, cut to what names need; escapes stay as they are, since no name has any. */
static rf_status read_string(reader *json, char text[KEY_BYTES]) {
    size_t length = 0;
    for (json->at++; *json->at != '"'; json->at++) {
        if (*json->at == '\\' && json->at[1]) json->at++;
        if ((unsigned char)*json->at < ' ') return fail_here(json, "a string without an end");
        if (length < KEY_BYTES - 1) text[length++] = *json->at;
    }
    text[length] = '\0';
    json->at++;
    return RF_OK;
}

static rf_status take_string(reader *json, const path *at) {
    char text[KEY_BYTES];
    RF_TRY(read_string(json, text));
    if (is_key(at, "reason") && is_key(at->parent, "stop")) json->stop = stop_of(text);
    if (is_key(at->parent, "columns") && !at->keyed) { /* which position in each of "data" */
        for (size_t i = 0; at->index == 0 && i < RF_ROLE_COUNT; i++) json->columns[i].position = SIZE_MAX;
        const rf_curve_role role = rf_curve_role_of(text);
        if (role != RF_ROLE_NONE && json->columns[role].position == SIZE_MAX)
            json->columns[role].position = at->index;
    }
    return refuse_other(json, at);
}

static rf_status take_word(reader *json, const path *at) {
    static const struct {
        const char *text;
        double value;
        bool number;
    } words[] = {{"null", NAN, true},          {"NaN", NAN, true},
                 {"Infinity", INFINITY, true}, {"-Infinity", -INFINITY, true},
                 {"true", 1, false},           {"false", 0, false}};
    for (size_t i = 0; i < RF_COUNT(words); i++) {
        const size_t length = strlen(words[i].text);
        if (strncmp(json->at, words[i].text, length) != 0) continue;
        json->at += length;
        return words[i].number ? take_number(json, at, words[i].value) : refuse_other(json, at);
    }
    const size_t length = strspn(json->at, "+-.0123456789eE");
    char *end;
    const double value = strtod(json->at, &end);
    if (length == 0 || end != json->at + length) return fail_here(json, "no JSON value");
    if (isinf(value)) return fail_here(json, "a number too large");
    json->at = end;
    return take_number(json, at, value);
}

static rf_status read_value(reader *json, const path *at, int depth);

/* "name": of the next member. */
static rf_status read_key(reader *json, path *member) {
    if (next(json) != '"') return fail_here(json, "no name in quotes");
    RF_TRY(read_string(json, member->key));
    if (next(json) != ':') return fail_here(json, "no ':' after a name");
    json->at++;
    json->own |= !member->parent->parent && is_key(member, "curve");
    json->root_keys += !member->parent->parent;
    return RF_OK;
}

/* The members of an object or the elements of an array, up to its end. */
static rf_status read_members(reader *json, const path *at, int depth) {
    const bool object = *json->at++ == '{';
    const char end = object ? '}' : ']';
    path member = {.parent = at, .keyed = object};
    if (depth == DEPTH_MAX) return fail_here(json, "too great a depth of nesting");
    for (; next(json) != end || member.index > 0; member.index++) {
        if (object) RF_TRY(read_key(json, &member));
        RF_TRY(read_value(json, &member, depth + 1));
        if (next(json) == end) break;
        if (*json->at != ',') return fail_here(json, object ? "neither ',' nor '}'" : "neither ',' nor ']'");
        json->at++;
    }
    json->at++;
    return object && is_row(at) ? end_row(json) : RF_OK;
}

static rf_status read_value(reader *json, const path *at, int depth) {
    const char first = next(json);
    if (first == '"') return take_string(json, at);
    if (first != '{' && first != '[') return take_word(json, at);
    if (names_column(at))
        RF_TRY(begin_column(json, at));
    else
        RF_TRY(refuse_other(json, at));
    return read_members(json, at, depth);
}

/* ---- the curve ---- */

/* One document, or one object a line. */
static rf_status read_documents(reader *json) {
    const char first = next(json);
    do {
        const path document = {.index = json->documents++};
        RF_TRY(read_value(json, &document, 0));
    } while (first == '{' && next(json) == '{');
    return next(json) == '\0' ? RF_OK : fail_here(json, "more behind the end");
}

/* Lightning's ladder leaves out its second step: the first gap is twice as wide as those that follow. */
static bool skips_second(const double *lr, size_t count) {
    if (count < 4) return false;
    const double linear[] = {lr[1] - lr[0], lr[2] - lr[1], lr[3] - lr[2]};
    const double exponential[] = {log(lr[1] / lr[0]), log(lr[2] / lr[1]), log(lr[3] / lr[2])};
    for (const double *gap = linear;; gap = exponential) {
        const double tolerance = 1e-3 * fabs(gap[1]);
        if (fabs(gap[0] - 2 * gap[1]) <= tolerance && fabs(gap[2] - gap[1]) <= tolerance) return gap[1] > 0;
        if (gap == exponential) return false;
    }
}

/* What its names, and the steps of its rates, say of who wrote it: pytorch-lr-finder's history and Lightning's
 * results have two arrays and nothing else. */
static rf_smoothing smoothing_of(const reader *json) {
    const column *const rates = &json->columns[RF_ROLE_RATE], *const losses = &json->columns[RF_ROLE_LOSS];
    if (json->own || json->documents > 1 || !rates->array || !losses->array || rates->by_row)
        return RF_SMOOTHING_NONE;
    if (strcmp(rates->name, "lrs") == 0 && strcmp(losses->name, "losses") == 0) return RF_SMOOTHING_FASTAI;
    if (json->root_keys != 2 || strcmp(rates->name, "lr") != 0 || strcmp(losses->name, "loss") != 0)
        return RF_SMOOTHING_NONE;
    return skips_second(rates->values, rates->count) ? RF_SMOOTHING_LIGHTNING : RF_SMOOTHING_PYTORCH;
}

/* The builder takes the columns' memory: point i is read before it is written, at or before its index. */
static rf_status build(rf_curve_builder *builder, reader *json) {
    column *const rates = &json->columns[RF_ROLE_RATE], *const losses = &json->columns[RF_ROLE_LOSS];
    const size_t count = rates->count;
    if (count != losses->count)
        return rf_fail(RF_E_INPUT, "%s: %zu learning rates but %zu losses; expected as many of each",
                       json->name, count, losses->count);
    *builder = (rf_curve_builder){.lr = rates->values,
                                  .loss = losses->values,
                                  .capacity = RF_MIN(rates->capacity, losses->capacity),
                                  .smoothing = smoothing_of(json),
                                  .stop = json->stop,
                                  .chance = json->chance,
                                  .usual_lr = json->usual_lr,
                                  .training_steps = json->training_steps,
                                  .epoch_steps = json->epoch_steps,
                                  .runs = json->runs};
    json->runs = (rf_curve_runs){0};
    rates->values = losses->values = NULL;
    for (size_t i = 0; i < count; i++) {
        char where[320];
        snprintf(where, sizeof where, "%.280s, index %zu", json->name, i);
        RF_TRY(rf_curve_add_row(builder, builder->lr[i], builder->loss[i], where));
    }
    if (json->planned > builder->count) builder->ended = json->planned - builder->count;
    return RF_OK;
}

rf_status rf_curve_read_json(rf_curve_builder *builder, const char *text, const char *name) {
    reader json = {.name = name, .text = text, .at = text};
    for (size_t i = 0; i < RF_ROLE_COUNT; i++) json.columns[i].position = i;
    rf_status status = read_documents(&json);
    for (size_t i = 0; i < RF_ROLE_COUNT && status == RF_OK; i++)
        if (!json.columns[i].array && json.columns[i].count == 0)
            status = rf_fail(RF_E_INPUT, "%s: no array \"%s\"; expected {\"lr\": [...], \"loss\": [...]}",
                             name, i == RF_ROLE_RATE ? "lr" : "loss");
    if (status == RF_OK) status = build(builder, &json);
    for (size_t i = 0; i < RF_ROLE_COUNT; i++) free(json.columns[i].values);
    rf_curve_runs_free(&json.runs);
    return status;
}
