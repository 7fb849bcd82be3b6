/* The card and the axes of pictures. */
#include "report/frame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double rf_frame_x(const rf_frame *frame, double value) {
    return frame->left + (frame->right - frame->left) * rf_axis_position(&frame->x, value);
}

double rf_frame_y(const rf_frame *frame, double value) {
    return frame->bottom -
           (frame->bottom - frame->top) * fmin(fmax(rf_axis_position(&frame->y, value), -2), 3);
}

void rf_frame_card(cairo_t *cr, int height) {
    rf_ink_use(cr, RF_INK_CARD);
    rf_round_rectangle(cr, 0.5, 0.5, RF_FRAME_WIDTH - 1, height - 1, 12);
    cairo_fill_preserve(cr);
    rf_ink_use(cr, RF_INK_GRID);
    cairo_set_line_width(cr, 1);
    cairo_stroke(cr);
}

void rf_frame_line(cairo_t *cr, rf_ink ink, double width, double x0, double y0, double x1, double y1) {
    rf_ink_use(cr, ink);
    cairo_set_line_width(cr, width);
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

/* 10 with a raised exponent, centred at x. */
static void draw_power(cairo_t *cr, rf_font font, double x, double y, int exponent) {
    char digits[16];
    snprintf(digits, sizeof digits, "%s%d", exponent < 0 ? "\u2212" : "", abs(exponent));
    const rf_font raised = {font.size * 0.72, font.bold, font.ink};
    const double base = rf_text_width(cr, font, "10"), width = base + 1 + rf_text_width(cr, raised, digits);
    rf_text_draw(cr, font, x - width / 2, y, 0, "10");
    rf_text_draw(cr, raised, x - width / 2 + base + 1, y - font.size * 0.42, 0, digits);
}

static void draw_x_axis(cairo_t *cr, const rf_frame *frame) {
    enum { LABEL = 76 }; /* the room that a label wants */
    const rf_font font = {13, false, RF_INK_MUTED};
    const double left = frame->left, right = frame->right, bottom = frame->bottom;
    rf_tick ticks[RF_TICKS_MAX];
    const int count = rf_axis_ticks(ticks, &frame->x, (int)((right - left) / LABEL));
    for (int i = 0; i < count; i++) {
        const double x = rf_frame_x(frame, ticks[i].at);
        if (ticks[i].labelled) rf_frame_line(cr, RF_INK_GRID, 1, x, frame->top, x, bottom);
        rf_frame_line(cr, RF_INK_FRAME, 1, x, bottom, x, bottom + (ticks[i].labelled ? 6 : 3.5));
        if (ticks[i].decade && strchr(ticks[i].text, 'e'))
            draw_power(cr, font, x, bottom + 23, ticks[i].exponent);
        else if (ticks[i].labelled)
            rf_text_draw(cr, font, x, bottom + 23, 0.5, ticks[i].text);
    }
    rf_frame_line(cr, RF_INK_FRAME, 1, left, bottom, right, bottom);
    rf_text_draw(cr, font, (left + right) / 2, bottom + 45, 0.5, frame->x_label);
}

static void draw_y_axis(cairo_t *cr, const rf_frame *frame) {
    const rf_font font = {13, false, RF_INK_MUTED};
    rf_tick ticks[RF_TICKS_MAX];
    const int count = rf_axis_ticks(ticks, &frame->y, 5);
    double widest = 0;
    for (int i = 0; i < count; i++) {
        const double y = rf_frame_y(frame, ticks[i].at);
        if (!ticks[i].labelled && frame->y.logarithmic) continue;
        rf_frame_line(cr, RF_INK_GRID, 1, frame->left, y, frame->right, y);
        widest = fmax(widest, rf_text_draw(cr, font, frame->left - 12, y + 4.5, 1, ticks[i].text));
    }
    if (frame->left - 12 - widest < RF_FRAME_MARGIN + 8) return; /* no room for the word */
    cairo_save(cr);
    cairo_translate(cr, RF_FRAME_MARGIN - 6, (frame->top + frame->bottom) / 2);
    cairo_rotate(cr, -M_PI_2);
    rf_text_draw(cr, font, 0, 4, 0.5, frame->y_label);
    cairo_restore(cr);
}

void rf_frame_draw(cairo_t *cr, const rf_frame *frame) {
    draw_x_axis(cr, frame);
    draw_y_axis(cr, frame);
}
