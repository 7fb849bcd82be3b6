/* Charts, drawn with cairo. */
#include "report/chart.h"

#include <math.h>
#include <stdlib.h>

#include "report/drawing.h"
#include "report/frame.h"

/* Okabe and Ito's, which the colour-blind tell apart. */
static const unsigned colours[RF_CHART_COLOURS] = {0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7,
                                                   0xE69F00, 0x56B4E9, 0x1B2530};

static rf_ink ink_of(size_t line) {
    return RF_INK(colours[line % RF_CHART_COLOURS], 1);
}

static void draw_line(cairo_t *cr, const rf_frame *frame, const rf_chart_line *line, rf_ink ink) {
    bool broken = true;
    for (size_t i = 0; i < line->count; i++) {
        if (!isfinite(line->x[i]) || !isfinite(line->y[i])) {
            broken = true;
            continue;
        }
        const double x = rf_frame_x(frame, line->x[i]), y = rf_frame_y(frame, line->y[i]);
        if (broken)
            cairo_move_to(cr, x, y);
        else
            cairo_line_to(cr, x, y);
        broken = false;
    }
    rf_ink_use(cr, ink);
    cairo_set_line_width(cr, 2.5);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_stroke(cr);
}

/* One text, made printable, cut to the width; returns what it took. */
static rf_status draw_text(double *width, cairo_t *cr, rf_font font, double x, double y, double room,
                           const char *text) {
    char *clean = rf_printable(text);
    if (clean == NULL) return RF_E_MEMORY;
    *width = rf_text_fit(cr, font, x, y, room, SIZE_MAX, clean);
    free(clean);
    return RF_OK;
}

static rf_status draw_legend(cairo_t *cr, const rf_chart *chart, double y) {
    enum { MARK = 18, GAP = 22 };
    double x = RF_FRAME_LEFT;
    if (chart->count < 2) return RF_OK;
    for (size_t i = 0; i < chart->count && RF_FRAME_RIGHT - x > 60; i++) {
        double width = 0;
        rf_frame_line(cr, ink_of(i), 3, x, y - 4, x + MARK, y - 4);
        RF_TRY(draw_text(&width, cr, (rf_font){13, false, RF_INK_DARK}, x + MARK + 6, y,
                         RF_FRAME_RIGHT - x - MARK - 6,
                         chart->lines[i].name != NULL ? chart->lines[i].name : ""));
        x += MARK + 6 + width + GAP;
    }
    return RF_OK;
}

rf_status rf_chart_draw(cairo_t *cr, const rf_chart *chart, double legend, double top, double bottom) {
    const rf_frame frame = {.top = top,
                            .bottom = bottom,
                            .x = chart->x,
                            .y = chart->y,
                            .x_label = chart->x_label,
                            .y_label = chart->y_label};
    rf_frame_draw(cr, &frame);
    cairo_save(cr);
    cairo_rectangle(cr, RF_FRAME_LEFT - 4, frame.top - 4, RF_FRAME_RIGHT - RF_FRAME_LEFT + 8,
                    frame.bottom - frame.top + 8);
    cairo_clip(cr);
    for (size_t i = 0; i < chart->count; i++) draw_line(cr, &frame, &chart->lines[i], ink_of(i));
    cairo_restore(cr);
    return draw_legend(cr, chart, legend);
}

static rf_status draw(cairo_t *cr, const void *what) {
    const rf_chart *chart = what;
    const double room = RF_FRAME_WIDTH - 2 * RF_FRAME_MARGIN;
    double width;
    rf_frame_card(cr, RF_CHART_HEIGHT);
    RF_TRY(rf_chart_draw(cr, chart, 104, chart->count > 1 ? 124 : 104, RF_CHART_HEIGHT - 74));
    RF_TRY(draw_text(&width, cr, (rf_font){22, true, RF_INK_DARK}, RF_FRAME_MARGIN, 46, room, chart->title));
    return draw_text(&width, cr, (rf_font){13.5, false, RF_INK_MUTED}, RF_FRAME_MARGIN, 72, room,
                     chart->subtitle);
}

rf_status rf_chart_plot(const rf_chart *chart, const char *path) {
    return rf_drawing_write(path, RF_CHART_HEIGHT, draw, chart);
}
