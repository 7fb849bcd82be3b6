/* Stochastic gradient descent with momentum, dampening, Nesterov and weight decay, as torch.optim.SGD does it. */
#include "optim/optimizer.h"

enum { MOMENTUM, DAMPENING, NESTEROV, DECAY };
static const rf_spec_option options[] = {
    RF_MOMENTUM(0), {"dampening", 1, {0}, 0, 1}, {"nesterov", 0, {0}, 0, 1}, RF_DECAY(0), {NULL}};
static const char *const slots[] = {"momentum_buffer", NULL};

static rf_status check(const double *o, size_t count) {
    (void)count;
    if (o[NESTEROV] != 0 && (o[MOMENTUM] == 0 || o[DAMPENING] != 0))
        return rf_fail(RF_E_USAGE, "nesterov needs a momentum above 0 and no dampening");
    if (o[DAMPENING] != 0 && o[MOMENTUM] == 0)
        return rf_fail(RF_E_USAGE, "dampening has no effect without a momentum");
    return RF_OK;
}

static int slot_count(const double *o) {
    return o[MOMENTUM] != 0;
}

/* With momentum a gradient is applied 1 / (1 - momentum) times in all. */
static double usual_lr(const double *o) {
    return 0.2 * (1 - o[MOMENTUM]);
}

enum { N_LR, N_FIRST, N_MOMENTUM, N_NEW, N_NESTEROV, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    n[N_LR] = (float)lr;
    n[N_FIRST] = t == 1;
    n[N_MOMENTUM] = (float)o[MOMENTUM];
    n[N_NEW] = (float)(1 - o[DAMPENING]);
    n[N_NESTEROV] = (float)o[NESTEROV];
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, lr = n[N_LR] * u->lr_multiplier;
    float *v = u->slot[0];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i] + u->weight_decay * u->p[i];
        if (n[N_MOMENTUM] != 0) {
            v[i] = n[N_FIRST] != 0 ? d : n[N_MOMENTUM] * v[i] + n[N_NEW] * d;
            d = n[N_NESTEROV] != 0 ? d + n[N_MOMENTUM] * v[i] : v[i];
        }
        u->p[i] -= lr * d;
    }
}

const rf_optimizer rf_optimizer_sgd = {
    .kind = {"sgd", "gradient descent, with momentum if asked for", options, check},
    .pytorch = "SGD",
    .slots = slots,
    .slot_count = slot_count,
    .usual_lr = usual_lr,
    .numbers = NUMBERS,
    .step = step,
    .reference = reference,
    .kernel = "sgd"};
