/* Things that are written as a name and options: "adamw betas=0.9,0.95 weight_decay=0.1".  Each kind of thing has a table of
 * kinds, each kind a table of options, which the library's text, the command line, its help and checks, reports and saved
 * states read. */
#ifndef RF_BASE_SPEC_H
#define RF_BASE_SPEC_H

#include "base/base.h"

typedef struct rf_spec_option {
    const char *name; /* "weight_decay" */
    int count; /* numbers: 1, or 2 ("betas"); 0: a switch, whose number is 0 or 1; RF_SPEC_LIST: 1 and more */
    double def[2];
    double low, high; /* included */
} rf_spec_option;
enum { RF_SPEC_LIST = -1 }; /* at most one option of a kind, and its last */

typedef struct rf_spec_kind {
    const char *name, *summary;
    const rf_spec_option
        *options; /* ended by name NULL; their numbers lie one behind the other in `o` below */
    rf_status (*check)(const double *o,
                       size_t count); /* of several options together; NULL: nothing to check */
} rf_spec_kind;

typedef struct rf_spec {
    const rf_spec_kind *kind;
    double *o; /* owned */
    size_t count;
} rf_spec;

/* Reads a name and options, of which the last counts; '-' is taken for '_'.  what: "optimizer", for messages; kinds: ended by
 * NULL.  Errors: RF_E_USAGE with what there is, the option and its range, or that it has no effect. */
rf_status rf_spec_parse(rf_spec *out, const char *text, const char *what, const rf_spec_kind *const *kinds);
void rf_spec_release(rf_spec *spec);
/* Whether a text that parses gives this option, rather than leave it to its default. */
bool rf_spec_gives(const char *text, const char *option);
/* How many numbers an option has by default. */
static inline int rf_spec_numbers(const rf_spec_option *option) {
    return option->count == 2 ? 2 : 1;
}
/* The numbers of an option as parse reads them. */
void rf_spec_add_value(rf_str *text, const double *numbers, int count);
/* The name and every option, as parse reads them. */
void rf_spec_add_text(rf_str *text, const rf_spec *spec);

#endif
