/* The reference backend: memory of the host, every operation done when its call returns.  It runs no kernels:
 * op/reference.c calls an op's reference functions on the mapped memory. */
#include "device/backend.h"
#include "rangefinder/version.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };

static rf_status find(rf_found_list *list, int platform) {
    (void)platform;
    rf_found found = {.backend = &rf_backend_reference,
                      .info = {.selector = "reference",
                               .name = "reference",
                               .vendor = "Rangefinder",
                               .platform = "plain C on the host",
                               .kind = RF_DEVICE_REFERENCE,
                               .native_vector_width = 1,
                               .vector_width = 1,
                               .max_work_group = 1,
                               .alignment_bytes = ALIGNMENT,
                               .host_memory = true,
                               .fp64 = true}};
    snprintf(found.info.version, sizeof found.info.version, "%s", rf_version());
    found.info.compute_units = rf_cpu_count();
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0)
        found.info.memory_bytes = (size_t)pages * (size_t)page;
    else
        found.info.memory_bytes = PTRDIFF_MAX;
    found.info.max_alloc_bytes = found.info.memory_bytes - ALIGNMENT;
    return rf_found_add(list, &found);
}

static rf_status open_reference(rf_device *device, void *id) {
    (void)device, (void)id;
    return RF_OK;
}

static void close_reference(rf_device *device) {
    (void)device;
}
static rf_status done_already(rf_device *device) {
    return (void)device, RF_OK;
}
static bool drained_already(rf_device *device) {
    return (void)device, true;
}
static rf_status profile(rf_device *device, bool on) {
    return (void)device, (void)on, RF_OK;
}

static rf_status alloc(rf_buffer *buffer) {
    size_t bytes = RF_MAX(buffer->bytes, 4);
    if (bytes <= buffer->device->info.max_alloc_bytes)
        buffer->handle = aligned_alloc(ALIGNMENT, rf_round_up(bytes, ALIGNMENT));
    if (buffer->handle != NULL) return RF_OK;
    return rf_fail(RF_E_MEMORY, "out of memory: %zu MB could not be had on the host", buffer->bytes >> 20);
}

static rf_status region(rf_buffer *buffer) {
    buffer->handle = (char *)buffer->root->handle + buffer->offset;
    return RF_OK;
}

static void release(rf_buffer *buffer) {
    if (buffer->root == NULL) free(buffer->handle);
}

static rf_status write_bytes(rf_buffer *buffer, size_t offset, const void *data, size_t bytes,
                             rf_event *event) {
    (void)event;
    memcpy((char *)buffer->handle + offset, data, bytes);
    return RF_OK;
}

static rf_status read_bytes(rf_buffer *buffer, size_t offset, void *data, size_t bytes, rf_event *event) {
    (void)event;
    memcpy(data, (char *)buffer->handle + offset, bytes);
    return RF_OK;
}

static rf_status copy(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset, size_t bytes) {
    memmove((char *)to->handle + to_offset, (char *)from->handle + from_offset, bytes);
    return RF_OK;
}

static rf_status fill(rf_buffer *buffer, uint32_t pattern) {
    uint32_t *words = buffer->handle;
    for (size_t i = 0; i < buffer->bytes / sizeof pattern; i++) words[i] = pattern;
    return RF_OK;
}

static rf_status map(void **data, rf_buffer *buffer) {
    *data = buffer->handle;
    return RF_OK;
}

static rf_status unmap(rf_buffer *buffer, void *data) {
    return (void)buffer, (void)data, RF_OK;
}

static rf_status kernel_create(rf_kernel *kernel, const char *program, const char *options) {
    (void)options;
    return rf_fail(RF_E_DEVICE, "kernel %s of %s.cl: the reference runs no kernels", kernel->name, program);
}

/* There is no kernel and no event with a handle, so that the rest of the table is never called. */
const rf_backend rf_backend_reference = {
    .name = "reference",
    .find = find,
    .open = open_reference,
    .close = close_reference,
    .sync = done_already,
    .drain = drained_already,
    .flush = done_already,
    .profile = profile,
    .alloc = alloc,
    .region = region,
    .release = release,
    .write = write_bytes,
    .read = read_bytes,
    .copy = copy,
    .fill = fill,
    .map = map,
    .unmap = unmap,
    .kernel_create = kernel_create,
};
