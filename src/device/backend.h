/* A backend: the code behind a device.  device.c checks and counts; a backend only does. */
#ifndef RF_DEVICE_BACKEND_H
#define RF_DEVICE_BACKEND_H

#include "device/device.h"

typedef struct rf_backend {
    void (*close)(rf_device *device);
    rf_status (*alloc)(rf_buffer *buffer);                 /* by buffer->bytes */
    rf_status (*region)(rf_buffer *buffer, size_t offset); /* of buffer->parent */
    void (*release)(rf_buffer *buffer);
    /* event NULL: returns when done; else when begun. */
    rf_status (*write)(rf_buffer *buffer, size_t offset, const void *data, size_t bytes, rf_event *event);
    rf_status (*read)(rf_buffer *buffer, size_t offset, void *data, size_t bytes, rf_event *event);
    rf_status (*copy)(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset, size_t bytes);
    rf_status (*fill)(rf_buffer *buffer, uint32_t pattern);
    rf_status (*map)(void **data, rf_buffer *buffer);
    rf_status (*unmap)(rf_buffer *buffer, void *data);
    rf_status (*kernel)(rf_kernel *kernel, const char *program, const char *name, const char *options);
    void (*kernel_free)(rf_kernel *kernel);
    rf_status (*set_args)(rf_kernel *kernel, const rf_arg *args);
    rf_status (*launch)(rf_kernel *kernel, const size_t global[3], const size_t local[3], rf_event *event);
    rf_status (*sync)(rf_device *device);
    rf_status (*flush)(rf_device *device);
    rf_status (*profile)(rf_device *device, bool on);
    bool (*event_done)(rf_event *event);
    rf_status (*event_wait)(rf_event *event);
    rf_status (*event_times)(rf_event *event, uint64_t *start_ns, uint64_t *end_ns);
    void (*event_free)(rf_event *event);
} rf_backend;

struct rf_device {
    const rf_backend *backend;
    rf_device_info info;
    char reason[256];
    rf_quarantine *quarantine;
    size_t quarantine_count;
    void *state; /* the backend's */
};

struct rf_buffer {
    rf_device *device; /* borrowed */
    rf_buffer *parent; /* borrowed; NULL: owns its memory */
    size_t bytes;
    void *memory; /* the backend's */
};

struct rf_kernel {
    rf_device *device;
    bool is_new;
    size_t max_group;
    void *handle;
};

struct rf_event {
    rf_device *device;
    void *handle;
};

/* A device found but not opened. */
typedef struct rf_candidate {
    rf_device_info info;
    void *platform, *id; /* the backend's */
} rf_candidate;

extern const rf_backend rf_backend_reference, rf_backend_opencl;
void rf_reference_describe(rf_device_info *info);
/* Every OpenCL device; `only_platform` >= 0 looks at that platform alone. free() *out. */
rf_status rf_opencl_enumerate(rf_candidate **out, size_t *count, int only_platform);
rf_status rf_opencl_open(rf_device *device, const rf_candidate *candidate);

/* program.c: the kernel sources. *text with #include "x.clh" resolved; owned by the caller. */
rf_status rf_program_source(char **text, const char *program);

#endif
