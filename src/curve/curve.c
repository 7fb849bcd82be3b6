/* Curves: validation, smoothing without lag, and undoing the smoothing of other programs. Reading files is in
 * curve_read.c. */
#include "curve/curve.h"

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
    if (n > 0 && lr == builder->lr[n - 1])
        return rf_fail(
            RF_E_INPUT,
            "%s: the learning rate %g is the same as the one before: it did not rise, or was rounded "
            "when it was written; write rates with more digits (\"%%.9g\")",
            where, lr);
    if (n > 0 && lr < builder->lr[n - 1])
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

/* Learning rates whose losses are missing: not finite. */
static rf_status end_waiting(rf_curve_builder *builder, const char *where) {
    const size_t rows = builder->waiting_rows;
    builder->waiting_rows = 0;
    if (rows == 0) return RF_OK;
    RF_TRY(rf_curve_add(builder, builder->first_waiting, NAN, where));
    builder->ended += rows - 1;
    return RF_OK;
}

rf_status rf_curve_add_row(rf_curve_builder *builder, double lr, double loss, const char *where) {
    if (isnan(lr) && isnan(loss)) return RF_OK; /* a row of other columns */
    if (isnan(loss)) {
        if (builder->waiting_rows++ == 0) builder->first_waiting = lr;
        builder->waiting = lr;
        return RF_OK;
    }
    if (isnan(lr) && builder->waiting_rows > 0) {
        builder->waiting_rows = 0;
        return rf_curve_add(builder, builder->waiting, loss, where);
    }
    RF_TRY(end_waiting(builder, where));
    return rf_curve_add(builder, lr, loss, where);
}

void rf_curve_builder_free(rf_curve_builder *builder) {
    free(builder->lr);
    free(builder->loss);
    rf_curve_runs_free(&builder->runs);
    *builder = (rf_curve_builder){0};
}

size_t rf_curve_finite(const rf_curve *curve) {
    return curve->count - (curve->count > 0 && !isfinite(curve->loss[curve->count - 1]));
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double rf_median(double *values, size_t count) {
    if (count == 0) return NAN;
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : values[count / 2 - 1] / 2 + values[count / 2] / 2;
}

double rf_curve_level(const rf_curve *curve) {
    double first[LEVEL_POINTS];
    const size_t n = RF_MIN(rf_curve_finite(curve), LEVEL_POINTS);
    memcpy(first, curve->loss, n * sizeof *first);
    return rf_median(first, n);
}

double rf_curve_sigma(const rf_curve *curve) {
    const double steps = (double)RF_MAX(curve->count, STEPS_USUAL);
    return RF_MIN(SIGMA * steps / STEPS_USUAL, SIGMA_MAX);
}

/* The weights of the Gaussian are renormalised at the ends; each loss is capped, so that the start of a divergence does
 * not blur into the minimum. Losses that are not finite are ignored. */
void rf_curve_smooth(double *out, const double *loss, const rf_curve *curve) {
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
            sum += w * fmin(loss[j], cap);
            weights += w;
        }
        out[i] = i < n ? sum / weights : NAN;
    }
}

/* ---- undoing the smoothing of other programs ---- */

const double *rf_curve_recorded(const rf_curve *curve) {
    return curve->recorded ? curve->recorded : curve->loss;
}

/* Each is an average a that moves by a share of the way to the loss, written down over 1 - (1 - share)^(i + k);
 * pytorch-lr-finder starts from the first loss and divides by nothing. */
static const struct {
    double share;
    int ahead; /* k; 0: no division */
} averages[] = {[RF_SMOOTHING_PYTORCH] = {0.05, 0},
                [RF_SMOOTHING_FASTAI] = {0.02, 1},
                [RF_SMOOTHING_LIGHTNING] = {0.02, 2}};

static void undo(double *loss, const double *recorded, size_t count, rf_smoothing smoothing) {
    const double share = averages[smoothing].share;
    const int ahead = averages[smoothing].ahead;
    double before = ahead ? 0 : recorded[0];
    for (size_t i = 0; i < count; i++) {
        const double average = ahead ? recorded[i] * (1 - pow(1 - share, (double)i + ahead)) : recorded[i];
        loss[i] = before + (average - before) / share;
        if (!isfinite(loss[i]) && isfinite(recorded[i])) loss[i] = recorded[i]; /* larger than a double */
        before = average;
    }
}

rf_status rf_curve_set_smoothing(rf_curve *curve, rf_smoothing smoothing) {
    if (smoothing != RF_SMOOTHING_NONE && !curve->recorded) {
        if (!(curve->recorded = rf_alloc(curve->count, sizeof *curve->recorded))) return RF_E_MEMORY;
        memcpy(curve->recorded, curve->loss, curve->count * sizeof *curve->loss);
    }
    if (smoothing != RF_SMOOTHING_NONE) {
        undo(curve->loss, curve->recorded, curve->count, smoothing);
    } else if (curve->recorded) {
        free(curve->loss);
        curve->loss = curve->recorded;
        curve->recorded = NULL;
    }
    curve->smoothing = smoothing;
    rf_curve_smooth(curve->smoothed, curve->loss, curve);
    return RF_OK;
}

/* ---- the runs of a median ---- */

rf_status rf_curve_add_run(rf_curve_runs *runs, size_t run, double loss) {
    runs->count = RF_MAX(runs->count, run + 1);
    if (runs->run[run].count == runs->run[run].capacity) {
        const size_t capacity = RF_MAX(128, 2 * runs->run[run].capacity);
        double *const losses = rf_resize(runs->run[run].loss, capacity, sizeof *losses);
        if (losses == NULL) return RF_E_MEMORY;
        runs->run[run].loss = losses;
        runs->run[run].capacity = capacity;
    }
    runs->run[run].loss[runs->run[run].count++] = loss;
    return RF_OK;
}

void rf_curve_runs_free(rf_curve_runs *runs) {
    for (size_t r = 0; r < runs->count; r++) free(runs->run[r].loss);
    *runs = (rf_curve_runs){0};
}

/* Makes their curves, over the curve's rates. */
static rf_status take_runs(rf_curve *curve, const rf_curve_runs *runs, const char *name) {
    if (runs->count == 0) return RF_OK;
    if ((curve->runs = rf_alloc(runs->count, sizeof *curve->runs)) == NULL) return RF_E_MEMORY;
    for (size_t r = 0; r < runs->count; r++) {
        const size_t count = RF_MIN(runs->run[r].count, curve->count);
        const rf_status status = rf_curve_create(&curve->runs[r], curve->lr, runs->run[r].loss, count);
        if (status != RF_OK) return rf_fail_prefix(status, "%s, run %zu", name, r + 1);
        curve->run_count = r + 1;
        curve->runs[r]->planned = curve->planned;
        curve->runs[r]->chance = curve->chance;
        curve->runs[r]->usual_lr = curve->usual_lr;
    }
    return RF_OK;
}

/* ---- making a curve ---- */

/* Losses that never went below zero do not come from others that did (a little, by rounding): then the file was
 * not smoothed, and what was read is the loss. */
static rf_status undo_smoothing(rf_curve *curve, rf_smoothing smoothing) {
    double lowest = 0, lowest_recorded = 0;
    const size_t n = rf_curve_finite(curve);
    RF_TRY(rf_curve_set_smoothing(curve, smoothing));
    if (smoothing == RF_SMOOTHING_NONE) return RF_OK;
    for (size_t i = 0; i < n; i++) {
        lowest = fmin(lowest, curve->loss[i]);
        lowest_recorded = fmin(lowest_recorded, curve->recorded[i]);
    }
    if (lowest_recorded == 0 && lowest < -0.01 * fabs(curve->recorded[0])) {
        RF_TRY(rf_curve_set_smoothing(curve, RF_SMOOTHING_NONE));
        curve->smoothing = smoothing;
    }
    return RF_OK;
}

rf_status rf_curve_finish(rf_curve **out, rf_curve_builder *builder, const char *name) {
    *out = NULL;
    RF_TRY(end_waiting(builder, name));
    if (builder->count == 0)
        return rf_fail(RF_E_INPUT, "%s: no points; expected learning rates and losses", name);
    const rf_smoothing smoothing = builder->smoothing;
    const rf_stop_reason stop = builder->stop;
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
                        .planned = builder->count + builder->ended,
                        .chance = builder->chance,
                        .usual_lr = builder->usual_lr,
                        .training_steps = builder->training_steps,
                        .epoch_steps = builder->epoch_steps};
    rf_curve_runs runs = builder->runs;
    *builder = (rf_curve_builder){0};
    curve->stop = rf_curve_finite(curve) < curve->count ? RF_STOP_NOT_FINITE : stop;
    rf_status status = undo_smoothing(curve, smoothing);
    if (status == RF_OK) status = take_runs(curve, &runs, name);
    rf_curve_runs_free(&runs);
    if (status == RF_OK)
        *out = curve;
    else
        rf_curve_free(curve);
    return status;
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
    free(curve->recorded);
    for (size_t r = 0; r < curve->run_count; r++) rf_curve_free(curve->runs[r]);
    free(curve->runs);
    free(curve);
}
