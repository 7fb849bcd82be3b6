/* Reports: the result of a range test as files and as text. */
#ifndef RANGEFINDER_REPORT_H
#define RANGEFINDER_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "rangefinder/finder.h"
#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An option as the command line takes it: "batch", "64". */
typedef struct rf_setting {
    const char *name, *value;
} rf_setting;

/* The content of a report. Texts that are NULL and numbers that are 0 are left out.  Borrows everything. */
typedef struct rf_report {
    const rf_curve *curve;
    const rf_suggestion *suggestions;
    size_t suggestion_count;
    const rf_verdict *verdict;
    const char *device, *model, *data, *optimizer;
    size_t parameters;
    int batch;
    unsigned long long seed;
    double time_ms;
    const char *const *notes; /* quarantined ops and the like; ended by NULL; may be NULL */
    /* For reproducing the run. */
    const char *command;        /* the line that was typed */
    const rf_setting *settings; /* every option in effect; an option that repeats has a row for each value */
    size_t setting_count;
    const double *mean, *std; /* of pixels scaled to 0..1, as the network saw them; `channels` of each */
    int channels;
    double test_ms;                      /* of time_ms, the range test alone */
    const char *train;                   /* the command that trains with the suggestion */
    const char *pytorch;                 /* lines that do so in PyTorch */
    unsigned long long data_fingerprint; /* rf_dataset_fingerprint */
    const rf_race *race; /* NULL: there was none */
} rf_report;

/* Each writes to a path, "-" is stdout; to a temporary file in the same folder that is renamed once it is whole,
 * with the mode and owner of a file that is there; links are followed, devices and pipes written in place. Names
 * are made printable.  Threads: any, at any time.  Errors: RF_E_IO, RF_E_MEMORY; for a plot also RF_E_USAGE where
 * the file's ending is none of .svg .png .pdf. */
RF_API rf_status rf_report_csv(const rf_report *report, const char *path);
RF_API rf_status rf_report_json(const rf_report *report, const char *path);
RF_API rf_status rf_report_plot(const rf_report *report, const char *path);
RF_API rf_status rf_report_html(const rf_report *report, const char *path);
/* Checks that a plot can be written to a path with this extension, before a long run. */
RF_API rf_status rf_report_plot_check(const char *path);

/* The curve as Unicode (or plain ASCII) text that fits `columns` x `rows`, with colour if asked for. free()
 * *out. */
typedef struct rf_terminal_options {
    int columns, rows;
    bool unicode, colour;
} rf_terminal_options;
RF_API rf_status rf_report_terminal(char **out, const rf_report *report, const rf_terminal_options *options);
/* The verdict in a sentence or two, and the table of all suggestions, as text. free() *out. */
RF_API rf_status rf_report_verdict(char **out, const rf_report *report, const rf_terminal_options *options);

#ifdef __cplusplus
}
#endif
#endif
