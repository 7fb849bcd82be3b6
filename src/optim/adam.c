/* Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), in the arithmetic of torch.optim. */
#include <math.h>
#include <string.h>

#include "optim/optimizer.h"

static int slots(const rf_optimizer_options *o) {
    (void)o;
    return 2;
}

static bool decoupled(const rf_optimizer_options *o) {
    return strcmp(o->name, "adamw") == 0;
}

static void factors(float out[RF_STEP_FACTORS], const rf_optimizer_options *o, double lr, long t) {
    out[0] = (float)(lr / (1 - pow(o->beta1, (double)t)));
    out[1] = t == 1;
    out[2] = (float)sqrt(1 - pow(o->beta2, (double)t));
    out[3] = (float)lr;
}

static void reference(const rf_update *u) {
    const rf_optimizer_options *o = u->options;
    bool apart = decoupled(o);
    float step = u->factors[0] * u->ratio, lr = u->factors[3] * u->ratio, decay = (float)o->weight_decay;
    float one_minus_beta1 = (float)(1 - o->beta1), beta2 = (float)o->beta2,
          one_minus_beta2 = (float)(1 - o->beta2);
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i], w = u->p[i];
        if (apart)
            w *= 1 - lr * decay;
        else if (decay != 0)
            d += decay * w;
        u->s0[i] += one_minus_beta1 * (d - u->s0[i]);
        u->s1[i] = beta2 * u->s1[i] + one_minus_beta2 * d * d;
        u->p[i] = w - step * (u->s0[i] / (sqrtf(u->s1[i]) / u->factors[2] + (float)o->eps));
    }
}

static int args(rf_arg out[8], const rf_optimizer_options *o) {
    rf_arg own[] = {RF_F32(1 - o->beta1), RF_F32(o->beta2),        RF_F32(1 - o->beta2),
                    RF_F32(o->eps),       RF_F32(o->weight_decay), RF_I32(decoupled(o))};
    for (size_t i = 0; i < RF_COUNT(own); i++) out[i] = own[i];
    return RF_COUNT(own);
}

#define RF_ADAM(name_, decay_, summary_)                                                                     \
    const rf_optimizer rf_optimizer_##name_ = {.name = #name_,                                               \
                                               .summary = summary_,                                          \
                                               .takes = "betas, eps",                                        \
                                               .weight_decay = decay_,                                       \
                                               .eps = 1e-8,                                                  \
                                               .slots = slots,                                               \
                                               .factors = factors,                                           \
                                               .reference = reference,                                       \
                                               .kernel = "adam",                                             \
                                               .args = args}
RF_ADAM(adam, 0, "adaptive moments");
RF_ADAM(adamw, 0.01, "adaptive moments, weight decay apart from the gradient");
