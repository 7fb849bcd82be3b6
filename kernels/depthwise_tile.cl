/* Depthwise convolution (one input and one output channel a group) for CPUs: y[p][c] = act(bias[c] + sum over taps of
 * x[pixel(p,tap)][c] * w[tap][c]), vectors along the channels.  Layouts: x (n,h,w,c), y (n,oh,ow,c), w [r][s][c].
 * All three are bound by memory: each walks its output (or dy) once, row by row, in the order in which it lies. */
#include "common.clh"

#define Y_OF(pair) ((pair) >> 16)
#define X_OF(pair) ((int)(short)(pair))

/* Along one axis: `count` taps reach a position, the first is `tap` and reads `at`; the next are `tap_step` and `step` on. */
typedef struct {
    int count, at, step, tap, tap_step;
} reach;

/* Output position o: the taps whose input lies within `size`. */
static inline reach reach_forward(int o, int size, int taps, int stride, int pad, int dilation) {
    int start = o * stride - pad, first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int end = size <= start ? 0 : min(taps, (size - 1 - start) / dilation + 1);
    reach r = {max(end - first, 0), start + first * dilation, dilation, first, 1};
    return r;
}

/* Input position i: the taps t with i + pad - t*dilation = stride*o, for an o within `size`. */
static inline reach reach_backward(int i, int size, int taps, int stride, int pad, int dilation) {
    reach r = {0, 0, 0, 0, 0};
    for (int t = 0; t < taps; ++t) {
        int o = i + pad - t * dilation;
        if (o < 0 || o % stride || o / stride >= size) continue;
        if (r.count == 0) r.tap = t, r.at = o / stride;
        if (r.count == 1) r.tap_step = t - r.tap, r.step = o / stride - r.at;
        ++r.count;
    }
    return r;
}

/* One output pixel: `from` is the map that is read, `pitch` its row, both axes' taps given. */
static inline void pixel(const __global float *from, const __global float *w, const __global float *bias,
                         __global float *to, int c, int pitch, int taps_x, reach y, reach x, int act, int accumulate) {
    from += y.at * pitch + x.at * c;
    w += (y.tap * taps_x + x.tap) * c;
    int step_y = y.step * pitch, step_x = x.step * c, next_y = y.tap_step * taps_x * c, next_x = x.tap_step * c;
    for (int i = 0; i < c; i += VEC) {
        int left = c - i;
        floatv sum = 0.0f;
        if (bias) sum = fetch(bias + i, left);
        if (accumulate) sum += fetch(to + i, left);
        if (y.count == 3 && x.count == 3 && left >= VEC) { /* the usual kernel, away from the edges */
#pragma unroll
            for (int a = 0; a < 3; ++a)
#pragma unroll
                for (int b = 0; b < 3; ++b)
                    sum += LOAD(from + i + a * step_y + b * step_x) * LOAD(w + i + a * next_y + b * next_x);
        } else
            for (int a = 0; a < y.count; ++a)
                for (int b = 0; b < x.count; ++b)
                    sum += fetch(from + i + a * step_y + b * step_x, left) * fetch(w + i + a * next_y + b * next_x, left);
        if (act) sum = sum <= 0.0f ? (floatv)0.0f : sum;
        if (act == 2) sum = sum >= 6.0f ? (floatv)6.0f : sum;
        put(sum, to + i, left);
    }
}

__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void forward(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
                      int n, int c, int h, int width, int oh, int ow, int taps, int stride, int pad, int dilation, int act) {
    FOR_TASKS(row, n * oh) {
        reach ry = reach_forward(row % oh, h, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
        for (int j = 0; j < ow; ++j) {
            reach rx = reach_forward(j, width, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
            pixel(x + (long)(row / oh) * h * width * c, w, bias, y + ((long)row * ow + j) * c, c, width * c, X_OF(taps), ry,
                  rx, act, 0);
        }
    }
}

__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void backward_data(const __global float *dy, const __global float *w, __global float *dx, int n, int c, int h,
                            int width, int oh, int ow, int taps, int stride, int pad, int dilation, int accumulate) {
    FOR_TASKS(row, n * h) {
        reach ry = reach_backward(row % h, oh, Y_OF(taps), Y_OF(stride), Y_OF(pad), Y_OF(dilation));
        for (int j = 0; j < width; ++j) {
            reach rx = reach_backward(j, ow, X_OF(taps), X_OF(stride), X_OF(pad), X_OF(dilation));
            pixel(dy + (long)(row / h) * oh * ow * c, w, 0, dx + ((long)row * width + j) * c, c, ow * c, X_OF(taps), ry, rx,
                  0, accumulate);
        }
    }
}

/* sum over j < count of x[j*pitch] * dy[j*c], for 4 vectors of channels, added to out. */
static inline void dot4(const __global float *x, const __global float *dy, __global float *out, int pitch, int c, int count) {
    floatv sum[4];
#pragma unroll
    for (int v = 0; v < 4; ++v) sum[v] = LOAD(out + v * VEC);
    for (int j = 0; j < count; ++j, x += pitch, dy += c)
#pragma unroll
        for (int v = 0; v < 4; ++v) sum[v] += LOAD(x + v * VEC) * LOAD(dy + v * VEC);
#pragma unroll
    for (int v = 0; v < 4; ++v) STORE(sum[v], out + v * VEC);
}

/* Part `global id` of the rows of dy writes its sums to out[part][taps][c], and bias sums behind the weights' if has_bias;
 * conv_pack.cl adds the parts. */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void backward_params(const __global float *x, const __global float *dy, __global float *out, int out_at, int n,
                              int c, int h, int width, int oh, int ow, int taps, int stride, int pad, int dilation,
                              int has_bias, int part_size) {
    int all = Y_OF(taps) * X_OF(taps);
    out += out_at + (long)get_global_id(0) * part_size;
    for (int i = 0; i < part_size; ++i) out[i] = 0.0f;
    FOR_TASKS(row, n * oh) {
        const __global float *d = dy + (long)row * ow * c;
        for (int i = 0; i < c; i += 4 * VEC)
            for (int t = 0; t < all; ++t) {
                int iy = row % oh * Y_OF(stride) - Y_OF(pad) + t / X_OF(taps) * Y_OF(dilation);
                int shift = t % X_OF(taps) * X_OF(dilation) - X_OF(pad);
                int low = shift >= 0 ? 0 : (-shift + X_OF(stride) - 1) / X_OF(stride);
                int high = width <= shift ? 0 : min(ow, (width - shift - 1) / X_OF(stride) + 1);
                if ((uint)iy >= (uint)h || low >= high) continue;
                const __global float *from =
                    x + (((long)(row / oh) * h + iy) * width + low * X_OF(stride) + shift) * c + i;
                if (c - i >= 4 * VEC)
                    dot4(from, d + low * c + i, out + t * c + i, X_OF(stride) * c, c, high - low);
                else
                    for (int v = 0; v < c - i; ++v) {
                        float sum = out[t * c + i + v];
                        for (int j = 0; j < high - low; ++j)
                            sum += from[j * X_OF(stride) * c + v] * d[(low + j) * c + i + v];
                        out[t * c + i + v] = sum;
                    }
            }
        if (has_bias)
            for (int i = 0; i < c; i += VEC) {
                floatv sum = fetch(out + all * c + i, c - i);
                for (int j = 0; j < ow; ++j) sum += fetch(d + j * c + i, c - i);
                put(sum, out + all * c + i, c - i);
            }
    }
}
