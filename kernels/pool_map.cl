/* The gradient of a mean over whole maps, for CPUs: each pixel of dx (N, pixels, C) gets the dy (N,C) of its image over the
 * number of pixels.  With -DBN_SUMS it sums what it writes for batch norm (bn_sums.clh): what scales channels by their means
 * (squeeze-excite) writes such a map last.  A work-item has a block of rows, which are pixels. */
#include "bn_sums.clh"
#include "common.clh"

#define FEW 8 /* rows that are summed in registers */

/* The rows first .. first+n-1, n <= FEW, of one image with the gradient dy; the sums have `before`. */
INLINE void few_rows(const __global float *dy, __global float *dx, int accumulate, float share, row_sums s,
                     int first, int before, int n, int C, int c, int left) {
    const floatv g = fetch(dy + c, left) * share;
    accumulator t = accumulator_begin(s, BN_SUMS, c, left);
    EACH(row, FEW) {
        const int at = (first + row) * C + c, next = at + FEW * C;
        if (accumulate) PREFETCH_READ_L2(dx + next);
        if (BN_SUMS == GRADIENT_SUMS) PREFETCH_READ_L2(s.x + next);
        if (BN_SUMS == GRADIENT_SUMS && s.y) PREFETCH_READ_L2(s.y + next);
        if (row >= n) continue;
        floatv value = accumulate ? g + fetch(dx + at, left) : g;
        if (BN_SUMS) value = accumulator_add(&t, s, BN_SUMS, value, at, row == 0, left);
        put(value, dx + at, left);
    }
    if (BN_SUMS) accumulator_end(t, s, BN_SUMS, n, before, c, left);
}

KERNEL void spread(const __global float *dy, __global float *dx, int accumulate, int rows, int pixels, int C,
                   SUMS_PARAMS) {
    const int block = (int)get_global_id(0), begin = share_begin(rows, block),
              end = share_begin(rows, block + 1);
    const float share = 1.0f / (float)pixels;
    const row_sums s = sums_begin(SUMS_ARGS, C, block);
    for (int first = begin, n; first < end; first += n) {
        const __global float *of_image = dy + first / pixels * C;
        n = min(min(FEW, end - first), pixels - first % pixels);
        if (n == FEW)
            FOR_COLUMNS(C, c, left,
                        few_rows(of_image, dx, accumulate, share, s, first, first - begin, FEW, C, c, left));
        else
            FOR_COLUMNS(C, c, left,
                        few_rows(of_image, dx, accumulate, share, s, first, first - begin, n, C, c, left));
    }
    if (BN_SUMS) sums_count(partial, C, block, (int)get_global_size(0), end - begin);
}
