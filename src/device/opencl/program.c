/* Programs of the OpenCL backend: built once a device for each name and options, from the cached binary if it is valid,
 * else from source. Failures are remembered, so that no build fails twice. */
#include "device/opencl/opencl.h"
#include "device/opencl/pocl.h"

#include <stdlib.h>
#include <string.h>

struct rf_program {
    rf_program *next;
    char *name, *options; /* owned */
    cl_program handle;    /* NULL: it failed */
    rf_status status;
    char *message; /* owned; of the failure */
    bool is_new;
    rf_cache_key key;
};

static void program_free(rf_program *p) {
    if (p == NULL) return;
    if (p->handle != NULL) clReleaseProgram(p->handle);
    free(p->name);
    free(p->options);
    free(p->message);
    free(p);
}

void rf_program_free_all(rf_opencl *cl) {
    while (cl->programs != NULL) {
        rf_program *next = cl->programs->next;
        program_free(cl->programs);
        cl->programs = next;
    }
}

void rf_program_distrust(rf_opencl *cl, cl_program program) {
    for (rf_program *p = cl->programs; p != NULL; p = p->next)
        if (p->handle == program) rf_program_cache_remove(&p->key);
}

rf_cache_key rf_program_key(const rf_device_info *info, const char *source, const char *options) {
    rf_cache_key key = {{0, 0}};
    const char *parts[] = {source, options, info->platform, info->name, info->version, info->driver};
    for (size_t i = 0; i < RF_COUNT(parts); i++) rf_cache_key_add(&key, parts[i]);
    return key;
}

static rf_status build_binary(rf_program *p, rf_device *device, const void *binary, size_t length,
                              const char *options) {
    const rf_opencl *cl = rf_opencl_of(device);
    const unsigned char *bytes = binary;
    cl_int error, accepted = CL_SUCCESS;
    cl_program program =
        clCreateProgramWithBinary(cl->context, 1, &cl->id, &length, &bytes, &accepted, &error);
    rf_status status = program != NULL && accepted == CL_SUCCESS ? RF_OK : RF_E_DEVICE;
    if (status == RF_OK) status = rf_program_build(device, &program, options, p->name, NULL, NULL);
    if (status == RF_OK)
        p->handle = program;
    else if (program != NULL)
        clReleaseProgram(program);
    return status;
}

/* Fetches the binary too, where `binary` is not NULL. */
static rf_status build_source(rf_program *p, rf_device *device, const char *source, const char *options,
                              void **binary, size_t *length) {
    cl_int error;
    char what[80];
    snprintf(what, sizeof what, "%s.cl", p->name);
    cl_program program = clCreateProgramWithSource(rf_opencl_of(device)->context, 1, &source, NULL, &error);
    if (program == NULL) return rf_opencl_fail(error, "%s", what);
    rf_status status = rf_program_build(device, &program, options, what, binary, length);
    if (status == RF_OK)
        p->handle = program;
    else if (program != NULL)
        clReleaseProgram(program);
    return status;
}

enum { MAX_WAIT_SECONDS = 10 }; /* for another process that builds the same program */

static void tell_of_compiling(rf_device *device) {
    void (*call)(void *) = device->on_compile;
    device->on_compile = NULL;
    if (call != NULL) call(device->on_compile_context);
}

/* From the cached binary; without one, or where the driver rejects it, from source. */
static rf_status build_best(rf_program *p, rf_device *device, const char *source, const char *options) {
    rf_opencl *cl = rf_opencl_of(device);
    rf_cache_key key = p->key = rf_program_key(&device->info, source, options);
    /* PoCL has its own cache, and asking it for a binary compiles every kernel of a program again, used or not: twice
     * the time of a first run. There an empty file marks that the program was built before. */
    bool keep = !rf_is_pocl(&device->info);
    void *binary = NULL;
    size_t length = 0;
    bool known = rf_program_cache_load(&binary, &length, &key);
    rf_status status = known && keep ? build_binary(p, device, binary, length, options) : RF_E_DEVICE;
    free(binary);
    binary = NULL;
    if (status == RF_OK || cl->compiler_stuck) return status;
    if (!known && !keep) tell_of_compiling(device);
    int lock = known || keep ? -1 : rf_program_cache_lock(&key, MAX_WAIT_SECONDS);
    status = build_source(p, device, source, options, keep ? &binary : NULL, &length);
    rf_program_cache_unlock(&key, lock);
    p->is_new = !known || keep;
    if (status == RF_OK && p->is_new && (binary != NULL || !keep) && !device->ahead)
        rf_program_cache_store(&key, binary, keep ? length : 0);
    free(binary);
    return status;
}

/* $RANGEFINDER_PROGRAMS: a file to which every requested program is appended, for tools that compile them elsewhere
 * (tools/bench/gpu-compilers). */
static void log_program(const rf_program *p) {
    const char *path = getenv("RANGEFINDER_PROGRAMS");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    if (file == NULL) return;
    fprintf(file, "%s %s\n", p->name, p->options);
    fclose(file);
}

static rf_status build_with(rf_program *p, rf_device *device, bool own_builtins) {
    rf_opencl *cl = rf_opencl_of(device);
    rf_str source = {0};
    char *options = rf_format("-cl-std=CL1.2%s%s%s%s", cl->has_fma ? "" : " -DRF_NO_FMA",
                              own_builtins ? " -D_OPENCL_H_" : "", p->options[0] ? " " : "", p->options);
    rf_status status = options != NULL
                           ? rf_program_source(&source, own_builtins ? "builtins.clh" : NULL, p->name)
                           : RF_E_MEMORY;
    if (status == RF_OK) status = build_best(p, device, source.data, options);
    rf_str_free(&source);
    free(options);
    return status;
}

static rf_status build(rf_program *p, rf_device *device) {
    rf_opencl *cl = rf_opencl_of(device);
    log_program(p);
    if (cl->compiler_stuck)
        return rf_fail(RF_E_DEVICE,
                       "%s.cl was not built: the device's compiler is still busy with another program",
                       p->name);
    rf_status status = build_with(p, device, cl->own_builtins);
    if (status != RF_E_DEVICE || !cl->own_builtins || cl->compiler_stuck) return status;
    status = build_with(p, device, false);
    if (status == RF_OK) cl->own_builtins = false; /* another Clang, or kernels that call other functions */
    return status;
}

static rf_program *lookup(rf_opencl *cl, const char *name, const char *options) {
    for (rf_program *p = cl->programs; p != NULL; p = p->next)
        if (strcmp(p->name, name) == 0 && strcmp(p->options, options) == 0) return p;
    return NULL;
}

static rf_status add(rf_program **out, rf_device *device, const char *name, const char *options) {
    rf_opencl *cl = rf_opencl_of(device);
    rf_program *p = rf_alloc(1, sizeof *p);
    if (p != NULL) p->name = rf_strdup(name), p->options = rf_strdup(options);
    if (p == NULL || p->name == NULL || p->options == NULL) {
        program_free(p);
        return RF_E_MEMORY;
    }
    p->status = build(p, device);
    if (p->status != RF_OK) p->message = rf_strdup(rf_error_message());
    p->next = cl->programs;
    cl->programs = p;
    *out = p;
    return RF_OK;
}

rf_status rf_program_get(cl_program *out, bool *is_new, rf_device *device, const char *name,
                         const char *options) {
    rf_program *p = lookup(rf_opencl_of(device), name, options);
    *out = NULL;
    if (p == NULL) RF_TRY(add(&p, device, name, options));
    if (p->status != RF_OK) return rf_fail(p->status, "%s", p->message != NULL ? p->message : name);
    *out = p->handle;
    *is_new = p->is_new;
    return RF_OK;
}
