/* A sequence: launches in order, each with its arguments set, to be run repeatedly without waiting. A launch is a
 * kernel on the device, a call of a library that enqueues kernels of its own, or a host function of the reference. */
#ifndef RF_LAUNCH_SEQUENCE_H
#define RF_LAUNCH_SEQUENCE_H

#include "device/device.h"

typedef struct rf_sequence rf_sequence;

/* A kernel with its arguments. */
typedef struct rf_launch_desc {
    const char *program, *kernel, *options; /* kernels/<program>.cl; options may be NULL; copied */
    rf_arg args[RF_MAX_ARGS];               /* ended by RF_ARG_END, that is by zeros */
    size_t global[3], local[3];             /* zeros: 1 */
    double flops, bytes; /* useful work: FLOPs of the direct form; bytes that must move once */
} rf_launch_desc;
/* Adds an argument behind those that are there. */
static inline void rf_launch_add(rf_launch_desc *desc, rf_arg arg) {
    rf_arg *end = desc->args;
    while (end->kind != RF_ARG_END) end++;
    *end = arg;
}

/* A host function over the buffers' contents: `data[i]` is what buffers[i] holds (NULL for NULL). */
typedef void rf_host_fn(const void *context, void *const *data);

rf_status rf_sequence_create(rf_sequence **out, rf_device *device);
void rf_sequence_free(rf_sequence *sequence);
rf_device *rf_sequence_device(const rf_sequence *sequence);

/* Labels the launches that follow ("conv1.forward.conv_tile"): for traces and messages.  Copied; holds a layer's full
 * name (RF_MAX_NAME) and a solver's. */
enum { RF_MAX_LABEL = 320 };
void rf_sequence_label(rf_sequence *sequence, const char *format, ...) RF_PRINTF(2, 3);

/* Whether the kernels that follow take x or y in halves (-DHALF_X, -DHALF_Y), and so have fewer bytes to move. */
void rf_sequence_halves(rf_sequence *sequence, bool x, bool y);

/* A buffer of at least `floats` zeros, which kernels read in the place of what is not there; the sequence owns it. */
rf_status rf_sequence_zeros(rf_sequence *sequence, rf_buffer **out, size_t floats);

/* Appends a kernel, and builds it if needed. */
rf_status rf_emit(rf_sequence *sequence, const rf_launch_desc *desc);
/* Appends a matrix product by the device's library, and compiles its kernels if needed. */
rf_status rf_emit_gemm(rf_sequence *sequence, const rf_gemm *gemm);
enum { RF_MAX_HOST_BUFFERS = 48 };
/* Appends a host call over at most RF_MAX_HOST_BUFFERS buffers; context is copied.  On a device the buffers are mapped
 * for the call. */
rf_status rf_emit_host(rf_sequence *sequence, rf_host_fn *function, const void *context, size_t context_bytes,
                       rf_buffer *const *buffers, size_t buffer_count, double flops, double bytes);

/* Enqueues everything once. */
rf_status rf_sequence_run(rf_sequence *sequence);

/* The time of each launch, kept by rf_sequence_run_profiled (which waits; the device must have profiling on). */
typedef struct rf_launch_profile {
    const char *label, *kernel;
    double flops, bytes; /* of one run */
    double min_ms;       /* duration of the shortest run; 0: none */
    double start_ms;     /* of the last run, on the device's clock */
    double last_ms;      /* duration of the last run */
} rf_launch_profile;
rf_status rf_sequence_run_profiled(rf_sequence *sequence);
size_t rf_sequence_count(const rf_sequence *sequence);
const rf_launch_profile *rf_sequence_profile(const rf_sequence *sequence, size_t index);
/* True if any kernel of the launches from `first` on was built now rather than found in the cache. */
bool rf_sequence_is_new(const rf_sequence *sequence, size_t first);
/* Marks the kernels from `first` on as wrong: later processes build and check them again. */
void rf_sequence_distrust(rf_sequence *sequence, size_t first);
/* Drops the launches from `first` on. */
void rf_sequence_truncate(rf_sequence *sequence, size_t first);

#endif
