/* The device layer's front: checks what can be checked without knowing the backend, and keeps the quarantine
 * list. */
#include <stdlib.h>
#include <string.h>

#include "device/backend.h"

void rf_device_close(rf_device *device) {
    if (device == NULL) return;
    if (device->backend != NULL) device->backend->close(device);
    free(device->quarantine);
    free(device);
}

const rf_device_info *rf_device_describe(const rf_device *device) {
    return &device->info;
}
const char *rf_device_reason(const rf_device *device) {
    return device->reason;
}

/* ---- buffers ---- */

rf_status rf_buffer_create(rf_buffer **out, rf_device *device, size_t bytes) {
    *out = NULL;
    rf_buffer *buffer = rf_alloc(1, sizeof *buffer);
    if (buffer == NULL) return RF_E_MEMORY;
    *buffer = (rf_buffer){.device = device, .bytes = RF_MAX(bytes, 4)};
    rf_status status = device->backend->alloc(buffer);
    if (status != RF_OK) {
        free(buffer);
        return status;
    }
    *out = buffer;
    return RF_OK;
}

rf_status rf_buffer_region(rf_buffer **out, rf_buffer *parent, size_t offset, size_t bytes) {
    *out = NULL;
    bytes = RF_MAX(bytes, 4);
    if (offset > parent->bytes || bytes > parent->bytes - offset ||
        offset % parent->device->info.alignment_bytes != 0)
        return rf_fail(RF_E_USAGE,
                       "a region of %zu bytes at %zu does not fit a buffer of %zu, or is not aligned to %zu",
                       bytes, offset, parent->bytes, parent->device->info.alignment_bytes);
    rf_buffer *buffer = rf_alloc(1, sizeof *buffer);
    if (buffer == NULL) return RF_E_MEMORY;
    *buffer = (rf_buffer){.device = parent->device, .parent = parent, .bytes = bytes};
    rf_status status = parent->device->backend->region(buffer, offset);
    if (status != RF_OK) {
        free(buffer);
        return status;
    }
    *out = buffer;
    return RF_OK;
}

void rf_buffer_free(rf_buffer *buffer) {
    if (buffer == NULL) return;
    buffer->device->backend->release(buffer);
    free(buffer);
}

size_t rf_buffer_bytes(const rf_buffer *buffer) {
    return buffer->bytes;
}

static rf_status check_span(const rf_buffer *buffer, size_t offset, size_t bytes) {
    if (offset <= buffer->bytes && bytes <= buffer->bytes - offset) return RF_OK;
    return rf_fail(RF_E_USAGE, "%zu bytes at %zu lie outside a buffer of %zu", bytes, offset, buffer->bytes);
}

rf_status rf_buffer_write(rf_buffer *buffer, size_t offset, const void *data, size_t bytes) {
    RF_TRY(check_span(buffer, offset, bytes));
    return bytes == 0 ? RF_OK : buffer->device->backend->write(buffer, offset, data, bytes, NULL);
}

rf_status rf_buffer_read(rf_buffer *buffer, size_t offset, void *data, size_t bytes) {
    RF_TRY(check_span(buffer, offset, bytes));
    return bytes == 0 ? RF_OK : buffer->device->backend->read(buffer, offset, data, bytes, NULL);
}

rf_status rf_buffer_copy(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset, size_t bytes) {
    RF_TRY(check_span(to, to_offset, bytes));
    RF_TRY(check_span(from, from_offset, bytes));
    return bytes == 0 ? RF_OK : to->device->backend->copy(to, to_offset, from, from_offset, bytes);
}

rf_status rf_buffer_fill(rf_buffer *buffer, uint32_t pattern) {
    return buffer->device->backend->fill(buffer, pattern);
}
rf_status rf_buffer_map(void **data, rf_buffer *buffer) {
    return buffer->device->backend->map(data, buffer);
}
rf_status rf_buffer_unmap(rf_buffer *buffer, void *data) {
    return buffer->device->backend->unmap(buffer, data);
}

/* ---- events ---- */

static rf_event *new_event(rf_device *device) {
    rf_event *event = rf_alloc(1, sizeof *event);
    if (event != NULL) event->device = device;
    return event;
}

/* Hands the event out if what began it succeeded. */
static rf_status hand_out(rf_event **out, rf_event *event, rf_status status) {
    *out = status == RF_OK ? event : NULL;
    if (status != RF_OK) free(event);
    return status;
}

rf_status rf_buffer_read_begin(rf_event **out, rf_buffer *buffer, size_t offset, void *data, size_t bytes) {
    *out = NULL;
    RF_TRY(check_span(buffer, offset, bytes));
    rf_event *event = new_event(buffer->device);
    if (event == NULL) return RF_E_MEMORY;
    return hand_out(out, event, buffer->device->backend->read(buffer, offset, data, bytes, event));
}

rf_status rf_buffer_write_begin(rf_event **out, rf_buffer *buffer, size_t offset, const void *data,
                                size_t bytes) {
    *out = NULL;
    RF_TRY(check_span(buffer, offset, bytes));
    rf_event *event = new_event(buffer->device);
    if (event == NULL) return RF_E_MEMORY;
    return hand_out(out, event, buffer->device->backend->write(buffer, offset, data, bytes, event));
}

bool rf_event_done(rf_event *event) {
    return event->device->backend->event_done(event);
}
rf_status rf_event_wait(rf_event *event) {
    return event->device->backend->event_wait(event);
}
rf_status rf_event_times(rf_event *event, uint64_t *start_ns, uint64_t *end_ns) {
    return event->device->backend->event_times(event, start_ns, end_ns);
}
void rf_event_free(rf_event *event) {
    if (event == NULL) return;
    event->device->backend->event_free(event);
    free(event);
}

/* ---- kernels ---- */

rf_status rf_kernel_create(rf_kernel **out, rf_device *device, const char *program, const char *name,
                           const char *options) {
    *out = NULL;
    rf_kernel *kernel = rf_alloc(1, sizeof *kernel);
    if (kernel == NULL) return RF_E_MEMORY;
    kernel->device = device;
    rf_status status = device->backend->kernel(kernel, program, name, options != NULL ? options : "");
    if (status != RF_OK) {
        free(kernel);
        return status;
    }
    *out = kernel;
    return RF_OK;
}

void rf_kernel_free(rf_kernel *kernel) {
    if (kernel == NULL) return;
    kernel->device->backend->kernel_free(kernel);
    free(kernel);
}

bool rf_kernel_is_new(const rf_kernel *kernel) {
    return kernel->is_new;
}
size_t rf_kernel_max_group(const rf_kernel *kernel) {
    return kernel->max_group;
}

rf_status rf_kernel_set_args(rf_kernel *kernel, const rf_arg *args) {
    return kernel->device->backend->set_args(kernel, args);
}

rf_status rf_kernel_launch(rf_kernel *kernel, const size_t global[3], const size_t local[3],
                           rf_event **event) {
    size_t items = 1, size[3], group[3];
    for (int i = 0; i < 3; i++) {
        size[i] = RF_MAX(global[i], 1);
        group[i] = RF_MAX(local[i], 1);
        items *= group[i];
        if (size[i] % group[i] != 0)
            return rf_fail(RF_E_USAGE, "global size %zu is no multiple of the local size %zu", size[i],
                           group[i]);
    }
    if (items > kernel->max_group)
        return rf_fail(RF_E_DEVICE, "work-groups of %zu items; the device takes %zu for this kernel", items,
                       kernel->max_group);
    if (event == NULL) return kernel->device->backend->launch(kernel, size, group, NULL);
    rf_event *new = new_event(kernel->device);
    if (new == NULL) return RF_E_MEMORY;
    return hand_out(event, new, kernel->device->backend->launch(kernel, size, group, new));
}

rf_status rf_device_sync(rf_device *device) {
    return device->backend->sync(device);
}
rf_status rf_device_flush(rf_device *device) {
    return device->backend->flush(device);
}
rf_status rf_device_profile(rf_device *device, bool on) {
    return device->backend->profile(device, on);
}

/* ---- quarantine ---- */

void rf_device_quarantine(rf_device *device, const char *op, const char *reason) {
    for (size_t i = 0; i < device->quarantine_count; i++)
        if (strcmp(device->quarantine[i].op, op) == 0) return;
    rf_quarantine *grown = rf_resize(device->quarantine, device->quarantine_count + 1, sizeof *grown);
    if (grown == NULL) return;
    device->quarantine = grown;
    rf_quarantine *entry = &grown[device->quarantine_count++];
    snprintf(entry->op, sizeof entry->op, "%s", op);
    snprintf(entry->reason, sizeof entry->reason, "%s", reason);
}

bool rf_device_is_quarantined(const rf_device *device, const char *op, const char *direction) {
    char both[sizeof device->quarantine->op];
    snprintf(both, sizeof both, "%s.%s", op, direction);
    for (size_t i = 0; i < device->quarantine_count; i++)
        if (strcmp(device->quarantine[i].op, op) == 0 || strcmp(device->quarantine[i].op, both) == 0)
            return true;
    return false;
}

size_t rf_device_quarantined(const rf_device *device, const rf_quarantine **list) {
    *list = device->quarantine;
    return device->quarantine_count;
}
