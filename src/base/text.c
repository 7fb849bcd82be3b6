/* Untrusted text: names of files, classes, layers and devices, which may hold any byte. */
#include "base/base.h"

#include <string.h>

bool rf_utf8_continues(char byte) {
    return (byte & 0xC0) == 0x80;
}

/* Overlong forms, surrogates and codes past U+10FFFF are not valid (Unicode 15, table 3-7). */
size_t rf_utf8_next(uint32_t *code, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    const size_t length = at[0] < 0x80                    ? 1
                          : at[0] >= 0xC2 && at[0] < 0xE0 ? 2
                          : at[0] >= 0xE0 && at[0] < 0xF0 ? 3
                          : at[0] >= 0xF0 && at[0] < 0xF5 ? 4
                                                          : 0;
    uint32_t value = length < 2 ? at[0] : at[0] & (0x7Fu >> length);
    bool valid = length > 0;
    for (size_t i = 1; valid && i < length; i++) {
        valid = rf_utf8_continues(text[i]);
        value = value << 6 | (at[i] & 0x3Fu);
    }
    if ((length == 3 && (value < 0x800 || (value >= 0xD800 && value < 0xE000))) ||
        (length == 4 && (value < 0x10000 || value > 0x10FFFF)))
        valid = false;
    *code = valid ? value : RF_NOT_UTF8;
    return valid ? length : 1;
}

bool rf_code_printable(uint32_t code) {
    static const struct {
        uint32_t first, last;
    } refused[] = {
        {0, 0x1F},
        {0x7F, 0x9F}, /* C0, DEL, C1: terminals obey them */
        {0x2028, 0x2029},
        {0x202A, 0x202E}, /* ends of lines; text reordered */
        {0x2066, 0x2069},
        {0xFDD0, 0xFDEF}, /* text reordered; no characters */
        {0x110000, UINT32_MAX},
    };
    for (size_t i = 0; i < RF_COUNT(refused); i++)
        if (code >= refused[i].first && code <= refused[i].last) return false;
    return (code & 0xFFFE) != 0xFFFE; /* no characters, nor XML's */
}

void rf_make_printable(char *text) {
    char *to = text;
    uint32_t code;
    for (size_t length; *text != '\0'; text += length) {
        length = rf_utf8_next(&code, text);
        if (rf_code_printable(code)) {
            memmove(to, text, length);
            to += length;
        } else
            *to++ = code == '\t' || code == '\n' || code == '\r' ? ' ' : '?';
    }
    *to = '\0';
}

char *rf_printable(const char *text) {
    char *copy = rf_strdup(text);
    if (copy != NULL) rf_make_printable(copy);
    return copy;
}
