/* RMSprop (Tieleman and Hinton 2012), in the arithmetic of torch.optim.RMSprop, not centred. */
#include <math.h>

#include "optim/optimizer.h"

static int slots(const rf_optimizer_options *o) {
    return o->momentum != 0 ? 2 : 1;
}

static void reference(const rf_update *u) {
    const rf_optimizer_options *o = u->options;
    float alpha = (float)o->alpha, one_minus_alpha = (float)(1 - o->alpha), lr = u->factors[0] * u->ratio;
    float momentum = (float)o->momentum, decay = (float)o->weight_decay;
    for (size_t i = u->begin; i < u->end; i++) {
        float d = u->g[i];
        if (decay != 0) d += decay * u->p[i];
        u->s0[i] = alpha * u->s0[i] + one_minus_alpha * d * d;
        d /= sqrtf(u->s0[i]) + (float)o->eps;
        if (momentum != 0) d = u->s1[i] = momentum * u->s1[i] + d;
        u->p[i] -= lr * d;
    }
}

static int args(rf_arg out[8], const rf_optimizer_options *o) {
    rf_arg own[] = {RF_F32(o->alpha), RF_F32(1 - o->alpha), RF_F32(o->eps), RF_F32(o->weight_decay),
                    RF_F32(o->momentum)};
    for (size_t i = 0; i < RF_COUNT(own); i++) out[i] = own[i];
    return RF_COUNT(own);
}

const rf_optimizer rf_optimizer_rmsprop = {.name = "rmsprop",
                                           .summary = "gradient over the root of its mean square",
                                           .takes = "momentum, alpha, eps",
                                           .eps = 1e-8,
                                           .slots = slots,
                                           .factors = rf_plain_factors,
                                           .reference = reference,
                                           .kernel = "rmsprop",
                                           .args = args};
