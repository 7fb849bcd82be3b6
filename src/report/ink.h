/* Colours and text over cairo: what the plot is drawn with. */
#ifndef RF_REPORT_INK_H
#define RF_REPORT_INK_H

#include <cairo.h>

#include "base/base.h"

typedef struct rf_ink {
    double red, green, blue, alpha;
} rf_ink;
#define RF_INK(hex, opacity)                                                                                 \
    (rf_ink) {                                                                                               \
        ((hex) >> 16 & 255) / 255., ((hex) >> 8 & 255) / 255., ((hex)&255) / 255., opacity                   \
    }

typedef struct rf_font {
    double size;
    bool bold;
    rf_ink ink;
} rf_font;

void rf_ink_use(cairo_t *cr, rf_ink ink);
double rf_text_width(cairo_t *cr, rf_font font, const char *text);
/* Writes text whose left end, centre or right end (align 0, 0.5, 1) is at x, on the baseline y; returns its
 * width. */
double rf_text_draw(cairo_t *cr, rf_font font, double x, double y, double align, const char *text);
enum { RF_CUT_BYTES = 1008 };
/* A copy cut with an ellipsis to `width`: behind the first `head` bytes, so that the end stays; or at the end, if
 * head is SIZE_MAX or more than there is room for. */
void rf_text_cut(char out[RF_CUT_BYTES], cairo_t *cr, rf_font font, double width, size_t head,
                 const char *text);
/* Writes the same from x on; returns its width. */
double rf_text_fit(cairo_t *cr, rf_font font, double x, double y, double width, size_t head,
                   const char *text);
/* Breaks text between words, or within one that is longer than a line, into at most `lines` lines of `width`,
 * `leading` apart; the last is cut if need be.  Returns how many there are. */
int rf_text_wrap(cairo_t *cr, rf_font font, double x, double y, double width, double leading, int lines,
                  const char *text);
/* How many there would be without a limit; 0: there is no memory. */
int rf_text_lines(rf_font font, double width, const char *text);
void rf_round_rectangle(cairo_t *cr, double x, double y, double width, double height, double radius);

#endif
