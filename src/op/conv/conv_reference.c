/* The convolution's definition in plain C: sums in double, in the order of the formula.  Images (or pieces of
 * the weight gradient) run in parallel; each function below them is one pass over one image or one piece. */
#include <string.h>

#include "op/conv/conv.h"
#include "op/reference.h"

enum {
    CHUNK = 64, /* channels whose sums are kept at a time */
    PIXELS = 4, /* pixels of a row that are summed together */
    LANES = RF_PANEL / 4
};

/* Where output position `o` reads for tap `t`; negative or >= size: in the padding. */
static inline int source(int o, int t, int stride, int pad, int dilation) {
    return o * stride - pad + t * dilation;
}

/* The output position that reads input `i` for tap `t`, or -1. */
static inline int target(int i, int t, int stride, int pad, int dilation, int size) {
    int shifted = i + pad - t * dilation;
    return shifted >= 0 && shifted % stride == 0 && shifted / stride < size ? shifted / stride : -1;
}

static inline bool inside(int i, int size) {
    return i >= 0 && i < size;
}

/* ---- groups == 1: weights [K/16][R][S][C][16] ----
 * PIXELS of a row share each load of weights where the tap reads inside the map for all of them. */

/* sum[q][j] over one tap of pixel q, for the 16 outputs of a panel; the pixels of x are `step` floats apart.
 */
static inline __attribute__((always_inline)) void
add_taps(double (*sum)[RF_PANEL], int pixels, const float *x, size_t step, const float *w, int channels) {
    double s[PIXELS][RF_PANEL];
    memcpy(s, sum, (size_t)pixels * sizeof *s);
    for (int c = 0; c < channels; c++)
        for (int q = 0; q < pixels; q++) {
            double xc = x[q * step + c];
#pragma omp simd
            for (int j = 0; j < RF_PANEL; j++) s[q][j] += xc * w[c * RF_PANEL + j];
        }
    memcpy(sum, s, (size_t)pixels * sizeof *s);
}

/* The outputs k0..k0+15 of the pixels ox..ox+count-1 of row oy. */
static inline __attribute__((always_inline)) void forward_pixels(const rf_conv *v,
                                                                 double sum[PIXELS][RF_PANEL], const float *x,
                                                                 const float *w, int oy, int ox, int count,
                                                                 int k0) {
    size_t step = (size_t)v->stride.x * v->c;
    for (int r = 0; r < v->r; r++)
        for (int s = 0; s < v->s; s++) {
            int iy = source(oy, r, v->stride.y, v->pad.y, v->dilation.y);
            int ix = source(ox, s, v->stride.x, v->pad.x, v->dilation.x),
                last = ix + (count - 1) * v->stride.x;
            const float *ws = w + (((size_t)k0 / RF_PANEL * v->r + r) * v->s + s) * v->c * RF_PANEL;
            if (!inside(iy, v->h)) continue;
            const float *row = x + (size_t)iy * v->w * v->c;
            if (count == PIXELS && inside(ix, v->w) && inside(last, v->w))
                add_taps(sum, PIXELS, row + (size_t)ix * v->c, step, ws, v->c);
            else
                for (int q = 0; q < count; q++, ix += v->stride.x)
                    if (inside(ix, v->w)) add_taps(sum + q, 1, row + (size_t)ix * v->c, 0, ws, v->c);
        }
}

RF_SIMD static void forward_image(const rf_conv *v, float *y, const float *x, const float *w,
                                  const float *bias, const float *residual) {
    for (int oy = 0; oy < v->oh; oy++)
        for (int k0 = 0; k0 < v->k; k0 += RF_PANEL)
            for (int ox = 0; ox < v->ow; ox += PIXELS) {
                double sum[PIXELS][RF_PANEL] = {{0}};
                int count = RF_MIN(PIXELS, v->ow - ox);
                forward_pixels(v, sum, x, w, oy, ox, count, k0);
                for (int q = 0; q < count; q++)
                    for (int j = 0; j < RF_PANEL && k0 + j < v->k; j++) {
                        const size_t at = ((size_t)oy * v->ow + ox + q) * v->k + k0 + j;
                        const double whole =
                            sum[q][j] + (bias ? bias[k0 + j] : 0) + (residual ? residual[at] : 0);
                        y[at] = rf_act_apply((float)whole, v->act);
                    }
            }
}

/* 16 numbers of dy, those past the last channel 0. */
static inline void load_dy(double d[RF_PANEL], const rf_conv *v, const float *dy, const float *y, size_t at,
                           int k0) {
    if (k0 + RF_PANEL <= v->k && !v->act) {
        for (int j = 0; j < RF_PANEL; j++) d[j] = dy[at + j];
        return;
    }
    for (int j = 0; j < RF_PANEL; j++)
        d[j] = k0 + j < v->k ? rf_act_gradient(dy[at + j], v->act ? y[at + j] : 0, v->act) : 0;
}

/* sum[c][j] += x[q][c] * d[q][j] over PIXELS pixels q; or over one. */
static inline void add_products(double (*sum)[RF_PANEL], const float *const *x, double (*d)[RF_PANEL],
                                int channels) {
    for (int c = 0; c < channels; c++) {
        double x0 = x[0][c], x1 = x[1][c], x2 = x[2][c], x3 = x[3][c];
#pragma omp simd
        for (int j = 0; j < RF_PANEL; j++)
            sum[c][j] += x0 * d[0][j] + x1 * d[1][j] + x2 * d[2][j] + x3 * d[3][j];
    }
}

static inline void add_product(double (*sum)[RF_PANEL], const float *x, const double *d, int channels) {
    for (int c = 0; c < channels; c++) {
        double xc = x[c];
#pragma omp simd
        for (int j = 0; j < RF_PANEL; j++) sum[c][j] += xc * d[j];
    }
}

/* The gradient of weights [panel][tap][c0..c0+CHUNK), over all images. */
RF_SIMD static void weight_piece(const rf_conv *v, float *grad, const float *x, const float *y,
                                 const float *dy, int k0, int r, int s, int c0) {
    double sum[CHUNK][RF_PANEL] = {{0}}, d[PIXELS][RF_PANEL];
    const float *xs[PIXELS];
    int channels = RF_MIN(CHUNK, v->c - c0), count = 0;
    for (int n = 0; n < v->n; n++)
        for (int oy = 0; oy < v->oh; oy++) {
            int iy = source(oy, r, v->stride.y, v->pad.y, v->dilation.y);
            if (!inside(iy, v->h)) continue;
            for (int ox = 0; ox < v->ow; ox++) {
                int ix = source(ox, s, v->stride.x, v->pad.x, v->dilation.x);
                if (!inside(ix, v->w)) continue;
                xs[count] = x + (((size_t)n * v->h + iy) * v->w + ix) * v->c + c0;
                load_dy(d[count++], v, dy, y, (((size_t)n * v->oh + oy) * v->ow + ox) * v->k + k0, k0);
                if (count < PIXELS) continue;
                add_products(sum, xs, d, channels);
                count = 0;
            }
        }
    for (int q = 0; q < count; q++) add_product(sum, xs[q], d[q], channels);
    float *out = grad + ((((size_t)k0 / RF_PANEL * v->r + r) * v->s + s) * v->c + c0) * RF_PANEL;
    for (int c = 0; c < channels; c++)
        for (int j = 0; j < RF_PANEL; j++) out[c * RF_PANEL + j] = (float)sum[c][j];
}

/* sum[q][c], in LANES parts, over the 16 outputs of a panel. */
static inline __attribute__((always_inline)) void add_dots(double (*sum)[CHUNK][LANES], double (*d)[RF_PANEL],
                                                           int pixels, const float *w, int channels) {
    for (int c = 0; c < channels; c++, w += RF_PANEL)
        for (int q = 0; q < pixels; q++) {
#pragma omp simd
            for (int j = 0; j < LANES; j++)
                sum[q][c][j] += d[q][j] * w[j] + d[q][j + LANES] * w[j + LANES] +
                                d[q][j + 2 * LANES] * w[j + 2 * LANES] +
                                d[q][j + 3 * LANES] * w[j + 3 * LANES];
        }
}

/* The channels c0.. of the pixels ix, ix + stride, ... of row iy, which the same taps reach. */
static inline __attribute__((always_inline)) void data_pixels(const rf_conv *v, double (*sum)[CHUNK][LANES],
                                                              const float *y, const float *dy, const float *w,
                                                              int iy, int ix, int count, int c0,
                                                              int channels) {
    double d[PIXELS][RF_PANEL];
    for (int r = 0; r < v->r; r++)
        for (int s = 0; s < v->s; s++) {
            int oy = target(iy, r, v->stride.y, v->pad.y, v->dilation.y, v->oh), reached[PIXELS],
                all = count == PIXELS;
            for (int q = 0; q < count; q++) {
                reached[q] = target(ix + q * v->stride.x, s, v->stride.x, v->pad.x, v->dilation.x, v->ow);
                all = all && reached[q] >= 0;
            }
            for (int k0 = 0; k0 < v->k && oy >= 0; k0 += RF_PANEL) {
                const float *ws =
                    w + ((((size_t)k0 / RF_PANEL * v->r + r) * v->s + s) * v->c + c0) * RF_PANEL;
                for (int q = 0; q < count; q++)
                    if (reached[q] >= 0)
                        load_dy(d[q], v, dy, y, ((size_t)oy * v->ow + reached[q]) * v->k + k0, k0);
                if (all)
                    add_dots(sum, d, PIXELS, ws, channels);
                else
                    for (int q = 0; q < count; q++)
                        if (reached[q] >= 0) add_dots(sum + q, d + q, 1, ws, channels);
            }
        }
}

static inline void store_dx(float *out, double (*sum)[LANES], int channels, bool accumulate) {
    for (int c = 0; c < channels; c++) {
        double total = 0;
        for (int j = 0; j < LANES; j++) total += sum[c][j];
        out[c] = (float)total + (accumulate ? out[c] : 0.0f);
    }
}

RF_SIMD static void data_image(const rf_conv *v, float *dx, const float *y, const float *dy, const float *w,
                               bool accumulate) {
    double sum[PIXELS][CHUNK][LANES];
    int step = v->stride.x;
    for (int iy = 0; iy < v->h; iy++)
        for (int phase = 0; phase < RF_MIN(step, v->w); phase++)
            for (int ix = phase; ix < v->w; ix += PIXELS * step)
                for (int c0 = 0; c0 < v->c; c0 += CHUNK) {
                    int count = RF_MIN(PIXELS, (v->w - ix + step - 1) / step);
                    int channels = RF_MIN(CHUNK, v->c - c0);
                    memset(sum, 0, sizeof sum);
                    data_pixels(v, sum, y, dy, w, iy, ix, count, c0, channels);
                    for (int q = 0; q < count; q++)
                        store_dx(dx + ((size_t)iy * v->w + ix + q * step) * v->c + c0, sum[q], channels,
                                 accumulate);
                }
}

/* ---- groups > 1: weights [R][S][C/groups][K]; output k reads the inputs k/(K/groups)*(C/groups) and on ----
 */

RF_SIMD static void grouped_forward_image(const rf_conv *v, float *y, const float *x, const float *w,
                                          const float *bias, const float *residual) {
    int in = v->c / v->groups, out = v->k / v->groups;
    for (int pixel = 0; pixel < v->oh * v->ow; pixel++)
        for (int k = 0; k < v->k; k++) {
            const size_t at = (size_t)pixel * v->k + k;
            double sum = (bias ? bias[k] : 0) + (residual ? residual[at] : 0);
            for (int r = 0; r < v->r; r++)
                for (int s = 0; s < v->s; s++) {
                    int iy = source(pixel / v->ow, r, v->stride.y, v->pad.y, v->dilation.y);
                    int ix = source(pixel % v->ow, s, v->stride.x, v->pad.x, v->dilation.x);
                    if (!inside(iy, v->h) || !inside(ix, v->w)) continue;
                    const float *xs = x + ((size_t)iy * v->w + ix) * v->c + k / out * in;
                    const float *ws = w + (size_t)(r * v->s + s) * in * v->k + k;
                    for (int c = 0; c < in; c++) sum += (double)xs[c] * ws[(size_t)c * v->k];
                }
            y[at] = rf_act_apply((float)sum, v->act);
        }
}

/* The gradient of weights [r][s][0..C/groups)[k]. */
RF_SIMD static void grouped_weight_piece(const rf_conv *v, float *grad, const float *x, const float *y,
                                         const float *dy, int k, int r, int s) {
    int in = v->c / v->groups, out = v->k / v->groups;
    for (int c = 0; c < in; c++) {
        double sum = 0;
        for (int n = 0; n < v->n; n++)
            for (int oy = 0; oy < v->oh; oy++)
                for (int ox = 0; ox < v->ow; ox++) {
                    int iy = source(oy, r, v->stride.y, v->pad.y, v->dilation.y);
                    int ix = source(ox, s, v->stride.x, v->pad.x, v->dilation.x);
                    if (!inside(iy, v->h) || !inside(ix, v->w)) continue;
                    size_t at = (((size_t)n * v->oh + oy) * v->ow + ox) * v->k + k;
                    sum += (double)x[(((size_t)n * v->h + iy) * v->w + ix) * v->c + k / out * in + c] *
                           rf_act_gradient(dy[at], v->act ? y[at] : 0, v->act);
                }
        grad[((size_t)(r * v->s + s) * in + c) * v->k + k] = (float)sum;
    }
}

RF_SIMD static void grouped_data_image(const rf_conv *v, float *dx, const float *y, const float *dy,
                                       const float *w, bool accumulate) {
    int in = v->c / v->groups, out = v->k / v->groups;
    for (int pixel = 0; pixel < v->h * v->w; pixel++)
        for (int c = 0; c < v->c; c++) {
            double sum = 0;
            for (int r = 0; r < v->r; r++)
                for (int s = 0; s < v->s; s++) {
                    int oy = target(pixel / v->w, r, v->stride.y, v->pad.y, v->dilation.y, v->oh);
                    int ox = target(pixel % v->w, s, v->stride.x, v->pad.x, v->dilation.x, v->ow);
                    if (oy < 0 || ox < 0) continue;
                    const float *ws = w + ((size_t)(r * v->s + s) * in + c % in) * v->k;
                    size_t at = ((size_t)oy * v->ow + ox) * v->k;
                    for (int k = c / in * out; k < (c / in + 1) * out; k++)
                        sum += (double)rf_act_gradient(dy[at + k], v->act ? y[at + k] : 0, v->act) * ws[k];
                }
            float *to = dx + (size_t)pixel * v->c + c;
            *to = (float)sum + (accumulate ? *to : 0.0f);
        }
}

/* ---- the directions ---- */

void rf_conv_forward(const rf_problem *problem, const rf_arrays *arrays) {
    rf_conv v = rf_conv_of(problem);
    const float *bias = v.bias ? arrays->param[1] : NULL;
    size_t image_x = (size_t)v.c * v.h * v.w, image_y = (size_t)v.k * v.oh * v.ow;
#pragma omp parallel for num_threads(rf_reference_threads()) schedule(dynamic)
    for (int n = 0; n < v.n; n++)
        (v.groups == 1 ? forward_image : grouped_forward_image)(
            &v, arrays->y + n * image_y, arrays->x[0] + n * image_x, arrays->param[0], bias,
            problem->inputs > 1 ? arrays->x[1] + n * image_y : NULL);
}

RF_SIMD static void bias_gradient(const rf_conv *v, float *grad, const float *y, const float *dy) {
    for (int k0 = 0; k0 < v->k; k0 += RF_PANEL) {
        double sum[RF_PANEL] = {0}, d[RF_PANEL];
        for (size_t pixel = 0; pixel < (size_t)v->n * v->oh * v->ow; pixel++) {
            load_dy(d, v, dy, y, pixel * v->k + k0, k0);
            for (int j = 0; j < RF_PANEL; j++) sum[j] += d[j];
        }
        for (int j = 0; j < RF_PANEL && k0 + j < v->k; j++) grad[k0 + j] = (float)sum[j];
    }
}

void rf_conv_backward_params(const rf_problem *problem, const rf_arrays *arrays) {
    rf_conv v = rf_conv_of(problem);
    const float *x = arrays->x[0], *y = arrays->y, *dy = arrays->dy;
    bool grouped = v.groups > 1;
    int taps = v.r * v.s, chunks = grouped ? 1 : (int)rf_ceil_div(v.c, CHUNK);
    int outputs = grouped ? v.k : (int)rf_ceil_div(v.k, RF_PANEL);
#pragma omp parallel for num_threads(rf_reference_threads()) schedule(dynamic)
    for (int piece = 0; piece < outputs * taps * chunks; piece++) {
        int chunk = piece % chunks, tap = piece / chunks % taps, out = piece / chunks / taps;
        if (grouped)
            grouped_weight_piece(&v, arrays->grad[0], x, y, dy, out, tap / v.s, tap % v.s);
        else
            weight_piece(&v, arrays->grad[0], x, y, dy, out * RF_PANEL, tap / v.s, tap % v.s, chunk * CHUNK);
    }
    if (v.bias) bias_gradient(&v, arrays->grad[1], y, dy);
}

void rf_conv_backward_data(const rf_problem *problem, const rf_arrays *arrays) {
    rf_conv v = rf_conv_of(problem);
    size_t image_x = (size_t)v.c * v.h * v.w, image_y = (size_t)v.k * v.oh * v.ow;
    if (!problem->need_dx[0]) return;
#pragma omp parallel for num_threads(rf_reference_threads()) schedule(dynamic)
    for (int n = 0; n < v.n; n++)
        (v.groups == 1 ? data_image : grouped_data_image)(
            &v, arrays->dx[0] + n * image_x, v.act ? arrays->y + n * image_y : NULL, arrays->dy + n * image_y,
            arrays->param[0], problem->accumulate[0]);
}
