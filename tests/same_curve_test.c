/* The curve is the same with streaming, without fusion, with other solvers, and with the reference in place of broken kernels. */
#include "op/family.h"
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

/* Each kind of node that reads through a batch norm (src/graph/defer.h). */
static const char deferring[] =
    "conv 16 3 pad=1 bias=no\nbatch_norm\nrelu6\nconv 16 3 pad=1 groups=16 bias=no\n"
    "batch_norm\nsilu\nconv 64 1\nbatch_norm\nrelu\nconv 32 3 pad=1\nbatch_norm\nrelu\nmax_pool 2\n"
    "flatten\nlinear classes\n";

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
    const struct {
        const char *network;
        rf_trainer_desc desc;
    } runs[] = {
        {stateful, {.seed = 4, .optimizer = optimizers[1]}},
        {stateful, {.seed = 4, .optimizer = optimizers[2], .accumulate = 2, .validation = 30}},
        {stateful,
         {.seed = 4, .optimizer = "prodigy d0=0.01", .validation = 30, .clip_norm = 0.5, .ema = 0.7}},
        {deferring, {.seed = 4, .optimizer = optimizers[1]}},
    };
    for (size_t d = 0; d < RF_COUNT(runs); d++) {
        const outcome straight = run_afresh(runs[d].network, runs[d].desc);
        assert_string_equal(straight.quarantined, "");
        for (size_t i = 0; i < RF_COUNT(ways); i++) {
            setenv(ways[i].variable, ways[i].value, 1);
            const outcome other = run_afresh(runs[d].network, runs[d].desc);
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

/* With a kernel file that begins with `head`. */
static outcome run_broken(const char *network, const char *file, const char *head) {
    char folder[] = "/tmp/rangefinder-trainer-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = rf_format("%s/%s", folder, file), *from = rf_format(RF_TEST_DATA "/../../kernels/%s", file),
         *slash = strrchr(path, '/');
    void *source;
    size_t length;
    CHECK(rf_file_read(&source, &length, from, 1 << 20));
    char *text = rf_format("%s%s", head, (const char *)source);
    *slash = '\0';
    CHECK(rf_make_dirs(path));
    *slash = '/';
    CHECK(rf_file_write(path, text, strlen(text)));
    setenv("RANGEFINDER_KERNELS", folder, 1);
    const outcome broken = run_afresh(network, (rf_trainer_desc){.seed = 4});
    unsetenv("RANGEFINDER_KERNELS");
    unlink(path);
    *slash = '\0';
    rmdir(path);
    rmdir(folder);
    free(path);
    free(from);
    free(text);
    free(source);
    return broken;
}

static void check_broken(const outcome *broken, const outcome *straight, const char *file, const char *op,
                         const char *says) {
    const double difference = largest_difference(straight->curve, broken->curve);
    if (!(difference < 1e-4)) fail_msg("%s: losses differ by %g", file, difference);
    if (has_kernels() &&
        (strstr(broken->quarantined, op) == NULL || strstr(broken->quarantined, says) == NULL))
        fail_msg("%s: quarantined is '%s'", file, broken->quarantined);
}

/* Kernels that do not compile, or compute something else, affect only their own op. */
static void broken_kernels_leave_their_op_to_the_reference(void **unused) {
    (void)unused;
    static const struct {
        const char *file, *head, *op, *says;
    } breaks[] = {
        {"pool.cl", "this is not OpenCL\n", "max_pool", "pool"},
        {"pool.cl",
         "#include \"common.clh\"\n#undef put\n#define put(v, p, left) PASTE(put, VEC)((v) + 1.0f, p, "
         "left)\n",
         "max_pool", "disagrees"},
        {"activation.cl", "#define KIND undefined_kind\n", "relu", "activation"},
    };
    setenv("RANGEFINDER_FUSION", "0", 1);
    const outcome straight = run_afresh(stateful, (rf_trainer_desc){.seed = 4});
    for (size_t i = 0; i < RF_COUNT(breaks); i++) {
        const outcome broken = run_broken(stateful, breaks[i].file, breaks[i].head);
        check_broken(&broken, &straight, breaks[i].file, breaks[i].op, breaks[i].says);
        assert_null(strstr(broken.quarantined, "conv"));
        rf_curve_free(broken.curve);
    }
    unsetenv("RANGEFINDER_FUSION");
    rf_curve_free(straight.curve);
}

/* A deferred batch norm is applied for the reference, which does not read through one. */
static void deferred_norms_are_applied_where_the_reference_takes_over(void **unused) {
    (void)unused;
    static const char *const files[] = {"conv/depthwise_tile.cl", "conv/pointwise_tile.cl",
                                        "conv/wgrad_tile.cl", "conv/winograd_tile.cl",
                                        "conv/winograd_wgrad.cl"};
    if (!rf_family_is_processor(rf_device_describe(device))) skip();
    const outcome straight = run_afresh(deferring, (rf_trainer_desc){.seed = 4});
    for (size_t i = 0; i < RF_COUNT(files); i++) {
        const outcome broken = run_broken(deferring, files[i], "this is not OpenCL\n");
        check_broken(&broken, &straight, files[i], "_tile", "does not compile");
        rf_curve_free(broken.curve);
    }
    rf_curve_free(straight.curve);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_leads_to_the_same_curve),
        cmocka_unit_test(broken_kernels_leave_their_op_to_the_reference),
        cmocka_unit_test(deferred_norms_are_applied_where_the_reference_takes_over),
    };
    if (!open_digits()) return 1;
    return close_digits(cmocka_run_group_tests(tests, NULL, NULL));
}
