/* What is said of a result: titles, the verdict, and the suggestions of known libraries for the same curve. */
#include "report/words.h"

#include <math.h>
#include <string.h>


/* 123456 -> "123,456". */
static void add_grouped(rf_str *out, size_t value) {
    if (value < 1000) {
        rf_str_addf(out, "%zu", value);
        return;
    }
    add_grouped(out, value / 1000);
    rf_str_addf(out, ",%03zu", value % 1000);
}

/* Parts of a line are set apart by dots. */
static void separate(rf_str *out) {
    if (out->length) rf_str_add(out, "  \u00b7  ");
}

void rf_words_add_details(rf_str *out, const rf_report *report) {
    if (report->batch) rf_str_addf(out, "batch %d", report->batch);
    if (report->optimizer) {
        separate(out);
        rf_str_add(out, report->optimizer);
    }
    if (report->parameters) {
        separate(out);
        add_grouped(out, report->parameters);
        rf_str_add(out, " parameters");
    }
    separate(out);
    rf_str_addf(out, "%zu step%s", report->curve->count, report->curve->count == 1 ? "" : "s");
    if (report->curve->run_count > 1) rf_str_addf(out, ", median of %zu orders", report->curve->run_count);
    const double seconds = report->time_ms / 1000;
    if (seconds > 0 && seconds < 99.5) rf_str_addf(out, " in %.2g s", seconds);
    if (seconds >= 99.5) rf_str_addf(out, " in %.0f min", ceil(seconds / 60));
}

size_t rf_words_add_title(rf_str *out, const rf_report *report) {
    const char *const model = report->model && *report->model ? report->model : NULL;
    const char *const data = report->data && *report->data ? report->data : NULL;
    if (model) rf_str_addf(out, data ? "%s on " : "%s", model);
    const size_t before = data ? out->length : SIZE_MAX;
    rf_str_add(out, data ? data : model ? "" : "Learning-rate range test");
    return before;
}

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

rf_number_text rf_words_loss(double loss) {
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
        rf_str_addf(out, "  %-13s %6zu %14s", rf_rate(t->lr).text, t->done, rf_words_loss(t->loss).text);
        if (validated) rf_str_addf(out, " %14s", rf_words_loss(t->validation_loss).text);
        if (isfinite(t->accuracy)) rf_str_addf(out, " %7.2f %%", 100 * t->accuracy);
        rf_str_add(out, i == race->best ? "  best\n" : "\n");
    }
    add_wrapped(out, race->reason, columns);
}

void rf_words_add_factor(rf_str *out, double lr, double ours, bool unicode) {
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
    rf_words_add_factor(out, suggestion->lr, ours, unicode);
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
