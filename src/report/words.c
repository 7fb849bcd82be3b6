/* The verdict in words, and the suggestions of known libraries for the same curve. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "curve/curve.h"
#include "rangefinder/report.h"

/* Adds text broken between words to lines of `columns`. */
static void add_wrapped(rf_str *out, const char *text, int columns) {
    int column = 0;
    while (*text) {
        const size_t length = strcspn(text, " ");
        if (column > 0) {
            const bool fits = column + 1 + (int)length <= columns;
            rf_str_add(out, fits ? " " : "\n");
            column = fits ? column + 1 : 0;
        }
        rf_str_add_bytes(out, text, length);
        column += (int)length;
        text += length;
        text += strspn(text, " ");
    }
    rf_str_add(out, "\n");
}

static void add_verdict(rf_str *out, const rf_verdict *verdict, int columns, bool bold) {
    char first[256], rest[1024];
    if (verdict->kind == RF_VERDICT_RANGE)
        snprintf(first, sizeof first,
                 "%s is the learning rate to train with, in a usable range from %s to %s; confidence: %s.",
                 rf_rate(verdict->lr).text, rf_rate(verdict->lr_min).text, rf_rate(verdict->lr_max).text,
                 rf_confidence_text(verdict->confidence));
    else
        snprintf(first, sizeof first, "No learning rate can be suggested.");
    rf_str_addf(out, "%s", bold ? "\033[1m" : "");
    add_wrapped(out, first, columns);
    rf_str_addf(out, "%s", bold ? "\033[0m" : "");
    snprintf(rest, sizeof rest, "%s %s", verdict->reason, verdict->advice);
    rf_make_printable(rest);
    add_wrapped(out, rest, columns);
}

/* A loss, or that it was not finite. */
static rf_number_text loss_text(double loss) {
    return isfinite(loss) ? rf_loss(loss) : (rf_number_text){"not finite"};
}

static void add_race(rf_str *out, const rf_race *race, int columns) {
    const bool validated = !isnan(race->trials[race->suggested].validation_loss);
    rf_str_addf(out, "\nThe planned training of %zu steps, shortened, at rates around the range test's:\n",
                race->plan_steps);
    rf_str_addf(out, "  %-13s %6s %14s%s\n", "learning rate", "steps", "training loss",
                validated ? "  held-out loss  accuracy" : "");
    for (size_t i = 0; i < race->count; i++) {
        const rf_trial *const t = &race->trials[i];
        rf_str_addf(out, "  %-13s %6zu %14s", rf_rate(t->lr).text, t->done, loss_text(t->loss).text);
        if (validated) rf_str_addf(out, " %14s", loss_text(t->validation_loss).text);
        if (isfinite(t->accuracy)) rf_str_addf(out, " %7.2f %%", 100 * t->accuracy);
        rf_str_add(out, i == race->best ? "  best\n" : "\n");
    }
    add_wrapped(out, race->reason, columns);
}

/* How a rate compares with ours: "x3.1" or "/4.4". */
static void add_factor(rf_str *out, double lr, double ours, bool unicode) {
    const double factor = lr / ours, size = factor < 1 ? 1 / factor : factor;
    const char *const sign = factor < 1 ? (unicode ? "\u00f7" : "/") : (unicode ? "\u00d7" : "x");
    if (size < 1.05)
        rf_str_add(out, "the same");
    else
        rf_str_addf(out, size < 9.95 ? "%s%.1f" : size < 1e5 ? "%s%.0f" : "%s%.1e", sign, size);
}

static void add_row(rf_str *out, const rf_suggestion *suggestion, double ours, bool unicode) {
    rf_str_addf(out, "  %-10s %-18s ", suggestion->method, suggestion->library);
    if (isnan(suggestion->lr)) {
        rf_str_addf(out, "none: %s\n", suggestion->reason);
        return;
    }
    if (isnan(ours)) {
        rf_str_addf(out, "%s\n", rf_rate(suggestion->lr).text);
        return;
    }
    rf_str_addf(out, "%-14s ", rf_rate(suggestion->lr).text);
    add_factor(out, suggestion->lr, ours, unicode);
    rf_str_add(out, "\n");
}

rf_status rf_report_verdict(char **out, const rf_report *report, const rf_terminal_options *options) {
    const rf_verdict *const verdict = report->verdict;
    const int columns = options->columns > 0 ? RF_MIN(options->columns, 100) : 80;
    const double ours = verdict ? verdict->lr : NAN;
    rf_str text = {0};
    *out = NULL;
    if (verdict) add_verdict(&text, verdict, columns, options->colour);
    if (report->race) add_race(&text, report->race, columns);
    if (report->suggestion_count > 0) {
        rf_str_addf(&text, "\nWhat the known libraries say on this curve:\n");
        rf_str_addf(&text, "  %-10s %-18s %s%s\n", "method", "library", "learning rate",
                    isnan(ours) ? "" : "  against ours");
    }
    for (size_t i = 0; i < report->suggestion_count; i++)
        add_row(&text, &report->suggestions[i], ours, options->unicode);
    const rf_status status = rf_str_status(&text);
    if (status != RF_OK) {
        rf_str_free(&text);
        return status;
    }
    *out = text.data ? text.data : rf_strdup("");
    return *out ? RF_OK : RF_E_MEMORY;
}
