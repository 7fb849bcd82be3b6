/* The result as one page that needs nothing else: no other file, no network, no script but for the values under the pointer.
 * It is XML too, so that any parser can check it.  Its style and its script are assets/page.css and page.js. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "rangefinder/version.h"
#include "report/axis.h"
#include "report/picture.h"
#include "report/words.h"
#include "report/writer.h"

enum {
    WIDE = 960,
    NARROW = 400,
    VALUES_SHOWN = 4000
}; /* widths of the picture; rows of the table of values */

/* ---- text ---- */

static void add_escaped(rf_str *out, const char *text) {
    static const char special[] = "&<>\"'";
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (; *text; text++) {
        const char *const found = strchr(special, *text);
        if (found)
            rf_str_add(out, entities[found - special]);
        else
            rf_str_add_bytes(out, text, 1);
    }
}

/* Text that anybody may have given. */
static void add_text(rf_str *out, const char *text) {
    char *const clean = rf_printable(text);
    if (clean)
        add_escaped(out, clean);
    else
        out->failed = true;
    free(clean);
}

/* Moves what was built into the page. */
static void add_built(rf_str *out, rf_str *text) {
    out->failed |= text->failed;
    add_text(out, rf_str_text(text));
    rf_str_free(text);
}

static void add_base64(rf_str *out, const char *bytes, size_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        const size_t count = RF_MIN(length - i, 3);
        unsigned group = 0;
        for (size_t k = 0; k < 3; k++) group = group << 8 | (k < count ? (unsigned char)bytes[i + k] : 0);
        const char quad[] = {digits[group >> 18], digits[group >> 12 & 63],
                             count > 1 ? digits[group >> 6 & 63] : '=', count > 2 ? digits[group & 63] : '='};
        rf_str_add_bytes(out, quad, sizeof quad);
    }
}

/* A number for people, with all its digits for programs. */
static void add_rate(rf_str *out, double lr) {
    rf_str_add(out, "<span title=\"");
    rf_str_add_number(out, lr);
    rf_str_addf(out, "\">%s</span>", rf_rate(lr).text);
}

/* A row of a table of names and values; none where the value is NULL or empty. */
static void add_row(rf_str *out, const char *name, const char *value) {
    if (!value || !*value) return;
    rf_str_add(out, "<tr><th scope=\"row\">");
    add_text(out, name);
    rf_str_add(out, "</th><td>");
    add_text(out, value);
    rf_str_add(out, "</td></tr>\n");
}

static void add_asset(rf_str *out, const char *name) {
    const rf_embedded *const asset = rf_embedded_find(rf_embedded_assets, name);
    rf_str_add_bytes(out, asset->data, asset->length);
}

/* ---- sections ---- */

static rf_status add_heading(rf_str *out, const rf_report *report) {
    rf_str title = {0}, details = {0};
    rf_words_add_title(&title, report);
    if (report->device) rf_str_addf(&details, "%s  \u00b7  ", report->device);
    rf_words_add_details(&details, report);
    rf_str_add(out, "<header>\n<h1>");
    add_built(out, &title);
    rf_str_add(out, "</h1>\n<p>");
    add_built(out, &details);
    rf_str_add(out, "</p>\n</header>\n");
    return RF_OK;
}

static rf_status add_verdict(rf_str *out, const rf_report *report) {
    const rf_verdict *const verdict = report->verdict;
    if (!verdict) return RF_OK;
    rf_str_add(out, "<p class=\"rate\"><strong>");
    if (verdict->kind == RF_VERDICT_RANGE) {
        add_rate(out, verdict->lr);
        rf_str_add(out, "</strong> is the learning rate to train with, in a usable range from ");
        add_rate(out, verdict->lr_min);
        rf_str_add(out, " to ");
        add_rate(out, verdict->lr_max);
        rf_str_addf(out, "; confidence: %s.</p>\n<p>", rf_confidence_text(verdict->confidence));
    } else {
        rf_str_add(out, "No learning rate can be suggested.</strong></p>\n<p>");
    }
    add_text(out, verdict->reason);
    rf_str_add(out, " ");
    add_text(out, verdict->advice);
    rf_str_add(out, "</p>\n");
    return RF_OK;
}

/* As the address of an image of its own: what it defines inside has names that two of them would share on a page. */
static void add_svg(rf_str *out, rf_str *svg) {
    rf_str_add(out, "data:image/svg+xml;base64,");
    add_base64(out, rf_str_text(svg), svg->length);
    out->failed |= svg->failed;
    rf_str_free(svg);
}

static rf_status add_picture(rf_str *out, int *height, const rf_report *report, int width) {
    rf_str svg = {0};
    const rf_status status = rf_picture_svg(&svg, height, report, width);
    if (status != RF_OK || svg.length == 0) {
        rf_str_free(&svg);
        return status;
    }
    add_svg(out, &svg);
    return rf_str_status(out);
}

static rf_status add_figure(rf_str *out, const rf_report *report) {
    const rf_axis axis = rf_axis_of_rates(report->curve);
    rf_str wide = {0}, narrow = {0};
    int height;
    rf_status status = add_picture(&narrow, &height, report, NARROW);
    if (status == RF_OK) status = add_picture(&wide, &height, report, WIDE);
    if (status != RF_OK || wide.length == 0) goto done;
    rf_str_addf(out,
                "<figure>\n<div class=\"chart\">\n<picture>\n"
                "<source media=\"(max-width: 40rem)\" srcset=\"%s\"/>\n"
                "<img width=\"%d\" height=\"%d\" alt=\"The loss over the learning rate\" src=\"%s\"/>\n"
                "</picture>\n",
                rf_str_text(&narrow), WIDE, height, rf_str_text(&wide));
    rf_str_addf(out, "<div id=\"pointer\" style=\"left: %g%%; right: %g%%\" data-scale=\"%s\" data-low=\"",
                100 * RF_PICTURE_LEFT, 100 - 100 * RF_PICTURE_RIGHT, axis.logarithmic ? "log" : "linear");
    rf_str_add_number(out, axis.low);
    rf_str_add(out, "\" data-high=\"");
    rf_str_add_number(out, axis.high);
    rf_str_add(out, "\"></div>\n</div>\n"
                    "<figcaption>Dots are losses, the line goes through their middle; the usable range is "
                    "shaded. Below: what each known method suggests.</figcaption>\n</figure>\n"
                    "<script type=\"module\">\n");
    add_asset(out, "page.js");
    rf_str_add(out, "</script>\n");
done:
    rf_str_free(&wide);
    rf_str_free(&narrow);
    return status;
}

static void add_trial(rf_str *out, const rf_trial *trial, bool best) {
    rf_str_add(out, "<tr><td>");
    add_rate(out, trial->lr);
    rf_str_addf(out, "</td><td>%zu</td><td>%s</td><td>", trial->done, rf_words_loss(trial->loss).text);
    if (!isnan(trial->validation_loss)) rf_str_add(out, rf_words_loss(trial->validation_loss).text);
    rf_str_add(out, "</td><td>");
    if (isfinite(trial->accuracy)) rf_str_addf(out, "%.2f %%", 100 * trial->accuracy);
    rf_str_addf(out, "</td><td>%s</td></tr>\n", best ? "best" : "");
}

static rf_status add_race(rf_str *out, const rf_report *report) {
    const rf_race *const race = report->race;
    rf_str svg = {0};
    if (!race) return RF_OK;
    rf_str_add(out, "<section>\n<h2>The race</h2>\n<p>");
    add_text(out, race->reason);
    rf_str_addf(out, " It trains by the plan of %zu steps, shortened.</p>\n", race->plan_steps);
    const rf_status status = rf_picture_race_svg(&svg, report);
    if (status == RF_OK && svg.length > 0) {
        rf_str_add(out, "<picture><img alt=\"The losses of the race\" src=\"");
        add_svg(out, &svg);
        rf_str_add(out, "\"/></picture>\n");
    }
    rf_str_free(&svg);
    rf_str_add(out, "<table>\n<thead><tr><th scope=\"col\">learning rate</th><th scope=\"col\">steps</th>"
                    "<th scope=\"col\">training loss</th><th scope=\"col\">held-out loss</th>"
                    "<th scope=\"col\">accuracy</th><th scope=\"col\"></th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < race->count; i++) add_trial(out, &race->trials[i], i == race->best);
    rf_str_add(out, "</tbody>\n</table>\n</section>\n");
    return status;
}

static rf_status add_methods(rf_str *out, const rf_report *report) {
    const double ours = report->verdict ? report->verdict->lr : NAN;
    if (report->suggestion_count == 0) return RF_OK;
    rf_str_add(out, "<section>\n<h2>What the known libraries say on this curve</h2>\n<table>\n<thead><tr>"
                    "<th scope=\"col\">method</th><th scope=\"col\">library</th>"
                    "<th scope=\"col\">learning rate</th><th scope=\"col\">against ours</th>"
                    "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < report->suggestion_count; i++) {
        const rf_suggestion *const method = &report->suggestions[i];
        rf_str_addf(out, "<tr><td>%s</td><td>%s</td>", method->method, method->library);
        if (isnan(method->lr)) {
            rf_str_add(out, "<td colspan=\"2\">none: ");
            add_text(out, method->reason);
        } else {
            rf_str_add(out, "<td>");
            add_rate(out, method->lr);
            rf_str_add(out, "</td><td>");
            if (!isnan(ours)) rf_words_add_factor(out, method->lr, ours, true);
        }
        rf_str_add(out, "</td></tr>\n");
    }
    rf_str_add(out, "</tbody>\n</table>\n</section>\n");
    return RF_OK;
}

static void add_code(rf_str *out, const char *what, const char *lines) {
    if (!lines) return;
    rf_str_addf(out, "<p>%s</p>\n<pre>", what);
    for (; *lines; lines += strcspn(lines, "\n")) {
        if (*lines == '\n') rf_str_add_bytes(out, lines++, 1);
        rf_str line = {0};
        rf_str_add_bytes(&line, lines, strcspn(lines, "\n"));
        add_built(out, &line);
    }
    rf_str_add(out, "</pre>\n");
}

static rf_status add_commands(rf_str *out, const rf_report *report) {
    if (!report->command && !report->train && !report->pytorch) return RF_OK;
    rf_str_add(out, "<section>\n<h2>Next</h2>\n");
    add_code(out, "To train with this rate:", report->train);
    add_code(out, "In PyTorch:", report->pytorch);
    add_code(out, "To repeat this test:", report->command);
    rf_str_add(out, "</section>\n");
    return RF_OK;
}

static void add_numbers(rf_str *out, const char *name, const double *values, int count) {
    rf_str text = {0};
    for (int i = 0; values && i < count; i++) rf_str_addf(&text, "%s%.6g", i ? ", " : "", values[i]);
    out->failed |= text.failed;
    add_row(out, name, rf_str_text(&text));
    rf_str_free(&text);
}

static rf_status add_run(rf_str *out, const rf_report *report) {
    const rf_curve *const curve = report->curve;
    char text[128];
    rf_str_add(out, "<section>\n<h2>The run</h2>\n<table>\n<tbody>\n");
    add_row(out, "device", report->device);
    add_row(out, "network", report->model);
    add_row(out, "data", report->data);
    add_row(out, "optimizer", report->optimizer);
    snprintf(text, sizeof text, "%zu of %zu: %s", curve->count, curve->planned, rf_stop_text(curve->stop));
    add_row(out, "steps", text);
    if (report->test_ms > 0)
        snprintf(text, sizeof text, "%.3g s, of which the range test took %.3g s (%.3g ms a step)",
                 report->time_ms / 1000, report->test_ms / 1000,
                 report->test_ms / (double)(curve->count * RF_MAX(curve->run_count, 1)));
    else
        snprintf(text, sizeof text, "%.3g s", report->time_ms / 1000);
    if (report->time_ms > 0) add_row(out, "time", text);
    add_numbers(out, "mean of pixels", report->mean, report->channels);
    add_numbers(out, "their deviation", report->std, report->channels);
    for (const char *const *note = report->notes; note && *note; note++) add_row(out, "note", *note);
    rf_str_add(out, "</tbody>\n</table>\n");
    if (report->setting_count > 0) {
        rf_str_add(out, "<details>\n<summary>All options</summary>\n<table>\n<tbody>\n");
        for (size_t i = 0; i < report->setting_count; i++)
            add_row(out, report->settings[i].name, report->settings[i].value);
        rf_str_add(out, "</tbody>\n</table>\n</details>\n");
    }
    rf_str_add(out, "</section>\n");
    return RF_OK;
}

static rf_status add_values(rf_str *out, const rf_report *report) {
    const rf_curve *const curve = report->curve;
    const size_t stride = curve->count / VALUES_SHOWN + 1;
    rf_str_add(out, "<details id=\"values\">\n<summary>All values</summary>\n<table>\n<thead><tr>"
                    "<th scope=\"col\">step</th><th scope=\"col\">learning rate</th>"
                    "<th scope=\"col\">loss</th><th scope=\"col\">smoothed</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < curve->count; i += stride)
        rf_str_addf(out, "<tr><td>%zu</td><td>%.4g</td><td>%.5g</td><td>%.5g</td></tr>\n", i + 1,
                    curve->lr[i], curve->loss[i], curve->smoothed[i]);
    rf_str_add(out, "</tbody>\n</table>\n</details>\n");
    return RF_OK;
}

/* In the order of the page. */
static rf_status (*const sections[])(rf_str *out, const rf_report *report) = {
    add_heading, add_verdict, add_figure, add_race, add_methods, add_commands, add_run, add_values,
};

/* ---- the page ---- */

static void add_head(rf_str *out, const rf_report *report) {
    rf_str title = {0};
    rf_words_add_title(&title, report);
    rf_str_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                    "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>");
    add_built(out, &title);
    rf_str_add(out, "</title>\n<style>\n");
    add_asset(out, "page.css");
    rf_str_add(out, "</style>\n</head>\n<body>\n");
}

rf_status rf_report_html(const rf_report *report, const char *path) {
    rf_str page = {0};
    rf_status status = RF_OK;
    add_head(&page, report);
    for (size_t i = 0; i < RF_COUNT(sections) && status == RF_OK; i++) status = sections[i](&page, report);
    rf_str_addf(&page, "<footer>Rangefinder %s</footer>\n</body>\n</html>\n", rf_version());
    if (status == RF_OK) status = rf_str_status(&page);
    if (status == RF_OK) status = rf_file_write(path, page.data, page.length);
    rf_str_free(&page);
    return status;
}
