/* An interruption is not mistaken for another failure.  The flag stays set, so that these tests have a program of their
 * own; it ends without the clean-up of drivers whose compiler is still busy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "device/device.h"
#include "device/opencl/pocl.h"
#include "graph/plan.h"
#include "graph/tuning.h"
#include "rangefinder/rangefinder.h"

static rf_device *device;
static rf_model *model;

static bool runs_kernels(void) {
    return rf_device_describe(device)->kind != RF_DEVICE_REFERENCE;
}

static bool count_wrong(void *context, const rf_tune_row *row, int done, int total) {
    (void)done, (void)total;
    *(int *)context += row->wrong;
    return true;
}

static void interrupt(void *context) {
    (void)context;
    rf_interrupt();
}

static void tuning_does_not_call_an_interrupted_variant_wrong(void **state) {
    (void)state;
    int wrong = 0;
    if (!runs_kernels()) return;                   /* has nothing to tune */
    rf_device_on_compile(device, interrupt, NULL); /* PoCL's; others are interrupted now */
    if (!rf_is_pocl(rf_device_describe(device))) rf_interrupt();
    const rf_tune_desc desc = {.device = device,
                               .model = model,
                               .batch = 8,
                               .limit_ms = 1e6,
                               .progress = count_wrong,
                               .context = &wrong};
    assert_int_equal(rf_tune(&desc), RF_E_INTERRUPTED);
    assert_int_equal(wrong, 0);
}

/* The flag was set while the test before was compiling. */
static void a_solver_is_not_blamed_for_an_interrupted_build(void **state) {
    (void)state;
    const rf_quarantine *list;
    rf_device *other;
    rf_weights *weights;
    rf_plan *plan;
    rf_sequence *sequence;
    rf_interrupt();
    assert_int_equal(rf_device_open(&other, NULL), RF_OK);
    assert_int_equal(rf_weights_create(&weights, other, model, NULL, NULL, true), RF_OK);
    const rf_plan_desc desc = {.device = other, .model = model, .batch = 8};
    assert_int_equal(rf_plan_create(&plan, &desc), RF_OK);
    assert_int_equal(rf_plan_allocate(plan, &(rf_plan_memory){.weights = weights}), RF_OK);
    assert_int_equal(rf_sequence_create(&sequence, other), RF_OK);
    /* The reference has nothing to build. */
    assert_int_equal(rf_plan_emit_forward(plan, sequence), runs_kernels() ? RF_E_INTERRUPTED : RF_OK);
    assert_int_equal(rf_device_quarantined(other, &list), 0);
    rf_sequence_free(sequence);
    rf_plan_free(plan);
    rf_weights_free(weights);
    rf_device_close(other);
}

static int open_all(void **state) {
    (void)state;
    if (rf_device_open(&device, NULL) != RF_OK ||
        rf_model_create(&model, "simplecnn", (rf_image_shape){1, 8, 8, 4}, 0) != RF_OK)
        return -1;
    return 0;
}

/* The cache is cold, so that there is something to build.  Compilers that were left to themselves go on writing into it
 * until their process ends: the tests run in a child, and the parent removes the cache then. */
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tuning_does_not_call_an_interrupted_variant_wrong),
        cmocka_unit_test(a_solver_is_not_blamed_for_an_interrupted_build),
    };
    char cache[] = "/tmp/rangefinder-interrupt-test-XXXXXX", command[128];
    int result = 0;
    if (mkdtemp(cache) == NULL || setenv("XDG_CACHE_HOME", cache, 1) != 0) return 1;
    const pid_t child = fork();
    if (child == 0) {
        const int failed = cmocka_run_group_tests_name("interrupt", tests, open_all, NULL);
        fflush(NULL);
        _exit(failed != 0);
    }
    const bool passed = child > 0 && waitpid(child, &result, 0) == child && result == 0;
    snprintf(command, sizeof command, "rm -rf %s", cache);
    return system(command) != 0 || !passed;
}
