/* Shared by several methods. */
#include <stdarg.h>

#include "curve/method.h"

enum { REASON_BYTES = 96 };

double rf_no_answer(const rf_history *history, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(history->reason, REASON_BYTES, format, arguments);
    va_end(arguments);
    return NAN;
}

double rf_too_few(const rf_history *history, size_t left, size_t needed) {
    return rf_no_answer(history, "%zu of %zu points are left after trimming, %zu needed", left,
                        history->count, needed);
}

double rf_rate_at(const rf_history *history, size_t i) {
    if (i < history->known) return history->lr[i];
    return rf_no_answer(history, "not finite after %zu steps, before the rule's step %zu", history->known,
                        i + 1);
}

size_t rf_argmin(const float *values, size_t count) {
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) return i;
        if (values[i] < values[best]) best = i;
    }
    return best;
}
