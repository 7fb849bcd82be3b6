/* Adagrad (Duchi, Hazan and Singer 2011), in the arithmetic of torch.optim.Adagrad. */
#include <math.h>

#include "optim/optimizer.h"

enum { LR_DECAY, EPS, DECAY };
static const rf_spec_option options[] = {{"lr_decay", 1, {0}, 0, 1}, RF_EPS(1e-10), RF_DECAY(0), {NULL}};
static const char *const slots[] = {"sum", NULL};

enum { N_RATE, N_EPS, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    n[N_RATE] = (float)(lr / (1 + (double)(t - 1) * o[LR_DECAY]));
    n[N_EPS] = (float)o[EPS];
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, rate = n[N_RATE] * u->lr_multiplier;
    float *sum = u->slot[0];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i] + u->weight_decay * u->p[i];
        sum[i] += d * d;
        u->p[i] -= rate * (d / (sqrtf(sum[i]) + n[N_EPS]));
    }
}

const rf_optimizer rf_optimizer_adagrad = {
    .kind = {"adagrad", "gradient over the root of the sum of its squares", options, NULL},
    .pytorch = "Adagrad",
    .slots = slots,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "adagrad",
    .reference = reference};
