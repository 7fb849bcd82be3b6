/* Parsing of the command line by tables of options, and of the values that options take. */
#include "opt.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "peers.h"

enum { FIRST_CODE = 256, MAX_OPTIONS = 128 };

static rf_status refuse(const rf_option *option, const char *text, const char *expected) {
    return rf_fail(RF_E_USAGE, "--%s: '%s' is not %s", option->name, text, expected);
}

static rf_status refuse_number(const rf_option *option, const char *text, const char *kind) {
    return rf_fail(RF_E_USAGE, "--%s: '%s' is not %s from %.10g to %.10g", option->name, text, kind,
                   option->min, option->max);
}

rf_status rf_opt_flag(void *target, const rf_option *option, const char *text) {
    (void)option, (void)text;
    *(bool *)target = true;
    return RF_OK;
}

rf_status rf_opt_text(void *target, const rf_option *option, const char *text) {
    if (text[0] == '\0')
        return rf_fail(RF_E_USAGE, "--%s: the value is empty; give %s", option->name, option->metavar);
    *(const char **)target = text;
    return RF_OK;
}

rf_status rf_opt_texts(void *target, const rf_option *option, const char *text) {
    rf_texts *texts = target;
    if (texts->count == RF_MAX_REPEATS)
        return rf_fail(RF_E_USAGE, "--%s: given more than %d times", option->name, RF_MAX_REPEATS);
    return rf_opt_text(&texts->values[texts->count++], option, text);
}

rf_status rf_opt_choice(void *target, const rf_option *option, const char *text) {
    const char *const *choices = option->choices();
    rf_status status = RF_OK;
    rf_str list = {0};
    size_t count = 0;
    for (; choices[count] != NULL; count++) {
        if (strcasecmp(choices[count], text) == 0) {
            *(const char **)target = choices[count];
            goto done;
        }
        rf_str_addf(&list, "%s%s", count > 0 ? ", " : "", choices[count]);
    }
    const char *near = rf_nearest(text, choices, count);
    status = near != NULL ? rf_fail(RF_E_USAGE, "--%s: there is no '%s'; did you mean '%s'? (%s)",
                                    option->name, text, near, rf_str_text(&list))
                          : rf_fail(RF_E_USAGE, "--%s: there is no '%s'; take one of %s", option->name, text,
                                    rf_str_text(&list));
done:
    rf_str_free(&list);
    return status;
}

/* Rejects strtod's and strtoll's extras (leading blanks, hexadecimal, "inf", "nan"). */
static bool plain_number(const char *text, const char *allowed) {
    return text[0] != '\0' && strspn(text, allowed) == strlen(text);
}

bool rf_parse_number(double *out, const char *text) {
    char *end = NULL;
    if (!plain_number(text, "0123456789.+-eE")) return false;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

rf_status rf_opt_number(void *target, const rf_option *option, const char *text) {
    double value;
    if (!rf_parse_number(&value, text) || value < option->min || value > option->max)
        return refuse_number(option, text, "a number");
    *(double *)target = value;
    return RF_OK;
}

static bool parse_int(int *out, const char *text, double min, double max) {
    char *end = NULL;
    errno = 0;
    long long value = plain_number(text, "0123456789+-") ? strtoll(text, &end, 10) : 0;
    if (end == NULL || end == text || *end != '\0' || errno != 0) return false;
    if ((double)value < min || (double)value > max || value < INT_MIN || value > INT_MAX) return false;
    *out = (int)value;
    return true;
}

rf_status rf_opt_int(void *target, const rf_option *option, const char *text) {
    return parse_int(target, text, option->min, option->max) ? RF_OK
                                                             : refuse_number(option, text, "a whole number");
}

rf_status rf_opt_seed(void *target, const rf_option *option, const char *text) {
    char *end = NULL;
    errno = 0;
    unsigned long long value = plain_number(text, "0123456789") ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0)
        return refuse(option, text, "a whole number from 0 to 18446744073709551615");
    *(uint64_t *)target = value;
    return RF_OK;
}

rf_status rf_opt_bytes(void *target, const rf_option *option, const char *text) {
    static const char units[] = "KMGT";
    char number[32];
    const size_t digits = strspn(text, "0123456789.");
    const char *rest = text + digits,
               *unit = *rest != '\0' ? strchr(units, toupper((unsigned char)*rest)) : NULL;
    double bytes = 0;
    snprintf(number, sizeof number, "%.*s", (int)RF_MIN(digits, sizeof number - 1), text);
    const bool good = rf_parse_number(&bytes, number) && unit != NULL &&
                      (rest[1] == '\0' || strcmp(rest + 1, "B") == 0 || strcmp(rest + 1, "iB") == 0);
    if (good) bytes = ldexp(bytes, 10 * (int)(unit - units + 1));
    if (!good || bytes < option->min || bytes > option->max)
        return refuse(option, text, "an amount of memory like 512M or 4G");
    *(uint64_t *)target = (uint64_t)bytes;
    return RF_OK;
}

rf_status rf_opt_numbers(void *target, const rf_option *option, const char *text) {
    rf_status status = RF_OK;
    rf_numbers list = {0};
    size_t places = 1;
    for (const char *p = text; *p != '\0'; p++) places += *p == ',';
    char *copy = rf_strdup(text), *rest = copy, *item;
    list.values = rf_alloc(places, sizeof *list.values);
    if (copy == NULL || list.values == NULL) status = RF_E_MEMORY;
    while (status == RF_OK && (item = strsep(&rest, ",")) != NULL)
        status = rf_opt_number(&list.values[list.count++], option, item);
    free(copy);
    if (status == RF_OK) {
        free(((rf_numbers *)target)->values); /* of the same option given before */
        *(rf_numbers *)target = list;
    } else
        free(list.values);
    return status;
}

rf_status rf_opt_size(void *target, const rf_option *option, const char *text) {
    rf_size size = {0};
    char *copy = rf_strdup(text), *x = copy != NULL ? strchr(copy, 'x') : NULL;
    if (copy == NULL) return RF_E_MEMORY;
    if (x != NULL) *x = '\0';
    bool good = parse_int(&size.height, copy, option->min, option->max) &&
                parse_int(&size.width, x != NULL ? x + 1 : copy, option->min, option->max);
    free(copy);
    if (!good) return refuse_number(option, text, "a size, N or HEIGHTxWIDTH, each");
    *(rf_size *)target = size;
    return RF_OK;
}

rf_status rf_opt_maps(void *target, const rf_option *option, const char *text) {
    rf_maps maps = {0};
    char *copy = rf_strdup(text), *rest = copy;
    if (copy == NULL) return RF_E_MEMORY;
    bool good = true;
    for (int i = 0; i < 3 && good; i++) {
        const char *part = strsep(&rest, "x");
        good = part != NULL && parse_int((int *[]){&maps.channels, &maps.height, &maps.width}[i], part,
                                         option->min, option->max);
    }
    good &= rest == NULL;
    free(copy);
    if (!good) return refuse_number(option, text, "CHANNELSxHEIGHTxWIDTH, like 3x32x32, each");
    *(rf_maps *)target = maps;
    return RF_OK;
}

/* ---- the command line ---- */

typedef struct entry {
    const rf_option *row;
    const rf_option_table *table;
} entry;

typedef struct option_set {
    entry entries[MAX_OPTIONS];
    struct option longs[MAX_OPTIONS + 1]; /* getopt_long's view of the same rows */
    char shorts[2 * MAX_OPTIONS + 2];     /* getopt's: ":" and "b:" for each letter */
    int count;
} option_set;

static void collect(option_set *set, const rf_option_table *tables) {
    *set = (option_set){.shorts = ":"};
    size_t used = 1;
    for (const rf_option_table *table = tables; table->rows != NULL; table++)
        for (const rf_option *row = table->rows; row->name != NULL && set->count < MAX_OPTIONS; row++) {
            set->entries[set->count] = (entry){row, table};
            set->longs[set->count] = (struct option){
                .name = row->name,
                .has_arg = row->metavar != NULL ? required_argument : no_argument,
                .val = FIRST_CODE + set->count,
            };
            set->count++;
            if (row->letter == 0) continue;
            set->shorts[used++] = row->letter;
            if (row->metavar != NULL) set->shorts[used++] = ':';
        }
}

/* What getopt's code or letter stands for, or NULL. */
static const entry *entry_of(const option_set *set, int code) {
    if (code >= FIRST_CODE) return &set->entries[code - FIRST_CODE];
    for (int i = 0; i < set->count; i++)
        if (set->entries[i].row->letter != 0 && set->entries[i].row->letter == code) return &set->entries[i];
    return NULL;
}

/* A word as an option's name: without dashes and value, in lower case, with '-' for '_'. */
static void name_of(char *name, size_t size, const char *word) {
    const char *dashes = word + strspn(word, "-");
    snprintf(name, size, "%.*s", (int)strcspn(dashes, "="), dashes);
    for (char *p = name; *p != '\0'; p++) *p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
}

static rf_status unknown_option(const option_set *set, const char *word) {
    const char *names[MAX_OPTIONS];
    char typed[64];
    name_of(typed, sizeof typed, word);
    for (int i = 0; i < set->count; i++) names[i] = set->entries[i].row->name;
    const char *hint = rf_peer_hint(typed, names, (size_t)set->count);
    if (hint != NULL) return rf_fail(RF_E_USAGE, "%s: no such option; %s", word, hint);
    const char *near = rf_nearest(typed, names, (size_t)set->count);
    if (near != NULL) return rf_fail(RF_E_USAGE, "%s: no such option; did you mean '--%s'?", word, near);
    return rf_fail(RF_E_USAGE, "%s: no such option; --help lists them", word);
}

/* getopt takes "--lr" for an abbreviation of --lr-decay; where other programs have an option of that name, it is meant. */
static bool means_another(const option_set *set, const entry *option, const char *word) {
    const char *names[MAX_OPTIONS];
    char typed[64];
    name_of(typed, sizeof typed, word);
    for (int i = 0; i < set->count; i++) names[i] = set->entries[i].row->name;
    return strncmp(word, "--", 2) == 0 && strcmp(typed, option->row->name) != 0 &&
           rf_peer_hint(typed, names, (size_t)set->count) != NULL;
}

/* "-batch" would be -b with the value "atch". */
static rf_status refuse_single_dash(const option_set *set, int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        for (int k = 0; k < set->count && argv[i][0] == '-' && argv[i][1] != '-'; k++) {
            size_t length = strcspn(argv[i] + 1, "=");
            if (length > 1 && strlen(set->entries[k].row->name) == length &&
                strncmp(argv[i] + 1, set->entries[k].row->name, length) == 0)
                return rf_fail(RF_E_USAGE, "%s: a long option has two dashes: '--%s'", argv[i],
                               set->entries[k].row->name);
        }
    return RF_OK;
}

/* ---- settings ---- */

rf_status rf_settings_add(rf_settings *settings, const char *name, const char *value) {
    rf_setting *rows = rf_resize(settings->rows, settings->count + 1, sizeof *rows);
    if (rows == NULL) return RF_E_MEMORY;
    settings->rows = rows;
    rows[settings->count] = (rf_setting){name, rf_strdup(value)};
    return rows[settings->count++].value != NULL ? RF_OK : RF_E_MEMORY;
}

rf_status rf_settings_set(rf_settings *settings, const char *name, const char *value) {
    for (size_t i = 0; i < settings->count; i++) {
        rf_setting *row = &settings->rows[i];
        if (strcmp(row->name, name) != 0) continue;
        char *copy = rf_strdup(value);
        if (copy == NULL) return RF_E_MEMORY;
        free((char *)row->value);
        row->value = copy;
        return RF_OK;
    }
    return rf_settings_add(settings, name, value);
}

bool rf_settings_given(const rf_settings *settings, const char *name) {
    char line[80];
    snprintf(line, sizeof line, "\n%s\n", name);
    return strstr(rf_str_text(&settings->given), line) != NULL;
}

void rf_settings_free(rf_settings *settings) {
    for (size_t i = 0; i < settings->count; i++) free((char *)settings->rows[i].value);
    free(settings->rows);
    rf_str_free(&settings->given);
    *settings = (rf_settings){0};
}

/* ---- parsing ---- */

/* What is being filled: the command's arguments, and what is known of them afterwards. */
typedef struct parse {
    option_set set;
    void *target;
    rf_settings *settings;
} parse;

static rf_status take(parse *parsing, const entry *option, const char *text) {
    const rf_option *row = option->row;
    RF_TRY(row->parse((char *)parsing->target + option->table->offset + row->offset, row, text));
    if (option->table->everywhere) return RF_OK;
    const char *value = row->metavar != NULL ? text : "yes";
    return (row->parse == rf_opt_texts ? rf_settings_add : rf_settings_set)(parsing->settings, row->name,
                                                                            value);
}

/* An option that wants a value but is followed by none, or by another option. */
static rf_status without_value(parse *parsing, const entry *option) {
    const rf_option *row = option->row;
    if (row->missing != NULL) return take(parsing, option, row->missing);
    return rf_fail(RF_E_USAGE, "--%s: the value is missing; give %s", row->name, row->metavar);
}

static rf_status apply(parse *parsing, const entry *option, const char *word) {
    rf_str *given = &parsing->settings->given;
    rf_str_addf(given, "%s%s\n", given->length == 0 ? "\n" : "", option->row->name);
    RF_TRY(rf_str_status(given));
    bool separate = option->row->metavar != NULL && optarg == word; /* "--json FILE", not "--json=FILE" */
    if (separate && strncmp(optarg, "--", 2) == 0) {
        optind--;
        return without_value(parsing, option);
    }
    return take(parsing, option, optarg != NULL ? optarg : "");
}

rf_status rf_options_parse(int *operands, void *target, rf_settings *settings, const rf_option_table *tables,
                           int argc, char **argv) {
    parse parsing = {.target = target, .settings = settings};
    option_set *set = &parsing.set;
    collect(set, tables);
    for (int i = 0; i < set->count; i++)
        if (set->entries[i].row->def != NULL)
            RF_TRY(take(&parsing, &set->entries[i], set->entries[i].row->def));
    RF_TRY(refuse_single_dash(set, argc, argv));
    opterr = 0;
    optind = 0; /* glibc: start afresh */
    for (;;) {
        int code = getopt_long(argc, argv, set->shorts, set->longs, NULL);
        if (code == -1) break;
        const char *word = argv[optind - 1];
        const char *named = optarg == word ? argv[optind - 2] : word; /* the option that getopt has found */
        const entry *asked = entry_of(set, optopt);
        if (code == ':' && asked != NULL)
            RF_TRY(without_value(&parsing, asked));
        else if (code == '?' && optopt >= FIRST_CODE)
            return rf_fail(RF_E_USAGE, "--%s takes no value", asked->row->name);
        else if (code == '?')
            return unknown_option(set, optopt != 0 ? (char[]){'-', (char)optopt, 0} : word);
        else if (means_another(set, entry_of(set, code), named))
            return unknown_option(set, named);
        else
            RF_TRY(apply(&parsing, entry_of(set, code), word));
    }
    *operands = optind;
    return RF_OK;
}

rf_status rf_options_recall(void *target, rf_settings *settings, const rf_option_table *tables,
                            const rf_settings *recorded, bool all) {
    parse parsing = {.target = target, .settings = settings};
    option_set *set = &parsing.set;
    collect(set, tables);
    for (size_t i = 0; i < recorded->count; i++) {
        const rf_setting *row = &recorded->rows[i];
        int k = 0;
        while (k < set->count && strcmp(set->entries[k].row->name, row->name) != 0) k++;
        if (k == set->count && all)
            return rf_fail(RF_E_INPUT, "recorded by another version: there is no option --%s", row->name);
        if (k < set->count && !rf_settings_given(settings, row->name))
            RF_TRY(take(&parsing, &set->entries[k], row->value));
    }
    return RF_OK;
}
