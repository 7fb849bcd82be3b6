/* Lightning: the steepest descent over the learning rate itself, not its logarithm. Source: tuner/lr_finder.py. */
#include <stdlib.h>

#include "curve/method.h"

enum { SKIP_START = 10, SKIP_END = 1 };

/* An exponential average with beta 0.98 whose correction is one step ahead, so that the curve starts near
 * half of the first loss; stops past four times the best, from the second step on, and keeps that point. */
size_t rf_smooth_lightning(double *out, const double *loss, size_t count) {
    const double beta = .98;
    double mean = 0, best = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t step = i + 1;
        mean = beta * mean + (1 - beta) * loss[i];
        out[i] = mean / (1 - pow(beta, (double)(step + 1)));
        if (step > 1 && out[i] > 4 * best) return i + 1;
        if (out[i] < best || step == 1) best = out[i];
    }
    return count;
}

/* torch.gradient over uneven points, second order inside, one-sided at the ends; all in float32. n >= 2. */
static void gradient(float *g, const float *x, const float *y, size_t n) {
    g[0] = (y[1] - y[0]) / (x[1] - x[0]);
    for (size_t i = 1; i + 1 < n; i++) {
        const float a = x[i] - x[i - 1], b = x[i + 1] - x[i];
        g[i] = -b / (a * (a + b)) * y[i - 1] + (b - a) / (a * b) * y[i] + a / (b * (a + b)) * y[i + 1];
    }
    g[n - 1] = (y[n - 1] - y[n - 2]) / (x[n - 1] - x[n - 2]);
}

double rf_method_lightning(const rf_history *history) {
    size_t n = 0, steps = 0;
    for (size_t i = SKIP_START; i + SKIP_END < history->count; i++) {
        if (!isfinite((float)history->loss[i])) continue;
        history->x[n] = (float)history->lr[i];
        history->y[n++] = (float)history->loss[i];
    }
    if (n < 2) return rf_too_few(history, n, 2);
    gradient(history->g, history->x, history->y, n);
    /* The index among all points, those that are not finite counted. */
    const size_t best = rf_argmin(history->g, n);
    size_t i = SKIP_START;
    for (; i < history->known; i++)
        if (isfinite((float)history->loss[i]) && steps++ == best) break;
    return rf_rate_at(history, i);
}
