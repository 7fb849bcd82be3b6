/* Reads a curve that someone recorded: CSV with or without a header, or JSON. Nothing in a file may crash or
 * hang us: its size and its nesting are limited, and every refusal names the place. */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "finder/curve.h"

enum { FILE_LIMIT_BYTES = 64 << 20, FIELDS_MAX = 64, PLANNED_MAX = 1000000 };

static char *skip_blanks(char *text) {
    while (*text && isspace((unsigned char)*text)) text++;
    return text;
}

/* Cuts blanks and quotes off both ends, in place. */
static char *trim(char *text) {
    text += strspn(text, " \t\r\"'");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\"'", text[length - 1])) length--;
    text[length] = '\0';
    return text;
}

/* ---- CSV ---- */

typedef struct csv_layout {
    char separator; /* ' ' stands for any blanks */
    size_t lr, loss;
} csv_layout;

static size_t split(char **fields, char *line, char separator) {
    size_t count = 0;
    char blanks[] = " \t", single[] = {separator, '\0'};
    if (separator == ' ') line = trim(line);
    while (line && count < FIELDS_MAX) {
        if (separator == ' ') line += strspn(line, blanks);
        char *const field = strsep(&line, separator == ' ' ? blanks : single);
        fields[count++] = trim(field);
    }
    return count;
}

/* Words that writers of CSV use for a loss that is not a number. */
static bool is_missing(const char *text) {
    static const char *const words[] = {"", "null", "none", "na", "n/a"};
    for (size_t i = 0; i < RF_COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0) return true;
    return false;
}

static bool parse_number(double *out, char *text, char separator) {
    char *comma = separator == ';' ? strchr(text, ',') : NULL; /* "0,001;2,3" as spreadsheets write it */
    if (comma) *comma = '.';
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

static bool is_named(const char *field, const char *const *names) {
    for (; *names; names++)
        if (strcasecmp(field, *names) == 0) return true;
    return false;
}

/* A first line whose first field is no number names the columns. */
static rf_status read_header(csv_layout *layout, char **fields, size_t count, const char *where) {
    static const char *const rates[] = {"lr", "learning_rate", "learning rate", "rate", "lrs", NULL};
    static const char *const losses[] = {"loss", "train_loss", "training loss", "losses", NULL};
    layout->lr = layout->loss = SIZE_MAX;
    for (size_t i = count; i-- > 0;) {
        if (is_named(fields[i], rates)) layout->lr = i;
        if (is_named(fields[i], losses)) layout->loss = i;
    }
    if (layout->lr == SIZE_MAX || layout->loss == SIZE_MAX)
        return rf_fail(RF_E_INPUT, "%s: the header names no column '%s'; expected lr,loss", where,
                       layout->lr == SIZE_MAX ? "lr" : "loss");
    return RF_OK;
}

static char find_separator(const char *line) {
    for (const char *candidate = ";,\t"; *candidate; candidate++)
        if (strchr(line, *candidate)) return *candidate;
    return ' ';
}

static rf_status read_row(rf_curve_builder *builder, const csv_layout *layout, char **fields, size_t count,
                          const char *where) {
    double lr, loss;
    if (count <= layout->lr || count <= layout->loss)
        return rf_fail(RF_E_INPUT, "%s: %zu column%s, expected lr,loss", where, count, count == 1 ? "" : "s");
    char *const rate = fields[layout->lr], *const value = fields[layout->loss];
    if (!parse_number(&lr, rate, layout->separator))
        return rf_fail(RF_E_INPUT, "%s: '%.40s' is no learning rate, expected a positive number", where,
                       rate);
    if (is_missing(value))
        loss = NAN;
    else if (!parse_number(&loss, value, layout->separator))
        return rf_fail(RF_E_INPUT, "%s: '%.40s' is no loss, expected a number", where, value);
    return rf_curve_add(builder, lr, loss, where);
}

static rf_status read_csv(rf_curve_builder *builder, char *text, const char *name) {
    csv_layout layout = {0};
    char *fields[FIELDS_MAX];
    for (size_t number = 1; text; number++) {
        char *const line = strsep(&text, "\n"), *const content = skip_blanks(line);
        if (*content == '\0' || *content == '#') continue;
        char where[320];
        snprintf(where, sizeof where, "%.280s, line %zu", name, number);
        const bool first = layout.separator == '\0';
        if (first) layout = (csv_layout){.separator = find_separator(line), .lr = 0, .loss = 1};
        const size_t count = split(fields, line, layout.separator);
        if (first) {
            double ignored;
            char copy[64];
            snprintf(copy, sizeof copy, "%s", fields[0]);
            if (!parse_number(&ignored, copy, layout.separator) && isalpha((unsigned char)*copy)) {
                RF_TRY(read_header(&layout, fields, count, where));
                continue;
            }
        }
        RF_TRY(read_row(builder, &layout, fields, count, where));
    }
    return RF_OK;
}

/* ---- JSON ---- */

/* Python writes NaN and Infinity, which JSON does not know: they become null. */
static rf_status replace_nonfinite(rf_str *out, const char *text) {
    static const char *const words[] = {"NaN", "-Infinity", "Infinity"};
    const char *copied = text, *at = text;
    for (bool quoted = false; *at; at++) {
        if (quoted && *at == '\\' && at[1]) {
            at++;
            continue;
        }
        if (*at == '"') quoted = !quoted;
        for (size_t i = 0; i < RF_COUNT(words) && !quoted; i++) {
            const size_t length = strlen(words[i]);
            if (strncmp(at, words[i], length) != 0) continue;
            rf_str_add_bytes(out, copied, (size_t)(at - copied));
            rf_str_add(out, "null");
            copied = at + length;
            at = copied - 1;
            break;
        }
    }
    rf_str_add(out, copied);
    return out->failed ? RF_E_MEMORY : RF_OK;
}

static rf_status read_point(rf_curve_builder *builder, const json_t *lr, const json_t *loss, size_t i,
                            const char *name) {
    char where[320];
    snprintf(where, sizeof where, "%.280s, lr[%zu]", name, i);
    if (!json_is_number(lr)) return rf_fail(RF_E_INPUT, "%s: not a number, expected a learning rate", where);
    snprintf(where, sizeof where, "%.280s, loss[%zu]", name, i);
    if (!json_is_number(loss) && !json_is_null(loss))
        return rf_fail(RF_E_INPUT, "%s: neither a number nor null, expected a loss", where);
    snprintf(where, sizeof where, "%.280s, index %zu", name, i);
    return rf_curve_add(builder, json_number_value(lr), json_is_null(loss) ? NAN : json_number_value(loss),
                        where);
}

static rf_status read_json(rf_curve_builder *builder, const char *text, const char *name) {
    rf_str clean = {0};
    json_t *root = NULL;
    json_error_t error;
    rf_status status = replace_nonfinite(&clean, text);
    if (status != RF_OK) goto done;
    root = json_loads(rf_str_text(&clean), JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        status = rf_fail(RF_E_INPUT, "%s, line %d, column %d: %s; expected {\"lr\": [...], \"loss\": [...]}",
                         name, error.line, error.column, error.text);
        goto done;
    }
    const json_t *const curve = json_object_get(root, "curve"), *const holder = curve ? curve : root;
    const json_t *const lr = json_object_get(holder, "lr"), *const loss = json_object_get(holder, "loss");
    if (!json_is_array(lr) || !json_is_array(loss)) {
        status = rf_fail(RF_E_INPUT, "%s: no array \"%s\"; expected {\"lr\": [...], \"loss\": [...]}", name,
                         json_is_array(lr) ? "loss" : "lr");
        goto done;
    }
    if (json_array_size(lr) != json_array_size(loss)) {
        status = rf_fail(RF_E_INPUT, "%s: %zu learning rates but %zu losses; expected as many of each", name,
                         json_array_size(lr), json_array_size(loss));
        goto done;
    }
    for (size_t i = 0; i < json_array_size(lr) && status == RF_OK; i++)
        status = read_point(builder, json_array_get(lr, i), json_array_get(loss, i), i, name);
    /* Our own files also tell how many steps were planned. */
    const json_int_t planned = json_integer_value(json_object_get(root, "iterations"));
    if (planned > (json_int_t)builder->count && planned <= PLANNED_MAX)
        builder->ended = (size_t)planned - builder->count;
done:
    json_decref(root);
    rf_str_free(&clean);
    return status;
}

rf_status rf_curve_read(rf_curve **out, const char *path) {
    void *data = NULL;
    size_t length;
    rf_curve_builder builder = {0};
    const char *const name = strcmp(path, "-") == 0 ? "stdin" : path;
    *out = NULL;
    rf_status status =
        rf_file_read(&data, &length, strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_LIMIT_BYTES);
    if (status != RF_OK) goto done;
    if (memchr(data, '\0', length)) {
        status = rf_fail(RF_E_INPUT, "%s: not a text file; expected CSV (lr,loss) or JSON", name);
        goto done;
    }
    char *text = data;
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3;
    const char first = *skip_blanks(text);
    status = first == '{' || first == '[' ? read_json(&builder, text, name) : read_csv(&builder, text, name);
    if (status == RF_OK) status = rf_curve_finish(out, &builder, name);
done:
    rf_curve_builder_free(&builder);
    free(data);
    return status;
}
