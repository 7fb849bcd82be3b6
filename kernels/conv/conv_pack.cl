/* Preparation and reduction for conv_tile.cl and conv_wgrad.cl, one launch each. Every work-item writes a range of its
 * own. */
#include "common.clh"

/* Both with rows of 16. */
static inline void transpose_4x4(const __global float *from, __global float *to) {
    float4 a = vload4(0, from), b = vload4(4, from), c = vload4(8, from), d = vload4(12, from);
    vstore4((float4)(a.x, b.x, c.x, d.x), 0, to);
    vstore4((float4)(a.y, b.y, c.y, d.y), 4, to);
    vstore4((float4)(a.z, b.z, c.z, d.z), 8, to);
    vstore4((float4)(a.w, b.w, c.w, d.w), 12, to);
}

/* Transposed weights for backward data: [panel of k][tap][c][16 k] -> [panel of c][tap][all k][16 c], zeros
 * where there is no c.  A task is one 16x16 block. */
__kernel void transpose(const __global float *w, __global float *out, int k, int c, int taps) {
    int k_panels = (k + 15) / 16, c_panels = (c + 15) / 16;
    FOR_TASKS(task, c_panels * taps * k_panels) {
        int kp = task % k_panels, tap = task / k_panels % taps, cp = task / k_panels / taps;
        const __global float *from = w + (((size_t)kp * taps + tap) * c + cp * 16) * 16;
        __global float *to = out + (((size_t)cp * taps + tap) * k + kp * 16) * 16;
        int rows = min(16, k - kp * 16), columns = min(16, c - cp * 16);
        if (rows == 16 && columns == 16)
            for (int i = 0; i < 16; i += 4)
                for (int j = 0; j < 16; j += 4) transpose_4x4(from + j * 16 + i, to + i * 16 + j);
        else
            for (int i = 0; i < rows; ++i)
                for (int j = 0; j < 16; ++j) to[i * 16 + j] = j < columns ? from[j * 16 + i] : 0.0f;
    }
}

/* x (n,h,w,c) with `pad` zeros around each map: a task is one row of out. */
__kernel void pad(const __global float *x, __global float *out, int n, int h, int w, int c, int pad_y,
                  int pad_x) {
    int rows = h + 2 * pad_y, width = (w + 2 * pad_x) * c;
    FOR_TASKS(task, n * rows) {
        int row = task % rows - pad_y;
        const __global float *from = x + ((long)(task / rows) * h + row) * w * c;
        __global float *to = out + (long)task * width;
        int begin = row >= 0 && row < h ? pad_x * c : width,
            end = row >= 0 && row < h ? begin + w * c : width;
        for (int i = 0; i < begin; ++i) to[i] = 0.0f;
        for (int i = begin; i < end; ++i) to[i] = from[i - begin];
        for (int i = end; i < width; ++i) to[i] = 0.0f;
    }
}

/* The gradient before the fused activation (1: ReLU, 2: ReLU6), from dy and y. */
__kernel void mask(const __global stored_y *dy, const __global stored_y *y, __global float *out, int out_at,
                   int count, int act) {
    out += out_at;
    FOR_TASKS(task, (count + VEC - 1) / VEC) {
        int i = task * VEC, left = count - i;
        put(act_backward(dy + i, y + i, left, act), out + i, left);
    }
}

/* Sums the partial gradients of conv_wgrad.cl in their order: parts x [size + biases], into grad and
 * grad_bias (of `k`). */
__kernel void reduce(const __global float *parts, int parts_at, __global float *grad,
                     __global float *grad_bias, int count, int size, int biases, int k) {
    int stride = size + biases, weights = (size + VEC - 1) / VEC;
    parts += parts_at;
    FOR_TASKS(task, weights + (grad_bias ? (k + VEC - 1) / VEC : 0)) {
        int is_bias = task >= weights, i = (is_bias ? task - weights : task) * VEC,
            left = (is_bias ? k : size) - i;
        const __global float *from = parts + (is_bias ? size : 0) + i;
        floatv sum = 0.0f;
        for (int part = 0; part < count; ++part) sum += fetch(from + (size_t)part * stride, left);
        put(sum, (is_bias ? grad_bias : grad) + i, left);
    }
}
