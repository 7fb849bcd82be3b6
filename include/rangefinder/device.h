/* Devices: an opened OpenCL device, or the reference (plain C on the host). */
#ifndef RANGEFINDER_DEVICE_H
#define RANGEFINDER_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thread at a time, the use of its trainers included; each thread may have a device of its own. */
typedef struct rf_device rf_device;

typedef enum rf_device_kind {
    RF_DEVICE_REFERENCE = 1,
    RF_DEVICE_CPU = 2,
    RF_DEVICE_GPU = 4,
    RF_DEVICE_ACCELERATOR = 8,
} rf_device_kind;

typedef struct rf_device_info {
    char selector[16]; /* "0:1", platform:device; "reference" */
    char name[128], vendor[96], platform[96], version[128], driver[96];
    rf_device_kind kind;
    int compute_units;
    int native_vector_width; /* floats in the device's longest vectors */
    int vector_width;        /* the same, but 8 for an open CPU that executes vectors of 16 as two halves */
    size_t memory_bytes, max_alloc_bytes, local_memory_bytes, max_work_group;
    size_t alignment_bytes; /* of a buffer region */
    bool host_memory;       /* the device computes in the host's memory: mapping costs nothing */
    bool fp64, fp16;
    int sub_group; /* work-items that kernels take together, to exchange numbers without local memory; 0: none */
    const rf_device *device; /* the open device; NULL in rf_device_list's array */
} rf_device_info;

/* Opens a device.  selector: "auto", "cpu", "gpu", "reference", "P:D", or a part of a name (case ignored);
 * NULL takes $RANGEFINDER_DEVICE, else "auto".  auto prefers GPU, accelerator, CPU, then reference. Owns: the
 * caller closes it.  Errors: RF_E_DEVICE with the list of those present if a named one is missing.
 * The first call that looks for OpenCL's devices sets $POCL_CACHE_DIR, where it is not set, to a folder in the user's
 * cache folder: no other thread may use the environment meanwhile. */
RF_API rf_status rf_device_open(rf_device **out, const char *selector);
RF_API void rf_device_close(rf_device *device);
/* Borrowed: lives as long as the device. */
RF_API const rf_device_info *rf_device_describe(const rf_device *device);
/* Why `auto` took this device, or "": one sentence.  Borrowed: lives as long as the device. */
RF_API const char *rf_device_reason(const rf_device *device);

/* A warning for the user, or "": that the usual cache folder cannot be used, why, and which one is. */
RF_API const char *rf_device_warning(const rf_device *device);

/* Every device present, the reference last.  *automatic is the index that `auto` would take. free() the
 * array. why (may be NULL) receives one sentence, free() it. */
RF_API rf_status rf_device_list(rf_device_info **out, size_t *count, size_t *automatic, char **why);

/* A quarantined op or solver: another solver, or the reference, takes its place on this device, for this reason. */
typedef struct rf_quarantine {
    char op[32], reason[224];
} rf_quarantine;
/* How many are quarantined. *list is borrowed: until the next call that makes or runs a trainer on the device. */
RF_API size_t rf_device_quarantined(const rf_device *device, const rf_quarantine **list);

#ifdef __cplusplus
}
#endif
#endif
