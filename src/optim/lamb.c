/* LAMB (You et al. 2020, arXiv 1904.00962, algorithm 2): Adam's direction plus weight decay, its learning rate scaled,
 * parameter by parameter, by |w| / |direction|, or by 1 where either norm is zero. */
#include <math.h>

#include "optim/moments.h"
#include "optim/optimizer.h"

/* eps above 0: where a parameter's storage is padded, the moments are zero. */
static const rf_spec_option options[] = {
    RF_BETAS(0.9, 0.999), {"eps", 1, {1e-6}, 1e-12, 1}, RF_DECAY(0.01), {NULL}};
static const char *const slots[] = {"exp_avg", "exp_avg_sq", NULL};

enum { N_LR, N_CORRECTION1, N_CORRECTION2, N_NEW1, N_BETA2, N_NEW2, N_EPS, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    n[N_LR] = (float)lr;
    n[N_CORRECTION1] = (float)(1 - pow(o[BETA1], (double)t));
    n[N_CORRECTION2] = (float)sqrt(1 - pow(o[BETA2], (double)t));
    rf_moments_numbers(n + N_NEW1, o);
}

static void direction(const rf_update *u) {
    const float *n = u->numbers;
    float *m = u->slot[0], *v = u->slot[1];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i];
        m[i] += n[N_NEW1] * (d - m[i]);
        v[i] = n[N_BETA2] * v[i] + n[N_NEW2] * d * d;
        u->g[i] =
            m[i] / n[N_CORRECTION1] / (sqrtf(v[i]) / n[N_CORRECTION2] + n[N_EPS]) + u->weight_decay * u->p[i];
    }
}

static void reference(const rf_update *u) {
    const float scale = u->norm[0] > 0 && u->norm[1] > 0 ? u->norm[0] / u->norm[1] : 1;
    const float rate = u->numbers[N_LR] * u->lr_multiplier * scale;
    for (size_t i = u->begin; i < u->end; i++) u->p[i] -= rate * u->g[i];
}

const rf_optimizer rf_optimizer_lamb = {
    .kind = {"lamb", "adaptive moments, their rate scaled by the norms of each parameter", options, NULL},
    .slots = slots,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "lamb",
    .reference = reference,
    .norms = true,
    .direction_kernel = "lamb_direction",
    .direction_reference = direction};
