/* Activations: y = f(x), dx = f'(x) * dy, element by element; KIND (relu, gelu, ...) names f.
 *
 * Any layout: `count` floats.  A task is VEC neighbouring elements; the work-item that owns it writes them.  y may be
 * x and dx may be dy.  f' is told by y where the op says so (`seen` is then y), else by x.  NaN comes through: every
 * comparison is written so that NaN takes the identity's branch. */
#include "common.clh"

static inline floatv sigmoid_of(floatv x) { return 1.0f / (1.0f + exp(-x)); }

static inline floatv relu(floatv x, float slope) { return x <= 0.0f ? (floatv)0.0f : x; }
static inline floatv relu_gradient(floatv y, floatv dy, float slope) { return y <= 0.0f ? (floatv)0.0f : dy; }

static inline floatv relu6(floatv x, float slope) {
    return x <= 0.0f ? (floatv)0.0f : (x >= 6.0f ? (floatv)6.0f : x);
}
static inline floatv relu6_gradient(floatv y, floatv dy, float slope) {
    return y <= 0.0f ? (floatv)0.0f : (y >= 6.0f ? (floatv)0.0f : dy);
}

static inline floatv leaky_relu(floatv x, float slope) { return x <= 0.0f ? x * slope : x; }
static inline floatv leaky_relu_gradient(floatv y, floatv dy, float slope) { return y <= 0.0f ? dy * slope : dy; }

static inline floatv sigmoid(floatv x, float slope) { return sigmoid_of(x); }
static inline floatv sigmoid_gradient(floatv y, floatv dy, float slope) { return dy * y * (1.0f - y); }

static inline floatv hyperbolic(floatv x, float slope) { return tanh(x); }
static inline floatv hyperbolic_gradient(floatv y, floatv dy, float slope) { return dy * (1.0f - y * y); }

static inline floatv silu(floatv x, float slope) { return x / (1.0f + exp(-x)); }
static inline floatv silu_gradient(floatv x, floatv dy, float slope) {
    floatv s = sigmoid_of(x);
    return dy * s * (1.0f + x * (1.0f - s));
}

/* x * Phi(x), Phi the normal distribution; its derivative is Phi(x) + x * phi(x). */
static inline floatv normal_below(floatv x) { return 0.5f + 0.5f * erf(x * 0.70710678f); }
static inline floatv gelu(floatv x, float slope) { return x * normal_below(x); }
static inline floatv gelu_gradient(floatv x, floatv dy, float slope) {
    return dy * (normal_below(x) + x * 0.39894228f * exp(-0.5f * x * x));
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
