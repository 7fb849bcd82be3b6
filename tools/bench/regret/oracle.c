#include "oracle.h"

#include <math.h>

#include "base/base.h"

const char *const measure_names[MEASURES] = {
    [SETTLED_LOSS] = "held-out loss, statistics of batch norm measured again",
    [LOSS] = "held-out loss",
    [SETTLED_ERROR] = "held-out error rate, statistics of batch norm measured again"};

static double measured(const run_result *run, measure m, double chance) {
    const double value = m == SETTLED_LOSS ? run->settled_loss
                         : m == LOSS       ? run->loss
                                           : 1 - run->settled_accuracy;
    return value < chance ? value : chance;
}

static void add_rate(oracle *o, const results *r, measure m, int sixths) {
    double sum = 0, squares = 0;
    int n = 0;
    for (size_t i = 0; i < r->run_count; i++) {
        if (r->runs[i].sixths != sixths) continue;
        const double value = measured(&r->runs[i], m, o->chance);
        sum += value;
        squares += value * value;
        n++;
    }
    const double mean = sum / n, variance = n > 1 ? (squares - n * mean * mean) / (n - 1) : 0;
    size_t at = o->count++;
    for (; at > 0 && o->point[at - 1].sixths > sixths; at--) o->point[at] = o->point[at - 1];
    o->point[at] = (oracle_point){sixths, n, mean, sqrt(fmax(variance, 0))};
}

oracle oracle_of(const results *r, measure m) {
    oracle o = {.chance = m == SETTLED_ERROR ? 1 - r->majority : r->chance};
    for (size_t i = 0; i < r->run_count; i++) {
        bool known = false;
        for (size_t k = 0; k < o.count; k++) known |= o.point[k].sixths == r->runs[i].sixths;
        if (!known && o.count < POINTS_MAX) add_rate(&o, r, m, r->runs[i].sixths);
    }
    for (size_t k = 1; k < o.count; k++)
        if (o.point[k].mean < o.point[o.best].mean) o.best = k;
    return o;
}

static double scaled(const oracle *o, double difference) {
    const double room = o->chance - o->point[o->best].mean;
    return room > 0 ? difference / room : 1;
}

double oracle_regret(const oracle *o, double lr) {
    if (!isfinite(lr)) return 1;
    const double at = 6 * log10(lr);
    size_t i = 0;
    while (i < o->count && o->point[i].sixths < at) i++;
    const oracle_point *const a = &o->point[i > 0 ? i - 1 : 0], *const b = &o->point[RF_MIN(i, o->count - 1)];
    const double share = a == b ? 0 : (at - a->sixths) / (b->sixths - a->sixths);
    return oracle_regret_of(o, a->mean + share * (b->mean - a->mean));
}

double oracle_regret_of(const oracle *o, double value) {
    return scaled(o, fmin(value, o->chance) - o->point[o->best].mean);
}

double oracle_noise(const oracle *o) {
    const oracle_point *const best = &o->point[o->best];
    return scaled(o, best->deviation / sqrt(best->seeds));
}
