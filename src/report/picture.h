/* The picture of a range test, drawn with cairo. */
#ifndef RF_REPORT_PICTURE_H
#define RF_REPORT_PICTURE_H

#include <cairo.h>

#include "base/base.h"
#include "rangefinder/report.h"

int rf_picture_height(const rf_report *report);
/* Errors: RF_E_MEMORY; cairo's own lie in its status. */
rf_status rf_picture_draw(cairo_t *cr, const rf_report *report);

#endif
