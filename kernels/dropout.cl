/* Dropout: y = x * mask, dx = dy * mask, where mask is 1/(1-p) or, with probability p, 0.
 *
 * Any layout: `count` floats.  Element i takes word i%4 of Philox's block with the counter (i/4, id, step, 0) and the key
 * (seed low, seed high); rng holds seed low, seed high, step.  It is kept if the word's upper 24 bits are >= limit.
 * Forward and backward are the same kernel: backward computes the mask again.  A task is the four elements of a block. */
#include "common.clh"
#include "philox.clh"

KERNEL void masked(const __global float *x, __global float *y, const __global uint *rng, int count, uint id,
                     uint limit, float scale, int accumulate) {
    const uint2 key = (uint2)(rng[0], rng[1]);
    const uint step = rng[2];
    FOR_TASKS(task, (count + 3) / 4) {
        const int i = task * 4;
        const uint4 words = philox((uint4)((uint)task, id, step, 0), key) >> 8;
        const float4 mask = words >= limit ? (float4)scale : (float4)0.0f;
        if (i + 4 <= count) {
            const float4 v = vload4(0, x + i) * mask;
            vstore4(accumulate ? v + vload4(0, y + i) : v, 0, y + i);
            continue;
        }
        const float part[4] = {mask.x, mask.y, mask.z, mask.w};
        for (int k = 0; i + k < count; ++k) {
            const float v = x[i + k] * part[k];
            y[i + k] = accumulate ? v + y[i + k] : v;
        }
    }
}

/* Inference, and the gradient of it: as it is. */
KERNEL void copied(const __global float *x, __global float *y, int count) {
    FOR_TASKS(i, count) y[i] = x[i];
}
