/* Convolution with any number of groups, plainly: every task is one number of the output.  Layouts: x
 * (n,h,w,c), y (n,oh,ow,k), w [r][s][c/groups][k]; output k reads the inputs of its group.  Neighbouring
 * tasks are neighbouring channels, so that a GPU's loads coalesce. */
#include "common.clh"

EXPONENTIAL(float, as_int, as_float)
RF_ACT_FUNCTIONS(INLINE, float, activate1, passed1)

__kernel void forward(const __global stored_x *x, const __global float *w, const __global float *bias,
                      __global stored_y *y, int count, int c, int h, int width, int k, int oh, int ow,
                      int taps, int stride, int pad, int dilation, int in, int out, int act) {
    FOR_TASKS(task, count) {
        int o = task % k, p = task / k, j = p % ow, i = p / ow % oh, n = p / ow / oh;
        float acc = bias ? bias[o] : 0.0f;
        for (int r = 0; r < Y_OF(taps); ++r)
            for (int s = 0; s < X_OF(taps); ++s) {
                int iy = i * Y_OF(stride) - Y_OF(pad) + r * Y_OF(dilation);
                int ix = j * X_OF(stride) - X_OF(pad) + s * X_OF(dilation);
                if ((uint)iy >= (uint)h || (uint)ix >= (uint)width) continue;
                const __global stored_x *from = x + ((n * h + iy) * width + ix) * c + o / out * in;
                const __global float *weight = w + (r * X_OF(taps) + s) * in * k + o;
                for (int e = 0; e < in; ++e) acc += load1(from + e) * weight[e * k];
            }
        store1(activate1(acc, act), y + task);
    }
}

__kernel void backward_data(const __global stored_dy *dy, const __global float *w, __global stored_x *dx,
                            int count, int c, int h, int width, int k, int oh, int ow, int taps, int stride,
                            int pad, int dilation, int in, int out, int accumulate) {
    FOR_TASKS(task, count) {
        int e = task % c, p = task / c, j = p % width, i = p / width % h, n = p / width / h;
        float acc = 0.0f;
        for (int r = 0; r < Y_OF(taps); ++r)
            for (int s = 0; s < X_OF(taps); ++s) {
                int oy = i + Y_OF(pad) - r * Y_OF(dilation), ox = j + X_OF(pad) - s * X_OF(dilation);
                if (oy < 0 || ox < 0 || oy % Y_OF(stride) || ox % X_OF(stride)) continue;
                oy /= Y_OF(stride);
                ox /= X_OF(stride);
                if (oy >= oh || ox >= ow) continue;
                const __global stored_dy *from = dy + ((n * oh + oy) * ow + ox) * k + e / in * out;
                const __global float *weight = w + ((r * X_OF(taps) + s) * in + e % in) * k + e / in * out;
                for (int o = 0; o < out; ++o) acc += load1(from + o) * weight[o];
            }
        store1(accumulate ? load1(dx + task) + acc : acc, dx + task);
    }
}

/* A task is one weight (or, behind them, one bias) of one part of the images; conv_pack.cl reduces the parts. */
__kernel void backward_params(const __global stored_x *x, const __global stored_dy *dy, __global float *sums,
                              int sums_at, int n, int c, int h, int width, int k, int oh, int ow, int taps,
                              int stride, int pad, int dilation, int in, int out, int has_bias, int parts) {
    int weights = Y_OF(taps) * X_OF(taps) * in * k, part_size = weights + (has_bias ? k : 0);
    sums += sums_at;
    FOR_TASKS(task, parts * part_size) {
        int at = task % part_size, part = task / part_size, o = at % k, e = at / k % in, tap = at / k / in;
        int is_bias = at >= weights, r = tap / X_OF(taps), s = tap % X_OF(taps);
        float acc = 0.0f;
        for (int image = (long)n * part / parts; image < (int)((long)n * (part + 1) / parts); ++image)
            for (int i = 0; i < oh; ++i)
                for (int j = 0; j < ow; ++j) {
                    int iy = i * Y_OF(stride) - Y_OF(pad) + r * Y_OF(dilation);
                    int ix = j * X_OF(stride) - X_OF(pad) + s * X_OF(dilation);
                    float d = load1(dy + ((image * oh + i) * ow + j) * k + o);
                    if (is_bias)
                        acc += d;
                    else if ((uint)iy < (uint)h && (uint)ix < (uint)width)
                        acc += d * load1(x + ((image * h + iy) * width + ix) * c + o / out * in + e);
                }
        sums[task] = acc;
    }
}
