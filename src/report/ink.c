/* Text and shapes over cairo's own ("toy") text interface: enough for a plot, and available everywhere. */
#include "report/ink.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 500 }; /* bytes of what is cut: no picture is wider */
_Static_assert(RF_CUT_BYTES >= 2 * LONGEST + sizeof "\u2026", "a head, an ellipsis and a tail");

void rf_ink_use(cairo_t *cr, rf_ink ink) {
    cairo_set_source_rgba(cr, ink.red, ink.green, ink.blue, ink.alpha);
}

static void use_font(cairo_t *cr, rf_font font) {
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           font.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, font.size);
}

double rf_text_width(cairo_t *cr, rf_font font, const char *text) {
    cairo_text_extents_t extents;
    use_font(cr, font);
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

double rf_text_draw(cairo_t *cr, rf_font font, double x, double y, double align, const char *text) {
    const double width = rf_text_width(cr, font, text);
    rf_ink_use(cr, font.ink);
    cairo_move_to(cr, x - align * width, y);
    cairo_show_text(cr, text);
    return width;
}

/* The first `head` bytes, an ellipsis, and the text from `tail` on; false if that is wider than `width`. */
static bool join(cairo_t *cr, rf_font font, double width, char *out, const char *text, size_t head,
                 size_t tail) {
    while (head > 0 && text[head - 1] == ' ' && !text[tail]) head--;
    sprintf(out, "%.*s\u2026%s", (int)head, text, text + tail);
    return rf_text_width(cr, font, out) <= width;
}

void rf_text_cut(char out[RF_CUT_BYTES], cairo_t *cr, rf_font font, double width, size_t head,
                 const char *text) {
    const size_t length = strlen(text);
    if (length <= LONGEST && rf_text_width(cr, font, text) <= width) {
        strcpy(out, text);
        return;
    }
    for (size_t tail = RF_MAX(head < length ? head + 1 : length, RF_MAX(length, LONGEST) - LONGEST);
         tail < length && head < LONGEST; tail++)
        if (!rf_utf8_continues(text[tail]) && join(cr, font, width, out, text, head, tail)) return;
    for (size_t kept = RF_MIN(length, LONGEST); kept > 0; kept--)
        if (!rf_utf8_continues(text[kept]) && join(cr, font, width, out, text, kept, length)) return;
    *out = '\0';
}

double rf_text_fit(cairo_t *cr, rf_font font, double x, double y, double width, size_t head,
                   const char *text) {
    char fitting[RF_CUT_BYTES];
    rf_text_cut(fitting, cr, font, width, head, text);
    return rf_text_draw(cr, font, x, y, 0, fitting);
}

/* The bytes of whole characters at the beginning of text that fit in the width: one character at least. */
static size_t bytes_within(cairo_t *cr, rf_font font, double width, const char *text) {
    char line[512];
    size_t fits = 0;
    const size_t most = RF_MIN(strlen(text), sizeof line - 1);
    for (size_t length = 1; length <= most; length++) {
        if ((text[length] & 0xc0) == 0x80) continue; /* within a character */
        memcpy(line, text, length);
        line[length] = '\0';
        if (fits > 0 && rf_text_width(cr, font, line) > width) break;
        fits = length;
    }
    return fits;
}

int rf_text_wrap(cairo_t *cr, rf_font font, double x, double y, double width, double leading, int lines,
                 const char *text) {
    const int most = lines;
    char line[512];
    for (; lines > 1 && rf_text_width(cr, font, text) > width; lines--, y += leading) {
        size_t fits = 0;
        for (const char *space = strchr(text, ' '); space; space = strchr(space + 1, ' ')) {
            const size_t length = (size_t)(space - text);
            if (length >= sizeof line) break;
            memcpy(line, text, length);
            line[length] = '\0';
            if (rf_text_width(cr, font, line) > width) break;
            fits = length;
        }
        const bool between = fits > 0;
        if (!between) fits = bytes_within(cr, font, width, text); /* a word as long as that */
        memcpy(line, text, fits);
        line[fits] = '\0';
        rf_text_draw(cr, font, x, y, 0, line);
        text += fits + between;
    }
    rf_text_fit(cr, font, x, y, width, SIZE_MAX, text);
    return most - lines + 1;
}

int rf_text_lines(rf_font font, double width, const char *text) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cr = cairo_create(surface);
    const int lines = rf_text_wrap(cr, font, 0, 0, width, 0, INT_MAX, text);
    const bool failed = cairo_status(cr) != CAIRO_STATUS_SUCCESS;
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return failed ? 0 : lines;
}

void rf_round_rectangle(cairo_t *cr, double x, double y, double width, double height, double radius) {
    const double right = x + width - radius, bottom = y + height - radius;
    cairo_new_sub_path(cr);
    cairo_arc(cr, right, y + radius, radius, -M_PI_2, 0);
    cairo_arc(cr, right, bottom, radius, 0, M_PI_2);
    cairo_arc(cr, x + radius, bottom, radius, M_PI_2, M_PI);
    cairo_arc(cr, x + radius, y + radius, radius, M_PI, 3 * M_PI_2);
    cairo_close_path(cr);
}
