/* Control of a run on the device: gather a batch, add up micro-batches, record the loss and decide to stop.
 *
 * gather    images[i,p,c] = pixels[order[base + row*N + i], p, c] * scale[c] + shift[c]; labels likewise; row is the
 *           control's word `word` (0 where word is -1).  pixels is (.,H,W,C)
 *           bytes.  gather_images: one work-item an image; gather_elements: one an element, for GPUs.
 * sum       sum = first micro-batch ? gradient : sum + gradient
 * record    one work-item.  The smoothed loss that decides is the exponential average, weight 0.98, with bias
 * correction (the rule of fastai's lr_find): stop when it exceeds DIVERGE times its best, or the loss is not finite.
 *           The step that stops the run is completed, update included; the next record marks the run as over.
 * observe   the same for a batch of validation images, which come after the update. */
#include "optimizer.clh" /* one program: each costs time at start-up */

__kernel void gather_images(__global const uchar *pixels, __global const int *labels, __global const int *order,
                            __global const uint *control, __global const float *scale_shift, __global float *images,
                            __global int *batch_labels, int batch, int per_image, int channels, int word,
                            int base) {
    int i = get_global_id(0);
    int source = order[base + (word >= 0 ? (int)control[word] * batch : 0) + i];
    __global const uchar *in = pixels + (size_t)source * per_image;
    __global float *out = images + (size_t)i * per_image;
    batch_labels[i] = labels[source];
    if (channels == 1) {
        float scale = scale_shift[0], shift = scale_shift[1];
        for (int p = 0; p < per_image; p++) out[p] = (float)in[p] * scale + shift;
    } else if (channels == 3) {
        float3 scale = (float3)(scale_shift[0], scale_shift[1], scale_shift[2]);
        float3 shift = (float3)(scale_shift[3], scale_shift[4], scale_shift[5]);
        for (int p = 0; p < per_image / 3; p++) vstore3(convert_float3(vload3(p, in)) * scale + shift, p, out);
    } else {
        for (int p = 0; p < per_image; p++) {
            int c = p % channels;
            out[p] = (float)in[p] * scale_shift[c] + scale_shift[channels + c];
        }
    }
}

__kernel void gather_elements(__global const uchar *pixels, __global const int *labels, __global const int *order,
                              __global const uint *control, __global const float *scale_shift, __global float *images,
                              __global int *batch_labels, int batch, int per_image, int channels, int word,
                            int base) {
    int p = get_global_id(0), i = get_global_id(1);
    int source = order[base + (word >= 0 ? (int)control[word] * batch : 0) + i];
    if (p == 0) batch_labels[i] = labels[source];
    if (p >= per_image) return;
    int c = p % channels;
    images[(size_t)i * per_image + p] =
        (float)pixels[(size_t)source * per_image + p] * scale_shift[c] + scale_shift[channels + c];
}

__kernel void sum_gradients(__global const float4 *gradient, __global float4 *sum, __global const uint *control,
                            int count) {
    bool first = control[RF_CONTROL_MICRO] == 0;
    for (int i = get_global_id(0); i < count; i += get_global_size(0))
        sum[i] = first ? gradient[i] : sum[i] + gradient[i];
}

void judge(__global uint *control, float loss) {
    __global float *value = (__global float *)control;
    float weight = value[RF_CONTROL_WEIGHT] * RF_CONTROL_BETA;
    float average = RF_CONTROL_BETA * value[RF_CONTROL_EMA] + (1.0f - RF_CONTROL_BETA) * loss;
    float smoothed = average / (1.0f - weight), diverge = value[RF_CONTROL_DIVERGE];
    value[RF_CONTROL_LAST] = loss;
    value[RF_CONTROL_WEIGHT] = weight;
    value[RF_CONTROL_EMA] = average;
    if (smoothed < value[RF_CONTROL_BEST]) value[RF_CONTROL_BEST] = smoothed;
    if (!isfinite(loss)) control[RF_CONTROL_STOP] = RF_RUN_NOT_FINITE;
    else if (diverge > 0.0f && smoothed > diverge * value[RF_CONTROL_BEST]) control[RF_CONTROL_STOP] = RF_RUN_DIVERGED;
}

/* Adds a batch's mean loss, weighted by `share`; true for the last of `batches`, when *sum is complete. */
bool add_share(float *sum, __global uint *control, float loss, float share, int batches) {
    __global float *value = (__global float *)control;
    const uint done = control[RF_CONTROL_MICRO] + 1;
    *sum = (done == 1 ? 0.0f : value[RF_CONTROL_SUM]) + share * loss;
    value[RF_CONTROL_SUM] = *sum;
    control[RF_CONTROL_MICRO] = done == (uint)batches ? 0 : done;
    return done == (uint)batches;
}

/* loss: the mean of the micro-batch just done; share: its weight in the step's loss. */
__kernel void record(__global const float *loss, __global uint *control, __global float *losses, __global uint *rng,
                     float share, int micro_batches) {
    float sum;
    if (control[RF_CONTROL_STOP] != 0) {
        control[RF_CONTROL_OVER] = 1;
        return;
    }
    control[RF_CONTROL_BATCH]++;
    rng[2]++;
    if (control[RF_CONTROL_MICRO] == 0) control[RF_CONTROL_CURRENT] = control[RF_CONTROL_STEP];
    if (!add_share(&sum, control, loss[0], share, micro_batches)) return;
    const uint step = control[RF_CONTROL_CURRENT];
    losses[step] = sum;
    control[RF_CONTROL_STEP] = step + 1;
    control[RF_CONTROL_SEEN]++;
    if (control[RF_CONTROL_JUDGED] == RF_JUDGED_TRAINING) judge(control, sum);
}

__kernel void observe(__global const float *loss, __global uint *control, __global float *observed, float share,
                      int batches) {
    float sum;
    if (control[RF_CONTROL_STOP] != 0 || !add_share(&sum, control, loss[0], share, batches)) return;
    observed[control[RF_CONTROL_CURRENT]] = sum;
    if (control[RF_CONTROL_JUDGED] == RF_JUDGED_VALIDATION) judge(control, sum);
}

/* ranks (.,2): of each image of an evaluation the class with the highest score, the first of equals, and how many classes
 * score higher than its label; NaN counts as higher.  One work-item an image. */
__kernel void rank_labels(__global const float *scores, __global const int *labels, __global const uint *control,
                          __global int *ranks, int batch, int classes, int base) {
    const int i = get_global_id(0), label = labels[i];
    __global const float *row = scores + (size_t)i * classes;
    const float own = row[label];
    int best = 0, rank = 0;
    if (control[RF_CONTROL_STOP] != 0) return;
    for (int c = 0; c < classes; c++) {
        if (row[c] > row[best]) best = c;
        rank += c != label && (!(row[c] <= own) || (c < label && row[c] == own));
    }
    __global int *out = ranks + 2 * (base + (int)control[RF_CONTROL_MICRO] * batch + i);
    out[0] = best;
    out[1] = rank;
}
