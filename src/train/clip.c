/* Gradient clipping before the update, as torch.nn.utils.clip_grad_value_ and clip_grad_norm_ do it. */
#include <math.h>

#include "train/trainer.h"

rf_status rf_clip_check(const rf_trainer_desc *d) {
    const double limits[] = {d->clip_value, d->clip_norm};
    for (size_t i = 0; i < RF_COUNT(limits); i++)
        if (!(limits[i] >= 0) || isinf(limits[i]))
            return rf_fail(RF_E_USAGE, "clip_%s is %g; it must be a number above 0, or 0 for no clipping",
                           i == 0 ? "value" : "norm", limits[i]);
    return RF_OK;
}

/* ---- in plain C, for the reference ---- */

typedef struct clip_context {
    size_t count;
    float limit;
} clip_context;

static void value_reference(const void *context, void *const *data) {
    const clip_context *c = context;
    float *g = data[0];
    for (size_t i = 0; i < c->count; i++)
        g[i] = g[i] > c->limit ? c->limit : g[i] < -c->limit ? -c->limit : g[i];
}

static void norm_reference(const void *context, void *const *data) {
    const clip_context *c = context;
    float *g = data[0];
    double sum = 0;
    for (size_t i = 0; i < c->count; i++) sum += (double)g[i] * g[i];
    const float scale = (float)(c->limit / (sqrt(sum) + 1e-6));
    if (scale >= 1) return;
    for (size_t i = 0; i < c->count; i++) g[i] *= scale;
}

/* ---- launches ---- */

static rf_status emit_reference(rf_trainer *t, rf_sequence *sequence, rf_host_fn *function, double limit) {
    const clip_context context = {t->weights->trained_floats, (float)limit};
    rf_buffer *gradient = rf_flat_gradient(t);
    return rf_emit_host(sequence, function, &context, sizeof context, &gradient, 1, 0,
                        8.0 * (double)context.count);
}

static rf_status emit_value(rf_trainer *t, rf_sequence *sequence) {
    const size_t floats = t->weights->trained_floats, vectors = rf_train_vectors(t->desc.device, floats);
    rf_sequence_label(sequence, "clip.value");
    if (rf_train_on_reference(t->desc.device))
        return emit_reference(t, sequence, value_reference, t->desc.clip_value);
    return rf_flat_emit(
        t, sequence,
        &(rf_launch_desc){.kernel = "clip_value",
                          .args = {RF_BUF(rf_flat_gradient(t)), RF_I32(vectors), RF_F32(t->desc.clip_value)},
                          .bytes = 8.0 * (double)floats});
}

static rf_status emit_norm(rf_trainer *t, rf_sequence *sequence) {
    int parts;
    rf_sequence_label(sequence, "clip.norm");
    if (rf_train_on_reference(t->desc.device))
        return emit_reference(t, sequence, norm_reference, t->desc.clip_norm);
    RF_TRY(rf_sums_of_squares(&parts, t, sequence));
    rf_launch_desc scale = {.kernel = "clip_scale",
                            .args = {RF_BUF(t->part), RF_I32(parts), RF_F32(t->desc.clip_norm)}};
    RF_TRY(rf_train_emit(sequence, t->desc.device, &scale));
    return rf_flat_scale(t, sequence);
}

rf_status rf_clip_emit(rf_trainer *t, rf_sequence *sequence) {
    if (t->desc.clip_value > 0) RF_TRY(emit_value(t, sequence));
    return t->desc.clip_norm > 0 ? emit_norm(t, sequence) : RF_OK;
}
