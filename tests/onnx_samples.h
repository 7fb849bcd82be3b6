/* What the tests of ONNX files share: the files, images for them, a device, and a file that is made anew. */
#ifndef RF_TESTS_ONNX_SAMPLES_H
#define RF_TESTS_ONNX_SAMPLES_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "graph/model.h"
#include "rangefinder/rangefinder.h"
#include "scores.h"

enum { IMAGES = 24, SCORED = 6, BATCH = 8, MAX_STEPS = 16, CLASSES = 10, PIXELS = 3 * 16 * 16 };
static const rf_image_shape shape = {3, 16, 16, CLASSES};

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s", rf_error_message());                                             \
    } while (0)

static rf_device *device;
static char made[] = "/tmp/rangefinder-onnx-XXXXXX";

static rf_model *load(const char *file) {
    char path[300];
    rf_model *model = NULL;
    snprintf(path, sizeof path, RF_TEST_DATA "/onnx/%s.onnx", file);
    CHECK(rf_model_create(&model, path, shape, 1));
    return model;
}

/* As in onnx_models.py. */
static rf_dataset *images_of(int count, int classes) {
    uint8_t pixels[IMAGES * PIXELS];
    int32_t labels[IMAGES];
    uint32_t s = 1;
    rf_dataset *dataset = NULL;
    for (int i = 0; i < count; i++) {
        labels[i] = (int32_t)((s = s * 1664525 + 1013904223) >> 24) % CLASSES;
        for (int p = 0; p < PIXELS; p++)
            pixels[i * PIXELS + p] =
                (uint8_t)(((s = s * 1664525 + 1013904223) >> 24) * (uint32_t)(labels[i] + 3) / 12);
        labels[i] %= classes;
    }
    CHECK(rf_dataset_from_memory(&dataset, "test", pixels, labels, count, 3, 16, 16, classes));
    return dataset;
}

static const double mean[] = {0, 0, 0}, std[] = {1, 1, 1};

static void scores_of(float *scores, const rf_model *model) {
    rf_dataset *dataset = images_of(SCORED, CLASSES);
    CHECK(evaluate_scores(scores, device, model, dataset, 0, mean, std));
    rf_dataset_free(dataset);
}

static void expect_failure(const char *path, rf_image_shape images, const char *message) {
    rf_model *model = NULL;
    const rf_status status = rf_model_create(&model, path, images, 1);
    if (status == RF_OK || strstr(rf_error_message(), message) == NULL)
        fail_msg("expected '%s', got '%s'", message, status == RF_OK ? "success" : rf_error_message());
    assert_null(model);
}

static int open_device(void **state) {
    const int fd = mkstemp(made);
    (void)state;
    if (fd < 0 || rf_device_open(&device, getenv("RANGEFINDER_DEVICE")) != RF_OK) {
        fprintf(stderr, "%s\n", rf_error_message());
        return 1;
    }
    return close(fd);
}

static int close_device(void **state) {
    (void)state;
    rf_device_close(device);
    return unlink(made);
}

#endif
