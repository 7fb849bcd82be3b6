/* Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), in the arithmetic of torch.optim. */
#include <math.h>

#include "optim/moments.h"
#include "optim/optimizer.h"

static const rf_spec_option adam_options[] = {RF_BETAS(0.9, 0.999), RF_EPS(1e-8), RF_DECAY(0), {NULL}};
static const rf_spec_option adamw_options[] = {RF_BETAS(0.9, 0.999), RF_EPS(1e-8), RF_DECAY(0.01), {NULL}};
static const char *const slots[] = {"exp_avg", "exp_avg_sq", NULL};

enum { N_RATE, N_CORRECTION, N_NEW1, N_BETA2, N_NEW2, N_EPS, N_L2, N_SHRINK, NUMBERS };
static void step(float *n, const double *o, double lr, long t) {
    n[N_RATE] = (float)(lr / (1 - pow(o[BETA1], (double)t)));
    n[N_CORRECTION] = (float)sqrt(1 - pow(o[BETA2], (double)t));
    rf_moments_numbers(n + N_NEW1, o);
    n[N_L2] = 1;
    n[N_SHRINK] = 0;
}

/* The decay acts on the parameter rather than on the gradient. */
static void step_decoupled(float *n, const double *o, double lr, long t) {
    step(n, o, lr, t);
    n[N_L2] = 0;
    n[N_SHRINK] = (float)lr;
}

static void reference(const rf_update *u) {
    const float *n = u->numbers, rate = n[N_RATE] * u->lr_multiplier, l2 = n[N_L2] * u->weight_decay,
                shrink = n[N_SHRINK] * u->lr_multiplier * u->weight_decay;
    float *m = u->slot[0], *v = u->slot[1];
    for (size_t i = u->begin; i < u->end; i++) {
        const float w = u->p[i] * (1 - shrink), d = u->g[i] + l2 * w;
        m[i] += n[N_NEW1] * (d - m[i]);
        v[i] = n[N_BETA2] * v[i] + n[N_NEW2] * d * d;
        u->p[i] = w - rate * (m[i] / (sqrtf(v[i]) / n[N_CORRECTION] + n[N_EPS]));
    }
}

#define RF_ADAM(name_, pytorch_, step_, summary_)                                                            \
    const rf_optimizer rf_optimizer_##name_ = {.kind = {#name_, summary_, name_##_options, NULL},            \
                                               .pytorch = pytorch_,                                          \
                                               .slots = slots,                                               \
                                               .usual_lr = rf_moments_usual_lr,                              \
                                               .numbers = NUMBERS,                                           \
                                               .step = step_,                                                \
                                               .reference = reference,                                       \
                                               .kernel = "adam"}
RF_ADAM(adam, "Adam", step, "adaptive moments");
RF_ADAM(adamw, "AdamW", step_decoupled, "adaptive moments, weight decay apart from the gradient");
