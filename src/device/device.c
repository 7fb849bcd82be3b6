/* The device layer's entry points: they check arguments, call the backend, and keep the quarantine list.
 * Which device is opened is decided in select.c. */
#include "device/backend.h"
#include "device/opencl/pocl.h"

#include <stdlib.h>
#include <string.h>

/* ---- the device ---- */

void rf_device_close(rf_device *device) {
    if (device == NULL) return;
    if (device->handle != NULL) device->backend->close(device);
    free(device->quarantined);
    free(device);
}

const rf_device_info *rf_device_describe(const rf_device *device) {
    return &device->info;
}
const char *rf_device_reason(const rf_device *device) {
    return device->reason;
}
const char *rf_device_warning(const rf_device *device) {
    return rf_is_pocl(&device->info) ? rf_pocl_warning() : "";
}
rf_status rf_device_sync(rf_device *device) {
    return device->backend->sync(device);
}
bool rf_device_drain(rf_device *device) {
    return device->backend->drain(device);
}
void rf_device_free_host(rf_device *device, void *memory) {
    if (memory != NULL && rf_device_drain(device)) free(memory);
}
rf_status rf_device_flush(rf_device *device) {
    return device->backend->flush(device);
}
rf_status rf_device_profile(rf_device *device, bool on) {
    return device->backend->profile(device, on);
}

void rf_device_on_compile(rf_device *device, void (*call)(void *context), void *context) {
    device->on_compile = call;
    device->on_compile_context = context;
}

void rf_device_on_notice(rf_device *device, void (*call)(void *context, const char *text), void *context) {
    device->on_notice = call;
    device->on_notice_context = context;
}

void rf_device_compile_ahead(rf_device *device) {
    device->ahead = true;
}

/* ---- the quarantine ---- */

static rf_quarantine *quarantined(const rf_device *device, const char *op, size_t length) {
    for (size_t i = 0; i < device->quarantined_count; i++) {
        rf_quarantine *q = &device->quarantined[i];
        if (strlen(q->op) == length && memcmp(q->op, op, length) == 0) return q;
    }
    return NULL;
}

void rf_device_quarantine(rf_device *device, const char *op, const char *reason) {
    rf_quarantine entry = {0};
    snprintf(entry.op, sizeof entry.op, "%s", op);
    snprintf(entry.reason, sizeof entry.reason, "%s", reason);
    if (entry.op[0] == '\0' || quarantined(device, entry.op, strlen(entry.op)) != NULL) return;
    rf_quarantine *grown = rf_resize(device->quarantined, device->quarantined_count + 1, sizeof *grown);
    if (grown == NULL) return;
    device->quarantined = grown;
    grown[device->quarantined_count++] = entry;
    if (device->on_notice == NULL) return;
    char text[RF_QUARANTINE_TEXT];
    device->on_notice(device->on_notice_context, rf_quarantine_text(text, &entry));
}

const char *rf_quarantine_text(char text[RF_QUARANTINE_TEXT], const rf_quarantine *entry) {
    snprintf(text, RF_QUARANTINE_TEXT, "%s is left out: %s", entry->op, entry->reason);
    return text;
}

bool rf_device_is_quarantined(const rf_device *device, const char *op, const char *direction) {
    char both[sizeof((rf_quarantine *)0)->op];
    snprintf(both, sizeof both, "%s.%s", op, direction);
    return quarantined(device, op, strlen(op)) != NULL || quarantined(device, both, strlen(both)) != NULL;
}

size_t rf_device_quarantined(const rf_device *device, const rf_quarantine **list) {
    *list = device->quarantined;
    return device->quarantined_count;
}

/* ---- memory ---- */

static rf_status new_buffer(rf_buffer **out, rf_device *device, rf_buffer *root, size_t offset,
                            size_t bytes) {
    *out = NULL;
    rf_buffer *buffer = rf_alloc(1, sizeof *buffer);
    if (buffer == NULL) return RF_E_MEMORY;
    *buffer = (rf_buffer){.device = device, .root = root, .offset = offset, .bytes = bytes};
    rf_status status = (root != NULL ? device->backend->region : device->backend->alloc)(buffer);
    if (status == RF_OK)
        *out = buffer;
    else
        free(buffer);
    return status;
}

static rf_status check_range(const rf_buffer *buffer, size_t offset, size_t bytes, const char *what) {
    if (offset <= buffer->bytes && bytes <= buffer->bytes - offset) return RF_OK;
    return rf_fail(RF_E_SHAPE, "%s of %zu bytes at %zu leaves a buffer of %zu bytes", what, bytes, offset,
                   buffer->bytes);
}

rf_status rf_buffer_create(rf_buffer **out, rf_device *device, size_t bytes) {
    return new_buffer(out, device, NULL, 0, bytes);
}

/* A region of a region becomes a region of the whole: OpenCL knows no other. */
rf_status rf_buffer_region(rf_buffer **out, rf_buffer *parent, size_t offset, size_t bytes) {
    *out = NULL;
    RF_TRY(check_range(parent, offset, bytes, "a region"));
    rf_device *device = parent->device;
    rf_buffer *root = parent->root != NULL ? parent->root : parent;
    size_t start = parent->offset + offset, step = device->info.alignment_bytes;
    if (start % step != 0)
        return rf_fail(RF_E_SHAPE, "a region at byte %zu does not start at a multiple of %zu", start, step);
    return new_buffer(out, device, root, start, bytes);
}

void rf_buffer_free(rf_buffer *buffer) {
    if (buffer == NULL) return;
    buffer->device->backend->release(buffer);
    free(buffer);
}

size_t rf_buffer_bytes(const rf_buffer *buffer) {
    return buffer->bytes;
}

rf_status rf_buffer_write(rf_buffer *buffer, size_t offset, const void *data, size_t bytes) {
    RF_TRY(check_range(buffer, offset, bytes, "a write"));
    return bytes == 0 ? RF_OK : buffer->device->backend->write(buffer, offset, data, bytes, NULL);
}

rf_status rf_buffer_read(rf_buffer *buffer, size_t offset, void *data, size_t bytes) {
    RF_TRY(check_range(buffer, offset, bytes, "a read"));
    return bytes == 0 ? RF_OK : buffer->device->backend->read(buffer, offset, data, bytes, NULL);
}

rf_status rf_buffer_copy(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset, size_t bytes) {
    RF_TRY(check_range(to, to_offset, bytes, "a copy"));
    RF_TRY(check_range(from, from_offset, bytes, "a copy"));
    return bytes == 0 ? RF_OK : to->device->backend->copy(to, to_offset, from, from_offset, bytes);
}

rf_status rf_buffer_fill(rf_buffer *buffer, uint32_t pattern) {
    if (buffer->bytes % sizeof pattern != 0)
        return rf_fail(RF_E_SHAPE, "a buffer of %zu bytes cannot be filled by words of 4", buffer->bytes);
    return buffer->bytes == 0 ? RF_OK : buffer->device->backend->fill(buffer, pattern);
}

rf_status rf_buffer_create_zeroed(rf_buffer **out, rf_device *device, size_t bytes) {
    RF_TRY(rf_buffer_create(out, device, bytes));
    return rf_buffer_fill(*out, 0);
}

rf_status rf_buffer_map(void **data, rf_buffer *buffer) {
    *data = NULL;
    return buffer->device->backend->map(data, buffer);
}

rf_status rf_buffer_unmap(rf_buffer *buffer, void *data) {
    return data == NULL ? RF_OK : buffer->device->backend->unmap(buffer, data);
}

/* ---- events: an event without a handle is done ---- */

static rf_event *new_event(rf_device *device) {
    rf_event *event = rf_alloc(1, sizeof *event);
    if (event != NULL) event->device = device;
    return event;
}

/* Returns the event to the caller, or frees it after a failure. */
static rf_status give_event(rf_event **out, rf_event *event, rf_status status) {
    if (status == RF_OK)
        *out = event;
    else
        free(event);
    return status;
}

rf_status rf_buffer_read_begin(rf_event **out, rf_buffer *buffer, size_t offset, void *data, size_t bytes) {
    *out = NULL;
    RF_TRY(check_range(buffer, offset, bytes, "a read"));
    rf_event *event = new_event(buffer->device);
    if (event == NULL) return RF_E_MEMORY;
    return give_event(out, event,
                      bytes == 0 ? RF_OK : buffer->device->backend->read(buffer, offset, data, bytes, event));
}

rf_status rf_buffer_write_begin(rf_event **out, rf_buffer *buffer, size_t offset, const void *data,
                                size_t bytes) {
    *out = NULL;
    RF_TRY(check_range(buffer, offset, bytes, "a write"));
    rf_event *event = new_event(buffer->device);
    if (event == NULL) return RF_E_MEMORY;
    return give_event(
        out, event, bytes == 0 ? RF_OK : buffer->device->backend->write(buffer, offset, data, bytes, event));
}

rf_status rf_event_wait(rf_event *event) {
    return event == NULL || event->handle == NULL ? RF_OK : event->device->backend->event_wait(event);
}

rf_status rf_event_times(rf_event *event, uint64_t *start_ns, uint64_t *end_ns) {
    *start_ns = *end_ns = 0;
    return event->handle == NULL ? RF_OK : event->device->backend->event_times(event, start_ns, end_ns);
}

void rf_event_free(rf_event *event) {
    if (event == NULL) return;
    if (event->handle != NULL) event->device->backend->event_free(event);
    free(event);
}

/* ---- kernels ---- */

rf_status rf_kernel_create(rf_kernel **out, rf_device *device, const char *program, const char *name,
                           const char *options) {
    *out = NULL;
    rf_kernel *kernel = rf_alloc(1, sizeof *kernel);
    if (kernel == NULL) return RF_E_MEMORY;
    kernel->device = device;
    snprintf(kernel->name, sizeof kernel->name, "%s", name);
    rf_status status = device->backend->kernel_create(kernel, program, options != NULL ? options : "");
    if (status == RF_OK)
        *out = kernel;
    else
        free(kernel);
    return status;
}

void rf_kernel_free(rf_kernel *kernel) {
    if (kernel == NULL) return;
    kernel->device->backend->kernel_free(kernel);
    free(kernel);
}

bool rf_kernel_is_new(const rf_kernel *kernel) {
    return kernel->is_new;
}

void rf_kernel_distrust(rf_kernel *kernel) {
    kernel->device->backend->kernel_distrust(kernel);
}

size_t rf_kernel_max_group(const rf_kernel *kernel) {
    return kernel->max_group != 0 ? kernel->max_group : kernel->device->backend->kernel_max_group(kernel);
}

rf_status rf_kernel_set_args(rf_kernel *kernel, const rf_arg *args) {
    return kernel->device->backend->set_args(kernel, args);
}

static rf_status check_group(rf_kernel *kernel, const size_t global[3], const size_t local[3]) {
    size_t items = local[0] * local[1] * local[2];
    for (int i = 0; i < 3; i++)
        if (global[i] % local[i] != 0)
            return rf_fail(RF_E_SHAPE, "kernel %s: %zu work-items do not divide into groups of %zu",
                           kernel->name, global[i], local[i]);
    if (items == 1) return RF_OK;
    if (kernel->max_group == 0 && (kernel->max_group = rf_kernel_max_group(kernel)) == 0) return RF_E_DEVICE;
    if (items <= kernel->max_group) return RF_OK;
    return rf_fail(RF_E_DEVICE, "kernel %s: a group of %zu work-items is more than the %zu that %s allows it",
                   kernel->name, items, kernel->max_group, kernel->device->info.name);
}

rf_status rf_kernel_launch(rf_kernel *kernel, const size_t global[3], const size_t local[3],
                           rf_event **event) {
    rf_device *device = kernel->device;
    size_t g[3], l[3];
    if (event != NULL) *event = NULL;
    for (int i = 0; i < 3; i++) {
        g[i] = RF_MAX(global[i], 1);
        l[i] = local != NULL ? RF_MAX(local[i], 1) : 1;
    }
    RF_TRY(check_group(kernel, g, l));
    if (event == NULL) return device->backend->launch(kernel, g, l, NULL);
    rf_event *marker = new_event(device);
    if (marker == NULL) return RF_E_MEMORY;
    return give_event(event, marker, device->backend->launch(kernel, g, l, marker));
}

/* ---- matrix products ---- */

const char *rf_gemm_library(void) {
    return rf_backend_opencl.gemm != NULL ? rf_backend_opencl.gemm->library : NULL;
}

bool rf_gemm_is_there(const rf_device *device) {
    return device != NULL && device->backend->gemm != NULL;
}

size_t rf_gemm_work(const rf_device *device, const rf_gemm *gemm) {
    return device->backend->gemm->work(device, gemm);
}

rf_status rf_gemm_compile(rf_device *device, bool *is_new) {
    return device->backend->gemm->compile(device, is_new);
}

void rf_gemm_distrust(rf_device *device) {
    device->backend->gemm->distrust(device);
}

rf_status rf_gemm_run(rf_device *device, const rf_gemm *gemm, rf_event **event) {
    if (event == NULL) return device->backend->gemm->run(device, gemm, NULL);
    *event = NULL;
    rf_event *marker = new_event(device);
    if (marker == NULL) return RF_E_MEMORY;
    return give_event(event, marker, device->backend->gemm->run(device, gemm, marker));
}
