/* Drawings as files. */
#ifndef RF_REPORT_DRAWING_H
#define RF_REPORT_DRAWING_H

#include <cairo.h>

#include "base/base.h"

/* Draws on a surface; of a file, RF_FRAME_WIDTH times the height.  Errors: RF_E_MEMORY; cairo's own are in its status. */
typedef rf_status rf_draw(cairo_t *cr, const void *what);
/* Writes SVG, PNG or PDF, by the ending of the name; "-" is stdout, as SVG.  Errors: RF_E_USAGE for another ending, RF_E_IO. */
rf_status rf_drawing_write(const char *path, int height, rf_draw *draw, const void *what);
rf_status rf_drawing_check(const char *path); /* its ending */
/* Adds it as SVG, on a surface of this width. */
rf_status rf_drawing_svg(rf_str *out, int width, int height, rf_draw *draw, const void *what);

#endif
