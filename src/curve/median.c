/* The median of several range tests: less noise than one has, and they show how far they differ. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"

static double median_at(double *scratch, rf_curve *const *runs, size_t count, size_t i) {
    for (size_t r = 0; r < count; r++)
        scratch[r] = i < rf_curve_finite(runs[r]) ? runs[r]->loss[i] : INFINITY;
    return rf_median(scratch, count);
}

/* The run whose end ends the median after `count` steps; NULL: it ends as planned. */
static const rf_curve *ending(rf_curve *const *runs, size_t run_count, size_t count) {
    for (size_t r = 0; r < run_count; r++)
        if (count < runs[r]->planned && rf_curve_finite(runs[r]) == count) return runs[r];
    return NULL;
}

static void cut(rf_curve *run, size_t count) {
    if (run->count <= count) return;
    run->count = count;
    rf_curve_smooth(run->smoothed, run->loss, run);
}

static rf_status make(rf_curve **out, rf_curve **runs, size_t count) {
    const rf_curve *longest = runs[0];
    for (size_t r = 1; r < count; r++)
        if (runs[r]->count > longest->count) longest = runs[r];
    double *const scratch = rf_alloc(count + longest->count, sizeof *scratch), *const loss = scratch + count;
    if (scratch == NULL) return RF_E_MEMORY;
    size_t n = 0;
    while (n < longest->count && isfinite(loss[n] = median_at(scratch, runs, count, n))) n++;
    const rf_curve *const end = ending(runs, count, n);
    if (end != NULL && end->count > n) loss[n++] = NAN;
    const rf_status status = rf_curve_create(out, longest->lr, loss, n);
    free(scratch);
    if (status != RF_OK) return status;
    (*out)->stop = end != NULL ? end->stop : longest->stop;
    (*out)->planned = longest->planned;
    (*out)->chance = longest->chance;
    (*out)->usual_lr = longest->usual_lr;
    (*out)->training_steps = longest->training_steps;
    (*out)->planned_lr = longest->planned_lr;
    (*out)->epoch_steps = longest->epoch_steps;
    (*out)->runs = runs;
    (*out)->run_count = count;
    for (size_t r = 0; r < count; r++) cut(runs[r], n);
    return RF_OK;
}

rf_status rf_curve_median(rf_curve **out, rf_curve **runs, size_t count) {
    *out = NULL;
    if (count == 1) {
        *out = runs[0];
        free(runs);
        return RF_OK;
    }
    const rf_status status = make(out, runs, count);
    if (status == RF_OK) return RF_OK;
    for (size_t r = 0; r < count; r++) rf_curve_free(runs[r]);
    free(runs);
    return status;
}
