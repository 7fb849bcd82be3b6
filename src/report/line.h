/* The line that is drawn through the losses. */
#ifndef RF_REPORT_LINE_H
#define RF_REPORT_LINE_H

#include "rangefinder/report.h"

/* A loss for each finite point, through the middle of the points, also at a cliff. *out is owned: free(). */
rf_status rf_line_create(double **out, const rf_curve *curve);
/* The line's height at a rate within the curve, interpolated. */
double rf_line_at(const double *line, const rf_curve *curve, double lr);

#endif
