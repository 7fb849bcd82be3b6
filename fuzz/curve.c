/* Curves, CSV and JSON; every rule and every text report on what was read. */
#include <math.h>

#include "fuzz.h"
#include "rangefinder/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rf_curve *curve = NULL;
    rf_suggestion *suggestions = NULL;
    rf_verdict verdict;
    size_t count = 0;
    char *text = NULL;
    rf_status status = rf_curve_read(&curve, rf_fuzz_file("curve", data, size));
    RF_FUZZ_ANSWER(status, curve);
    if (status != RF_OK) return 0;
    for (size_t i = 0; i < curve->count; i++)
        RF_FUZZ_HOLDS(curve->lr[i] > 0 && isfinite(curve->lr[i]) &&
                      (i == 0 || curve->lr[i] > curve->lr[i - 1]));
    RF_FUZZ_HOLDS(rf_curve_suggest(&suggestions, &count, curve, NULL) == RF_OK);
    RF_FUZZ_HOLDS(rf_curve_judge(&verdict, curve) == RF_OK);
    const rf_report report = {
        .curve = curve, .suggestions = suggestions, .suggestion_count = count, .verdict = &verdict};
    RF_FUZZ_HOLDS(rf_report_terminal(&text, &report, &(rf_terminal_options){80, 20, true, true}) == RF_OK);
    free(text);
    free(suggestions);
    rf_curve_free(curve);
    return 0;
}
