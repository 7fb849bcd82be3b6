/* The string builder. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(rf_str *str, size_t more) {
    if (str->failed) return false;
    if (more > PTRDIFF_MAX - str->length - 1) return !(str->failed = true);
    if (str->length + more + 1 <= str->capacity) return true;
    size_t capacity = RF_MAX(str->capacity * 2, str->length + more + 1);
    char *data = rf_resize(str->data, capacity, 1);
    if (data == NULL) return !(str->failed = true);
    str->data = data;
    str->capacity = capacity;
    return true;
}

void rf_str_add_bytes(rf_str *str, const void *bytes, size_t length) {
    if (!reserve(str, length)) return;
    if (length > 0) memcpy(str->data + str->length, bytes, length);
    str->length += length;
    str->data[str->length] = '\0';
}

void rf_str_add(rf_str *str, const char *text) {
    rf_str_add_bytes(str, text, strlen(text));
}

void rf_str_addf(rf_str *str, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0) str->failed = true;
    if (length >= 0 && reserve(str, (size_t)length)) {
        vsnprintf(str->data + str->length, (size_t)length + 1, format, again);
        str->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void rf_str_add_number(rf_str *str, double value) {
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    char *point = text + strspn(text, "-0123456789");
    size_t length = strcspn(point, "0123456789einf"); /* of the locale's decimal point */
    if (length > 0) {
        memmove(point + 1, point + length, strlen(point + length) + 1);
        *point = '.';
    }
    rf_str_add(str, value == value ? text : "nan"); /* not "-nan" */
}

rf_status rf_str_status(const rf_str *str) {
    return str->failed
               ? rf_fail(RF_E_MEMORY, "out of memory: a text of %zu bytes could not grow", str->length)
               : RF_OK;
}

const char *rf_str_text(const rf_str *str) {
    return str->data != NULL ? str->data : "";
}

void rf_str_free(rf_str *str) {
    free(str->data);
    *str = (rf_str){0};
}
