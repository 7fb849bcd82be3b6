/* A method's input, and what methods share. */
#ifndef RF_CURVE_METHOD_H
#define RF_CURVE_METHOD_H

#include <math.h>

#include "base/base.h"
#include "curve/method_list.h"

/* A curve as a library would have recorded it: smoothed its way, ended by its stop rule. Libraries go on
 * after a NaN, so count may exceed `known`: losses from there on are NAN, and their rates are not known. */
typedef struct rf_history {
    const double *lr;   /* (known) */
    const double *loss; /* (count) */
    size_t count, known;
    size_t planned;   /* steps asked for */
    float *x, *y, *g; /* (count + 1) each: scratch */
    char *reason;     /* why there is no answer; 96 characters */
} rf_history;

/* Replays a library's smoothing and stop: writes the losses that it would have recorded, returns how many. */
typedef size_t rf_smooth(double *out, const double *loss, size_t count);
/* A rule: the learning rate, or NAN with the reason. */
typedef double rf_rule(const rf_history *history);

#define RF_METHOD_DECLARE(key, library, smooth, rule)                                                        \
    rf_smooth smooth;                                                                                        \
    rf_rule rule;
RF_METHOD_LIST(RF_METHOD_DECLARE)
#undef RF_METHOD_DECLARE

/* Sets the reason and returns NAN. */
double rf_no_answer(const rf_history *history, const char *format, ...) RF_PRINTF(2, 3);
/* The learning rate of step i, or NAN where unknown. */
double rf_rate_at(const rf_history *history, size_t i);
/* Sets the reason that too few points are left after trimming, and returns NAN. */
double rf_too_few(const rf_history *history, size_t left, size_t needed);

/* The first smallest value; a NaN counts as smallest, as NumPy and PyTorch have it. count > 0. */
size_t rf_argmin(const float *values, size_t count);

#endif
