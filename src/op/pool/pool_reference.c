/* Pooling in plain C. */
#include <math.h>
#include <string.h>

#include "op/pool/pool.h"
#include "op/reference.h"

static inline size_t offset_of(rf_shape s, int n, int y, int x) {
    return (((size_t)n * s.h + y) * s.w + x) * s.c;
}

/* Calls `body` with the pixel (iy, ix) of x for every tap of window (oy, ox) that lies inside. */
#define FOR_TAPS(g, oy, ox, x)                                                                               \
    for (int r = 0, iy = (oy)*g.stride.y - g.pad.y; r < g.kernel.y; ++r, iy += g.dilation.y)                 \
        for (int s = 0, ix = (ox)*g.stride.x - g.pad.x; s < g.kernel.x; ++s, ix += g.dilation.x)             \
            if (iy >= 0 && iy < x.h && ix >= 0 && ix < x.w)

static void max_window(const rf_window g, const rf_shape x, const float *map, int oy, int ox, float *best,
                       uint16_t *index) {
    bool first = true;
    FOR_TAPS(g, oy, ox, x) {
        const float *pixel = map + ((size_t)iy * x.w + ix) * x.c;
        for (int c = 0; c < x.c; ++c)
            if (first || pixel[c] > best[c] || isnan(pixel[c])) {
                best[c] = pixel[c];
                if (index) index[c] = (uint16_t)(r * g.kernel.x + s);
            }
        first = false;
    }
}

void rf_max_pool_forward(const rf_problem *problem, const rf_arrays *a) {
    const rf_window g = rf_window_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    uint16_t *index = (uint16_t *)a->saved;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n)
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox) {
                const size_t at = offset_of(y, n, oy, ox);
                max_window(g, x, a->x[0] + offset_of(x, n, 0, 0), oy, ox, a->y + at,
                           index ? index + at : NULL);
            }
}

static void clear_unless_accumulating(const rf_problem *problem, float *image) {
    const rf_shape x = problem->x[0];
    if (!problem->accumulate[0]) memset(image, 0, (size_t)x.h * x.w * x.c * sizeof *image);
}

void rf_max_pool_backward(const rf_problem *problem, const rf_arrays *a) {
    const rf_window g = rf_window_of(problem);
    const rf_shape x = problem->x[0], y = problem->y;
    const uint16_t *index = (const uint16_t *)a->saved;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n) {
        float *image = a->dx[0] + offset_of(x, n, 0, 0);
        clear_unless_accumulating(problem, image);
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox)
                for (int c = 0; c < y.c; ++c) {
                    const size_t at = offset_of(y, n, oy, ox) + (size_t)c;
                    const int iy = oy * g.stride.y - g.pad.y + index[at] / g.kernel.x * g.dilation.y;
                    const int ix = ox * g.stride.x - g.pad.x + index[at] % g.kernel.x * g.dilation.x;
                    image[((size_t)iy * x.w + ix) * x.c + c] += a->dy[at];
                }
    }
}

/* Window (oy, ox) alone, with the size that adaptive pooling gives it. */
static rf_window average_window(const rf_problem *problem, int oy, int ox) {
    const rf_shape x = problem->x[0], y = problem->y;
    if (!rf_window_varies(problem)) return rf_window_of(problem);
    const rf_pair first = {(int)((int64_t)oy * x.h / y.h), (int)((int64_t)ox * x.w / y.w)},
                  end = {(int)(((int64_t)(oy + 1) * x.h + y.h - 1) / y.h),
                         (int)(((int64_t)(ox + 1) * x.w + y.w - 1) / y.w)};
    return (rf_window){
        .kernel = {end.y - first.y, end.x - first.x}, .pad = {-first.y, -first.x}, .dilation = {1, 1}};
}

/* What the sum over window (oy, ox) is divided by. */
static double divisor(const rf_problem *problem, const rf_window g, int oy, int ox) {
    const rf_shape x = problem->x[0];
    int inside = 0;
    if (problem->attrs.count_pad) { /* what lies behind the padding is not counted */
        const int top = oy * g.stride.y - g.pad.y, left = ox * g.stride.x - g.pad.x;
        return (double)(RF_MIN(top + g.kernel.y, x.h + g.pad.y) - top) *
               (RF_MIN(left + g.kernel.x, x.w + g.pad.x) - left);
    }
    FOR_TAPS(g, oy, ox, x)++ inside;
    return inside;
}

void rf_average_pool_forward(const rf_problem *problem, const rf_arrays *a) {
    const rf_shape x = problem->x[0], y = problem->y;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n)
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox) {
                const rf_window g = average_window(problem, oy, ox);
                const double by = divisor(problem, g, oy, ox);
                for (int c = 0; c < y.c; ++c) {
                    double sum = 0;
                    FOR_TAPS(g, oy, ox, x) sum += a->x[0][offset_of(x, n, iy, ix) + (size_t)c];
                    a->y[offset_of(y, n, oy, ox) + (size_t)c] = (float)(sum / by);
                }
            }
}

void rf_average_pool_backward(const rf_problem *problem, const rf_arrays *a) {
    const rf_shape x = problem->x[0], y = problem->y;
#pragma omp parallel for num_threads(rf_reference_threads())
    for (int n = 0; n < y.n; ++n) {
        clear_unless_accumulating(problem, a->dx[0] + offset_of(x, n, 0, 0));
        for (int oy = 0; oy < y.h; ++oy)
            for (int ox = 0; ox < y.w; ++ox) {
                const rf_window g = average_window(problem, oy, ox);
                const float part = (float)(1 / divisor(problem, g, oy, ox));
                const float *dy = a->dy + offset_of(y, n, oy, ox);
                FOR_TAPS(g, oy, ox, x)
                for (int c = 0; c < x.c; ++c) a->dx[0][offset_of(x, n, iy, ix) + (size_t)c] += dy[c] * part;
            }
    }
}
