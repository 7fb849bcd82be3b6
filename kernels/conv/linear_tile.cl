/* Linear layers for CPUs, where conv_tile.cl would need a transposed copy of the weights or leave much of a panel of 16
 * outputs unused: the gradient of x, and all of a layer of few outputs.  x is (n,c), dy is (n,k), w is [panel of 16
 * k][c][16].
 *
 * data     dx[n][c] = sum over k of dy[n][k] * w[k][c]: the weights of DEPTH outputs and COLUMNS columns are
 *          transposed into private memory, and stay there for all rows; ROWS rows by 2 vectors of columns in registers.
 * forward  y[n][k] = act(bias[k] + sum over c of x[n][c] * w[c][k]), k <= 16: ROWS rows in registers, whose sums are
 *          those of the whole panel.
 * wgrad  grad[c][k] = sum over n of x[n][c] * dy[n][k], k <= 16: 2 vectors of columns by OUTPUTS outputs in registers
 *          over `block` rows, kept as [k][columns] between blocks and transposed at the end.  One work-item has a
 *          column for all rows, so that nothing is left to reduce. The first one also computes the bias gradient.
 *
 * WHOLE is 1 where c is a multiple of the columns of a task, and the last two have K for k: half the code for the
 * compiler. */
#include "panel.clh"

/* to[j][i] = from[i][j], 4x4. */
INLINE void transpose_4x4(float4 a, float4 b, float4 c, float4 d, float *to, int step) {
    vstore4((float4)(a.x, b.x, c.x, d.x), 0, to);
    vstore4((float4)(a.y, b.y, c.y, d.y), 0, to + step);
    vstore4((float4)(a.z, b.z, c.z, d.z), 0, to + 2 * step);
    vstore4((float4)(a.w, b.w, c.w, d.w), 0, to + 3 * step);
}

#ifdef COLUMNS
/* The weights of `count` columns as [k][COLUMNS], zeros behind them. */
INLINE void gather_weights(float *to, const __global float *w, int k, int c, int count) {
    for (int l = 0; l < k; l += 4) {
        const __global float *from = w + (size_t)(l / 16) * c * 16 + l % 16;
        for (int i = 0; i < COLUMNS; i += 4) {
            float4 row[4];
            EACH(j, 4) row[j] = i + j < count ? vload4(0, from + (i + j) * 16) : (float4)0.0f;
            transpose_4x4(row[0], row[1], row[2], row[3], to + l * COLUMNS + i, COLUMNS);
        }
    }
}

/* ROWS rows of dx, 2 vectors of columns, from `some` of the k outputs; added to dx if `add`. */
INLINE void data_tile(const __global float *dy, const float *w, __global float *dx, int row, int n, int c,
                      int k, int some, int left, int add) {
    const __global float *from[ROWS];
    const int whole = row + ROWS <= n && left >= 2 * VEC;
    floatv acc[ROWS][2];
    EACH(q, ROWS) from[q] = dy + min(row + q, n - 1) * k;
    EACH(q, ROWS) EACH(v, 2) acc[q][v] = whole && add ? LOAD(dx + (row + q) * c + v * VEC) : (floatv)0.0f;
    for (int l = 0; l < some; ++l, w += COLUMNS) {
        const floatv first = LOAD(w), second = LOAD(w + VEC);
        EACH(q, ROWS) {
            const floatv in = from[q][l];
            acc[q][0] += in * first;
            acc[q][1] += in * second;
        }
    }
    if (whole) {
        EACH(q, ROWS) EACH(v, 2) STORE(acc[q][v], dx + (row + q) * c + v * VEC);
        return;
    }
    for (int i = 0; i < 2 * ROWS; ++i) { /* not unrolled: rare, so small code */
        const int q = i / 2, v = i % 2, rest = WHOLE ? VEC : left - v * VEC;
        __global float *to = dx + (row + q) * c + v * VEC;
        if (rest > 0 && row + q < n) put(add ? acc[q][v] + fetch(to, rest) : acc[q][v], to, rest);
    }
}

/* A task is COLUMNS columns, DEPTH outputs at a time. */
KERNEL void data(const __global float *dy, const __global float *w, __global float *dx, int n, int c, int k,
                 int accumulate) {
    float weights[DEPTH * COLUMNS];
    FOR_TASKS(task, (c + COLUMNS - 1) / COLUMNS) {
        const int at = task * COLUMNS, count = WHOLE ? COLUMNS : min(COLUMNS, c - at);
        for (int l = 0; l < k; l += DEPTH) {
            const int some = min(DEPTH, k - l);
            gather_weights(weights, w + (l * c + at * 16), some, c, count);
            for (int row = 0; row < n; row += ROWS)
                for (int i = 0; i < count; i += 2 * VEC)
                    data_tile(dy + l, weights + i, dx + at + i, row, n, c, k, some,
                              WHOLE ? 2 * VEC : count - i, accumulate || l > 0);
        }
    }
}
#else

/* A task is ROWS rows. */
KERNEL void forward(const __global float *x, const __global float *w, const __global float *bias,
                    __global float *y, int n, int c, int act) {
    FOR_TASKS(task, (n + ROWS - 1) / ROWS) {
        const __global float *from[ROWS];
        floatv acc[ROWS][WIDE];
        EACH(q, ROWS) from[q] = x + min(task * ROWS + q, n - 1) * c;
        EACH(q, ROWS) EACH(v, WIDE) acc[q][v] = 0.0f;
        for (int l = 0; l < c; ++l) {
            floatv weight[WIDE];
            EACH(v, WIDE) weight[v] = LOAD(w + l * 16 + v * VEC);
            EACH(q, ROWS) {
                const floatv in = from[q][l];
                EACH(v, WIDE) acc[q][v] += in * weight[v];
            }
        }
        for (int q = 0; q < ROWS && task * ROWS + q < n; ++q)
            for (int v = 0; v * VEC < K; ++v) {
                const int o = v * VEC, left = K - o;
                floatv value = acc[q][v];
                if (bias) value += fetch(bias + o, left);
                put(activate(value, act), y + (task * ROWS + q) * K + o, left);
            }
    }
}

/* sums[l][..] += over the rows begin .. end-1, for OUTPUTS outputs from `first` on; those past the last repeat it, and
 * are dropped. */
INLINE void wgrad_tile(float *sums, const __global float *x, const __global float *dy, int begin, int end,
                       int c, int first, int left) {
    floatv acc[OUTPUTS][2];
    EACH(l, OUTPUTS) EACH(v, 2) acc[l][v] = LOAD(sums + min(first + l, 15) * 2 * VEC + v * VEC);
    for (int row = begin; row < end; ++row) {
        const __global float *from = x + row * c, *d = dy + row * K;
        const floatv a = fetch(from, left), b = left > VEC ? fetch(from + VEC, left - VEC) : (floatv)0.0f;
        EACH(l, OUTPUTS) {
            const floatv one = d[min(first + l, K - 1)];
            acc[l][0] += a * one;
            acc[l][1] += b * one;
        }
    }
    EACH(l, OUTPUTS) if (first + l < K) EACH(v, 2) STORE(acc[l][v], sums + (first + l) * 2 * VEC + v * VEC);
}

/* A task is 2 vectors of columns. */
KERNEL void wgrad(const __global float *x, const __global float *dy, __global float *grad,
                  __global float *grad_bias, int n, int c, int block) {
    float sums[16 * 2 * VEC], rows[2 * VEC * 16];
    FOR_TASKS(task, (c + 2 * VEC - 1) / (2 * VEC)) {
        const int at = task * 2 * VEC, left = min(2 * VEC, c - at);
        for (int i = 0; i < 16 * 2; ++i) STORE((floatv)0.0f, sums + i * VEC);
        for (int begin = 0; begin < n; begin += block)
            for (int first = 0; first < K; first += OUTPUTS) {
                const int end = min(begin + block, n);
                if (WHOLE || left == 2 * VEC)
                    wgrad_tile(sums, x + at, dy, begin, end, c, first, 2 * VEC);
                else
                    wgrad_tile(sums, x + at, dy, begin, end, c, first, left);
            }
        for (int l = 0; l < 16; l += 4)
            for (int i = 0; i < 2 * VEC; i += 4) {
                const float *from = sums + l * 2 * VEC + i;
                transpose_4x4(vload4(0, from), vload4(0, from + 2 * VEC), vload4(0, from + 4 * VEC),
                              vload4(0, from + 6 * VEC), rows + i * 16 + l, 16);
            }
        for (int i = 0; i < left * 16; i += VEC) STORE(LOAD(rows + i), grad + at * 16 + i);
        if (task > 0 || !grad_bias) continue;
        for (int l = 0; l < K; l += VEC) {
            floatv acc = 0.0f;
            for (int row = 0; row < n; ++row) acc += fetch(dy + row * K + l, K - l);
            put(acc, grad_bias + l, K - l);
        }
    }
}
#endif
