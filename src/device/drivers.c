/* GPUs that the machine has and that no OpenCL platform shows: what to install. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/backend.h"

/* A maker's GPU is there where the kernel's driver has left the file, and the file begins with the text, if one is given. */
static const struct {
    const char *maker, *file, *text, *vendor, *how;
} makers[] = {
    {"an NVIDIA", "/dev/nvidiactl", NULL, "nvidia",
     "install nvidia-opencl-icd, or write libnvidia-opencl.so.1 into a file /etc/OpenCL/vendors/nvidia.icd"},
    {"an AMD", "/dev/kfd", NULL, "advanced micro", "install rocm-opencl-icd or mesa-opencl-icd"},
    {"an Intel", "/sys/class/drm/renderD128/device/vendor", "0x8086", "intel", "install intel-opencl-icd"},
};

static bool begins_with(const char *path, const char *text) {
    char start[16] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    bool same = fgets(start, sizeof start, file) != NULL && strncmp(start, text, strlen(text)) == 0;
    fclose(file);
    return same;
}

static bool is_there(const char *root, const char *file, const char *text) {
    char *path = rf_format("%s%s", root, file);
    bool there = path != NULL && (text != NULL ? begins_with(path, text) : access(path, F_OK) == 0);
    free(path);
    return there;
}

static bool has_platform(const rf_found_list *list, const char *vendor) {
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].info.kind == RF_DEVICE_GPU &&
            strcasestr(list->items[i].info.vendor, vendor) != NULL)
            return true;
    return false;
}

char *rf_missing_driver(const rf_found_list *list, const char *root) {
    for (size_t i = 0; i < RF_COUNT(makers); i++)
        if (is_there(root, makers[i].file, makers[i].text) && !has_platform(list, makers[i].vendor))
            return rf_format("%s GPU is here without its OpenCL driver: %s", makers[i].maker, makers[i].how);
    return NULL;
}
