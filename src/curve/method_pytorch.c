/* pytorch-lr-finder: the steepest descent of the loss over the steps. Source: lr_finder.py, range_test() and
 * plot(). Its smoothing and stop are also Ignite's. */
#include "curve/method.h"

enum { SKIP_START = 10, SKIP_END = 5 };

/* An exponential average with the new loss at 0.05, not corrected for its start; stops past five times the
 * best and keeps that point. */
size_t rf_smooth_pytorch(double *out, const double *loss, size_t count) {
    const double share = 0.05, diverge = 5;
    double best = 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = i == 0 ? loss[0] : share * loss[i] + (1 - share) * out[i - 1];
        if (i == 0 || out[i] < best) best = out[i];
        if (out[i] > diverge * best) return i + 1;
    }
    return count;
}

/* Slope by np.gradient: central differences, one-sided at the ends. */
static double slope(const double *y, size_t n, size_t i) {
    if (i == 0) return y[1] - y[0];
    if (i == n - 1) return y[i] - y[i - 1];
    return (y[i + 1] - y[i - 1]) / 2;
}

double rf_method_steepest(const rf_history *history) {
    const size_t needed = SKIP_START + SKIP_END + 2;
    if (history->count < needed)
        return rf_no_answer(history, "needs %zu points, has %zu", needed, history->count);
    const double *const y = history->loss + SKIP_START;
    const size_t n = history->count - SKIP_START - SKIP_END;
    size_t best = 0;
    for (size_t i = 0; i < n; i++) {
        const double here = slope(y, n, i);
        if (here < slope(y, n, best)) best = i;
        if (isnan(here)) { /* NumPy's argmin takes a NaN for the smallest */
            best = i;
            break;
        }
    }
    return rf_rate_at(history, SKIP_START + best);
}
