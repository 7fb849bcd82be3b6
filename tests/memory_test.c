/* Memory: what the machine and its control groups leave. Larger needs are refused before anything is allocated; what
 * the message proposes is the largest that fits. */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "graph/tuning.h"
#include "rangefinder/rangefinder.h"

static rf_device *device;

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

/* ---- what there is ---- */

static char root[] = "/tmp/rangefinder-memory-test-XXXXXX";

static void put(const char *path, const char *text) {
    char *whole = rf_format("%s%s", root, path), *folder = rf_format("%s%s", root, path);
    *strrchr(folder, '/') = '\0';
    CHECK(rf_make_dirs(folder));
    CHECK(rf_file_write(whole, text, strlen(text)));
    free(whole);
    free(folder);
}

static size_t available(void) {
    return rf_memory_available_in(root);
}

#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/memory"

static void available_is_the_minimum_of_machine_and_control_groups(void **unused) {
    (void)unused;
    assert_non_null(mkdtemp(root));
    assert_int_equal(available(), SIZE_MAX); /* nothing is known */
    put("/proc/meminfo", "MemTotal:       9000000 kB\nMemFree:  5 kB\nMemAvailable:   1000000 kB\n");
    assert_int_equal(available(), 1024000000);
    put("/proc/self/cgroup", "0::/a/b\n");
    assert_int_equal(available(), 1024000000); /* a group that cannot be seen from here */
    put(V2 "/a/b/memory.max", "max\n");
    put(V2 "/a/b/memory.current", "77\n");
    assert_int_equal(available(), 1024000000);
    put(V2 "/a/memory.max", "600000000\n"); /* the one above it counts */
    put(V2 "/a/memory.current", "500000000\n");
    assert_int_equal(available(), 100000000);
    put(V2 "/a/memory.stat", "anon 1\ninactive_file 400000000\nactive_file 3\n"); /* reclaimable */
    assert_int_equal(available(), 500000000);
    put(V2 "/a/b/memory.max", "70\n"); /* and more is used than allowed */
    assert_int_equal(available(), 0);
    put("/proc/self/cgroup", "12:cpu,cpuacct:/a\n3:memory:/x\n1:name=systemd:/a\n");
    put(V1 "/memory.limit_in_bytes", "9223372036854771712\n");
    put(V1 "/memory.usage_in_bytes", "123\n");
    assert_int_equal(available(), 1024000000);
    put(V1 "/x/memory.limit_in_bytes", "5000\n");
    put(V1 "/x/memory.usage_in_bytes", "3000\n");
    put(V1 "/x/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n");
    assert_int_equal(available(), 2500);
    put("/proc/self/cgroup", "0::/\n"); /* a container sees its own group as the root */
    put(V2 "/memory.max", "900\n");
    put(V2 "/memory.current", "100\n");
    assert_int_equal(available(), 800);
    char *remove = rf_format("rm -r %s", root);
    assert_int_equal(system(remove), 0);
    free(remove);
}

/* ---- what is needed ---- */

static const char network[] = "conv 16 3 pad=1 bias=no\nbatch_norm\nrelu\nconv 16 3 pad=1 stride=2\nrelu\n"
                              "adaptive_avg_pool 1\nflatten\nlinear classes\n";
static const char wide[] = "flatten\nlinear 700\nrelu\nlinear classes\n";

typedef struct setting {
    const char *network;
    int size, images, batch, accumulate, validation;
    const char *recompute;
    bool half;
} setting;

static void limit_memory(size_t mebibytes) {
    char text[24];
    snprintf(text, sizeof text, "%zu", mebibytes);
    setenv("RANGEFINDER_MEMORY", text, 1);
}

/* Makes everything without a limit but the trainer, and runs a short range test on it. */
static rf_status try_setting(const setting *s, size_t mebibytes, rf_curve **curve) {
    rf_dataset *data;
    rf_model *model;
    rf_trainer *trainer;
    char *spec = rf_format("synthetic:3x%dx%d,10,%d", s->size, s->size, s->images);
    unsetenv("RANGEFINDER_MEMORY");
    CHECK(rf_dataset_open(&data, spec, NULL));
    CHECK(rf_model_parse(&model, s->network, "test", (rf_image_shape){3, s->size, s->size, 10}, 1));
    if (mebibytes > 0) limit_memory(mebibytes);
    rf_status status = rf_trainer_create(&trainer, &(rf_trainer_desc){.device = device,
                                                                      .model = model,
                                                                      .dataset = data,
                                                                      .batch = s->batch,
                                                                      .accumulate = s->accumulate,
                                                                      .validation = s->validation,
                                                                      .recompute = s->recompute,
                                                                      .half = s->half});
    unsetenv("RANGEFINDER_MEMORY");
    if (status == RF_OK && curve != NULL)
        CHECK(rf_range_test_run(curve, trainer, &(rf_range_test_desc){.iterations = 3}));
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_dataset_free(data);
    free(spec);
    return status;
}

/* The number behind a word of the last message; 0: it is not there. */
static int proposed(const char *message, const char *word) {
    const char *at = strstr(message, word);
    return at != NULL ? atoi(at + strlen(word)) : 0;
}

static void a_need_beyond_the_memory_names_what_fits(void **unused) {
    (void)unused;
    static const size_t limits[] = {9, 16, 25};
    for (size_t i = 0; i < RF_COUNT(limits); i++) {
        const setting asked = {network, 64, 64, 48, 1, 0, i == 0 ? "off" : "auto"};
        setting s = asked;
        assert_int_equal(try_setting(&s, limits[i], NULL), RF_E_MEMORY);
        char *message = rf_format("%s", rf_error_message());
        const int batch = proposed(message, "use --batch "), part = proposed(message, "(--batch "),
                  accumulate = proposed(message, "--accumulate "), size = proposed(message, "--image-size ");
        if (strstr(message, "at batch 48") == NULL || batch == 0 || part == 0 || size == 0)
            fail_msg("%s", message);
        s.batch = batch;
        assert_int_equal(try_setting(&s, limits[i], NULL), RF_OK);
        s.batch = batch + 1;
        assert_int_equal(try_setting(&s, limits[i], NULL), RF_E_MEMORY);
        s.batch = part;
        s.accumulate = accumulate;
        assert_int_equal(part * accumulate, 48);
        assert_int_equal(try_setting(&s, limits[i], NULL), RF_OK);
        s = asked;
        s.size = size;
        assert_int_equal(try_setting(&s, limits[i], NULL), RF_OK);
        s.size = size + 1;
        assert_int_equal(try_setting(&s, limits[i], NULL), RF_E_MEMORY);
        free(message);
    }
}

static void a_network_that_no_batch_makes_fit_is_said_to_be_too_large(void **unused) {
    (void)unused;
    setting s = {wide, 64, 64, 4, 1, 0}; /* 33 MiB of parameters, and 3 times that around them */
    assert_int_equal(try_setting(&s, 60, NULL), RF_E_MEMORY);
    assert_non_null(strstr(rf_error_message(), "not even --batch 1 fits: use a smaller network"));
    s.size = proposed(rf_error_message(), "--image-size ");
    assert_int_equal(try_setting(&s, 60, NULL), RF_OK);
    limit_memory(10);
    rf_model *model;
    assert_int_equal(rf_model_parse(&model, wide, "test", (rf_image_shape){3, 64, 64, 10}, 1), RF_E_MEMORY);
    assert_null(model);
    unsetenv("RANGEFINDER_MEMORY");
}

/* Halves are offered exactly where they would fit; the reference has none. */
static void halves_are_offered_where_they_fit(void **unused) {
    (void)unused;
    const bool has_halves = rf_device_describe(device)->kind != RF_DEVICE_REFERENCE;
    setting s = {network, 64, 64, 48, 1, 0, "off", false};
    bool offered = false;
    for (size_t limit = 9; try_setting(&s, limit, NULL) == RF_E_MEMORY; limit += 3) {
        const bool says = strstr(rf_error_message(), "--half") != NULL;
        s.half = has_halves;
        const bool fits = try_setting(&s, limit, NULL) == RF_OK;
        s.half = false;
        if (says != fits)
            fail_msg("at %zu MiB halves are%s offered, and do%s fit", limit, says ? "" : " not",
                     fits ? "" : " not");
        offered |= says;
    }
    assert_true(offered == has_halves);
}

static void validation_images_that_do_not_fit_are_named(void **unused) {
    (void)unused;
    static const struct {
        int validation;
        size_t limit;
    } asked[] = {{250, 20}, {256, 30}, {600, 30}, {600, 55}}; /* in batches of 256, and one of the rest */
    for (size_t i = 0; i < RF_COUNT(asked); i++) {
        setting s = {network, 64, 700, 2, 1, asked[i].validation};
        assert_int_equal(try_setting(&s, asked[i].limit, NULL), RF_E_MEMORY);
        s.validation = proposed(rf_error_message(), "use --validation ");
        if (s.validation <= 0) fail_msg("%s", rf_error_message());
        assert_int_equal(try_setting(&s, asked[i].limit, NULL), RF_OK);
        s.validation++;
        assert_int_equal(try_setting(&s, asked[i].limit, NULL), RF_E_MEMORY);
    }
}

static void data_that_does_not_fit_is_refused_or_streamed(void **unused) {
    (void)unused;
    const setting s = {network, 64, 1000, 4, 1, 0}; /* 12 MB of pixels */
    rf_curve *all, *streamed;
    rf_dataset *data;
    assert_int_equal(try_setting(&s, 0, &all), RF_OK);
    assert_int_equal(try_setting(&s, 11, &streamed), RF_OK);
    assert_memory_equal(all->loss, streamed->loss, 3 * sizeof(double));
    rf_curve_free(all);
    rf_curve_free(streamed);
    limit_memory(11);
    assert_int_equal(rf_dataset_open(&data, "synthetic:3x64x64,10,1000", NULL), RF_E_MEMORY);
    assert_non_null(strstr(rf_error_message(), "--limit"));
    unsetenv("RANGEFINDER_MEMORY");
}

/* Against what the C library counts: AddressSanitizer's does not. */
static void the_need_is_what_is_taken(void **unused) {
    (void)unused;
    static const setting settings[] = {{network, 64, 64, 32, 1, 0},
                                       {network, 64, 2000, 8, 2, 100},
                                       {wide, 64, 64, 8, 1, 0},
                                       {wide, 64, 64, 8, 3, 0}};
    if (rf_device_describe(device)->kind != RF_DEVICE_REFERENCE || mallinfo2().uordblks == 0) return;
    for (size_t i = 0; i < RF_COUNT(settings); i++) {
        const setting *s = &settings[i];
        rf_dataset *data;
        rf_model *model;
        rf_trainer *trainer;
        rf_curve *curve;
        size_t low = 0, high = 1024; /* MiB: the minimum that suffices, with the images on the device */
        char *spec = rf_format("synthetic:3x%dx%d,10,%d", s->size, s->size, s->images);
        CHECK(rf_dataset_open(&data, spec, NULL));
        CHECK(rf_model_parse(&model, s->network, "test", (rf_image_shape){3, s->size, s->size, 10}, 1));
        const struct mallinfo2 before = mallinfo2();
        const rf_trainer_desc desc = {.device = device,
                                      .model = model,
                                      .dataset = data,
                                      .batch = s->batch,
                                      .accumulate = s->accumulate,
                                      .validation = s->validation,
                                      .optimizer = "adam",
                                      .recompute = i % 2 == 0 ? "off" : "on"};
        setenv("RANGEFINDER_STREAM", "1", 1);
        while (high - low > 1) {
            const size_t middle = (low + high) / 2;
            limit_memory(middle);
            rf_trainer_create(&trainer, &desc);
            *(trainer != NULL ? &high : &low) = middle;
            rf_trainer_free(trainer);
        }
        unsetenv("RANGEFINDER_MEMORY");
        CHECK(rf_trainer_create(&trainer, &desc));
        CHECK(rf_range_test_run(&curve, trainer, &(rf_range_test_desc){.iterations = 2}));
        const struct mallinfo2 after = mallinfo2();
        const double taken =
            (double)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / (1 << 20);
        if (taken > (double)high + 1 || taken < 0.9 * (double)low - 1) /* 1 MiB: launches, lists, rounding */
            fail_msg("setting %zu: needs %zu MiB, and takes %.1f", i, high, taken);
        unsetenv("RANGEFINDER_STREAM");
        rf_curve_free(curve);
        rf_trainer_free(trainer);
        rf_model_free(model);
        rf_dataset_free(data);
        free(spec);
    }
}

static void tuning_names_the_batch_that_fits(void **unused) {
    (void)unused;
    rf_model *model;
    if (rf_device_describe(device)->kind == RF_DEVICE_REFERENCE) return; /* nothing to tune */
    CHECK(rf_model_parse(&model, network, "test", (rf_image_shape){3, 64, 64, 10}, 1));
    limit_memory(30);
    rf_tune_desc desc = {.device = device, .model = model, .batch = 64};
    assert_int_equal(rf_tune(&desc), RF_E_MEMORY);
    desc.batch = proposed(rf_error_message(), "use --batch ") + 1;
    assert_true(desc.batch > 1);
    assert_int_equal(rf_tune(&desc), RF_E_MEMORY);
    assert_int_equal(proposed(rf_error_message(), "use --batch "), desc.batch - 1);
    unsetenv("RANGEFINDER_MEMORY");
    rf_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(available_is_the_minimum_of_machine_and_control_groups),
        cmocka_unit_test(a_need_beyond_the_memory_names_what_fits),
        cmocka_unit_test(a_network_that_no_batch_makes_fit_is_said_to_be_too_large),
        cmocka_unit_test(halves_are_offered_where_they_fit),
        cmocka_unit_test(validation_images_that_do_not_fit_are_named),
        cmocka_unit_test(data_that_does_not_fit_is_refused_or_streamed),
        cmocka_unit_test(the_need_is_what_is_taken),
        cmocka_unit_test(tuning_names_the_batch_that_fits),
    };
    if (rf_device_open(&device, NULL) != RF_OK) {
        fprintf(stderr, "memory_test: %s\n", rf_error_message());
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rf_device_close(device);
    return failed;
}
