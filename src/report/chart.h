/* Charts: lines over one axis, with a legend where there are several. */
#ifndef RF_REPORT_CHART_H
#define RF_REPORT_CHART_H

#include "report/axis.h"

typedef struct _cairo cairo_t; /* cairo's, which builds without it do not have */

typedef struct rf_chart_line {
    const char *name; /* for the legend; may be NULL */
    const double *x, *y;
    size_t count; /* points; those that are not finite are left out, and the line is broken there */
} rf_chart_line;

enum { RF_CHART_HEIGHT = 480, RF_CHART_COLOURS = 7 };
typedef struct rf_chart {
    const char *title, *subtitle; /* texts are made printable */
    const char *x_label, *y_label;
    rf_axis x, y;
    const rf_chart_line *lines;
    size_t count; /* of lines: colours repeat after RF_CHART_COLOURS, with other dashes */
} rf_chart;

/* Legend, axes and lines alone: the legend's first row stands on `top`, the axis of x lies at `bottom`. */
rf_status rf_chart_draw(cairo_t *cr, const rf_chart *chart, double top, double bottom);
/* Errors: as rf_report_plot. */
rf_status rf_chart_plot(const rf_chart *chart, const char *path);

#endif
