/* What the tests of trainers share: a device, the digits, small networks, and comparisons of curves and states. */
#ifndef RF_TESTS_TRAINERS_H
#define RF_TESTS_TRAINERS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/rangefinder.h"
#include "train/trainer.h"

static rf_device *device;
static rf_dataset *digits;

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

static const char small[] = "conv1: conv 4 3 pad=1\nrelu\nmax_pool 2\nflatten\nfc1: linear classes\n";
/* Everything that carries state: running statistics, and random numbers.  (A bias before batch norm has a
 * gradient of nothing but rounding, which Adam makes large.) */
static const char stateful[] = "conv1: conv 8 3 pad=1 bias=no\nbatch_norm\nrelu\nmax_pool 2\n"
                               "drop: dropout 0.3\nconv2: conv 8 3 pad=1 bias=no\n"
                               "bn2: batch_norm\nadd <- bn2, drop\nrelu\nflatten\nfc1: linear classes\n";
static const char *const optimizers[] = {
    "sgd",
    "sgd momentum=0.9 nesterov weight_decay=1e-3",
    "adam",
    "adamw",
    "rmsprop momentum=0.5",
    "adagrad",
    "adadelta eps=1",
    "adamax",
    "nadam",
    "radam",
    "lion",
    "lars trust=1",
    "lamb",
    "adamw_schedule_free",
    "prodigy d0=0.1",
};

static inline rf_model *model_of(const char *text) {
    rf_model *model = NULL;
    CHECK(rf_model_parse(&model, text, "test", (rf_image_shape){1, 8, 8, 10}, 3));
    return model;
}

static inline rf_trainer *trainer_of(const rf_model *model, rf_trainer_desc desc) {
    rf_trainer *trainer = NULL;
    desc.model = model;
    if (desc.device == NULL) desc.device = device;
    if (desc.dataset == NULL) desc.dataset = digits;
    if (desc.batch == 0) desc.batch = 16;
    CHECK(rf_trainer_create(&trainer, &desc));
    return trainer;
}

static inline rf_curve *curve_of(rf_trainer *trainer, const rf_range_test_desc *desc) {
    rf_curve *curve = NULL;
    CHECK(rf_range_test_run(&curve, trainer, desc));
    return curve;
}

static inline rf_state *state_of(rf_trainer *trainer) {
    rf_state *state;
    CHECK(rf_trainer_get_state(&state, trainer));
    return state;
}

static inline void expect_same_state(const rf_state *expected, rf_trainer *trainer, bool same) {
    rf_state *now = state_of(trainer);
    const rf_status status = rf_state_compare(expected, now);
    if ((status == RF_OK) != same) fail_msg("%s", same ? rf_error_message() : "the states are the same");
    rf_state_free(now);
}

static inline double largest_difference(const rf_curve *a, const rf_curve *b) {
    double worst = 0;
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const double difference = fabs(a->loss[i] - b->loss[i]);
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

static inline bool open_digits(void) {
    if (rf_device_open(&device, NULL) == RF_OK && rf_dataset_open(&digits, "digits", NULL) == RF_OK)
        return true;
    fprintf(stderr, "%s\n", rf_error_message());
    return false;
}

static inline int close_digits(int failed) {
    rf_dataset_free(digits);
    rf_device_close(device);
    return failed;
}

#endif
