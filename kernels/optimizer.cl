/* One update of all parameters, in PyTorch's arithmetic.  p: parameters, g: gradients, s0 and s1: the optimizer's
 * slots, all flat; ratio: one a block of `grain` floats (parameter groups); factors: RF_STEP_FACTORS floats a step:
 *   {learning rate, or lr / bias correction of the first moment; 1 at the first step of all, else 0;
 *    square root of the second moment's bias correction; learning rate}
 * Nothing is written once the run has stopped.  Who owns what: work-item i updates blocks i, i+size, ... */
#include "control.clh"

#define UPDATE(name, ...)                                                                                    \
    __kernel void name(__global float *p, __global const float *g, __global float *s0, __global float *s1,    \
                       __global const float *ratio, __global const float *factors,                           \
                       __global const uint *control, int blocks, int grain, __VA_ARGS__)
/* Runs the body over float4s i of the blocks of this work-item, with f the step's factors and r the block's ratio. */
#define EACH(...)                                                                                            \
    if (control[RF_CONTROL_STOP] != 0) return;                                                               \
    __global const float *f = factors + control[RF_CONTROL_CURRENT] * RF_STEP_FACTORS;                       \
    float f0 = f[0], f2 = f[2], f3 = f[3];                                                                   \
    bool first = f[1] != 0.0f;                                                                               \
    for (int b = get_global_id(0); b < blocks; b += get_global_size(0)) {                                    \
        float r = ratio[b];                                                                                  \
        for (int i = b * (grain / 4), end = i + grain / 4; i < end; i++) {                                   \
            float4 w = vload4(i, p), d = vload4(i, g);                                                       \
            __VA_ARGS__                                                                                      \
            vstore4(w, i, p);                                                                                \
        }                                                                                                    \
    }

UPDATE(sgd, float momentum, float one_minus_dampening, float weight_decay, int nesterov) {
    EACH({
        if (weight_decay != 0.0f) d += weight_decay * w;
        if (momentum != 0.0f) {
            float4 v = first ? d : momentum * vload4(i, s0) + one_minus_dampening * d;
            vstore4(v, i, s0);
            d = nesterov ? d + momentum * v : v;
        }
        w -= f0 * r * d;
    })
    (void)f2, (void)f3, (void)s1;
}

/* decoupled: AdamW, whose decay acts on the parameter rather than on the gradient. */
UPDATE(adam, float one_minus_beta1, float beta2, float one_minus_beta2, float eps, float weight_decay, int decoupled) {
    EACH({
        if (decoupled) w *= 1.0f - f3 * r * weight_decay;
        else if (weight_decay != 0.0f) d += weight_decay * w;
        float4 m = vload4(i, s0);
        m += one_minus_beta1 * (d - m);
        float4 v = beta2 * vload4(i, s1) + one_minus_beta2 * d * d;
        vstore4(m, i, s0);
        vstore4(v, i, s1);
        w -= f0 * r * (m / (sqrt(v) / f2 + eps));
    })
    (void)first;
}

UPDATE(rmsprop, float alpha, float one_minus_alpha, float eps, float weight_decay, float momentum) {
    EACH({
        if (weight_decay != 0.0f) d += weight_decay * w;
        float4 v = alpha * vload4(i, s0) + one_minus_alpha * d * d;
        vstore4(v, i, s0);
        d = d / (sqrt(v) + eps);
        if (momentum != 0.0f) {
            d = momentum * vload4(i, s1) + d;
            vstore4(d, i, s1);
        }
        w -= f0 * r * d;
    })
    (void)f2, (void)f3, (void)first;
}
