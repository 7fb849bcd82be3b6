/* The picture of a race, below that of its range test. */
#ifndef RF_REPORT_RACE_H
#define RF_REPORT_RACE_H

#include <cairo.h>

#include "rangefinder/report.h"

enum { RF_RACE_HEIGHT = 330 };
/* Draws the losses over the steps, a line a rate, into the rows from y on.  Errors: RF_E_MEMORY. */
rf_status rf_race_draw(cairo_t *cr, const rf_race *race, double y);

#endif
