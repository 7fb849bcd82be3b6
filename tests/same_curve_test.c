/* The curve is the same with streaming, without fusion, with other solvers, and with the reference in place of broken kernels. */
#include "trainers.h"

#include <unistd.h>

/* The curve of a whole set-up, on a device opened now, so that the environment is read again. */
typedef struct outcome {
    rf_curve *curve;
    char quarantined[512]; /* "op: reason;" for each */
} outcome;

static outcome run_afresh(const char *network, rf_trainer_desc desc) {
    static const rf_range_test_desc test = {.start_lr = 1e-4, .end_lr = 0.1, .iterations = 12};
    outcome out = {.quarantined = ""};
    CHECK(rf_device_open(&desc.device, NULL));
    rf_model *model = model_of(network);
    rf_trainer *trainer = trainer_of(model, desc);
    out.curve = curve_of(trainer, &test);
    const rf_quarantine *list;
    size_t used = 0;
    for (size_t i = 0, n = rf_device_quarantined(desc.device, &list); i < n && used < sizeof out.quarantined;
         i++)
        used += (size_t)snprintf(out.quarantined + used, sizeof out.quarantined - used, "%s: %s;", list[i].op,
                                 list[i].reason);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_device_close(desc.device);
    return out;
}

static bool has_kernels(void) {
    return rf_device_describe(device)->kind != RF_DEVICE_REFERENCE;
}

static void every_way_leads_to_the_same_curve(void **unused) {
    (void)unused;
    static const struct {
        const char *variable, *value;
        double tolerance;
        const char *quarantined;
    } ways[] = {
        {"RANGEFINDER_STREAM", "1", 0, NULL},
        {"RANGEFINDER_FUSION", "0", 1e-4, NULL},
        {"RANGEFINDER_SOLVER", "group", 1e-4, NULL},
        {"RANGEFINDER_SOLVER", "tile", 1e-4, NULL},
        {"RANGEFINDER_SOLVER", "reference", 1e-4, NULL},
        {"RANGEFINDER_QUARANTINE", "conv", 1e-4, "conv: "},
        {"RANGEFINDER_QUARANTINE", "conv.forward,batch_norm.backward_data,linear", 1e-4,
         "batch_norm.backward_data: "},
    };
    const rf_trainer_desc descs[] = {
        {.seed = 4, .optimizer = optimizers[1]},
        {.seed = 4, .optimizer = optimizers[2], .accumulate = 2, .validation = 30},
        {.seed = 4, .optimizer = "prodigy d0=0.01", .validation = 30, .clip_norm = 0.5, .ema = 0.7}};
    for (size_t d = 0; d < RF_COUNT(descs); d++) {
        const outcome straight = run_afresh(stateful, descs[d]);
        assert_string_equal(straight.quarantined, "");
        for (size_t i = 0; i < RF_COUNT(ways); i++) {
            setenv(ways[i].variable, ways[i].value, 1);
            const outcome other = run_afresh(stateful, descs[d]);
            unsetenv(ways[i].variable);
            const double difference = largest_difference(straight.curve, other.curve);
            if (!(difference <= ways[i].tolerance))
                fail_msg("%s=%s: losses differ by %g", ways[i].variable, ways[i].value, difference);
            if (ways[i].quarantined != NULL && has_kernels() &&
                strstr(other.quarantined, ways[i].quarantined) == NULL)
                fail_msg("%s=%s: quarantined is '%s'", ways[i].variable, ways[i].value, other.quarantined);
            if (ways[i].quarantined == NULL || !has_kernels()) assert_string_equal(other.quarantined, "");
            rf_curve_free(other.curve);
        }
        rf_curve_free(straight.curve);
    }
}

/* Kernels that do not compile, or compute something else, affect only their own op. */
static void broken_kernels_leave_their_op_to_the_reference(void **unused) {
    (void)unused;
    static const struct {
        const char *file, *head, *op, *says;
    } breaks[] = {
        {"pool.cl", "this is not OpenCL\n", "max_pool", "pool"},
        {"pool.cl", "#include \"common.clh\"\n#undef put\n#define put(v, p, left) PASTE(put, VEC)((v) + 1.0f, p, left)\n", "max_pool",
         "disagrees"},
        {"activation.cl", "#define KIND undefined_kind\n", "relu", "activation"},
    };
    char folder[] = "/tmp/rangefinder-trainer-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("RANGEFINDER_FUSION", "0", 1);
    const outcome straight = run_afresh(stateful, (rf_trainer_desc){.seed = 4});
    for (size_t i = 0; i < RF_COUNT(breaks); i++) {
        char *path = rf_format("%s/%s", folder, breaks[i].file),
             *from = rf_format(RF_TEST_DATA "/../../kernels/%s", breaks[i].file);
        void *source;
        size_t length;
        CHECK(rf_file_read(&source, &length, from, 1 << 20));
        char *text = rf_format("%s%s", breaks[i].head, (const char *)source);
        CHECK(rf_file_write(path, text, strlen(text)));
        setenv("RANGEFINDER_KERNELS", folder, 1);
        const outcome broken = run_afresh(stateful, (rf_trainer_desc){.seed = 4});
        unsetenv("RANGEFINDER_KERNELS");
        assert_true(largest_difference(straight.curve, broken.curve) < 1e-4);
        if (has_kernels() && (strstr(broken.quarantined, breaks[i].op) == NULL ||
                              strstr(broken.quarantined, breaks[i].says) == NULL))
            fail_msg("%s: quarantined is '%s'", breaks[i].file, broken.quarantined);
        assert_null(strstr(broken.quarantined, "conv"));
        rf_curve_free(broken.curve);
        unlink(path);
        free(path);
        free(from);
        free(text);
        free(source);
    }
    unsetenv("RANGEFINDER_FUSION");
    rmdir(folder);
    rf_curve_free(straight.curve);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_leads_to_the_same_curve),
        cmocka_unit_test(broken_kernels_leave_their_op_to_the_reference),
    };
    if (!open_digits()) return 1;
    return close_digits(cmocka_run_group_tests(tests, NULL, NULL));
}
