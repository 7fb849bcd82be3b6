/* The reference: the host's own memory.  It has no kernels; the floors above run their C functions on it. */
#include <stdlib.h>
#include <string.h>

#include "device/backend.h"

void rf_reference_describe(rf_device_info *info) {
    *info = (rf_device_info){.selector = "reference",
                             .name = "reference",
                             .vendor = "Rangefinder",
                             .platform = "plain C",
                             .kind = RF_DEVICE_REFERENCE,
                             .compute_units = rf_cpu_count(),
                             .vector_width = 1,
                             .max_work_group = 1,
                             .alignment_bytes = 64,
                             .host_memory = true,
                             .fp64 = true};
    snprintf(info->version, sizeof info->version, "%s", rf_version());
}

static void reference_close(rf_device *device) {
    (void)device;
}

static rf_status reference_alloc(rf_buffer *buffer) {
    buffer->memory = buffer->bytes < PTRDIFF_MAX ? aligned_alloc(64, rf_round_up(buffer->bytes, 64)) : NULL;
    return buffer->memory != NULL
               ? RF_OK
               : rf_fail(RF_E_MEMORY, "out of memory: %zu MB could not be had", buffer->bytes >> 20);
}

static rf_status reference_region(rf_buffer *buffer, size_t offset) {
    buffer->memory = (char *)buffer->parent->memory + offset;
    return RF_OK;
}

static void reference_release(rf_buffer *buffer) {
    if (buffer->parent == NULL) free(buffer->memory);
}

static rf_status reference_write(rf_buffer *buffer, size_t offset, const void *data, size_t bytes,
                                 rf_event *event) {
    (void)event;
    memcpy((char *)buffer->memory + offset, data, bytes);
    return RF_OK;
}

static rf_status reference_read(rf_buffer *buffer, size_t offset, void *data, size_t bytes, rf_event *event) {
    (void)event;
    memcpy(data, (char *)buffer->memory + offset, bytes);
    return RF_OK;
}

static rf_status reference_copy(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset,
                                size_t bytes) {
    memmove((char *)to->memory + to_offset, (char *)from->memory + from_offset, bytes);
    return RF_OK;
}

static rf_status reference_fill(rf_buffer *buffer, uint32_t pattern) {
    for (size_t i = 0; i < buffer->bytes / sizeof pattern; i++) ((uint32_t *)buffer->memory)[i] = pattern;
    return RF_OK;
}

static rf_status reference_map(void **data, rf_buffer *buffer) {
    *data = buffer->memory;
    return RF_OK;
}

static rf_status reference_unmap(rf_buffer *buffer, void *data) {
    (void)buffer, (void)data;
    return RF_OK;
}

static rf_status reference_kernel(rf_kernel *kernel, const char *program, const char *name,
                                  const char *options) {
    (void)kernel, (void)options;
    return rf_fail(RF_E_DEVICE, "the reference runs no kernels (%s.cl: %s)", program, name);
}

static void reference_kernel_free(rf_kernel *kernel) {
    (void)kernel;
}

static rf_status reference_set_args(rf_kernel *kernel, const rf_arg *args) {
    (void)kernel, (void)args;
    return RF_E_DEVICE;
}

static rf_status reference_launch(rf_kernel *kernel, const size_t global[3], const size_t local[3],
                                  rf_event *event) {
    (void)kernel, (void)global, (void)local, (void)event;
    return RF_E_DEVICE;
}

static rf_status reference_done(rf_device *device) {
    (void)device;
    return RF_OK;
}

static rf_status reference_profile(rf_device *device, bool on) {
    (void)device, (void)on;
    return RF_OK;
}

static bool reference_event_done(rf_event *event) {
    return event != NULL;
}

static rf_status reference_event_wait(rf_event *event) {
    (void)event;
    return RF_OK;
}

static rf_status reference_event_times(rf_event *event, uint64_t *start_ns, uint64_t *end_ns) {
    (void)event;
    *start_ns = *end_ns = 0;
    return RF_OK;
}

static void reference_event_free(rf_event *event) {
    (void)event;
}

const rf_backend rf_backend_reference = {.close = reference_close,
                                         .alloc = reference_alloc,
                                         .region = reference_region,
                                         .release = reference_release,
                                         .write = reference_write,
                                         .read = reference_read,
                                         .copy = reference_copy,
                                         .fill = reference_fill,
                                         .map = reference_map,
                                         .unmap = reference_unmap,
                                         .kernel = reference_kernel,
                                         .kernel_free = reference_kernel_free,
                                         .set_args = reference_set_args,
                                         .launch = reference_launch,
                                         .sync = reference_done,
                                         .flush = reference_done,
                                         .profile = reference_profile,
                                         .event_done = reference_event_done,
                                         .event_wait = reference_event_wait,
                                         .event_times = reference_event_times,
                                         .event_free = reference_event_free};
