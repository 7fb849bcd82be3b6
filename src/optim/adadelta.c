/* Adadelta (Zeiler 2012, arXiv 1212.5701), in the arithmetic of torch.optim.Adadelta. */
#include <math.h>

#include "optim/optimizer.h"

enum { RHO, EPS, DECAY };
static const rf_spec_option options[] = {{"rho", 1, {0.9}, 0, 1}, RF_EPS(1e-6), RF_DECAY(0), {NULL}};
static const char *const slots[] = {"square_avg", "acc_delta", NULL};

enum { N_LR, N_RHO, N_NEW, N_EPS, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    (void)t;
    n[N_LR] = (float)lr;
    n[N_RHO] = (float)o[RHO];
    n[N_NEW] = (float)(1 - o[RHO]);
    n[N_EPS] = (float)o[EPS];
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, lr = n[N_LR] * u->lr_multiplier;
    float *square = u->slot[0], *delta = u->slot[1];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i] + u->weight_decay * u->p[i];
        square[i] = n[N_RHO] * square[i] + n[N_NEW] * d * d;
        d *= sqrtf(delta[i] + n[N_EPS]) / sqrtf(square[i] + n[N_EPS]);
        delta[i] = n[N_RHO] * delta[i] + n[N_NEW] * d * d;
        u->p[i] -= lr * d;
    }
}

const rf_optimizer rf_optimizer_adadelta = {
    .kind = {"adadelta", "steps as long as the last ones, over the gradient", options, NULL},
    .pytorch = "Adadelta",
    .slots = slots,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "adadelta",
    .reference = reference};
