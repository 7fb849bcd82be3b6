/* What opencl.c and program.c share.  Only this folder includes OpenCL's headers. */
#ifndef RF_DEVICE_OPENCL_H
#define RF_DEVICE_OPENCL_H

#include <CL/cl.h>

#include "device/backend.h"

typedef struct rf_cl_program {
    char *name, *options;
    cl_program handle;
    bool is_new;
} rf_cl_program;

typedef struct rf_cl {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    bool profiling;
    bool no_fma; /* fma() would be computed in software */
    bool leaked; /* a build hangs: nothing it may touch is released */
    rf_cl_program *programs;
    size_t program_count;
} rf_cl;

/* Sets the message to "doing: CL_NAME" and returns RF_E_DEVICE, or RF_E_MEMORY where that is what failed. */
rf_status rf_cl_fail(cl_int error, const char *format, ...) RF_PRINTF(2, 3);
/* The program built with the options: from this process, from the cache, or now. */
rf_status rf_cl_program_get(rf_cl_program **out, rf_device *device, const char *name, const char *options);
void rf_cl_programs_free(rf_cl *cl);

#endif
