/* Makes calls of OpenCL fail, for tests/failing_calls.sh.  Linked into a second program by the linker's --wrap, so that
 * it stands between us and the driver, with and without sanitizers; every OpenCL function that we use is in the list
 * below.
 *
 * RF_FAIL=clFinish:3       the third call of clFinish fails: it does nothing, and returns an error
 * RF_FAIL=clFinish:3+      that one, and all that come after it
 * RF_FAIL=clFinish:3+:-11  by this error rather than by CL_OUT_OF_RESOURCES; several are separated by commas
 * RF_FAIL=clFinish:3:abort the driver ends the program: by abort, assert or exit
 * RF_FAIL_COUNTS=FILE      writes "name count" for every function into the file at the end
 * RF_FAIL_RENAME=1         the platform has another name: no special treatment of PoCL
 * RF_FAIL_LATE=1           reads that do not block happen a while after they were asked for */
#include "device/opencl/opencl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FUNCTIONS = 64 };
static struct {
    const char *_Atomic name;
    atomic_int calls;
} functions[MAX_FUNCTIONS];

_Noreturn void __assert_fail(const char *text, const char *file, unsigned line, const char *function);

/* As drivers' compilers do. */
static void end_program(const char *how) {
    if (strncmp(how, "abort", 5) == 0) abort();
    if (strncmp(how, "exit", 4) == 0) exit(1);
    if (strncmp(how, "assert", 6) == 0) __assert_fail("it is there", __FILE__, __LINE__, __func__);
}

/* The error that this call of the function is to return; CL_SUCCESS: it is not to fail. */
static cl_int failure(int function, const char *name) {
    size_t length = strlen(name);
    functions[function].name = name;
    int call = ++functions[function].calls;
    for (const char *rule = getenv("RF_FAIL"), *comma; rule != NULL;
         rule = comma != NULL ? comma + 1 : NULL) {
        comma = strchr(rule, ',');
        if (strncmp(rule, name, length) != 0 || rule[length] != ':') continue;
        char *end;
        long first = strtol(rule + length + 1, &end, 10);
        bool ever = *end == '+';
        end += ever;
        if (call != first && !(ever && call > first)) continue;
        if (*end == ':') end_program(end + 1);
        return *end == ':' ? (cl_int)strtol(end + 1, NULL, 10) : CL_OUT_OF_RESOURCES;
    }
    return CL_SUCCESS;
}

__attribute__((destructor)) static void write_counts(void) {
    const char *path = getenv("RF_FAIL_COUNTS");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    for (int i = 0; i < MAX_FUNCTIONS && file != NULL; i++)
        if (functions[i].name != NULL) fprintf(file, "%s %d\n", functions[i].name, functions[i].calls);
    if (file != NULL) fclose(file);
}

#define STATUS(name, parameters, arguments)                                                                  \
    cl_int __real_##name parameters;                                                                         \
    cl_int __wrap_##name parameters;                                                                         \
    cl_int __wrap_##name parameters {                                                                        \
        cl_int failed = failure(__COUNTER__, #name);                                                         \
        return failed != CL_SUCCESS ? failed : __real_##name arguments;                                      \
    }
#define OBJECT(type, name, parameters, arguments)                                                            \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters {                                                                          \
        cl_int failed = failure(__COUNTER__, #name);                                                         \
        if (failed == CL_SUCCESS) return __real_##name arguments;                                            \
        if (error != NULL) *error = failed;                                                                  \
        return NULL;                                                                                         \
    }
#define INFO    cl_uint what, size_t bytes, void *value, size_t *size
#define WAITING cl_uint waits, const cl_event *wait, cl_event *event

/* clang-format off */
STATUS(clGetPlatformIDs, (cl_uint n, cl_platform_id *ids, cl_uint *count), (n, ids, count))
STATUS(clGetDeviceIDs, (cl_platform_id id, cl_device_type type, cl_uint n, cl_device_id *ids, cl_uint *count), (id, type, n, ids, count))
STATUS(clGetDeviceInfo, (cl_device_id id, INFO), (id, what, bytes, value, size))
OBJECT(cl_context, clCreateContext, (const cl_context_properties *p, cl_uint n, const cl_device_id *ids, void (CL_CALLBACK *f)(const char *, const void *, size_t, void *), void *data, cl_int *error), (p, n, ids, f, data, error))
STATUS(clReleaseContext, (cl_context c), (c))
OBJECT(cl_command_queue, clCreateCommandQueue, (cl_context c, cl_device_id id, cl_command_queue_properties p, cl_int *error), (c, id, p, error))
STATUS(clReleaseCommandQueue, (cl_command_queue q), (q))
STATUS(clFinish, (cl_command_queue q), (q))
STATUS(clFlush, (cl_command_queue q), (q))
OBJECT(cl_mem, clCreateBuffer, (cl_context c, cl_mem_flags flags, size_t bytes, void *host, cl_int *error), (c, flags, bytes, host, error))
OBJECT(cl_mem, clCreateSubBuffer, (cl_mem m, cl_mem_flags flags, cl_buffer_create_type type, const void *where, cl_int *error), (m, flags, type, where, error))
STATUS(clReleaseMemObject, (cl_mem m), (m))
STATUS(clEnqueueWriteBuffer, (cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t bytes, const void *data, WAITING), (q, m, block, at, bytes, data, waits, wait, event))
STATUS(clEnqueueCopyBuffer, (cl_command_queue q, cl_mem from, cl_mem to, size_t at, size_t to_at, size_t bytes, WAITING), (q, from, to, at, to_at, bytes, waits, wait, event))
STATUS(clEnqueueFillBuffer, (cl_command_queue q, cl_mem m, const void *pattern, size_t length, size_t at, size_t bytes, WAITING), (q, m, pattern, length, at, bytes, waits, wait, event))
OBJECT(void *, clEnqueueMapBuffer, (cl_command_queue q, cl_mem m, cl_bool block, cl_map_flags flags, size_t at, size_t bytes, WAITING, cl_int *error), (q, m, block, flags, at, bytes, waits, wait, event, error))
STATUS(clEnqueueUnmapMemObject, (cl_command_queue q, cl_mem m, void *data, WAITING), (q, m, data, waits, wait, event))
STATUS(clEnqueueMarkerWithWaitList, (cl_command_queue q, WAITING), (q, waits, wait, event))
STATUS(clEnqueueNDRangeKernel, (cl_command_queue q, cl_kernel k, cl_uint n, const size_t *from, const size_t *global, const size_t *local, WAITING), (q, k, n, from, global, local, waits, wait, event))
STATUS(clWaitForEvents, (cl_uint n, const cl_event *events), (n, events))
STATUS(clReleaseEvent, (cl_event e), (e))
STATUS(clGetEventProfilingInfo, (cl_event e, INFO), (e, what, bytes, value, size))
OBJECT(cl_program, clCreateProgramWithSource, (cl_context c, cl_uint n, const char **texts, const size_t *lengths, cl_int *error), (c, n, texts, lengths, error))
OBJECT(cl_program, clCreateProgramWithBinary, (cl_context c, cl_uint n, const cl_device_id *ids, const size_t *lengths, const unsigned char **data, cl_int *states, cl_int *error), (c, n, ids, lengths, data, states, error))
STATUS(clBuildProgram, (cl_program p, cl_uint n, const cl_device_id *ids, const char *options, void (CL_CALLBACK *f)(cl_program, void *), void *data), (p, n, ids, options, f, data))
STATUS(clGetProgramInfo, (cl_program p, INFO), (p, what, bytes, value, size))
STATUS(clGetProgramBuildInfo, (cl_program p, cl_device_id id, INFO), (p, id, what, bytes, value, size))
STATUS(clReleaseProgram, (cl_program p), (p))
OBJECT(cl_kernel, clCreateKernel, (cl_program p, const char *name, cl_int *error), (p, name, error))
STATUS(clSetKernelArg, (cl_kernel k, cl_uint index, size_t bytes, const void *value), (k, index, bytes, value))
STATUS(clGetKernelInfo, (cl_kernel k, INFO), (k, what, bytes, value, size))
STATUS(clGetKernelWorkGroupInfo, (cl_kernel k, cl_device_id id, INFO), (k, id, what, bytes, value, size))
STATUS(clReleaseKernel, (cl_kernel k), (k))
/* clang-format on */

cl_int __real_clGetPlatformInfo(cl_platform_id id, INFO);
cl_int __wrap_clGetPlatformInfo(cl_platform_id id, INFO);
cl_int __wrap_clGetPlatformInfo(cl_platform_id id, INFO) {
    cl_int failed = failure(__COUNTER__, "clGetPlatformInfo");
    if (failed != CL_SUCCESS || getenv("RF_FAIL_RENAME") == NULL)
        return failed != CL_SUCCESS ? failed : __real_clGetPlatformInfo(id, what, bytes, value, size);
    snprintf(value, bytes, "another");
    return CL_SUCCESS;
}

/* Reads: the one call that can also be late. */
#define READ cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t bytes, void *data, WAITING
cl_int __real_clEnqueueReadBuffer(READ);
cl_int __wrap_clEnqueueReadBuffer(READ);

static void *open_gate(void *gate) {
    usleep(30000);
    clSetUserEventStatus(gate, CL_COMPLETE);
    clReleaseEvent(gate);
    return NULL;
}

/* Behind a gate, an event that a thread completes after a while. */
static cl_int read_late(READ) {
    cl_context context = NULL;
    pthread_t thread;
    (void)waits, (void)wait;
    clGetCommandQueueInfo(q, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
    cl_event gate = clCreateUserEvent(context, NULL);
    cl_int error = __real_clEnqueueReadBuffer(q, m, block, at, bytes, data, 1, &gate, event);
    clFlush(q);
    if (pthread_create(&thread, NULL, open_gate, gate) == 0) pthread_detach(thread);
    return error;
}

cl_int __wrap_clEnqueueReadBuffer(READ) {
    cl_int failed = failure(__COUNTER__, "clEnqueueReadBuffer");
    if (failed != CL_SUCCESS) return failed;
    bool late = !block && getenv("RF_FAIL_LATE") != NULL;
    return (late ? read_late : __real_clEnqueueReadBuffer)(q, m, block, at, bytes, data, waits, wait, event);
}
