/* Augmentations: small pictures by hand, the kernel against the reference, distributions against their formulas, and the same
 * images on every device, from memory and streamed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/rangefinder.h"
#include "train/augmenter.h"

static rf_device *device;

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

static const double mean[16] = {0.5, 0.25, 0.125, 0.75}, plain_std[3] = {1 / 255.0, 1 / 255.0, 1 / 255.0};

/* ---- a batch on a device ---- */

typedef struct batch {
    float *images;
    int32_t *labels; /* three for each image */
} batch;

static rf_dataset *dataset_of(const uint8_t *pixels, int count, int channels, int height, int width) {
    rf_dataset *dataset = NULL;
    int32_t labels[64];
    for (int i = 0; i < count; i++) labels[i] = i % 5;
    CHECK(rf_dataset_from_memory(&dataset, "test", pixels, labels, count, channels, height, width, 5));
    return dataset;
}

/* The images of these views, or (NULL) of those that are drawn for batch 7. */
static batch batch_of(rf_device *on, const rf_dataset *data, const rf_augmentation *augmentation,
                      const rf_view *views, const double *means, const double *stds, bool streaming) {
    const int count = augmentation->images.batch;
    const size_t floats = (size_t)count * (size_t)(data->channels * data->height * data->width);
    batch out = {rf_alloc(floats, sizeof(float)), rf_alloc((size_t)count * 3, sizeof(int32_t))};
    rf_feeder *feeder = NULL;
    rf_augmenter *augmenter = NULL;
    rf_sequence *sequence = NULL;
    rf_buffer *images = NULL, *labels = NULL;
    int32_t indices[64];
    for (int i = 0; i < count; i++) indices[i] = (i * 3 + 1) % data->count;
    CHECK(rf_feeder_create(&feeder, &(rf_feeder_desc){.device = on,
                                                      .dataset = data,
                                                      .mean = means,
                                                      .std = stds,
                                                      .batch = count,
                                                      .streaming = streaming}));
    CHECK(rf_augmenter_create(&augmenter, feeder, augmentation, 11));
    CHECK(rf_buffer_create(&images, on, floats * sizeof(float)));
    CHECK(rf_buffer_create(&labels, on, (size_t)count * 3 * sizeof(int32_t)));
    CHECK(rf_buffer_fill(labels, 0));
    CHECK(rf_sequence_create(&sequence, on));
    CHECK(rf_augmenter_emit(augmenter, sequence, images, labels));
    CHECK(rf_feeder_stage(feeder, indices, count));
    if (views != NULL)
        CHECK(rf_buffer_write(augmenter->views, 0, views, (size_t)count * sizeof *views));
    else
        CHECK(rf_augmenter_stage(augmenter, indices, 7));
    CHECK(rf_sequence_run(sequence));
    CHECK(rf_buffer_read(images, 0, out.images, floats * sizeof(float)));
    CHECK(rf_buffer_read(labels, 0, out.labels, (size_t)count * 3 * sizeof(int32_t)));
    rf_sequence_free(sequence);
    rf_buffer_free(images);
    rf_buffer_free(labels);
    rf_augmenter_free(augmenter);
    rf_feeder_free(feeder);
    return out;
}

static void free_batch(batch *b) {
    free(b->images);
    free(b->labels);
}

static rf_augmentation parsed(const char *text, rf_augment_images images) {
    rf_augmentation out;
    images.mean = mean;
    CHECK(rf_augmentation_parse(&out, text, &images));
    return out;
}

/* ---- by hand ---- */

/* What comes of an augmentation where the generator gives these words first; p is not drawn. */
typedef struct hand_case {
    const char *text;
    uint32_t words[4];
    int channels, height, width;
    uint8_t pixels[9];
    float expected[9]; /* pixels, NAN: the mean pixel */
} hand_case;

#define HIGH 0xffffffff /* a uniform number next to 1; 0 gives 0 */
static const hand_case by_hand[] = {
    {"flip", {0}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {3, 2, 1, 6, 5, 4, 9, 8, 7}},
    {"flip", {0}, 3, 1, 2, {1, 2, 3, 4, 5, 6}, {2, 1, 4, 3, 6, 5}},
    {"vflip", {0}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {7, 8, 9, 4, 5, 6, 1, 2, 3}},
    /* of three numbers 2 is +1, and 1 is 0: down, then right */
    {"shift pixels=1", {2, 1}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {0, 0, 0, 1, 2, 3, 4, 5, 6}},
    {"shift pixels=1", {1, 2}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {0, 1, 2, 0, 4, 5, 0, 7, 8}},
    /* clockwise at first */
    {"rotate degrees=90", {0}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {7, 4, 1, 8, 5, 2, 9, 6, 3}},
    {"rotate degrees=90", {HIGH}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {3, 6, 9, 2, 5, 8, 1, 4, 7}},
    /* a row's pixels 1 and 2, as wide as four: at 3/4, 5/4, 7/4 and 9/4 */
    {"resized_crop scale=0.5,0.5 ratio=2,2", {0, 0, 1, 1}, 1, 1, 4, {40, 80, 160, 0}, {70, 100, 140, 120}},
    /* the shuffle takes three words */
    {"jitter brightness=0.5 contrast=0", {1, 1, 1, 0}, 1, 1, 3, {100, 200, 1}, {50, 100, 0.5f}},
    {"jitter brightness=0.5 contrast=0", {1, 1, 1, HIGH}, 1, 1, 3, {100, 200, 1}, {150, 255, 1.5f}},
    /* halfway to 127.5, the mean's grey */
    {"jitter brightness=0 contrast=0.5", {1, 1, 1, 0}, 1, 1, 2, {0, 255}, {63.75f, 191.25f}},
    /* 0.299, 0.587 and 0.114 of red, green and blue */
    {"jitter brightness=0 contrast=0 saturation=1",
     {1, 1, 1, 0},
     3,
     1,
     1,
     {100, 50, 200},
     {82.05f, 82.05f, 82.05f}},
    /* half a turn: twice the luminance, 0.213, 0.715 and 0.072 of them, less the pixel */
    {"jitter brightness=0 contrast=0 hue=0.5",
     {1, 1, 1, 0},
     3,
     1,
     1,
     {100, 100, 200},
     {114.4f, 114.4f, 14.4f}},
    /* a square of 2 around (2,1), one of 3 that sticks out around (0,0) */
    {"cutout size=2", {2, 1}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, NAN, NAN, 6, NAN, NAN, 9}},
    {"cutout size=3", {3, 3}, 1, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {NAN, NAN, 3, NAN, NAN, 6, 7, 8, 9}},
};

static rf_view drawn(const rf_augmentation *augmentation, const uint32_t words[4]) {
    rf_view view;
    rf_drawing d;
    size_t i = 0;
    while (&rf_augment_at(i)->kind != augmentation->specs[0].kind) i++;
    rf_draw_begin(&d, &view, 0, &augmentation->images);
    d.o = augmentation->specs[0].o + 1;
    memcpy(d.random.block, words, sizeof d.random.block);
    rf_augment_at(i)->draw(&d);
    rf_draw_end(&d);
    return view;
}

static void small_pictures_are_as_by_hand(void **unused) {
    (void)unused;
    for (size_t k = 0; k < RF_COUNT(by_hand); k++) {
        const hand_case *h = &by_hand[k];
        rf_dataset *data = dataset_of(h->pixels, 1, h->channels, h->height, h->width);
        rf_augmentation a = parsed(h->text, (rf_augment_images){h->channels, h->height, h->width, 1});
        const rf_view view = drawn(&a, h->words);
        batch b = batch_of(device, data, &a, &view, mean, plain_std, false);
        for (int i = 0; i < h->height * h->width * h->channels; i++) {
            const int c = i / (h->height * h->width), at = i % (h->height * h->width) * h->channels + c;
            const double got = b.images[at], bias = 255 * mean[c];
            if (isnan(h->expected[i]) ? got != 0 : !(fabs(got + bias - (double)h->expected[i]) < 2e-4))
                fail_msg("%s, case %zu: number %d is %g, and should be %g", h->text, k, i, got + bias,
                         (double)h->expected[i]);
        }
        free_batch(&b);
        rf_augmentation_release(&a);
        rf_dataset_free(data);
    }
}

static void mixtures_are_as_by_hand(void **unused) {
    (void)unused;
    static const uint8_t pixels[] = {10, 20, 30, 110, 120, 130};
    static const float mixed[] = {35, 45, 55, 35, 45, 55}, patched[] = {10, 120, 130, 10, 20, 30};
    static const int32_t labels[] = {0, 1, 1, 0};
    static const float shares[] = {0.75f, 1.0f / 3};
    rf_dataset *data = dataset_of(pixels, 2, 1, 1, 3);
    rf_augmentation a = parsed("mixup", (rf_augment_images){1, 1, 3, 2});
    const rf_view identity = {.row_y = RF_VIEW_ONE, .column_x = RF_VIEW_ONE, .share = 1};
    for (int k = 0; k < 2; k++) { /* 3/4 of one and 1/4 of the other; two pixels of the other */
        rf_view views[2] = {identity, identity};
        views[0].partner = views[1].source = 1;
        views[0].share = shares[k];
        views[0].keep = k == 0 ? 0.75f : 0;
        views[0].patch_left = k;
        views[0].patch_right = 3;
        views[0].patch_bottom = 1;
        batch b = batch_of(device, data, &a, views, mean, plain_std, false);
        for (int i = 0; i < 3; i++) {
            assert_float_equal(b.images[i] + 127.5, k == 0 ? mixed[i] : patched[i], 1e-4);
            assert_float_equal(b.images[3 + i] + 127.5, pixels[3 + i], 1e-4);
        }
        assert_memory_equal(b.labels, labels, sizeof labels);
        assert_memory_equal(&b.labels[4], &shares[k], sizeof(float));
        free_batch(&b);
    }
    rf_augmentation_release(&a);
    rf_dataset_free(data);
}

/* ---- the kernel, the reference, and streaming ---- */

static const char *const lists[] = {
    "flip+vflip",
    "shift pixels=0+rotate degrees=180",
    "resized_crop+flip",
    "rotate degrees=45+resized_crop scale=0.3,0.6",
    "jitter brightness=1 contrast=1",
    "jitter brightness=0.5 contrast=0.5 p=0.5+cutout size=1",
    "mixup alpha=1+cutmix p=0.5",
    "rotate+flip+jitter+cutout size=1+cutmix",
};

static void same_images(const batch *a, const batch *b, const rf_augment_images *s, const char *text) {
    for (int i = 0; i < s->batch * s->height * s->width * s->channels; i++)
        if (!(fabsf(a->images[i] - b->images[i]) <= 1e-5f * (1 + fabsf(b->images[i]))))
            fail_msg("%s on %dx%dx%d: number %d is %g, and should be %g", text, s->channels, s->height,
                     s->width, i, (double)a->images[i], (double)b->images[i]);
    assert_memory_equal(a->labels, b->labels, (size_t)s->batch * 3 * sizeof(int32_t));
}

static void every_device_makes_the_references_images(void **unused) {
    (void)unused;
    static const rf_augment_images shapes[] = {{1, 1, 1, 2},    {3, 1, 1, 3}, {1, 7, 5, 9}, {3, 5, 13, 4},
                                               {3, 32, 32, 64}, {2, 4, 3, 5}, {16, 3, 6, 3}};
    static const double stds[16] = {0.25, 0.5, 0.5, 0.3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    enum { COUNT = 17, MOST = 3 * 32 * 32 };
    static uint8_t pixels[COUNT * MOST];
    rf_device *reference = NULL;
    rf_random random;
    rf_random_init(&random, 5, 1);
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)rf_random_below(&random, 256);
    CHECK(rf_device_open(&reference, "reference"));
    for (size_t s = 0; s < RF_COUNT(shapes); s++) {
        rf_dataset *data = dataset_of(pixels, COUNT, shapes[s].channels, shapes[s].height, shapes[s].width);
        for (size_t l = 0; l < RF_COUNT(lists); l++) {
            rf_augmentation a = parsed(lists[l], shapes[s]);
            batch expected = batch_of(reference, data, &a, NULL, mean, stds, false);
            batch got = batch_of(device, data, &a, NULL, mean, stds, false);
            batch streamed = batch_of(device, data, &a, NULL, mean, stds, true);
            same_images(&got, &expected, &shapes[s], lists[l]);
            assert_memory_equal(
                streamed.images, got.images,
                (size_t)(shapes[s].batch * shapes[s].height * shapes[s].width * shapes[s].channels) *
                    sizeof(float));
            assert_memory_equal(streamed.labels, got.labels, (size_t)shapes[s].batch * 3 * sizeof(int32_t));
            free_batch(&expected);
            free_batch(&got);
            free_batch(&streamed);
            rf_augmentation_release(&a);
        }
        rf_dataset_free(data);
    }
    rf_device_close(reference);
}

/* ---- distributions ---- */

enum { DRAWS = 200, BATCH = 100 };

/* Draws DRAWS batches and adds up what `number` says of each view. */
static void moments(double *average, double *variance, const char *text, rf_augment_images images,
                    double (*number)(const rf_view *view)) {
    static const int32_t sources[BATCH];
    double sum = 0, squares = 0;
    images.batch = BATCH;
    rf_augmentation a = parsed(text, images);
    for (int n = 0; n < DRAWS; n++) {
        rf_view views[BATCH];
        rf_augmentation_draw(views, &a, sources, 3, (uint64_t)n);
        for (int i = 0; i < BATCH; i++) {
            const double x = number(&views[i]);
            sum += x;
            squares += x * x;
        }
    }
    rf_augmentation_release(&a);
    *average = sum / (DRAWS * BATCH);
    *variance = squares / (DRAWS * BATCH) - *average * *average;
}

static double is_flipped(const rf_view *v) {
    return v->column_x < 0;
}
static double moved_down(const rf_view *v) {
    return -v->row_0 / (double)RF_VIEW_ONE;
}
static double moved_right(const rf_view *v) {
    return -v->column_0 / (double)RF_VIEW_ONE;
}
static double moved_both(const rf_view *v) {
    return moved_down(v) * moved_right(v);
}
static double degrees(const rf_view *v) {
    return atan2(v->row_x, v->row_y) * 180 / acos(-1);
}
static double gain(const rf_view *v) {
    return (double)v->colour[0][0];
}
static double area(const rf_view *v) {
    return v->row_y / (double)RF_VIEW_ONE * v->column_x / RF_VIEW_ONE;
}
static double log_ratio(const rf_view *v) {
    return log((double)v->column_x / v->row_y);
}
static double hole_left(const rf_view *v) {
    return v->hole_left;
}
static double share(const rf_view *v) {
    return (double)v->share;
}
static double patch_area(const rf_view *v) {
    return 1 - (double)v->share -
           (v->patch_bottom - v->patch_top) * (v->patch_right - v->patch_left) / (33.0 * 65);
}
static double is_mixup(const rf_view *v) {
    return v->keep > 0;
}

static void numbers_are_distributed_as_said(void **unused) {
    (void)unused;
    const double side = 2 * 4 + 1, moved = (side * side - 1) / 12; /* variance of -4..4 */
    const struct {
        const char *text;
        double (*number)(const rf_view *);
        double average, variance;
    } cases[] = {
        {"flip", is_flipped, 0.5, 0.25},
        {"flip p=0.2", is_flipped, 0.2, 0.16},
        {"flip p=0", is_flipped, 0, 0},
        {"shift", moved_down, 0, moved},
        {"shift", moved_right, 0, moved},
        {"shift", moved_both, 0, moved * moved}, /* they are independent */
        {"rotate degrees=90", degrees, 0, 180.0 * 180 / 12},
        {"jitter brightness=0.5 contrast=0", gain, 1, 1 / 12.0},
        {"cutout", hole_left, 64 / 2.0 - 4, (65 * 65 - 1) / 12.0},
        /* crops that always fit */
        {"resized_crop scale=0.1,0.3 ratio=1.8,2.2", area, 0.2, 0.04 / 12},
        {"mixup", share, 0.5, 1 / (4 * 1.4)}, /* Beta(a,a): 1 / (4 (2a + 1)) */
        {"mixup alpha=1", share, 0.5, 1 / 12.0},
        {"mixup alpha=4", share, 0.5, 1 / 36.0},
        {"mixup alpha=0.05", share, 0.5, 1 / 4.4},
        {"cutmix", patch_area, 0, 0},
        {"mixup+cutmix p=0.25", is_mixup, 0.75, 0.1875},
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        double average, variance;
        moments(&average, &variance, cases[i].text, (rf_augment_images){1, 33, 65, 0}, cases[i].number);
        /* of 20,000 numbers: 5 standard errors of the mean; the variance's is below 1.5 %, and crops are rounded */
        if (!(fabs(average - cases[i].average) <= 5 * sqrt(cases[i].variance / (DRAWS * BATCH)) + 2e-3) ||
            !(fabs(variance - cases[i].variance) <= 0.06 * cases[i].variance + 1e-6))
            fail_msg("case %zu, %s: mean %g and variance %g, and should be %g and %g", i, cases[i].text,
                     average, variance, cases[i].average, cases[i].variance);
    }
}

static void crops_lie_in_the_image_and_keep_to_their_ratio(void **unused) {
    (void)unused;
    static const int32_t sources[BATCH];
    rf_augmentation a = parsed("resized_crop", (rf_augment_images){3, 32, 32, BATCH});
    for (int n = 0; n < DRAWS; n++) {
        rf_view views[BATCH];
        rf_augmentation_draw(views, &a, sources, 1, (uint64_t)n);
        for (int i = 0; i < BATCH; i++) {
            const rf_view *v = &views[i];
            const int last_row = v->row_y * 31 + v->row_0, last_column = v->column_x * 31 + v->column_0;
            assert_true(v->row_0 >= -RF_VIEW_ONE / 2 && last_row <= 32 * RF_VIEW_ONE - RF_VIEW_ONE / 2);
            assert_true(v->column_0 >= -RF_VIEW_ONE / 2 && last_column <= 32 * RF_VIEW_ONE - RF_VIEW_ONE / 2);
            assert_in_range((int)(area(v) * 1000), 70, 1000);       /* 0.08..1, rounded to pixels */
            assert_true(fabs(log_ratio(v)) <= log(4.0 / 3) + 0.12); /* likewise */
        }
    }
    rf_augmentation_release(&a);
}

/* ---- training ---- */

static rf_trainer *trainer_of(const rf_dataset *data, rf_device *on, const char *augment, const char *stream,
                              rf_trainer_desc desc) {
    static const char network[] = "conv1: conv 4 3 pad=1\nrelu\nmax_pool 2\nflatten\nfc1: linear classes\n";
    rf_trainer *trainer = NULL;
    rf_model *model = NULL;
    setenv("RANGEFINDER_STREAM", stream, 1);
    CHECK(rf_model_parse(&model, network, "test", (rf_image_shape){1, 8, 8, 10}, 3));
    desc.device = on;
    desc.model = model;
    desc.dataset = data;
    desc.augment = augment;
    if (desc.batch == 0) desc.batch = 64;
    CHECK(rf_trainer_create(&trainer, &desc));
    rf_model_free(model);
    return trainer;
}

enum { STEPS = 8 };

static void train(double loss[STEPS], const rf_dataset *data, rf_device *on, const char *augment,
                  const char *stream, rf_trainer_desc desc) {
    rf_trainer *trainer = trainer_of(data, on, augment, stream, desc);
    CHECK(rf_trainer_run(trainer, 0.05, STEPS, loss));
    rf_trainer_free(trainer);
}

static void training_sees_the_same_images_everywhere(void **unused) {
    (void)unused;
    static const char *const texts[] = {"flip+shift pixels=2", "jitter+mixup+cutmix p=0.5"};
    rf_device *reference = NULL;
    rf_dataset *digits = NULL;
    CHECK(rf_device_open(&reference, "reference"));
    CHECK(rf_dataset_open(&digits, "digits", NULL));
    for (size_t i = 0; i < RF_COUNT(texts); i++) {
        const rf_trainer_desc desc = {.accumulate = 2};
        double plain[STEPS], first[STEPS], again[STEPS], streamed[STEPS], expected[STEPS];
        train(plain, digits, device, NULL, "0", desc);
        train(first, digits, device, texts[i], "0", desc);
        train(again, digits, device, texts[i], "0", desc);
        train(streamed, digits, device, texts[i], "1", desc);
        train(expected, digits, reference, texts[i], "0", desc);
        assert_memory_equal(again, first, sizeof first);
        assert_memory_equal(streamed, first, sizeof first);
        for (int s = 0; s < STEPS; s++) {
            assert_float_equal(first[s], expected[s], 1e-4 * expected[s]);
            assert_true(fabs(first[s] - plain[s]) > 1e-3 * plain[s]);
        }
    }
    rf_dataset_free(digits);
    rf_device_close(reference);
}

static void validation_sees_the_images_as_they_are(void **unused) {
    (void)unused;
    const rf_range_test_desc test = {.start_lr = 1e-12, .end_lr = 1e-11, .iterations = 2};
    rf_dataset *digits = NULL;
    rf_curve *curves[2] = {NULL};
    CHECK(rf_dataset_open(&digits, "digits", NULL));
    for (int i = 0; i < 2; i++) {
        rf_trainer *trainer = trainer_of(digits, device, i == 0 ? NULL : "vflip p=1+mixup", "0",
                                         (rf_trainer_desc){.validation = 100});
        CHECK(rf_range_test_run(&curves[i], trainer, &test));
        rf_trainer_free(trainer);
    }
    for (int s = 0; s < 2; s++) assert_float_equal(curves[1]->loss[s], curves[0]->loss[s], 1e-6);
    for (int i = 0; i < 2; i++) rf_curve_free(curves[i]);
    rf_dataset_free(digits);
}

/* ---- bad input ---- */

static void what_does_not_suit_is_refused_with_its_reason(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *loss, *message;
        int batch;
    } cases[] = {
        {"flop", NULL, "no augmentation 'flop'; did you mean 'flip'?"},
        {"flip+", NULL, "no augmentation ''; there are flip, vflip"},
        {"", NULL, "no augmentation ''"},
        {"flip+shift pixels=8", NULL,
         "shift: pixels is 8; for images of 8x8 it must be a whole number of 7 or less"},
        {"flip size=3", NULL, "size has no effect with flip"},
        {"cutout size=9", NULL,
         "cutout: size is 9; for images of 8x8 it must be a whole number of 8 or less"},
        {"shift pixels=0.5", NULL, "shift: pixels is 0.5; for images of 8x8 it must be a whole number"},
        {"rotate degrees=181", NULL, "rotate: degrees is 181; it must lie in 0..180"},
        {"resized_crop scale=0.5", NULL, "resized_crop: scale takes two numbers"},
        {"resized_crop scale=0.9,0.5", NULL, "of each the smaller number comes first"},
        {"jitter hue=0.1", NULL, "the images have 1 channel, and saturation and hue are of colours"},
        {"flip p=2", NULL, "flip: p is 2; it must lie in 0..1"},
        {"flip+shift pixels=1+flip", NULL, "flip stands twice in the augmentation"},
        {"mixup+cutmix", NULL, "cutmix mixes every image, which leaves none to mixup: give it a p below 1"},
        {"mixup", "mse", "mixup and cutmix need the loss cross_entropy, and it is mse"},
        {"cutmix", NULL, "a batch of 1 image has no other to mix it with", 1},
    };
    rf_dataset *digits = NULL;
    rf_model *model = NULL;
    CHECK(rf_dataset_open(&digits, "digits", NULL));
    CHECK(rf_model_parse(&model, "flatten\nlinear classes\n", "test", (rf_image_shape){1, 8, 8, 10}, 3));
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        rf_trainer *trainer = NULL;
        const rf_trainer_desc desc = {.device = device,
                                      .model = model,
                                      .dataset = digits,
                                      .batch = cases[i].batch,
                                      .loss = cases[i].loss,
                                      .augment = cases[i].text};
        assert_int_equal(rf_trainer_create(&trainer, &desc), RF_E_USAGE);
        assert_null(trainer);
        if (strstr(rf_error_message(), cases[i].message) == NULL)
            fail_msg("'%s' does not say '%s'", rf_error_message(), cases[i].message);
    }
    rf_model_free(model);
    rf_dataset_free(digits);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pictures_are_as_by_hand),
        cmocka_unit_test(mixtures_are_as_by_hand),
        cmocka_unit_test(every_device_makes_the_references_images),
        cmocka_unit_test(numbers_are_distributed_as_said),
        cmocka_unit_test(crops_lie_in_the_image_and_keep_to_their_ratio),
        cmocka_unit_test(training_sees_the_same_images_everywhere),
        cmocka_unit_test(validation_sees_the_images_as_they_are),
        cmocka_unit_test(what_does_not_suit_is_refused_with_its_reason),
    };
    if (rf_device_open(&device, NULL) != RF_OK) {
        fprintf(stderr, "%s\n", rf_error_message());
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rf_device_close(device);
    return failed;
}
