/* Reads the --vary options of a sweep, and writes the command line of each combination of their values. */
#include "variations.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COMBINATIONS_MAX = 10000, NAME_MAX_BYTES = 160 };

/* ---- reading ---- */

static rf_status unknown(const char *name, const rf_option_table *tables) {
    rf_str list = {0};
    for (const rf_option_table *table = tables; table->rows != NULL; table++)
        for (const rf_option *row = table->rows; row->name != NULL; row++)
            if (row->metavar != NULL) rf_str_addf(&list, "%s%s", list.length > 0 ? ", " : "", row->name);
    rf_status status = rf_str_status(&list);
    if (status == RF_OK)
        status =
            rf_fail(RF_E_USAGE, "--vary %s: there is no such option with a value; take one or more of %s",
                    name, rf_str_text(&list));
    rf_str_free(&list);
    return status;
}

static const rf_option *row_of(const rf_option_table *tables, const char *name) {
    for (const rf_option_table *table = tables; table->rows != NULL; table++)
        for (const rf_option *row = table->rows; row->name != NULL; row++)
            if (row->metavar != NULL && strcmp(row->name, name) == 0) return row;
    return NULL;
}

/* Splits v->text, from the values on. */
static rf_status split(rf_variation *v, char *rest) {
    const char *separator = strchr(rest, ';') != NULL ? ";" : ",";
    size_t room = 1;
    for (const char *at = rest; *at != '\0'; at++) room += *at == *separator;
    if ((v->values = rf_alloc(room, sizeof *v->values)) == NULL) return RF_E_MEMORY;
    for (char *value; (value = strsep(&rest, separator)) != NULL;) {
        if (*value == '\0') return rf_fail(RF_E_USAGE, "--vary %s: a value is empty", v->row->name);
        for (size_t i = 0; i < v->count; i++)
            if (strcmp(v->values[i], value) == 0)
                return rf_fail(RF_E_USAGE, "--vary %s: %s is given twice", v->row->name, value);
        v->values[v->count++] = value;
    }
    return RF_OK;
}

static rf_status read_one(rf_variations *out, const char *text, const rf_option_table *tables,
                          const rf_settings *settings) {
    rf_variation *v = &out->all[out->count++]; /* released, whatever happens */
    if ((v->text = rf_strdup(text)) == NULL) return RF_E_MEMORY;
    char *equals = strchr(v->text, '=');
    if (equals == NULL || equals == v->text)
        return rf_fail(RF_E_USAGE, "--vary: '%s' is not NAME=VALUE,..., like batch=32,128,512", text);
    *equals = '\0';
    for (char *at = v->text; *at != '\0'; at++) *at = *at == '_' ? '-' : (char)tolower((unsigned char)*at);
    if ((v->row = row_of(tables, v->text)) == NULL) return unknown(v->text, tables);
    if (rf_settings_given(settings, v->text))
        return rf_fail(RF_E_USAGE, "--%s and --vary %s: give one of them", v->text, v->text);
    for (size_t i = 0; i + 1 < out->count; i++)
        if (out->all[i].row == v->row) return rf_fail(RF_E_USAGE, "--vary %s: is given twice", v->text);
    return split(v, equals + 1);
}

/* ---- command lines ---- */

typedef struct writer {
    const rf_settings *settings;
    rf_combination *c;
    rf_str command, file;
} writer;

static rf_status add_word(writer *w, char *word) {
    if (word == NULL) return RF_E_MEMORY;
    w->c->words[w->c->word_count++] = word;
    if (w->command.length > 0)
        rf_add_word(&w->command, word);
    else
        rf_str_add(&w->command, word);
    return RF_OK;
}

static rf_status add_given(writer *w, const rf_option *row) {
    if (!rf_settings_given(w->settings, row->name)) return RF_OK;
    if (row->metavar == NULL) return add_word(w, rf_format("--%s", row->name));
    for (size_t i = 0; i < w->settings->count; i++)
        if (strcmp(w->settings->rows[i].name, row->name) == 0)
            RF_TRY(add_word(w, rf_format("--%s=%s", row->name, w->settings->rows[i].value)));
    return RF_OK;
}

static rf_status add_varied(writer *w, const rf_option *row, const char *value) {
    rf_str_addf(&w->file, "%s%s=%s", w->file.length > 0 ? "," : "", row->name, value);
    return add_word(w, rf_format("--%s=%s", row->name, value));
}

/* Names of any length and with any characters: where they are changed, a hash tells them apart. */
static char *file_name(char *name) {
    const uint64_t hash = rf_hash(name, strlen(name), 0);
    bool changed = strlen(name) > NAME_MAX_BYTES;
    for (char *at = name; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("=,.-+_", *at) == NULL) {
            *at = '_';
            changed = true;
        }
    return changed ? rf_format("%.*s-%08" PRIx32 ".json", (int)NAME_MAX_BYTES, name, (uint32_t)hash)
                   : rf_format("%s.json", name);
}

/* In the order of the tables: options in another order are the same run. */
static rf_status write_words(writer *w, const rf_variations *all, const rf_option_table *tables) {
    RF_TRY(add_word(w, rf_strdup("rangefinder")));
    RF_TRY(add_word(w, rf_strdup("find")));
    for (const rf_option_table *table = tables; table->rows != NULL; table++)
        for (const rf_option *row = table->rows; row->name != NULL; row++) {
            size_t i = 0;
            while (i < all->count && all->all[i].row != row) i++;
            RF_TRY(i < all->count ? add_varied(w, row, w->c->values[i]) : add_given(w, row));
        }
    RF_TRY(rf_str_status(&w->command));
    return rf_str_status(&w->file);
}

static rf_status combine(rf_combination *c, size_t number, const rf_variations *all,
                         const rf_option_table *tables, const rf_settings *settings) {
    writer w = {.settings = settings, .c = c};
    rf_str label = {0};
    c->values = rf_alloc(all->count, sizeof *c->values);
    c->words = rf_alloc(settings->count + all->count + 3, sizeof *c->words);
    if (c->values == NULL || c->words == NULL) return RF_E_MEMORY;
    for (size_t i = all->count; i-- > 0; number /= all->all[i].count)
        c->values[i] = all->all[i].values[number % all->all[i].count];
    rf_status status = write_words(&w, all, tables);
    for (size_t i = 0; i < all->count; i++)
        rf_str_addf(&label, "%s%s=%s", i > 0 ? " " : "", all->all[i].row->name, c->values[i]);
    if (status == RF_OK) status = rf_str_status(&label);
    if (status == RF_OK && (c->file = file_name(w.file.data)) == NULL) status = RF_E_MEMORY;
    c->command = w.command.data;
    c->label = label.data;
    rf_str_free(&w.file);
    return status;
}

rf_status rf_variations_read(rf_variations *out, const rf_texts *texts, const rf_option_table *tables,
                             const rf_settings *settings) {
    *out = (rf_variations){.combination_count = 1};
    if (texts->count == 0)
        return rf_fail(RF_E_USAGE, "--vary NAME=VALUE,... is missing: what differs between the runs, like "
                                   "--vary batch=32,128,512");
    if ((out->all = rf_alloc(texts->count, sizeof *out->all)) == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < texts->count; i++) {
        RF_TRY(read_one(out, texts->values[i], tables, settings));
        out->combination_count *= out->all[i].count;
        if (out->combination_count > COMBINATIONS_MAX)
            return rf_fail(RF_E_USAGE, "--vary: more than %d combinations; give fewer values",
                           COMBINATIONS_MAX);
    }
    out->combinations = rf_alloc(out->combination_count, sizeof *out->combinations);
    if (out->combinations == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < out->combination_count; i++)
        RF_TRY(combine(&out->combinations[i], i, out, tables, settings));
    return RF_OK;
}

void rf_variations_release(rf_variations *variations) {
    for (size_t i = 0; i < variations->count; i++) {
        free(variations->all[i].values);
        free(variations->all[i].text);
    }
    for (size_t i = 0; variations->combinations != NULL && i < variations->combination_count; i++) {
        rf_combination *c = &variations->combinations[i];
        for (int k = 0; k < c->word_count; k++) free(c->words[k]);
        free(c->words);
        free(c->values);
        free(c->command);
        free(c->label);
        free(c->file);
    }
    free(variations->combinations);
    free(variations->all);
    *variations = (rf_variations){0};
}
