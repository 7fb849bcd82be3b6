/* The picture of a range test, drawn with cairo: as a file, and for a page that has the words itself. */
#ifndef RF_REPORT_PICTURE_H
#define RF_REPORT_PICTURE_H

#include "base/base.h"
#include "rangefinder/report.h"

/* Errors: as rf_report_plot. */
rf_status rf_picture_write(const rf_report *report, const char *path);

/* The left and the right end of the axis of rates, as shares of the width of the curve alone. */
#define RF_PICTURE_LEFT  0.12
#define RF_PICTURE_RIGHT 0.97
/* Adds the curve alone as SVG, `width` wide on a clear ground, the methods' rates below it; nothing in a build without
 * cairo.  *height becomes its height.  Errors: RF_E_MEMORY. */
rf_status rf_picture_svg(rf_str *out, int *height, const rf_report *report, int width);
/* Adds the losses of the report's race, in the same way; nothing where there was none. */
rf_status rf_picture_race_svg(rf_str *out, const rf_report *report);

#endif
