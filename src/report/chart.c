/* Charts, drawn with cairo. */
#include "report/chart.h"

#include <math.h>
#include <stdlib.h>

#include "report/drawing.h"
#include "report/frame.h"

/* Okabe and Ito's, which the colour-blind tell apart. */
static const unsigned colours[RF_CHART_COLOURS] = {0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7,
                                                   0xE69F00, 0x56B4E9, 0x1B2530};

/* Colours repeat with other dashes. */
static void use_line(cairo_t *cr, size_t line) {
    static const double dashes[][2] = {{0, 0}, {9, 6}, {1, 5}};
    const size_t kind = line / RF_CHART_COLOURS % RF_COUNT(dashes);
    rf_ink_use(cr, RF_INK(colours[line % RF_CHART_COLOURS], 1));
    cairo_set_line_width(cr, 2.5);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_set_dash(cr, dashes[kind], kind == 0 ? 0 : 2, 0);
}

static void draw_line(cairo_t *cr, const rf_frame *frame, const rf_chart_line *line) {
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
    cairo_stroke(cr);
}

/* A line of the title, made printable, cut to the width. */
static rf_status draw_text(cairo_t *cr, rf_font font, double y, const char *text) {
    char *clean = rf_printable(text);
    if (clean == NULL) return RF_E_MEMORY;
    rf_text_fit(cr, font, RF_FRAME_MARGIN, y, RF_FRAME_WIDTH - 2 * RF_FRAME_MARGIN, SIZE_MAX, clean);
    free(clean);
    return RF_OK;
}

enum { LEGEND_ROW = 20, LEGEND_ROWS = 4 }; /* what is more is left out */

static rf_status draw_legend(int *rows, cairo_t *cr, const rf_chart *chart, double top) {
    enum { MARK = 18, SPACE = 6, GAP = 22 };
    const rf_font font = {13, false, RF_INK_DARK};
    double x = RF_FRAME_LEFT;
    *rows = chart->count < 2 ? 0 : 1;
    for (size_t i = 0; i < chart->count && chart->count >= 2; i++) {
        char *name = rf_printable(chart->lines[i].name != NULL ? chart->lines[i].name : "");
        if (name == NULL) return RF_E_MEMORY;
        const double room = RF_FRAME_RIGHT - RF_FRAME_LEFT - MARK - SPACE;
        const double width = fmin(rf_text_width(cr, font, name), room);
        if (x > RF_FRAME_LEFT && x + MARK + SPACE + width > RF_FRAME_RIGHT && (*rows)++ < LEGEND_ROWS)
            x = RF_FRAME_LEFT;
        const double y = top + LEGEND_ROW * (*rows - 1);
        if (*rows <= LEGEND_ROWS) {
            use_line(cr, i);
            cairo_move_to(cr, x, y - 4);
            cairo_line_to(cr, x + MARK, y - 4);
            cairo_stroke(cr);
            rf_text_fit(cr, font, x + MARK + SPACE, y, width + 1, SIZE_MAX, name);
        }
        free(name);
        x += MARK + SPACE + width + GAP;
    }
    *rows = RF_MIN(*rows, LEGEND_ROWS);
    return RF_OK;
}

rf_status rf_chart_draw(cairo_t *cr, const rf_chart *chart, double top, double bottom) {
    int rows;
    RF_TRY(draw_legend(&rows, cr, chart, top));
    cairo_set_dash(cr, NULL, 0, 0);
    const rf_frame frame = {.left = RF_FRAME_LEFT,
                            .right = RF_FRAME_RIGHT,
                            .top = top + LEGEND_ROW * rows,
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
    for (size_t i = 0; i < chart->count; i++) {
        use_line(cr, i);
        draw_line(cr, &frame, &chart->lines[i]);
    }
    cairo_restore(cr);
    return RF_OK;
}

static rf_status draw(cairo_t *cr, const void *what) {
    const rf_chart *chart = what;
    rf_frame_card(cr, RF_CHART_HEIGHT);
    RF_TRY(draw_text(cr, (rf_font){22, true, RF_INK_DARK}, 46, chart->title));
    RF_TRY(draw_text(cr, (rf_font){13.5, false, RF_INK_MUTED}, 72, chart->subtitle));
    return rf_chart_draw(cr, chart, 104, RF_CHART_HEIGHT - 74);
}

rf_status rf_chart_plot(const rf_chart *chart, const char *path) {
    return rf_drawing_write(path, RF_CHART_HEIGHT, draw, chart);
}
