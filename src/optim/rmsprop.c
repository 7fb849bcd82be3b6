/* RMSprop (Tieleman and Hinton 2012), in the arithmetic of torch.optim.RMSprop, not centred. */
#include <math.h>

#include "optim/optimizer.h"

enum { ALPHA, EPS, MOMENTUM, DECAY };
static const rf_spec_option options[] = {
    {"alpha", 1, {0.99}, 0, 1}, RF_EPS(1e-8), RF_MOMENTUM(0), RF_DECAY(0), {NULL}};
static const char *const slots[] = {"square_avg", "momentum_buffer", NULL};

static int slot_count(const double *o) {
    return o[MOMENTUM] != 0 ? 2 : 1;
}

static double usual_lr(const double *o) {
    return 0.001 * (1 - o[MOMENTUM]);
}

enum { N_LR, N_ALPHA, N_NEW, N_EPS, N_MOMENTUM, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    (void)t;
    n[N_LR] = (float)lr;
    n[N_ALPHA] = (float)o[ALPHA];
    n[N_NEW] = (float)(1 - o[ALPHA]);
    n[N_EPS] = (float)o[EPS];
    n[N_MOMENTUM] = (float)o[MOMENTUM];
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, lr = n[N_LR] * u->lr_multiplier;
    float *v = u->slot[0], *m = u->slot[1];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i] + u->weight_decay * u->p[i];
        v[i] = n[N_ALPHA] * v[i] + n[N_NEW] * d * d;
        d /= sqrtf(v[i]) + n[N_EPS];
        if (n[N_MOMENTUM] != 0) d = m[i] = n[N_MOMENTUM] * m[i] + d;
        u->p[i] -= lr * d;
    }
}

const rf_optimizer rf_optimizer_rmsprop = {
    .kind = {"rmsprop", "gradient over the root of its mean square", options, NULL},
    .pytorch = "RMSprop",
    .slots = slots,
    .slot_count = slot_count,
    .usual_lr = usual_lr,
    .numbers = NUMBERS,
    .step = step,
    .reference = reference,
    .kernel = "rmsprop"};
