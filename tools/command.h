/* The interface of sub-commands, and what they share. */
#ifndef RF_TOOLS_COMMAND_H
#define RF_TOOLS_COMMAND_H

#include "cmd_list.h"
#include "opt.h"
#include "rangefinder/version.h"
#include "terminal.h"

/* Options that every command has.  Each command's arguments begin with one of these. */
typedef struct rf_common {
    bool help, version, quiet, no_progress, no_color, verbose;
    char *command;        /* the line that was typed, as a shell takes it; owned by main.c */
    rf_settings settings; /* owned by main.c */
    rf_dist *dist;        /* owned by main.c; NULL: this process is alone.  Ranks but the first are quiet. */
} rf_common;
extern const rf_option rf_common_options[];
extern const char rf_commit[]; /* of the sources; empty where it is unknown (cmake/commit.cmake) */

/* A line that can be typed, and what it does. */
typedef struct rf_example {
    const char *line, *text;
} rf_example;

/* Options that several commands share. */
typedef struct rf_shared_options {
    const rf_option *(*rows)(void);
    size_t offset; /* in the command's arguments, of the struct that they are read into */
    bool first;    /* they stand before the command's own */
} rf_shared_options;

typedef struct rf_command {
    const char *name;
    const char *operands; /* "FILE", or NULL where there are none */
    int operand_count;
    bool more_operands;                          /* any number of them may follow */
    const char *const *(*operand_choices)(void); /* what an operand may be besides a file, or NULL */
    const rf_example *examples;                  /* ended by a row without a line; may be NULL */
    const char *summary;                         /* one line */
    const char *details;                         /* a paragraph for --help and the manual page; may be NULL */
    const rf_option *options;
    const rf_shared_options *shared; /* ended by rows NULL; may be NULL */
    bool ranks;                      /* it may be started by mpirun */
    size_t args_size;
    rf_status (*run)(void *args, char **operands);
    void (*release)(void *args); /* of what parsing allocated; may be NULL */
} rf_command;

#define RF_COMMAND_DECLARE(name) extern const rf_command rf_command_##name;
RF_COMMAND_LIST(RF_COMMAND_DECLARE)
#undef RF_COMMAND_DECLARE

extern const rf_command *const rf_commands[]; /* ended by NULL */

/* A command's tables of options, ended by rows NULL: its own, those it shares, and those of every command. */
enum { RF_MAX_TABLES = 8 };
void rf_command_tables(rf_option_table tables[RF_MAX_TABLES], const rf_command *command);

/* rf_device_open, and a line on stderr where there is something to say of the device. */
rf_status rf_open_device(rf_device **out, const char *selector);
/* The same for a rank: *count devices are there for the ranks of this machine. */
rf_status rf_open_device_for(rf_device **out, int *count, const char *selector, const rf_dist *dist);
/* Behind the descriptions of these options. */
#define RF_USUAL_INPUT                                                                                       \
    "; by default an ONNX file's own, 3x224x224 for networks for photos, 3x32x32 for all others"
#define RF_USUAL_CLASSES "; by default an ONNX file's own, 1000 for networks for photos, 10 for all others"
/* The images that a network is made for where no data is: as the options --input and --classes say, or what it is for where
 * these are 0. */
rf_image_shape rf_images_named(const char *model, rf_maps input, int classes);
/* Adds a blank and the word as a shell would have to be given it. */
void rf_add_word(rf_str *line, const char *word);
/* "with CLBlast 1.5.3", or "without CLBlast". */
const char *rf_library_text(void);
/* What --device takes besides numbers and parts of names; ended by NULL. */
const char *const *rf_device_choices(void);
/* What --data takes besides files and folders; ended by NULL. */
const char *const *rf_data_choices(void);

/* ---- help.c: texts made from the tables ---- */
void rf_help_program(FILE *stream);
void rf_help_command(FILE *stream, const rf_command *command);
void rf_help_manual(FILE *stream);     /* roff */
void rf_help_completion(FILE *stream); /* bash */

#endif
