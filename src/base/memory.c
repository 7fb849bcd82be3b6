/* Checked allocation, formatted strings, and the nearest word for "did you mean". */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool too_large(size_t count, size_t size) {
    return size != 0 && count > PTRDIFF_MAX / size;
}

static void *no_memory(size_t count, size_t size) {
    rf_fail(RF_E_MEMORY, "out of memory: %zu times %zu bytes could not be had", count, size);
    return NULL;
}

void *rf_alloc(size_t count, size_t size) {
    void *data = too_large(count, size) ? NULL : calloc(RF_MAX(count, 1), RF_MAX(size, 1));
    return data != NULL ? data : no_memory(count, size);
}

void *rf_resize(void *old, size_t count, size_t size) {
    void *data = too_large(count, size) ? NULL : realloc(old, RF_MAX(count * size, 1));
    return data != NULL ? data : no_memory(count, size);
}

char *rf_strdup(const char *text) {
    size_t length = strlen(text) + 1;
    char *copy = rf_alloc(length, 1);
    if (copy != NULL) memcpy(copy, text, length);
    return copy;
}

char *rf_format(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? no_memory(1, 1) : rf_alloc((size_t)length + 1, 1);
    if (text != NULL) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

const char *rf_bytes_text(char text[32], double bytes) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < RF_COUNT(units); unit++) bytes /= 1024;
    snprintf(text, 32, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return text;
}

/* Optimal string alignment distance: insert, delete, replace, swap neighbours. */
static size_t edit_distance(const char *a, const char *b, size_t na, size_t nb) {
    enum { LIMIT = 40 };
    size_t d[3][LIMIT + 1];
    if (na > LIMIT || nb > LIMIT) return LIMIT;
    for (size_t j = 0; j <= nb; j++) d[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            bool same = strncasecmp(&a[i - 1], &b[j - 1], 1) == 0;
            row[j] = RF_MIN(RF_MIN(row[j - 1], up[j]) + 1, up[j - 1] + !same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = RF_MIN(row[j], up2[j - 2] + 1);
        }
    }
    return d[na % 3][nb];
}

const char *rf_nearest(const char *word, const char *const *words, size_t count) {
    const char *best = NULL;
    size_t length = strlen(word), best_distance = length / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(words[i]);
        size_t distance = edit_distance(word, words[i], length, n);
        if (length >= 3 && strncasecmp(word, words[i], length) == 0) distance = 0;
        if (distance < best_distance && distance < n) best = words[i], best_distance = distance;
    }
    return best;
}
