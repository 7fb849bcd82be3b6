/* Dropout, of elements, channels or images: y = x * mask, dx = dy * mask, where mask is 1/(1-p) or, with probability p, 0.
 *
 * Any layout: `count` floats.  Element i takes word i%4 of Philox's block with the counter (i/4, id, step, 0) and
 * the key (seed low, seed high); rng holds seed low, seed high, step, rank.  The ranks' elements are counted through:
 * those of rank r begin at r * count.  It is kept if the word's upper 24 bits are >= limit.  Forward and backward are
 * the same kernel: backward computes the mask again.
 *
 * Ownership: a work-item has whole blocks of four elements; tile: four blocks side by side in vectors. */
#include "common.clh"
#include "philox.clh"

INLINE void scale_one(const __global stored_x *x, __global stored_x *y, int i, float mask, int accumulate) {
    const float v = load1(x + i) * mask;
    store1(accumulate ? v + load1(y + i) : v, y + i);
}

/* The block's elements are i to i + 3, of which those from 0 to count - 1 are there. */
INLINE void masked_block(const __global stored_x *x, __global stored_x *y, uint block, int i, int count,
                         uint id, uint step, uint2 key, uint limit, float scale, int accumulate) {
    const uint4 words = philox((uint4)(block, id, step, 0), key) >> 8;
    if (i >= 0) scale_one(x, y, i, words.x >= limit ? scale : 0.0f, accumulate);
    if (i + 1 >= 0 && i + 1 < count) scale_one(x, y, i + 1, words.y >= limit ? scale : 0.0f, accumulate);
    if (i + 2 >= 0 && i + 2 < count) scale_one(x, y, i + 2, words.z >= limit ? scale : 0.0f, accumulate);
    if (i + 3 < count) scale_one(x, y, i + 3, words.w >= limit ? scale : 0.0f, accumulate);
}

#ifndef GROUP
/* a0 b0 a1 b1 ... */
INLINE float8 interleave(float4 a, float4 b) {
    float8 both;
    both.even = a;
    both.odd = b;
    return both;
}

/* Four blocks from `block` on: the 16 elements from i on, which are all there. */
INLINE void masked_blocks(const __global stored_x *x, __global stored_x *y, uint block, int i, uint id,
                          uint step, uint2 key, uint limit, float scale, int accumulate) {
    uint4 w[4] = {block + (uint4)(0, 1, 2, 3), (uint4)id, (uint4)step, (uint4)0};
    philox4(w, key);
    float4 mask[4];
    for (int k = 0; k < 4; ++k) mask[k] = (w[k] >> 8) >= limit ? (float4)scale : (float4)0.0f;
    /* Element 4*l + k is lane l of mask[k]. */
    const float8 even = interleave(mask[0], mask[2]), odd = interleave(mask[1], mask[3]);
    const float8 low = interleave(even.lo, odd.lo) * fetch8(x + i, 8);
    const float8 high = interleave(even.hi, odd.hi) * fetch8(x + i + 8, 8);
    put8(accumulate ? low + fetch8(y + i, 8) : low, y + i, 8);
    put8(accumulate ? high + fetch8(y + i + 8, 8) : high, y + i + 8, 8);
}
#endif

KERNEL void masked(const __global stored_x *x, __global stored_x *y, const __global uint *rng, int count,
                   uint id, uint limit, float scale, int accumulate) {
    const uint2 key = (uint2)(rng[0], rng[1]);
    const uint step = rng[2];
    const ulong before = (ulong)count * rng[3];
    const uint first = (uint)(before / 4);
    const int skip = (int)(before % 4); /* elements of the first block that are another rank's */
#ifdef GROUP
    FOR_TASKS(block, (count + skip + 3) / 4)
    masked_block(x, y, first + block, block * 4 - skip, count, id, step, key, limit, scale, accumulate);
#else
    FOR_TASKS(task, (count + skip + 15) / 16) {
        const int begin = task * 16 - skip;
        if (begin >= 0 && begin + 16 <= count)
            masked_blocks(x, y, first + task * 4, begin, id, step, key, limit, scale, accumulate);
        else
            for (int k = 0; k < 4 && begin + k * 4 < count; ++k)
                masked_block(x, y, first + task * 4 + k, begin + k * 4, count, id, step, key, limit, scale,
                             accumulate);
    }
#endif
}

/* The mask of a channel or image, where those of all ranks are counted through. */
INLINE float mask_of(uint number, const __global uint *rng, uint id, uint limit, float scale) {
    const uint4 words = philox((uint4)(number / 4, id, rng[2], 0), (uint2)(rng[0], rng[1])) >> 8;
    /* not a chain of ?:, which Oclgrind takes wrongly */
    const uint2 pair = number & 2 ? words.zw : words.xy;
    const uint word = number & 1 ? pair.y : pair.x;
    return word >= limit ? scale : 0.0f;
}

/* Stochastic depth: element i takes the mask of its image, as dropout's element of that image's number would.  A work-item has
 * parts of an image. */
KERNEL void masked_images(const __global stored_x *x, __global stored_x *y, const __global uint *rng,
                          int count, uint id, uint limit, float scale, int accumulate, int size, int part) {
    const int parts = (size + part - 1) / part;
    FOR_TASKS(task, count / size * parts) {
        const int image = task / parts, first = task % parts * part, at = image * size + first;
        const float mask = mask_of((uint)image + rng[3] * (uint)(count / size), rng, id, limit, scale);
        FOR_COLUMNS(min(part, size - first), c, left,
                    add_or_put(fetch(x + at + c, left) * mask, y + at + c, left, accumulate));
    }
}

#ifndef GROUP
/* A vector of channels of some neighbouring pixels; number: the mask's, of the first channel. */
INLINE void masked_column(const __global stored_x *x, __global stored_x *y, int pixels, int C, int left,
                          uint number, const __global uint *rng, uint id, uint limit, float scale,
                          int accumulate) {
    float masks[VEC];
    EACH(i, VEC) masks[i] = i < left ? mask_of(number + i, rng, id, limit, scale) : 0.0f;
    const floatv mask = LOAD(masks);
    for (int at = 0; at < pixels * C; at += C)
        add_or_put(fetch(x + at, left) * mask, y + at, left, accumulate);
}
#endif

/* Dropout of channels.  tile: a work-item has parts of the pixels of an image; group: elements. */
KERNEL void masked_channels(const __global stored_x *x, __global stored_x *y, const __global uint *rng,
                            int count, uint id, uint limit, float scale, int accumulate, int C, int pixels,
                            int part) {
    const int images = count / pixels / C;
    const uint before = rng[3] * (uint)images * (uint)C;
#ifdef GROUP
    FOR_TASKS(task, count)
    scale_one(x, y, task, mask_of(before + (uint)(task / pixels / C * C + task % C), rng, id, limit, scale),
              accumulate);
#else
    const int parts = (pixels + part - 1) / part;
    FOR_TASKS(task, images * parts) {
        const int image = task / parts, first = task % parts * part, at = (image * pixels + first) * C;
        FOR_COLUMNS(C, c, left,
                    masked_column(x + at + c, y + at + c, min(part, pixels - first), C, left,
                                  before + (uint)(image * C + c), rng, id, limit, scale, accumulate));
    }
#endif
}

/* Inference, and its gradient: a copy. */
KERNEL void copied(const __global stored_x *x, __global stored_x *y, int count) {
    FOR_TASKS(i, count) store1(load1(x + i), y + i);
}
