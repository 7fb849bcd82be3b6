/* Dropout: y = x * mask, dx = dy * mask, where mask is 1/(1-p) or, with probability p, 0.
 *
 * Any layout: `count` floats.  Element i takes word i%4 of Philox's block with the counter (i/4, id, step, 0) and the key
 * (seed low, seed high); rng holds seed low, seed high, step.  It is kept if the word's upper 24 bits are >= limit.
 * Forward and backward are the same kernel: backward computes the mask again.
 * A task is one block, four elements; tile: eight blocks side by side in vectors. */
#include "common.clh"
#include "philox.clh"

INLINE void scale_one(const __global float *x, __global float *y, int i, float mask, int accumulate) {
    const float v = x[i] * mask;
    y[i] = accumulate ? v + y[i] : v;
}

INLINE void masked_block(const __global float *x, __global float *y, int block, int count, uint id, uint step,
                                uint2 key, uint limit, float scale, int accumulate) {
    const uint4 words = philox((uint4)((uint)block, id, step, 0), key) >> 8;
    const int i = block * 4;
    scale_one(x, y, i, words.x >= limit ? scale : 0.0f, accumulate);
    if (i + 1 < count) scale_one(x, y, i + 1, words.y >= limit ? scale : 0.0f, accumulate);
    if (i + 2 < count) scale_one(x, y, i + 2, words.z >= limit ? scale : 0.0f, accumulate);
    if (i + 3 < count) scale_one(x, y, i + 3, words.w >= limit ? scale : 0.0f, accumulate);
}

#ifndef GROUP
/* a0 b0 a1 b1 ... */
INLINE float16 interleave(float8 a, float8 b) {
    float16 both;
    both.even = a;
    both.odd = b;
    return both;
}

/* Eight blocks from `block` on: 32 elements that all exist. */
INLINE void masked_blocks(const __global float *x, __global float *y, int block, uint id, uint step, uint2 key,
                                 uint limit, float scale, int accumulate) {
    uint8 w[4] = {(uint)block + (uint8)(0, 1, 2, 3, 4, 5, 6, 7), (uint8)id, (uint8)step, (uint8)0};
    philox8(w, key);
    float8 mask[4];
    for (int k = 0; k < 4; ++k) mask[k] = (w[k] >> 8) >= limit ? (float8)scale : (float8)0.0f;
    /* Element 4*l + k is lane l of mask[k]. */
    const float16 even = interleave(mask[0], mask[2]), odd = interleave(mask[1], mask[3]);
    const float16 low = interleave(even.lo, odd.lo) * vload16(0, x + block * 4);
    const float16 high = interleave(even.hi, odd.hi) * vload16(1, x + block * 4);
    __global float *to = y + block * 4;
    vstore16(accumulate ? low + vload16(0, to) : low, 0, to);
    vstore16(accumulate ? high + vload16(1, to) : high, 1, to);
}
#endif

KERNEL void masked(const __global float *x, __global float *y, const __global uint *rng, int count, uint id,
                   uint limit, float scale, int accumulate) {
    const uint2 key = (uint2)(rng[0], rng[1]);
    const uint step = rng[2];
#ifdef GROUP
    FOR_TASKS(block, (count + 3) / 4) masked_block(x, y, block, count, id, step, key, limit, scale, accumulate);
#else
    FOR_TASKS(task, (count + 31) / 32) {
        if (task * 32 + 32 <= count)
            masked_blocks(x, y, task * 8, id, step, key, limit, scale, accumulate);
        else
            for (int block = task * 8; block * 4 < count; ++block)
                masked_block(x, y, block, count, id, step, key, limit, scale, accumulate);
    }
#endif
}

/* Inference, and the gradient of it: as it is. */
KERNEL void copied(const __global float *x, __global float *y, int count) {
    FOR_TASKS(i, count) y[i] = x[i];
}
