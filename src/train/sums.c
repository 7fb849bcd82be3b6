/* Launches over all parameters on devices, and sums over them: the parts that the work-items of a launch compute. */
#include "train/trainer.h"

enum { FOLDED = 256 };

rf_buffer *rf_flat_gradient(const rf_trainer *t) {
    return t->sum != NULL ? t->sum : t->weights->grads;
}

rf_status rf_flat_emit(rf_trainer *t, rf_sequence *sequence, rf_launch_desc *desc) {
    rf_train_spread(desc, t->desc.device, rf_train_vectors(t->desc.device, t->weights->trained_floats));
    return rf_train_emit(sequence, t->desc.device, desc);
}

rf_status rf_flat_scale(rf_trainer *t, rf_sequence *sequence) {
    const size_t floats = t->weights->trained_floats;
    return rf_flat_emit(
        t, sequence,
        &(rf_launch_desc){.kernel = "scale_gradient",
                          .args = {RF_BUF(rf_flat_gradient(t)),
                                   RF_I32(rf_train_vectors(t->desc.device, floats)), RF_BUF(t->part)},
                          .bytes = 8.0 * (double)floats});
}

static size_t parts_of(const rf_trainer *t, size_t trained_floats) {
    rf_launch_desc desc = {0};
    rf_train_spread(&desc, t->desc.device, rf_train_vectors(t->desc.device, trained_floats));
    return desc.global[0];
}

size_t rf_sums_bytes(const rf_trainer *t, size_t trained_floats) {
    const bool wanted = t->desc.clip_norm > 0 || t->desc.half || t->setup.optimizer->sums;
    if (!wanted || rf_train_on_reference(t->desc.device)) return 0;
    return parts_of(t, trained_floats) * 2 * sizeof(float);
}

rf_status rf_sums_prepare(rf_trainer *t) {
    const size_t bytes = rf_sums_bytes(t, t->weights->trained_floats);
    return bytes > 0 ? rf_buffer_create(&t->part, t->desc.device, bytes) : RF_OK;
}

rf_status rf_sums_fold(int *parts, rf_trainer *t, rf_sequence *sequence) {
    const size_t all = parts_of(t, t->weights->trained_floats);
    *parts = (int)RF_MIN(all, (size_t)FOLDED);
    if (all <= FOLDED) return RF_OK;
    return rf_train_emit(sequence, t->desc.device,
                         &(rf_launch_desc){.kernel = "fold_parts",
                                           .args = {RF_BUF(t->part), RF_I32(all)},
                                           .global = {FOLDED}});
}

rf_status rf_sums_of_squares(int *parts, rf_trainer *t, rf_sequence *sequence) {
    const size_t floats = t->weights->trained_floats;
    rf_launch_desc desc = {.kernel = "sum_squares",
                           .args = {RF_BUF(rf_flat_gradient(t)),
                                    RF_I32(rf_train_vectors(t->desc.device, floats)), RF_BUF(t->part)},
                           .bytes = 4.0 * (double)floats};
    RF_TRY(rf_flat_emit(t, sequence, &desc));
    return rf_sums_fold(parts, t, sequence);
}
