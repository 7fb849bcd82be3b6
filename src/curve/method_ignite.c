/* Ignite: the steepest central difference before the minimum. Source: handlers/lr_finder.py, lr_suggestion().
 * Its smoothing and stop are pytorch-lr-finder's. */
#include "curve/method.h"

double rf_method_ignite(const rf_history *history) {
    float *const y = history->y, *const g = history->g;
    for (size_t i = 0; i < history->count; i++) y[i] = (float)history->loss[i];
    const size_t n = rf_argmin(y, history->count) + 1;
    if (n < 3) return rf_no_answer(history, "the minimum is at step %zu, no fall before it", n);
    for (size_t i = 1; i + 1 < n; i++) g[i - 1] = .5f * (y[i + 1] - y[i - 1]);
    return rf_rate_at(history, rf_argmin(g, n - 2) + 1);
}
