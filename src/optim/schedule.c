/* The table of schedules, and the warm-up and cool-down around any. */
#include "optim/schedule.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rangefinder/schedule.h"

static const rf_schedule *const schedules[] = {
#define RF_SCHEDULE_ROW(name) &rf_schedule_##name,
    RF_SCHEDULE_LIST(RF_SCHEDULE_ROW)
#undef RF_SCHEDULE_ROW
};

static const rf_spec_kind *const kinds[] = {
#define RF_SCHEDULE_KIND(name) &rf_schedule_##name.kind,
    RF_SCHEDULE_LIST(RF_SCHEDULE_KIND)
#undef RF_SCHEDULE_KIND
        NULL,
};

const char *const *rf_schedule_names(void) {
#define RF_SCHEDULE_NAME(name) #name,
    static const char *const names[] = {RF_SCHEDULE_LIST(RF_SCHEDULE_NAME) NULL};
#undef RF_SCHEDULE_NAME
    return names;
}

static rf_status fail_table(const char *text, const char *at, const char *wanted) {
    return rf_fail(RF_E_USAGE, "schedule '%s': %s is wanted at character %zu, as in 1x50,0.1x50", text,
                   wanted, (size_t)(at - text) + 1);
}

/* Factors times epochs.  Not by strtod, to which 0x50 is hexadecimal. */
static rf_status check_table(const char *text) {
    static const char digits[] = "0123456789.eE+-";
    for (const char *at = text;; at++) {
        const size_t factor = strspn(at, digits);
        if (factor == 0) return fail_table(text, at, "a factor");
        at += factor;
        if (*at != 'x') return fail_table(text, at, "an 'x'");
        const size_t epochs = strspn(++at, digits);
        if (epochs == 0) return fail_table(text, at, "a number of epochs");
        at += epochs;
        if (*at == '\0' || isspace((unsigned char)*at)) return RF_OK;
        if (*at != ',') return fail_table(text, at, "a comma");
    }
}

/* "1x50,0.1x50 warmup=5" is "table parts=1,50,0.1,50 warmup=5". */
static rf_status parse(rf_spec *out, const char *text) {
    while (isspace((unsigned char)*text)) text++;
    if (!isdigit((unsigned char)*text) && *text != '.') return rf_spec_parse(out, text, "schedule", kinds);
    RF_TRY(check_table(text));
    char *spelt = rf_format("table parts=%s", text);
    if (spelt == NULL) return RF_E_MEMORY;
    for (char *at = spelt + strlen("table parts="); *at != '\0' && !isspace((unsigned char)*at); at++)
        if (*at == 'x') *at = ',';
    rf_status status = rf_spec_parse(out, spelt, "schedule", kinds);
    free(spelt);
    return status;
}

static const rf_schedule *schedule_of(const rf_spec *spec) {
    size_t i = 0;
    while (kinds[i] != spec->kind) i++;
    return schedules[i];
}

static double factor_at(const rf_schedule *schedule, const rf_schedule_run *run, double step, double warmup,
                        double warmup_from, double cooldown) {
    if (step < warmup) return warmup_from + (1 - warmup_from) * step / warmup;
    if (step - warmup < run->steps) return schedule->factor(run, step - warmup);
    return schedule->factor(run, run->steps) * (warmup + run->steps + cooldown - step) / cooldown;
}

rf_status rf_schedule_open(rf_schedule_setup *out, const char *text, double lr, size_t steps,
                           size_t steps_per_epoch) {
    *out = (rf_schedule_setup){.lr = lr, .memory = {.factor = 1, .best = INFINITY}};
    if (!(lr > 0) || isinf(lr) || steps_per_epoch < 1)
        return rf_fail(RF_E_USAGE, "learning rate %g, %zu steps an epoch: both must be above 0", lr,
                       steps_per_epoch);
    RF_TRY(parse(&out->spec, text != NULL ? text : "constant"));
    const double *o = out->spec.o, epoch = (double)steps_per_epoch;
    out->schedule = schedule_of(&out->spec);
    out->warmup = round(o[RF_WARMUP] * epoch);
    out->cooldown = round(o[RF_COOLDOWN] * epoch);
    out->run = (rf_schedule_run){.o = o + RF_SCHEDULE_OWN,
                                 .count = out->spec.count - RF_SCHEDULE_OWN,
                                 .steps = (double)steps - out->warmup - out->cooldown,
                                 .epoch = epoch};
    if (out->run.steps >= 0) return RF_OK;
    rf_fail(RF_E_USAGE, "%s: warm-up and cool-down take %g epochs, and the run has %g; shorten them",
            out->spec.kind->name, (out->warmup + out->cooldown) / epoch, (double)steps / epoch);
    rf_schedule_close(out);
    return RF_E_USAGE;
}

void rf_schedule_close(rf_schedule_setup *setup) {
    rf_spec_release(&setup->spec);
}

double rf_schedule_rate(const rf_schedule_setup *s, size_t step) {
    return s->lr * s->memory.factor *
           factor_at(s->schedule, &s->run, (double)step, s->warmup, s->spec.o[RF_WARMUP_FROM], s->cooldown);
}

void rf_schedule_observe(rf_schedule_setup *s, double loss) {
    if (s->schedule->observe != NULL) s->schedule->observe(&s->memory, s->run.o, s->lr, loss);
}

rf_status rf_schedule_rates(double *rates, size_t steps, const char *text, double lr,
                            size_t steps_per_epoch) {
    rf_schedule_setup setup;
    RF_TRY(rf_schedule_open(&setup, text, lr, steps, steps_per_epoch));
    for (size_t i = 0; i < steps; i++) rates[i] = rf_schedule_rate(&setup, i);
    rf_schedule_close(&setup);
    return RF_OK;
}
