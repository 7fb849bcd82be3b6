/* Numbers and words of results, for people and programs. */
#include <math.h>
#include <string.h>

#include "curve/curve.h"

const char *rf_stop_text(rf_stop_reason stop) {
    static const char *const texts[] = {
#define RF_STOP_TEXT(name, text) text,
        RF_STOP_MAP(RF_STOP_TEXT)
#undef RF_STOP_TEXT
    };
    return (size_t)stop < RF_COUNT(texts) ? texts[stop] : NULL;
}

const char *rf_confidence_text(rf_confidence confidence) {
    static const char *const texts[] = {
#define RF_CONFIDENCE_TEXT(name, text) text,
        RF_CONFIDENCE_MAP(RF_CONFIDENCE_TEXT)
#undef RF_CONFIDENCE_TEXT
    };
    return texts[confidence];
}

void rf_shorten_exponent(char *text) {
    char *digits = strchr(text, 'e');
    if (!digits) return;
    char *mantissa = digits;
    if (memchr(text, '.', (size_t)(digits - text))) {
        while (mantissa[-1] == '0') mantissa--;
        if (mantissa[-1] == '.') mantissa--;
    }
    char *to = mantissa;
    *to++ = *digits++;
    if (*digits == '-') *to++ = '-';
    if (*digits == '-' || *digits == '+') digits++;
    while (*digits == '0' && digits[1]) digits++;
    memmove(to, digits, strlen(digits) + 1);
}

static rf_number_text written(const char *format, double value) {
    rf_number_text number;
    snprintf(number.text, sizeof number.text, format, value);
    rf_shorten_exponent(number.text);
    return number;
}

rf_number_text rf_rate(double lr) {
    const bool plain = lr >= 0.00995 && lr < 999.5;
    return written(!plain ? "%.1e" : lr >= 99.5 ? "%.0f" : "%.2g", lr);
}

rf_number_text rf_loss(double loss) {
    return written(fabs(loss) >= 999.5 && fabs(loss) < 99999.5 ? "%.0f" : "%.3g", loss);
}
