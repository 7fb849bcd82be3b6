/* What a sweep runs: every combination of the values of its --vary options, each a command line of `find`. */
#ifndef RF_TOOLS_VARIATIONS_H
#define RF_TOOLS_VARIATIONS_H

#include "command.h"

typedef struct rf_variation {
    const rf_option *row;
    char *text; /* owned: what the values point into */
    const char **values;
    size_t count;
} rf_variation;

/* All owned, but the values themselves. */
typedef struct rf_combination {
    const char **values; /* of each variation */
    char **words;        /* "rangefinder", "find", "--batch=32"; ended by NULL */
    int word_count;
    char *command; /* the words as a shell takes them */
    char *label;   /* "batch=32 optimizer=sgd" */
    char *file;    /* "batch=32,optimizer=sgd.json" */
} rf_combination;

typedef struct rf_variations {
    rf_variation *all;
    size_t count;
    rf_combination *combinations; /* the last variation's value changes first */
    size_t combination_count;
} rf_variations;

/* Reads "NAME=VALUE,..." (or VALUE;... where values have commas).  tables: the options that can be varied; settings: what
 * else was given, which all combinations have.  Errors: RF_E_USAGE, with what there is. */
rf_status rf_variations_read(rf_variations *out, const rf_texts *texts, const rf_option_table *tables,
                             const rf_settings *settings);
void rf_variations_release(rf_variations *variations);

#endif
