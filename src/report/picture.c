/* The picture of a range test: one drawing of 960 x 540 units on a white card; for pages, the curve alone.
 *
 * Colours are Okabe and Ito's, which the colour-blind tell apart; the card is white so that the picture
 * stands on light and dark pages. The losses are clipped, so that a divergence does not flatten the rest. */
#include "report/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"
#include "rangefinder/version.h"
#include "report/drawing.h"
#include "report/frame.h"
#include "report/line.h"
#include "report/race.h"
#include "report/words.h"

enum { WIDTH = RF_FRAME_WIDTH, HEIGHT = 540, FOOTER = 13, LEADING = 15, POINTS_DRAWN = 4000 };
static const double margin = RF_FRAME_MARGIN;

#define CURVE   RF_INK(0x0072B2, 1)
#define RAW     RF_INK(0x7C93A8, 0.75)
#define BAND    RF_INK(0x0072B2, 0.085)
#define SPREAD  RF_INK(0x0072B2, 0.22)
#define SUGGEST RF_INK(0xD55E00, 1)

typedef struct picture {
    cairo_t *cr;
    const rf_report *report;
    const rf_curve *curve;
    const rf_verdict *verdict; /* NULL unless there is a range */
    double *line;              /* (finite points) */
    rf_line_span *band;        /* as many; NULL: of a single test */
    rf_frame frame;
} picture;

static double x_of(const picture *plot, double lr) {
    return rf_frame_x(&plot->frame, lr);
}
static double y_of(const picture *plot, double loss) {
    return rf_frame_y(&plot->frame, loss);
}

/* ---- the curve ---- */

static void draw_range(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const rf_frame *const frame = &plot->frame;
    if (!plot->verdict) return;
    const double from = fmax(frame->left, x_of(plot, plot->verdict->lr_min));
    const double to = fmin(frame->right, x_of(plot, plot->verdict->lr_max));
    rf_ink_use(cr, BAND);
    cairo_rectangle(cr, from, frame->top, to - from, frame->bottom - frame->top);
    cairo_fill(cr);
    rf_frame_line(cr, CURVE, 3, from, frame->top - 1.5, to, frame->top - 1.5);
}

/* A loss above the picture is a small triangle at its edge, if there is room beside the last one. */
static void draw_raw(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const rf_frame *const frame = &plot->frame;
    const size_t n = rf_curve_finite(plot->curve), stride = n / POINTS_DRAWN + 1;
    double marked = 0;
    rf_ink_use(cr, RAW);
    for (size_t i = 0; i < n; i += stride) {
        const double x = x_of(plot, plot->curve->lr[i]), y = y_of(plot, plot->curve->loss[i]);
        cairo_new_sub_path(cr);
        if (y < frame->top) {
            if (x - marked < 8) continue;
            marked = x;
            cairo_move_to(cr, x - 3, frame->top + 8);
            cairo_line_to(cr, x + 3, frame->top + 8);
            cairo_line_to(cr, x, frame->top + 3);
            cairo_close_path(cr);
        } else if (y <= frame->bottom) {
            cairo_arc(cr, x, y, n > 400 ? 1.6 : 2.4, 0, 2 * M_PI);
        }
    }
    cairo_fill(cr);
}

static void draw_band(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const size_t n = rf_curve_finite(plot->curve), stride = n / POINTS_DRAWN + 1;
    if (!plot->band || n < 2) return;
    cairo_save(cr);
    const rf_frame *const frame = &plot->frame;
    cairo_rectangle(cr, frame->left - 4, frame->top, frame->right - frame->left + 8,
                    frame->bottom - frame->top);
    cairo_clip(cr);
    for (size_t i = 0; i < n; i += stride)
        cairo_line_to(cr, x_of(plot, plot->curve->lr[i]), y_of(plot, plot->band[i].high));
    for (size_t i = (n - 1) / stride * stride + stride; i > 0; i -= stride)
        cairo_line_to(cr, x_of(plot, plot->curve->lr[i - stride]), y_of(plot, plot->band[i - stride].low));
    rf_ink_use(cr, SPREAD);
    cairo_fill(cr);
    cairo_restore(cr);
}

static void draw_curve(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const rf_frame *const frame = &plot->frame;
    const size_t n = rf_curve_finite(plot->curve), stride = n / POINTS_DRAWN + 1;
    if (n < 2) return;
    cairo_save(cr);
    cairo_rectangle(cr, frame->left - 4, frame->top, frame->right - frame->left + 8,
                    frame->bottom - frame->top);
    cairo_clip(cr);
    for (size_t i = 0; i < n; i += stride)
        cairo_line_to(cr, x_of(plot, plot->curve->lr[i]), y_of(plot, plot->line[i]));
    rf_ink_use(cr, CURVE);
    cairo_set_line_width(cr, 3);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_stroke(cr);
    cairo_restore(cr);
}

static void draw_not_finite(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const rf_frame *const frame = &plot->frame;
    const size_t last = plot->curve->count - 1;
    if (isfinite(plot->curve->loss[last])) return;
    const double x = x_of(plot, plot->curve->lr[last]), y = frame->top + 14, arm = 4.5;
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    rf_frame_line(cr, RF_INK_DARK, 2, x - arm, y - arm, x + arm, y + arm);
    rf_frame_line(cr, RF_INK_DARK, 2, x - arm, y + arm, x + arm, y - arm);
    const bool beside = x > frame->left + 120;
    rf_text_draw(cr, (rf_font){12, false, RF_INK_MUTED}, beside ? x - 12 : x + 12, y + 4.5, beside,
                 "not finite");
}

/* The suggested rate: a line, a dot on the curve, and its number above, between those of the range's ends. */
static void draw_suggestion(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const rf_frame *const frame = &plot->frame;
    if (!plot->verdict) return;
    const rf_verdict *const verdict = plot->verdict;
    const double x = x_of(plot, verdict->lr),
                 y = y_of(plot, rf_line_at(plot->line, plot->curve, verdict->lr));
    rf_frame_line(cr, SUGGEST, 2, x, frame->top - 4, x, frame->bottom);
    rf_ink_use(cr, RF_INK_CARD);
    cairo_arc(cr, x, fmax(y, frame->top), 7.5, 0, 2 * M_PI);
    cairo_fill(cr);
    rf_ink_use(cr, SUGGEST);
    cairo_arc(cr, x, fmax(y, frame->top), 5.5, 0, 2 * M_PI);
    cairo_fill(cr);

    const rf_font label = {14, true, RF_INK_CARD}, ends = {13, false, CURVE};
    const rf_number_text rate = rf_rate(verdict->lr), low = rf_rate(verdict->lr_min),
                         high = rf_rate(verdict->lr_max);
    const double half = rf_text_width(cr, label, rate.text) / 2 + 9;
    const double middle = fmin(fmax(x, frame->left + half), frame->right - half);
    rf_ink_use(cr, SUGGEST);
    rf_round_rectangle(cr, middle - half, frame->top - 27, 2 * half, 23, 6);
    cairo_fill(cr);
    rf_text_draw(cr, label, middle, frame->top - 10.5, 0.5, rate.text);

    const double from = x_of(plot, verdict->lr_min), to = x_of(plot, verdict->lr_max);
    const double low_half = rf_text_width(cr, ends, low.text) / 2,
                 high_half = rf_text_width(cr, ends, high.text) / 2;
    const double low_x = fmin(fmax(from, frame->left + low_half), middle - half - 8 - low_half);
    const double high_x = fmax(fmin(to, frame->right - high_half), middle + half + 8 + high_half);
    if (low_x - low_half > frame->left - 40 && strcmp(low.text, rate.text) != 0)
        rf_text_draw(cr, ends, low_x, frame->top - 11, 0.5, low.text);
    if (high_x + high_half < frame->right + 26 && strcmp(high.text, rate.text) != 0)
        rf_text_draw(cr, ends, high_x, frame->top - 11, 0.5, high.text);
}

/* ---- words ---- */

/* Three bars, as many filled as the confidence is high; returns the width. */
static double draw_bars(cairo_t *cr, double x, double y, rf_confidence confidence) {
    for (int i = 0; i < 3; i++) {
        const double height = 5 + 3.5 * i;
        rf_ink_use(cr, i <= (int)confidence ? RF_INK_DARK : RF_INK_FRAME);
        rf_round_rectangle(cr, x + 6 * i, y - height, 4, height, 1);
        cairo_fill(cr);
    }
    return 3 * 6;
}

/* At the top right: the number, or that there is none; returns where it begins. */
static double draw_headline(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const rf_verdict *const verdict = plot->report->verdict;
    const double end = WIDTH - margin, line = 48, line2 = 74;
    if (!verdict) return end;
    if (!plot->verdict)
        return end - rf_text_draw(cr, (rf_font){22, true, SUGGEST}, end, line, 1, "no suggestion");
    const double number =
        rf_text_draw(cr, (rf_font){26, true, SUGGEST}, end, line, 1, rf_rate(verdict->lr).text);
    const double label =
        rf_text_draw(cr, (rf_font){14, false, RF_INK_MUTED}, end - number - 10, line, 1, "learning rate");
    const rf_font font = {13.5, false, RF_INK_MUTED};
    char text[32];
    snprintf(text, sizeof text, "%s confidence", rf_confidence_text(verdict->confidence));
    const double width = rf_text_width(cr, font, text);
    rf_text_draw(cr, font, end, line2, 1, text);
    draw_bars(cr, end - width - 26, line2, verdict->confidence);
    return end - RF_MAX(number + 10 + label, width + 26);
}

static rf_status draw_title(const picture *plot) {
    cairo_t *const cr = plot->cr;
    const rf_report *const report = plot->report;
    rf_status status = RF_E_MEMORY;
    rf_str title = {0}, details = {0};
    char *clean = NULL, *device = NULL;
    const double end = draw_headline(plot) - 28;

    const size_t before = rf_words_add_title(&title, report);
    rf_words_add_details(&details, report);
    if (title.failed || details.failed) goto done;

    if (!(clean = rf_printable(title.data))) goto done;
    const double share = report->device ? 0.65 : 1;
    const double width =
        rf_text_fit(cr, (rf_font){22, true, RF_INK_DARK}, margin, 48, share * (end - margin), before, clean);
    if (report->device) {
        if (!(device = rf_printable(report->device))) goto done;
        const double x = margin + width + 14;
        if (end - x > 60)
            rf_text_fit(cr, (rf_font){15, false, RF_INK_MUTED}, x, 48, end - x, SIZE_MAX, device);
    }
    free(clean);
    if (!(clean = rf_printable(details.data))) goto done;
    rf_text_fit(cr, (rf_font){13.5, false, RF_INK_MUTED}, margin, 74, end - margin, SIZE_MAX, clean);
    status = RF_OK;
done:
    free(device);
    free(clean);
    rf_str_free(&title);
    rf_str_free(&details);
    return status;
}

static void draw_caption(const picture *plot) {
    const rf_verdict *const verdict = plot->report->verdict;
    char text[sizeof verdict->reason + sizeof verdict->advice + 2];
    if (!verdict) return;
    snprintf(text, sizeof text, "%s%s%s", verdict->reason, *verdict->advice ? " " : "", verdict->advice);
    rf_text_wrap(plot->cr, (rf_font){13, false, plot->verdict ? RF_INK_MUTED : RF_INK_DARK}, margin,
                 HEIGHT - 39, WIDTH - 2 * margin, 19, 2, text);
}

static void add_numbers(rf_str *out, const char *name, const double *values, int count) {
    rf_str_addf(out, "  %s", name);
    for (int i = 0; i < count; i++) rf_str_addf(out, "%s%.6g", i ? "," : " ", values[i]);
}

/* All that reproduces the run but the command; owned. */
static rf_status options_text(char **out, const rf_report *report) {
    rf_str text = {0};
    rf_str_addf(&text, "rangefinder %s", rf_version());
    if (report->mean && report->std) {
        add_numbers(&text, "mean", report->mean, report->channels);
        add_numbers(&text, "std", report->std, report->channels);
    }
    for (size_t i = 0; i < report->setting_count; i++)
        rf_str_addf(&text, "  %s %s", report->settings[i].name, report->settings[i].value);
    rf_status status = rf_str_status(&text);
    if (status == RF_OK && (*out = rf_printable(text.data)) == NULL) status = RF_E_MEMORY;
    rf_str_free(&text);
    return status;
}

/* Below all, small: what reproduces the run, whole. */
#define SMALL ((rf_font){10.5, false, RF_INK_MUTED})
typedef struct footer {
    char *command, *options;
    int command_lines, option_lines;
} footer;

static void close_footer(footer *f) {
    free(f->command);
    free(f->options);
}

static rf_status open_footer(footer *f, const rf_report *report) {
    *f = (footer){0};
    if (report->command == NULL) return RF_OK;
    rf_status status = options_text(&f->options, report);
    if (status == RF_OK && (f->command = rf_printable(report->command)) == NULL) status = RF_E_MEMORY;
    if (status != RF_OK) {
        close_footer(f);
        return status;
    }
    const double width = 0.96 * (WIDTH - 2 * margin); /* letters are a little wider on some surfaces */
    f->command_lines = rf_text_lines(SMALL, width, f->command);
    f->option_lines = RF_MAX(rf_text_lines(SMALL, width, f->options), 3);
    return RF_OK;
}

static void draw_footer(cairo_t *cr, const footer *f) {
    if (f->command == NULL) return;
    rf_text_wrap(cr, SMALL, margin, HEIGHT + 12, WIDTH - 2 * margin, LEADING, f->command_lines, f->command);
    rf_text_wrap(cr, SMALL, margin, HEIGHT + 12 + f->command_lines * LEADING, WIDTH - 2 * margin, LEADING,
                 f->option_lines, f->options);
}

/* ---- the whole ---- */

/* A picture whose line and band are owned by it. */
static rf_status open_picture(picture *plot, cairo_t *cr, const rf_report *report, rf_frame frame) {
    const rf_verdict *const verdict = report->verdict;
    double *line;
    rf_line_span *band;
    RF_TRY(rf_line_create(&line, report->curve));
    const rf_status status = rf_line_band(&band, report->curve);
    if (status != RF_OK) free(line);
    RF_TRY(status);
    frame.x = rf_axis_of_rates(report->curve);
    frame.y = rf_axis_of_losses(report->curve, line);
    frame.x_label = "learning rate";
    frame.y_label = "loss";
    *plot = (picture){.cr = cr,
                      .report = report,
                      .curve = report->curve,
                      .line = line,
                      .band = band,
                      .verdict = verdict && verdict->kind == RF_VERDICT_RANGE ? verdict : NULL,
                      .frame = frame};
    return RF_OK;
}

static void close_picture(picture *plot) {
    free(plot->line);
    free(plot->band);
}

static void draw_plot(const picture *plot) {
    draw_range(plot);
    rf_frame_draw(plot->cr, &plot->frame);
    draw_band(plot);
    draw_raw(plot);
    draw_curve(plot);
    draw_not_finite(plot);
    draw_suggestion(plot);
}

static rf_status draw_words(const picture *plot, const footer *f) {
    cairo_t *const cr = plot->cr;
    draw_caption(plot);
    cairo_save(cr);
    if (plot->report->race) {
        RF_TRY(rf_race_draw(cr, plot->report->race, HEIGHT));
        cairo_translate(cr, 0, RF_RACE_HEIGHT);
    }
    draw_footer(cr, f);
    cairo_restore(cr);
    return draw_title(plot);
}

typedef struct whole {
    const rf_report *report;
    footer footer;
    int height;
} whole;

static rf_status draw_whole(cairo_t *cr, const void *what) {
    const whole *const w = what;
    picture plot;
    RF_TRY(
        open_picture(&plot, cr, w->report,
                     (rf_frame){.left = RF_FRAME_LEFT, .right = RF_FRAME_RIGHT, .top = 122, .bottom = 420}));
    rf_frame_card(cr, w->height);
    draw_plot(&plot);
    const rf_status status = draw_words(&plot, &w->footer);
    close_picture(&plot);
    return status;
}

rf_status rf_picture_write(const rf_report *report, const char *path) {
    whole w = {.report = report, .height = HEIGHT + (report->race ? RF_RACE_HEIGHT : 0)};
    RF_TRY(open_footer(&w.footer, report));
    if (report->command) w.height += FOOTER + (w.footer.command_lines + w.footer.option_lines) * LEADING;
    const rf_status status = rf_drawing_write(path, w.height, draw_whole, &w);
    close_footer(&w.footer);
    return status;
}

/* ---- the curve alone ---- */

enum { ABOVE = 34, AXIS = 66, ROW = 20 }; /* above the axes; of the labels below them; of a method */

typedef struct curve_drawing {
    const rf_report *report;
    int width, height;
} curve_drawing;

static int methods_height(const rf_report *report) {
    return ROW * (int)report->suggestion_count;
}

/* Each method's rate below the axis, in a row of its own with the name beside it. */
static void draw_methods(const picture *plot, double y) {
    cairo_t *const cr = plot->cr;
    const rf_frame *const frame = &plot->frame;
    const rf_font font = {12.5, false, RF_INK_MUTED};
    const double bottom = y + methods_height(plot->report);
    if (plot->verdict) {
        const double x = x_of(plot, plot->verdict->lr);
        rf_frame_line(cr, SUGGEST, 1, x, y, x, bottom);
    }
    for (size_t i = 0; i < plot->report->suggestion_count; i++, y += ROW) {
        const rf_suggestion *const method = &plot->report->suggestions[i];
        const double x = x_of(plot, method->lr), middle = y + ROW / 2.;
        rf_frame_line(cr, RF_INK_GRID, 1, frame->left, middle, frame->right, middle);
        if (isnan(method->lr)) {
            rf_text_draw(cr, font, frame->left + 10, middle + 4.5, 0, method->method);
            continue;
        }
        const bool before = x + 12 + rf_text_width(cr, font, method->method) > frame->right;
        rf_ink_use(cr, RF_INK_DARK);
        cairo_arc(cr, x, middle, 4, 0, 2 * M_PI);
        cairo_fill(cr);
        rf_text_draw(cr, font, before ? x - 10 : x + 10, middle + 4.5, before, method->method);
    }
}

static rf_status draw_alone(cairo_t *cr, const void *what) {
    const curve_drawing *const drawing = what;
    picture plot;
    RF_TRY(open_picture(&plot, cr, drawing->report,
                        (rf_frame){.left = RF_PICTURE_LEFT * drawing->width,
                                   .right = RF_PICTURE_RIGHT * drawing->width,
                                   .top = ABOVE,
                                   .bottom = drawing->height - AXIS - methods_height(drawing->report)}));
    draw_plot(&plot);
    draw_methods(&plot, plot.frame.bottom + AXIS);
    close_picture(&plot);
    return RF_OK;
}

rf_status rf_picture_svg(rf_str *out, int *height, const rf_report *report, int width) {
    *height = ABOVE + 220 + width / 9 + AXIS + methods_height(report);
    return rf_drawing_svg(out, width, *height, draw_alone,
                          &(curve_drawing){.report = report, .width = width, .height = *height});
}

/* ---- the race alone ---- */

static rf_status draw_race(cairo_t *cr, const void *race) {
    return rf_race_draw(cr, race, 0);
}

rf_status rf_picture_race_svg(rf_str *out, const rf_report *report) {
    if (!report->race) return RF_OK;
    return rf_drawing_svg(out, WIDTH, RF_RACE_HEIGHT, draw_race, report->race);
}
