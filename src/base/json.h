/* JSON: a writer with sticky errors, which its end reports; and a reader. */
#ifndef RF_BASE_JSON_H
#define RF_BASE_JSON_H

#include <jansson.h>

#include "base/base.h"

enum { RF_JSON_DEPTH = 8 };

/* Starts as {0}.  The root's members stand on lines of their own, and so do containers in an array of the root. */
typedef struct rf_json {
    rf_str text;
    bool flat; /* all of it on one line */
    int depth;
    struct {
        char closing;
        bool filled, lines; /* has a member; has one on a line of its own */
    } levels[RF_JSON_DEPTH];
} rf_json;

/* Each adds a member to the innermost object, or an element, with key NULL, to the innermost array. */
void rf_json_open(rf_json *json, const char *key, char bracket); /* '{' or '[' */
void rf_json_close(rf_json *json);
/* NULL becomes null.  Bytes that are not UTF-8 become '?'; what is not printable is escaped. */
void rf_json_string(rf_json *json, const char *key, const char *value);
void rf_json_count(rf_json *json, const char *key, uint64_t value);
void rf_json_number(rf_json *json, const char *key, double value); /* null where it is not finite */
void rf_json_numbers(rf_json *json, const char *key, const double *values, size_t count); /* an array */
void rf_json_bool(rf_json *json, const char *key, bool value);
void rf_json_null(rf_json *json, const char *key);

/* Closes what is open: json->text is the document, if nothing failed. */
rf_status rf_json_end(rf_json *json);
/* The same, writes it (path "-" is stdout) and frees it, in any case. */
rf_status rf_json_write(rf_json *json, const char *path);

/* Reads a document by jansson, in at most some 25 times its size.  Errors: RF_E_INPUT, with the place, or more values
 * than that would hold; RF_E_MEMORY, which jansson itself mostly takes for a fault of the text. */
rf_status rf_json_parse(json_t **out, const char *text, size_t length);

#endif
