/* One update of all parameters, in PyTorch's arithmetic.  p: parameters, g: gradients, s0 and s1: the optimizer's
 * slots, all flat; ratio: one a block of `grain` floats (parameter groups); factors: RF_STEP_FACTORS floats a step:
 *   {learning rate, or lr / bias correction of the first moment; 1 at the first step of all, else 0;
 *    square root of the second moment's bias correction; learning rate}
 * Nothing is written once the run has stopped.  Who owns what: vectors of eight floats; with span > 0 work-item i owns
 * the span vectors from i * span on (CPUs), else vectors i, i + size, ... (GPUs). */
#include "control.clh"

#define UPDATE(name, ...)                                                                                    \
    __kernel void name(__global float *restrict p, __global const float *restrict g,                          \
                       __global float *restrict s0, __global float *restrict s1,                             \
                       __global const float *restrict ratio, __global const float *restrict factors,         \
                       __global const uint *restrict control, int count, int span, int grain, __VA_ARGS__)
/* Runs the body on each vector i of this work-item; r is the ratio of its block. */
#define EACH(...)                                                                                            \
    if (control[RF_CONTROL_STOP] != 0) return;                                                               \
    __global const float *f = factors + control[RF_CONTROL_CURRENT] * RF_STEP_FACTORS;                       \
    float f0 = f[0], f2 = f[2], f3 = f[3];                                                                   \
    bool first = f[1] != 0.0f;                                                                               \
    int id = get_global_id(0), step = span > 0 ? 1 : get_global_size(0);                                     \
    int begin = span > 0 ? id * span : id, end = span > 0 ? min(begin + span, count) : count;                \
    for (int i = begin; i < end; i += step) {                                                                \
        float r = ratio[i * 8 / grain];                                                                      \
        float8 w = vload8(i, p), d = vload8(i, g);                                                           \
        __VA_ARGS__                                                                                          \
        vstore8(w, i, p);                                                                                    \
    }

UPDATE(sgd, float momentum, float one_minus_dampening, float weight_decay, int nesterov) {
    EACH({
        if (weight_decay != 0.0f) d += weight_decay * w;
        if (momentum != 0.0f) {
            float8 v = first ? d : momentum * vload8(i, s0) + one_minus_dampening * d;
            vstore8(v, i, s0);
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
        float8 m = vload8(i, s0);
        m += one_minus_beta1 * (d - m);
        float8 v = beta2 * vload8(i, s1) + one_minus_beta2 * d * d;
        vstore8(m, i, s0);
        vstore8(v, i, s1);
        w -= f0 * r * (m / (sqrt(v) / f2 + eps));
    })
    (void)first;
}

UPDATE(rmsprop, float alpha, float one_minus_alpha, float eps, float weight_decay, float momentum) {
    EACH({
        if (weight_decay != 0.0f) d += weight_decay * w;
        float8 v = alpha * vload8(i, s0) + one_minus_alpha * d * d;
        vstore8(v, i, s0);
        d = d / (sqrt(v) + eps);
        if (momentum != 0.0f) {
            d = momentum * vload8(i, s1) + d;
            vstore8(d, i, s1);
        }
        w -= f0 * r * d;
    })
    (void)f2, (void)f3, (void)first;
}
