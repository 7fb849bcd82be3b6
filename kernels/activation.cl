/* Activations: y = f(x), dx = f'(x) * dy, element by element; KIND (relu, gelu, ...) names f.
 *
 * Any layout: `count` floats.  y may be x, and dx may be dy.  f' is computed from y where the op says so (`seen` is
 * then y), else from x.  NaN propagates: every comparison is written so that NaN takes the identity's branch.
 *
 * Ownership: a work-item has vectors of VEC neighbouring elements. */
#include "common.clh"

INLINE floatv sigmoid_of(floatv x) {
    return 1.0f / (1.0f + exp(-x));
}

/* Those that can be fused: act.clh. */
#define FUSIBLE(T, NAME, op, f, df)                                                                          \
    INLINE T op(T x, float slope) {                                                                          \
        return f;                                                                                            \
    }                                                                                                        \
    INLINE T op##_gradient(T y, T dy, float slope) {                                                         \
        return df;                                                                                           \
    }
RF_ACT_MAP(FUSIBLE, floatv)

INLINE floatv leaky_relu(floatv x, float slope) {
    return x <= 0.0f ? x * slope : x;
}
INLINE floatv leaky_relu_gradient(floatv y, floatv dy, float slope) {
    return y <= 0.0f ? dy * slope : dy;
}

INLINE floatv sigmoid(floatv x, float slope) {
    return sigmoid_of(x);
}
INLINE floatv sigmoid_gradient(floatv y, floatv dy, float slope) {
    return dy * y * (1.0f - y);
}

INLINE floatv hyperbolic(floatv x, float slope) {
    return tanh(x);
}
INLINE floatv hyperbolic_gradient(floatv y, floatv dy, float slope) {
    return dy * (1.0f - y * y);
}

INLINE floatv hard_sigmoid(floatv x, float slope) {
    return x <= -3.0f ? (floatv)0.0f : (x >= 3.0f ? (floatv)1.0f : (x + 3.0f) / 6.0f);
}
INLINE floatv hard_sigmoid_gradient(floatv y, floatv dy, float slope) {
    return y <= 0.0f || y >= 1.0f ? (floatv)0.0f : dy / 6.0f;
}

INLINE floatv hard_swish(floatv x, float slope) {
    return x <= -3.0f ? (floatv)0.0f : (x >= 3.0f ? x : x * (x + 3.0f) / 6.0f);
}
INLINE floatv hard_swish_gradient(floatv x, floatv dy, float slope) {
    return x <= -3.0f ? (floatv)0.0f : (x >= 3.0f ? dy : dy * (2.0f * x + 3.0f) / 6.0f);
}

INLINE floatv elu(floatv x, float alpha) {
    return x <= 0.0f ? alpha * (exp(x) - 1.0f) : x;
}
INLINE floatv elu_gradient(floatv y, floatv dy, float alpha) {
    return y <= 0.0f ? dy * (y + alpha) : dy;
}

INLINE floatv softplus(floatv x, float slope) {
    return max(x, 0.0f) + log(1.0f + exp(-fabs(x)));
}
INLINE floatv softplus_gradient(floatv x, floatv dy, float slope) {
    return dy * sigmoid_of(x);
}

/* tanh(softplus(x)) is n / (n + 2) with n = exp(x) (exp(x) + 2), which is 1 before it overflows. */
INLINE floatv mish_n(floatv x) {
    const floatv e = exp(min(x, 20.0f));
    return e * (e + 2.0f);
}
INLINE floatv mish(floatv x, float slope) {
    const floatv n = mish_n(x);
    return x * (n / (n + 2.0f));
}
INLINE floatv mish_gradient(floatv x, floatv dy, float slope) {
    const floatv n = mish_n(x), inverse = 1.0f / (n + 2.0f);
    return dy * (n * inverse + x * (4.0f * (n + 1.0f) * inverse * inverse) * sigmoid_of(x));
}

INLINE floatv silu(floatv x, float slope) {
    return x / (1.0f + exp(-x));
}
INLINE floatv silu_gradient(floatv x, floatv dy, float slope) {
    floatv s = sigmoid_of(x);
    return dy * s * (1.0f + x * (1.0f - s));
}

/* GELU is x * Phi(x), Phi the normal distribution; its derivative is Phi(x) + x * phi(x).  Phi by Abramowitz
 * & Stegun 7.1.26, to 1e-7, which needs the exponential that phi is made of. */
INLINE floatv normal_below(floatv x, floatv exponential) {
    const floatv z = fabs(x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z);
    const floatv series =
        ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    const floatv above = 0.5f * series * exponential;
    return x < 0.0f ? above : 1.0f - above;
}
INLINE floatv gelu(floatv x, float slope) {
    return x * normal_below(x, exp(-0.5f * x * x));
}
INLINE floatv gelu_gradient(floatv x, floatv dy, float slope) {
    const floatv exponential = exp(-0.5f * x * x);
    return dy * (normal_below(x, exponential) + x * 0.39894228f * exponential);
}

KERNEL void forward(const __global float *x, __global float *y, int count, float slope) {
    FOR_TASKS(task, (count + VEC - 1) / VEC) {
        int i = task * VEC;
        put(KIND(fetch(x + i, count - i), slope), y + i, count - i);
    }
}

KERNEL void backward(const __global float *seen, const __global float *dy, __global float *dx, int count,
                     float slope, int accumulate) {
    FOR_TASKS(task, (count + VEC - 1) / VEC) {
        int i = task * VEC, left = count - i;
        floatv d = PASTE(KIND, _gradient)(fetch(seen + i, left), fetch(dy + i, left), slope);
        put(accumulate ? d + fetch(dx + i, left) : d, dx + i, left);
    }
}
