/* The device layer on whatever $RANGEFINDER_DEVICE names; kernels and cache live in a temporary folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/backend.h"

static char folder[] = "/tmp/rangefinder-device-test-XXXXXX";
static rf_device *device;

static void write_kernel(const char *name, const char *text) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/kernels/%s", folder, name);
    assert_int_equal(rf_file_write(path, text, strlen(text)), RF_OK);
}

static bool runs_kernels(void) {
    return rf_device_describe(device)->kind != RF_DEVICE_REFERENCE;
}

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        rf_status ok_status = (call);                                                                        \
        if (ok_status != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                               \
    } while (0)
#define assert_message(text)                                                                                 \
    do {                                                                                                     \
        if (strstr(rf_error_message(), text) == NULL)                                                        \
            fail_msg("'%s' is not in: %s", text, rf_error_message());                                        \
    } while (0)

static const char scale_source[] =
    "/* x = x * factor + add, by work-groups that sum through local memory. */\n"
    "#include \"shared.clh\"\n"
    "__kernel void scale(__global float *x, float factor, int add, uint n,\n"
    "                    __global float *none, __local float *scratch) {\n"
    "    uint i = get_global_id(0);\n"
    "    scratch[get_local_id(0)] = x[i] * factor;\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    if (i < n && none == 0) x[i] = scratch[get_local_id(0)] + (float)add + SHARED;\n"
    "}\n"
    "__kernel void ids(__global int *x) {\n"
    "    size_t i = get_global_id(0) + get_global_size(0) *\n"
    "               (get_global_id(1) + get_global_size(1) * get_global_id(2));\n"
    "    x[i] = (int)(100 * get_global_id(2) + 10 * get_global_id(1) + get_global_id(0));\n"
    "}\n";

/* 4^7 statements keep any compiler busy for longer than the shortest limit. */
static const char slow_source[] = "#define S1 x[0] = x[0] * x[1] + 1.0f;\n"
                                  "#define S2 S1 S1 S1 S1\n#define S3 S2 S2 S2 S2\n#define S4 S3 S3 S3 S3\n"
                                  "#define S5 S4 S4 S4 S4\n#define S6 S5 S5 S5 S5\n#define S7 S6 S6 S6 S6\n"
                                  "__kernel void slow(__global float *x) { S7 S7 S7 S7 }\n";

/* ---- opening ---- */

static void the_named_device_is_described(void **state) {
    (void)state;
    const rf_device_info *info = rf_device_describe(device);
    assert_true(info->name[0] != '\0' && info->selector[0] != '\0');
    assert_true(info->compute_units >= 1 && info->vector_width >= 1 && info->max_work_group >= 1);
    assert_true(info->memory_bytes > 0 && info->alignment_bytes >= 4);
}

static void a_device_opens_by_selector_and_by_part_of_its_name(void **state) {
    (void)state;
    const rf_device_info *info = rf_device_describe(device);
    char part[9];
    snprintf(part, sizeof part, "%.8s", info->name);
    part[0] ^= 0x20; /* case does not matter */
    const char *selectors[] = {info->selector, info->name, part};
    for (size_t i = 0; i < RF_COUNT(selectors); i++) {
        rf_device *other;
        assert_ok(rf_device_open(&other, selectors[i]));
        assert_string_equal(rf_device_describe(other)->name, info->name);
        rf_device_close(other);
    }
}

static void a_missing_device_is_an_error_with_those_present(void **state) {
    (void)state;
    static const char *const missing[] = {"31:7", "no such device", "accelerator"};
    for (size_t i = 0; i < RF_COUNT(missing); i++) {
        rf_device *other = device;
        assert_int_equal(rf_device_open(&other, missing[i]), RF_E_DEVICE);
        assert_null(other);
        assert_message(missing[i]);
        assert_message(rf_device_describe(device)->name);
        assert_message("reference");
    }
    rf_device *other;
    assert_int_equal(rf_device_open(&other, "refrence"), RF_E_DEVICE);
    assert_message("did you mean 'reference'?");
}

static void the_list_ends_with_the_reference_and_auto_is_on_it(void **state) {
    (void)state;
    rf_device_info *list;
    rf_device *automatic;
    size_t count, taken;
    char *why;
    assert_ok(rf_device_list(&list, &count, &taken, &why));
    assert_true(count >= 1 && taken < count && why[0] != '\0');
    assert_int_equal(list[count - 1].kind, RF_DEVICE_REFERENCE);
    assert_true(count == 1 || taken < count - 1);
    assert_ok(rf_device_open(&automatic, "auto"));
    assert_string_equal(rf_device_describe(automatic)->selector, list[taken].selector);
    assert_string_equal(rf_device_reason(automatic), why);
    rf_device_close(automatic);
    assert_ok(rf_device_open(&automatic, "reference"));
    assert_string_equal(rf_device_reason(automatic), "");
    rf_device_close(automatic);
    free(list);
    free(why);
}

static void quarantined_ops_are_listed_once(void **state) {
    (void)state;
    rf_device *other;
    const rf_quarantine *list;
    setenv("RANGEFINDER_QUARANTINE", "pool,conv.forward", 1);
    assert_ok(rf_device_open(&other, NULL));
    unsetenv("RANGEFINDER_QUARANTINE");
    size_t before = rf_device_quarantined(other, &list);
    assert_int_equal(before, runs_kernels() ? 2 : 0);
    assert_int_equal(rf_device_is_quarantined(other, "pool", "forward"), runs_kernels());
    assert_int_equal(rf_device_is_quarantined(other, "conv", "forward"), runs_kernels());
    assert_false(rf_device_is_quarantined(other, "conv", "backward_data"));
    rf_device_quarantine(other, "relu", "it disagrees");
    rf_device_quarantine(other, "relu", "again");
    assert_int_equal(rf_device_quarantined(other, &list), before + 1);
    assert_string_equal(list[before].reason, "it disagrees");
    assert_true(rf_device_is_quarantined(other, "relu", "backward_data"));
    rf_device_close(other);
}

/* ---- memory ---- */

static void data_survives_a_round_trip(void **state) {
    (void)state;
    rf_buffer *buffer;
    uint8_t in[1000], out[1000] = {0};
    for (size_t i = 0; i < sizeof in; i++) in[i] = (uint8_t)(i * 7);
    assert_ok(rf_buffer_create(&buffer, device, sizeof in));
    assert_int_equal(rf_buffer_bytes(buffer), sizeof in);
    assert_ok(rf_buffer_write(buffer, 0, in, 501));
    assert_ok(rf_buffer_write(buffer, 501, in + 501, sizeof in - 501));
    assert_ok(rf_buffer_read(buffer, 3, out + 3, sizeof in - 3));
    assert_memory_equal(in + 3, out + 3, sizeof in - 3);
    rf_buffer_free(buffer);
}

static void an_access_outside_a_buffer_is_refused(void **state) {
    (void)state;
    rf_buffer *buffer, *region;
    char data[16] = {0};
    assert_ok(rf_buffer_create(&buffer, device, 16));
    assert_int_equal(rf_buffer_write(buffer, 1, data, 16), RF_E_SHAPE);
    assert_int_equal(rf_buffer_read(buffer, SIZE_MAX, data, 2), RF_E_SHAPE);
    assert_int_equal(rf_buffer_region(&region, buffer, 0, 17), RF_E_SHAPE);
    assert_null(region);
    rf_buffer_free(buffer);
}

static void an_empty_buffer_is_a_buffer(void **state) {
    (void)state;
    rf_buffer *buffer;
    void *data;
    assert_ok(rf_buffer_create(&buffer, device, 0));
    assert_ok(rf_buffer_fill(buffer, 1));
    assert_ok(rf_buffer_read(buffer, 0, NULL, 0));
    assert_ok(rf_buffer_map(&data, buffer));
    assert_ok(rf_buffer_unmap(buffer, data));
    rf_buffer_free(buffer);
}

static void more_memory_than_there_is_is_an_error(void **state) {
    (void)state;
    rf_buffer *buffer;
    assert_int_equal(rf_buffer_create(&buffer, device, SIZE_MAX / 4), RF_E_MEMORY);
    assert_null(buffer);
    assert_message("MB");
}

/* ---- GPUs without a driver: a folder stands for / ---- */

static char machine[sizeof folder + 16];

static void put(const char *name, const char *text) {
    char path[PATH_MAX], *slash;
    snprintf(path, sizeof path, "%s%s", machine, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_ok(rf_make_dirs(path));
    *slash = '/';
    assert_ok(rf_file_write(path, text, strlen(text)));
}

static int new_machine(void **state) {
    static int number;
    (void)state;
    snprintf(machine, sizeof machine, "%s/machine%d", folder, number++);
    unsetenv("RUSTICL_ENABLE");
    return 0;
}

/* `advice` NULL: nothing is missing. */
static void expect_advice(const rf_found_list *list, const char *gpu, const char *advice) {
    char *text = rf_missing_driver(list, machine);
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
        new_machine(NULL);
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
    static const char *const vendors[][2] = {{"0x10de", "NVIDIA Corporation"},
                                             {"0x1002", "Advanced Micro Devices, Inc."},
                                             {"0x1002", "AMD"},
                                             {"0x8086", "Intel(R) Corporation"}};
    for (size_t i = 0; i < RF_COUNT(vendors); i++) {
        rf_found_list list = {0};
        rf_found found = {.info = {.kind = RF_DEVICE_CPU}};
        new_machine(NULL);
        put("/sys/class/drm/renderD128/device/vendor", vendors[i][0]);
        snprintf(found.info.vendor, sizeof found.info.vendor, "%s", vendors[i][1]);
        assert_ok(rf_found_add(&list, &found)); /* a processor of the same vendor is no GPU */
        expect_advice(&list, "GPU", "install");
        list.items[0].info.kind = RF_DEVICE_GPU;
        expect_advice(&list, "", NULL);
        free(list.items);
    }
}

static void mesas_driver_that_waits_for_a_variable_is_named(void **state) {
    (void)state;
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

static void a_gpu_that_the_user_may_not_open_is_reported(void **state) {
    (void)state;
    const rf_found_list none = {0};
    char path[PATH_MAX];
    uid_t user = geteuid();
    put("/sys/class/drm/renderD128/device/vendor", "0x8086\n");
    put("/dev/dri/renderD128", "");
    snprintf(path, sizeof path, "%s/dev/dri/renderD128", machine);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    if (user == 0) assert_int_equal(seteuid(65534), 0); /* root may open everything */
    char *text = rf_missing_driver(&none, machine);
    assert_int_equal(seteuid(user), 0);
    assert_non_null(text);
    assert_non_null(strstr(text, "/dev/dri/renderD128"));
    assert_non_null(strstr(text, "usermod -aG render"));
    free(text);
}

static void fill_and_copy_follow_one_another(void **state) {
    (void)state;
    rf_buffer *from, *to;
    uint32_t out[64];
    assert_ok(rf_buffer_create(&from, device, sizeof out));
    assert_ok(rf_buffer_create(&to, device, sizeof out));
    assert_ok(rf_buffer_fill(from, 0x01020304));
    assert_ok(rf_buffer_fill(to, 0));
    assert_ok(rf_buffer_copy(to, 4, from, 8, 100));
    assert_ok(rf_buffer_read(to, 0, out, sizeof out));
    for (size_t i = 0; i < RF_COUNT(out); i++) assert_int_equal(out[i], i >= 1 && i <= 25 ? 0x01020304 : 0);
    rf_buffer_free(from);
    rf_buffer_free(to);
}

static void regions_are_the_memory_of_their_whole(void **state) {
    (void)state;
    size_t step = rf_round_up(rf_device_describe(device)->alignment_bytes, 64), words = step / 4;
    rf_buffer *whole, *half, *quarter, *bad;
    uint32_t *out = calloc(4, step);
    assert_ok(rf_buffer_create(&whole, device, 4 * step));
    assert_ok(rf_buffer_fill(whole, 1));
    assert_ok(rf_buffer_region(&half, whole, 2 * step, 2 * step));
    assert_ok(rf_buffer_region(&quarter, half, step, step)); /* a region of a region */
    assert_int_equal(rf_buffer_region(&bad, whole, step / 2 + 1, 4), RF_E_SHAPE);
    assert_ok(rf_buffer_fill(half, 2));
    assert_ok(rf_buffer_fill(quarter, 3));
    assert_ok(rf_buffer_copy(whole, 0, quarter, 0, 4));
    assert_ok(rf_buffer_read(whole, 0, out, 4 * step));
    for (size_t i = 0; i < 4 * words; i++)
        assert_int_equal(out[i], i == 0 ? 3 : i < 2 * words ? 1 : i < 3 * words ? 2 : 3);
    assert_ok(rf_buffer_write(whole, 3 * step, &(uint32_t){9}, 4));
    assert_ok(rf_buffer_read(quarter, 0, out, 4));
    assert_int_equal(out[0], 9);
    rf_buffer_free(quarter);
    rf_buffer_free(half);
    rf_buffer_free(whole);
    free(out);
}

static void a_map_sees_and_changes_the_memory(void **state) {
    (void)state;
    size_t step = rf_round_up(rf_device_describe(device)->alignment_bytes, 64);
    rf_buffer *whole, *part;
    void *data;
    uint32_t out[2];
    assert_ok(rf_buffer_create(&whole, device, 2 * step));
    assert_ok(rf_buffer_region(&part, whole, step, step));
    assert_ok(rf_buffer_fill(whole, 5));
    assert_ok(rf_buffer_map(&data, part));
    assert_int_equal(*(uint32_t *)data, 5);
    ((uint32_t *)data)[1] = 6;
    assert_ok(rf_buffer_unmap(part, data));
    assert_ok(rf_buffer_read(whole, step, out, sizeof out));
    assert_int_equal(out[1], 6);
    assert_ok(rf_buffer_map(&data, whole));
    assert_int_equal(((uint32_t *)data)[step / 4 + 1], 6);
    ((uint32_t *)data)[0] = 7;
    assert_ok(rf_buffer_unmap(whole, data));
    assert_ok(rf_buffer_read(whole, 0, out, sizeof out));
    assert_int_equal(out[0], 7);
    rf_buffer_free(part);
    rf_buffer_free(whole);
}

static void transfers_can_be_begun_and_waited_for(void **state) {
    (void)state;
    rf_buffer *buffer;
    rf_event *writing, *reading;
    uint32_t in[256], out[256] = {0};
    for (size_t i = 0; i < RF_COUNT(in); i++) in[i] = (uint32_t)i;
    assert_ok(rf_buffer_create(&buffer, device, sizeof in));
    assert_ok(rf_buffer_write_begin(&writing, buffer, 0, in, sizeof in));
    assert_ok(rf_buffer_read_begin(&reading, buffer, 0, out, sizeof out));
    assert_ok(rf_device_flush(device));
    assert_ok(rf_event_wait(reading));
    assert_memory_equal(in, out, sizeof in);
    rf_event_free(writing);
    rf_event_free(reading);
    rf_event_free(NULL);
    rf_buffer_free(buffer);
}

/* ---- kernels: on the reference they are refused, which is all there is to test ---- */

static bool kernels_are_refused(void) {
    rf_kernel *kernel;
    if (runs_kernels()) return false;
    assert_int_equal(rf_kernel_create(&kernel, device, "scale", "scale", NULL), RF_E_DEVICE);
    assert_null(kernel);
    return true;
}

static void a_kernel_gets_every_kind_of_argument(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    enum { N = 64, GROUP = 8 };
    rf_kernel *kernel;
    rf_buffer *buffer;
    float x[N];
    for (int i = 0; i < N; i++) x[i] = (float)i;
    assert_ok(rf_kernel_create(&kernel, device, "scale", "scale", "-DSHARED=0.5f"));
    assert_true(rf_kernel_max_group(kernel) >= GROUP);
    assert_ok(rf_buffer_create(&buffer, device, sizeof x));
    assert_ok(rf_buffer_write(buffer, 0, x, sizeof x));
    const rf_arg args[RF_MAX_ARGS] = {RF_BUF(buffer), RF_F32(2),    RF_I32(-3),
                                      RF_U32(N - 1),  RF_BUF(NULL), RF_LOCAL(GROUP * sizeof(float))};
    assert_ok(rf_kernel_set_args(kernel, args));
    assert_ok(rf_kernel_launch(kernel, (size_t[3]){N}, (size_t[3]){GROUP}, NULL));
    assert_ok(rf_buffer_read(buffer, 0, x, sizeof x));
    for (int i = 0; i < N; i++) assert_true(x[i] == (i < N - 1 ? 2.0f * (float)i - 2.5f : (float)i));
    const rf_arg few[RF_MAX_ARGS] = {RF_BUF(buffer)};
    assert_int_equal(rf_kernel_set_args(kernel, few), RF_E_DEVICE);
    rf_buffer_free(buffer);
    rf_kernel_free(kernel);
}

/* PoCL builds with kernels/common/builtins.clh at first, which has few. */
static void a_kernel_may_call_any_function(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    rf_kernel *kernel;
    write_kernel("any.cl", "__kernel void any_function(__global float *x) { x[0] = hypot(x[0], x[1]); }\n");
    assert_ok(rf_kernel_create(&kernel, device, "any", "any_function", ""));
    rf_kernel_free(kernel);
}

static void launches_have_three_dimensions(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    rf_kernel *kernel;
    rf_buffer *buffer;
    int x[24];
    assert_ok(rf_buffer_create(&buffer, device, sizeof x));
    assert_ok(rf_kernel_create(&kernel, device, "scale", "ids", "-DSHARED=0.5f"));
    assert_ok(rf_kernel_set_args(kernel, (rf_arg[RF_MAX_ARGS]){RF_BUF(buffer)}));
    assert_ok(rf_kernel_launch(kernel, (size_t[3]){4, 3, 2}, (size_t[3]){2, 0, 0}, NULL));
    assert_ok(rf_buffer_read(buffer, 0, x, sizeof x));
    for (int i = 0; i < 24; i++) assert_int_equal(x[i], 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4);
    rf_kernel_free(kernel);
    rf_buffer_free(buffer);
}

static void a_group_that_does_not_fit_is_an_error(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    rf_kernel *kernel;
    rf_buffer *buffer;
    assert_ok(rf_buffer_create(&buffer, device, 1 << 20));
    assert_ok(rf_kernel_create(&kernel, device, "scale", "ids", "-DSHARED=0.5f"));
    assert_ok(rf_kernel_set_args(kernel, (rf_arg[RF_MAX_ARGS]){RF_BUF(buffer)}));
    size_t many = 2 * rf_kernel_max_group(kernel);
    assert_int_equal(rf_kernel_launch(kernel, (size_t[3]){many}, (size_t[3]){many}, NULL), RF_E_DEVICE);
    assert_message("ids");
    assert_int_equal(rf_kernel_launch(kernel, (size_t[3]){9}, (size_t[3]){2}, NULL), RF_E_SHAPE);
    rf_kernel_free(kernel);
    rf_buffer_free(buffer);
}

static void profiling_times_a_launch(void **state) {
    (void)state;
    assert_ok(rf_device_profile(device, true));
    if (!kernels_are_refused()) {
        rf_kernel *kernel;
        rf_buffer *buffer;
        rf_event *event;
        uint64_t start, end;
        assert_ok(rf_buffer_create(&buffer, device, 4096));
        assert_ok(rf_kernel_create(&kernel, device, "scale", "ids", "-DSHARED=0.5f"));
        assert_ok(rf_kernel_set_args(kernel, (rf_arg[RF_MAX_ARGS]){RF_BUF(buffer)}));
        assert_ok(rf_kernel_launch(kernel, (size_t[3]){1024}, (size_t[3]){1}, &event));
        assert_ok(rf_device_sync(device));
        assert_ok(rf_event_times(event, &start, &end));
        assert_true(end > start && end - start < 10000000000u);
        rf_event_free(event);
        rf_kernel_free(kernel);
        rf_buffer_free(buffer);
    }
    assert_ok(rf_device_profile(device, false));
}

static void a_build_error_names_file_and_line(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    rf_kernel *kernel;
    write_kernel("broken.cl",
                 "#include \"shared.clh\"\n\n__kernel void broken(__global int *x) { x[0] = nowhere; }\n");
    for (int i = 0; i < 2; i++) { /* the second time from memory */
        assert_int_equal(rf_kernel_create(&kernel, device, "broken", "broken", "-DSHARED=0"), RF_E_DEVICE);
        assert_null(kernel);
        assert_message("broken.cl does not compile");
        assert_message("nowhere");
        assert_message("-DSHARED=0");
    }
    assert_int_equal(rf_kernel_create(&kernel, device, "scale", "missing", "-DSHARED=0.5f"), RF_E_DEVICE);
    assert_message("missing");
    assert_int_equal(rf_kernel_create(&kernel, device, "nothing", "x", NULL), RF_E_DEVICE);
    assert_message("nothing.cl");
    write_kernel("outside.cl", "#include \"../../etc/passwd\"\n");
    assert_int_equal(rf_kernel_create(&kernel, device, "outside", "x", NULL), RF_E_DEVICE);
}

/* ---- the cache ---- */

static bool built_now(const char *options) {
    rf_device *other;
    rf_kernel *kernel;
    assert_ok(rf_device_open(&other, NULL));
    assert_ok(rf_kernel_create(&kernel, other, "scale", "ids", options));
    bool now = rf_kernel_is_new(kernel);
    rf_buffer *buffer;
    int x[16];
    assert_ok(rf_buffer_create(&buffer, other, sizeof x));
    assert_ok(rf_kernel_set_args(kernel, (rf_arg[RF_MAX_ARGS]){RF_BUF(buffer)}));
    assert_ok(rf_kernel_launch(kernel, (size_t[3]){16}, (size_t[3]){1}, NULL));
    assert_ok(rf_buffer_read(buffer, 0, x, sizeof x));
    for (int i = 0; i < 16; i++) assert_int_equal(x[i], i);
    rf_buffer_free(buffer);
    rf_kernel_free(kernel);
    rf_device_close(other);
    return now;
}

static void a_binary_that_is_distrusted_is_built_again(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    rf_kernel *kernel;
    assert_ok(rf_kernel_create(&kernel, device, "scale", "ids", "-DSHARED=3"));
    rf_kernel_distrust(kernel);
    rf_kernel_free(kernel);
    assert_true(built_now("-DSHARED=3"));
    assert_false(built_now("-DSHARED=3"));
}

/* Changes byte `at` of every file in the cache, or cuts it there. */
static int damage_cache(long at, bool cut) {
    char path[PATH_MAX];
    int files = 0;
    snprintf(path, sizeof path, "%s/cache/rangefinder", folder);
    DIR *cache = opendir(path);
    assert_non_null(cache);
    for (struct dirent *entry; (entry = readdir(cache)) != NULL;) {
        if (strstr(entry->d_name, ".bin") == NULL) continue;
        snprintf(path, sizeof path, "%s/cache/rangefinder/%s", folder, entry->d_name);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        int byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        if (cut)
            assert_int_equal(ftruncate(fileno(file), at), 0);
        else
            fputc(byte ^ 0x55, file);
        fclose(file);
        files++;
    }
    closedir(cache);
    return files;
}

static void a_binary_is_kept_and_a_damaged_one_rebuilt(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    assert_true(built_now("-DSHARED=1"));
    assert_false(built_now("-DSHARED=1"));
    assert_true(built_now("-DSHARED=2")); /* other options, another program */
    static const struct {
        long at;
        bool cut;
    } damages[] = {{2, false}, {9, false}, {25, false}, {33, false}, {39, true}, {0, true}};
    for (size_t i = 0; i < RF_COUNT(damages); i++) {
        assert_true(damage_cache(damages[i].at, damages[i].cut) >= 2);
        assert_true(built_now("-DSHARED=1"));
        assert_false(built_now("-DSHARED=1"));
        assert_true(built_now("-DSHARED=2"));
    }
    char text[sizeof scale_source + 8];
    snprintf(text, sizeof text, "%s\n\n", scale_source);
    write_kernel("scale.cl", text); /* another text, another program */
    assert_true(built_now("-DSHARED=1"));
}

/* In a process of its own, which ends while its compiler is still busy. */
static int child_passes_build_limit(void) {
    rf_kernel *kernel;
    setenv("RANGEFINDER_BUILD_TIMEOUT", "1e-6", 1);
    if (rf_device_open(&device, NULL) != RF_OK) return 1;
    rf_status first = rf_kernel_create(&kernel, device, "slow", "slow", NULL);
    bool told = strstr(rf_error_message(), "did not end within 1e-06 s") != NULL;
    rf_status second = rf_kernel_create(&kernel, device, "scale", "ids", "-DSHARED=78");
    bool busy = strstr(rf_error_message(), "still busy") != NULL;
    return first == RF_E_DEVICE && told && second == RF_E_DEVICE && busy ? 0 : 2;
}

static void a_build_that_does_not_end_is_given_up(void **state) {
    (void)state;
    if (kernels_are_refused()) return;
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "device_test", "--pass-build-limit", folder, NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- the runner ---- */

static int make_folder(void **state) {
    char path[PATH_MAX];
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/kernels", folder);
    if (rf_make_dirs(path) != RF_OK || setenv("RANGEFINDER_KERNELS", path, 1) != 0) return -1;
    snprintf(path, sizeof path, "%s/cache", folder);
    if (setenv("XDG_CACHE_HOME", path, 1) != 0) return -1;
    write_kernel("shared.clh", "#ifndef SHARED\n#error \"SHARED is a -D option\"\n#endif\n");
    write_kernel("scale.cl", scale_source);
    write_kernel("slow.cl", slow_source);
    if (rf_device_open(&device, NULL) != RF_OK) {
        fprintf(stderr, "%s\n", rf_error_message());
        return -1;
    }
    return 0;
}

static int remove_folder(void **state) {
    char command[PATH_MAX];
    (void)state;
    rf_device_close(device);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--pass-build-limit") == 0) _exit(child_passes_build_limit());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_named_device_is_described),
        cmocka_unit_test(a_device_opens_by_selector_and_by_part_of_its_name),
        cmocka_unit_test(a_missing_device_is_an_error_with_those_present),
        cmocka_unit_test(the_list_ends_with_the_reference_and_auto_is_on_it),
        cmocka_unit_test(quarantined_ops_are_listed_once),
        cmocka_unit_test(data_survives_a_round_trip),
        cmocka_unit_test(an_access_outside_a_buffer_is_refused),
        cmocka_unit_test(an_empty_buffer_is_a_buffer),
        cmocka_unit_test(more_memory_than_there_is_is_an_error),
        cmocka_unit_test_setup(a_gpu_without_a_driver_is_named_with_the_distributions_package, new_machine),
        cmocka_unit_test_setup(drivers_of_the_kernel_tell_of_a_gpu_too, new_machine),
        cmocka_unit_test_setup(a_gpu_that_a_platform_shows_is_not_missed, new_machine),
        cmocka_unit_test_setup(mesas_driver_that_waits_for_a_variable_is_named, new_machine),
        cmocka_unit_test_setup(a_gpu_that_the_user_may_not_open_is_reported, new_machine),
        cmocka_unit_test(fill_and_copy_follow_one_another),
        cmocka_unit_test(regions_are_the_memory_of_their_whole),
        cmocka_unit_test(a_map_sees_and_changes_the_memory),
        cmocka_unit_test(transfers_can_be_begun_and_waited_for),
        cmocka_unit_test(a_kernel_gets_every_kind_of_argument),
        cmocka_unit_test(a_kernel_may_call_any_function),
        cmocka_unit_test(launches_have_three_dimensions),
        cmocka_unit_test(a_group_that_does_not_fit_is_an_error),
        cmocka_unit_test(profiling_times_a_launch),
        cmocka_unit_test(a_build_error_names_file_and_line),
        cmocka_unit_test(a_binary_is_kept_and_a_damaged_one_rebuilt),
        cmocka_unit_test(a_binary_that_is_distrusted_is_built_again),
        cmocka_unit_test(a_build_that_does_not_end_is_given_up),
    };
    return cmocka_run_group_tests_name("device", tests, make_folder, remove_folder);
}
