/* The exponential moving average of the trained parameters, as torch.optim.swa_utils.AveragedModel has it with
 * get_ema_multi_avg_fn(decay): a copy after the first step, then average += (1 - decay) * (parameter - average), in the
 * arithmetic of torch.lerp.  Batch norm's statistics, which are averages of their own, are the network's (use_buffers=False). */
#include "train/trainer.h"

rf_status rf_ema_check(const rf_trainer *t) {
    const double ema = t->desc.ema;
    if (!(ema >= 0 && ema < 1))
        return rf_fail(RF_E_USAGE, "ema is %g; it must be 0 (no average) or a decay below 1, like 0.999",
                       ema);
    if (ema > 0 && t->setup.optimizer->evaluated > 0)
        return rf_fail(RF_E_USAGE, "ema has no effect with %s, which evaluates an average of its own",
                       t->setup.optimizer->kind.name);
    return RF_OK;
}

float rf_ema_weight(const rf_trainer_desc *d, long step) {
    return step == 1 ? 1 : (float)(1 - d->ema);
}

rf_status rf_ema_create(rf_trainer *t) {
    const size_t bytes = t->weights->trained_floats * sizeof(float);
    if (t->desc.ema == 0) return RF_OK;
    RF_TRY(rf_buffer_create(&t->ema, t->desc.device, bytes));
    return rf_buffer_copy(t->ema, 0, t->weights->params, 0, bytes);
}

typedef struct ema_context {
    size_t count, numbers;
} ema_context;

static void ema_reference(const void *context, void *const *data) {
    const ema_context *c = context;
    const float *p = data[0], *numbers = data[2];
    const uint32_t *control = data[3];
    float *average = data[1];
    if (control[RF_CONTROL_OVER] != 0) return;
    const float weight = numbers[(control[RF_CONTROL_CURRENT] + 1) * c->numbers - 1];
    for (size_t i = 0; i < c->count; i++) {
        const float difference = p[i] - average[i];
        average[i] = weight < 0.5f ? average[i] + weight * difference : p[i] - difference * (1 - weight);
    }
}

rf_status rf_ema_emit(rf_trainer *t, rf_sequence *sequence) {
    const size_t floats = t->weights->trained_floats;
    const ema_context context = {floats, rf_trainer_numbers(t)};
    rf_buffer *buffers[] = {t->weights->params, t->ema, t->numbers, t->control};
    const double bytes = 12.0 * (double)floats;
    if (t->ema == NULL) return RF_OK;
    rf_sequence_label(sequence, "ema");
    if (rf_train_on_reference(t->desc.device))
        return rf_emit_host(sequence, ema_reference, &context, sizeof context, buffers, RF_COUNT(buffers), 0,
                            bytes);
    return rf_flat_emit(
        t, sequence,
        &(rf_launch_desc){.kernel = "ema",
                          .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]),
                                   RF_BUF(buffers[3]), RF_I32(rf_train_vectors(t->desc.device, floats)),
                                   RF_I32(context.numbers)},
                          .bytes = bytes});
}
