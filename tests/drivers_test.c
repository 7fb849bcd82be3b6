/* GPUs without a driver, and the advice that is given: the tests' folder stands for /. */
#include "files.h"

#include "device/backend.h"

static void put(const char *name, const char *text) {
    char *path = rf_format("%s%s", root, name), *slash = strrchr(path, '/');
    *slash = '\0';
    folder(path);
    *slash = '/';
    write_file(path, text, strlen(text));
    free(path);
}

/* `advice` NULL: nothing is missing. */
static void expect_advice(const rf_found_list *list, const char *gpu, const char *advice) {
    char *text = rf_missing_driver(list, root);
    if (advice == NULL && text != NULL) fail_msg("nothing is missing, but: %s", text);
    if (advice != NULL && (text == NULL || strstr(text, advice) == NULL || strstr(text, gpu) == NULL))
        fail_msg("'%s' and '%s' are not in: %s", gpu, advice, text != NULL ? text : "nothing");
    free(text);
}

static void a_gpu_without_a_driver_is_named_with_the_distributions_package(void **state) {
    (void)state;
    static const struct {
        const char *number, *release, *gpu, *package;
    } cases[] = {
        {"0x10de\n", "ID=debian\n", "NVIDIA", "nvidia-opencl-icd"},
        {"0x10de\n", "NAME=x\nID=ubuntu\nID_LIKE=debian\n", "NVIDIA", "libnvidia-compute-"},
        {"0x10de\n", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "NVIDIA", "libnvidia-compute-"},
        {"0x10de\n", "ID=fedora\n", "NVIDIA", "xorg-x11-drv-nvidia-cuda"},
        {"0x10de\n", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "NVIDIA", "xorg-x11-drv-nvidia-cuda"},
        {"0x10de\n", "ID=arch\n", "NVIDIA", "opencl-nvidia"},
        {"0x10de\n", "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n", "NVIDIA", "nvidia-compute-G06"},
        {"0x1002\n", "ID=debian\n", "AMD", "mesa-opencl-icd"},
        {"0x1002\n", "ID=fedora\n", "AMD", "rocm-opencl"},
        {"0x1002\n", "ID=manjaro\nID_LIKE=arch\n", "AMD", "rocm-opencl-runtime"},
        {"0x1002\n", "ID=opensuse-tumbleweed\nID_LIKE=\"opensuse suse\"\n", "AMD", "Mesa-libRusticlOpenCL"},
        {"0x8086\n", "ID=debian\n", "Intel", "intel-opencl-icd"},
        {"0x8086\n", "ID=ubuntu\n", "Intel", "intel-opencl-icd"},
        {"0x8086\n", "ID=fedora\n", "Intel", "intel-compute-runtime"},
        {"0x8086\n", "ID=arch\n", "Intel", "intel-compute-runtime"},
        {"0x8086\n", "ID=opensuse-leap\nID_LIKE=suse\n", "Intel", "intel-opencl"},
        {"0x8086\n", "ID=unheard-of\n", "Intel", "intel-opencl-icd"},
    };
    const rf_found_list none = {0};
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        empty_root(NULL);
        expect_advice(&none, "", NULL);
        put("/sys/class/drm/renderD131/device/vendor", cases[i].number);
        put("/etc/os-release", cases[i].release);
        expect_advice(&none, cases[i].gpu, cases[i].package);
    }
}

static void drivers_of_the_kernel_tell_of_a_gpu_too(void **state) {
    (void)state;
    const rf_found_list none = {0};
    put("/sys/class/drm/renderD128/device/vendor", "0x1af4\n"); /* a virtual one */
    expect_advice(&none, "", NULL);
    put("/dev/kfd", "");
    expect_advice(&none, "AMD", "mesa-opencl-icd");
    put("/dev/nvidiactl", "");
    expect_advice(&none, "NVIDIA", "nvidia-opencl-icd");
}

static void a_gpu_that_a_platform_shows_is_not_missed(void **state) {
    (void)state;
    static const char *const makers[][2] = {{"0x10de", "NVIDIA Corporation"},
                                            {"0x1002", "Advanced Micro Devices, Inc."},
                                            {"0x1002", "AMD"},
                                            {"0x8086", "Intel(R) Corporation"}};
    for (size_t i = 0; i < RF_COUNT(makers); i++) {
        rf_found_list list = {0};
        rf_found found = {.info = {.kind = RF_DEVICE_CPU}};
        empty_root(NULL);
        put("/sys/class/drm/renderD128/device/vendor", makers[i][0]);
        snprintf(found.info.vendor, sizeof found.info.vendor, "%s", makers[i][1]);
        assert_int_equal(rf_found_add(&list, &found), RF_OK); /* a processor of the same maker is no GPU */
        expect_advice(&list, "GPU", "install");
        list.items[0].info.kind = RF_DEVICE_GPU;
        expect_advice(&list, "", NULL);
        free(list.items);
    }
}

static void mesas_driver_that_waits_for_a_variable_is_named(void **state) {
    (void)state;
    unsetenv("RUSTICL_ENABLE");
    const rf_found_list list = {.idle_rusticl = true};
    put("/sys/class/drm/renderD128/device/vendor", "0x1002\n");
    expect_advice(&list, "AMD", "RUSTICL_ENABLE=radeonsi");
    setenv("RUSTICL_ENABLE", "llvmpipe", 1);
    expect_advice(&list, "AMD", "RUSTICL_ENABLE=radeonsi");
    setenv("RUSTICL_ENABLE", "iris,radeonsi:1", 1); /* it did not help */
    expect_advice(&list, "AMD", "install");
    unsetenv("RUSTICL_ENABLE");
    put("/sys/class/drm/renderD128/device/vendor", "0x8086\n");
    expect_advice(&list, "Intel", "RUSTICL_ENABLE=iris");
}

static void a_gpu_that_the_user_may_not_open_is_told_of(void **state) {
    (void)state;
    const rf_found_list none = {0};
    uid_t user = geteuid();
    put("/sys/class/drm/renderD128/device/vendor", "0x8086\n");
    put("/dev/dri/renderD128", "");
    assert_int_equal(chmod(at("dev/dri/renderD128"), 0), 0);
    assert_int_equal(chmod(root, 0755), 0);
    if (user == 0) assert_int_equal(seteuid(65534), 0); /* root may open everything */
    char *text = rf_missing_driver(&none, root);
    assert_int_equal(seteuid(user), 0);
    assert_non_null(text);
    assert_non_null(strstr(text, "/dev/dri/renderD128"));
    assert_non_null(strstr(text, "usermod -aG render"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_gpu_without_a_driver_is_named_with_the_distributions_package),
        TEST(drivers_of_the_kernel_tell_of_a_gpu_too),
        TEST(a_gpu_that_a_platform_shows_is_not_missed),
        TEST(mesas_driver_that_waits_for_a_variable_is_named),
        TEST(a_gpu_that_the_user_may_not_open_is_told_of),
    };
    return RUN_IN_FOLDER(tests);
}
