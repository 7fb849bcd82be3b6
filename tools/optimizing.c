/* Rows of the options table from the tables of the optimizers, and what was given as one text. */
#include "optimizing.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "optim/optimizer.h"

enum { MAX_ROWS = 32, MAX_TEXT = 256 };

/* ---- reading ---- */

static rf_status add(void *target, const rf_option *row, const char *value) {
    rf_str *options = &((rf_optimizing *)target)->options;
    rf_str_addf(options, " %s%s%s", row->name, value != NULL ? "=" : "", value != NULL ? value : "");
    return rf_str_status(options);
}

static rf_status add_flag(void *target, const rf_option *row, const char *text) {
    (void)text;
    return add(target, row, NULL);
}

static rf_status add_number(void *target, const rf_option *row, const char *text) {
    double value;
    RF_TRY(rf_opt_number(&value, row, text));
    return add(target, row, text);
}

static rf_status add_pair(void *target, const rf_option *row, const char *text) {
    rf_numbers numbers = {0};
    RF_TRY(rf_opt_numbers(&numbers, row, text));
    const size_t count = numbers.count;
    free(numbers.values);
    if (count != 2)
        return rf_fail(RF_E_USAGE, "--%s: %zu numbers given, 2 expected, like 0.9,0.999", row->name, count);
    return add(target, row, text);
}

/* ---- the rows ---- */

static rf_option rows[MAX_ROWS + 1];
static char names[MAX_ROWS][32], helps[MAX_ROWS][MAX_TEXT];

static const rf_spec_option *option_of(const rf_optimizer *optimizer, const char *name) {
    const rf_spec_option *option = optimizer->kind.options;
    while (option->name != NULL && strcmp(option->name, name) != 0) option++;
    return option->name != NULL ? option : NULL;
}

/* "of sgd, rmsprop and lars (0; lars 0.9)" */
static void describe(char *out, rf_option *row, const char *name) {
    const rf_optimizer *taking[MAX_ROWS];
    const rf_spec_option *first = NULL, *option;
    rf_str help = {0}, defaults = {0};
    size_t count = 0, all = 0;
    for (const rf_optimizer *o; (o = rf_optimizer_at(all)) != NULL; all++)
        if (option_of(o, name) != NULL && count < RF_COUNT(taking)) taking[count++] = o;
    for (size_t i = 0; i < count; i++) {
        option = option_of(taking[i], name);
        row->min = i == 0 ? option->low : fmin(row->min, option->low);
        row->max = i == 0 ? option->high : fmax(row->max, option->high);
        if (first == NULL) rf_spec_add_value(&defaults, (first = option)->def, rf_spec_numbers(option));
        if (option->def[0] != first->def[0] || option->def[1] != first->def[1]) {
            rf_str_addf(&defaults, "; %s ", taking[i]->kind.name);
            rf_spec_add_value(&defaults, option->def, rf_spec_numbers(option));
        }
        rf_str_addf(&help, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " and ", taking[i]->kind.name);
    }
    snprintf(out, MAX_TEXT, "of %s%s%s%s", count == all ? "every optimizer" : rf_str_text(&help),
             first->count > 0 ? " (" : "", first->count > 0 ? rf_str_text(&defaults) : "",
             first->count > 0 ? ")" : "");
    rf_str_free(&help);
    rf_str_free(&defaults);
}

/* The row of an option, which is named as on the command line, "weight-decay"; the row behind the last: there is
 * none. */
static rf_option *row_of(const char *option) {
    rf_option *row = rows;
    for (; row->name != NULL; row++) {
        size_t i = 0;
        while (option[i] != '\0' && row->name[i] == (option[i] == '_' ? '-' : option[i])) i++;
        if (option[i] == '\0' && row->name[i] == '\0') break;
    }
    return row;
}

static void make_row(rf_option *row, const rf_spec_option *option) {
    static const char *const metavars[] = {NULL, "X", "A,B"};
    static rf_option_parse *const parsers[] = {add_flag, add_number, add_pair};
    char *name = names[row - rows];
    snprintf(name, sizeof names[0], "%s", option->name);
    for (char *at = name; *at != '\0'; at++)
        if (*at == '_') *at = '-';
    *row = (rf_option){.name = name,
                       .metavar = metavars[option->count],
                       .help = helps[row - rows],
                       .parse = parsers[option->count]};
    describe(helps[row - rows], row, option->name);
}

static void make_rows(void) {
    const rf_optimizer *optimizer;
    for (size_t i = 0; (optimizer = rf_optimizer_at(i)) != NULL; i++)
        for (const rf_spec_option *option = optimizer->kind.options; option->name != NULL; option++) {
            rf_option *row = row_of(option->name);
            if (row->name == NULL && row < rows + MAX_ROWS) make_row(row, option);
        }
}

const rf_option *rf_optimizing_rows(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_rows);
    return rows;
}

/* ---- what was given ---- */

static rf_status parse(rf_optimizer_setup *setup, char **text, const rf_optimizing *given) {
    *text = rf_format("%s%s", given->name, rf_str_text(&given->options));
    return *text != NULL ? rf_optimizer_parse(setup, *text) : RF_E_MEMORY;
}

rf_status rf_optimizing_text(char **out, const rf_optimizing *given) {
    rf_optimizer_setup setup = {0};
    rf_status status = parse(&setup, out, given);
    rf_optimizer_release(&setup);
    return status;
}

rf_status rf_optimizing_settings(rf_settings *settings, const rf_optimizing *given) {
    rf_optimizer_setup setup = {0};
    char *text;
    rf_status status = parse(&setup, &text, given);
    const double *numbers = setup.spec.o;
    for (const rf_spec_option *option = status == RF_OK ? setup.spec.kind->options : NULL;
         status == RF_OK && option->name != NULL; option++) {
        rf_str value = {0};
        if (option->count > 0)
            rf_spec_add_value(&value, numbers, rf_spec_numbers(option));
        else if (*numbers != 0)
            rf_str_add(&value, "yes");
        numbers += rf_spec_numbers(option);
        status = rf_str_status(&value);
        if (status == RF_OK && value.length > 0)
            status = rf_settings_set(settings, row_of(option->name)->name, value.data);
        rf_str_free(&value);
    }
    rf_optimizer_release(&setup);
    free(text);
    return status;
}

void rf_optimizing_free(rf_optimizing *given) {
    rf_str_free(&given->options);
}
