/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and what
 * is drawn from it.  Counter-based: the same numbers on every device and for every number of threads. */
#include "base/base.h"

#include <math.h>
#include <string.h>

void rf_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k[1],
                            (uint32_t)a};
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

void rf_random_init(rf_random *random, uint64_t seed, uint32_t stream) {
    *random =
        (rf_random){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}, .counter = {0, 0, stream, 0}, .used = 4};
}

uint32_t rf_random_u32(rf_random *random) {
    if (random->used == 4) {
        rf_philox(random->block, random->counter, random->key);
        if (++random->counter[0] == 0) random->counter[1]++;
        random->used = 0;
    }
    return random->block[random->used++];
}

float rf_random_uniform(rf_random *random) {
    return (float)(rf_random_u32(random) >> 8) * 0x1p-24f;
}

/* Rejection of the incomplete last run of `limit` values. */
uint32_t rf_random_below(rf_random *random, uint32_t limit) {
    uint32_t reject = -limit % limit, value;
    do value = rf_random_u32(random);
    while (value < reject);
    return value % limit;
}

float rf_random_normal(rf_random *random) {
    double u = ((double)rf_random_u32(random) + 1.0) * 0x1p-32; /* (0,1] */
    double v = (double)rf_random_u32(random) * 0x1p-32;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void rf_random_normals(rf_random *random, float *out, size_t count) {
    for (size_t i = 0; i < count; i += 2) {
        const float u = ((float)rf_random_u32(random) + 1.0f) * 0x1p-32f; /* (0,1] */
        const float v = (float)rf_random_u32(random) * 0x1p-32f;
        const float radius = sqrtf(-2.0f * logf(u)), angle = 6.2831853f * v;
        out[i] = radius * cosf(angle);
        if (i + 1 < count) out[i + 1] = radius * sinf(angle);
    }
}

/* Gamma(shape, 1); below 1 it is gamma(shape + 1) u^(1/shape). */
static double gamma_variate(rf_random *random, double shape) {
    const double boost =
        shape < 1 ? pow(((double)rf_random_u32(random) + 1.0) * 0x1p-32, 1 / shape) : 1; /* above 0 */
    const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = rf_random_normal(random), v = pow(1 + c * x, 3);
        const double u = ((double)rf_random_u32(random) + 1.0) * 0x1p-32;
        if (v > 0 && log(u) < x * x / 2 + d - d * v + d * log(v)) return d * v * boost;
    }
}

double rf_random_beta(rf_random *random, double a, double b) {
    const double x = gamma_variate(random, a), y = gamma_variate(random, b);
    return x / (x + y);
}

void rf_random_shuffle(rf_random *random, int32_t *items, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = rf_random_below(random, (uint32_t)i);
        int32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
