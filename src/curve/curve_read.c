/* Reads a curve that someone recorded: CSV with or without a header; JSON is curve_json.c's. Nothing in a file
 * may crash or hang us: its size is limited, and every refusal names the place. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/kind.h"
#include "curve/curve.h"

enum { FILE_LIMIT_BYTES = 64 << 20, FIELDS_MAX = 512, NUMBER_BYTES = 64 };

static char *skip_blanks(char *text) {
    while (*text && isspace((unsigned char)*text)) text++;
    return text;
}

/* Cuts blanks and quotes off both ends, in place. */
static char *trim(char *text) {
    text += strspn(text, " \t\r\"'");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\"'", text[length - 1])) length--;
    text[length] = '\0';
    return text;
}

/* ---- CSV ---- */

typedef struct csv_layout {
    char separator; /* ' ' stands for any blanks */
    size_t lr, loss;
    size_t run, runs; /* the first of several range tests, and how many there are */
} csv_layout;

static size_t split(char **fields, char *line, char separator) {
    size_t count = 0;
    char blanks[] = " \t", single[] = {separator, '\0'};
    if (separator == ' ') line = trim(line);
    while (line && count < FIELDS_MAX) {
        if (separator == ' ') line += strspn(line, blanks);
        char *const field = strsep(&line, separator == ' ' ? blanks : single);
        fields[count++] = trim(field);
    }
    return count;
}

/* Words that writers of CSV use for a number that is not there. */
static bool is_missing(const char *text) {
    static const char *const words[] = {"", "null", "none", "na", "n/a"};
    for (size_t i = 0; i < RF_COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0) return true;
    return false;
}

/* A comma that separates no columns is a decimal one: "0,001;2,3" as spreadsheets write it. Missing: NaN. */
static bool parse_number(double *out, const char *text, char separator) {
    char copy[NUMBER_BYTES], *end;
    *out = NAN;
    if (is_missing(text)) return true;
    if (strlen(text) >= sizeof copy) return false;
    strcpy(copy, text);
    char *const comma = separator != ',' ? strchr(copy, ',') : NULL;
    if (comma) *comma = '.';
    *out = strtod(copy, &end);
    return *end == '\0';
}

/* Which of the fields are named; the first of several counts. */
static csv_layout find_columns(char **fields, size_t count, char separator) {
    size_t found[] = {[RF_ROLE_RATE] = SIZE_MAX, [RF_ROLE_LOSS] = SIZE_MAX, [RF_ROLE_NONE] = 0};
    for (size_t i = count; i-- > 0;) found[rf_curve_role_of(fields[i])] = i;
    csv_layout layout = {.separator = separator, .lr = found[RF_ROLE_RATE], .loss = found[RF_ROLE_LOSS]};
    for (size_t i = 0; i < count && layout.runs < RF_RUNS_MAX; i++) { /* run_1,run_2,... side by side */
        char name[16];
        snprintf(name, sizeof name, "run_%zu", layout.runs + 1);
        if (strcmp(fields[i], name) != 0 || (layout.runs > 0 && i != layout.run + layout.runs)) continue;
        if (layout.runs++ == 0) layout.run = i;
    }
    return layout;
}

/* A first line with a word in it names the columns. */
static bool is_header(char **fields, size_t count, char separator) {
    double ignored;
    for (size_t i = 0; i < count; i++)
        if (isalpha((unsigned char)*fields[i]) && !parse_number(&ignored, fields[i], separator)) return true;
    return false;
}

/* Blanks separate numbers with decimal commas, "0,001 2,3", if every comma lies between two digits. */
static bool has_decimal_commas(const char *line) {
    const char *const second = strchr(line + strspn(line, " "), ' ');
    if (!second || !second[strspn(second, " \r")]) return false;
    for (const char *comma = strchr(line, ','); comma; comma = strchr(comma + 1, ','))
        if (comma == line || !isdigit((unsigned char)comma[-1]) || !isdigit((unsigned char)comma[1]))
            return false;
    return true;
}

static char find_separator(const char *line) {
    for (const char *candidate = ";\t"; *candidate; candidate++)
        if (strchr(line, *candidate)) return *candidate;
    return strchr(line, ',') && !has_decimal_commas(line) ? ',' : ' ';
}

static rf_status read_row(rf_curve_builder *builder, const csv_layout *layout, char **fields, size_t count,
                          const char *where) {
    double lr, loss;
    if (count <= layout->lr || count <= layout->loss)
        return rf_fail(RF_E_INPUT, "%s: %zu column%s, expected lr,loss", where, count, count == 1 ? "" : "s");
    char *const rate = fields[layout->lr], *const value = fields[layout->loss];
    if (!parse_number(&lr, rate, layout->separator))
        return rf_fail(RF_E_INPUT, "%s: '%.40s' is no learning rate, expected a positive number", where,
                       rate);
    if (!parse_number(&loss, value, layout->separator))
        return rf_fail(RF_E_INPUT, "%s: '%.40s' is no loss, expected a number", where, value);
    for (size_t r = 0; r < layout->runs && layout->run + r < count; r++) {
        const char *const of_run = fields[layout->run + r];
        double run_loss;
        if (is_missing(of_run)) continue; /* it has ended */
        if (!parse_number(&run_loss, of_run, layout->separator))
            return rf_fail(RF_E_INPUT, "%s: '%.40s' is no loss, expected a number", where, of_run);
        RF_TRY(rf_curve_add_run(&builder->runs, r, run_loss));
    }
    return rf_curve_add_row(builder, lr, loss, where);
}

/* The first line decides how columns are separated and, if it names them, which they are; also behind a '#',
 * as NumPy's savetxt has it. */
static rf_status read_first(csv_layout *layout, bool *header, char **fields, char *line, const char *where) {
    const char separator = find_separator(line);
    char *const copy = rf_strdup(line);
    if (!copy) return RF_E_MEMORY;
    const size_t count = split(fields, copy, separator);
    *header = is_header(fields, count, separator);
    *layout =
        *header ? find_columns(fields, count, separator) : (csv_layout){.separator = separator, .loss = 1};
    free(copy);
    if (!*header || (layout->lr != SIZE_MAX && layout->loss != SIZE_MAX)) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: the header names no column '%s'; expected lr,loss", where,
                   layout->lr == SIZE_MAX ? "lr" : "loss");
}

static rf_status read_csv(rf_curve_builder *builder, char *text, const char *name) {
    csv_layout layout = {0};
    char *fields[FIELDS_MAX];
    for (size_t number = 1; text; number++) {
        char *line = strsep(&text, "\n");
        const char first = *skip_blanks(line);
        char where[320];
        snprintf(where, sizeof where, "%.280s, line %zu", name, number);
        if (first == '\0') continue;
        bool header = false;
        if (first == '#') {
            csv_layout named;
            line = skip_blanks(line) + 1;
            if (!layout.separator && read_first(&named, &header, fields, line, where) == RF_OK && header)
                layout = named;
            continue;
        }
        if (!layout.separator) RF_TRY(read_first(&layout, &header, fields, line, where));
        if (!header) RF_TRY(read_row(builder, &layout, fields, split(fields, line, layout.separator), where));
    }
    return RF_OK;
}

rf_status rf_curve_read(rf_curve **out, const char *path) {
    void *data = NULL;
    size_t length;
    rf_curve_builder builder = {0};
    const char *const name = strcmp(path, "-") == 0 ? "stdin" : path;
    *out = NULL;
    rf_status status =
        rf_file_read(&data, &length, strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_LIMIT_BYTES);
    if (status != RF_OK) goto done;
    if (rf_file_kind_of(data, length, RF_READER_CURVE) || memchr(data, '\0', length)) {
        status = rf_fail(RF_E_INPUT, "%s: not a text file; expected CSV (lr,loss) or JSON", name);
        status = rf_explain_bytes(status, name, RF_READER_CURVE, data, length);
        goto done;
    }
    char *text = data;
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3;
    const char first = *skip_blanks(text);
    status = first == '{' || first == '[' ? rf_curve_read_json(&builder, text, name)
                                          : read_csv(&builder, text, name);
    if (status == RF_OK) status = rf_curve_finish(out, &builder, name);
done:
    rf_curve_builder_free(&builder);
    free(data);
    return status;
}
