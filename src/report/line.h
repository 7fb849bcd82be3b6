/* The line that is drawn through the losses. */
#ifndef RF_REPORT_LINE_H
#define RF_REPORT_LINE_H

#include "rangefinder/report.h"

/* A loss for each finite point, through the middle of the points, also at a cliff. *out is owned: free(). */
rf_status rf_line_create(double **out, const rf_curve *curve);
/* Between the lines of several range tests: at each finite point the lowest and the highest, INFINITY where one has ended.  *out is
 * owned: free(); NULL for a single test. */
typedef struct rf_line_span {
    double low, high;
} rf_line_span;
rf_status rf_line_band(rf_line_span **out, const rf_curve *curve);
/* The line's height at a rate within the curve, interpolated. */
double rf_line_at(const double *line, const rf_curve *curve, double lr);

#endif
