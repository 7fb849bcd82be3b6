/* Kernels of the OpenCL backend: creation, arguments, launches. */
#include <string.h>

#include "device/opencl/opencl.h"

rf_status rf_opencl_kernel_create(rf_kernel *kernel, const char *program, const char *options) {
    cl_program built = NULL;
    cl_int error;
    RF_TRY(rf_program_get(&built, &kernel->is_new, kernel->device, program, options));
    kernel->handle = clCreateKernel(built, kernel->name, &error);
    return kernel->handle != NULL ? RF_OK
                                  : rf_opencl_fail(error, "kernel %s of %s.cl", kernel->name, program);
}

void rf_opencl_kernel_free(rf_kernel *kernel) {
    clReleaseKernel(kernel->handle);
}

void rf_opencl_kernel_distrust(rf_kernel *kernel) {
    cl_program program = NULL;
    if (clGetKernelInfo(kernel->handle, CL_KERNEL_PROGRAM, sizeof program, &program, NULL) == CL_SUCCESS)
        rf_program_distrust(rf_opencl_of(kernel->device), program);
}

size_t rf_opencl_kernel_max_group(const rf_kernel *kernel) {
    const rf_device *device = kernel->device;
    size_t size = 0;
    /* Mesa's rusticl returns its sub-group width, although it takes full groups. */
    if (strcmp(device->info.platform, "rusticl") == 0) return device->info.max_work_group;
    cl_int error = clGetKernelWorkGroupInfo(kernel->handle, rf_opencl_of(device)->id,
                                            CL_KERNEL_WORK_GROUP_SIZE, sizeof size, &size, NULL);
    if (error == CL_SUCCESS) return RF_MAX(size, 1);
    rf_opencl_fail(error, "kernel %s: asking how large its groups may be", kernel->name);
    return 0;
}

static cl_int set_arg(cl_kernel kernel, cl_uint index, const rf_arg *arg) {
    switch (arg->kind) {
    case RF_ARG_BUFFER: {
        cl_mem memory = arg->as.buffer != NULL ? arg->as.buffer->handle : NULL;
        return clSetKernelArg(kernel, index, sizeof memory, &memory);
    }
    case RF_ARG_I32:
        return clSetKernelArg(kernel, index, sizeof arg->as.i32, &arg->as.i32);
    case RF_ARG_U32:
        return clSetKernelArg(kernel, index, sizeof arg->as.u32, &arg->as.u32);
    case RF_ARG_F32:
        return clSetKernelArg(kernel, index, sizeof arg->as.f32, &arg->as.f32);
    case RF_ARG_LOCAL:
        return clSetKernelArg(kernel, index, arg->as.local_bytes, NULL);
    case RF_ARG_END:
        break;
    }
    return CL_INVALID_ARG_VALUE;
}

rf_status rf_opencl_set_args(rf_kernel *kernel, const rf_arg *args) {
    cl_uint i = 0;
    for (; i < RF_MAX_ARGS && args[i].kind != RF_ARG_END; i++) {
        cl_int error = set_arg(kernel->handle, i, &args[i]);
        if (error != CL_SUCCESS)
            return rf_opencl_fail(error, "kernel %s: argument %u", kernel->name, (unsigned)i);
    }
    cl_uint wanted = 0;
    cl_int error = clGetKernelInfo(kernel->handle, CL_KERNEL_NUM_ARGS, sizeof wanted, &wanted, NULL);
    if (error == CL_SUCCESS && wanted != i)
        return rf_fail(RF_E_DEVICE, "kernel %s takes %u arguments, %u were given", kernel->name,
                       (unsigned)wanted, (unsigned)i);
    return RF_OK;
}

rf_status rf_opencl_launch(rf_kernel *kernel, const size_t global[3], const size_t local[3],
                           rf_event *event) {
    cl_uint dimensions = global[2] > 1 ? 3 : global[1] > 1 ? 2 : 1;
    cl_event *out = event != NULL ? (cl_event *)&event->handle : NULL;
    cl_int error = clEnqueueNDRangeKernel(rf_opencl_of(kernel->device)->queue, kernel->handle, dimensions,
                                          NULL, global, local, 0, NULL, out);
    if (error == CL_SUCCESS) return RF_OK;
    return rf_opencl_fail(error, "kernel %s: launching %zux%zux%zu work-items in groups of %zux%zux%zu",
                          kernel->name, global[0], global[1], global[2], local[0], local[1], local[2]);
}
