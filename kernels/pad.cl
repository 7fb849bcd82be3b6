/* Padding of x (N,H,W,C) to y (N,OH,OW,C): `top` rows above and `left` columns before it, which hold `value`, or x
 * mirrored at its first and last pixels (REFLECT), or these pixels again (REPLICATE); where negative, x begins so much later.
 *
 * The gradient of a pixel gathers dy of all outputs that show it.
 *
 * Ownership: pixels of y (forward) or dx; tile: a work-item has rows of them, group: elements. */
#include "map.clh"

enum { VALUE, REFLECT, REPLICATE };

/* The coordinate that `at` shows; -1: none. */
INLINE int shown(int at, int size, int mode) {
    if (at >= 0 && at < size) return at;
    if (mode == VALUE) return -1;
    if (mode == REPLICATE) return at < 0 ? 0 : size - 1;
    return at < 0 ? -at : 2 * (size - 1) - at;
}

INLINE void pad_at(const __global stored_x *x, __global stored_y *y, int row, int column, int W, int C,
                   float value, int left) {
    put(row < 0 || column < 0 ? (floatv)value : fetch(x + (row * W + column) * C, left), y, left);
}

KERNEL void forward(const __global stored_x *x, __global stored_y *y, int N, int H, int W, int C, int OH,
                    int OW, int top, int before, int mode, float value) {
    FOR_MAP(OH, OW,
            pad_at(x + n * H * W * C + c, y + at, shown(row - top, H, mode), shown(column - before, W, mode),
                   W, C, value, left));
}

/* How many outputs may show coordinate `at` of x. */
INLINE int outputs_of(int at, int size, int before, int out, int mode) {
    if (mode == VALUE) return 1;
    if (mode == REFLECT) return 3;
    return 1 + (at == 0 ? before : 0) + (at == size - 1 ? out - before - size : 0);
}

/* The i-th of them: itself, and in the mirrors, or those in a row; -1: it does not. */
INLINE int output_of(int i, int at, int size, int before, int out, int mode) {
    if (mode == REPLICATE) return (at == 0 ? 0 : at + before) + i;
    if (i == 0) return at + before < out ? at + before : -1;
    const int mirrored = i == 1 ? before - at : before + 2 * (size - 1) - at;
    const bool is_own = i == 1 ? at == 0 : at == size - 1;
    return is_own || mirrored >= out ? -1 : mirrored;
}

INLINE void gradient_at(const __global stored_y *dy, __global stored_x *dx, int row, int column, int H, int W,
                        int C, int OH, int OW, int top, int before, int mode, int accumulate, int left) {
    floatv sum = accumulate ? fetch(dx, left) : (floatv)0.0f;
    const int rows = outputs_of(row, H, top, OH, mode), columns = outputs_of(column, W, before, OW, mode);
    for (int i = 0; i < rows; ++i)
        for (int k = 0; k < columns; ++k) {
            const int oy = output_of(i, row, H, top, OH, mode),
                      ox = output_of(k, column, W, before, OW, mode);
            if (oy >= 0 && ox >= 0) sum += fetch(dy + (oy * OW + ox) * C, left);
        }
    put(sum, dx, left);
}

KERNEL void gradient(const __global stored_y *dy, __global stored_x *dx, int N, int H, int W, int C, int OH,
                     int OW, int top, int before, int mode, int accumulate) {
    FOR_MAP(H, W,
            gradient_at(dy + n * OH * OW * C + c, dx + at, row, column, H, W, C, OH, OW, top, before, mode,
                        accumulate, left));
}
