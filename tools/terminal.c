/* Terminal matters: width, colour, the progress line, tables. */
#include "terminal.h"

#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/base.h"

static bool is_terminal(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) && term != NULL && strcmp(term, "dumb") != 0;
}

static int terminal_columns(int fd) {
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    int count = isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
    if (count == 0 && columns != NULL) count = atoi(columns);
    return count > 0 ? RF_MIN(count, 400) : 80;
}

rf_terminal_options rf_terminal_describe(bool no_color) {
    const char *refused = getenv("NO_COLOR");
    struct winsize size = {0};
    bool terminal = is_terminal(STDOUT_FILENO);
    int rows = terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 40;
    return (rf_terminal_options){
        .columns = terminal_columns(STDOUT_FILENO),
        .rows = RF_MAX(10, RF_MIN(rows / 2, 20)),
        .unicode = terminal && strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .colour = terminal && !no_color && (refused == NULL || refused[0] == '\0'),
    };
}

/* ---- the progress line ---- */

static atomic_bool line_shown; /* read by the thread that waits for signals, too */
static const char erase[] = "\r\033[K";

void rf_progress_begin(rf_progress *progress, bool wanted) {
    *progress =
        (rf_progress){.on = wanted && is_terminal(STDERR_FILENO), .columns = terminal_columns(STDERR_FILENO)};
}

void rf_progress_draw(rf_progress *progress, const char *format, ...) {
    double now = rf_time_ms();
    char line[400];
    va_list args;
    if (!progress->on || rf_interrupted() || (progress->shown_ms > 0 && now - progress->shown_ms < 50))
        return;
    progress->shown_ms = now;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    line[RF_MIN(progress->columns - 1, (int)sizeof line - 1)] = '\0'; /* a full line would wrap */
    rf_make_printable(line);
    fprintf(stderr, "%s%s", erase, line);
    fflush(stderr);
    line_shown = true; /* only now: the thread that waits for signals may have erased the line before */
}

void rf_progress_end(rf_progress *progress) {
    if (progress->on) rf_progress_restore();
    progress->on = false;
}

void rf_progress_restore(void) {
    if (line_shown && write(STDERR_FILENO, erase, sizeof erase - 1) < 0)
        return; /* nothing else can be done */
    line_shown = false;
}

/* One line of untrusted text: made printable, ended. */
static void put_line(FILE *stream, const char *before, const char *format, va_list args) {
    char text[8192];
    vsnprintf(text, sizeof text, format, args);
    rf_make_printable(text);
    fprintf(stream, "%s%s\n", before, text);
}

static atomic_bool silent;

void rf_say_nothing(void) {
    silent = true;
}

void rf_say_always(void) {
    silent = false;
}

void rf_say(const char *format, ...) {
    va_list args;
    if (silent) return;
    va_start(args, format);
    rf_progress_restore();
    put_line(stderr, "rangefinder: ", format, args);
    va_end(args);
}

void rf_print_line(const char *format, ...) {
    va_list args;
    va_start(args, format);
    put_line(stdout, "", format, args);
    va_end(args);
}

/* ---- tables ---- */

void rf_table_begin(rf_table *table, const char *align) {
    *table = (rf_table){.columns = (int)strlen(align), .align = align};
}

void rf_table_cell(rf_table *table, const char *format, ...) {
    if (table->count == table->capacity) {
        size_t capacity = table->capacity > 0 ? table->capacity * 2 : 64;
        char **more = rf_resize(table->cells, capacity, sizeof *more);
        if (more == NULL) {
            table->failed = true;
            return;
        }
        table->cells = more;
        table->capacity = capacity;
    }
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) {
        text = NULL;
        table->failed = true;
    }
    va_end(args);
    if (text != NULL) rf_make_printable(text);
    table->cells[table->count++] = text;
}

static int cell_width(const char *text) {
    wchar_t wide[512];
    size_t count = mbstowcs(wide, text, RF_COUNT(wide));
    int width = count == (size_t)-1 || count == RF_COUNT(wide) ? -1 : wcswidth(wide, count);
    return width >= 0 ? width : (int)strlen(text);
}

static void print_row(const rf_table *table, size_t row, const int *widths, FILE *stream) {
    for (int c = 0; c < table->columns; c++) {
        const char *text = table->cells[row * (size_t)table->columns + (size_t)c];
        int space = widths[c] - cell_width(text);
        bool last = c == table->columns - 1;
        if (c > 0) fputs("  ", stream);
        if (table->align[c] == 'r')
            fprintf(stream, "%*s%s", space, "", text);
        else
            fprintf(stream, "%s%*s", text, last ? 0 : space, "");
    }
    fputc('\n', stream);
}

rf_status rf_table_end(rf_table *table, FILE *stream) {
    rf_status status = table->failed ? rf_fail(RF_E_MEMORY, "out of memory for a table") : RF_OK;
    size_t rows = table->count / (size_t)table->columns;
    int *widths = rf_alloc((size_t)table->columns, sizeof *widths);
    if (widths == NULL) status = RF_E_MEMORY;
    for (size_t i = 0; status == RF_OK && i < table->count; i++) {
        int column = (int)(i % (size_t)table->columns);
        widths[column] = RF_MAX(widths[column], cell_width(table->cells[i]));
    }
    for (size_t r = 0; status == RF_OK && stream != NULL && r < rows; r++)
        print_row(table, r, widths, stream);
    for (size_t i = 0; i < table->count; i++) free(table->cells[i]);
    free(table->cells);
    free(widths);
    *table = (rf_table){0};
    return status;
}

/* ---- numbers ---- */

const char *rf_count_text(char text[32], unsigned long long count) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", count), used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

const char *rf_time_text(char text[32], double ms) {
    int seconds = (int)fmin(ceil(fmax(ms, 0) / 1000), 359999);
    if (seconds < 60)
        snprintf(text, 32, "%d s", seconds);
    else if (seconds < 3600)
        snprintf(text, 32, "%d:%02d min", seconds / 60, seconds % 60);
    else
        snprintf(text, 32, "%d:%02d h", seconds / 3600, seconds / 60 % 60);
    return text;
}
