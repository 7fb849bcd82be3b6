/* Every method's suggestion for one curve, from the losses that its library would have recorded. */
#include <stdlib.h>
#include <string.h>

#include "curve/curve.h"
#include "curve/method.h"
#include "rangefinder/finder.h"

typedef struct method {
    const char *key, *library;
    rf_smooth *smooth;
    rf_rule *rule;
} method;

static const method methods[] = {
#define METHOD(key, library, smooth, rule) {#key, library, smooth, rule},
    RF_METHOD_LIST(METHOD)
#undef METHOD
};

static rf_smooth *const smoothed_by[] = {[RF_SMOOTHING_NONE] = NULL,
                                         [RF_SMOOTHING_PYTORCH] = rf_smooth_pytorch,
                                         [RF_SMOOTHING_FASTAI] = rf_smooth_fastai,
                                         [RF_SMOOTHING_LIGHTNING] = rf_smooth_lightning};

static size_t take_as_is(double *out, const double *loss, size_t count) {
    memcpy(out, loss, count * sizeof *out);
    return count;
}

/* A library that did not stop goes on with NaN to the end; we stopped recording at the first. */
static size_t run_on(double *loss, size_t count, const rf_curve *curve) {
    if (count < curve->count || !isnan(loss[count - 1])) return count;
    for (; count < curve->planned; count++) loss[count] = NAN;
    return count;
}

rf_status rf_curve_suggest_sized(rf_suggestion **out, size_t *count, const rf_curve *curve,
                                 const rf_suggest_options *given, size_t size) {
    rf_suggest_options options;
    *out = NULL;
    *count = 0;
    RF_TRY(rf_desc_copy(&options, sizeof options, given, size));
    const size_t room = RF_MAX(curve->count, curve->planned) + 1;
    rf_status status = RF_E_MEMORY;
    double *const loss = rf_alloc(room, sizeof *loss);
    float *const scratch = rf_alloc(room, 3 * sizeof *scratch);
    rf_suggestion *list = rf_alloc(RF_COUNT(methods), sizeof *list);
    if (!loss || !scratch || !list) goto done;

    for (size_t i = 0; i < RF_COUNT(methods); i++) {
        rf_suggestion *const answer = &list[i];
        rf_history history = {.lr = curve->lr,
                              .loss = loss,
                              .known = curve->count,
                              .planned = RF_MAX(curve->count, curve->planned),
                              .x = scratch,
                              .y = scratch + room,
                              .g = scratch + 2 * room,
                              .reason = answer->reason};
        const bool as_is = options.raw || methods[i].smooth == smoothed_by[curve->smoothing];
        const size_t seen = as_is ? take_as_is(loss, rf_curve_recorded(curve), curve->count)
                                  : methods[i].smooth(loss, curve->loss, curve->count);
        history.count = run_on(loss, seen, curve);
        answer->method = methods[i].key;
        answer->library = methods[i].library;
        answer->lr = methods[i].rule(&history);
    }
    *out = list;
    *count = RF_COUNT(methods);
    list = NULL;
    status = RF_OK;
done:
    free(list);
    free(scratch);
    free(loss);
    return status;
}
