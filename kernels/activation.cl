/* Activations: y = f(x), dx = f'(x) * dy, element by element; KIND (relu, gelu, ...) names f.
 *
 * Any layout: `count` floats.  y may be x, and dx may be dy.  f' is computed from y where the op says so (`seen` is
 * then y), else from x.  NaN propagates: every comparison is written so that NaN takes the identity's branch.  p is what
 * f has of attributes, such as a slope.
 *
 * Ownership: a work-item has vectors of VEC neighbouring elements. */
#include "common.clh"

INLINE floatv sigmoid_of(floatv x) {
    return RF_ACT_SIGMOID(floatv, x);
}

/* Those that can be fused: act.clh. */
#define FUSIBLE(T, op, f, seen, df)                                                                          \
    INLINE T op(T x, float2 p) {                                                                             \
        return f;                                                                                            \
    }                                                                                                        \
    INLINE T op##_gradient(T seen, T dy, float2 p) {                                                         \
        return df;                                                                                           \
    }
#define FUSIBLE_Y(T, NAME, op, f, df) FUSIBLE(T, op, f, y, df)
#define FUSIBLE_X(T, NAME, op, f, df) FUSIBLE(T, op, f, x, df)
RF_ACT_Y_MAP(FUSIBLE_Y, floatv)
RF_ACT_X_MAP(FUSIBLE_X, floatv)

INLINE floatv leaky_relu(floatv x, float2 p) {
    return x <= 0.0f ? x * p.x : x;
}
INLINE floatv leaky_relu_gradient(floatv y, floatv dy, float2 p) {
    return y <= 0.0f ? dy * p.x : dy;
}

INLINE floatv selu(floatv x, float2 p) {
    return x <= 0.0f ? 1.75809934f * (exponential_floatv(x) - 1.0f) : x * 1.05070099f;
}
INLINE floatv selu_gradient(floatv y, floatv dy, float2 p) {
    return y <= 0.0f ? dy * (y + 1.75809934f) : dy * 1.05070099f;
}

INLINE floatv clip(floatv x, float2 p) {
    return x <= p.x ? (floatv)p.x : (x >= p.y ? (floatv)p.y : x);
}
INLINE floatv clip_gradient(floatv y, floatv dy, float2 p) {
    return y <= p.x || y >= p.y ? (floatv)0.0f : dy;
}

INLINE floatv affine(floatv x, float2 p) {
    return x * p.x + p.y;
}
INLINE floatv affine_gradient(floatv y, floatv dy, float2 p) {
    return dy * p.x;
}

INLINE floatv sigmoid(floatv x, float2 p) {
    return sigmoid_of(x);
}
INLINE floatv sigmoid_gradient(floatv y, floatv dy, float2 p) {
    return dy * y * (1.0f - y);
}

INLINE floatv exponential(floatv x, float2 p) {
    return exp(x);
}
INLINE floatv exponential_gradient(floatv y, floatv dy, float2 p) {
    return dy * y;
}

INLINE floatv logarithm(floatv x, float2 p) {
    return log(x);
}
INLINE floatv logarithm_gradient(floatv x, floatv dy, float2 p) {
    return dy / x;
}

/* Below zero only whole exponents have one; odd ones keep the sign. */
INLINE floatv power_of(floatv x, float exponent) {
    const int whole = (int)exponent;
    if (exponent == 0.0f) return 1.0f;
    if (exponent == -1.0f) return 1.0f / x;
    if (exponent == 0.5f) return sqrt(x);
    if ((float)whole != exponent) return exp(exponent * log(x));
    const floatv size = exp(exponent * log(fabs(x)));
    return x < 0.0f ? size * (whole % 2 == 0 ? 1.0f : -1.0f) : size;
}
INLINE floatv power(floatv x, float2 p) {
    return power_of(x, p.x);
}
INLINE floatv power_gradient(floatv x, floatv dy, float2 p) {
    return dy * p.x * power_of(x, p.x - 1.0f);
}

INLINE floatv hyperbolic(floatv x, float2 p) {
    return tanh(x);
}
INLINE floatv hyperbolic_gradient(floatv y, floatv dy, float2 p) {
    return dy * (1.0f - y * y);
}

INLINE floatv hard_sigmoid(floatv x, float2 p) {
    return x <= -3.0f ? (floatv)0.0f : (x >= 3.0f ? (floatv)1.0f : (x + 3.0f) * 0.16666667f);
}
INLINE floatv hard_sigmoid_gradient(floatv y, floatv dy, float2 p) {
    return y <= 0.0f || y >= 1.0f ? (floatv)0.0f : dy * 0.16666667f;
}

INLINE floatv elu(floatv x, float2 p) {
    return x <= 0.0f ? p.x * (exponential_floatv(x) - 1.0f) : x;
}
INLINE floatv elu_gradient(floatv y, floatv dy, float2 p) {
    return y <= 0.0f ? dy * (y + p.x) : dy;
}

INLINE floatv softplus(floatv x, float2 p) {
    return max(x, 0.0f) + log(1.0f + exponential_floatv(-fabs(x)));
}
INLINE floatv softplus_gradient(floatv x, floatv dy, float2 p) {
    return dy * sigmoid_of(x);
}

/* tanh(softplus(x)) is n / (n + 2) with n = e^x (e^x + 2), which is 1 before it overflows. */
INLINE floatv mish_n(floatv x) {
    const floatv e = exponential_floatv(min(x, 20.0f));
    return e * (e + 2.0f);
}
INLINE floatv mish(floatv x, float2 p) {
    const floatv n = mish_n(x);
    return x * (n / (n + 2.0f));
}
INLINE floatv mish_gradient(floatv x, floatv dy, float2 p) {
    const floatv n = mish_n(x), inverse = 1.0f / (n + 2.0f);
    return dy * (n * inverse + x * (4.0f * (n + 1.0f) * inverse * inverse) * sigmoid_of(x));
}

/* GELU is x * Phi(x), Phi the normal distribution; its derivative is Phi(x) + x * phi(x).  Phi by Abramowitz
 * & Stegun 7.1.26, to 1e-7, which needs the exponential that phi is made of. */
INLINE floatv normal_below(floatv x, floatv bell) {
    const floatv z = fabs(x) * 0.70710678f, t = 1.0f / (1.0f + 0.3275911f * z);
    const floatv series =
        ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    const floatv above = 0.5f * series * bell;
    return x < 0.0f ? above : 1.0f - above;
}
INLINE floatv gelu(floatv x, float2 p) {
    return x * normal_below(x, exponential_floatv(-0.5f * x * x));
}
INLINE floatv gelu_gradient(floatv x, floatv dy, float2 p) {
    const floatv bell = exponential_floatv(-0.5f * x * x);
    return dy * (normal_below(x, bell) + x * 0.39894228f * bell);
}

/* By tanh (Hendrycks & Gimpel 2016): x * s, s = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). */
INLINE floatv gelu_tanh(floatv x, float2 p) {
    return x * sigmoid_of(1.59576912f * x * (1.0f + 0.044715f * x * x));
}
INLINE floatv gelu_tanh_gradient(floatv x, floatv dy, float2 p) {
    const floatv s = sigmoid_of(1.59576912f * x * (1.0f + 0.044715f * x * x));
    return dy * s * (1.0f + x * (1.0f - s) * 1.59576912f * (1.0f + 0.134145f * x * x));
}

KERNEL void forward(const __global stored_x *x, __global stored_y *y, int count, float a, float b) {
    FOR_TASKS(task, (count + VEC - 1) / VEC) {
        int i = task * VEC;
        put(KIND(fetch(x + i, count - i), (float2)(a, b)), y + i, count - i);
    }
}

/* SEEN_X: it is x. */
#ifdef SEEN_X
typedef stored_x stored_seen;
#else
typedef stored_y stored_seen;
#endif
KERNEL void backward(const __global stored_seen *seen, const __global stored_y *dy, __global stored_x *dx,
                     int count, float a, float b, int accumulate) {
    FOR_TASKS(task, (count + VEC - 1) / VEC) {
        int i = task * VEC, left = count - i;
        floatv d = PASTE(KIND, _gradient)(fetch(seen + i, left), fetch(dy + i, left), (float2)(a, b));
        add_or_put(d, dx + i, left, accumulate);
    }
}
