/* Options by a table: the same rows drive parsing (over getopt_long), --help, the manual page and shell
 * completion. */
#ifndef RF_TOOLS_OPT_H
#define RF_TOOLS_OPT_H

#include "base/base.h"
#include "rangefinder/report.h"

typedef struct rf_option rf_option;

/* Reads `text` into *target; messages start with the option's name and say what was expected. */
typedef rf_status rf_option_parse(void *target, const rf_option *option, const char *text);

struct rf_option {
    const char *name, *metavar; /* metavar NULL: a flag, which takes no value */
    const char *help;           /* behind a colon at its end the choices are listed */
    const char *def; /* parsed like a given value before the command line is; NULL: the target stays zero */
    const char *missing; /* the value where none follows; NULL: then it is an error */
    rf_option_parse *parse;
    size_t offset;   /* of the target within the command's arguments */
    double min, max; /* of numbers, both included */
    const char *const *(*choices)(
        void);   /* what a value may be, or (for completion) begins with; ended by NULL */
    bool files;  /* the value is a path: for completion */
    char letter; /* of the short form, -b; 0: there is none */
};
#define RF_OPT_END                                                                                           \
    { .name = NULL }

/* A table whose options are read into a struct that lies at `offset` within the target. */
typedef struct rf_option_table {
    const rf_option *rows; /* ended by RF_OPT_END */
    size_t offset;
    bool everywhere; /* of every command: none of its settings */
} rf_option_table;

/* A comma list of numbers; owned. */
typedef struct rf_numbers {
    double *values;
    size_t count;
} rf_numbers;

enum { RF_MAX_REPEATS = 32 };
/* The values of an option that may be repeated; borrowed from argv. */
typedef struct rf_texts {
    const char *values[RF_MAX_REPEATS];
    size_t count;
} rf_texts;

/* A size: "32" or "24x32" (height x width). */
typedef struct rf_size {
    int height, width;
} rf_size;

/* The shape of an image: "3x32x32" (channels x height x width). */
typedef struct rf_maps {
    int channels, height, width;
} rf_maps;

rf_option_parse rf_opt_flag;    /* bool */
rf_option_parse rf_opt_text;    /* const char *, not empty; borrowed from argv */
rf_option_parse rf_opt_texts;   /* rf_texts: repeatable */
rf_option_parse rf_opt_choice;  /* const char *, one of choices() */
rf_option_parse rf_opt_int;     /* int within [min, max] */
rf_option_parse rf_opt_seed;    /* uint64_t */
rf_option_parse rf_opt_number;  /* double within [min, max] */
rf_option_parse rf_opt_numbers; /* rf_numbers, each within [min, max]; the caller frees values */
rf_option_parse rf_opt_size;    /* rf_size, both within [min, max] */
rf_option_parse rf_opt_bytes;   /* uint64_t within [min, max]: 4G, 512M */
rf_option_parse rf_opt_maps;    /* rf_maps, all within [min, max] */

/* Reads a finite number with nothing behind it. */
bool rf_parse_number(double *out, const char *text);

/* Every option in effect, what was given, else its default. */
typedef struct rf_settings {
    rf_setting *rows; /* owned, with their values */
    size_t count;
    rf_str given; /* "\nbatch\nlr\n": the names of those that are no defaults */
} rf_settings;
bool rf_settings_given(const rf_settings *settings, const char *name);
/* Replaces the value of that name, or adds a row. */
rf_status rf_settings_set(rf_settings *settings, const char *name, const char *value);
rf_status rf_settings_add(rf_settings *settings, const char *name, const char *value);
void rf_settings_free(rf_settings *settings);

/* Parses argv (argv[0] is the command's name) by tables, ended by rows NULL, into `target`: first every default, then
 * what was given.  Of options given twice the last counts.  *operands becomes the index of the first word that is no
 * option; all such words stand at argv's end then.  The settings receive every option in effect. */
rf_status rf_options_parse(int *operands, void *target, rf_settings *settings, const rf_option_table *tables,
                           int argc, char **argv);

/* Applies settings that were recorded earlier, as if they had been given now, except those that were.
 * all: every one must have a row in the tables.  The recorded settings are borrowed: values point into them. */
rf_status rf_options_recall(void *target, rf_settings *settings, const rf_option_table *tables,
                            const rf_settings *recorded, bool all);

#endif
