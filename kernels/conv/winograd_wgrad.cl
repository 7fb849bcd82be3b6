/* The weight gradient of Winograd convolution for CPUs (winograd_tiles.clh): at each point a matrix product, [c][tiles] by
 * [tiles][k], in register tiles of explicit vectors, over blocks of `block` tiles whose transformed inputs and gradients
 * lie in a scratch of the work-item's own that fits a core's cache.
 *
 *     x, dy        (n,h,w,c), (n,oh,ow,k)
 *     scratch      transformed x [point][block][pitch]; transformed dy [point][block][16*PANELS] for each group of panels;
 *                  then transformed columns [IN_X][IN_Y][share] and a window [IN_Y][IN_X][share] */
#include "winograd_tiles.clh"

/* At one point: accumulates [ROWS][16] of each panel over the tiles of v [tile][pitch] and d [tile][16*PANELS]; or more
 * rows of `wide` vectors. */
INLINE void accumulate_tiles(__global float *out, const __global float *v, const __global float *d, int pitch,
                             int count, int fresh, size_t panel_size, int wide) {
    floatv acc[ROWS * VECTORS];
    EACH(e, ROWS * VECTORS) {
        int s = e % wide;
        acc[e] = fresh ? (floatv)0.0f : LOAD(out + s / WIDE * panel_size + e / wide * 16 + s % WIDE * VEC);
    }
    for (int t = 0; t < count; ++t) {
        floatv dy[VECTORS];
        EACH(s, VECTORS) dy[s] = LOAD(d + t * 16 * PANELS + s * VEC);
        EACH(e, ROWS * VECTORS) acc[e] += v[t * pitch + e / wide] * dy[e % wide];
    }
    EACH(e, ROWS * VECTORS) {
        int s = e % wide;
        STORE(acc[e], out + s / WIDE * panel_size + e / wide * 16 + s % WIDE * VEC);
    }
}

/* The gradient of one panel's weights for one input channel, 16 outputs of which `left` exist: to is [tap] x [16],
 * `step` apart, from the partial sums of all parts, points `point_step` apart. */
INLINE void transform_weight_gradient(__global float *to, int step, const __global float *from,
                                      int point_step, int parts, size_t part_size, int left) {
    for (int v = 0; v < 16; v += VEC) {
        if (v >= left) {
            EACH(i, TAPS * TAPS) STORE((floatv)0.0f, to + i * step + v);
            continue;
        }
        floatv half_way[TAPS][IN_X], powers[TAPS];
        EACH(j, IN_X) {
            floatv column[IN_Y];
            EACH(i, IN_Y) {
                const __global float *at = from + (i * IN_X + j) * point_step + v;
                floatv acc = LOAD(at);
                for (int part = 1; part < parts; ++part) acc += LOAD(at + part * part_size);
                column[i] = acc * (scaled(i, IN_Y) * scaled(j, IN_X));
            }
            output_transform(powers, column, TAPS, IN_Y);
            EACH(i, TAPS) half_way[i][j] = powers[i];
        }
        EACH(i, TAPS) {
            output_transform(powers, half_way[i], TAPS, IN_X);
            EACH(j, TAPS) STORE(powers[j], to + (i * TAPS + j) * step + v);
        }
    }
}

/* A task is `share` channels by `span` groups of panels; this work-item takes some tasks for part get_global_id(1) of
 * the blocks.  A share has room for `pitch` channels, of which the register tiles need all.
 * With several parts the partial sums are left at sums_at, [part][task][panel][point][pitch][16], and, if there is a
 * bias, [part][panels * 16] at bias_at; with one the gradients are transformed at once. */
KERNEL void wgrad(const __global float *x, const __global float *dy, const __global float *seen,
                  const __global uchar *index, __global float *work, __global float *grad,
                  __global float *grad_bias, int bias_at, int at, int scratch, int n, int h, int w, int c,
                  int oh, int ow, int k, int pad, int block, int share, int pitch, int span, int act,
                  const __global float *norm) {
    maps from = {x, 0, h, w, c, 0, 0, norm}, gradient = gradient_of(dy, seen, index, oh, ow, k, act);
    int high = (oh + OUT_Y - 1) / OUT_Y, wide = (ow + OUT_X - 1) / OUT_X, tiles = n * high * wide;
    int blocks = (tiles + block - 1) / block, all_panels = (k + 15) / 16;
    int part = get_global_id(1), parts = get_global_size(1), shares = (c + share - 1) / share;
    int tasks = (all_panels + span * PANELS - 1) / (span * PANELS) * shares;
    int v_step = STEP(block * pitch), d_step = STEP(block * 16 * PANELS);
    size_t panel_size = (size_t)POINTS * pitch * 16, task_size = span * PANELS * panel_size;
    __global float *v = work + at + (part * get_global_size(0) + get_global_id(0)) * scratch;
    __global float *d = v + POINTS * v_step, *columns = d + span * POINTS * d_step,
                   *copy = columns + POINTS * share;
    for (int i = 0; i < POINTS * v_step; ++i) v[i] = 0.0f; /* unused channels */
    for (int task = tasks * get_global_id(0) / get_global_size(0);
         task < tasks * (get_global_id(0) + 1) / get_global_size(0); ++task) {
        int begin = task % shares * share, channels = min(share, c - begin);
        int first_panel = task / shares * span * PANELS,
            panels = min(span * PANELS, all_panels - first_panel);
        __global float *sums =
            parts > 1 ? work + (part * tasks + task) * task_size : copy + POINTS * max(share, 16);
        __global float *bias = 0;
        if (grad_bias && begin == 0) {
            bias = work + bias_at + (part * all_panels + first_panel) * 16;
            for (int i = 0; i < panels * 16; ++i) bias[i] = 0.0f;
        }
        for (int b = blocks * part / parts, fresh = 1; b < blocks * (part + 1) / parts; ++b, fresh = 0) {
            int first = b * block, count = min(block, tiles - first);
            for (int t = 0; t < count; ++t) {
                tile_index to = tile_index_of(first + t, high, wide);
                transform_input(v + t * pitch, v_step, from, to, new_columns(to, t > 0), pad, begin, channels,
                                columns, copy);
                for (int p = 0; p < panels; ++p)
                    transform_gradient(d + p / PANELS * POINTS * d_step + t * 16 * PANELS + p % PANELS * 16,
                                       d_step, gradient, to, (first_panel + p) * 16,
                                       k - (first_panel + p) * 16 > FEW ? 16 : FEW, bias ? bias + p * 16 : 0,
                                       copy);
            }
            for (int point = 0; point < POINTS; ++point)
                for (int p = 0; p < panels; p += PANELS) {
                    __global float *to = sums + p * panel_size + point * pitch * 16;
                    const __global float *in = v + point * v_step,
                                         *out = d + (p / PANELS * POINTS + point) * d_step;
                    if (k - (first_panel + p) * 16 > FEW)
                        for (int l = 0; l < channels; l += ROWS)
                            accumulate_tiles(to + l * 16, in + l, out, pitch, count, fresh, panel_size,
                                             VECTORS);
                    else
                        for (int l = 0; l < channels; l += TALL)
                            accumulate_tiles(to + l * 16, in + l, out, pitch, count, fresh, panel_size, HALF);
                }
        }
        if (parts > 1) continue;
        for (int p = 0; p < panels; ++p)
            for (int l = 0; l < channels; ++l)
                transform_weight_gradient(grad + ((first_panel + p) * TAPS * TAPS * c + begin + l) * 16,
                                          c * 16, sums + p * panel_size + l * 16, pitch * 16, 1, 0,
                                          k - (first_panel + p) * 16);
        for (int i = 0; bias && i < min(panels * 16, k - first_panel * 16); ++i)
            grad_bias[first_panel * 16 + i] = bias[i];
    }
}

/* grad [panel][tap][c][16] from the partial sums of all parts.  A task is one c of one panel; the last are the
 * biases. */
KERNEL void reduce_parts(const __global float *work, __global float *grad, __global float *grad_bias,
                         int bias_at, int parts, int c, int k, int share, int pitch, int span) {
    int panels = (k + 15) / 16, shares = (c + share - 1) / share, together = span * PANELS;
    size_t panel_size = (size_t)POINTS * pitch * 16,
           part_size = (panels + together - 1) / together * shares * together * panel_size;
    FOR_TASKS(task, panels * c + (grad_bias ? panels : 0)) {
        int panel = task / c, l = task % c;
        if (task >= panels * c) { /* a panel of biases */
            int o = (task - panels * c) * 16;
            for (int i = o; i < min(o + 16, k); ++i) {
                float acc = 0.0f;
                for (int part = 0; part < parts; ++part) acc += work[bias_at + part * panels * 16 + i];
                grad_bias[i] = acc;
            }
            continue;
        }
        transform_weight_gradient(
            grad + (panel * TAPS * TAPS * c + l) * 16, c * 16,
            work + ((panel / together * shares + l / share) * together + panel % together) * panel_size +
                l % share * 16,
            pitch * 16, parts, part_size, k - panel * 16);
    }
}
