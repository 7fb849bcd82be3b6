/* Loss scaling, where maps are stored in halves: gradients below 6e-8 would be lost there, and many are.  The loss, and with it
 * every gradient, is multiplied by a power of two, and the gradients of the parameters divided by it before they are
 * used.  A step whose gradients are not finite updates nothing, and halves the scale; after GROWTH steps without one it is
 * doubled: torch.amp.GradScaler's rule and numbers. */
#include "train/trainer.h"

/* Its state; the kernels have the same order. */
typedef struct scaling {
    float scale, steps; /* since it last changed */
} scaling;

#define FIRST_SCALE 65536.0f

rf_status rf_loss_scale_create(rf_trainer *t) {
    const scaling first = {.scale = FIRST_SCALE};
    if (!t->desc.half) return RF_OK;
    RF_TRY(rf_buffer_create(&t->scaling, t->desc.device, sizeof first));
    return rf_buffer_write(t->scaling, 0, &first, sizeof first);
}

rf_status rf_loss_scale_begin(rf_trainer *t, rf_sequence *sequence) {
    rf_launch_desc desc = {
        .kernel = "scale_loss",
        .args = {RF_BUF(t->scaling), RF_BUF(rf_plan_loss_gradient(t->plan)), RF_F32(rf_trainer_share(t))}};
    if (t->scaling == NULL) return RF_OK;
    rf_sequence_label(sequence, "loss_scale");
    return rf_train_emit(sequence, t->desc.device, &desc);
}

rf_status rf_loss_scale_end(rf_trainer *t, rf_sequence *sequence) {
    int parts;
    if (t->scaling == NULL) return RF_OK;
    rf_sequence_label(sequence, "loss_scale");
    RF_TRY(rf_sums_of_squares(&parts, t, sequence));
    rf_launch_desc check = {.kernel = "scale_check",
                            .args = {RF_BUF(t->part), RF_I32(parts), RF_BUF(t->scaling), RF_BUF(t->control)}};
    RF_TRY(rf_train_emit(sequence, t->desc.device, &check));
    return rf_flat_scale(t, sequence);
}
