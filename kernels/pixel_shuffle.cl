/* A small map (pixels, C * r * r), of w pixels a row, and a large one, (pixels * r * r, C), with the same numbers: channel
 * c * r * r + i * r + j of a pixel is channel c of the pixel in row i and column j of its square.
 *   enlarge  the large one from the small one
 *   reduce   the other way round, which is also the gradient
 *
 * Ownership: tile: a work-item has pixels of the small map; group: elements of what is written. */
#include "common.clh"

INLINE void move_one(const __global stored_x *from, __global stored_x *to, int accumulate) {
    const float v = load1(from);
    store1(accumulate ? v + load1(to) : v, to);
}

#ifdef GROUP
/* Where the number at l of the large map is in the small one, and the other way round. */
INLINE int in_small(int l, int w, int C, int r) {
    const int c = l % C, column = l / C % (w * r), row = l / C / (w * r);
    return ((row / r * w + column / r) * C + c) * r * r + row % r * r + column % r;
}
INLINE int in_large(int s, int w, int C, int r) {
    const int place = s % (r * r), c = s / (r * r) % C, pixel = s / (r * r) / C;
    return ((pixel / w * r + place / r) * w * r + pixel % w * r + place % r) * C + c;
}

KERNEL void enlarge(const __global stored_x *small, __global stored_x *large, int pixels, int w, int C, int r,
                    int accumulate) {
    FOR_TASKS(task, pixels * C * r * r) move_one(small + in_small(task, w, C, r), large + task, accumulate);
}

KERNEL void reduce(const __global stored_x *large, __global stored_x *small, int pixels, int w, int C, int r,
                   int accumulate) {
    FOR_TASKS(task, pixels * C * r * r) move_one(large + in_large(task, w, C, r), small + task, accumulate);
}
#else
/* Runs `call` for each number of each pixel, with s and l, where it is in the small and the large map, in scope. */
#define FOR_NUMBERS(call)                                                                                    \
    FOR_TASKS(pixel, pixels)                                                                                 \
    for (int i = 0; i < r; ++i)                                                                              \
        for (int j = 0; j < r; ++j) {                                                                        \
            int s = pixel * C * r * r + i * r + j,                                                           \
                l = ((pixel / w * r + i) * w * r + pixel % w * r + j) * C;                                   \
            for (int c = 0; c < C; ++c, s += r * r, ++l) call;                                               \
        }

KERNEL void enlarge(const __global stored_x *small, __global stored_x *large, int pixels, int w, int C, int r,
                    int accumulate){FOR_NUMBERS(move_one(small + s, large + l, accumulate))}

KERNEL void reduce(const __global stored_x *large, __global stored_x *small, int pixels, int w, int C, int r,
                   int accumulate) {
    FOR_NUMBERS(move_one(large + l, small + s, accumulate))
}
#endif
