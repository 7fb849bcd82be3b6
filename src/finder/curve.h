/* Building curves point by point, and rates as text: shared by the finder and the reports. */
#ifndef RF_FINDER_CURVE_H
#define RF_FINDER_CURVE_H

#include "base/base.h"
#include "rangefinder/finder.h"

/* A curve that grows. Start as {0}; finish it or release it. */
typedef struct rf_curve_builder {
    double *lr, *loss;
    size_t count, capacity;
    size_t ended; /* points after the first loss that is not finite: a library that ran on with NaN */
} rf_curve_builder;

/* Adds a point. where names it in messages: "lr.csv, line 7".
 * Errors: RF_E_INPUT for a rate that is not positive or not above the last, or a finite loss after one that
 * is not. */
rf_status rf_curve_add(rf_curve_builder *builder, double lr, double loss, const char *where);
/* Makes the curve and takes the builder's arrays. name is for messages. */
rf_status rf_curve_finish(rf_curve **out, rf_curve_builder *builder, const char *name);
void rf_curve_builder_free(rf_curve_builder *builder);

/* How many of the losses are finite: count, or count - 1. */
size_t rf_curve_finite(const rf_curve *curve);
/* The mean of the first five finite losses (fewer if there are fewer). */
double rf_curve_level(const rf_curve *curve);

/* Standard deviation of the smoothing, in steps: 3 up to 100 steps, then as much of the curve, at most 30. */
double rf_curve_sigma(const rf_curve *curve);

/* Numbers for people: a rate with two digits ("3.2e-3", "0.032", "1.6"), a loss with three. */
typedef struct rf_number_text {
    char text[24];
} rf_number_text;
rf_number_text rf_rate(double lr);
rf_number_text rf_loss(double loss);
/* Turns what %e writes, "1.60e-05", into what people write, "1.6e-5". */
void rf_shorten_exponent(char *text);

#endif
