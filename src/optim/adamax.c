/* Adamax (Kingma and Ba 2015, section 7.1), in the arithmetic of torch.optim.Adamax. */
#include <math.h>

#include "optim/optimizer.h"

enum { BETA1, BETA2, EPS, DECAY };
static const rf_spec_option options[] = {RF_BETAS(0.9, 0.999), RF_EPS(1e-8), RF_DECAY(0), {NULL}};
static const char *const slots[] = {"exp_avg", "exp_inf", NULL};

enum { N_RATE, N_NEW1, N_BETA2, N_EPS, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    n[N_RATE] = (float)(lr / (1 - pow(o[BETA1], (double)t)));
    n[N_NEW1] = (float)(1 - o[BETA1]);
    n[N_BETA2] = (float)o[BETA2];
    n[N_EPS] = (float)o[EPS];
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, rate = n[N_RATE] * u->lr_multiplier;
    float *m = u->slot[0], *largest = u->slot[1];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i] + u->weight_decay * u->p[i];
        m[i] += n[N_NEW1] * (d - m[i]);
        largest[i] = fmaxf(n[N_BETA2] * largest[i], fabsf(d) + n[N_EPS]);
        u->p[i] -= rate * (m[i] / largest[i]);
    }
}

const rf_optimizer rf_optimizer_adamax = {
    .kind = {"adamax", "momentum over the largest gradient of late", options, NULL},
    .pytorch = "Adamax",
    .slots = slots,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "adamax",
    .reference = reference};
