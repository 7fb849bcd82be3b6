/* Schedule-free AdamW (Defazio et al. 2024, arXiv 2405.15682, algorithm 1): the gradient is taken at
 * y = (1 - beta1) z + beta1 x, which are the parameters; AdamW without a momentum moves z; x is the average of all z, weighted
 * by the squares of the rates, and is what is evaluated.  The rate needs no schedule but a warm-up. */
#include <math.h>

#include "optim/moments.h"
#include "optim/optimizer.h"

/* eps above 0: where a parameter's storage is padded, the moments are zero. */
static const rf_spec_option options[] = {
    RF_BETAS(0.9, 0.999), {"eps", 1, {1e-8}, 1e-12, 1}, RF_DECAY(0), {NULL}};
enum { Z, X, EXP_AVG_SQ };
static const char *const slots[] = {"z", "x", "exp_avg_sq", NULL};
static const char *const scalars[] = {"weight_sum", NULL}; /* of the squares of the rates so far */

static void begin(float *s, const double *o) {
    (void)o;
    s[0] = 0;
}

enum { N_LR, N_CORRECTION, N_NEW1, N_BETA2, N_NEW2, N_EPS, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    n[N_LR] = (float)lr;
    n[N_CORRECTION] = (float)sqrt(1 - pow(o[BETA2], (double)t));
    rf_moments_numbers(n + N_NEW1, o);
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, lr = n[N_LR] * u->lr_multiplier, weight = n[N_LR] * n[N_LR],
                sum = u->scalars[0] + weight, share = sum > 0 ? weight / sum : 0;
    float *z = u->slot[Z], *x = u->slot[X], *v = u->slot[EXP_AVG_SQ];
    for (size_t i = u->begin; i < u->end; i++) {
        const float d = u->g[i];
        v[i] = n[N_BETA2] * v[i] + n[N_NEW2] * d * d;
        z[i] -= lr * (d / (sqrtf(v[i]) / n[N_CORRECTION] + n[N_EPS]) + u->weight_decay * u->p[i]);
        x[i] += share * (z[i] - x[i]);
        u->p[i] = x[i] + n[N_NEW1] * (z[i] - x[i]);
    }
}

static void scalars_reference(float *s, const float *n, const double sums[2]) {
    (void)sums;
    s[0] += n[N_LR] * n[N_LR];
}

const rf_optimizer rf_optimizer_adamw_schedule_free = {
    .kind = {"adamw_schedule_free", "AdamW evaluated at an average of its steps, for a constant rate",
             options, NULL},
    .slots = slots,
    .copies = 1 << Z | 1 << X,
    .evaluated = 1 + X,
    .scalars = scalars,
    .begin = begin,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "adamw_schedule_free",
    .reference = reference,
    .scalars_kernel = "adamw_schedule_free_scalars",
    .scalars_reference = scalars_reference};
