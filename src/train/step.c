/* The launches of a training step, phase by phase. */
#include <math.h>

#include "train/trainer.h"

/* ---- the kernels of train.cl in plain C, for the reference ---- */

static void sum_reference(const void *context, void *const *data) {
    size_t count = *(const size_t *)context;
    const float *gradient = data[0];
    float *sum = data[1];
    bool first = ((const uint32_t *)data[2])[RF_CONTROL_MICRO] == 0;
    for (size_t i = 0; i < count; i++) sum[i] = first ? gradient[i] : sum[i] + gradient[i];
}

typedef struct record_context {
    float share;
    int batches; /* micro-batches of a step, or batches of validation images */
} record_context;

static void judge(uint32_t *control, float loss) {
    float *value = (float *)control;
    float weight = value[RF_CONTROL_WEIGHT] * RF_CONTROL_BETA;
    float average = RF_CONTROL_BETA * value[RF_CONTROL_EMA] + (1.0f - RF_CONTROL_BETA) * loss;
    float smoothed = average / (1.0f - weight), diverge = value[RF_CONTROL_DIVERGE];
    value[RF_CONTROL_LAST] = loss;
    value[RF_CONTROL_WEIGHT] = weight;
    value[RF_CONTROL_EMA] = average;
    if (smoothed < value[RF_CONTROL_BEST]) value[RF_CONTROL_BEST] = smoothed;
    if (!isfinite(loss))
        control[RF_CONTROL_STOP] = RF_RUN_NOT_FINITE;
    else if (diverge > 0 && smoothed > diverge * value[RF_CONTROL_BEST])
        control[RF_CONTROL_STOP] = RF_RUN_DIVERGED;
}

static bool add_share(float *sum, uint32_t *control, float loss, const record_context *r) {
    float *value = (float *)control;
    const uint32_t done = control[RF_CONTROL_MICRO] + 1, wanted = (uint32_t)r->batches;
    *sum = (done == 1 ? 0.0f : value[RF_CONTROL_SUM]) + r->share * loss;
    value[RF_CONTROL_SUM] = *sum;
    control[RF_CONTROL_MICRO] = done == wanted ? 0 : done;
    return done == wanted;
}

static void record_reference(const void *context, void *const *data) {
    const float *loss = data[0];
    uint32_t *control = data[1], *rng = data[3];
    float *losses = data[2], sum;
    if (control[RF_CONTROL_STOP] != 0) {
        control[RF_CONTROL_OVER] = 1;
        return;
    }
    control[RF_CONTROL_BATCH]++;
    rng[2]++;
    if (control[RF_CONTROL_MICRO] == 0) control[RF_CONTROL_CURRENT] = control[RF_CONTROL_STEP];
    if (!add_share(&sum, control, loss[0], context)) return;
    losses[control[RF_CONTROL_CURRENT]] = sum;
    control[RF_CONTROL_STEP] = control[RF_CONTROL_CURRENT] + 1;
    control[RF_CONTROL_SEEN]++;
    if (control[RF_CONTROL_JUDGED] == RF_JUDGED_TRAINING) judge(control, sum);
}

static void observe_reference(const void *context, void *const *data) {
    const float *loss = data[0];
    uint32_t *control = data[1];
    float *observed = data[2], sum;
    if (control[RF_CONTROL_STOP] != 0 || !add_share(&sum, control, loss[0], context)) return;
    observed[control[RF_CONTROL_CURRENT]] = sum;
    if (control[RF_CONTROL_JUDGED] == RF_JUDGED_VALIDATION) judge(control, sum);
}

/* ---- launches ---- */

static rf_status emit_sum(rf_trainer *t, rf_sequence *sequence) {
    size_t floats = t->weights->trained_floats;
    rf_buffer *buffers[] = {t->weights->grads, t->sum, t->control};
    double bytes = 12.0 * (double)floats;
    rf_sequence_label(sequence, "accumulate");
    if (rf_train_on_reference(t->desc.device))
        return rf_emit_host(sequence, sum_reference, &floats, sizeof floats, buffers, RF_COUNT(buffers), 0,
                            bytes);
    rf_launch_desc desc = {
        .kernel = "sum_gradients",
        .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]), RF_I32(floats / 4)},
        .bytes = bytes};
    rf_train_spread(&desc, t->desc.device, floats / 4);
    return rf_train_emit(sequence, t->desc.device, &desc);
}

static rf_status emit_record(rf_trainer *t, rf_sequence *sequence) {
    const record_context record = {1.0f / (float)t->desc.accumulate, t->desc.accumulate};
    rf_buffer *buffers[] = {rf_plan_loss(t->plan), t->control, t->losses, t->rng};
    rf_sequence_label(sequence, "record");
    if (rf_train_on_reference(t->desc.device))
        return rf_emit_host(sequence, record_reference, &record, sizeof record, buffers, RF_COUNT(buffers), 0,
                            0);
    return rf_train_emit(
        sequence, t->desc.device,
        &(rf_launch_desc){.kernel = "record",
                          .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]),
                                   RF_BUF(buffers[3]), RF_F32(record.share), RF_I32(record.batches)}});
}

static rf_status emit_observe(rf_trainer *t, rf_sequence *sequence, rf_buffer *loss,
                              const record_context *record) {
    rf_buffer *buffers[] = {loss, t->control, t->observed};
    rf_sequence_label(sequence, "observe");
    if (rf_train_on_reference(t->desc.device))
        return rf_emit_host(sequence, observe_reference, record, sizeof *record, buffers, RF_COUNT(buffers),
                            0, 0);
    return rf_train_emit(
        sequence, t->desc.device,
        &(rf_launch_desc){.kernel = "observe",
                          .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]),
                                   RF_F32(record->share), RF_I32(record->batches)}});
}

static rf_gather micro_gather(const rf_trainer *t) {
    return (rf_gather){.order = t->order_table,
                       .control = t->control,
                       .images = rf_plan_images(t->plan),
                       .labels = rf_plan_labels(t->plan),
                       .batch = t->desc.batch,
                       .word = RF_CONTROL_BATCH};
}

/* Forward, backward, the sum of gradients, and the record of the loss. */
static rf_status emit_compute(rf_trainer *t, rf_sequence *sequence) {
    RF_TRY(rf_plan_emit_forward(t->plan, sequence));
    RF_TRY(rf_plan_emit_backward(t->plan, sequence));
    if (t->sum != NULL) RF_TRY(emit_sum(t, sequence));
    return emit_record(t, sequence);
}

static rf_status emit_update(rf_trainer *t, rf_sequence *sequence) {
    RF_TRY(rf_clip_emit(t, sequence));
    RF_TRY(rf_update_emit(t, sequence));
    return rf_ema_emit(t, sequence);
}

rf_status rf_trainer_run_idle(rf_trainer *t) {
    const uint32_t words[RF_CONTROL_WORDS] = {[RF_CONTROL_STOP] = 1, [RF_CONTROL_OVER] = 1};
    rf_gather gather = micro_gather(t);
    rf_sequence *own = NULL;
    RF_TRY(rf_buffer_write(t->control, 0, words, sizeof words));
    RF_TRY(rf_buffer_fill(t->order_table, 0));
    RF_TRY(rf_sequence_create(&own, t->desc.device));
    rf_status status = emit_update(t, own);
    if (status == RF_OK) status = emit_record(t, own);
    if (status == RF_OK && t->sum != NULL) status = emit_sum(t, own);
    if (status == RF_OK) status = rf_feeder_emit(t->feeder, own, &gather);
    if (status == RF_OK) status = rf_sequence_run(own);
    if (status == RF_OK) status = rf_device_sync(t->desc.device);
    rf_sequence_free(own);
    return status;
}

/* The micro counter numbers the validation batches, the whole ones first. */
static rf_status emit_validation(rf_trainer *t, int which) {
    const rf_validator *v = &t->validator[which], *whole = &t->validator[0];
    const rf_gather gather = {.order = t->validation_order,
                              .control = t->control,
                              .images = rf_plan_images(v->plan),
                              .labels = rf_plan_labels(v->plan),
                              .batch = v->batch,
                              .word = RF_CONTROL_MICRO,
                              .base = which == 0 ? 0 : whole->batches * (whole->batch - v->batch)};
    const record_context record = {.share = (float)((double)v->batch / t->desc.validation),
                                   .batches = whole->batches + t->validator[1].batches};
    RF_TRY(rf_feeder_emit(t->feeder, v->sequence, &gather));
    RF_TRY(rf_plan_emit_forward(v->plan, v->sequence));
    return emit_observe(t, v->sequence, rf_plan_loss(v->plan), &record);
}

rf_status rf_trainer_emit(rf_trainer *t) {
    const rf_gather gather = micro_gather(t);
    for (int i = 0; i < RF_PHASES; i++) RF_TRY(rf_sequence_create(&t->phase[i], t->desc.device));
    RF_TRY(rf_feeder_emit(t->feeder, t->phase[RF_PHASE_FEED], &gather));
    RF_TRY(emit_compute(t, t->phase[RF_PHASE_COMPUTE]));
    RF_TRY(emit_update(t, t->phase[RF_PHASE_UPDATE]));
    for (int i = 0; i < 2; i++) {
        if (t->validator[i].batches == 0) continue;
        RF_TRY(rf_sequence_create(&t->validator[i].sequence, t->desc.device));
        RF_TRY(emit_validation(t, i));
    }
    return RF_OK;
}
