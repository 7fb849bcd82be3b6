/* The launches of a training step: feed, forward, backward, sum of micro-batches, record, update, validation.
 */
#include <math.h>

#include "train/trainer.h"

/* ---- what the kernels of train.cl and optimizer.clh do, in plain C, for the reference ---- */

static void sum_reference(const void *context, void *const *data) {
    size_t count = *(const size_t *)context;
    const float *gradient = data[0];
    float *sum = data[1];
    bool first = ((const uint32_t *)data[2])[RF_CONTROL_MICRO] == 0;
    for (size_t i = 0; i < count; i++) sum[i] = first ? gradient[i] : sum[i] + gradient[i];
}

typedef struct record_context {
    float share;
    int micro, judge;
} record_context;

static void record_loss(uint32_t *control, float *losses, float sum) {
    float *value = (float *)control;
    uint32_t step = control[RF_CONTROL_CURRENT];
    losses[step] = sum;
    value[RF_CONTROL_LAST] = sum;
    control[RF_CONTROL_STEP] = step + 1;
    control[RF_CONTROL_SEEN]++;
    float weight = value[RF_CONTROL_WEIGHT] * RF_CONTROL_BETA;
    float average = RF_CONTROL_BETA * value[RF_CONTROL_EMA] + (1.0f - RF_CONTROL_BETA) * sum;
    float smoothed = average / (1.0f - weight), diverge = value[RF_CONTROL_DIVERGE];
    value[RF_CONTROL_WEIGHT] = weight;
    value[RF_CONTROL_EMA] = average;
    if (smoothed < value[RF_CONTROL_BEST]) value[RF_CONTROL_BEST] = smoothed;
    if (!isfinite(sum))
        control[RF_CONTROL_STOP] = RF_RUN_NOT_FINITE;
    else if (diverge > 0 && smoothed > diverge * value[RF_CONTROL_BEST])
        control[RF_CONTROL_STOP] = RF_RUN_DIVERGED;
}

static void record_reference(const void *context, void *const *data) {
    const record_context *r = context;
    const float *loss = data[0];
    uint32_t *control = data[1], *rng = data[3];
    float *value = data[1];
    bool training = r->micro > 0;
    if (control[RF_CONTROL_STOP] != 0) {
        control[RF_CONTROL_OVER] = 1;
        return;
    }
    if (training) {
        control[RF_CONTROL_BATCH]++;
        rng[2]++;
    }
    uint32_t done = control[RF_CONTROL_MICRO] + 1, wanted = (uint32_t)(training ? r->micro : -r->micro);
    float sum = (done == 1 ? 0.0f : value[RF_CONTROL_SUM]) + r->share * loss[0];
    value[RF_CONTROL_SUM] = sum;
    control[RF_CONTROL_MICRO] = done == wanted ? 0 : done;
    if (training && done == 1) control[RF_CONTROL_CURRENT] = control[RF_CONTROL_STEP];
    if (done == wanted && r->judge) record_loss(control, data[2], sum);
}

typedef struct update_context {
    const rf_optimizer *optimizer;
    rf_optimizer_options options;
    size_t blocks, grain;
} update_context;

static void update_reference(const void *context, void *const *data) {
    const update_context *u = context;
    const uint32_t *control = data[6];
    const float *ratio = data[4], *factors = data[5];
    if (control[RF_CONTROL_OVER] != 0) return;
    for (size_t b = 0; b < u->blocks; b++)
        u->optimizer->reference(
            &(rf_update){.p = data[0],
                         .g = data[1],
                         .s0 = data[2],
                         .s1 = data[3],
                         .ratio = ratio[b],
                         .factors = factors + control[RF_CONTROL_CURRENT] * RF_STEP_FACTORS,
                         .begin = b * u->grain,
                         .end = (b + 1) * u->grain,
                         .options = &u->options});
}

/* ---- launches ---- */

static bool on_reference(const rf_trainer *t) {
    return rf_device_describe(t->desc.device)->kind == RF_DEVICE_REFERENCE;
}

static bool is_group(const rf_trainer *t) {
    return rf_train_family(t->desc.device) == RF_GROUP;
}

/* Sets the work-items for as many vectors. */
static void spread(rf_launch_desc *desc, const rf_trainer *t, size_t vectors) {
    const rf_device_info *info = rf_device_describe(t->desc.device);
    if (is_group(t))
        rf_family_spread(desc, RF_GROUP, info, vectors, 1);
    else
        desc->global[0] = RF_MAX(RF_MIN((size_t)info->compute_units * 4, vectors), 1);
}

static rf_status emit_sum(rf_trainer *t, rf_sequence *sequence) {
    size_t floats = t->weights->trained_floats;
    rf_buffer *buffers[] = {t->weights->grads, t->sum, t->control};
    double bytes = 12.0 * (double)floats;
    rf_sequence_label(sequence, "accumulate");
    if (on_reference(t))
        return rf_emit_host(sequence, sum_reference, &floats, sizeof floats, buffers, RF_COUNT(buffers), 0,
                            bytes);
    rf_launch_desc desc = {
        .kernel = "sum_gradients",
        .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]), RF_I32(floats / 4)},
        .bytes = bytes};
    spread(&desc, t, floats / 4);
    return rf_train_emit(sequence, t->desc.device, &desc);
}

static rf_status emit_record(rf_trainer *t, rf_sequence *sequence, rf_buffer *loss,
                             const record_context *record) {
    rf_buffer *buffers[] = {loss, t->control, t->losses, t->rng};
    rf_sequence_label(sequence, "record");
    if (on_reference(t))
        return rf_emit_host(sequence, record_reference, record, sizeof *record, buffers, RF_COUNT(buffers), 0,
                            0);
    return rf_train_emit(
        sequence, t->desc.device,
        &(rf_launch_desc){.kernel = "record",
                          .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]),
                                   RF_BUF(buffers[3]), RF_F32(record->share), RF_I32(record->micro),
                                   RF_I32(record->judge)}});
}

static rf_status emit_update(rf_trainer *t, rf_sequence *sequence) {
    rf_weights *w = t->weights;
    update_context context = {t->optimizer, t->desc.optimizer, w->trained_floats / w->grain, w->grain};
    rf_buffer *gradient = t->sum != NULL ? t->sum : w->grads;
    rf_buffer *s0 = t->slot[0] != NULL ? t->slot[0] : gradient, *s1 = t->slot[1] != NULL ? t->slot[1] : s0;
    rf_buffer *buffers[] = {w->params, gradient, s0, s1, t->ratio, t->factors, t->control};
    double bytes = 4.0 * (double)w->trained_floats * (3 + 2 * t->optimizer->slots(&t->desc.optimizer));
    rf_sequence_label(sequence, "update.%s", t->optimizer->name);
    if (on_reference(t))
        return rf_emit_host(sequence, update_reference, &context, sizeof context, buffers, RF_COUNT(buffers),
                            0, bytes);
    size_t vectors = w->trained_floats / (is_group(t) ? 4 : 8);
    rf_launch_desc desc = {.kernel = t->optimizer->kernel, .bytes = bytes};
    int n = 0;
    spread(&desc, t, vectors);
    for (size_t i = 0; i < RF_COUNT(buffers); i++) desc.args[n++] = (rf_arg)RF_BUF(buffers[i]);
    desc.args[n++] = (rf_arg)RF_I32(vectors);
    desc.args[n++] = (rf_arg)RF_I32(w->grain);
    t->optimizer->args(desc.args + n, &t->desc.optimizer);
    return rf_train_emit(sequence, t->desc.device, &desc);
}

static rf_gather micro_gather(const rf_trainer *t) {
    return (rf_gather){.order = t->order_table,
                       .control = t->control,
                       .images = rf_plan_images(t->plan),
                       .labels = rf_plan_labels(t->plan),
                       .batch = t->desc.batch,
                       .word = RF_CONTROL_BATCH};
}

static rf_status emit_micro(rf_trainer *t) {
    rf_gather gather = micro_gather(t);
    record_context record = {.share = 1.0f / (float)t->desc.accumulate,
                             .micro = t->desc.accumulate,
                             .judge = t->desc.validation == 0};
    RF_TRY(rf_feeder_emit(t->feeder, t->micro, &gather));
    RF_TRY(rf_plan_emit_forward(t->plan, t->micro));
    RF_TRY(rf_plan_emit_backward(t->plan, t->micro));
    if (t->sum != NULL) RF_TRY(emit_sum(t, t->micro));
    return emit_record(t, t->micro, rf_plan_loss(t->plan), &record);
}

rf_status rf_trainer_run_idle(rf_trainer *t) {
    const uint32_t words[RF_CONTROL_WORDS] = {[RF_CONTROL_STOP] = 1, [RF_CONTROL_OVER] = 1};
    rf_gather gather = micro_gather(t);
    rf_sequence *own = NULL;
    RF_TRY(rf_buffer_write(t->control, 0, words, sizeof words));
    RF_TRY(rf_buffer_fill(t->order_table, 0));
    RF_TRY(rf_sequence_create(&own, t->desc.device));
    rf_status status = emit_update(t, own);
    if (status == RF_OK) status = emit_record(t, own, rf_plan_loss(t->plan), &(record_context){.micro = 1});
    if (status == RF_OK && t->sum != NULL) status = emit_sum(t, own);
    if (status == RF_OK) status = rf_feeder_emit(t->feeder, own, &gather);
    if (status == RF_OK) status = rf_sequence_run(own);
    if (status == RF_OK) status = rf_device_sync(t->desc.device);
    rf_sequence_free(own);
    return status;
}

/* The validation batches follow the update; the micro counter numbers them, the whole ones first. */
static rf_status emit_validation(rf_trainer *t, int which) {
    const rf_validator *v = &t->validator[which], *whole = &t->validator[0];
    int batches = whole->batches + t->validator[1].batches;
    rf_gather gather = {.order = t->validation_order,
                        .control = t->control,
                        .images = rf_plan_images(v->plan),
                        .labels = rf_plan_labels(v->plan),
                        .batch = v->batch,
                        .word = RF_CONTROL_MICRO,
                        .base = which == 0 ? 0 : whole->batches * (whole->batch - v->batch)};
    record_context record = {
        .share = (float)((double)v->batch / t->desc.validation), .micro = -batches, .judge = true};
    RF_TRY(rf_feeder_emit(t->feeder, t->validate[which], &gather));
    RF_TRY(rf_plan_emit_forward(v->plan, t->validate[which]));
    return emit_record(t, t->validate[which], rf_plan_loss(v->plan), &record);
}

rf_status rf_trainer_emit(rf_trainer *t) {
    rf_device *device = t->desc.device;
    RF_TRY(rf_sequence_create(&t->micro, device));
    RF_TRY(rf_sequence_create(&t->update, device));
    RF_TRY(emit_micro(t));
    RF_TRY(emit_update(t, t->update));
    for (int i = 0; i < 2; i++) {
        if (t->validator[i].batches == 0) continue;
        RF_TRY(rf_sequence_create(&t->validate[i], device));
        RF_TRY(emit_validation(t, i));
    }
    return RF_OK;
}
