/* A curve's features: levels and edges that do not depend on a single loss, for the verdict. */
#ifndef RF_CURVE_FEATURES_H
#define RF_CURVE_FEATURES_H

#include "curve/curve.h"

/* Indices are steps from 0. Start as {0}; release. */
typedef struct rf_features {
    const rf_curve *curve; /* borrowed */
    size_t n;              /* finite points */
    double *smoothed;      /* (count), owned: as the curve's, but without outliers */
    double start;          /* the median loss of the first tenth of the steps, at least five */
    double level;          /* its size */
    size_t lowest;         /* k, where smoothed is minimal */
    double drop;           /* start - smoothed[k] */
    size_t fall;           /* the step from which on, up to k, seven tenths of the drop are made */
    size_t rise;     /* the step from which on, up to the end, a fifth of the drop is lost again; n: none */
    size_t harm;     /* the same of a fifth of the level above the start, and of more than noise; n: none */
    double noise;    /* standard deviation of a loss; less where more is smoothed */
    bool not_finite; /* the curve ends in a loss that is not finite */
} rf_features;

rf_status rf_features_measure(rf_features *features, const rf_curve *curve);
void rf_features_release(rf_features *features);

#endif
