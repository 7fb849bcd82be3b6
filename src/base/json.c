/* Writing and reading JSON. */
#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static void add_string(rf_str *out, const char *text) {
    uint32_t code;
    rf_str_add(out, "\"");
    for (size_t length; *text != '\0'; text += length) {
        length = rf_utf8_next(&code, text);
        if (code == RF_NOT_UTF8)
            rf_str_add(out, "?");
        else if (code == '"' || code == '\\')
            rf_str_addf(out, "\\%c", (char)code);
        else if (rf_code_printable(code))
            rf_str_add_bytes(out, text, length);
        else if (code < 0x10000)
            rf_str_addf(out, "\\u%04x", (unsigned)code);
        else
            rf_str_addf(out, "\\u%04x\\u%04x", 0xD800u + ((unsigned)code - 0x10000u) / 0x400u,
                        0xDC00u + (unsigned)code % 0x400u);
    }
    rf_str_add(out, "\"");
}

static void begin_value(rf_json *json, const char *key, bool container) {
    if (json->depth == 0) return;
    const bool line = !json->flat && (json->depth == 1 || (json->depth == 2 && key == NULL && container));
    bool *filled = &json->levels[json->depth - 1].filled;
    if (*filled) rf_str_add(&json->text, line ? "," : ", ");
    if (line) rf_str_addf(&json->text, "\n%*s", 2 * json->depth, "");
    if (key != NULL) {
        add_string(&json->text, key);
        rf_str_add(&json->text, ": ");
    }
    *filled = true;
    json->levels[json->depth - 1].lines |= line;
}

void rf_json_open(rf_json *json, const char *key, char bracket) {
    begin_value(json, key, true);
    rf_str_add_bytes(&json->text, &bracket, 1);
    if (json->depth == RF_JSON_DEPTH) {
        json->text.failed = true;
        return;
    }
    json->levels[json->depth].closing = bracket == '{' ? '}' : ']';
    json->levels[json->depth].filled = json->levels[json->depth].lines = false;
    json->depth++;
}

void rf_json_close(rf_json *json) {
    if (json->depth == 0) return;
    json->depth--;
    if (json->levels[json->depth].lines) rf_str_addf(&json->text, "\n%*s", 2 * json->depth, "");
    rf_str_add_bytes(&json->text, &json->levels[json->depth].closing, 1);
}

void rf_json_string(rf_json *json, const char *key, const char *value) {
    if (value == NULL) {
        rf_json_null(json, key);
        return;
    }
    begin_value(json, key, false);
    add_string(&json->text, value);
}

void rf_json_count(rf_json *json, const char *key, uint64_t value) {
    begin_value(json, key, false);
    rf_str_addf(&json->text, "%llu", (unsigned long long)value);
}

/* A whole number gets ".0", so that typed readers always see the same type. */
void rf_json_number(rf_json *json, const char *key, double value) {
    if (!isfinite(value)) {
        rf_json_null(json, key);
        return;
    }
    begin_value(json, key, false);
    const size_t start = json->text.length;
    rf_str_add_number(&json->text, value);
    if (!json->text.failed && strpbrk(json->text.data + start, ".e") == NULL) rf_str_add(&json->text, ".0");
}

void rf_json_numbers(rf_json *json, const char *key, const double *values, size_t count) {
    rf_json_open(json, key, '[');
    for (size_t i = 0; i < count; i++) rf_json_number(json, NULL, values[i]);
    rf_json_close(json);
}

void rf_json_bool(rf_json *json, const char *key, bool value) {
    begin_value(json, key, false);
    rf_str_add(&json->text, value ? "true" : "false");
}

void rf_json_null(rf_json *json, const char *key) {
    begin_value(json, key, false);
    rf_str_add(&json->text, "null");
}

rf_status rf_json_end(rf_json *json) {
    while (json->depth > 0) rf_json_close(json);
    return rf_str_status(&json->text);
}

rf_status rf_json_write(rf_json *json, const char *path) {
    (void)rf_json_end(json); /* a failure is sticky */
    rf_str_add(&json->text, "\n");
    rf_status status = rf_str_status(&json->text);
    if (status == RF_OK) status = rf_file_write(path, json->text.data, json->text.length);
    rf_str_free(&json->text);
    return status;
}

/* ---- reading ---- */

enum { MAX_DEPTH = 2048 }; /* as jansson's */

/* Syntax alone (RFC 8259): each moves *at past what it is named for; false where that is missing. */

static bool skip_value(const char **at, const char *end, int depth);

static void skip_blanks(const char **at, const char *end) {
    while (*at < end && strchr(" \t\r\n", **at) != NULL && **at != '\0') ++*at;
}

static bool skip_char(const char **at, const char *end, char wanted) {
    skip_blanks(at, end);
    if (*at == end || **at != wanted) return false;
    ++*at;
    return true;
}

static bool skip_string(const char **at, const char *end) {
    if (!skip_char(at, end, '"')) return false;
    for (; *at < end && **at != '"'; ++*at) {
        if ((unsigned char)**at < 0x20) return false;
        if (**at != '\\') continue;
        if (++*at == end || strchr("\"\\/bfnrtu", **at) == NULL || **at == '\0') return false;
        for (int i = 0; **at == 'u' && i < 4; i++)
            if (*at + 1 + i >= end || !isxdigit((unsigned char)(*at)[1 + i])) return false;
    }
    return skip_char(at, end, '"');
}

static bool skip_digits(const char **at, const char *end) {
    const char *start = *at;
    while (*at < end && isdigit((unsigned char)**at)) ++*at;
    return *at > start;
}

static bool skip_number(const char **at, const char *end) {
    if (*at < end && **at == '-') ++*at;
    if (*at < end && **at == '0')
        ++*at;
    else if (!skip_digits(at, end))
        return false;
    if (*at < end && **at == '.' && (++*at, !skip_digits(at, end))) return false;
    if (*at == end || (**at != 'e' && **at != 'E')) return true;
    ++*at;
    if (*at < end && (**at == '+' || **at == '-')) ++*at;
    return skip_digits(at, end);
}

static bool skip_container(const char **at, const char *end, int depth, bool object) {
    const char closing = object ? '}' : ']';
    ++*at;
    if (skip_char(at, end, closing)) return true;
    do
        if ((object && (!skip_string(at, end) || !skip_char(at, end, ':'))) ||
            !skip_value(at, end, depth - 1))
            return false;
    while (skip_char(at, end, ','));
    return skip_char(at, end, closing);
}

static bool skip_value(const char **at, const char *end, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    skip_blanks(at, end);
    if (*at == end || depth == 0) return false;
    if (**at == '{' || **at == '[') return skip_container(at, end, depth, **at == '{');
    if (**at == '"') return skip_string(at, end);
    for (size_t i = 0; i < RF_COUNT(words); i++) {
        const size_t length = strlen(words[i]);
        if ((size_t)(end - *at) >= length && memcmp(*at, words[i], length) == 0) {
            *at += length;
            return true;
        }
    }
    return skip_number(at, end);
}

/* An object or an array, as jansson wants it. */
static bool is_json(const char *text, size_t length) {
    const char *at = text, *end = text + length;
    skip_blanks(&at, end);
    const bool whole = at < end && strchr("{[", *at) != NULL && skip_value(&at, end, MAX_DEPTH);
    skip_blanks(&at, end);
    return whole && at == end;
}

/* About what jansson allocates for a text: an object has a hash table, an array room for eight. */
static double tree_bytes(const char *text, size_t length) {
    double bytes = 0;
    bool quoted = false;
    for (const char *at = text, *end = text + length; at < end; at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (quoted)
            at += *at == '\\'; /* and what it escapes */
        else
            bytes += *at == '{' ? 300 : *at == '[' ? 110 : *at == ':' ? 80 : *at == ',' ? 40 : 0;
    }
    return bytes;
}

/* An entry of a safetensors header takes 11 times its size, "{},{},{}" some 80 times. */
enum { SMALL_TREE = 1 << 20, TREE_FACTOR = 24 };

static rf_status lacks_memory(size_t length) {
    return rf_fail(RF_E_MEMORY, "out of memory: a JSON document of %zu bytes cannot be read", length);
}

static rf_status load(json_t **out, const char *text, size_t length) {
    json_error_t error = {0}; /* jansson itself leaves the code unset where it knows nothing */
    *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (*out != NULL) return RF_OK;
    const enum json_error_code code = json_error_code(&error);
    const bool vague = code == json_error_unknown ||
                       (code == json_error_invalid_syntax && strstr(error.text, "nicode") == NULL);
    if (code == json_error_out_of_memory || (vague && is_json(text, length))) return lacks_memory(length);
    return rf_fail(RF_E_INPUT, "byte %d: %s", error.position, error.text);
}

/* Where jansson (2.14, lex_save) has no memory for the rest of a name or a number, it goes on without a character.  Two readings
 * that differ show that; of large documents it would take too much memory. */
enum { SMALL_DOCUMENT = 1 << 20 };

rf_status rf_json_parse(json_t **out, const char *text, size_t length) {
    *out = NULL;
    if (tree_bytes(text, length) > SMALL_TREE + TREE_FACTOR * (double)length)
        return rf_fail(RF_E_INPUT, "more values than a file of %zu bytes should have", length);
    RF_TRY(load(out, text, length));
    if (length > SMALL_DOCUMENT) return RF_OK;
    json_t *again;
    rf_status status = load(&again, text, length);
    if (status == RF_OK && !json_equal(*out, again)) status = lacks_memory(length);
    json_decref(again);
    if (status == RF_OK) return RF_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}
