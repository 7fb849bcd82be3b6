/* IEEE 754 halves: 1 sign, 5 exponent (bias 15), 10 mantissa bits; bfloat16. */
#include <string.h>

#include "base/base.h"

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float rf_half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31) return float_of(sign | 0x7f800000 | mantissa << 13);
    if (exponent != 0) return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
    const float tiny = (float)mantissa * 0x1p-24f; /* subnormal */
    return sign != 0 ? -tiny : tiny;
}

float rf_bfloat16_to_float(uint16_t bits) {
    return float_of((uint32_t)bits << 16);
}

/* `bits` shifted down by `by` from 1 to 31, rounded to the nearest, to even if there are two. */
static uint32_t round_off(uint32_t bits, unsigned by) {
    return (bits + (1u << (by - 1)) - 1 + (bits >> by & 1)) >> by;
}

uint16_t rf_half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 255, mantissa = bits & 0x7fffff;
    if (exponent == 255) return (uint16_t)(sign | 0x7c00 | (mantissa != 0 ? 0x200 | mantissa >> 13 : 0));
    if (exponent > 142) return (uint16_t)(sign | 0x7c00);
    if (exponent > 112) /* a mantissa that is rounded up may carry into the exponent, up to infinity */
        return (uint16_t)(sign | round_off((exponent - 112) << 23 | mantissa, 13));
    if (exponent < 102) return (uint16_t)sign;
    return (uint16_t)(sign | round_off(mantissa | 0x800000, 126 - exponent)); /* subnormal */
}
