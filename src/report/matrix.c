/* Confusion matrices, drawn with cairo. */
#include "report/matrix.h"

#include <stdlib.h>

#include "report/drawing.h"
#include "report/frame.h"

enum { LEFT = 150, TOP = 132, SIDE = 776, BOTTOM = 116, MOST_NUMBERS = 24, MOST_NAMES = 64 };

static rf_ink mix(double share) {
    const rf_ink empty = RF_INK(0xF6F8FA, 1), full = RF_INK(0x0072B2, 1);
    return (rf_ink){empty.red + share * (full.red - empty.red),
                    empty.green + share * (full.green - empty.green),
                    empty.blue + share * (full.blue - empty.blue), 1};
}

static void draw_cell(cairo_t *cr, double x, double y, double side, size_t count, size_t all, bool number) {
    const double share = all > 0 ? (double)count / (double)all : 0, gap = side > 6 ? 1 : 0;
    char text[24];
    rf_ink_use(cr, mix(share));
    cairo_rectangle(cr, x, y, side - gap, side - gap);
    cairo_fill(cr);
    if (!number || count == 0) return;
    snprintf(text, sizeof text, "%zu", count);
    const rf_font font = {RF_MIN(side / 3, 14), false, share > 0.5 ? RF_INK_CARD : RF_INK_DARK};
    rf_text_draw(cr, font, x + side / 2, y + side / 2 + font.size / 3, 0.5, text);
}

/* At the rows' left, and upright above the columns. */
static rf_status draw_name(cairo_t *cr, double at, double side, const char *name) {
    enum { ROOM = 96 };
    const rf_font font = {RF_MIN(RF_MAX(side - 1, 6), 13), false, RF_INK_DARK};
    char cut[RF_CUT_BYTES], *clean = rf_printable(name);
    if (clean == NULL) return RF_E_MEMORY;
    rf_text_cut(cut, cr, font, ROOM, SIZE_MAX, clean);
    free(clean);
    rf_text_draw(cr, font, LEFT - 8, TOP + at + side / 2 + font.size / 3, 1, cut);
    cairo_save(cr);
    cairo_translate(cr, LEFT + at + side / 2 + font.size / 3, TOP + SIDE + 8);
    cairo_rotate(cr, -1.5707963267948966);
    rf_text_draw(cr, font, 0, 0, 1, cut);
    cairo_restore(cr);
    return RF_OK;
}

static rf_status draw(cairo_t *cr, const void *what) {
    const rf_matrix *m = what;
    const size_t classes = (size_t)m->classes;
    const double side = (double)SIDE / m->classes;
    rf_frame_card(cr, TOP + SIDE + BOTTOM);
    for (size_t row = 0; row < classes; row++) {
        const size_t *counts = m->counts + row * classes;
        size_t all = 0;
        for (size_t k = 0; k < classes; k++) all += counts[k];
        for (size_t k = 0; k < classes; k++)
            draw_cell(cr, LEFT + (double)k * side, TOP + (double)row * side, side, counts[k], all,
                      m->classes <= MOST_NUMBERS);
        if (m->classes <= MOST_NAMES) RF_TRY(draw_name(cr, (double)row * side, side, m->names[row]));
    }
    const double room = RF_FRAME_WIDTH - 2 * RF_FRAME_MARGIN;
    char *title = rf_printable(m->title), *subtitle = rf_printable(m->subtitle);
    if (title != NULL && subtitle != NULL) {
        rf_text_fit(cr, (rf_font){22, true, RF_INK_DARK}, RF_FRAME_MARGIN, 46, room, SIZE_MAX, title);
        rf_text_fit(cr, (rf_font){13.5, false, RF_INK_MUTED}, RF_FRAME_MARGIN, 72, room, SIZE_MAX, subtitle);
        rf_text_draw(cr, (rf_font){13, false, RF_INK_MUTED}, LEFT, TOP - 14, 0,
                     "rows: label; columns: predicted; the darker, the larger the share of the row");
    }
    const rf_status status = title != NULL && subtitle != NULL ? RF_OK : RF_E_MEMORY;
    free(title);
    free(subtitle);
    return status;
}

rf_status rf_matrix_plot(const rf_matrix *matrix, const char *path) {
    return rf_drawing_write(path, TOP + SIDE + BOTTOM, draw, matrix);
}
