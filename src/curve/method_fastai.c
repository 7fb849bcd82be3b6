/* fastai's four rules, in float32 as there; the answer is one of the given learning rates. Source:
 * callback/schedule.py; its curve is Recorder.losses. */
#include "curve/method.h"

enum { SKIP_END = 5, SLIDE_STEPS = 15 };
static const float slide_threshold = .005f;

/* An exponential average with beta 0.98, corrected for its start; stops past four times the best and keeps
 * the point. torch.lerp(loss, mean, .98) is one fused multiply-add from the mean; on a flat curve its
 * rounding decides. */
size_t rf_smooth_fastai(double *out, const double *loss, size_t count) {
    const double beta = .98;
    const float share = 1 - (float)beta;
    float mean = 0, best = INFINITY;
    for (size_t i = 0; i < count; i++) {
        mean = fmaf(-(mean - (float)loss[i]), share, mean);
        const float smoothed = mean / (float)(1 - pow(beta, (double)(i + 1)));
        out[i] = smoothed;
        if (smoothed < best) best = smoothed;
        if (smoothed > 4 * best) return i + 1;
    }
    return count;
}

static size_t first_seen(const rf_history *history) {
    return RF_MAX(history->planned, 6) / 10;
}

/* The learning rate of a point after trimming. */
static double rate_at(const rf_history *history, size_t i) {
    return history->lr[first_seen(history) + i];
}

/* Every rule sees the points from a tenth of those planned to the sixth last, cut at the first NaN.
 * Fills x with rates and y with losses; returns how many. */
static size_t trim(const rf_history *history) {
    const size_t first = first_seen(history);
    const size_t end = history->count > SKIP_END ? history->count - SKIP_END : 0;
    size_t n = 0;
    for (size_t i = first; i < end && !isnan(history->loss[i]); i++, n++) {
        history->x[n] = (float)history->lr[i];
        history->y[n] = (float)history->loss[i];
    }
    return n;
}

/* About the middle between the end of the longest strictly falling subsequence and as many points before it
 * as it is long. fastai compares all pairs; this keeps, for each length, the highest loss that ends such a
 * subsequence. */
double rf_method_valley(const rf_history *history) {
    const size_t n = trim(history);
    if (n == 0) return rf_too_few(history, n, 1);
    float *const last = history->g; /* falling with the length, by one each */
    size_t longest = 0, end = 0;
    for (size_t i = 0; i < n; i++) {
        size_t low = 0, high = longest;
        while (low < high) {
            const size_t middle = (low + high) / 2;
            if (last[middle] > history->y[i])
                low = middle + 1;
            else
                high = middle;
        }
        last[low] = history->y[i];
        if (low == longest) {
            longest++;
            end = i;
        }
    }
    /* fastai's start is one before the first point, if there is a fall at all. */
    const long start = longest > 1 ? (long)end - (long)longest : 0;
    const double sections = (double)((long)end - start) / 3;
    const long index = start + (long)sections + (long)(sections / 2);
    return rate_at(history, index < 0 ? n - 1 : (size_t)index);
}

/* From the right, two points 15 steps apart slide left until their slopes are alike. */
double rf_method_slide(const rf_history *history) {
    const size_t n = trim(history);
    if (n < SLIDE_STEPS + 1) return rf_too_few(history, n, SLIDE_STEPS + 1);
    const float *const y = history->y;
    float *const g = history->g;
    g[0] = y[1] - y[0];
    for (size_t i = 1; i + 1 < n; i++) g[i] = (y[i + 1] - y[i - 1]) / 2;
    g[n - 1] = y[n - 1] - y[n - 2];
    size_t left = n - 1 - SLIDE_STEPS;
    double rate = rate_at(history, left);
    for (size_t i = left + 1; i-- > 0 && fabsf(g[i + SLIDE_STEPS] - g[i]) > slide_threshold;)
        rate = rate_at(history, i);
    return rate;
}

/* A tenth of the learning rate of the lowest loss. */
double rf_method_minimum(const rf_history *history) {
    const size_t n = trim(history);
    if (n == 0) return rf_too_few(history, n, 1);
    return rate_at(history, rf_argmin(history->y, n)) / 10;
}

/* The steepest descent over the logarithm of the learning rate. */
double rf_method_steep(const rf_history *history) {
    const size_t n = trim(history);
    if (n < 2) return rf_too_few(history, n, 2);
    const float *const x = history->x, *const y = history->y;
    for (size_t i = 0; i + 1 < n; i++) history->g[i] = (y[i + 1] - y[i]) / (logf(x[i + 1]) - logf(x[i]));
    return rate_at(history, rf_argmin(history->g, n - 1));
}
