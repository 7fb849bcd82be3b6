/* The launches of a training step, phase by phase. */
#include "train/record.h"
#include "train/trainer.h"

/* ---- the kernels of train.cl in plain C, for the reference ---- */

static void sum_reference(const void *context, void *const *data) {
    size_t count = *(const size_t *)context;
    const float *gradient = data[0];
    float *sum = data[1];
    bool first = ((const uint32_t *)data[2])[RF_CONTROL_MICRO] == 0;
    for (size_t i = 0; i < count; i++) sum[i] = first ? gradient[i] : sum[i] + gradient[i];
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
    const rf_record record = {rf_trainer_share(t), t->desc.accumulate};
    return rf_record_emit(sequence, rf_plan_loss(t->plan), t->control, t->losses, t->rng, &record);
}

static rf_gather micro_gather(const rf_trainer *t) {
    return (rf_gather){.order = t->order_table,
                       .control = t->control,
                       .images = rf_plan_images(t->plan),
                       .labels = rf_plan_labels(t->plan),
                       .batch = t->desc.batch,
                       .word = RF_CONTROL_BATCH};
}

static rf_status emit_feed(rf_trainer *t, rf_sequence *sequence) {
    const rf_gather gather = micro_gather(t);
    if (t->augmenter != NULL) return rf_augmenter_emit(t->augmenter, sequence, gather.images, gather.labels);
    return rf_feeder_emit(t->feeder, sequence, &gather);
}

/* Forward, backward, the sum of gradients, and the record of the loss. */
static rf_status emit_compute(rf_trainer *t, rf_sequence *sequence) {
    RF_TRY(rf_loss_scale_begin(t, sequence));
    RF_TRY(rf_plan_emit_forward(t->plan, sequence));
    RF_TRY(rf_plan_emit_backward(t->plan, sequence));
    if (t->sum != NULL) RF_TRY(emit_sum(t, sequence));
    return emit_record(t, sequence);
}

static rf_status emit_update(rf_trainer *t, rf_sequence *sequence) {
    RF_TRY(rf_loss_scale_end(t, sequence));
    RF_TRY(rf_clip_emit(t, sequence));
    RF_TRY(rf_update_emit(t, sequence));
    return rf_ema_emit(t, sequence);
}

rf_status rf_trainer_run_idle(rf_trainer *t) {
    const uint32_t words[RF_CONTROL_WORDS] = {[RF_CONTROL_STOP] = 1, [RF_CONTROL_OVER] = 1};
    rf_sequence *own = NULL;
    RF_TRY(rf_buffer_write(t->control, 0, words, sizeof words));
    RF_TRY(rf_buffer_fill(t->order_table, 0));
    RF_TRY(rf_sequence_create(&own, t->desc.device));
    rf_status status = emit_update(t, own);
    if (status == RF_OK) status = emit_record(t, own);
    if (status == RF_OK && t->sum != NULL) status = emit_sum(t, own);
    if (status == RF_OK) status = emit_feed(t, own);
    if (status == RF_OK) status = rf_sequence_run(own);
    if (status == RF_OK) status = rf_device_sync(t->desc.device);
    rf_sequence_free(own);
    return status;
}

rf_status rf_trainer_emit(rf_trainer *t) {
    for (int i = 0; i < RF_PHASES; i++) RF_TRY(rf_sequence_create(&t->phase[i], t->desc.device));
    RF_TRY(emit_feed(t, t->phase[RF_PHASE_FEED]));
    RF_TRY(emit_compute(t, t->phase[RF_PHASE_COMPUTE]));
    RF_TRY(emit_update(t, t->phase[RF_PHASE_UPDATE]));
    return rf_evaluator_emit(&t->validation, t->control, t->observed);
}
