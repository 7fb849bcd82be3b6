/* GPUs of the machine that no OpenCL platform shows: what to install or set. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/backend.h"

enum { DEBIAN, UBUNTU, FEDORA, ARCH, SUSE, DISTRIBUTIONS };
static const char *const distributions[DISTRIBUTIONS] = {"debian", "ubuntu", "fedora", "arch", "suse"};

/* A vendor's GPU is present where the kernel has a render node with its number, or its driver's file exists. */
static const struct {
    const char *name, *number, *file;
    const char *words[2]; /* OpenCL's vendor contains one of them */
    const char *rusticl;  /* Mesa's driver, as RUSTICL_ENABLE takes it */
    const char *packages[DISTRIBUTIONS];
} vendors[] = {
    {"an NVIDIA",
     "0x10de",
     "/dev/nvidiactl",
     {"nvidia", "nouveau"},
     NULL, /* NVIDIA's own driver is the one to have */
     {"nvidia-opencl-icd", "the libnvidia-compute-* of your driver's version",
      "xorg-x11-drv-nvidia-cuda (RPM Fusion)", "opencl-nvidia", "nvidia-compute-G06"}},
    {"an AMD",
     "0x1002",
     "/dev/kfd",
     {"advanced micro", "amd"},
     "radeonsi",
     {"mesa-opencl-icd, or rocm-opencl-runtime of AMD's", "mesa-opencl-icd, or rocm-opencl-runtime of AMD's",
      "rocm-opencl", "rocm-opencl-runtime, or opencl-mesa", "Mesa-libRusticlOpenCL"}},
    {"an Intel",
     "0x8086",
     NULL,
     {"intel", "intel"},
     "iris",
     {"intel-opencl-icd", "intel-opencl-icd", "intel-compute-runtime", "intel-compute-runtime",
      "intel-opencl"}},
};
enum { FIRST_NODE = 128, NODES = 16 };

/* The file's beginning; "" without it. */
static void read_start(char *out, size_t size, const char *root, const char *name) {
    char *path = rf_format("%s%s", root, name);
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    size_t length = file != NULL ? fread(out, 1, size - 1, file) : 0;
    out[length] = '\0';
    if (file != NULL) fclose(file);
    free(path);
}

/* The Linux distribution, or the one that it derives from; Debian where unknown. */
static int find_distribution(const char *root) {
    char text[4096], *rest = text;
    int found = -1;
    read_start(text, sizeof text, root, "/etc/os-release");
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        bool id = strncmp(line, "ID=", 3) == 0, like = strncmp(line, "ID_LIKE=", 8) == 0;
        for (int i = DISTRIBUTIONS - 1; (id || like) && i >= 0; i--)
            if (strstr(line, distributions[i]) != NULL && (id || found < 0)) found = i;
    }
    return found >= 0 ? found : DEBIAN;
}

/* The number of the render node of a GPU with this vendor number; 0: none. */
static int find_node(const char *root, const char *number) {
    char name[64], vendor[16];
    for (int node = FIRST_NODE; node < FIRST_NODE + NODES; node++) {
        snprintf(name, sizeof name, "/sys/class/drm/renderD%d/device/vendor", node);
        read_start(vendor, sizeof vendor, root, name);
        if (strncmp(vendor, number, strlen(number)) == 0) return node;
    }
    return 0;
}

static bool exists(const char *root, const char *file) {
    char *path = rf_format("%s%s", root, file);
    bool there = path != NULL && access(path, F_OK) == 0;
    free(path);
    return there;
}

static bool is_shown(const rf_found_list *list, const char *const words[2]) {
    for (size_t i = 0; i < list->count; i++)
        for (int w = 0; w < 2; w++)
            if (list->items[i].info.kind == RF_DEVICE_GPU &&
                strcasestr(list->items[i].info.vendor, words[w]) != NULL)
                return true;
    return false;
}

/* Without permission for the node no driver can use the GPU. */
static char *forbidden(const char *root, int node) {
    char *path = rf_format("%s/dev/dri/renderD%d", root, node), *text = NULL;
    if (node != 0 && path != NULL && faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0 &&
        faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
        text = rf_format("this user may not open /dev/dri/renderD%d: 'sudo usermod -aG render %s' allows it, "
                         "at the next login",
                         node, getenv("USER") != NULL ? getenv("USER") : "USER");
    free(path);
    return text;
}

static char *advice(const rf_found_list *list, const char *root, size_t vendor, int node) {
    const char *driver = vendors[vendor].rusticl, *enabled = getenv("RUSTICL_ENABLE");
    char *text = forbidden(root, node);
    if (text != NULL) return text;
    if (list->idle_rusticl && driver != NULL && (enabled == NULL || strstr(enabled, driver) == NULL))
        return rf_format("Mesa's OpenCL shows it with RUSTICL_ENABLE=%s in the environment", driver);
    return rf_format("install %s", vendors[vendor].packages[find_distribution(root)]);
}

char *rf_missing_driver(const rf_found_list *list, const char *root) {
    for (size_t i = 0; i < RF_COUNT(vendors); i++) {
        int node = find_node(root, vendors[i].number);
        bool there = node != 0 || (vendors[i].file != NULL && exists(root, vendors[i].file));
        if (!there || is_shown(list, vendors[i].words)) continue;
        char *what = advice(list, root, i, node);
        char *text = what != NULL
                         ? rf_format("%s GPU is here without its OpenCL driver: %s", vendors[i].name, what)
                         : NULL;
        free(what);
        return text;
    }
    return NULL;
}
