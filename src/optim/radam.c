/* RAdam (Liu et al. 2020, arXiv 1908.03265), in the arithmetic of torch.optim.RAdam. */
#include <math.h>

#include "optim/moments.h"
#include "optim/optimizer.h"

static const rf_spec_option options[] = {RF_BETAS(0.9, 0.999), RF_EPS(1e-8), RF_DECAY(0), {NULL}};
static const char *const slots[] = {"exp_avg", "exp_avg_sq", NULL};

enum { N_RATE, N_ADAPTIVE, N_NEW1, N_BETA2, N_NEW2, N_EPS, NUMBERS };
/* While too few gradients were seen to tell their variance (adaptive is 0), it steps by the momentum alone. */
static void step(float *n, const double *o, double lr, long t) {
    const double power = pow(o[BETA2], (double)t), last = 2 / (1 - o[BETA2]) - 1,
                 rho = last - 2 * (double)t * power / (1 - power);
    double rate = lr / (1 - pow(o[BETA1], (double)t));
    if (rho > 5)
        rate *= sqrt(1 - power) * sqrt((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho));
    n[N_RATE] = (float)rate;
    n[N_ADAPTIVE] = rho > 5;
    rf_moments_numbers(n + N_NEW1, o);
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, rate = n[N_RATE] * u->lr_multiplier;
    float *m = u->slot[0], *v = u->slot[1];
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i] + u->weight_decay * u->p[i];
        m[i] += n[N_NEW1] * (d - m[i]);
        v[i] = n[N_BETA2] * v[i] + n[N_NEW2] * d * d;
        u->p[i] -= rate * (n[N_ADAPTIVE] != 0 ? m[i] / (sqrtf(v[i]) + n[N_EPS]) : m[i]);
    }
}

const rf_optimizer rf_optimizer_radam = {
    .kind = {"radam", "adaptive moments, once their variance is known", options, NULL},
    .pytorch = "RAdam",
    .slots = slots,
    .numbers = NUMBERS,
    .step = step,
    .kernel = "radam",
    .reference = reference};
