/* Stochastic gradient descent with momentum, dampening, Nesterov and weight decay, as torch.optim.SGD does
 * it. */
#include "optim/optimizer.h"

static int slots(const rf_optimizer_options *o) {
    return o->momentum != 0;
}

static void reference(const rf_update *u) {
    const rf_optimizer_options *o = u->options;
    float momentum = (float)o->momentum, weight_decay = (float)o->weight_decay, lr = u->factors[0] * u->ratio;
    float one_minus_dampening = (float)(1 - o->dampening);
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i];
        if (weight_decay != 0) d += weight_decay * u->p[i];
        if (momentum != 0) {
            float v = u->factors[1] != 0 ? d : momentum * u->s0[i] + one_minus_dampening * d;
            u->s0[i] = v;
            d = o->nesterov ? d + momentum * v : v;
        }
        u->p[i] -= lr * d;
    }
}

static int args(rf_arg out[8], const rf_optimizer_options *o) {
    rf_arg own[] = {RF_F32(o->momentum), RF_F32(1 - o->dampening), RF_F32(o->weight_decay),
                    RF_I32(o->nesterov)};
    for (size_t i = 0; i < RF_COUNT(own); i++) out[i] = own[i];
    return RF_COUNT(own);
}

const rf_optimizer rf_optimizer_sgd = {.name = "sgd",
                                       .summary = "gradient descent, with momentum if asked for",
                                       .takes = "momentum, dampening, nesterov",
                                       .eps = 1e-8,
                                       .slots = slots,
                                       .factors = rf_plain_factors,
                                       .reference = reference,
                                       .kernel = "sgd",
                                       .args = args};
