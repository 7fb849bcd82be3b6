/* What the program knows of the terminal: its width and colours, text tables, the progress line. */
#ifndef RF_TOOLS_TERMINAL_H
#define RF_TOOLS_TERMINAL_H

#include <stdio.h>

#include "rangefinder/rangefinder.h"

/* How results may look on stdout: as wide as the terminal with Unicode and colour; elsewhere plain, 80
 * columns. */
rf_terminal_options rf_terminal_describe(bool no_color);

/* ---- a line on stderr that is written over again; nothing at all where stderr is no terminal ---- */
typedef struct rf_progress {
    bool on;
    int columns;
    double shown_ms; /* when it was last drawn */
} rf_progress;
void rf_progress_begin(rf_progress *progress, bool wanted);
/* Draws the text, cut to the terminal's width, at most 20 times a second. */
void rf_progress_draw(rf_progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rf_progress_end(rf_progress *progress);
void rf_progress_restore(void); /* clears the line; from any thread */

/* One line on stderr, "rangefinder: ..."; what is not printable, line ends included, is replaced. */
void rf_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Between these two rf_say says nothing: the first of several ranks speaks for all. */
void rf_say_nothing(void);
void rf_say_always(void);
/* The same on stdout, without the program's name: for every line with a name in it that anybody may have given. */
void rf_print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- tables: cells are collected, then printed in columns as wide as their widest cell ---- */
typedef struct rf_table {
    int columns;
    const char *align; /* 'l' or 'r' for each column */
    char **cells;
    size_t count, capacity;
    bool failed; /* out of memory */
} rf_table;
void rf_table_begin(rf_table *table, const char *align);
void rf_table_cell(rf_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints (nothing where stream is NULL) and frees; the first row is the heading. */
rf_status rf_table_end(rf_table *table, FILE *stream);

/* "1,234,567" and "3:07 min", in buffers of 32. */
const char *rf_count_text(char text[32], unsigned long long count);
const char *rf_time_text(char text[32], double ms);

#endif
