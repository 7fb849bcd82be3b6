/* Element by element with a learned number w a channel, or one for all (shared), of x (rows,C); KIND is scale, y = x * w, shift,
 * y = x + w, or prelu.
 *
 * gradient gives dx; parameter_sums the sums of dw's terms over blocks of rows, (blocks,C), which fold.cl adds up.
 *
 * Ownership: tile: a work-item has rows, or blocks of them; group: elements, or a channel of a block. */
#include "fold.clh"
#include "map.clh"

INLINE floatv scale(floatv x, floatv w) {
    return x * w;
}
INLINE floatv scale_dx(floatv x, floatv w, floatv dy) {
    return dy * w;
}
INLINE floatv scale_dw(floatv x, floatv dy) {
    return dy * x;
}

INLINE floatv shift(floatv x, floatv w) {
    return x + w;
}
INLINE floatv shift_dx(floatv x, floatv w, floatv dy) {
    return dy;
}
INLINE floatv shift_dw(floatv x, floatv dy) {
    return dy;
}

/* NaN takes the branch that propagates it. */
INLINE floatv prelu(floatv x, floatv w) {
    return x > 0.0f ? x : x * w;
}
INLINE floatv prelu_dx(floatv x, floatv w, floatv dy) {
    return x > 0.0f ? dy : dy * w;
}
INLINE floatv prelu_dw(floatv x, floatv dy) {
    return x > 0.0f ? (floatv)0.0f : dy * x;
}

INLINE floatv weight_at(const __global float *w, int c, int shared, int left) {
    return shared ? (floatv)*w : fetch(w + c, left);
}

KERNEL void forward(const __global stored_x *x, const __global float *w, __global stored_y *y, int rows,
                    int C, int shared) {
    FOR_VECTORS(put(KIND(fetch(x + at, left), weight_at(w, c, shared, left)), y + at, left));
}

INLINE void gradient_at(const __global stored_x *x, floatv w, const __global stored_y *dy,
                        __global stored_x *dx, int accumulate, int left) {
    const floatv d = PASTE(KIND, _dx)(fetch(x, left), w, fetch(dy, left));
    add_or_put(d, dx, left, accumulate);
}

KERNEL void gradient(const __global stored_x *x, const __global float *w, const __global stored_y *dy,
                     __global stored_x *dx, int rows, int C, int shared, int accumulate) {
    FOR_VECTORS(gradient_at(x + at, weight_at(w, c, shared, left), dy + at, dx + at, accumulate, left));
}

INLINE void sum_rows(const __global stored_x *x, const __global stored_y *dy, __global float *to, int begin,
                     int end, bool is_first, int C, int left) {
    floatv sum = 0.0f;
    for (int at = begin * C; at < end * C; at += C)
        sum += PASTE(KIND, _dw)(fetch(x + at, left), fetch(dy + at, left));
    block_add(to, sum, is_first, left);
}

KERNEL void parameter_sums(const __global stored_x *x, const __global stored_y *dy, __global float *partial,
                           int rows, int C, int blocks) {
    FOR_BLOCKS(sum_rows(x + c, dy + c, partial + block * C + c, begin, end, is_first, C, left));
}
