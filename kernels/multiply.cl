/* Products of maps: y = a * b, b being as large as a, (N,P,C) (gate 0), one number a channel, (N,1,C), as
 * squeeze-and-excitation has it (1), or one a pixel, (N,P,1) (2); P is the pixels of a map.
 *
 * product also gives da = dy * b, and db = dy * a where b is as large; reduce gives db = sum over the pixels of dy * a,
 * reduce_channels that over the channels.
 *
 * Ownership: product: tile: a work-item has pixels, group: elements.  reduce: a work-item has channels of an image: all of them
 * (tile) or one (group).  reduce_channels: a work-item has pixels. */
#include "common.clh"

INLINE void product_at(const __global stored_x *a, const __global stored_x *b, __global stored_x *y,
                       int accumulate, bool splat, int c, int left) {
    const floatv v = fetch(a + c, left) * (splat ? (floatv)load1(b) : fetch(b + c, left));
    add_or_put(v, y + c, left, accumulate);
}

KERNEL void product(const __global stored_x *a, const __global stored_x *b, __global stored_x *y,
                    int accumulate, int gate, int N, int P, int C){
#ifdef GROUP
    FOR_TASKS(task, N *P *C){const int at = gate == 1   ? task / (P * C) * C + task % C
                                            : gate == 2 ? task / C
                                                        : task;
product_at(a + task, b + at, y + task, accumulate, false, 0, 1);
}
#else
    FOR_TASKS(pixel, N *P){const int at = pixel * C;
const __global stored_x *other = b + (gate == 1 ? pixel / P * C : gate == 2 ? pixel : at);
FOR_COLUMNS(C, c, left, product_at(a + at, other, y + at, accumulate, gate == 2, c, left));
}
#endif
}

INLINE void reduce_at(const __global stored_x *dy, const __global stored_x *a, __global stored_x *db,
                      int accumulate, int P, int C, int left) {
    floatv sum = 0.0f;
    for (int pixel = 0; pixel < P; ++pixel, dy += C, a += C) sum += fetch(dy, left) * fetch(a, left);
    add_or_put(sum, db, left, accumulate);
}

KERNEL void reduce(const __global stored_x *dy, const __global stored_x *a, __global stored_x *db,
                   int accumulate, int N, int P, int C){
#ifdef GROUP
    FOR_TASKS(task, N *C){const int at = task / C * P * C + task % C;
reduce_at(dy + at, a + at, db + task, accumulate, P, C, 1);
}
#else
    FOR_TASKS(image, N){const int at = image * P * C;
FOR_COLUMNS(C, c, left, reduce_at(dy + at + c, a + at + c, db + image * C + c, accumulate, P, C, left));
}
#endif
}

KERNEL void reduce_channels(const __global stored_x *dy, const __global stored_x *a, __global stored_x *db,
                            int accumulate, int N, int P, int C) {
    FOR_TASKS(pixel, N * P) {
        floatv sum = 0.0f;
        FOR_COLUMNS(C, c, left, sum += fetch(dy + pixel * C + c, left) * fetch(a + pixel * C + c, left));
        store1(across(sum) + (accumulate ? load1(db + pixel) : 0.0f), db + pixel);
    }
}
