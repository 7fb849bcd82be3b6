/* What pictures have in common: the card, two axes with their ticks, and the colours, which are those of Okabe and Ito. */
#ifndef RF_REPORT_FRAME_H
#define RF_REPORT_FRAME_H

#include "report/axis.h"
#include "report/ink.h"

enum { RF_FRAME_WIDTH = 960, RF_FRAME_LEFT = 84, RF_FRAME_RIGHT = 926, RF_FRAME_MARGIN = 34 };
#define RF_INK_DARK  RF_INK(0x1B2530, 1)
#define RF_INK_MUTED RF_INK(0x66727F, 1)
#define RF_INK_GRID  RF_INK(0xE9EDF1, 1)
#define RF_INK_FRAME RF_INK(0xC3CBD4, 1)
#define RF_INK_CARD  RF_INK(0xFFFFFF, 1)

typedef struct rf_frame {
    double left, right, top, bottom; /* of the area between the axes */
    rf_axis x, y;
    const char *x_label, *y_label;
} rf_frame;

double rf_frame_x(const rf_frame *frame, double value);
double rf_frame_y(const rf_frame *frame,
                  double value);             /* kept near the picture: cairo's coordinates are small */
void rf_frame_card(cairo_t *cr, int height); /* the white card below all */
void rf_frame_draw(cairo_t *cr, const rf_frame *frame); /* axes, grid and labels */
void rf_frame_line(cairo_t *cr, rf_ink ink, double width, double x0, double y0, double x1, double y1);

#endif
