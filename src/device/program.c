/* Programs: find the source, resolve its includes, build it within a time limit, keep the binary in the
 * user's cache. A cache file is trusted only if its key and checksum fit and the driver takes it; else it is
 * built anew. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/embedded.h"
#include "device/opencl.h"

enum {
    MAX_SOURCE_BYTES = 1 << 20,
    MAX_BINARY_BYTES = 256 << 20,
    MAX_INCLUDE_DEPTH = 8,
    MAX_LOG_BYTES = 1 << 16
};

/* ---- source ---- */

/* The text of a file of kernels/: from $RANGEFINDER_KERNELS if it has it, else as embedded. */
static rf_status read_kernel_file(char **text, const char *file) {
    const char *folder = getenv("RANGEFINDER_KERNELS");
    *text = NULL;
    if (folder != NULL && folder[0] != '\0') {
        size_t length = 0;
        char *path = rf_format("%s/%s", folder, file);
        if (path == NULL) return RF_E_MEMORY;
        rf_status status = rf_file_read((void **)text, &length, path, MAX_SOURCE_BYTES);
        free(path);
        if (status == RF_OK || status == RF_E_MEMORY) return status;
    }
    const rf_embedded *embedded = rf_embedded_find(rf_embedded_kernels, file);
    if (embedded == NULL) return rf_fail(RF_E_DEVICE, "there is no kernel source %s", file);
    *text = rf_strdup((const char *)embedded->data);
    return *text != NULL ? RF_OK : RF_E_MEMORY;
}

static rf_status append_source(rf_str *out, const char *file, int depth) {
    char *text = NULL;
    rf_status status = RF_OK;
    if (depth > MAX_INCLUDE_DEPTH)
        return rf_fail(RF_E_DEVICE, "%s: includes more than %d deep", file, MAX_INCLUDE_DEPTH);
    RF_TRY(read_kernel_file(&text, file));
    for (char *line = text; *line != '\0' && status == RF_OK;) {
        size_t length = strcspn(line, "\n");
        char name[64];
        char *next = line + length + (line[length] == '\n');
        if (sscanf(line, " #include \"%63[^\"\n]\"", name) == 1)
            status = append_source(out, name, depth + 1);
        else
            rf_str_add_bytes(out, line, length);
        rf_str_add(out, "\n");
        line = next;
    }
    free(text);
    return status != RF_OK ? status : out->failed ? RF_E_MEMORY : RF_OK;
}

rf_status rf_program_source(char **text, const char *program) {
    rf_str source = {0};
    char file[80];
    *text = NULL;
    snprintf(file, sizeof file, "%s.cl", program);
    rf_status status = append_source(&source, file, 0);
    if (status == RF_OK)
        *text = source.data != NULL ? source.data : rf_strdup("");
    else
        rf_str_free(&source);
    return status;
}

/* ---- building, with a time limit ---- */

typedef struct build { /* shared with the thread; leaked if that never ends */
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
    cl_program program;
    cl_device_id id;
    char *options;
    cl_int error;
} build;

static void *run_build(void *argument) {
    build *b = argument;
    cl_int error = clBuildProgram(b->program, 1, &b->id, b->options, NULL, NULL);
    pthread_mutex_lock(&b->mutex);
    b->error = error;
    b->done = true;
    pthread_cond_signal(&b->ended);
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

static double time_limit_s(void) {
    const char *text = getenv("RANGEFINDER_BUILD_TIMEOUT");
    double limit = text != NULL ? strtod(text, NULL) : 0;
    return limit > 0 && limit < 86400 ? limit : 60;
}

/* *timed_out: the compiler still runs, and whatever it may touch must be left alone. */
static cl_int build_within_limit(cl_program program, cl_device_id id, const char *options, bool *timed_out) {
    pthread_t thread;
    struct timespec until;
    double limit = time_limit_s();
    *timed_out = false;
    build *b = rf_alloc(1, sizeof *b);
    if (b == NULL || (b->options = rf_strdup(options)) == NULL) {
        free(b);
        return CL_OUT_OF_HOST_MEMORY;
    }
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->ended, NULL);
    b->program = program;
    b->id = id;
    if (pthread_create(&thread, NULL, run_build, b) != 0) {
        run_build(b);
    } else {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (time_t)limit;
        until.tv_nsec += (long)((limit - (double)(time_t)limit) * 1e9);
        if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
        pthread_mutex_lock(&b->mutex);
        while (!b->done && pthread_cond_timedwait(&b->ended, &b->mutex, &until) == 0) {
        }
        *timed_out = !b->done;
        pthread_mutex_unlock(&b->mutex);
        if (*timed_out) {
            pthread_detach(thread);
            return CL_BUILD_PROGRAM_FAILURE;
        }
        pthread_join(thread, NULL);
    }
    cl_int error = b->error;
    pthread_cond_destroy(&b->ended);
    pthread_mutex_destroy(&b->mutex);
    free(b->options);
    free(b);
    return error;
}

/* The first line of the build log that says "error", else its first line. */
static void first_error(char *out, size_t size, cl_program program, cl_device_id id) {
    char *log = rf_alloc(MAX_LOG_BYTES, 1);
    snprintf(out, size, "no build log");
    if (log == NULL) return;
    if (clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, MAX_LOG_BYTES - 1, log, NULL) ==
            CL_SUCCESS &&
        log[0]) {
        const char *line = strstr(log, "error");
        line = line != NULL ? line : log;
        while (line > log && line[-1] != '\n') line--;
        snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
    }
    free(log);
}

static rf_status build_source(cl_program *out, rf_device *device, const char *name, const char *source,
                              const char *options) {
    rf_cl *cl = device->state;
    cl_int error;
    bool timed_out;
    cl_program program = clCreateProgramWithSource(cl->context, 1, &source, NULL, &error);
    if (error != CL_SUCCESS) return rf_cl_fail(error, "%s.cl", name);
    error = build_within_limit(program, cl->id, options, &timed_out);
    if (timed_out) {
        cl->leaked = true;
        return rf_fail(RF_E_DEVICE,
                       "%s.cl: the device's compiler did not end within %g s (RANGEFINDER_BUILD_TIMEOUT)",
                       name, time_limit_s());
    }
    if (error != CL_SUCCESS) {
        char line[512];
        first_error(line, sizeof line, program, cl->id);
        clReleaseProgram(program);
        return rf_fail(RF_E_DEVICE, "%s.cl does not compile on %s: %s", name, device->info.name, line);
    }
    *out = program;
    return RF_OK;
}

/* ---- the cache ---- */

typedef struct cache_header {
    char magic[8];
    uint64_t key, length, checksum;
} cache_header;
static const char cache_magic[8] = "RFCLBIN1";

static uint64_t cache_key(const rf_device *device, const char *source, const char *options) {
    const rf_device_info *info = &device->info;
    const char *parts[] = {source, options, info->platform, info->name, info->version, info->driver};
    uint64_t key = 0;
    for (size_t i = 0; i < RF_COUNT(parts); i++) key = rf_hash(parts[i], strlen(parts[i]) + 1, key * 31 + i);
    return key;
}

static char *cache_path(const char *name, uint64_t key) {
    char *folder = rf_cache_dir();
    char *path =
        folder != NULL ? rf_format("%s/%s-%016llx.bin", folder, name, (unsigned long long)key) : NULL;
    free(folder);
    return path;
}

static cl_program load_cached(rf_device *device, const char *path, uint64_t key, const char *options) {
    rf_cl *cl = device->state;
    void *data = NULL;
    size_t length = 0;
    cl_program program = NULL;
    cache_header header;
    if (rf_file_read(&data, &length, path, MAX_BINARY_BYTES) != RF_OK) return NULL;
    if (length > sizeof header) memcpy(&header, data, sizeof header);
    const unsigned char *binary = (unsigned char *)data + sizeof header;
    size_t bytes = length - sizeof header;
    if (length > sizeof header && memcmp(header.magic, cache_magic, sizeof cache_magic) == 0 &&
        header.key == key && header.length == bytes && header.checksum == rf_hash(binary, bytes, key)) {
        cl_int status = CL_SUCCESS, error;
        program = clCreateProgramWithBinary(cl->context, 1, &cl->id, &bytes, &binary, &status, &error);
        if (program != NULL && (error != CL_SUCCESS || status != CL_SUCCESS ||
                                clBuildProgram(program, 1, &cl->id, options, NULL, NULL) != CL_SUCCESS)) {
            clReleaseProgram(program);
            program = NULL;
        }
    }
    free(data);
    return program;
}

/* A cache that cannot be written is no error: the next start is slower. */
static void store_cached(cl_program program, const char *path, uint64_t key) {
    size_t bytes = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL) != CL_SUCCESS ||
        bytes == 0 || bytes > MAX_BINARY_BYTES)
        return;
    unsigned char *data = rf_alloc(sizeof(cache_header) + bytes, 1), *binary = data + sizeof(cache_header);
    if (data == NULL) return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS) {
        cache_header header = {.key = key, .length = bytes, .checksum = rf_hash(binary, bytes, key)};
        memcpy(header.magic, cache_magic, sizeof cache_magic);
        memcpy(data, &header, sizeof header);
        rf_file_write(path, data, sizeof header + bytes);
    }
    free(data);
}

/* ---- a device's programs ---- */

static rf_status build_or_load(rf_cl_program *out, rf_device *device) {
    const rf_cl *cl = device->state;
    rf_status status = RF_OK;
    char *source = NULL, *options = NULL, *path = NULL;
    status = rf_program_source(&source, out->name);
    if (status != RF_OK) goto done;
    options = rf_format("-cl-std=CL1.2 %s%s", cl->no_fma ? "-DRF_NO_FMA " : "", out->options);
    if (options == NULL) {
        status = RF_E_MEMORY;
        goto done;
    }
    uint64_t key = cache_key(device, source, options);
    path = cache_path(out->name, key);
    if (path != NULL) out->handle = load_cached(device, path, key, options);
    if (out->handle != NULL) goto done;
    status = build_source(&out->handle, device, out->name, source, options);
    out->is_new = true;
    if (status == RF_OK && path != NULL) store_cached(out->handle, path, key);
done:
    free(source);
    free(options);
    free(path);
    return status;
}

rf_status rf_cl_program_get(rf_cl_program **out, rf_device *device, const char *name, const char *options) {
    rf_cl *cl = device->state;
    for (size_t i = 0; i < cl->program_count; i++) {
        *out = &cl->programs[i];
        if (strcmp((*out)->name, name) == 0 && strcmp((*out)->options, options) == 0) return RF_OK;
    }
    *out = NULL;
    rf_cl_program *grown = rf_resize(cl->programs, cl->program_count + 1, sizeof *grown);
    if (grown == NULL) return RF_E_MEMORY;
    cl->programs = grown;
    rf_cl_program *program = &grown[cl->program_count];
    *program = (rf_cl_program){.name = rf_strdup(name), .options = rf_strdup(options)};
    rf_status status =
        program->name != NULL && program->options != NULL ? build_or_load(program, device) : RF_E_MEMORY;
    if (status != RF_OK) {
        free(program->name);
        free(program->options);
        return status;
    }
    cl->program_count++;
    *out = program;
    return RF_OK;
}

void rf_cl_programs_free(rf_cl *cl) {
    for (size_t i = 0; i < cl->program_count; i++) {
        clReleaseProgram(cl->programs[i].handle);
        free(cl->programs[i].name);
        free(cl->programs[i].options);
    }
    free(cl->programs);
}
