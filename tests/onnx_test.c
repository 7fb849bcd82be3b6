/* Networks from ONNX files: outputs and losses are PyTorch's, from tools/fixtures/onnx_models.py, and Keras's, from
 * keras_models.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx_samples.h"

/* ---- PyTorch's numbers ---- */

/* The numbers of the line that begins with "name kind ". */
static size_t expected(double *out, size_t most, const char *name, const char *kind) {
    char start[64], line[4096];
    size_t count = 0;
    FILE *file = fopen(RF_TEST_DATA "/onnx/expected.txt", "r");
    assert_non_null(file);
    snprintf(start, sizeof start, "%s %s ", name, kind);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, start, strlen(start)) == 0) {
            char *at = line + strlen(start), *end;
            for (double value; count < most && (value = strtod(at, &end), end != at); at = end)
                out[count++] = value;
        }
    fclose(file);
    return count;
}

/* Of an image, without what all scores have in common. */
static double centred(const double *scores, int at) {
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) sum += scores[c];
    return scores[at] - sum / CLASSES;
}

typedef struct sample {
    const char *file, *name;
    bool up_to_a_constant; /* the scores, where the file ends in a softmax */
} sample;
static const sample samples[] = {
    {"cnn-script", "cnn"},
    {"cnn-dynamo", "cnn"},
    {"cnn-opset9", "cnn"},
    {"cnn-external", "cnn"},
    {"cnn-folded-script", "cnn"},
    {"cnn-folded-dynamo", "cnn"},
    {"residual-script", "residual"},
    {"residual-dynamo", "residual"},
    {"depthwise-script", "depthwise"},
    {"depthwise-dynamo", "depthwise"},
    {"dense-script", "dense"},
    {"dense-dynamo", "dense"},
    {"inception-script", "inception"},
    {"inception-dynamo", "inception"},
    {"gated-script", "gated"},
    {"gated-dynamo", "gated"},
    {"shuffle-script", "shuffle"},
    {"shuffle-dynamo", "shuffle"},
    {"convnext-script", "convnext"},
    {"convnext-dynamo", "convnext"},
    {"convnext-opset16", "convnext"},
    {"unet-script", "unet"},
    {"unet-dynamo", "unet"},
    {"unet-opset11", "unet"},
    {"handmade-script", "handmade"},
    {"handmade-dynamo", "handmade"},
    {"attention-script", "attention"},
    {"attention-dynamo", "attention"},
    {"assorted-script", "assorted"},
    {"assorted-dynamo", "assorted"},
    {"branches-script", "branches"},
    {"branches-dynamo", "branches"},
    {"maxout-script", "maxout"},
    {"maxout-dynamo", "maxout"},
    {"arithmetic-script", "arithmetic"},
    {"arithmetic-dynamo", "arithmetic"},
    {"standardized-script", "standardized"},
    {"standardized-dynamo", "standardized"},
    {"groups-script", "groups"},
    {"groups-dynamo", "groups"},
    {"response-dynamo", "response"},
    {"positions-script", "positions"},
    {"positions-dynamo", "positions"},
    {"patterns-script", "patterns", true},
    {"patterns-dynamo", "patterns", true},
    {"keras", "keras", true},
    {"keras-last", "keras-last"},
    {"keras-norms", "keras-norms"},
};

/* As the file was read; and written by us, and read again. */
static void scores_are_pytorchs(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * RF_COUNT(samples); i++) {
        const sample *s = &samples[i / 2];
        double right[SCORED * CLASSES], ours[SCORED * CLASSES];
        float scores[SCORED * CLASSES];
        rf_model *model = load(s->file);
        if (i % 2 == 1) {
            CHECK(rf_model_save_onnx(model, made, NULL));
            rf_model_free(model);
            CHECK(rf_model_create(&model, made, shape, 1));
        }
        assert_int_equal(expected(right, RF_COUNT(right), s->name, "scores"), RF_COUNT(right));
        scores_of(scores, model);
        for (int k = 0; k < SCORED * CLASSES; k++) ours[k] = scores[k];
        for (int k = 0; k < SCORED * CLASSES; k++) {
            const int image = k / CLASSES * CLASSES;
            const bool less = s->up_to_a_constant;
            const double a = less ? centred(ours + image, k - image) : ours[k],
                         b = less ? centred(right + image, k - image) : right[k];
            if (!(fabs(a - b) <= 1e-4 * fmax(1, fabs(b))))
                fail_msg("%s: score %d is %.7g, PyTorch's %.7g", s->file, k, a, b);
        }
        rf_model_free(model);
    }
}

static void losses_are_pytorchs(void **state) {
    static const char *const files[] = {
        "residual-script",   "residual-dynamo",   "depthwise-script",    "depthwise-dynamo",
        "shuffle-script",    "shuffle-dynamo",    "convnext-script",     "convnext-dynamo",
        "unet-script",       "unet-dynamo",       "handmade-script",     "handmade-dynamo",
        "attention-script",  "attention-dynamo",  "assorted-script",     "assorted-dynamo",
        "branches-script",   "branches-dynamo",   "maxout-script",       "maxout-dynamo",
        "arithmetic-script", "arithmetic-dynamo", "standardized-script", "standardized-dynamo",
        "groups-script",     "groups-dynamo",     "response-dynamo",     "positions-script",
        "positions-dynamo"};
    rf_dataset *dataset = images_of(IMAGES, CLASSES);
    (void)state;
    for (size_t i = 0; i < RF_COUNT(files); i++) {
        double right[MAX_STEPS], losses[MAX_STEPS];
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(files[i], "-"), files[i]);
        const size_t count = expected(right, MAX_STEPS, name, "losses");
        rf_model *model = load(files[i]);
        rf_trainer *trainer = NULL;
        assert_true(count > 5);
        CHECK(rf_trainer_create(&trainer, &(rf_trainer_desc){.device = device,
                                                             .model = model,
                                                             .dataset = dataset,
                                                             .batch = BATCH,
                                                             .optimizer = "sgd momentum=0.9",
                                                             .mean = mean,
                                                             .std = std,
                                                             .no_shuffle = true}));
        CHECK(rf_trainer_run(trainer, 0.05, (int)count, losses));
        for (size_t k = 0; k < count; k++)
            if (!(fabs(losses[k] - right[k]) <= 1e-3 * fmax(1, right[k])))
                fail_msg("%s: loss %zu is %.7g, PyTorch's %.7g", files[i], k, losses[k], right[k]);
        rf_trainer_free(trainer);
        rf_model_free(model);
    }
    rf_dataset_free(dataset);
}

/* ---- names, notes, sizes, classes ---- */

static void names_are_pytorchs(void **state) {
    static const char *const names[] = {"conv1.weight",     "bn1.weight",      "bn1.bias",
                                        "bn1.running_mean", "bn1.running_var", "layer1.0.conv1.weight"};
    (void)state;
    for (int k = 0; k < 2; k++) {
        rf_model *model = load(k == 0 ? "residual-script" : "residual-dynamo");
        rf_parameter_view view;
        for (size_t i = 0; i < RF_COUNT(names); i++) {
            assert_true(rf_model_parameter(model, i, &view));
            assert_string_equal(view.name, names[i]);
        }
        assert_null(rf_model_note(model));
        rf_model_free(model);
    }
}

static void folded_batch_norms_are_noted(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        rf_model *model = load(k == 0 ? "cnn-folded-script" : "cnn-folded-dynamo");
        assert_non_null(rf_model_note(model));
        assert_non_null(strstr(rf_model_note(model), "folded 2 batch norms"));
        assert_non_null(strstr(rf_model_note(model), "optimize=False"));
        rf_model_free(model);
    }
}

/* Its first layer is for pixels from 0 to 255. */
static void keras_network_gets_the_pixels_that_it_is_for(void **state) {
    const double white[] = {1 / 255.0, 1 / 255.0, 1 / 255.0};
    float own[SCORED * CLASSES], given[SCORED * CLASSES];
    rf_dataset *dataset = images_of(SCORED, CLASSES);
    rf_model *model = load("keras");
    (void)state;
    assert_non_null(strstr(rf_model_note(model), "from 0 to 255"));
    assert_non_null(strstr(rf_model_note(model), "folded 3 batch norms"));
    assert_null(strstr(rf_model_note(model), "torch"));
    CHECK(evaluate_scores(own, device, model, dataset, 0, NULL, NULL));
    CHECK(evaluate_scores(given, device, model, dataset, 0, mean, white));
    assert_memory_equal(own, given, sizeof own);
    rf_model_free(model);
    rf_dataset_free(dataset);
}

static void a_last_softmax_is_noted(void **state) {
    (void)state;
    rf_model *model = load("patterns-script");
    assert_non_null(rf_model_note(model));
    assert_non_null(strstr(rf_model_note(model), "Softmax is taken for the loss's"));
    rf_model_free(model);
}

static void images_and_classes_may_differ_where_the_graph_allows(void **state) {
    static const char cnn[] = RF_TEST_DATA "/onnx/cnn-script.onnx",
                      residual[] = RF_TEST_DATA "/onnx/residual-dynamo.onnx";
    rf_model *model = NULL;
    (void)state;
    CHECK(rf_model_create(&model, residual, (rf_image_shape){3, 23, 40, 4}, 1));
    assert_int_equal(model->images.classes, CLASSES);
    rf_model_free(model);
    expect_failure(cnn, (rf_image_shape){3, 24, 24, CLASSES}, "--image-size 16x16");
    expect_failure(residual, (rf_image_shape){1, 16, 16, CLASSES}, "has 3 channels, and the images have 1");
    expect_failure(residual, (rf_image_shape){3, 16, 16, 11}, "10 scores, and the data have 11 classes");
}

static void a_new_head_has_other_classes(void **state) {
    (void)state;
    rf_model *model = load("cnn-script"), *same = load("cnn-script");
    CHECK(rf_model_new_head(model, 3, 9));
    for (size_t i = 0;; i++) {
        rf_parameter_view view, other;
        if (!rf_model_parameter(model, i, &view)) break;
        assert_true(rf_model_parameter(same, i, &other));
        if (strncmp(view.name, "classifier.3", 12) != 0)
            assert_memory_equal(view.values, other.values, view.count * sizeof *view.values);
        else /* (3,16), (3) */
            assert_int_equal(view.shape[0], 3);
    }
    assert_int_equal(rf_model_parameter_count(same) - rf_model_parameter_count(model), 7 * 17);
    rf_model_free(model);
    rf_model_free(same);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_pytorchs),
        cmocka_unit_test(losses_are_pytorchs),
        cmocka_unit_test(names_are_pytorchs),
        cmocka_unit_test(folded_batch_norms_are_noted),
        cmocka_unit_test(a_last_softmax_is_noted),
        cmocka_unit_test(keras_network_gets_the_pixels_that_it_is_for),
        cmocka_unit_test(images_and_classes_may_differ_where_the_graph_allows),
        cmocka_unit_test(a_new_head_has_other_classes),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
