/* The outputs of `find` and `suggest`: files, one number for scripts, or a plot and a verdict on stdout. */
#ifndef RF_TOOLS_OUTPUTS_H
#define RF_TOOLS_OUTPUTS_H

#include "command.h"
#include "report/writer_list.h"

/* One a writer, in the order of their list. */
enum {
#define RF_OUTPUT_ENUM(context, name, check, missing, help) RF_OUTPUT_##name,
    RF_WRITER_LIST(RF_OUTPUT_ENUM, )
#undef RF_OUTPUT_ENUM
        RF_OUTPUT_COUNT
};

typedef struct rf_outputs {
    const char *paths[RF_OUTPUT_COUNT]; /* "-" is stdout; NULL: not wanted */
    const char *print;                  /* one of rf_print_choices, or NULL */
} rf_outputs;

const char *const *rf_print_choices(void);

/* The rows of the options table; `type` is the command's arguments, with a field `outputs`. */
#define RF_OUTPUT_OPTION(type, name_, check, missing_, help_)                                                \
    {.name = #name_,                                                                                         \
     .metavar = "FILE",                                                                                      \
     .help = help_,                                                                                          \
     .missing = missing_,                                                                                    \
     .parse = rf_opt_text,                                                                                   \
     .offset = offsetof(type, outputs.paths[RF_OUTPUT_##name_]),                                             \
     .files = true},
#define RF_OUTPUT_OPTIONS(type)                                                                              \
    RF_WRITER_LIST(RF_OUTPUT_OPTION, type) {                                                                 \
        "print", "WHAT", "print only this, for scripts: suggestion (one number) or range (two)",             \
            .parse = rf_opt_choice, .offset = offsetof(type, outputs.print), .choices = rf_print_choices     \
    }

/* Before the work: can every file be written, is each another one than those that are read (ended by NULL) and
 * than the others, and does at most one take stdout? */
rf_status rf_outputs_check(const rf_outputs *outputs, const char *const inputs[]);
/* The same for one file. */
rf_status rf_output_check(const char *option, const char *path, const char *const inputs[]);
/* True if stdout is for people: no option sends anything else there. */
bool rf_outputs_for_people(const rf_outputs *outputs, const rf_common *common);
/* Tells a person where the files are. */
rf_status rf_outputs_list(const rf_outputs *outputs);
/* After the work: writes and prints.  Fails with RF_E_FAILED and the reason where the verdict has no
 * suggestion. */
rf_status rf_outputs_finish(const rf_outputs *outputs, const rf_common *common, const rf_report *report);

/* "runs/1", or the next number that is free; owned by the caller. */
char *rf_next_free_folder(const char *parent);

#endif
