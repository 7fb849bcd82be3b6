/* Range tests and trainings against PyTorch's losses: same weights, same images, same rates, for each optimizer and option;
 * of trainings the weights, too.
 *
 * The losses come from tools/fixtures/range_tests.py, which runs `finder_test --cases FOLDER` for the
 * table below and the weights, and computes the same images as `make_dataset`.  How many steps of a case are
 * compared is said there: until the network diverges, or PyTorch itself no longer agrees with PyTorch in
 * double precision. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/rangefinder.h"

enum { MAX_NUMBERS = 1024, TRAINED = 32, CLASSES = 10 };
static const double tolerance = 1e-3, weight_tolerance = 1e-5; /* of max(1, number) */

typedef struct sample {
    const char *label, *model;
    rf_image_shape images;
    int count;
    rf_trainer_desc training;
    rf_range_test_desc test;
    double rate; /* not 0: a training of TRAINED steps at this rate rather than a range test */
} sample;

static const double grey_mean[] = {0.31}, grey_std[] = {0.24};
static const double colour_mean[] = {0.3, 0.33, 0.36}, colour_std[] = {0.22, 0.24, 0.26};
static const float uneven[CLASSES] = {1, 0.5f, 2, 1, 0.25f, 3, 1, 1, 0, 1.5f};

#define GREY         .images = {1, 28, 28, CLASSES}, .count = 61
#define COLOUR       .images = {3, 12, 12, CLASSES}, .count = 43
#define ON_GREY      .mean = grey_mean, .std = grey_std, .no_shuffle = true
#define ON_RGB       .mean = colour_mean, .std = colour_std, .no_shuffle = true
#define SIMPLE       .model = "simplecnn", GREY
#define LENET        .model = "lenet", GREY
#define RESNET       .model = "resnet20", COLOUR
#define SGD          .optimizer = "sgd"
#define HEAVY        .optimizer = "sgd momentum=0.9 nesterov weight_decay=5e-4"
#define DAMPED       .optimizer = "sgd momentum=0.8 dampening=0.3"
#define ADAM         .optimizer = "adam"
#define ADAMW        .optimizer = "adamw"
#define TUNED        .optimizer = "adam betas=0.7,0.9 eps=1e-6 weight_decay=0.1"
#define RMSPROP      .optimizer = "rmsprop"
#define ROLLING      .optimizer = "rmsprop momentum=0.5 alpha=0.9 eps=1e-5 weight_decay=0.01"
#define FREE         .optimizer = "adamw_schedule_free"
#define STEPS        .iterations = 30
#define SLOW         .test = {1e-4, 10, STEPS}  /* plain gradients */
#define FAST         .test = {1e-6, 0.1, STEPS} /* adaptive ones */
#define DEEP         .test = {1e-5, 1, STEPS}   /* deep networks part from double precision at lower rates */
#define DEEPER       .test = {1e-7, 0.01, STEPS}
#define GROUPS(list) .groups = list, .group_count = RF_COUNT(list)

static const rf_parameter_group head_faster[] = {{"fc*", 5}, {"conv1.weight", 0.1}};
static const rf_parameter_group frozen_stem[] = {{"conv1.*", 0}, {"bn1.*", 0}, {"*.bias", 2}};
static const rf_parameter_group with_decays[] = {
    {"fc*", 5, true, 0.3}, {"conv1.weight", 0.1}, {"conv2.*", 1, true, 0}};

static const sample samples[] = {
    {"simplecnn sgd", SIMPLE, .training = {.batch = 16, SGD, ON_GREY}, SLOW},
    {"simplecnn sgd nesterov", SIMPLE, .training = {.batch = 16, HEAVY, ON_GREY}, SLOW},
    {"simplecnn adam", SIMPLE, .training = {.batch = 16, ADAM, ON_GREY}, FAST},
    {"simplecnn adamw", SIMPLE, .training = {.batch = 16, ADAMW, ON_GREY}, FAST},
    {"simplecnn rmsprop", SIMPLE, .training = {.batch = 16, RMSPROP, ON_GREY}, FAST},
    {"lenet sgd", LENET, .training = {.batch = 12, SGD, ON_GREY}, SLOW},
    {"lenet sgd nesterov", LENET, .training = {.batch = 12, HEAVY, ON_GREY}, SLOW},
    {"lenet adam", LENET, .training = {.batch = 12, ADAM, ON_GREY}, FAST},
    {"lenet adamw", LENET, .training = {.batch = 12, ADAMW, ON_GREY}, FAST},
    {"lenet rmsprop", LENET, .training = {.batch = 12, RMSPROP, ON_GREY}, FAST},
    {"resnet20 sgd", RESNET, .training = {.batch = 16, SGD, ON_RGB}, DEEP},
    {"resnet20 sgd nesterov", RESNET, .training = {.batch = 16, HEAVY, ON_RGB}, DEEP},
    {"resnet20 adam", RESNET, .training = {.batch = 16, ADAM, ON_RGB}, DEEPER},
    {"resnet20 adamw", RESNET, .training = {.batch = 16, ADAMW, ON_RGB}, DEEPER},
    {"resnet20 rmsprop", RESNET, .training = {.batch = 16, RMSPROP, ON_RGB}, DEEPER},
    {"dampening", SIMPLE, .training = {.batch = 9, DAMPED, ON_GREY}, SLOW},
    {"adam with every option", SIMPLE, .training = {.batch = 9, TUNED, ON_GREY}, FAST},
    {"rmsprop with every option", SIMPLE, .training = {.batch = 9, ROLLING, ON_GREY}, FAST},
    {"lars", RESNET, .training = {.batch = 16, .optimizer = "lars trust=0.02 weight_decay=1e-4", ON_RGB},
     DEEP},
    {"lamb", SIMPLE, .training = {.batch = 16, .optimizer = "lamb", ON_GREY}, .test = {1e-4, 1, STEPS}},
    {"lamb in groups", RESNET,
     .training =
         {.batch = 16, .optimizer = "lamb betas=0.8,0.95 weight_decay=0.1", ON_RGB, GROUPS(frozen_stem)},
     .test = {1e-4, 1, STEPS}},
    {"adagrad", SIMPLE, .training = {.batch = 16, .optimizer = "adagrad", ON_GREY}, FAST},
    {"adagrad with every option", SIMPLE,
     .training = {.batch = 9, .optimizer = "adagrad lr_decay=0.1 eps=1e-5 weight_decay=0.01", ON_GREY}, FAST},
    {"adadelta", SIMPLE, .training = {.batch = 16, .optimizer = "adadelta", ON_GREY},
     .test = {1e-3, 100, STEPS}},
    {"adadelta with every option", SIMPLE,
     .training = {.batch = 9, .optimizer = "adadelta rho=0.7 eps=1e-4 weight_decay=0.01", ON_GREY}, SLOW},
    {"adamax", SIMPLE, .training = {.batch = 16, .optimizer = "adamax", ON_GREY}, FAST},
    {"adamax with every option", SIMPLE,
     .training = {.batch = 9, .optimizer = "adamax betas=0.7,0.9 eps=1e-6 weight_decay=0.01", ON_GREY}, FAST},
    {"nadam", SIMPLE, .training = {.batch = 16, .optimizer = "nadam", ON_GREY}, FAST},
    {"nadam with every option", SIMPLE,
     .training = {.batch = 9,
                  .optimizer = "nadam betas=0.7,0.9 eps=1e-6 weight_decay=0.01 momentum_decay=0.1",
                  ON_GREY},
     FAST},
    {"radam", SIMPLE, .training = {.batch = 16, .optimizer = "radam", ON_GREY}, .test = {1e-5, 1, STEPS}},
    {"radam with every option", SIMPLE,
     .training = {.batch = 9, .optimizer = "radam betas=0.7,0.9 eps=1e-6 weight_decay=0.01", ON_GREY}, FAST},
    {"lion", SIMPLE, .training = {.batch = 16, .optimizer = "lion", ON_GREY}, .test = {1e-7, 0.01, STEPS}},
    {"lion in groups", LENET,
     .training =
         {.batch = 12, .optimizer = "lion betas=0.8,0.95 weight_decay=0.1", ON_GREY, GROUPS(head_faster)},
     .test = {1e-7, 0.01, STEPS}},
    {"linear", SIMPLE, .training = {.batch = 16, SGD, ON_GREY}, .test = {1e-4, 0.04, STEPS, .linear = true}},
    {"label smoothing", SIMPLE, .training = {.batch = 16, SGD, ON_GREY, .label_smoothing = 0.1}, SLOW},
    {"class weights", SIMPLE, .training = {.batch = 16, SGD, ON_GREY, .class_weights = uneven}, SLOW},
    {"class weights and smoothing", SIMPLE,
     .training = {.batch = 16, SGD, ON_GREY, .class_weights = uneven, .label_smoothing = 0.2}, SLOW},
    {"mse", SIMPLE, .training = {.batch = 16, SGD, ON_GREY, .loss = "mse"}, SLOW},
    {"accumulate 2", RESNET, .training = {.batch = 16, HEAVY, ON_RGB, .accumulate = 2}, DEEP},
    {"accumulate 3 adam", SIMPLE, .training = {.batch = 5, ADAM, ON_GREY, .accumulate = 3}, FAST},
    {"groups", LENET, .training = {.batch = 12, HEAVY, ON_GREY, GROUPS(head_faster)}, SLOW},
    {"groups adamw", RESNET, .training = {.batch = 16, ADAMW, ON_RGB, GROUPS(frozen_stem)}, DEEPER},
    {"validation", RESNET, .training = {.batch = 16, SGD, ON_RGB, .validation = 11},
     .test = {1e-4, 1, .iterations = 12}},
    {"validation simplecnn", SIMPLE, .training = {.batch = 8, HEAVY, ON_GREY, .validation = 7}, SLOW},
    {"validation of the moving average", RESNET,
     .training = {.batch = 16, SGD, ON_RGB, .validation = 11, .ema = 0.5}, .test = {1e-5, 0.1, STEPS}},
    {"validation schedule-free", SIMPLE, .training = {.batch = 8, FREE, ON_GREY, .validation = 7}, FAST},
    {"clip by norm", SIMPLE, .training = {.batch = 16, HEAVY, ON_GREY, .clip_norm = 0.7}, .rate = 0.01},
    {"clip by value", LENET, .training = {.batch = 12, HEAVY, ON_GREY, .clip_value = 0.01}, .rate = 1e-3},
    {"clip both of a sum", RESNET,
     .training = {.batch = 16, HEAVY, ON_RGB, .accumulate = 2, .clip_value = 0.05, .clip_norm = 1},
     .rate = 2e-5},
    {"decay without biases", LENET,
     .training = {.batch = 12, .optimizer = "adamw weight_decay=50", ON_GREY, .decay_exclude = "bias"},
     .rate = 2e-5},
    {"decay without norms and biases", RESNET,
     .training = {.batch = 16, .optimizer = "sgd weight_decay=500", ON_RGB, .decay_exclude = "norm,bias"},
     .rate = 4e-6},
    {"groups with decays", LENET, .training = {.batch = 12, HEAVY, ON_GREY, GROUPS(with_decays)},
     .rate = 1e-3},
    {"groups with decays lamb", LENET,
     .training = {.batch = 12, .optimizer = "lamb", ON_GREY, GROUPS(with_decays), .decay_exclude = "bias"},
     .rate = 1e-3},
    {"frozen but for the head", RESNET,
     .training = {.batch = 16, HEAVY, ON_RGB, .freeze = "conv1.*,bn1.*,layer*"}, .rate = 0.01},
    {"frozen in places", RESNET,
     .training = {.batch = 16, HEAVY, ON_RGB, .freeze = "bn1.weight,layer1.*,layer2.0.bn1.*,fc.bias"},
     .rate = 2e-5},
    {"moving average", LENET, .training = {.batch = 12, HEAVY, ON_GREY, .ema = 0.9}, .rate = 1e-3},
    {"prodigy", SIMPLE, .training = {.batch = 16, .optimizer = "prodigy d0=1e-4", ON_GREY}, .rate = 1},
    {"prodigy in groups", LENET,
     .training = {.batch = 12,
                  .optimizer = "prodigy betas=0.8,0.95 eps=1e-6 weight_decay=0.1 d0=1e-4 d_coef=0.5",
                  ON_GREY,
                  GROUPS(head_faster)},
     .rate = 0.5},
    {"schedule-free", SIMPLE, .training = {.batch = 16, FREE, ON_GREY}, .rate = 1e-3},
    {"schedule-free in groups", LENET,
     .training = {.batch = 12,
                  .optimizer = "adamw_schedule_free betas=0.8,0.95 eps=1e-6 weight_decay=0.1",
                  ON_GREY,
                  GROUPS(head_faster)},
     .rate = 5e-5},
};

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s", rf_error_message());                                             \
    } while (0)

/* s = s * 1664525 + 1013904223 (mod 2^32) from s = 1; an image draws its label, (s >> 24) % 10, and then its
 * pixels in PyTorch's order, (s >> 24) * (label + 3) / 12: the brighter the higher the class. */
static rf_dataset *make_dataset(const sample *given) {
    const rf_image_shape *shape = &given->images;
    size_t per_image = (size_t)shape->channels * shape->height * shape->width, at = 0;
    uint8_t *pixels = rf_alloc((size_t)given->count, per_image);
    int32_t labels[256];
    uint32_t s = 1;
    rf_dataset *dataset = NULL;
    assert_in_range(given->count, 1, RF_COUNT(labels));
    assert_non_null(pixels);
    for (int i = 0; i < given->count; i++) {
        labels[i] = (int32_t)((s = s * 1664525 + 1013904223) >> 24) % CLASSES;
        for (size_t p = 0; p < per_image; p++)
            pixels[at++] = (uint8_t)(((s = s * 1664525 + 1013904223) >> 24) * (uint32_t)(labels[i] + 3) / 12);
    }
    CHECK(rf_dataset_from_memory(&dataset, "test", pixels, labels, given->count, shape->channels,
                                 shape->height, shape->width, CLASSES));
    free(pixels);
    return dataset;
}

static rf_model *make_model(const sample *given) {
    rf_model *model = NULL;
    CHECK(rf_model_create(&model, given->model, given->images, 1));
    return model;
}

/* ---- the test ---- */

static rf_device *device;

typedef struct numbers {
    size_t count;
    double values[MAX_NUMBERS];
} numbers;

static void read_numbers(numbers *out, FILE *file) {
    char line[32 * MAX_NUMBERS], *at = line, *end;
    out->count = 0;
    if (fgets(line, sizeof line, file) == NULL) return;
    for (double value; out->count < MAX_NUMBERS && (value = strtod(at, &end), end != at); at = end)
        out->values[out->count++] = value;
}

/* The losses of a case, in the line behind its label, and in the next one the weights of a training. */
static void read_expected(numbers *losses, numbers *weights, const sample *given) {
    char line[256] = "";
    FILE *file = fopen(RF_TEST_DATA "/range_tests.txt", "r");
    assert_non_null(file);
    while (strcmp(line, given->label) != 0 && fgets(line, sizeof line, file) != NULL)
        line[strcspn(line, "\n")] = '\0';
    read_numbers(losses, file);
    if (given->rate > 0) read_numbers(weights, file);
    fclose(file);
    if (losses->count == 0)
        fail_msg("'%s' is not in range_tests.txt; make it with tools/fixtures/range_tests.py", given->label);
}

static void compare(const char *what, const double *values, const numbers *expected, double allowed) {
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < expected->count; i++) {
        double error = fabs(values[i] - expected->values[i]) / fmax(1, fabs(expected->values[i]));
        if (!(error <= worst)) worst = error, at = i;
    }
    print_message("%zu %s, largest difference %.1e (number %zu)\n", expected->count, what, worst, at);
    if (!(worst <= allowed))
        fail_msg("%s, number %zu: %.7g, PyTorch's is %.7g", what, at, values[at], expected->values[at]);
}

static bool more_to_compare(void *count, const rf_range_test_progress *progress) {
    return (size_t)progress->step < *(const size_t *)count;
}

static void range_test(rf_trainer *trainer, const sample *given, const numbers *losses) {
    rf_range_test_desc test = given->test;
    rf_curve *curve = NULL;
    size_t count = losses->count;
    test.diverge = -1;
    test.progress = more_to_compare;
    test.progress_context = &count;
    CHECK(rf_range_test_run(&curve, trainer, &test));
    assert_true(curve->count >= count);
    compare("losses", curve->loss, losses, tolerance);
    rf_curve_free(curve);
}

/* Four values of each parameter and its norm. */
static void train(rf_trainer *trainer, rf_model *model, const sample *given, const numbers *losses,
                  const numbers *weights) {
    double loss[TRAINED], values[MAX_NUMBERS];
    rf_parameter_view p;
    size_t count = 0;
    assert_int_equal(losses->count, TRAINED);
    CHECK(rf_trainer_run(trainer, given->rate, TRAINED, loss));
    CHECK(rf_trainer_export(trainer, model));
    for (size_t i = 0; rf_model_parameter(model, i, &p); i++) {
        double sum = 0;
        assert_true(count + 5 <= MAX_NUMBERS);
        for (size_t k = 0; k < 4; k++) values[count++] = p.values[(p.count - 1) * k / 3];
        for (size_t k = 0; k < p.count; k++) sum += (double)p.values[k] * p.values[k];
        values[count++] = sqrt(sum);
    }
    assert_int_equal(weights->count, count);
    compare("losses", loss, losses, tolerance);
    compare("weights", values, weights, weight_tolerance);
}

static void losses_equal_pytorchs(void **state) {
    const sample *given = *state;
    numbers losses, weights;
    read_expected(&losses, &weights, given);
    rf_trainer_desc training = given->training;
    rf_dataset *dataset = make_dataset(given);
    rf_model *model = make_model(given);
    rf_trainer *trainer = NULL;
    training.device = device;
    training.model = model;
    training.dataset = dataset;
    CHECK(rf_trainer_create(&trainer, &training));
    if (given->rate > 0)
        train(trainer, model, given, &losses, &weights);
    else
        range_test(trainer, given, &losses);
    rf_trainer_free(trainer);
    rf_model_free(model);
    rf_dataset_free(dataset);
}

/* ---- for range_tests.py: the cases as JSON, one a line, and their weights ---- */

static json_t *array_of(const double *values, int count) {
    json_t *array = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(array, json_real(values[i]));
    return array;
}

static const char *text_of(const char *text, const char *otherwise) {
    return text != NULL ? text : otherwise;
}

static json_t *describe(const sample *given, const rf_model *model) {
    const rf_trainer_desc *d = &given->training;
    const rf_range_test_desc *t = &given->test;
    json_t *groups = json_array(), *weights = json_array(), *parameters = json_array();
    rf_parameter_view view;
    for (size_t i = 0; i < d->group_count; i++)
        json_array_append_new(
            groups, json_pack("[s, f, o]", d->groups[i].pattern, d->groups[i].lr_multiplier,
                              d->groups[i].own_decay ? json_real(d->groups[i].weight_decay) : json_null()));
    for (int i = 0; i < CLASSES && d->class_weights != NULL; i++)
        json_array_append_new(weights, json_real((double)d->class_weights[i]));
    for (size_t i = 0; rf_model_parameter(model, i, &view); i++)
        json_array_append_new(parameters, json_string(view.name));
    json_t *out = json_pack(
        "{s:s, s:s, s:[i,i,i], s:i, s:i, s:s, s:o, s:s, s:f, s:o, s:o, s:o, s:i, s:i, s:f, s:f, s:i, s:b}",
        "label", given->label, "model", given->model, "shape", given->images.channels, given->images.height,
        given->images.width, "count", given->count, "batch", d->batch, "optimizer", d->optimizer, "groups",
        groups, "loss", text_of(d->loss, "cross_entropy"), "label_smoothing", d->label_smoothing,
        "class_weights", weights, "mean", array_of(d->mean, given->images.channels), "std",
        array_of(d->std, given->images.channels), "accumulate", RF_MAX(d->accumulate, 1), "validation",
        d->validation, "start_lr", t->start_lr, "end_lr", t->end_lr, "iterations",
        given->rate > 0 ? TRAINED : t->iterations, "linear", t->linear);
    json_t *more =
        json_pack("{s:f, s:f, s:f, s:s, s:s, s:f, s:o}", "rate", given->rate, "clip_value", d->clip_value,
                  "clip_norm", d->clip_norm, "decay_exclude", text_of(d->decay_exclude, ""), "freeze",
                  text_of(d->freeze, ""), "ema", d->ema, "parameters", parameters);
    json_object_update(out, more);
    json_decref(more);
    return out;
}

static int print_cases(const char *folder) {
    for (size_t i = 0; i < RF_COUNT(samples); i++) {
        char *path = rf_format("%s/%s.safetensors", folder, samples[i].model);
        rf_model *model = make_model(&samples[i]);
        json_t *line = describe(&samples[i], model);
        if (path == NULL || line == NULL || rf_model_save_weights(model, path) != RF_OK) {
            fprintf(stderr, "finder_test: %s\n", rf_error_message());
            return 1;
        }
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
        rf_model_free(model);
        free(path);
    }
    return 0;
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[RF_COUNT(samples)];
    if (argc == 3 && strcmp(argv[1], "--cases") == 0) return print_cases(argv[2]);
    if (rf_device_open(&device, NULL) != RF_OK) {
        fprintf(stderr, "finder_test: %s\n", rf_error_message());
        return 1;
    }
    for (size_t i = 0; i < RF_COUNT(samples); i++)
        tests[i] =
            (struct CMUnitTest){samples[i].label, losses_equal_pytorchs, NULL, NULL, (void *)&samples[i]};
    const int failed = _cmocka_run_group_tests("finder_test", tests, RF_COUNT(tests), NULL, NULL);
    rf_device_close(device);
    return failed ? 1 : 0;
}
