/* Curves: validated, smoothed without lag. Reading them from files is curve_read.c's. */
#include "finder/curve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIGMA = 3, SIGMA_MAX = 30, RADII = 8, LEVEL_POINTS = 5, STEPS_USUAL = 100 };
static const double cap_levels = 3; /* a loss counts as at most so many times the level */

rf_status rf_curve_add(rf_curve_builder *builder, double lr, double loss, const char *where) {
    const size_t n = builder->count;
    if (!isfinite(lr) || lr <= 0)
        return rf_fail(RF_E_INPUT, "%s: the learning rate is %g, expected a positive number", where, lr);
    if (n > 0 && !isfinite(builder->loss[n - 1])) {
        if (isfinite(loss))
            return rf_fail(RF_E_INPUT,
                           "%s: the loss is %g after one that is not finite; only the end of a curve "
                           "may be not finite, so cut it there",
                           where, loss);
        builder->ended++;
        return RF_OK;
    }
    if (n > 0 && lr <= builder->lr[n - 1])
        return rf_fail(RF_E_INPUT,
                       "%s: the learning rate %g is not above the one before, %g; sort the points by "
                       "rate, and give one curve at a time",
                       where, lr, builder->lr[n - 1]);
    if (n == builder->capacity) {
        const size_t capacity = RF_MAX(128, 2 * n);
        double *const rates = rf_resize(builder->lr, capacity, sizeof *rates);
        if (rates) builder->lr = rates;
        double *const losses = rates ? rf_resize(builder->loss, capacity, sizeof *losses) : NULL;
        if (!losses) return RF_E_MEMORY;
        builder->loss = losses;
        builder->capacity = capacity;
    }
    builder->lr[n] = lr;
    builder->loss[n] = loss;
    builder->count = n + 1;
    return RF_OK;
}

void rf_curve_builder_free(rf_curve_builder *builder) {
    free(builder->lr);
    free(builder->loss);
    *builder = (rf_curve_builder){0};
}

size_t rf_curve_finite(const rf_curve *curve) {
    return curve->count - (curve->count > 0 && !isfinite(curve->loss[curve->count - 1]));
}

double rf_curve_level(const rf_curve *curve) {
    const size_t n = RF_MIN(rf_curve_finite(curve), LEVEL_POINTS);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += curve->loss[i];
    return n ? sum / (double)n : NAN;
}

double rf_curve_sigma(const rf_curve *curve) {
    const double steps = (double)RF_MAX(curve->count, STEPS_USUAL);
    return RF_MIN(SIGMA * steps / STEPS_USUAL, SIGMA_MAX);
}

/* A centred Gaussian, its weights renormalised at the ends; each loss capped, so that the first steps of a
 * divergence do not reach back over the minimum. A loss that is not finite has no share in it. */
static void smooth(rf_curve *curve) {
    const size_t n = rf_curve_finite(curve);
    const double level = rf_curve_level(curve), cap = level > 0 ? cap_levels * level : INFINITY;
    const double sigma = rf_curve_sigma(curve);
    const size_t radius = (size_t)(RADII * sigma);
    double weight[RADII * SIGMA_MAX + 1];
    for (size_t i = 0; i <= radius; i++) weight[i] = exp(-0.5 * (double)(i * i) / (sigma * sigma));

    for (size_t i = 0; i < curve->count; i++) {
        const size_t first = i > radius ? i - radius : 0, end = RF_MIN(i + radius + 1, n);
        double sum = 0, weights = 0;
        for (size_t j = first; j < end; j++) {
            const double w = weight[i > j ? i - j : j - i];
            sum += w * fmin(curve->loss[j], cap);
            weights += w;
        }
        curve->smoothed[i] = i < n ? sum / weights : NAN;
    }
}

rf_status rf_curve_finish(rf_curve **out, rf_curve_builder *builder, const char *name) {
    *out = NULL;
    if (builder->count == 0)
        return rf_fail(RF_E_INPUT, "%s: no points; expected learning rates and losses", name);
    rf_curve *curve = rf_alloc(1, sizeof *curve);
    double *const smoothed = rf_alloc(builder->count, sizeof *smoothed);
    if (!curve || !smoothed) {
        free(curve);
        free(smoothed);
        return RF_E_MEMORY;
    }
    *curve = (rf_curve){.count = builder->count,
                        .lr = builder->lr,
                        .loss = builder->loss,
                        .smoothed = smoothed,
                        .planned = builder->count + builder->ended};
    *builder = (rf_curve_builder){0};
    curve->stop = rf_curve_finite(curve) < curve->count ? RF_STOP_NOT_FINITE : RF_STOP_COMPLETED;
    smooth(curve);
    *out = curve;
    return RF_OK;
}

rf_status rf_curve_create(rf_curve **out, const double *lr, const double *loss, size_t count) {
    rf_curve_builder builder = {0};
    rf_status status = RF_OK;
    *out = NULL;
    for (size_t i = 0; i < count && status == RF_OK; i++) {
        char where[32];
        snprintf(where, sizeof where, "point %zu", i + 1);
        status = rf_curve_add(&builder, lr[i], loss[i], where);
    }
    if (status == RF_OK) status = rf_curve_finish(out, &builder, "curve");
    rf_curve_builder_free(&builder);
    return status;
}

void rf_curve_free(rf_curve *curve) {
    if (!curve) return;
    free(curve->lr);
    free(curve->loss);
    free(curve->smoothed);
    free(curve);
}

void rf_shorten_exponent(char *text) {
    char *digits = strchr(text, 'e');
    if (!digits) return;
    char *mantissa = digits;
    if (memchr(text, '.', (size_t)(digits - text))) {
        while (mantissa[-1] == '0') mantissa--;
        if (mantissa[-1] == '.') mantissa--;
    }
    char *to = mantissa;
    *to++ = *digits++;
    if (*digits == '-') *to++ = '-';
    if (*digits == '-' || *digits == '+') digits++;
    while (*digits == '0' && digits[1]) digits++;
    memmove(to, digits, strlen(digits) + 1);
}

static rf_number_text written(const char *format, double value) {
    rf_number_text number;
    snprintf(number.text, sizeof number.text, format, value);
    rf_shorten_exponent(number.text);
    return number;
}

rf_number_text rf_rate(double lr) {
    const bool plain = lr >= 0.00995 && lr < 999.5;
    return written(!plain ? "%.1e" : lr >= 99.5 ? "%.0f" : "%.2g", lr);
}

rf_number_text rf_loss(double loss) {
    return written(fabs(loss) >= 999.5 && fabs(loss) < 99999.5 ? "%.0f" : "%.3g", loss);
}
