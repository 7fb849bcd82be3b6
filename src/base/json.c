/* The JSON writer. */
#include "base/json.h"

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
    const bool line = json->depth == 1 || (json->depth == 2 && key == NULL && container);
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

/* A whole number gets ".0", so that readers with types see the same type at all times. */
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

rf_status rf_json_write(rf_json *json, const char *path) {
    while (json->depth > 0) rf_json_close(json);
    rf_str_add(&json->text, "\n");
    rf_status status = rf_str_status(&json->text);
    if (status == RF_OK) status = rf_file_write(path, json->text.data, json->text.length);
    rf_str_free(&json->text);
    return status;
}
