/* What a backend is: the table behind the device layer, and the objects that it fills in.
 * device.c checks ranges and owns the objects; a backend keeps its own state in their `handle`.
 */
#ifndef RF_DEVICE_BACKEND_H
#define RF_DEVICE_BACKEND_H

#include "device/device.h"

typedef struct rf_backend rf_backend;

/* A device that is present but not open. */
typedef struct rf_found {
    const rf_backend *backend;
    void *id; /* the backend's identifier */
    rf_device_info info;
} rf_found;

typedef struct rf_found_list {
    rf_found *items; /* owned */
    size_t count;
    char trouble[1024]; /* the first failure that hid a platform or device; or "" */
    bool idle_rusticl;  /* Mesa's rusticl is installed but has no device */
} rf_found_list;
rf_status rf_found_add(rf_found_list *list, const rf_found *found); /* found.c */
/* What to install for a GPU that no platform shows; NULL: there is none, or no memory.  root: "", or a folder that
 * stands for /.  The caller owns it. */
char *rf_missing_driver(const rf_found_list *list, const char *root); /* drivers.c */

struct rf_device {
    const rf_backend *backend;
    void *handle;
    rf_device_info info;
    char reason[1600];
    rf_quarantine *quarantined; /* owned */
    size_t quarantined_count;
    void (*on_compile)(void *context); /* NULL: not asked for, or done */
    void *on_compile_context;
    void (*on_notice)(void *context, const char *text); /* NULL: not asked for */
    void *on_notice_context;
    bool ahead; /* rf_device_compile_ahead */
};

struct rf_buffer {
    rf_device *device; /* borrowed */
    void *handle;
    rf_buffer *root; /* what this is a region of; NULL: it has memory of its own */
    size_t offset;   /* in root */
    size_t bytes;    /* as asked for: may be 0 */
};

struct rf_event {
    rf_device *device; /* borrowed */
    void *handle;
    void *before; /* the end of the command before, where it times several; or NULL */
};

struct rf_kernel {
    rf_device *device; /* borrowed */
    void *handle;
    char name[64];
    size_t max_group; /* 0: not asked yet */
    bool is_new;
};

/* Matrix products by a library: see rf_gemm_work and the functions after it. */
typedef struct rf_backend_gemm {
    const char *library; /* "CLBlast 1.5.3" */
    size_t (*work)(const rf_device *device, const rf_gemm *gemm);
    rf_status (*compile)(rf_device *device, bool *is_new);
    rf_status (*run)(rf_device *device, const rf_gemm *gemm, rf_event *event);
    void (*distrust)(rf_device *device);
} rf_backend_gemm;

/* Ranges are within the buffer and not empty. `event` NULL: blocks; else stores a marker in event->handle and returns
 * at once. */
struct rf_backend {
    const char *name;
    rf_status (*find)(rf_found_list *list,
                      int platform);                /* adds what is present; platform -1: on all of them */
    rf_status (*open)(rf_device *device, void *id); /* info is filled; on failure nothing is left open */
    void (*close)(rf_device *device);
    rf_status (*sync)(rf_device *device);
    bool (*drain)(rf_device *device); /* as rf_device_drain */
    rf_status (*flush)(rf_device *device);
    rf_status (*profile)(rf_device *device, bool on);

    rf_status (*alloc)(rf_buffer *buffer);
    rf_status (*region)(rf_buffer *buffer); /* root and offset are set */
    void (*release)(rf_buffer *buffer);
    rf_status (*write)(rf_buffer *buffer, size_t offset, const void *data, size_t bytes, rf_event *event);
    rf_status (*read)(rf_buffer *buffer, size_t offset, void *data, size_t bytes, rf_event *event);
    rf_status (*copy)(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset, size_t bytes);
    rf_status (*fill)(rf_buffer *buffer, uint32_t pattern);
    rf_status (*map)(void **data, rf_buffer *buffer);
    rf_status (*unmap)(rf_buffer *buffer, void *data);

    rf_status (*kernel_create)(rf_kernel *kernel, const char *program, const char *options);
    void (*kernel_free)(rf_kernel *kernel);
    void (*kernel_distrust)(rf_kernel *kernel);
    size_t (*kernel_max_group)(const rf_kernel *kernel); /* 0: failed */
    rf_status (*set_args)(rf_kernel *kernel, const rf_arg *args);
    rf_status (*launch)(rf_kernel *kernel, const size_t global[3], const size_t local[3], rf_event *event);

    const rf_backend_gemm *gemm; /* NULL: there are none */

    rf_status (*event_wait)(rf_event *event);
    rf_status (*event_times)(rf_event *event, uint64_t *start_ns, uint64_t *end_ns);
    void (*event_free)(rf_event *event);
};

extern const rf_backend rf_backend_opencl, rf_backend_reference;

#endif
