/* Measuring a device's limits with kernels/peak.cl: the best of several runs. */
#include "tune/peak.h"

#include "launch/sequence.h"
#include "op/family.h"

enum { RUNS = 12, STREAM_BYTES = 64 << 20 };

static rf_status best_ms(double *best, rf_device *device, rf_sequence *sequence) {
    *best = 1e30;
    for (int i = 0; i < RUNS; i++) {
        double start = rf_time_ms();
        RF_TRY(rf_sequence_run(sequence));
        RF_TRY(rf_device_sync(device));
        *best = RF_MIN(*best, rf_time_ms() - start);
    }
    return RF_OK;
}

static rf_status measure_flops(rf_peak *peak, rf_device *device, rf_buffer *buffer) {
    const rf_device_info *info = rf_device_describe(device);
    bool cpu = info->kind == RF_DEVICE_CPU;
    int vec = cpu ? rf_family_vector(RF_TILE, info) : 4;
    size_t local = cpu ? 1 : RF_MIN(256, info->max_work_group);
    size_t items = (size_t)info->compute_units * (cpu ? 1 : 16 * local);
    int rounds = cpu ? 1 << 20 : 1 << 12;
    char options[32];
    rf_sequence *sequence = NULL;
    double ms = 0;
    snprintf(options, sizeof options, "-DVEC=%d", vec);
    RF_TRY(rf_sequence_create(&sequence, device));
    rf_status status = rf_emit(
        sequence, &(rf_launch_desc){.program = "peak",
                                    .kernel = "fma_peak",
                                    .options = options,
                                    .args = {RF_BUF(buffer), RF_F32(0.5), RF_F32(0.25), RF_I32(rounds)},
                                    .global = {items},
                                    .local = {local}});
    if (status == RF_OK) status = best_ms(&ms, device, sequence);
    if (status == RF_OK)
        peak->gflops = RF_MAX(peak->gflops, 2.0 * 10 * vec * rounds * (double)items / ms * 1e-6);
    rf_sequence_free(sequence);
    return status;
}

static rf_status measure_bandwidth(rf_peak *peak, rf_device *device, rf_buffer *from, rf_buffer *to) {
    const rf_device_info *info = rf_device_describe(device);
    bool cpu = info->kind == RF_DEVICE_CPU;
    int count = STREAM_BYTES / 16;
    size_t local = cpu ? 1 : RF_MIN(256, info->max_work_group);
    size_t items = (size_t)info->compute_units * (cpu ? 8 : 32 * local);
    rf_sequence *sequence = NULL;
    double ms = 0;
    RF_TRY(rf_sequence_create(&sequence, device));
    rf_status status =
        rf_emit(sequence, &(rf_launch_desc){.program = "peak",
                                            .kernel = "stream",
                                            .args = {RF_BUF(from), RF_BUF(to), RF_F32(2), RF_I32(count),
                                                     RF_I32(cpu ? rf_ceil_div((size_t)count, items) : 0)},
                                            .global = {items},
                                            .local = {local}});
    if (status == RF_OK) status = best_ms(&ms, device, sequence);
    if (status == RF_OK) peak->gbs = RF_MAX(peak->gbs, 2.0 * STREAM_BYTES / ms * 1e-6);
    rf_sequence_free(sequence);
    return status;
}

rf_status rf_peak_measure(rf_peak *peak, rf_device *device) {
    rf_buffer *from = NULL, *to = NULL;
    if (rf_device_describe(device)->kind == RF_DEVICE_REFERENCE) return RF_OK;
    rf_status status = rf_buffer_create_zeroed(&from, device, STREAM_BYTES);
    if (status == RF_OK) status = rf_buffer_create_zeroed(&to, device, STREAM_BYTES);
    if (status == RF_OK) status = measure_flops(peak, device, to);
    if (status == RF_OK) status = measure_bandwidth(peak, device, from, to);
    rf_buffer_free(from);
    rf_buffer_free(to);
    return status;
}
