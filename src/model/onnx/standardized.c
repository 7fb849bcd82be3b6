/* Convolutions by standardised weights.  Exporters spell standardisation out, each in its own way and as the network has it; all of
 * these are arithmetic on parameters, which the reader computes like any other constant.  So what a convolution gets is
 * compared with its parameter: whether it is, for each output k with the mean m and the variance v of its weights w,
 *   factor gain[k] (w - m) / sqrt(v + eps)
 * for some factor and eps, with gain[k] the second parameter that it is computed from, or 1. */
#include <math.h>

#include "model/onnx/graph.h"

/* Computed in doubles from the same numbers it is exact; where eps is added to the deviation, as some do, it is off by less than eps
 * over a deviation. */
#define EXACT 1e-5
#define NEAR  1e-3

typedef struct candidate {
    const double *from, *to, *gain; /* w, what is computed; gain: NULL: 1 */
    size_t outputs, each;
} candidate;

/* One output: the variance of its weights, and the factor by which these, less their mean, are multiplied; false: it is none. */
static bool measure(double *variance, double *factor, const candidate *c, size_t k) {
    const double *w = c->from + k * c->each, *y = c->to + k * c->each;
    double mean = 0, squares = 0, products = 0, largest = 0, error = 0;
    for (size_t i = 0; i < c->each; i++) mean += w[i] / (double)c->each;
    for (size_t i = 0; i < c->each; i++) {
        squares += (w[i] - mean) * (w[i] - mean);
        products += (w[i] - mean) * y[i];
    }
    *variance = squares / (double)c->each;
    *factor = squares > 0 ? products / squares : 0;
    for (size_t i = 0; i < c->each; i++) {
        largest = fmax(largest, fabs(y[i]));
        error = fmax(error, fabs(y[i] - *factor * (w[i] - mean)));
    }
    if (c->gain != NULL) *factor = c->gain[k] != 0 ? *factor / c->gain[k] : 0;
    return error <= EXACT * largest;
}

/* Solves variance + eps = (all / factor)^2 for eps and `all`, by least squares of what is relative to the right side. */
static bool solve(double *eps, double *all, const candidate *c) {
    double pp = 0, pq = 0, qq = 0, p1 = 0, q1 = 0, variance, factor;
    bool negative = false, any = false;
    for (size_t k = 0; k < c->outputs; k++) {
        if (!measure(&variance, &factor, c, k)) return false;
        if (factor == 0) continue; /* it says nothing: its weights are equal, or its gain is 0 */
        if (any && (factor < 0) != negative) return false;
        negative = factor < 0;
        any = true;
        const double p = variance * factor * factor, q = factor * factor; /* a p + b q = 1 */
        pp += p * p, pq += p * q, qq += q * q, p1 += p, q1 += q;
    }
    const double determinant = pp * qq - pq * pq;
    double a = p1 / pp, b = 0;
    if (!any) return false;
    if (determinant > 1e-14 * pp * qq) {
        a = (p1 * qq - q1 * pq) / determinant;
        b = (q1 * pp - p1 * pq) / determinant;
    }
    if (!(b > 0)) a = p1 / pp, b = 0;
    *eps = b / a;
    *all = (negative ? -1 : 1) / sqrt(a);
    return a > 0 && isfinite(*eps) && isfinite(*all);
}

static bool agrees(const candidate *c, double eps, double all) {
    double variance, factor;
    for (size_t k = 0; k < c->outputs; k++) {
        measure(&variance, &factor, c, k);
        if (factor != 0 && fabs(factor * sqrt(variance + eps) / all - 1) > NEAR) return false;
    }
    return true;
}

static rf_onnx_tensor *parameter(const rf_onnx_build *build, const char *name) {
    const rf_onnx_value *value = name != NULL ? rf_onnx_find(build, name) : NULL;
    return value != NULL && value->form == RF_ONNX_CONSTANT ? value->constant : NULL;
}

static bool alike(const rf_onnx_tensor *a, const rf_onnx_tensor *b) {
    bool same = a != NULL && a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++) same = a->dim[i] == b->dim[i];
    return same;
}

rf_status rf_onnx_find_standardized(rf_onnx_standard *out, const rf_onnx_call *call, rf_onnx_tensor *weight) {
    rf_onnx_build *build = call->build;
    rf_onnx_tensor *first = parameter(build, weight->origin[0]),
                   *second = parameter(build, weight->origin[1]);
    candidate c = {0};
    *out = (rf_onnx_standard){0};
    if (!weight->reduced || weight->dim[0] < 1 || weight->count == 0) return RF_OK;
    if (!alike(first, weight)) {
        rf_onnx_tensor *const gain = first;
        first = second;
        second = gain;
    }
    if (!alike(first, weight) || (second != NULL && second->count != (size_t)weight->dim[0])) return RF_OK;
    c.outputs = (size_t)weight->dim[0];
    c.each = weight->count / c.outputs;
    RF_TRY(rf_onnx_numbers(&c.to, build, weight));
    RF_TRY(rf_onnx_numbers(&c.from, build, first));
    if (second != NULL && !weight->probed) RF_TRY(rf_onnx_numbers(&c.gain, build, second));
    const bool right = solve(&out->eps, &out->factor, &c) && agrees(&c, out->eps, out->factor);
    rf_onnx_forget(build, first);
    if (!right) return RF_OK;
    build->found += weight->probed;
    out->eps = fmax(out->eps, 1e-20);
    out->weight = first;
    out->gain = second;
    return RF_OK;
}
