/* Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2): steps by the sign of a momentum, all parameters alike. */
#include "optim/optimizer.h"

enum { BETA1, BETA2, DECAY };
static const rf_spec_option options[] = {RF_BETAS(0.9, 0.99), RF_DECAY(0), {NULL}};
static const char *const slots[] = {"exp_avg", NULL};

enum { N_LR, N_BETA1, N_NEW1, N_BETA2, N_NEW2, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    (void)t;
    n[N_LR] = (float)lr;
    n[N_BETA1] = (float)o[BETA1];
    n[N_NEW1] = (float)(1 - o[BETA1]);
    n[N_BETA2] = (float)o[BETA2];
    n[N_NEW2] = (float)(1 - o[BETA2]);
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, lr = n[N_LR] * u->lr_multiplier, shrink = lr * u->weight_decay;
    float *m = u->slot[0];
    for (size_t i = u->begin; i < u->end; i++) {
        const float d = u->g[i], mixed = n[N_BETA1] * m[i] + n[N_NEW1] * d;
        const float sign = mixed > 0 ? 1.0f : mixed < 0 ? -1.0f : 0.0f;
        u->p[i] = u->p[i] * (1 - shrink) - lr * sign;
        m[i] = n[N_BETA2] * m[i] + n[N_NEW2] * d;
    }
}

const rf_optimizer rf_optimizer_lion = {.kind = {"lion", "the sign of a momentum", options, NULL},
                                        .slots = slots,
                                        .numbers = NUMBERS,
                                        .step = step,
                                        .kernel = "lion",
                                        .reference = reference};
