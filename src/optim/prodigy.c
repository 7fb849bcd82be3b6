/* Prodigy (Mishchenko and Defazio 2023, arXiv 2306.06101, algorithm 4): Adam whose rate is multiplied by d, a lower bound
 * of the distance to the solution, estimated from the distance that the parameters have moved against the gradients.  Meant
 * for a rate of 1.  Weight decay acts on the parameters, as AdamW's. */
#include <math.h>

#include "optim/moments.h"
#include "optim/optimizer.h"

/* eps above 0: where a parameter's storage is padded, the moments are zero. */
enum { D0 = RF_MOMENTS_OPTIONS, D_COEF };
static const rf_spec_option options[] = {RF_BETAS(0.9, 0.999),
                                         {"eps", 1, {1e-8}, 1e-12, 1},
                                         RF_DECAY(0),
                                         {"d0", 1, {1e-6}, 1e-12, 1e6}, /* the first d */
                                         {"d_coef", 1, {1}, 1e-6, 1e6}, /* times the estimate */
                                         {NULL}};
enum { P0, S, EXP_AVG, EXP_AVG_SQ };
static const char *const slots[] = {"p0", "s", "exp_avg", "exp_avg_sq", NULL}; /* p0: the first parameters */
enum { S_D, S_NUMERATOR };
static const char *const scalars[] = {"d", "numerator", NULL};

static void begin(float *s, const double *o) {
    s[S_D] = (float)o[D0];
    s[S_NUMERATOR] = 0;
}

/* beta3: the square root of beta2, as in the paper. */
enum { N_LR, N_BETA1, N_NEW1, N_BETA2, N_NEW2, N_EPS, N_BETA3, N_D0, N_D_COEF, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    (void)t;
    n[N_LR] = (float)lr;
    n[N_BETA1] = (float)o[BETA1];
    rf_moments_numbers(n + N_NEW1, o);
    n[N_BETA3] = (float)sqrt(o[BETA2]);
    n[N_D0] = (float)o[D0];
    n[N_D_COEF] = (float)o[D_COEF];
}

/* The estimate is a quotient; numerator and denominator are both divided by d0 * (1 - beta3), which keeps them from
 * underflow. */
static void reference(const rf_update *u) {
    const float *n = u->numbers, d = u->scalars[S_D], rate = d * n[N_LR] * u->lr_multiplier,
                share = d / n[N_D0] * rate;
    float *p0 = u->slot[P0], *s = u->slot[S], *m = u->slot[EXP_AVG], *v = u->slot[EXP_AVG_SQ];
    for (size_t i = u->begin; i < u->end; i++) {
        const float g = u->g[i], w = u->p[i];
        u->sums[0] += (double)share * g * (p0[i] - w);
        s[i] = n[N_BETA3] * s[i] + share * g;
        u->sums[1] += fabsf(s[i]);
        m[i] = n[N_BETA1] * m[i] + n[N_NEW1] * d * g;
        v[i] = n[N_BETA2] * v[i] + n[N_NEW2] * d * d * g * g;
        u->p[i] = w - rate * (m[i] / (sqrtf(v[i]) + d * n[N_EPS]) + u->weight_decay * w);
    }
}

static void scalars_reference(float *s, const float *n, const double sums[2]) {
    s[S_NUMERATOR] = n[N_BETA3] * s[S_NUMERATOR] + (float)sums[0];
    const float estimate = n[N_D_COEF] * s[S_NUMERATOR] / (float)sums[1];
    if (estimate > s[S_D]) s[S_D] = estimate;
}

const rf_optimizer rf_optimizer_prodigy = {
    .kind = {"prodigy", "Adam that estimates the rate itself, for a rate of 1", options, NULL},
    .slots = slots,
    .copies = 1 << P0,
    .scalars = scalars,
    .begin = begin,
    .sums = true,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "prodigy",
    .reference = reference,
    .scalars_kernel = "prodigy_scalars",
    .scalars_reference = scalars_reference};
