/* The OpenCL backend: context, in-order queue, buffers, kernels, events; OpenCL 1.2. */
#include "device/opencl.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    cl_int code;
    const char *name;
} error_names[] = {
#define RF_CL_ERROR(name) {name, #name},
    RF_CL_ERROR(CL_DEVICE_NOT_FOUND) RF_CL_ERROR(CL_DEVICE_NOT_AVAILABLE)
        RF_CL_ERROR(CL_COMPILER_NOT_AVAILABLE) RF_CL_ERROR(CL_MEM_OBJECT_ALLOCATION_FAILURE) RF_CL_ERROR(
            CL_OUT_OF_RESOURCES) RF_CL_ERROR(CL_OUT_OF_HOST_MEMORY) RF_CL_ERROR(CL_BUILD_PROGRAM_FAILURE)
            RF_CL_ERROR(CL_MAP_FAILURE) RF_CL_ERROR(CL_MISALIGNED_SUB_BUFFER_OFFSET) RF_CL_ERROR(
                CL_INVALID_VALUE) RF_CL_ERROR(CL_INVALID_DEVICE) RF_CL_ERROR(CL_INVALID_CONTEXT)
                RF_CL_ERROR(CL_INVALID_COMMAND_QUEUE) RF_CL_ERROR(CL_INVALID_MEM_OBJECT) RF_CL_ERROR(
                    CL_INVALID_BINARY) RF_CL_ERROR(CL_INVALID_BUILD_OPTIONS) RF_CL_ERROR(CL_INVALID_PROGRAM)
                    RF_CL_ERROR(CL_INVALID_PROGRAM_EXECUTABLE) RF_CL_ERROR(CL_INVALID_KERNEL_NAME)
                        RF_CL_ERROR(CL_INVALID_KERNEL) RF_CL_ERROR(CL_INVALID_ARG_INDEX)
                            RF_CL_ERROR(CL_INVALID_ARG_VALUE) RF_CL_ERROR(CL_INVALID_ARG_SIZE)
                                RF_CL_ERROR(CL_INVALID_KERNEL_ARGS) RF_CL_ERROR(CL_INVALID_WORK_GROUP_SIZE)
                                    RF_CL_ERROR(CL_INVALID_WORK_ITEM_SIZE) RF_CL_ERROR(CL_INVALID_EVENT)
                                        RF_CL_ERROR(CL_INVALID_OPERATION) RF_CL_ERROR(CL_INVALID_BUFFER_SIZE)
                                            RF_CL_ERROR(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
#undef RF_CL_ERROR
};

rf_status rf_cl_fail(cl_int error, const char *format, ...) {
    char doing[256];
    const char *name = "an unknown error";
    va_list args;
    va_start(args, format);
    vsnprintf(doing, sizeof doing, format, args);
    va_end(args);
    for (size_t i = 0; i < RF_COUNT(error_names); i++)
        if (error_names[i].code == error) name = error_names[i].name;
    bool memory = error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_HOST_MEMORY ||
                  error == CL_INVALID_BUFFER_SIZE;
    return rf_fail(memory ? RF_E_MEMORY : RF_E_DEVICE, "%s: %s (%d)", doing, name, error);
}

/* ---- finding devices ---- */

static void device_text(char *out, size_t size, cl_device_id id, cl_device_info what) {
    char text[512] = "";
    if (clGetDeviceInfo(id, what, sizeof text - 1, text, NULL) != CL_SUCCESS) text[0] = '\0';
    const char *start = text + strspn(text, " ");
    snprintf(out, size, "%s", start);
}

static cl_ulong device_number(cl_device_id id, cl_device_info what) {
    cl_ulong value = 0; /* uint and size_t values fill its low bytes, as on every host that OpenCL runs on */
    return clGetDeviceInfo(id, what, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

static void describe(rf_device_info *info, cl_platform_id platform, cl_device_id id, size_t p, size_t d) {
    cl_device_type type = device_number(id, CL_DEVICE_TYPE);
    *info = (rf_device_info){.kind = type & CL_DEVICE_TYPE_GPU   ? RF_DEVICE_GPU
                                     : type & CL_DEVICE_TYPE_CPU ? RF_DEVICE_CPU
                                                                 : RF_DEVICE_ACCELERATOR};
    snprintf(info->selector, sizeof info->selector, "%zu:%zu", p, d);
    device_text(info->name, sizeof info->name, id, CL_DEVICE_NAME);
    device_text(info->vendor, sizeof info->vendor, id, CL_DEVICE_VENDOR);
    device_text(info->version, sizeof info->version, id, CL_DEVICE_VERSION);
    device_text(info->driver, sizeof info->driver, id, CL_DRIVER_VERSION);
    if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof info->platform, info->platform, NULL) !=
        CL_SUCCESS)
        info->platform[0] = '\0';
    char extensions[8192] = "";
    clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    info->fp16 = strstr(extensions, "cl_khr_fp16") != NULL;
    info->fp64 = strstr(extensions, "cl_khr_fp64") != NULL;
    info->compute_units = RF_MAX((int)device_number(id, CL_DEVICE_MAX_COMPUTE_UNITS), 1);
    info->vector_width = RF_MAX((int)device_number(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT), 1);
    info->memory_bytes = device_number(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = device_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_memory_bytes = device_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    info->max_work_group = RF_MAX(device_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE), 1);
    info->alignment_bytes = RF_MAX(device_number(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8, 64);
    info->host_memory = device_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
}

rf_status rf_opencl_enumerate(rf_candidate **out, size_t *count, int only_platform) {
    enum { MAX_PLATFORMS = 32, MAX_DEVICES = 64 };
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint platform_count = 0;
    *out = NULL;
    *count = 0;
    if (clGetPlatformIDs(MAX_PLATFORMS, platforms, &platform_count) != CL_SUCCESS) return RF_OK; /* none */
    for (cl_uint p = 0; p < RF_MIN(platform_count, MAX_PLATFORMS); p++) {
        cl_device_id ids[MAX_DEVICES];
        cl_uint n = 0;
        if (only_platform >= 0 && p != (cl_uint)only_platform) continue;
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &n) != CL_SUCCESS) continue;
        n = RF_MIN(n, MAX_DEVICES);
        rf_candidate *grown = rf_resize(*out, *count + n, sizeof *grown);
        if (grown == NULL) {
            free(*out);
            *out = NULL;
            return RF_E_MEMORY;
        }
        *out = grown;
        for (cl_uint d = 0; d < n; d++) {
            if (!device_number(ids[d], CL_DEVICE_AVAILABLE) ||
                !device_number(ids[d], CL_DEVICE_COMPILER_AVAILABLE))
                continue;
            rf_candidate *candidate = &grown[(*count)++];
            *candidate = (rf_candidate){.platform = platforms[p], .id = ids[d]};
            describe(&candidate->info, platforms[p], ids[d], p, d);
        }
    }
    return RF_OK;
}

static rf_status make_queue(rf_cl *cl, bool profiling) {
    cl_int error;
    if (cl->queue != NULL) clReleaseCommandQueue(cl->queue);
    cl->queue = clCreateCommandQueue(cl->context, cl->id, profiling ? CL_QUEUE_PROFILING_ENABLE : 0, &error);
    cl->profiling = profiling;
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "making a command queue");
}

rf_status rf_opencl_open(rf_device *device, const rf_candidate *candidate) {
    cl_int error;
    rf_cl *cl = rf_alloc(1, sizeof *cl);
    if (cl == NULL) return RF_E_MEMORY;
    device->backend = &rf_backend_opencl;
    device->info = candidate->info;
    device->state = cl;
    cl->id = candidate->id;
    cl->no_fma = (device_number(cl->id, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_FMA) == 0;
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)candidate->platform, 0};
    cl->context = clCreateContext(properties, 1, &cl->id, NULL, NULL, &error);
    if (error != CL_SUCCESS)
        return rf_cl_fail(error, "opening device %s (%s)", device->info.selector, device->info.name);
    return make_queue(cl, false);
}

static void opencl_close(rf_device *device) {
    rf_cl *cl = device->state;
    if (cl->queue != NULL) clFinish(cl->queue);
    if (cl->leaked) return; /* a build that hangs still uses it all */
    rf_cl_programs_free(cl);
    if (cl->queue != NULL) clReleaseCommandQueue(cl->queue);
    if (cl->context != NULL) clReleaseContext(cl->context);
    free(cl);
}

/* ---- memory ---- */

static rf_status opencl_alloc(rf_buffer *buffer) {
    rf_cl *cl = buffer->device->state;
    cl_int error;
    cl_mem_flags flags = CL_MEM_READ_WRITE | (buffer->device->info.host_memory ? CL_MEM_ALLOC_HOST_PTR : 0);
    buffer->memory = clCreateBuffer(cl->context, flags, buffer->bytes, NULL, &error);
    return error == CL_SUCCESS
               ? RF_OK
               : rf_cl_fail(error, "allocating %zu MB on the device; a smaller --batch needs less",
                            buffer->bytes >> 20);
}

static rf_status opencl_region(rf_buffer *buffer, size_t offset) {
    cl_int error;
    cl_buffer_region region = {.origin = offset, .size = buffer->bytes};
    buffer->memory =
        clCreateSubBuffer(buffer->parent->memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
    return error == CL_SUCCESS
               ? RF_OK
               : rf_cl_fail(error, "making a region of %zu bytes at %zu", buffer->bytes, offset);
}

static void opencl_release(rf_buffer *buffer) {
    clReleaseMemObject(buffer->memory);
}

static cl_event *handle_of(rf_event *event) {
    return event != NULL ? (cl_event *)&event->handle : NULL;
}

static rf_status opencl_write(rf_buffer *buffer, size_t offset, const void *data, size_t bytes,
                              rf_event *event) {
    rf_cl *cl = buffer->device->state;
    cl_int error = clEnqueueWriteBuffer(cl->queue, buffer->memory, event == NULL, offset, bytes, data, 0,
                                        NULL, handle_of(event));
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "writing %zu bytes to the device", bytes);
}

static rf_status opencl_read(rf_buffer *buffer, size_t offset, void *data, size_t bytes, rf_event *event) {
    rf_cl *cl = buffer->device->state;
    cl_int error = clEnqueueReadBuffer(cl->queue, buffer->memory, event == NULL, offset, bytes, data, 0, NULL,
                                       handle_of(event));
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "reading %zu bytes from the device", bytes);
}

static rf_status opencl_copy(rf_buffer *to, size_t to_offset, rf_buffer *from, size_t from_offset,
                             size_t bytes) {
    rf_cl *cl = to->device->state;
    cl_int error = clEnqueueCopyBuffer(cl->queue, from->memory, to->memory, from_offset, to_offset, bytes, 0,
                                       NULL, NULL);
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "copying %zu bytes on the device", bytes);
}

static rf_status opencl_fill(rf_buffer *buffer, uint32_t pattern) {
    rf_cl *cl = buffer->device->state;
    cl_int error = clEnqueueFillBuffer(cl->queue, buffer->memory, &pattern, sizeof pattern, 0,
                                       buffer->bytes / sizeof pattern * sizeof pattern, 0, NULL, NULL);
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "filling %zu bytes", buffer->bytes);
}

static rf_status opencl_map(void **data, rf_buffer *buffer) {
    rf_cl *cl = buffer->device->state;
    cl_int error;
    *data = clEnqueueMapBuffer(cl->queue, buffer->memory, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0,
                               buffer->bytes, 0, NULL, NULL, &error);
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "mapping %zu bytes", buffer->bytes);
}

static rf_status opencl_unmap(rf_buffer *buffer, void *data) {
    rf_cl *cl = buffer->device->state;
    cl_int error = clEnqueueUnmapMemObject(cl->queue, buffer->memory, data, 0, NULL, NULL);
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "unmapping %zu bytes", buffer->bytes);
}

/* ---- kernels ---- */

static rf_status opencl_kernel(rf_kernel *kernel, const char *program, const char *name,
                               const char *options) {
    rf_cl *cl = kernel->device->state;
    rf_cl_program *built = NULL;
    cl_int error;
    RF_TRY(rf_cl_program_get(&built, kernel->device, program, options));
    cl_kernel handle = clCreateKernel(built->handle, name, &error);
    if (error != CL_SUCCESS) return rf_cl_fail(error, "kernel %s of %s.cl", name, program);
    size_t most = 0;
    if (clGetKernelWorkGroupInfo(handle, cl->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most, NULL) !=
        CL_SUCCESS)
        most = kernel->device->info.max_work_group;
    kernel->handle = handle;
    kernel->max_group = most;
    kernel->is_new = built->is_new;
    return RF_OK;
}

static void opencl_kernel_free(rf_kernel *kernel) {
    clReleaseKernel(kernel->handle);
}

static rf_status opencl_set_args(rf_kernel *kernel, const rf_arg *args) {
    for (cl_uint i = 0; i < RF_MAX_ARGS && args[i].kind != RF_ARG_END; i++) {
        cl_mem memory =
            args[i].kind == RF_ARG_BUFFER && args[i].as.buffer != NULL ? args[i].as.buffer->memory : NULL;
        cl_int error = CL_SUCCESS;
        switch (args[i].kind) {
        case RF_ARG_BUFFER:
            error = clSetKernelArg(kernel->handle, i, sizeof memory, &memory);
            break;
        case RF_ARG_LOCAL:
            error = clSetKernelArg(kernel->handle, i, args[i].as.local_bytes, NULL);
            break;
        default:
            error = clSetKernelArg(kernel->handle, i, sizeof(uint32_t), &args[i].as.u32);
            break;
        }
        if (error != CL_SUCCESS) return rf_cl_fail(error, "setting argument %u", i);
    }
    return RF_OK;
}

static rf_status opencl_launch(rf_kernel *kernel, const size_t global[3], const size_t local[3],
                               rf_event *event) {
    rf_cl *cl = kernel->device->state;
    cl_int error =
        clEnqueueNDRangeKernel(cl->queue, kernel->handle, 3, NULL, global, local, 0, NULL, handle_of(event));
    return error == CL_SUCCESS ? RF_OK
                               : rf_cl_fail(error, "launching %zux%zux%zu items in groups of %zux%zux%zu",
                                            global[0], global[1], global[2], local[0], local[1], local[2]);
}

/* ---- the queue ---- */

static rf_status opencl_sync(rf_device *device) {
    cl_int error = clFinish(((rf_cl *)device->state)->queue);
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "waiting for the device");
}

static rf_status opencl_flush(rf_device *device) {
    cl_int error = clFlush(((rf_cl *)device->state)->queue);
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "starting the device's work");
}

static rf_status opencl_profile(rf_device *device, bool on) {
    rf_cl *cl = device->state;
    if (cl->profiling == on) return RF_OK;
    RF_TRY(opencl_sync(device));
    return make_queue(cl, on);
}

static bool opencl_event_done(rf_event *event) {
    cl_int state = CL_QUEUED;
    clGetEventInfo(event->handle, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    return state <= CL_COMPLETE;
}

static rf_status opencl_event_wait(rf_event *event) {
    cl_event handle = event->handle;
    cl_int error = clWaitForEvents(1, &handle);
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "waiting for the device");
}

static rf_status opencl_event_times(rf_event *event, uint64_t *start_ns, uint64_t *end_ns) {
    cl_ulong start = 0, end = 0;
    cl_int error =
        clGetEventProfilingInfo(event->handle, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
    if (error == CL_SUCCESS)
        error = clGetEventProfilingInfo(event->handle, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    *start_ns = start;
    *end_ns = end;
    return error == CL_SUCCESS ? RF_OK : rf_cl_fail(error, "reading an event's times");
}

static void opencl_event_free(rf_event *event) {
    clReleaseEvent(event->handle);
}

const rf_backend rf_backend_opencl = {.close = opencl_close,
                                      .alloc = opencl_alloc,
                                      .region = opencl_region,
                                      .release = opencl_release,
                                      .write = opencl_write,
                                      .read = opencl_read,
                                      .copy = opencl_copy,
                                      .fill = opencl_fill,
                                      .map = opencl_map,
                                      .unmap = opencl_unmap,
                                      .kernel = opencl_kernel,
                                      .kernel_free = opencl_kernel_free,
                                      .set_args = opencl_set_args,
                                      .launch = opencl_launch,
                                      .sync = opencl_sync,
                                      .flush = opencl_flush,
                                      .profile = opencl_profile,
                                      .event_done = opencl_event_done,
                                      .event_wait = opencl_event_wait,
                                      .event_times = opencl_event_times,
                                      .event_free = opencl_event_free};
