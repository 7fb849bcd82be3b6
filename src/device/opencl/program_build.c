/* Building a program in a thread of its own (job.h).  A program whose thread is left running must not even be released:
 * some drivers (PoCL) wait for the end of the build. */
#include <stdlib.h>
#include <string.h>

#include "device/opencl/job.h"
#include "device/opencl/pocl.h"

typedef struct build {
    rf_job job;
    cl_program program; /* the caller's; the thread's once abandoned */
    cl_device_id id;
    char *options; /* owned */
    bool want_binary;
    cl_int error;
    void *binary; /* owned until taken */
    size_t length;
} build;

static void build_free(build *b) {
    if (b == NULL) return;
    free(b->options);
    free(b->binary);
    free(b);
}

/* Asking for the binary may itself compile (PoCL), so that it belongs under the limit. */
static void fetch_binary(build *b) {
    size_t length = 0;
    if (clGetProgramInfo(b->program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL) != CL_SUCCESS)
        return;
    unsigned char *data = length > 0 ? malloc(length) : NULL;
    if (data == NULL) return;
    if (clGetProgramInfo(b->program, CL_PROGRAM_BINARIES, sizeof data, &data, NULL) == CL_SUCCESS) {
        b->binary = data;
        b->length = length;
    } else
        free(data);
}

static void run(rf_job *job) {
    build *b = (build *)job;
    b->error = clBuildProgram(b->program, 1, &b->id, b->options, NULL, NULL);
    if (b->error == CL_SUCCESS && b->want_binary) fetch_binary(b);
}

static void abandon(rf_job *job) {
    build *b = (build *)job;
    clReleaseProgram(b->program);
    build_free(b);
}

/* The first line of the log that contains "error", else its first line.  False: there is no log. */
static bool first_error(char *out, size_t size, cl_program program, cl_device_id id) {
    enum { MAX_LOG = 1 << 20 };
    size_t length = 0;
    bool found = false;
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS)
        return false;
    char *log = length > 1 && length <= MAX_LOG ? calloc(length + 1, 1) : NULL, *first = NULL, *rest = log;
    if (log != NULL &&
        clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, length, log, NULL) == CL_SUCCESS) {
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            line += strspn(line, " \t\r");
            if (first == NULL && *line != '\0') first = line;
            if (strcasestr(line, "error") == NULL) continue;
            first = line;
            break;
        }
        if (first != NULL) snprintf(out, size, "%s", first);
        found = first != NULL;
    }
    free(log);
    return found;
}

static rf_status fail_build(const build *b, const char *what) {
    char reason[512];
    if (b->error != CL_BUILD_PROGRAM_FAILURE)
        return rf_opencl_fail(b->error, "%s: building (options: %s)", what, b->options);
    if (rf_pocl_test() != RF_OK)
        return rf_fail(RF_E_DEVICE, "%s does not compile: %s", what, rf_error_message());
    if (!first_error(reason, sizeof reason, b->program, b->id))
        return rf_opencl_fail(b->error,
                              "%s does not compile, and the compiler does not say why (options: %s)", what,
                              b->options);
    return rf_fail(RF_E_DEVICE, "%s does not compile: %s (options: %s)", what, reason, b->options);
}

rf_status rf_program_build(rf_device *device, cl_program *program, const char *options, const char *what,
                           void **binary, size_t *length) {
    bool abandoned = false;
    if (binary != NULL) *binary = NULL;
    build *b = rf_alloc(1, sizeof *b);
    if (b == NULL) return RF_E_MEMORY;
    *b = (build){.job = {.run = run, .abandon = abandon},
                 .program = *program,
                 .id = rf_opencl_of(device)->id,
                 .options = rf_strdup(options),
                 .want_binary = binary != NULL};
    rf_status status = b->options != NULL ? rf_job_run(&b->job, &abandoned, device, what, NULL) : RF_E_MEMORY;
    if (abandoned) {
        *program = NULL;
        return status;
    }
    if (status == RF_OK && b->error != CL_SUCCESS) status = fail_build(b, what);
    if (status == RF_OK && binary != NULL) {
        *binary = b->binary;
        *length = b->length;
        b->binary = NULL;
    }
    build_free(b);
    return status;
}
