/* Shared by the OpenCL backend's files: the open device, errors, programs. */
#ifndef RF_DEVICE_OPENCL_OPENCL_H
#define RF_DEVICE_OPENCL_OPENCL_H

#ifdef __APPLE__
#include <OpenCL/opencl.h>
#else
#include <CL/cl.h>
#endif

#include "device/backend.h"

typedef struct rf_program rf_program;

typedef struct rf_opencl {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    bool has_fma;      /* single precision, in hardware */
    bool own_builtins; /* programs are built with kernels/common/builtins.clh for the compiler's own header */
    bool compiler_stuck; /* a build passed its time limit: its thread may still hold the compiler's locks */
    bool gemm_is_tuned, gemm_is_compiled, gemm_is_new; /* clblast.c */
    rf_program *programs;
} rf_opencl;

static inline rf_opencl *rf_opencl_of(const rf_device *device) {
    return device->handle;
}

/* "CL_OUT_OF_RESOURCES". */
const char *rf_opencl_error_name(cl_int error);
/* Sets the message "what: CL_ERROR_NAME" and returns the matching status. */
rf_status rf_opencl_fail(cl_int error, const char *format, ...) RF_PRINTF(2, 3);

/* Kernels (kernel.c): part of the backend's table. */
rf_status rf_opencl_kernel_create(rf_kernel *kernel, const char *program, const char *options);
void rf_opencl_kernel_free(rf_kernel *kernel);
void rf_opencl_kernel_distrust(rf_kernel *kernel);
size_t rf_opencl_kernel_max_group(const rf_kernel *kernel);
rf_status rf_opencl_set_args(rf_kernel *kernel, const rf_arg *args);
rf_status rf_opencl_launch(rf_kernel *kernel, const size_t global[3], const size_t local[3], rf_event *event);

/* Matrix products (clblast.c); only in builds with CLBlast. */
extern const rf_backend_gemm rf_opencl_gemm;

/* The program kernels/<name>.cl built with these options, made once a device (program.c).  *out is borrowed.
 */
rf_status rf_program_get(cl_program *out, bool *is_new, rf_device *device, const char *name,
                         const char *options);
void rf_program_distrust(rf_opencl *cl, cl_program program);
void rf_program_free_all(rf_opencl *cl);

/* The text of kernels/<name>.cl with its #includes expanded, after that of `first` unless NULL (program_source.c). */
rf_status rf_program_source(rf_str *out, const char *first, const char *name);

/* Builds under the time limit (program_build.c).  Past it the build's thread keeps the program: *program is
 * NULL then. With `binary`, fetches that too; NULL if the driver gives none: free(*binary).  what: for
 * messages, "conv.cl". */
rf_status rf_program_build(rf_device *device, cl_program *program, const char *options, const char *what,
                           void **binary, size_t *length);

/* Binaries kept in the user's cache folder (program_cache.c).  An invalid file counts as missing. */
typedef struct rf_cache_key {
    uint64_t hash[2];
} rf_cache_key;
void rf_cache_key_add(rf_cache_key *key, const char *text);
/* The hash of everything that may change the binary (program.c). */
rf_cache_key rf_program_key(const rf_device_info *info, const char *source, const char *options);
bool rf_program_cache_load(void **binary, size_t *length, const rf_cache_key *key); /* free(*binary) */
void rf_program_cache_remove(const rf_cache_key *key);
/* Locks the program against builds by other processes: waits up to `seconds`. -1: no lock, which is harmless; else pass
 * it to unlock. */
int rf_program_cache_lock(const rf_cache_key *key, double seconds);
void rf_program_cache_unlock(const rf_cache_key *key, int lock);
void rf_program_cache_store(const rf_cache_key *key, const void *binary, size_t length);

#endif
