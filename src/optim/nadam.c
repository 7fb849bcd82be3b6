/* NAdam (Dozat 2016), in the arithmetic of torch.optim.NAdam, with its schedule of the momentum. */
#include <math.h>

#include "optim/moments.h"
#include "optim/optimizer.h"

enum { MOMENTUM_DECAY = RF_MOMENTS_OPTIONS };
static const rf_spec_option options[] = {
    RF_BETAS(0.9, 0.999), RF_EPS(1e-8), RF_DECAY(0), {"momentum_decay", 1, {4e-3}, 0, 1}, {NULL}};
static const char *const slots[] = {"exp_avg", "exp_avg_sq", NULL};

static double momentum(const double *o, long t) {
    return o[BETA1] * (1 - 0.5 * pow(0.96, (double)t * o[MOMENTUM_DECAY]));
}

/* Of the momenta of all steps to t.  Below 1e-20 it changes nothing in 1 - product. */
static double product(const double *o, long t) {
    double out = 1;
    for (long i = 1; i <= t && out > 1e-20; i++) out *= momentum(o, i);
    return out;
}

enum { N_RATE_D, N_RATE_M, N_CORRECTION, N_NEW1, N_BETA2, N_NEW2, N_EPS, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    const double now = momentum(o, t), next = momentum(o, t + 1), all = product(o, t);
    n[N_RATE_D] = (float)(lr * (1 - now) / (1 - all));
    n[N_RATE_M] = (float)(lr * next / (1 - all * next));
    n[N_CORRECTION] = (float)sqrt(1 - pow(o[BETA2], (double)t));
    rf_moments_numbers(n + N_NEW1, o);
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, rate_d = n[N_RATE_D] * u->lr_multiplier,
                rate_m = n[N_RATE_M] * u->lr_multiplier;
    float *m = u->slot[0], *v = u->slot[1];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i] + u->weight_decay * u->p[i];
        m[i] += n[N_NEW1] * (d - m[i]);
        v[i] = n[N_BETA2] * v[i] + n[N_NEW2] * d * d;
        u->p[i] -= (rate_d * d + rate_m * m[i]) / (sqrtf(v[i]) / n[N_CORRECTION] + n[N_EPS]);
    }
}

const rf_optimizer rf_optimizer_nadam = {
    .kind = {"nadam", "adaptive moments with Nesterov's momentum", options, NULL},
    .pytorch = "NAdam",
    .slots = slots,
    .usual_lr = rf_moments_usual_lr,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "nadam",
    .reference = reference};
