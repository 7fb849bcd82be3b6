/* Names and options as text. */
#include "base/spec.h"

#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

typedef struct word { /* a part of the text */
    const char *at;
    int length;
} word;

static word next_word(const char **text) {
    static const char blanks[] = " \t\n";
    const char *at = *text + strspn(*text, blanks);
    const word out = {at, (int)strcspn(at, blanks)};
    *text = at + out.length;
    return out;
}

static bool is_name(const word *given, const char *name) {
    for (int i = 0; i < given->length; i++)
        if ((given->at[i] == '-' ? '_' : given->at[i]) != name[i]) return false;
    return name[given->length] == '\0';
}

bool rf_spec_gives(const char *text, const char *option) {
    next_word(&text); /* the name */
    for (word given; (given = next_word(&text)).length > 0;) {
        const char *equals = memchr(given.at, '=', (size_t)given.length);
        if (equals != NULL) given.length = (int)(equals - given.at);
        if (is_name(&given, option)) return true;
    }
    return false;
}

/* "a, b and c", name by name. */
static void add_name(rf_str *list, const char *name, bool first, bool last) {
    rf_str_addf(list, "%s%s", first ? "" : last ? " and " : ", ", name);
}

/* ---- what is wrong ---- */

static rf_status fail_kind(const word *given, const char *what, const rf_spec_kind *const *kinds) {
    enum { MAX_NAMES = 64 };
    const char *names[MAX_NAMES];
    char typed[64];
    size_t count = 0;
    rf_str list = {0};
    snprintf(typed, sizeof typed, "%.*s", given->length, given->at);
    for (; kinds[count] != NULL && count < MAX_NAMES; count++) {
        names[count] = kinds[count]->name;
        add_name(&list, names[count], count == 0, kinds[count + 1] == NULL);
    }
    const char *near = rf_nearest(typed, names, count);
    rf_fail(RF_E_USAGE, "no %s '%s'; %s%s%s %s", what, typed, near != NULL ? "did you mean '" : "",
            near != NULL ? near : "", near != NULL ? "'? There are" : "there are", rf_str_text(&list));
    rf_str_free(&list);
    return RF_E_USAGE;
}

static const rf_spec_option *find_option(size_t *at, const rf_spec_kind *kind, const word *name) {
    *at = 0;
    for (const rf_spec_option *option = kind->options; option->name != NULL; option++) {
        if (is_name(name, option->name)) return option;
        *at += (size_t)rf_spec_numbers(option);
    }
    return NULL;
}

/* An option that is not read is a mistake, and would be one that nobody notices. */
static rf_status fail_option(const rf_spec_kind *kind, const word *name, const rf_spec_kind *const *kinds) {
    rf_str list = {0};
    size_t at;
    bool known = false;
    for (; *kinds != NULL; kinds++) known |= find_option(&at, *kinds, name) != NULL;
    for (const rf_spec_option *option = kind->options; option->name != NULL; option++)
        add_name(&list, option->name, option == kind->options, option[1].name == NULL);
    rf_fail(RF_E_USAGE, "%.*s %s %s, which takes %s", name->length, name->at,
            known ? "has no effect with" : "is no option of", kind->name,
            list.length > 0 ? rf_str_text(&list) : "none");
    rf_str_free(&list);
    return RF_E_USAGE;
}

/* ---- reading ---- */

static rf_status fail_count(const rf_spec_kind *kind, const rf_spec_option *option) {
    return option->count == 2 ? rf_fail(RF_E_USAGE, "%s: %s takes two numbers, like %s=%g,%g", kind->name,
                                        option->name, option->name, option->def[0], option->def[1])
                              : rf_fail(RF_E_USAGE, "%s: %s takes one number, like %s=%g", kind->name,
                                        option->name, option->name, option->def[0]);
}

/* The numbers of an option, from spec->o[at] on.  A list, which is the last one, makes room for itself. */
static rf_status read_numbers(rf_spec *spec, size_t at, const rf_spec_option *option, const word *value) {
    const char *text = value->at, *end = value->at + value->length;
    int count = 0;
    for (;; count++, text++) {
        char *behind;
        if (option->count != RF_SPEC_LIST && count == rf_spec_numbers(option))
            return fail_count(spec->kind, option);
        if (option->count == RF_SPEC_LIST) {
            double *grown = rf_resize(spec->o, at + (size_t)count + 1, sizeof *grown);
            if (grown == NULL) return RF_E_MEMORY;
            spec->o = grown;
            spec->count = at + (size_t)count + 1;
        }
        double *number = &spec->o[at + (size_t)count];
        *number = strtod(text, &behind);
        if (behind == text || behind > end || (*behind != ',' && behind != end))
            return rf_fail(RF_E_USAGE, "%s: %s is '%.*s', which is no number", spec->kind->name, option->name,
                           value->length, value->at);
        if (!(*number >= option->low && *number <= option->high))
            return rf_fail(RF_E_USAGE, "%s: %s is %g; it must lie in %.10g..%.10g", spec->kind->name,
                           option->name, *number, option->low, option->high);
        text = behind;
        if (text == end) break;
    }
    return count + 1 < rf_spec_numbers(option) ? fail_count(spec->kind, option) : RF_OK;
}

static rf_status read_options(rf_spec *spec, const char *text, const rf_spec_kind *const *kinds) {
    for (word name = next_word(&text); name.length > 0; name = next_word(&text)) {
        const char *equals = memchr(name.at, '=', (size_t)name.length);
        word value = {"1", 1};
        size_t at;
        if (equals != NULL) {
            value = (word){equals + 1, (int)(name.at + name.length - equals - 1)};
            name.length = (int)(equals - name.at);
        }
        const rf_spec_option *option = find_option(&at, spec->kind, &name);
        if (option == NULL) return fail_option(spec->kind, &name, kinds);
        if (equals == NULL && option->count != 0)
            return rf_fail(RF_E_USAGE, "%s: %s has no value, like %s=%g", spec->kind->name, option->name,
                           option->name, option->def[0]);
        RF_TRY(read_numbers(spec, at, option, &value));
    }
    return spec->kind->check != NULL ? spec->kind->check(spec->o, spec->count) : RF_OK;
}

rf_status rf_spec_parse(rf_spec *out, const char *text, const char *what, const rf_spec_kind *const *kinds) {
    const word name = next_word(&text);
    *out = (rf_spec){0};
    for (const rf_spec_kind *const *k = kinds; *k != NULL; k++)
        if (is_name(&name, (*k)->name)) out->kind = *k;
    if (out->kind == NULL) return fail_kind(&name, what, kinds);
    for (const rf_spec_option *option = out->kind->options; option->name != NULL; option++)
        out->count += (size_t)rf_spec_numbers(option);
    if ((out->o = rf_alloc(out->count, sizeof *out->o)) == NULL) return RF_E_MEMORY;
    double *next = out->o;
    for (const rf_spec_option *option = out->kind->options; option->name != NULL; option++)
        for (int i = 0; i < rf_spec_numbers(option); i++) *next++ = option->def[i];
    rf_status status = read_options(out, text, kinds);
    if (status != RF_OK) rf_spec_release(out);
    return status;
}

void rf_spec_release(rf_spec *spec) {
    free(spec->o);
    spec->o = NULL;
}

/* ---- writing ---- */

void rf_spec_add_value(rf_str *text, const double *numbers, int count) {
    for (int i = 0; i < count; i++) {
        if (i > 0) rf_str_add(text, ",");
        rf_str_add_number(text, numbers[i]);
    }
}

void rf_spec_add_text(rf_str *text, const rf_spec *spec) {
    size_t at = 0;
    rf_str_add(text, spec->kind->name);
    for (const rf_spec_option *option = spec->kind->options; option->name != NULL; option++) {
        const int count = option->count == RF_SPEC_LIST ? (int)(spec->count - at) : rf_spec_numbers(option);
        rf_str_addf(text, " %s=", option->name);
        rf_spec_add_value(text, spec->o + at, count);
        at += (size_t)count;
    }
}
