/* The OpenCL backend: discovery, context and queue, memory, transfers, events. Kernels are in kernel.c, programs in
 * program*.c. */
#include "device/opencl/opencl.h"
#include "device/opencl/pocl.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- what is present ---- */

/* Copies without leading and trailing blanks, which some drivers leave. */
static void tidy(char *out, size_t size, char *text) {
    while (isspace((unsigned char)*text)) text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    snprintf(out, size, "%s", text);
}

/* Queries to a device, and the first error among them; unknown properties (CL_INVALID_VALUE) are 0 or "". */
typedef struct query {
    cl_device_id id;
    cl_int error;
} query;

static bool ask(query *q, cl_device_info what, size_t bytes, void *value, size_t *size) {
    cl_int error = clGetDeviceInfo(q->id, what, bytes, value, size);
    if (error != CL_SUCCESS && error != CL_INVALID_VALUE && q->error == CL_SUCCESS) q->error = error;
    return error == CL_SUCCESS;
}

static void device_text(char *out, size_t size, query *q, cl_device_info what) {
    char text[2048] = "";
    if (!ask(q, what, sizeof text, text, NULL)) text[0] = '\0';
    text[sizeof text - 1] = '\0';
    tidy(out, size, text);
}

/* A number of the width that `what` has: 4 or 8 bytes; a size_t is 8 or 4. */
static uint64_t device_number(query *q, cl_device_info what) {
    union {
        uint64_t wide;
        uint32_t narrow;
    } value = {0};
    size_t size = 0;
    if (!ask(q, what, sizeof value, &value, &size)) return 0;
    return size == sizeof value.narrow ? value.narrow : value.wide;
}

static rf_device_kind kind_of(query *q, const char *name) {
    cl_device_type type = device_number(q, CL_DEVICE_TYPE);
    if (strstr(name, "llvmpipe") != NULL || (type & CL_DEVICE_TYPE_CPU) != 0) return RF_DEVICE_CPU;
    return (type & CL_DEVICE_TYPE_GPU) != 0 ? RF_DEVICE_GPU : RF_DEVICE_ACCELERATOR;
}

/* $RANGEFINDER_SUB_GROUP, where the device has sub-groups of that size and can set it (Intel's): no GPU has shown yet that
 * they are faster. */
static int sub_group_of(query *q, const char *extensions) {
    enum { SUB_GROUP_SIZES_INTEL = 0x4108, MOST_SIZES = 16 };
    const char *text = getenv("RANGEFINDER_SUB_GROUP");
    size_t sizes[MOST_SIZES], bytes = 0;
    const size_t wanted = text != NULL ? strtoul(text, NULL, 10) : 0;
    if (wanted == 0 || strstr(extensions, "cl_khr_subgroup_shuffle ") == NULL ||
        strstr(extensions, "cl_intel_required_subgroup_size") == NULL ||
        !ask(q, SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, &bytes))
        return 0;
    for (size_t i = 0; i < bytes / sizeof *sizes; i++)
        if (sizes[i] == wanted) return (int)wanted;
    return 0;
}

static void describe(rf_device_info *info, query *q) {
    char extensions[8192] = "";
    device_text(info->name, sizeof info->name, q, CL_DEVICE_NAME);
    device_text(info->vendor, sizeof info->vendor, q, CL_DEVICE_VENDOR);
    device_text(info->version, sizeof info->version, q, CL_DEVICE_VERSION);
    device_text(info->driver, sizeof info->driver, q, CL_DRIVER_VERSION);
    info->kind = kind_of(q, info->name);
    info->compute_units = (int)device_number(q, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->native_vector_width = info->vector_width =
        RF_MAX((int)device_number(q, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT), 1);
    info->memory_bytes = device_number(q, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = device_number(q, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_memory_bytes = device_number(q, CL_DEVICE_LOCAL_MEM_SIZE);
    info->max_work_group = device_number(q, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info->alignment_bytes = RF_MAX(device_number(q, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8, 4);
    info->host_memory = device_number(q, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    ask(q, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    info->fp64 = strstr(extensions, "cl_khr_fp64") != NULL;
    info->fp16 = strstr(extensions, "cl_khr_fp16") != NULL;
    info->sub_group = sub_group_of(q, extensions);
}

/* OpenCL 1.2 or later, with a compiler. */
static bool usable(query *q, const rf_device_info *info) {
    int major = 0, minor = 0;
    sscanf(info->version, "OpenCL %d.%d", &major, &minor);
    return (major > 1 || (major == 1 && minor >= 2)) && device_number(q, CL_DEVICE_AVAILABLE) != 0 &&
           device_number(q, CL_DEVICE_COMPILER_AVAILABLE) != 0;
}

enum { MAX_PLATFORMS = 32, MAX_DEVICES = 64 };

/* Keeps the first failure that hid a platform or device. */
static void note_trouble(rf_found_list *list, cl_int error, const char *what, int platform) {
    if (list->trouble[0] == '\0')
        snprintf(list->trouble, sizeof list->trouble, "%s %d of OpenCL's does not answer: %s (%d)", what,
                 platform, rf_opencl_error_name(error), (int)error);
}

static rf_status find_on(rf_found_list *list, cl_platform_id platform, int index) {
    cl_device_id ids[MAX_DEVICES];
    cl_uint count = 0;
    char name[1024] = "";
    cl_int error = clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
    if (strstr(name, RF_POCL_NAME) != NULL && rf_pocl_prepare() != RF_OK) {
        snprintf(list->trouble, sizeof list->trouble, "%s", rf_error_message());
        return RF_OK;
    }
    if (error == CL_SUCCESS) error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &count);
    if (error == CL_DEVICE_NOT_FOUND) count = 0, error = CL_SUCCESS;
    if (error != CL_SUCCESS) {
        note_trouble(list, error, "platform", index);
        return RF_OK;
    }
    if (count == 0 && strcmp(name, "rusticl") == 0) list->idle_rusticl = true;
    for (cl_uint i = 0; i < RF_MIN(count, MAX_DEVICES); i++) {
        rf_found found = {.backend = &rf_backend_opencl, .id = ids[i]};
        query q = {.id = ids[i]};
        describe(&found.info, &q);
        bool good = usable(&q, &found.info);
        if (q.error != CL_SUCCESS) note_trouble(list, q.error, "a device of platform", index);
        if (q.error != CL_SUCCESS || !good) continue;
        tidy(found.info.platform, sizeof found.info.platform, name);
        snprintf(found.info.selector, sizeof found.info.selector, "%d:%u", index, (unsigned)i);
        RF_TRY(rf_found_add(list, &found));
    }
    return RF_OK;
}

/* A machine without any OpenCL, and a platform without a device, are no errors. */
static rf_status find_platforms(rf_found_list *list, int platform) {
    enum { NO_PLATFORM = -1001 }; /* of cl_khr_icd */
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint count = 0;
    rf_pocl_prepare(); /* before the first call of OpenCL's; a failure matters only if PoCL is there */
    cl_int error = clGetPlatformIDs(MAX_PLATFORMS, platforms, &count);
    if (error == NO_PLATFORM) return RF_OK;
    if (error != CL_SUCCESS) note_trouble(list, error, "platform", 0);
    for (cl_uint i = 0; error == CL_SUCCESS && i < RF_MIN(count, MAX_PLATFORMS); i++)
        if (platform < 0 || platform == (int)i) RF_TRY(find_on(list, platforms[i], (int)i));
    return RF_OK;
}

/* One thread at a time: the loader and PoCL initialise at the first calls, which is not thread-safe. */
static rf_status find(rf_found_list *list, int platform) {
    static pthread_mutex_t first_calls = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&first_calls);
    rf_status status = find_platforms(list, platform);
    pthread_mutex_unlock(&first_calls);
    return status;
}

/* ---- opening ---- */

static rf_status make_queue(rf_device *device, bool profiling) {
    rf_opencl *cl = rf_opencl_of(device);
    cl_int error;
    cl_command_queue_properties properties = profiling ? CL_QUEUE_PROFILING_ENABLE : 0;
    cl_command_queue queue = clCreateCommandQueue(cl->context, cl->id, properties, &error);
    if (queue == NULL) return rf_opencl_fail(error, "%s: no queue could be made", device->info.name);
    if (cl->queue != NULL) clReleaseCommandQueue(cl->queue);
    cl->queue = queue;
    return RF_OK;
}

/* The queue is in order, so that what was enqueued is done when a marker behind it is. */
static bool drain(rf_device *device) {
    cl_command_queue queue = rf_opencl_of(device)->queue;
    cl_event marker = NULL;
    if (clFinish(queue) == CL_SUCCESS) return true;
    if (clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker) != CL_SUCCESS) return false;
    bool done = clWaitForEvents(1, &marker) == CL_SUCCESS;
    clReleaseEvent(marker);
    return done;
}

static void close_opencl(rf_device *device) {
    rf_opencl *cl = rf_opencl_of(device);
    if (cl->queue != NULL) {
        drain(device);
        clReleaseCommandQueue(cl->queue);
    }
    rf_program_free_all(cl);
    if (cl->context != NULL && !cl->compiler_stuck) clReleaseContext(cl->context);
    free(cl);
    device->handle = NULL;
}

static rf_status open_opencl(rf_device *device, void *id) {
    rf_opencl *cl = device->handle = rf_alloc(1, sizeof *cl);
    if (cl == NULL) return RF_E_MEMORY;
    cl_int error;
    cl->id = id;
    query q = {.id = id};
    cl->has_fma = (device_number(&q, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_FMA) != 0;
    cl->own_builtins = device->info.kind == RF_DEVICE_CPU && rf_is_pocl(&device->info);
    error = q.error;
    if (error == CL_SUCCESS) cl->context = clCreateContext(NULL, 1, &cl->id, NULL, NULL, &error);
    rf_status status = cl->context != NULL ? make_queue(device, false)
                                           : rf_opencl_fail(error, "%s: cannot be opened", device->info.name);
    if (status != RF_OK) close_opencl(device);
    return status;
}

static rf_status sync_queue(rf_device *device) {
    cl_int error = clFinish(rf_opencl_of(device)->queue);
    return error == CL_SUCCESS ? RF_OK
                               : rf_opencl_fail(error, "%s: waiting for the queue", device->info.name);
}

static rf_status flush_queue(rf_device *device) {
    cl_int error = clFlush(rf_opencl_of(device)->queue);
    return error == CL_SUCCESS ? RF_OK : rf_opencl_fail(error, "%s: starting the queue", device->info.name);
}

static rf_status profile(rf_device *device, bool on) {
    RF_TRY(sync_queue(device));
    return make_queue(device, on);
}

/* ---- memory ---- */

/* Huge pages for a large buffer on a CPU: kernels walk many maps at once, and with pages of 4 KiB they would exceed the
 * TLB. A hint: failure is ignored, except a buffer that stays mapped. */
static cl_int ask_for_large_pages(rf_buffer *buffer) {
#ifdef MADV_HUGEPAGE
    enum { LARGE_PAGE = 2 << 20 };
    cl_command_queue queue = rf_opencl_of(buffer->device)->queue;
    if (buffer->device->info.kind != RF_DEVICE_CPU || buffer->bytes < 2 * LARGE_PAGE) return CL_SUCCESS;
    char *memory = clEnqueueMapBuffer(queue, buffer->handle, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0,
                                      buffer->bytes, 0, NULL, NULL, NULL);
    if (memory == NULL) return CL_SUCCESS;
    const size_t skip = rf_round_up((uintptr_t)memory, LARGE_PAGE) - (uintptr_t)memory;
    madvise(memory + skip, (buffer->bytes - skip) / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
    return clEnqueueUnmapMemObject(queue, buffer->handle, memory, 0, NULL, NULL);
#else
    return (void)buffer, CL_SUCCESS;
#endif
}

static rf_status alloc(rf_buffer *buffer) {
    const rf_device_info *info = &buffer->device->info;
    cl_mem_flags flags = CL_MEM_READ_WRITE | (info->host_memory ? CL_MEM_ALLOC_HOST_PTR : 0);
    cl_int error = CL_INVALID_BUFFER_SIZE;
    if (info->memory_bytes == 0 || buffer->bytes <= info->memory_bytes) /* NVIDIA's driver grants any size */
        buffer->handle = clCreateBuffer(rf_opencl_of(buffer->device)->context, flags,
                                        RF_MAX(buffer->bytes, 4), NULL, &error);
    if (buffer->handle != NULL) {
        if ((error = ask_for_large_pages(buffer)) == CL_SUCCESS) return RF_OK;
        clReleaseMemObject(buffer->handle);
    }
    rf_status status = rf_opencl_fail(
        error,
        "%s: a buffer of %.1f MB (the device has %zu MB and gives up to %zu MB at once) could not be had",
        info->name, (double)buffer->bytes * 0x1p-20, info->memory_bytes >> 20, info->max_alloc_bytes >> 20);
    return error == CL_OUT_OF_RESOURCES ? RF_E_MEMORY : status;
}

static rf_status region(rf_buffer *buffer) {
    cl_buffer_region where = {.origin = buffer->offset, .size = RF_MAX(buffer->bytes, 4)};
    cl_int error;
    if (buffer->bytes == 0)
        where.origin = 0; /* an empty region at the very end is valid: it is never accessed */
    buffer->handle = clCreateSubBuffer(buffer->root->handle, 0, CL_BUFFER_CREATE_TYPE_REGION, &where, &error);
    return buffer->handle != NULL ? RF_OK
                                  : rf_opencl_fail(error, "a region of %zu bytes at %zu of a buffer of %zu",
                                                   buffer->bytes, buffer->offset, buffer->root->bytes);
}

static void release(rf_buffer *buffer) {
    clReleaseMemObject(buffer->handle);
}

static cl_command_queue queue_of(const rf_buffer *buffer) {
    return rf_opencl_of(buffer->device)->queue;
}

/* A failed transfer may still be using the caller's memory, which may be freed when we return. */
static rf_status transferred(const rf_buffer *buffer, cl_int error, const char *what, size_t bytes) {
    if (error == CL_SUCCESS) return RF_OK;
    drain(buffer->device);
    return rf_opencl_fail(error, "%s: %s %zu bytes", buffer->device->info.name, what, bytes);
}

static rf_status write_bytes(rf_buffer *buffer, size_t offset, const void *data, size_t bytes,
                             rf_event *event) {
    cl_event *out = event != NULL ? (cl_event *)&event->handle : NULL;
    cl_int error = clEnqueueWriteBuffer(queue_of(buffer), buffer->handle, event == NULL ? CL_TRUE : CL_FALSE,
                                        offset, bytes, data, 0, NULL, out);
    return transferred(buffer, error, "writing", bytes);
}

static rf_status read_bytes(rf_buffer *buffer, size_t offset, void *data, size_t bytes, rf_event *event) {
    cl_event *out = event != NULL ? (cl_event *)&event->handle : NULL;
    cl_int error = clEnqueueReadBuffer(queue_of(buffer), buffer->handle, event == NULL ? CL_TRUE : CL_FALSE,
                                       offset, bytes, data, 0, NULL, out);
    return transferred(buffer, error, "reading", bytes);
}

static rf_status copy(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset, size_t bytes) {
    cl_int error = clEnqueueCopyBuffer(queue_of(to), from->handle, to->handle, from_offset, to_offset, bytes,
                                       0, NULL, NULL);
    return transferred(to, error, "copying", bytes);
}

static rf_status fill(rf_buffer *buffer, uint32_t pattern) {
    cl_int error = clEnqueueFillBuffer(queue_of(buffer), buffer->handle, &pattern, sizeof pattern, 0,
                                       buffer->bytes, 0, NULL, NULL);
    return transferred(buffer, error, "filling", buffer->bytes);
}

static rf_status map(void **data, rf_buffer *buffer) {
    cl_int error;
    *data = clEnqueueMapBuffer(queue_of(buffer), buffer->handle, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0,
                               RF_MAX(buffer->bytes, 4), 0, NULL, NULL, &error);
    return transferred(buffer, error, "mapping", buffer->bytes);
}

static rf_status unmap(rf_buffer *buffer, void *data) {
    cl_int error = clEnqueueUnmapMemObject(queue_of(buffer), buffer->handle, data, 0, NULL, NULL);
    return transferred(buffer, error, "unmapping", buffer->bytes);
}

/* ---- events ---- */

static rf_status event_wait(rf_event *event) {
    cl_event handle = event->handle;
    cl_int error = clWaitForEvents(1, &handle);
    return error == CL_SUCCESS ? RF_OK : rf_opencl_fail(error, "%s: waiting", event->device->info.name);
}

static rf_status event_times(rf_event *event, uint64_t *start_ns, uint64_t *end_ns) {
    cl_ulong start = 0, end = 0;
    cl_int error =
        clGetEventProfilingInfo(event->handle, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
    if (error == CL_SUCCESS)
        error = clGetEventProfilingInfo(event->handle, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    if (error == CL_SUCCESS && event->before != NULL)
        error = clGetEventProfilingInfo(event->before, CL_PROFILING_COMMAND_END, sizeof start, &start, NULL);
    *start_ns = start;
    *end_ns = RF_MAX(start, end);
    return error == CL_SUCCESS ? RF_OK : rf_opencl_fail(error, "%s: timing", event->device->info.name);
}

static void event_free(rf_event *event) {
    if (event->before != NULL) clReleaseEvent(event->before);
    clReleaseEvent(event->handle);
}

const rf_backend rf_backend_opencl = {
    .name = "opencl",
    .find = find,
    .open = open_opencl,
    .close = close_opencl,
    .sync = sync_queue,
    .drain = drain,
    .flush = flush_queue,
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
    .kernel_create = rf_opencl_kernel_create,
    .kernel_free = rf_opencl_kernel_free,
    .kernel_distrust = rf_opencl_kernel_distrust,
    .kernel_max_group = rf_opencl_kernel_max_group,
    .set_args = rf_opencl_set_args,
    .launch = rf_opencl_launch,
#ifdef RF_CLBLAST
    .gemm = &rf_opencl_gemm,
#endif
    .event_wait = event_wait,
    .event_times = event_times,
    .event_free = event_free,
};
