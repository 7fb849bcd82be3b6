/* The table of optimizers, and their options as text. */
#include "optim/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rangefinder/trainer.h"

static const rf_optimizer *const optimizers[] = {
#define RF_OPTIMIZER_ROW(name) &rf_optimizer_##name,
    RF_OPTIMIZER_LIST(RF_OPTIMIZER_ROW)
#undef RF_OPTIMIZER_ROW
};

const char *const *rf_optimizer_names(void) {
#define RF_OPTIMIZER_NAME(name) #name,
    static const char *const names[] = {RF_OPTIMIZER_LIST(RF_OPTIMIZER_NAME) NULL};
#undef RF_OPTIMIZER_NAME
    return names;
}

const rf_optimizer *rf_optimizer_at(size_t index) {
    return index < RF_COUNT(optimizers) ? optimizers[index] : NULL;
}

int rf_optimizer_slots(const rf_optimizer_setup *setup) {
    const rf_optimizer *kind = setup->optimizer;
    int count = 0;
    if (kind->slot_count != NULL) return kind->slot_count(setup->o);
    while (kind->slots[count] != NULL) count++;
    return count;
}

/* ---- reading ---- */

typedef struct word { /* a part of the text */
    const char *at;
    int length;
} word;

static word next_word(const char **text) {
    static const char blanks[] = " \t\n";
    const word out = {*text + strspn(*text, blanks), (int)strcspn(*text + strspn(*text, blanks), blanks)};
    *text = out.at + out.length;
    return out;
}

/* Compares with an option's name; '-' equals '_', as on the command line. */
static bool is_name(const word *given, const char *name) {
    for (int i = 0; i < given->length; i++)
        if ((given->at[i] == '-' ? '_' : given->at[i]) != name[i]) return false;
    return name[given->length] == '\0';
}

static const rf_optimizer_option *find_option(size_t *place, const rf_optimizer *optimizer,
                                              const word *name) {
    *place = 0;
    for (const rf_optimizer_option *option = optimizer->options; option->name != NULL; option++) {
        if (is_name(name, option->name)) return option;
        *place += (size_t)rf_option_numbers(option);
    }
    return NULL;
}

static rf_status fail_kind(const word *given) {
    char typed[64];
    rf_str list = {0};
    snprintf(typed, sizeof typed, "%.*s", given->length, given->at);
    const char *near = rf_nearest(typed, rf_optimizer_names(), RF_COUNT(optimizers));
    for (size_t i = 0; i < RF_COUNT(optimizers); i++)
        rf_str_addf(&list, "%s%s",
                    i == 0                         ? ""
                    : i + 1 < RF_COUNT(optimizers) ? ", "
                                                   : " and ",
                    optimizers[i]->name);
    rf_fail(RF_E_USAGE, "no optimizer '%s'%s%s%s; there are %s", typed,
            near != NULL ? "; did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "",
            rf_str_text(&list));
    rf_str_free(&list);
    return RF_E_USAGE;
}

/* An option that this optimizer does not read is an error, which would go unnoticed. */
static rf_status fail_option(const rf_optimizer *optimizer, const word *name) {
    rf_str list = {0};
    const rf_optimizer_option *option = optimizer->options;
    size_t place;
    bool known = false;
    for (size_t i = 0; i < RF_COUNT(optimizers); i++)
        known |= find_option(&place, optimizers[i], name) != NULL;
    for (; option->name != NULL; option++)
        rf_str_addf(&list, "%s%s",
                    option == optimizer->options ? ""
                    : option[1].name != NULL     ? ", "
                                                 : " and ",
                    option->name);
    rf_fail(RF_E_USAGE, "%.*s %s %s, which takes %s", name->length, name->at,
            known ? "has no effect with" : "is no option of", optimizer->name, rf_str_text(&list));
    rf_str_free(&list);
    return RF_E_USAGE;
}

static rf_status read_numbers(double *numbers, const rf_optimizer *optimizer,
                              const rf_optimizer_option *option, const word *value) {
    char text[128], *at = text;
    snprintf(text, sizeof text, "%.*s", value->length, value->at);
    for (int i = 0; i < rf_option_numbers(option); i++) {
        char *end;
        if (i > 0 && *at++ != ',')
            return rf_fail(RF_E_USAGE, "%s: %s takes two numbers, like %s=%g,%g", optimizer->name,
                           option->name, option->name, option->def[0], option->def[1]);
        numbers[i] = strtod(at, &end);
        if (end == at) break;
        at = end;
        if (!(numbers[i] >= option->low && numbers[i] <= option->high))
            return rf_fail(RF_E_USAGE, "%s: %s is %g; it must lie in %.10g..%.10g", optimizer->name,
                           option->name, numbers[i], option->low, option->high);
    }
    if (*at == '\0' && at > text) return RF_OK;
    return rf_fail(RF_E_USAGE, "%s: %s is '%s', which is no number", optimizer->name, option->name, text);
}

static rf_status read_options(const rf_optimizer_setup *setup, const char *text) {
    for (word name = next_word(&text); name.length > 0; name = next_word(&text)) {
        const char *equals = memchr(name.at, '=', (size_t)name.length);
        word value = {"1", 1};
        size_t place;
        if (equals != NULL) {
            value = (word){equals + 1, (int)(name.at + name.length - equals - 1)};
            name.length = (int)(equals - name.at);
        }
        const rf_optimizer_option *option = find_option(&place, setup->optimizer, &name);
        if (option == NULL) return fail_option(setup->optimizer, &name);
        if (equals == NULL && option->count > 0)
            return rf_fail(RF_E_USAGE, "%s: %s has no value, like %s=%g", setup->optimizer->name,
                           option->name, option->name, option->def[0]);
        RF_TRY(read_numbers(setup->o + place, setup->optimizer, option, &value));
    }
    return setup->optimizer->check != NULL ? setup->optimizer->check(setup->o) : RF_OK;
}

rf_status rf_optimizer_parse(rf_optimizer_setup *out, const char *text) {
    const char *rest = text != NULL ? text : "sgd";
    const word name = next_word(&rest);
    size_t count = 0;
    *out = (rf_optimizer_setup){0};
    for (size_t i = 0; i < RF_COUNT(optimizers); i++)
        if (is_name(&name, optimizers[i]->name)) out->optimizer = optimizers[i];
    if (out->optimizer == NULL) return fail_kind(&name);
    for (const rf_optimizer_option *option = out->optimizer->options; option->name != NULL; option++)
        count += (size_t)rf_option_numbers(option);
    if ((out->o = rf_alloc(count, sizeof *out->o)) == NULL) return RF_E_MEMORY;
    double *next = out->o;
    for (const rf_optimizer_option *option = out->optimizer->options; option->name != NULL; option++)
        for (int i = 0; i < rf_option_numbers(option); i++) *next++ = option->def[i];
    rf_status status = read_options(out, rest);
    if (status != RF_OK) rf_optimizer_release(out);
    return status;
}

void rf_optimizer_release(rf_optimizer_setup *setup) {
    free(setup->o);
    setup->o = NULL;
}

/* ---- writing ---- */

void rf_optimizer_add_value(rf_str *text, const rf_optimizer_option *option, const double *numbers) {
    for (int i = 0; i < rf_option_numbers(option); i++) {
        if (i > 0) rf_str_add(text, ",");
        rf_str_add_number(text, numbers[i]);
    }
}

void rf_optimizer_add_text(rf_str *text, const rf_optimizer_setup *setup) {
    const double *numbers = setup->o;
    rf_str_add(text, setup->optimizer->name);
    for (const rf_optimizer_option *option = setup->optimizer->options; option->name != NULL; option++) {
        rf_str_addf(text, " %s=", option->name);
        rf_optimizer_add_value(text, option, numbers);
        numbers += rf_option_numbers(option);
    }
}
