/* Axes and their ticks: where a value lies between 0 and 1, for the plot and for the terminal. */
#ifndef RF_REPORT_AXIS_H
#define RF_REPORT_AXIS_H

#include "rangefinder/report.h"

typedef struct rf_axis {
    double low, high;
    bool logarithmic;
} rf_axis;

enum { RF_TICKS_MAX = 128 };

typedef struct rf_tick {
    double at;
    bool labelled;
    bool decade; /* a whole power of ten among others: may be written as such */
    int exponent;
    char text[24];
} rf_tick;

/* The axis of learning rates: logarithmic, unless they were raised linearly. */
rf_axis rf_axis_of_rates(const rf_curve *curve);
/* The axis of losses: from the minimum of the line (line.h) to the start and the first part of the rise; a divergence
 * is clipped. */
rf_axis rf_axis_of_losses(const rf_curve *curve, const double *line);
/* 0 at low, 1 at high; beyond for what lies outside. */
double rf_axis_position(const rf_axis *axis, double value);
/* Writes at most RF_TICKS_MAX ticks of which about `wanted` are labelled; returns how many. */
int rf_axis_ticks(rf_tick ticks[RF_TICKS_MAX], const rf_axis *axis, int wanted);

#endif
