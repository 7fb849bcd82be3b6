/* A curve's features. Levels are medians, edges are last crossings, so that an early dip is no fall, and a bump that
 * recovers is not the end. An outlier (a bad batch) is replaced by its neighbours. */
#include "curve/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MIN = 10, START_MIN = 5, START_SHARE = 10, NEIGHBOURS = 5 };
static const double made = 0.7, risen = 0.2, harmed = 0.2, noises = 2;
static const double alone_noises = 6,
                    alone_share = 0.1; /* from its neighbours' median: noises, of the level */

/* The standard deviation of a loss, from second differences of the first losses: 0 on a straight line, sqrt(6) times
 * the deviation for independent noise; the median, as some may be of a divergence. */
static double deviation(double *bends, const double *loss, size_t points) {
    if (points < 3) return 0;
    for (size_t i = 0; i < points - 2; i++) bends[i] = fabs(loss[i] - 2 * loss[i + 1] + loss[i + 2]);
    return 1.4826 / sqrt(6) * rf_median(bends, points - 2);
}

/* The last two points are kept: a divergence may begin there. */
static void even_out(double *out, const rf_features *features, double noise) {
    const double *const loss = features->curve->loss;
    const double bound = fmax(alone_noises * noise, alone_share * features->level);
    memcpy(out, loss, features->n * sizeof *out);
    for (size_t i = 0; i + 2 < features->n && features->n >= NEIGHBOURS; i++) {
        double around[NEIGHBOURS];
        const size_t first = RF_MIN(i > NEIGHBOURS / 2 ? i - NEIGHBOURS / 2 : 0, features->n - NEIGHBOURS);
        memcpy(around, loss + first, sizeof around);
        const double middle = rf_median(around, NEIGHBOURS);
        if (fabs(loss[i] - middle) > bound) out[i] = middle;
    }
}

/* The step from which on smoothed stays above a bound, up to the end; n: it does not. */
static size_t rise_above(const rf_features *features, double bound) {
    size_t i = features->n;
    while (i > 0 && features->smoothed[i - 1] > bound) i--;
    return i;
}

rf_status rf_features_measure(rf_features *features, const rf_curve *curve) {
    const size_t n = rf_curve_finite(curve), first = RF_MIN(n, RF_MAX(START_MIN, n / START_SHARE));
    rf_status status = RF_E_MEMORY;
    double *const scratch = rf_alloc(n + 1, sizeof *scratch);
    double *const s = rf_alloc(curve->count, sizeof *s);
    *features = (rf_features){.curve = curve, .n = n, .smoothed = s, .not_finite = n < curve->count};
    if (!scratch || !s) goto done;
    status = RF_OK;
    if (n == 0) goto done;

    memcpy(scratch, curve->loss, first * sizeof *scratch);
    features->start = rf_median(scratch, first);
    features->level = fabs(features->start);
    const double noise = deviation(scratch, curve->loss, n);
    even_out(scratch, features, noise);
    rf_curve_smooth(s, scratch, curve);
    for (size_t i = 1; i < n; i++)
        if (s[i] < s[features->lowest]) features->lowest = i;
    features->drop = features->start - s[features->lowest];
    const size_t falling = RF_MIN(n, RF_MAX(features->lowest + 1, POINTS_MIN));
    features->noise = deviation(scratch, curve->loss, falling) * sqrt(3 / rf_curve_sigma(curve));
    const double fallen = features->start - fmax(made * features->drop, features->noise);
    features->fall = features->lowest;
    while (features->fall > 0 && s[features->fall - 1] <= fallen) features->fall--;
    features->rise =
        rise_above(features, s[features->lowest] + fmax(risen * features->drop, features->noise));
    features->harm =
        rise_above(features, features->start + fmax(harmed * features->level, noises * features->noise));
done:
    free(scratch);
    return status;
}

void rf_features_release(rf_features *features) {
    free(features->smoothed);
    *features = (rf_features){0};
}
