/* Gradients of a convolution of many channels with 2x2 max pooling behind it, for CPUs. Only the maximum of a window's
 * four results has a gradient, so only a quarter of the direct form's products are not zero: these are computed, except
 * where the gradient itself is zero.
 *
 * Under the kernel, at the argmax of a window, a row of taps is a run of S x C neighbouring numbers of x (n,h,width,C).
 * It is split into CHUNKS of ACCUMULATORS vectors, which stay in registers:
 *
 *     wgrad    grad[k][r][run] = sum over the windows of d * x[row r under the argmax][run]
 *     data     dx[row r under the argmax][run] += sum over the k with the maximum there of d * w[k][r][run]
 *
 * where d is a window's gradient of output k.  Weights and their gradients are stored as runs,
 * [R][CHUNKS][K][ACCUMULATORS * VEC]; `weights` and `reduce_parts` convert to that form and back.
 *
 * wgrad     a task is `together` bands (band.clh) of `rows` rows of outputs, small enough for the L1 cache, with the
 *           gradients of their windows listed by output, [k][WINDOWS].  A work-item takes a part of the bands, which
 *           has partial sums of its own in the workspace, and a range of the outputs.
 * data      a task is an image.  Its padded dx is computed in scratch, `rows` rows of outputs at a time, with their
 *           gradients listed by window, block of DEPTH outputs, and position.  A block's weights stay in the L1 cache.
 *
 * y and dy are (n,oh/2,ow/2,K) and index holds the argmax indices (pooled.clh).  Options beside band.clh's: K outputs,
 * R rows of the kernel, ACT the fused activation, ROOM floats of the bands, WINDOWS in them or in the rows of data.
 * pad is a pair: y << 16 | x. */
#include "band.clh"
#include "common.clh"
#include "pooled.clh"

#define RUN    (S * C)
#define CHUNK  (ACCUMULATORS * VEC)
#define CHUNKS ((RUN + CHUNK - 1) / CHUNK)
#define COPIES                                                                                               \
    (ACCUMULATORS > 6   ? 1                                                                                  \
     : ACCUMULATORS > 3 ? 2                                                                                  \
                        : 4)              /* of the accumulators: a few would wait for their own latency */
#define RUNS     (R * CHUNKS * K * CHUNK) /* floats of all runs */
#define K_PADDED ((K + VEC - 1) / VEC * VEC)

/* Offset of chunk `chunk` of row r of the kernel among the runs, for output k. */
#define RUN_AT(r, chunk, k) ((((r)*CHUNKS + (chunk)) * K + (k)) * CHUNK)

/* The layout of bands of `rows` rows of outputs. */
typedef struct {
    layout at;
    int height, row, below; /* rows of x; floats from one row of the kernel, and of outputs, to the next */
} shape;

INLINE shape shape_of(int rows, int ow, int width, int stride_y, int dilation_y, int pad) {
    shape b;
    b.at = layout_of(ow, width, X_OF(pad));
    b.height = (rows - 1) * stride_y + (R - 1) * dilation_y + 1;
    b.row = dilation_y * b.at.pitch;
    b.below = stride_y * b.at.pitch;
    return b;
}

/* Offset of the window of row i and column j in a band, and of a position within it. */
#define WINDOW_AT(b, i, j)     (2 * (i) * (b).below + 2 * (j)*SX * C)
#define POSITION_AT(b, argmax) (((argmax) >> 1) * (b).below + ((argmax)&1) * (SX * C))

/* ---- runs ---- */

/* A task is VEC neighbours of a run, for a panel of outputs and a row of the kernel. */
typedef struct {
    int panel, r, at;
} piece;
#define PIECES ((K + 15) / 16 * R * CHUNKS * ACCUMULATORS)

INLINE piece piece_of(int task) {
    const piece p = {task / (R * CHUNKS * ACCUMULATORS), task / (CHUNKS * ACCUMULATORS) % R,
                     task % (CHUNKS * ACCUMULATORS) * VEC};
    return p;
}
#define PIECE_AT(p, o) (RUN_AT((p).r, (p).at / CHUNK, (p).panel * 16 + (o)) + (p).at % CHUNK)

/* runs from w [panel][r][run][16]. */
KERNEL void weights(const __global float *w, __global float *runs) {
    FOR_TASKS(task, PIECES) {
        const piece p = piece_of(task);
        const __global float *from = w + ((p.panel * R + p.r) * RUN + p.at) * 16;
        for (int o = 0; o < min(16, K - p.panel * 16); ++o) {
            float lane[VEC];
            EACH(i, VEC) lane[i] = p.at + i < RUN ? from[i * 16 + o] : 0.0f;
            STORE(LOAD(lane), runs + PIECE_AT(p, o));
        }
    }
}

/* grad [panel][r][run][16] from the partial sums of all parts.  The last task is the biases. */
KERNEL void reduce_parts(const __global float *parts, __global float *grad, __global float *grad_bias,
                         int count) {
    const int size = RUNS + K_PADDED;
    FOR_TASKS(task, PIECES + 1) {
        if (task == PIECES) {
            for (int k = 0; grad_bias && k < K; ++k) {
                float acc = 0.0f;
                for (int part = 0; part < count; ++part) acc += parts[part * size + RUNS + k];
                grad_bias[k] = acc;
            }
            continue;
        }
        const piece p = piece_of(task);
        float lanes[16][VEC];
        EACH(o, 16) {
            floatv acc = 0.0f;
            for (int part = 0; part < count && p.panel * 16 + o < K; ++part)
                acc += LOAD(parts + part * size + PIECE_AT(p, o));
            STORE(acc, lanes[o]);
        }
        __global float *to = grad + ((p.panel * R + p.r) * RUN + p.at) * 16;
        for (int i = 0; i < min(VEC, RUN - p.at); ++i) EACH(o, 16) to[i * 16 + o] = lanes[o][i];
    }
}

/* ---- the gradients of weights and bias ---- */

/* sums[run] += each gradient of `value` times x at its position. */
INLINE void add_windows(__global float *sums, const float *from, const float *value, const ushort *position,
                        int count) {
    floatv acc[COPIES][ACCUMULATORS];
    EACH(v, ACCUMULATORS) {
        acc[0][v] = LOAD(sums + v * VEC);
        EACH(a, COPIES - 1) acc[a + 1][v] = 0.0f;
    }
    for (int i = 0; i < count; i += COPIES) EACH(a, COPIES) {
            const float *run = from + position[i + a];
            const floatv one = value[i + a];
            EACH(v, ACCUMULATORS) acc[a][v] += one * LOAD(run + v * VEC);
        }
    EACH(v, ACCUMULATORS) {
        EACH(a, COPIES - 1) acc[0][v] += acc[a + 1][v];
        STORE(acc[0][v], sums + v * VEC);
    }
}

KERNEL void wgrad(const __global float *x, const __global float *dy, const __global float *y,
                  const __global uchar *index, __global float *parts, int n, int h, int width, int oh, int ow,
                  int stride_y, int dilation_y, int pad, int rows, int together) {
    float band[ROOM + CHUNK], value[K_PADDED * WINDOWS];
    ushort position[K_PADDED * WINDOWS];
    int count[K_PADDED];
    floatv bias[K_PADDED / VEC];
    const shape b = shape_of(rows, ow, width, stride_y, dilation_y, pad);
    const int size = b.height * b.at.pitch, bands = (oh + rows - 1) / rows, all = n * bands;
    const int begin = K_PADDED / VEC * get_global_id(1) / get_global_size(1) * VEC,
              end = K_PADDED / VEC * (get_global_id(1) + 1) / get_global_size(1) * VEC;
    __global float *sums = parts + get_global_id(0) * (RUNS + K_PADDED);
    clear(band, ROOM + CHUNK);
    for (int i = 0; i < R * CHUNKS; ++i)
        for (int u = begin * CHUNK; u < min(end, K) * CHUNK; u += VEC)
            STORE((floatv)0.0f, sums + i * K * CHUNK + u);
    for (int o = begin; o < end; o += VEC) bias[o / VEC] = 0.0f;
    FOR_TASKS(task, (all + together - 1) / together) {
        for (int k = begin; k < end; ++k) count[k] = 0;
        for (int e = 0; e < min(together, all - task * together); ++e) {
            const int image = (task * together + e) / bands, oy = (task * together + e) % bands * rows;
            fill(band + e * size, x + image * h * width * C, b.at, oy * stride_y - Y_OF(pad), b.height, h,
                 width);
            for (int i = 0; i < min(rows, oh - oy) / 2; ++i)
                for (int j = 0; j < ow / 2; ++j) {
                    const int from = ((image * (oh / 2) + oy / 2 + i) * (ow / 2) + j) * K;
                    for (int o = begin; o < end; o += VEC) {
                        float d[VEC];
                        ushort at[VEC];
                        const floatv masked_dy = act_backward(dy + from + o, y + from + o, K - o, ACT);
                        const intv argmax = argmax_of(index + from + o, K - o);
                        bias[o / VEC] += masked_dy;
                        STORE(masked_dy, d);
                        PASTE(vstore, VEC)
                        (PASTE(convert_ushort, VEC)(e * size + WINDOW_AT(b, i, j) + POSITION_AT(b, argmax)),
                         0, at);
                        EACH(l, VEC) {
                            const int to = (o + l) * WINDOWS + count[o + l];
                            value[to] = d[l];
                            position[to] = at[l];
                            count[o + l] += d[l] != 0.0f;
                        }
                    }
                }
        }
        for (int k = begin; k < min(end, K); ++k) {
            for (; count[k] % COPIES; ++count[k])
                value[k * WINDOWS + count[k]] = 0.0f, position[k * WINDOWS + count[k]] = 0;
            for (int r = 0; r < R; ++r)
                for (int chunk = 0; chunk < CHUNKS; ++chunk)
                    add_windows(sums + RUN_AT(r, chunk, k), band + r * b.row + chunk * CHUNK,
                                value + k * WINDOWS, position + k * WINDOWS, count[k]);
        }
    }
    for (int o = begin; o < end; o += VEC) STORE(bias[o / VEC], sums + RUNS + o);
}

/* ---- backward data ---- */

#ifdef DEPTH
#define BLOCKS ((K + DEPTH - 1) / DEPTH)

/* to[run] += the gradients `value` times the weights `at` from w. */
INLINE void add_outputs(__global float *to, const __global float *w, const float *value, const ushort *at,
                        int count) {
    floatv acc[ACCUMULATORS];
    EACH(v, ACCUMULATORS) acc[v] = 0.0f;
    for (int i = 0; i < count; ++i) {
        const __global float *run = w + at[i];
        const floatv one = value[i];
        EACH(v, ACCUMULATORS) acc[v] += one * LOAD(run + v * VEC);
    }
    EACH(v, ACCUMULATORS) STORE(LOAD(to + v * VEC) + acc[v], to + v * VEC);
}

KERNEL void data(const __global float *dy, const __global float *y, const __global uchar *index,
                 __global float *runs, __global float *dx, int scratch, int n, int h, int width, int oh,
                 int ow, int stride_y, int dilation_y, int pad, int rows, int accumulate) {
    /* of each window, block and position: gradients, and offsets of the weights */
    float value[WINDOWS * BLOCKS * 4 * DEPTH];
    ushort at[WINDOWS * BLOCKS * 4 * DEPTH];
    ulong counts[WINDOWS * BLOCKS]; /* four, of 16 bits */
    const shape b = shape_of(oh, ow, width, stride_y, dilation_y, pad);
    const int columns = ow / 2, size = b.height * b.at.pitch;
    __global float *map = runs + RUNS + get_global_id(0) * scratch;
    FOR_TASKS(image, n) {
        for (int i = 0; i < size; ++i) map[i] = 0.0f;
        for (int first = 0; first < oh / 2; first += rows / 2) {
            const int windows = min(rows / 2, oh / 2 - first) * columns;
            for (int w = 0; w < windows; ++w) {
                const int from = ((image * (oh / 2) + first) * columns + w) * K;
                for (int block = 0, o = 0; block < BLOCKS; ++block) {
                    const int list = (w * BLOCKS + block) * 4 * DEPTH;
                    ulong filled = 0;
                    for (; o < min(K, (block + 1) * DEPTH); o += VEC) {
                        float d[VEC];
                        int position[VEC];
                        STORE(act_backward(dy + from + o, y + from + o, K - o, ACT), d);
                        PASTE(vstore, VEC)(argmax_of(index + from + o, K - o), 0, position);
                        EACH(l, VEC) {
                            const int to =
                                list + position[l] * DEPTH + (int)(filled >> (position[l] * 16) & 0xffff);
                            value[to] = d[l];
                            at[to] = (ushort)((o + l - block * DEPTH) * CHUNK);
                            filled += (ulong)(d[l] != 0.0f) << (position[l] * 16);
                        }
                    }
                    counts[w * BLOCKS + block] = filled;
                }
            }
            for (int part = 0; part < R * CHUNKS * BLOCKS; ++part) {
                const int block = part % BLOCKS, chunk = part / BLOCKS % CHUNKS, r = part / BLOCKS / CHUNKS;
                const __global float *w = runs + RUN_AT(r, chunk, block * DEPTH);
                for (int i = 0; i < windows * 4; ++i) {
                    const int window = i / 4, list = (window * BLOCKS + block) * 4 + i % 4;
                    add_outputs(map + WINDOW_AT(b, first + window / columns, window % columns) +
                                    POSITION_AT(b, i % 4) + r * b.row + chunk * CHUNK,
                                w, value + list * DEPTH, at + list * DEPTH,
                                (int)(counts[list / 4] >> (i % 4 * 16) & 0xffff));
                }
            }
        }
        for (int i = 0; i < h; ++i) {
            const int line = i + Y_OF(pad);
            const __global float *from = map + line * b.at.pitch + b.at.begin;
            __global float *to = dx + (image * h + i) * width * C;
            const int made = line < b.height ? b.at.end - b.at.begin : 0;
            for (int u = 0; u < width * C; ++u)
                to[u] = (u < made ? from[u] : 0.0f) + (accumulate ? to[u] : 0.0f);
        }
    }
}
#endif
