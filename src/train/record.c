/* Records of losses: kernels of train.cl, and the same in plain C. */
#include "train/record.h"

#include <math.h>

#include "kernels/common/control.clh"
#include "train/feeder.h"

/* ---- in plain C, for the reference, and for the losses of several ranks ---- */

void rf_record_judge(uint32_t *control, float loss) {
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

static bool add_share(float *sum, uint32_t *control, float loss, const rf_record *r) {
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
    if (control[RF_CONTROL_JUDGED] == RF_JUDGED_TRAINING) rf_record_judge(control, sum);
}

static void observe_reference(const void *context, void *const *data) {
    const float *loss = data[0];
    uint32_t *control = data[1];
    float *observed = data[2], sum;
    if (control[RF_CONTROL_STOP] != 0 || !add_share(&sum, control, loss[0], context)) return;
    observed[control[RF_CONTROL_CURRENT]] = sum;
    if (control[RF_CONTROL_JUDGED] == RF_JUDGED_VALIDATION) rf_record_judge(control, sum);
}

/* ---- launches ---- */

rf_status rf_record_emit(rf_sequence *sequence, rf_buffer *loss, rf_buffer *control, rf_buffer *losses,
                         rf_buffer *rng, const rf_record *record) {
    const rf_device *device = rf_sequence_device(sequence);
    rf_buffer *buffers[] = {loss, control, losses, rng};
    rf_sequence_label(sequence, "record");
    if (rf_train_on_reference(device))
        return rf_emit_host(sequence, record_reference, record, sizeof *record, buffers, RF_COUNT(buffers), 0,
                            0);
    return rf_train_emit(
        sequence, device,
        &(rf_launch_desc){.kernel = "record",
                          .args = {RF_BUF(loss), RF_BUF(control), RF_BUF(losses), RF_BUF(rng),
                                   RF_F32(record->share), RF_I32(record->batches)}});
}

rf_status rf_observe_emit(rf_sequence *sequence, rf_buffer *loss, rf_buffer *control, rf_buffer *observed,
                          const rf_record *record) {
    const rf_device *device = rf_sequence_device(sequence);
    rf_buffer *buffers[] = {loss, control, observed};
    rf_sequence_label(sequence, "observe");
    if (rf_train_on_reference(device))
        return rf_emit_host(sequence, observe_reference, record, sizeof *record, buffers, RF_COUNT(buffers),
                            0, 0);
    return rf_train_emit(sequence, device,
                         &(rf_launch_desc){.kernel = "observe",
                                           .args = {RF_BUF(loss), RF_BUF(control), RF_BUF(observed),
                                                    RF_F32(record->share), RF_I32(record->batches)}});
}
