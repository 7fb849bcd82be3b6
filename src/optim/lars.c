/* LARS (You, Gitman and Ginsburg 2017, arXiv 1708.03888): momentum whose learning rate is scaled, parameter by
 * parameter, by trust * |w| / (|g| + weight_decay * |w|), or by 1 where either norm is zero. */
#include "optim/optimizer.h"

enum { MOMENTUM, TRUST, EPS, DECAY };
static const rf_spec_option options[] = {
    RF_MOMENTUM(0.9), {"trust", 1, {0.001}, 0, 1000}, RF_EPS(1e-8), RF_DECAY(0), {NULL}};
static const char *const slots[] = {"momentum_buffer", NULL};

enum { N_LR, N_MOMENTUM, N_TRUST, N_EPS, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    (void)t;
    n[N_LR] = (float)lr;
    n[N_MOMENTUM] = (float)o[MOMENTUM];
    n[N_TRUST] = (float)o[TRUST];
    n[N_EPS] = (float)o[EPS];
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, w = u->norm[0], g = u->norm[1];
    const float scale = w > 0 && g > 0 ? n[N_TRUST] * w / (g + u->weight_decay * w + n[N_EPS]) : 1;
    float *v = u->slot[0];
    for (size_t i = u->begin; i < u->end; i++) {
        v[i] = n[N_MOMENTUM] * v[i] + scale * (u->g[i] + u->weight_decay * u->p[i]);
        u->p[i] -= n[N_LR] * u->lr_multiplier * v[i];
    }
}

const rf_optimizer rf_optimizer_lars = {
    .kind = {"lars", "momentum, its rate scaled by the norms of each parameter", options, NULL},
    .slots = slots,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "lars",
    .reference = reference,
    .norms = true};
