/* The line that is drawn: a Gaussian over losses of similar height, which, unlike the verdict's, does not smooth across
 * the cliff where a curve diverges (a bilateral filter: Tomasi and Manduchi, ICCV 1998). The height at a point is the
 * median around it, which ignores outliers. */
#include "report/line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"

enum { FIVE = 5, RADII = 3, SIGMA_MAX = 30 };
static const double alike_noises = 3, alike_share = 0.15; /* the same height: times noise, of the fall */

/* Medians of five; of fewer at the end, where a divergence keeps its own height. */
static void take_medians(double *out, const double *loss, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double around[FIVE];
        const size_t after = RF_MIN(n - 1 - i, FIVE / 2), first = i > after ? i - after : 0;
        const size_t count = first == 0 && n >= FIVE ? FIVE : i + after + 1 - first;
        memcpy(around, loss + first, count * sizeof *around);
        out[i] = rf_median(around, count);
    }
}

/* How far apart losses of the same height may lie. Half of them lie nearer to their median than 0.67 of their
 * deviation. */
static double alike(double *scratch, const double *loss, const double *medians, size_t n) {
    double lowest = n ? medians[0] : 0, start = lowest;
    for (size_t i = 0; i < n; i++) {
        scratch[i] = fabs(loss[i] - medians[i]);
        lowest = fmin(lowest, medians[i]);
    }
    return fmax(alike_noises * rf_median(scratch, n) / 0.67, alike_share * (start - lowest));
}

static double weight_of(double apart, double scale) {
    return apart == 0 ? 1 : exp(-0.5 * (apart / scale) * (apart / scale));
}

/* Each median is at its own height, so that weights is at least 1. */
rf_status rf_line_create(double **out, const rf_curve *curve) {
    const size_t n = rf_curve_finite(curve);
    const double sigma =
        fmin(3 * sqrt(fmax((double)n, 100) / 100), SIGMA_MAX); /* narrower: it follows the dots */
    const size_t radius = (size_t)(RADII * sigma);
    double *const line = rf_alloc(n + 1, sizeof *line), *const medians = rf_alloc(n + 1, sizeof *medians);
    *out = NULL;
    if (!line || !medians) {
        free(line);
        free(medians);
        return RF_E_MEMORY;
    }
    take_medians(medians, curve->loss, n);
    const double height = alike(line, curve->loss, medians, n);
    for (size_t i = 0; i < n; i++) {
        double sum = 0, weights = 0;
        for (size_t j = i > radius ? i - radius : 0; j < RF_MIN(i + radius + 1, n); j++) {
            const double w =
                weight_of((double)i - (double)j, sigma) * weight_of(medians[j] - medians[i], height);
            const double loss = fmin(fmax(curve->loss[j], medians[j] - height), medians[j] + height);
            if (!(w > 0)) continue; /* also where a difference is larger than a double */
            sum += w * (loss - medians[i]);
            weights += w;
        }
        line[i] = medians[i] + sum / weights;
    }
    free(medians);
    *out = line;
    return RF_OK;
}

rf_status rf_line_band(rf_line_span **out, const rf_curve *curve) {
    const size_t n = rf_curve_finite(curve);
    *out = NULL;
    if (curve->run_count == 0) return RF_OK;
    rf_line_span *const band = rf_alloc(n + 1, sizeof *band);
    if (band == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < n; i++) band[i] = (rf_line_span){INFINITY, -INFINITY};
    for (size_t r = 0; r < curve->run_count; r++) {
        const size_t ended = rf_curve_finite(curve->runs[r]);
        double *line;
        const rf_status status = rf_line_create(&line, curve->runs[r]);
        if (status != RF_OK) {
            free(band);
            return status;
        }
        for (size_t i = 0; i < n; i++) {
            const double at = i < ended ? line[i] : INFINITY;
            band[i] = (rf_line_span){fmin(band[i].low, at), fmax(band[i].high, at)};
        }
        free(line);
    }
    *out = band;
    return RF_OK;
}

double rf_line_at(const double *line, const rf_curve *curve, double lr) {
    const size_t n = rf_curve_finite(curve);
    size_t i = 1;
    while (i < n && curve->lr[i] < lr) i++;
    if (i >= n) return line[n - 1];
    const double share = log(lr / curve->lr[i - 1]) / log(curve->lr[i] / curve->lr[i - 1]);
    return line[i - 1] + share * (line[i] - line[i - 1]);
}
