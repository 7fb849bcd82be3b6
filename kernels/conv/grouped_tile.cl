/* Convolutions in groups for CPUs: y[p][o] = act(bias[o] + sum over taps and e of
 * x[pixel(p,tap)][group(o) * in + e] * w[tap][e][o]), for `in` inputs and `out` outputs a group, out a multiple of WIDTH
 * vectors.  VEC follows the groups: with 8 outputs each, vectors of 8 do no product in vain; with 6, and
 * -DSCALAR, it is 1.
 *
 * x is (n,h,w,c), y (n,oh,ow,k), w [tap][in][k]: a vector of outputs takes its weights as they lie.  Work-items take ranges of
 * rows of a map, in blocks of `block` whose inputs stay in a core's cache while all groups read them. */
#ifdef SCALAR
#undef VEC
#define VEC 1
#endif
#include "common.clh"

/* acc += the products of one tap: `in` numbers of each pixel. */
INLINE void add_tap(floatv acc[PIXELS][WIDTH], const __global float *from[PIXELS], const __global float *w,
                    int k, int in) {
    for (int e = 0; e < in; ++e, w += k) {
        floatv weight[WIDTH];
        EACH(v, WIDTH) weight[v] = LOAD(w + v * VEC);
        EACH(q, PIXELS) {
            floatv number = from[q][e];
            EACH(v, WIDTH) acc[q][v] += number * weight[v];
        }
    }
}

/* acc += the products of all taps: of the positions i, j .. j+PIXELS-1 of the grid, in the image and group that x begins with.
 * A pixel outside x reads `zeros`. */
INLINE void add_taps(floatv acc[PIXELS][WIDTH], const __global float *x, const __global float *w,
                     const __global float *zeros, int i, int j, int ih, int iw, int c, int in, int k,
                     int stride, int offset, int step, int taps, int first, int next) {
    const int pitch = X_OF(stride) * c;
    for (int ty = 0; ty < Y_OF(taps); ++ty) {
        const int iy = i * Y_OF(stride) + Y_OF(offset) + ty * Y_OF(step);
        if ((uint)iy >= (uint)ih) continue;
        for (int tx = 0; tx < X_OF(taps); ++tx) {
            const int ix = j * X_OF(stride) + X_OF(offset) + tx * X_OF(step);
            const bool inside = ix >= 0 && ix + (PIXELS - 1) * X_OF(stride) < iw;
            const __global float *from[PIXELS], *at = x + (iy * iw + ix) * c;
            EACH(q, PIXELS) {
                const bool hit = inside || (uint)(ix + q * X_OF(stride)) < (uint)iw;
                from[q] = hit ? at + q * pitch : zeros;
            }
            add_tap(acc, from, w + (first + ty * Y_OF(next) + tx * X_OF(next)) * in * k, k, in);
        }
    }
}

/* Forward, or one phase of backward data, with the arguments of conv_tile.cl, which explains them: PIXELS positions of a row
 * and WIDTH vectors of outputs at a time. */
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
gather(const __global float *x, const __global float *w, const __global float *bias, __global float *y,
       int x_at, int images, int grid_h, int grid_w, int ih, int iw, int c, int in, int stride, int offset,
       int step, int taps, int first, int next, int k, int out, int y_image, int y_row, int y_column,
       int y_first, int act, int accumulate, const __global float *zeros, int block) {
    const int begin = share_begin(images * grid_h, (int)get_global_id(0)),
              end = share_begin(images * grid_h, (int)get_global_id(0) + 1);
    x += x_at;
    for (int above = begin; above < end; above += block)
        for (int o = 0; o < k; o += WIDTH * VEC)
            for (int row = above; row < min(above + block, end); ++row)
                for (int j = 0; j < grid_w; j += PIXELS) {
                    const int n = row / grid_h, i = row % grid_h, count = min(PIXELS, grid_w - j);
                    __global float *to = y + n * y_image + i * y_row + j * y_column + y_first + o;
                    floatv acc[PIXELS][WIDTH];
                    EACH(v, WIDTH) {
                        floatv start = 0.0f;
                        if (bias) start = LOAD(bias + o + v * VEC);
                        EACH(q, PIXELS) acc[q][v] = start;
                    }
                    add_taps(acc, x + n * ih * iw * c + o / out * in, w + o, zeros, i, j, ih, iw, c, in, k,
                             stride, offset, step, taps, first, next);
                    EACH(q, PIXELS) EACH(v, WIDTH) {
                        floatv value = activate(acc[q][v], act);
                        __global float *to_q = to + q * y_column + v * VEC;
                        if (q >= count) continue;
                        STORE(accumulate ? value + LOAD(to_q) : value, to_q);
                    }
                }
}

/* Weights for backward data, in which a group's inputs and outputs change places: [tap][out][c] from [tap][in][k].  A task is
 * one group of one tap. */
__kernel void transpose(const __global float *w, __global float *to, int taps, int c, int in, int k,
                        int out) {
    const int groups = c / in;
    FOR_TASKS(task, taps * groups) {
        const int tap = task / groups, group = task % groups;
        const __global float *from = w + tap * in * k + group * out;
        __global float *there = to + tap * out * c + group * in;
        for (int u = 0; u < out; ++u)
            for (int l = 0; l < in; ++l) there[u * c + l] = from[l * k + u];
    }
}

/* The gradients of one tap's weights for LINES inputs and WIDTH vectors of outputs, at `sums`, from the pixels j_begin ..
 * j_end-1 of some rows of y.  x is the tap's pixel for j = 0 of the first row.  UNROLL pixels have accumulators of their own,
 * since few of them would wait for one another. */
INLINE void add_rows(__global float *sums, const __global float *x, const __global float *dy, int x_row,
                     int x_column, int dy_row, int k, int rows, int j_begin, int j_end, int fresh) {
    floatv acc[UNROLL][LINES][WIDTH];
    EACH(u, UNROLL) EACH(l, LINES) EACH(v, WIDTH) acc[u][l][v] = 0.0f;
    for (int row = 0; row < rows; ++row, x += x_row, dy += dy_row) {
        const __global float *from = x + j_begin * x_column, *d = dy + j_begin * k;
        int left = j_end - j_begin;
        for (; left >= UNROLL; left -= UNROLL, from += UNROLL * x_column, d += UNROLL * k)
            EACH(u, UNROLL) EACH(v, WIDTH) {
                const floatv gradient = LOAD(d + u * k + v * VEC);
                EACH(l, LINES) acc[u][l][v] += from[u * x_column + l] * gradient;
            }
        for (; left > 0; --left, from += x_column, d += k) EACH(v, WIDTH) {
                const floatv gradient = LOAD(d + v * VEC);
                EACH(l, LINES) acc[0][l][v] += from[l] * gradient;
            }
    }
    EACH(l, LINES) EACH(v, WIDTH) {
        __global float *to = sums + l * k + v * VEC;
        floatv sum = fresh ? (floatv)0.0f : LOAD(to);
        EACH(u, UNROLL) sum += acc[u][l][v];
        STORE(sum, to);
    }
}

/* The gradient of the bias: the sum of dy. */
INLINE void add_bias(__global float *sums, const __global float *dy, int k, int pixels, int fresh) {
    EACH(v, WIDTH) {
        floatv sum = fresh ? (floatv)0.0f : LOAD(sums + v * VEC);
        for (int p = 0; p < pixels; ++p) sum += LOAD(dy + (size_t)p * k + v * VEC);
        STORE(sum, sums + v * VEC);
    }
}

/* The first of the outputs whose tap, `shift` pixels from their first, is not before the map, and one behind the last whose
 * tap is not behind it. */
INLINE int first_inside(int shift, int stride, int count) {
    return min(shift < 0 ? (-shift + stride - 1) / stride : 0, count);
}
INLINE int end_inside(int shift, int stride, int size, int count) {
    return shift >= size ? 0 : min((size - 1 - shift) / stride + 1, count);
}

/* Part get_global_id(1) of the rows, for a range of the vectors of outputs: sums is [part][taps][in][k], then [k] of the bias
 * if there is one.  LINES divides in. */
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
wgrad(const __global float *x, const __global float *dy, __global float *sums, __global float *bias,
      int sums_at, int bias_at, int n, int h, int width, int c, int in, int oh, int ow, int k, int out,
      int taps, int stride, int pad, int dilation, int part_size, int block) {
    const int vectors = k / (WIDTH * VEC), part = get_global_id(1), parts = get_global_size(1);
    const int o_begin = share_begin(vectors, (int)get_global_id(0)) * WIDTH * VEC,
              o_end = share_begin(vectors, (int)get_global_id(0) + 1) * WIDTH * VEC;
    const int begin = (int)((long)n * oh * part / parts), end = (int)((long)n * oh * (part + 1) / parts);
    sums += sums_at + (size_t)part * part_size;
    for (int above = begin, rows; above < end; above += rows) {
        const int i = above % oh, image = above / oh, fresh = above == begin;
        rows = min(min(block, end - above), oh - i); /* of one image */
        for (int o = o_begin; o < o_end; o += WIDTH * VEC) {
            const __global float *gradient = dy + (size_t)above * ow * k + o;
            if (bias) add_bias(bias + bias_at + (size_t)part * part_size + o, gradient, k, rows * ow, fresh);
            for (int r = 0; r < Y_OF(taps); ++r)
                for (int s = 0; s < X_OF(taps); ++s) {
                    const int down = r * Y_OF(dilation) - Y_OF(pad), right = s * X_OF(dilation) - X_OF(pad);
                    const int from = max(i, first_inside(down, Y_OF(stride), oh)),
                              to = min(i + rows, end_inside(down, Y_OF(stride), h, oh));
                    for (int e = 0; e < in; e += LINES)
                        add_rows(sums + ((r * X_OF(taps) + s) * in + e) * k + o,
                                 x + ((image * h + from * Y_OF(stride) + down) * width + right) * c +
                                     o / out * in + e,
                                 gradient + (from - i) * ow * k, Y_OF(stride) * width * c, X_OF(stride) * c,
                                 ow * k, k, to - from, first_inside(right, X_OF(stride), ow),
                                 end_inside(right, X_OF(stride), width, ow), fresh);
                }
        }
    }
}
