/* Axes: their ends chosen from the curve, their ticks at round numbers. */
#include "report/axis.h"

#include <float.h>
#include <math.h>

#include "curve/curve.h"

double rf_axis_position(const rf_axis *axis, double value) {
    if (!axis->logarithmic) return (value - axis->low) / (axis->high - axis->low);
    return (log(value) - log(axis->low)) / (log(axis->high) - log(axis->low));
}

static bool raised_linearly(const rf_curve *curve) {
    const double low = curve->lr[0], high = curve->lr[curve->count - 1], middle = curve->lr[curve->count / 2];
    const double share = (double)(curve->count / 2) / (double)(curve->count - 1);
    const double linear = low + share * (high - low),
                 exponential = exp((1 - share) * log(low) + share * log(high));
    return high > 3 * low && fabs(linear - middle) < fabs(exponential - middle);
}

rf_axis rf_axis_of_rates(const rf_curve *curve) {
    const double low = curve->lr[0], high = curve->lr[curve->count - 1];
    if (curve->count > 2 && raised_linearly(curve)) return (rf_axis){.low = 0, .high = high};
    if (high <= low) /* one learning rate: a margin on both sides, within the range of the logarithm */
        return (rf_axis){
            .low = fmax(low / 3, DBL_TRUE_MIN), .high = fmin(high * 3, DBL_MAX), .logarithmic = true};
    return (rf_axis){.low = low, .high = high, .logarithmic = true};
}

rf_axis rf_axis_of_losses(const rf_curve *curve, const double *line) {
    const double *const loss = curve->loss;
    const size_t n = rf_curve_finite(curve);
    if (n == 0) return (rf_axis){.low = 0, .high = 1};
    size_t lowest = 0;
    double highest = line[0];
    for (size_t i = 1; i < n; i++) {
        if (line[i] < line[lowest]) lowest = i;
        highest = fmax(highest, line[i]);
    }
    double low = line[lowest], high = low;
    for (size_t i = 0; i <= lowest; i++) high = fmax(high, line[i]);
    /* A curve that hardly falls: show what it rises to, or at least a tenth of its level. */
    const double level = fmax(fabs(rf_curve_level(curve)), 1e-30), span_min = 0.1 * level;
    if (high - low < span_min && highest > high + span_min) {
        high = fmin(highest, low + 0.6 * level);
    } else if (high - low < span_min) {
        const double middle = (low + high) / 2;
        low = middle - span_min / 2;
        high = middle + span_min / 2;
    }
    const double span = high - low;
    /* Room for the raw losses, but not for every outlier. */
    double lowest_raw = low, highest_raw = high, scatter = 0;
    for (size_t i = 0; i < n; i++) {
        lowest_raw = fmin(lowest_raw, loss[i]);
        if (i > lowest) continue;
        highest_raw = fmax(highest_raw, loss[i]);
        scatter += fabs(loss[i] - line[i]) / (double)(lowest + 1);
    }
    const double room = fmax(0.3 * span, fmin(2.5 * scatter, 3 * span));
    low = fmax(lowest_raw, low - room);
    high = fmin(fmax(highest_raw, high + 0.12 * span), high + room);
    const rf_axis axis = {.low = low - 0.06 * span, .high = high + 0.04 * span};
    if (axis.high > axis.low && isfinite(axis.high - axis.low)) return axis;
    return (rf_axis){.low = 0, .high = 1}; /* near the limits of double */
}

/* A step of 1, 2 or 5 times a power of ten. */
static double round_step(double step) {
    const double power = pow(10, floor(log10(step))), digit = step / power;
    return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

/* As many digits as tell ticks a step apart from each other; sizes far from 1 with an exponent. */
static void label_number(rf_tick *tick, double step, double size) {
    const int decimals = (int)fmin(fmax(-floor(log10(step) + 1e-9), 0), 9);
    const int digits = (int)fmin(fmax(floor(log10(size)) - floor(log10(step) + 1e-9), 0), 5);
    if (size < 1e5 && size >= 1e-3)
        snprintf(tick->text, sizeof tick->text, "%.*f", decimals, tick->at);
    else if (tick->at == 0)
        snprintf(tick->text, sizeof tick->text, "0");
    else
        snprintf(tick->text, sizeof tick->text, "%.*e", digits, tick->at);
    rf_shorten_exponent(tick->text);
}

static int linear_ticks(rf_tick ticks[RF_TICKS_MAX], const rf_axis *axis, int wanted) {
    const double step = round_step((axis->high - axis->low) / wanted);
    const double size = fmax(fabs(axis->low), fabs(axis->high));
    int count = 0;
    if (!(step > 1e-12 * size)) return 0; /* too narrow: multiples of the step cannot be told apart */
    for (double i = ceil(axis->low / step - 1e-9);
         i * step <= axis->high + 1e-9 * step && isfinite(i * step) && count < RF_TICKS_MAX; i++) {
        rf_tick *const tick = &ticks[count++];
        *tick = (rf_tick){.at = i == 0 ? 0 : i * step, .labelled = true};
        label_number(tick, step, size);
    }
    return count;
}

static void label_decade(rf_tick *tick, int exponent) {
    tick->labelled = tick->decade = true;
    tick->exponent = exponent;
    if (exponent >= -2 && exponent <= 2)
        snprintf(tick->text, sizeof tick->text, "%g", tick->at);
    else
        snprintf(tick->text, sizeof tick->text, "1e%d", exponent);
}

/* Ticks at 1 to 9 times each power of ten; labels at the powers, or at 1, 2, 5 where there are few of those.
 */
static int logarithmic_ticks(rf_tick ticks[RF_TICKS_MAX], const rf_axis *axis, int wanted) {
    const double decades = log10(axis->high) - log10(axis->low);
    const int stride = (int)fmax(1, ceil(decades / wanted)), digit_step = decades > 12 ? 9 : 1;
    const bool labels_within = decades < 1.7;
    int count = 0;
    for (int e = (int)floor(log10(axis->low) - 1e-9); e <= (int)ceil(log10(axis->high)); e++) {
        if (decades > 60 && e % stride != 0) continue;
        for (int digit = 1; digit < 10 && count < RF_TICKS_MAX; digit += digit_step) {
            const double at = digit * pow(10, e);
            if (at < axis->low * (1 - 1e-9) || at > axis->high * (1 + 1e-9) || isinf(at)) continue;
            rf_tick *const tick = &ticks[count++];
            *tick = (rf_tick){.at = at};
            if (digit == 1 && e % stride == 0) label_decade(tick, e);
            if (labels_within && (digit == 1 || digit == 2 || digit == 5)) {
                tick->labelled = true;
                tick->decade = false;
                snprintf(tick->text, sizeof tick->text, "%s", rf_rate(at).text);
            }
        }
    }
    return count;
}

int rf_axis_ticks(rf_tick ticks[RF_TICKS_MAX], const rf_axis *axis, int wanted) {
    if (!(axis->high > axis->low) || !isfinite(axis->high - axis->low)) return 0;
    if (!axis->logarithmic) return linear_ticks(ticks, axis, wanted);
    if (!(axis->low > 0)) return 0;
    if (axis->high / axis->low < 2) { /* too narrow for 1, 2, 5 */
        const rf_axis linear = {.low = axis->low, .high = axis->high};
        return linear_ticks(ticks, &linear, wanted / 2 + 1);
    }
    return logarithmic_ticks(ticks, axis, wanted);
}
