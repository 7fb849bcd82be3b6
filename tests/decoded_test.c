/* Images that are decoded when they are used: the same pixels, losses and bits as from memory, whatever is kept; bad files
 * found when their turn comes. */
#include <math.h>

#include "data/prefetch.h"
#include "pictures.h"
#include "rangefinder/rangefinder.h"

#define CHECK(call)                                                                                          \
    do {                                                                                                     \
        if ((call) != RF_OK) fail_msg("%s: %s", #call, rf_error_message());                                  \
    } while (0)

enum { SIDE = 6, IMAGE = SIDE * SIDE, CLASSES = 3, EACH = 20, COUNT = CLASSES * EACH };

/* 20 grey images in each of the folders a, b, c. */
static void image_folder(void) {
    for (int i = 0; i < COUNT; i++) {
        uint8_t file[13 + IMAGE] = "P5 6 6   255\n";
        for (int p = 0; p < IMAGE; p++) file[13 + p] = (uint8_t)(i * 53 + p * 11 + i % 7 * p);
        folder(at("%c", 'a' + i / EACH));
        write_file(at("%c/%02d.pgm", 'a' + i / EACH, i % EACH), file, sizeof file);
    }
}

static rf_dataset *decoded(uint64_t cache_bytes, bool skip_bad) {
    return opened(root, &(rf_dataset_options){.cache_bytes = cache_bytes, .skip_bad = skip_bad});
}

static void has_image(const uint8_t *pixels, const rf_dataset *expected, int index) {
    assert_memory_equal(pixels, expected->pixels + index * IMAGE, IMAGE);
}

static void pixels_are_those_from_memory_however_many_are_kept(void **state) {
    (void)state;
    static const uint64_t caches[] = {1, 5 * IMAGE, COUNT * IMAGE, 1 << 20};
    image_folder();
    rf_dataset *all = opened(root, NULL);
    double mean, std, own_mean, own_std;
    assert_int_equal(rf_dataset_statistics(all, &mean, &std), RF_OK);
    for (size_t k = 0; k < RF_COUNT(caches); k++) {
        rf_dataset *d = decoded(caches[k], false);
        has_shape(d, COUNT, 1, SIDE, SIDE, CLASSES);
        assert_null(d->pixels);
        assert_memory_equal(d->labels, all->labels, COUNT * sizeof *d->labels);
        assert_string_equal(d->class_names[2], "c");
        for (int i = 0; i < 2 * COUNT; i++) {
            uint8_t pixels[IMAGE];
            CHECK(rf_dataset_read(pixels, d, i * 7 % COUNT));
            has_image(pixels, all, i * 7 % COUNT);
        }
        assert_int_equal(rf_dataset_statistics(d, &own_mean, &own_std), RF_OK);
        assert_true(own_mean == mean && own_std == std);
        rf_dataset_free(d);
    }
    rf_dataset_free(all);
}

static void kept_images_are_not_decoded_again(void **state) {
    (void)state;
    uint8_t pixels[IMAGE];
    image_folder();
    rf_dataset *d = decoded(1 * IMAGE, false);
    CHECK(rf_dataset_read(pixels, d, 7));
    CHECK(rf_dataset_read(pixels, d, 8));
    assert_int_equal(unlink(at("a/07.pgm")), 0);
    assert_int_equal(unlink(at("a/08.pgm")), 0);
    CHECK(rf_dataset_read(pixels, d, 7));
    assert_int_equal(rf_dataset_read(pixels, d, 8), RF_E_IO);
    rf_dataset_free(d);
}

static void shape_is_that_of_a_sample_of_headers(void **state) {
    (void)state;
    static const uint8_t grey[] = "P5 1 1 255\n\x80", colour[] = "P6 1 1 255\n\1\2\3";
    uint8_t pixels[3];
    for (int i = 0; i < 1024; i++) { /* of which every second is in the sample */
        folder(at("%c", 'a' + i / 512));
        const bool sampled = i % 2 == 0;
        write_file(at("%c/%03d.pgm", 'a' + i / 512, i % 512), i == 600 ? colour : grey,
                   sampled ? sizeof grey - 1 + 2 * (i == 600) : 3);
    }
    rf_dataset *d = decoded(1, false);
    has_shape(d, 1024, 3, 1, 1, 2);
    CHECK(rf_dataset_read(pixels, d, 600));
    assert_memory_equal(pixels, "\1\2\3", 3);
    assert_int_equal(rf_dataset_read(pixels, d, 601), RF_E_INPUT);
    rf_dataset_free(d);
    write_file(at("b/100.pgm"), grey, 3);
    refused(root, &(rf_dataset_options){.cache_bytes = 1}, "b/100.pgm: ");
}

static void has_note(const rf_dataset *d, const char *text) {
    for (size_t i = 0; i < d->note_count; i++)
        if (strstr(d->notes[i], text) != NULL) return;
    fail_msg("no note says '%s'", text);
}

/* The images of conversions_are_counted, in image_folder_test.c. */
static void conversions_are_said_before_they_are_made(void **state) {
    (void)state;
    static const char *const a[] = {"colour.png",     "colour-16.png", "palette-4-transparent.png",
                                    "cmyk.jpg",       "exif-3.jpg",    "exif-6.jpg",
                                    "grey-alpha.png", "deep.ppm"};
    folder(at("a"));
    folder(at("b"));
    for (size_t i = 0; i < RF_COUNT(a); i++) copy_image(at("a/%zu%s", i, strrchr(a[i], '.')), a[i]);
    copy_image(at("b/1.bmp"), "os2.bmp");
    picture(at("b/2.png"), 26, 36, 3); /* the same aspect ratio */
    picture(at("b/3.png"), 26, 20, 3);
    rf_dataset *d = decoded(1, false);
    has_shape(d, 11, 3, 13, 18, 2);
    has_note(d, "3 of 11 images: resized to 13x18 (height x width), the first image's size; --image-size");
    has_note(d, "2 of 11 images: cut to their middle, as their aspect ratio is not that of 13x18");
    has_note(d, "1 of 11 images: grey, but read as colour; --channels 1");
    has_note(d, "2 of 11 images: turned upright, as EXIF says; --no-exif");
    has_note(d, "2 of 11 images: of more than 8 bits");
    has_note(d, "2 of 11 images: with transparency");
    has_note(d, "1 of 11 images: CMYK");
    assert_int_equal(d->note_count, 7 + 1); /* and when they are decoded */
    rf_dataset_free(d);
}

/* Of 1024 images every second is in the sample: the 256 of class a that are grey, and no other. */
static void conversions_of_a_sample_are_those_looked_at(void **state) {
    (void)state;
    static const uint8_t grey[] = "P5 1 1 255\n\x80", colour[] = "P6 1 1 255\n\1\2\3";
    for (int i = 0; i < 1024; i++) {
        folder(at("%c", 'a' + i / 512));
        write_file(at("%c/%03d.pgm", 'a' + i / 512, i % 512), i < 512 ? grey : colour,
                   i < 512 ? sizeof grey - 1 : sizeof colour - 1);
    }
    rf_dataset *d = decoded(1, false);
    has_note(d, "256 of 512 images looked at: grey, but read as colour");
    rf_dataset_free(d);
}

static void options_that_do_not_go_with_it_are_refused(void **state) {
    (void)state;
    image_folder();
    rf_dataset *d = NULL;
    assert_int_equal(rf_dataset_open(&d, root, &(rf_dataset_options){.cache_bytes = 1, .transpose = true}),
                     RF_E_USAGE);
    setenv("RANGEFINDER_MEMORY", "1", 1);
    assert_int_equal(rf_dataset_open(&d, root, &(rf_dataset_options){.cache_bytes = 2 << 20}), RF_E_MEMORY);
    assert_non_null(strstr(rf_error_message(), "a smaller --cache-images"));
    unsetenv("RANGEFINDER_MEMORY");
    d = opened("digits", &(rf_dataset_options){.cache_bytes = 1}); /* in memory anyway */
    assert_int_equal(d->note_count, 1);
    assert_non_null(strstr(d->notes[0], "--cache-images has no effect"));
    assert_non_null(d->pixels);
    rf_dataset_free(d);
}

/* ---- bad files ---- */

static void a_bad_file_is_named_when_its_turn_comes(void **state) {
    (void)state;
    uint8_t pixels[IMAGE];
    image_folder();
    rf_dataset *d = decoded(1, false);
    write_file(at("b/05.pgm"), "P5 6 6 255\n", 11);
    CHECK(rf_dataset_read(pixels, d, EACH + 4));
    assert_int_equal(rf_dataset_read(pixels, d, EACH + 5), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "b/05.pgm: "));
    assert_non_null(strstr(rf_error_message(), "--skip-bad takes another image of its class"));
    rf_dataset_free(d);
}

static void a_bad_file_is_replaced_by_the_nearest_of_its_class(void **state) {
    (void)state;
    uint8_t pixels[IMAGE];
    image_folder();
    rf_dataset *all = opened(root, NULL), *d = decoded(1, true);
    write_file(at("b/00.pgm"), "P5 6 6 255\n", 11);
    write_file(at("b/01.pgm"), "P5 6 6 255\n", 11);
    assert_int_equal(unlink(at("c/19.pgm")), 0);
    for (int turn = 0; turn < 2; turn++) {
        CHECK(rf_dataset_read(pixels, d, EACH)); /* not EACH - 1, which is of class a */
        has_image(pixels, all, EACH + 2);
        CHECK(rf_dataset_read(pixels, d, EACH + 1));
        has_image(pixels, all, EACH + 2);
        CHECK(rf_dataset_read(pixels, d, COUNT - 1));
        has_image(pixels, all, COUNT - 2);
    }
    assert_int_equal(d->bad_count, 3); /* each once */
    assert_non_null(strstr(d->bad[0].path, "b/00.pgm"));
    for (int i = 0; i < EACH; i++) write_file(at("a/%02d.pgm", i), "P5 6 6 255\n", 11);
    assert_int_equal(rf_dataset_read(pixels, d, 3), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "no image of the class 'a' can be read"));
    assert_int_equal(d->bad_count, 3 + EACH);
    rf_dataset_free(d);
    rf_dataset_free(all);
}

/* ---- reading ahead ---- */

static void images_are_taken_in_the_order_announced_and_in_others(void **state) {
    (void)state;
    static uint8_t pixels[COUNT * IMAGE];
    rf_prefetch *p;
    int32_t order[3 * COUNT];
    image_folder();
    rf_dataset *all = opened(root, NULL), *d = decoded(3 * IMAGE, false);
    for (int i = 0; i < 3 * COUNT; i++) order[i] = i * 17 % COUNT;
    CHECK(rf_prefetch_create(&p, d, 7));
    assert_true(rf_prefetch_is_idle(p));
    for (int round = 0; round < 3; round++) {
        CHECK(rf_prefetch_announce(p, order + round, 2 * COUNT));
        for (int i = 0; i < COUNT; i += 10) {
            CHECK(rf_prefetch_take(pixels, p, order + round + i, 10));
            for (int k = 0; k < 10; k++) has_image(pixels + k * IMAGE, all, order[round + i + k]);
            CHECK(rf_prefetch_take(pixels, p, (int32_t[]){3, 2, 3}, 3)); /* not announced */
            for (int k = 0; k < 3; k++) has_image(pixels + k * IMAGE, all, 3 - k % 2);
        }
        assert_false(rf_prefetch_is_idle(p));
    }
    rf_prefetch_free(p); /* while there is more to read */
    rf_dataset_free(d);
    rf_dataset *strict = decoded(1, false);
    write_file(at("a/05.pgm"), "P5 6 6 255\n", 11);
    CHECK(rf_prefetch_create(&p, strict, 2));
    CHECK(rf_prefetch_announce(p, (int32_t[]){1, 2, 5, 3}, 4));
    CHECK(rf_prefetch_take(pixels, p, (int32_t[]){1, 2}, 2));
    assert_int_equal(rf_prefetch_take(pixels, p, (int32_t[]){5, 3}, 2), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "a/05.pgm: "));
    assert_int_equal(rf_prefetch_take(pixels, p, (int32_t[]){9, 5}, 2), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "a/05.pgm: "));
    CHECK(rf_prefetch_announce(p, (int32_t[]){3}, 1));
    CHECK(rf_prefetch_take(pixels, p, (int32_t[]){3}, 1));
    rf_prefetch_free(p);
    rf_dataset_free(strict);
    rf_dataset_free(all);
}

/* ---- training ---- */

static rf_device *device;

static rf_trainer *trainer_of(const rf_dataset *data) {
    rf_model *model = NULL;
    rf_trainer *trainer = NULL;
    CHECK(rf_model_parse(&model, "flatten\nfc: linear classes\n", "test",
                         (rf_image_shape){1, SIDE, SIDE, CLASSES}, 3));
    const rf_trainer_desc desc = {
        .device = device, .model = model, .dataset = data, .batch = 8, .validation = 11, .seed = 4};
    CHECK(rf_trainer_create(&trainer, &desc));
    rf_model_free(model);
    return trainer;
}

enum { STEPS = 40 }; /* 6 epochs */

/* Losses of training, and of the range test before and after it. */
static void train(double losses[3 * STEPS], const rf_dataset *data) {
    rf_trainer *trainer = trainer_of(data);
    for (int k = 0; k < 3; k += 2) {
        rf_curve *curve = NULL;
        const rf_range_test_desc desc = {
            .iterations = STEPS, .start_lr = 1e-4, .end_lr = 1e-1, .diverge = -1};
        CHECK(rf_range_test_run(&curve, trainer, &desc));
        memcpy(losses + k * STEPS, curve->loss, STEPS * sizeof *losses);
        rf_curve_free(curve);
        if (k == 0) CHECK(rf_trainer_run(trainer, 0.01, STEPS, losses + STEPS));
    }
    rf_trainer_free(trainer);
}

static void training_gives_the_same_bits_as_from_memory(void **state) {
    (void)state;
    static const uint64_t caches[] = {1, 9 * IMAGE, 1 << 20};
    double expected[3 * STEPS], losses[3 * STEPS];
    image_folder();
    rf_dataset *all = opened(root, NULL), *train_part, *held;
    train(expected, all);
    for (size_t k = 0; k < RF_COUNT(caches); k++) {
        rf_dataset *d = decoded(caches[k], false);
        train(losses, d);
        assert_memory_equal(losses, expected, sizeof losses);
        rf_dataset_free(d);
    }
    CHECK(rf_dataset_split(&train_part, &held, all, 0.2, 1)); /* parts, whose pixels are elsewhere */
    train(expected, train_part);
    rf_dataset_free(train_part);
    rf_dataset_free(held);
    rf_dataset *d = decoded(1, false);
    CHECK(rf_dataset_split(&train_part, &held, d, 0.2, 1));
    train(losses, train_part);
    assert_memory_equal(losses, expected, sizeof losses);
    rf_dataset_free(train_part);
    rf_dataset_free(held);
    rf_dataset_free(d);
    rf_dataset_free(all);
}

static bool stop_at_once(void *context, const rf_range_test_progress *progress) {
    (void)context, (void)progress;
    return false;
}

static void training_ends_in_the_middle_without_a_trace(void **state) {
    (void)state;
    double losses[STEPS];
    image_folder();
    rf_dataset *d = decoded(1, false);
    rf_trainer *trainer = trainer_of(d);
    rf_curve *curve = NULL;
    rf_range_test_run(&curve, trainer, &(rf_range_test_desc){.iterations = 2000, .progress = stop_at_once});
    rf_curve_free(curve);
    for (int i = 0; i < EACH; i++) write_file(at("b/%02d.pgm", i), "P5 6 6 255\n", 11);
    assert_int_equal(rf_trainer_run(trainer, 0.01, STEPS, losses), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), ".pgm: "));
    rf_trainer_free(trainer);
    rf_dataset_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(pixels_are_those_from_memory_however_many_are_kept),
        TEST(kept_images_are_not_decoded_again),
        TEST(shape_is_that_of_a_sample_of_headers),
        TEST(conversions_are_said_before_they_are_made),
        TEST(conversions_of_a_sample_are_those_looked_at),
        TEST(options_that_do_not_go_with_it_are_refused),
        TEST(a_bad_file_is_named_when_its_turn_comes),
        TEST(a_bad_file_is_replaced_by_the_nearest_of_its_class),
        TEST(images_are_taken_in_the_order_announced_and_in_others),
        TEST(training_gives_the_same_bits_as_from_memory),
        TEST(training_ends_in_the_middle_without_a_trace),
    };
    if (rf_device_open(&device, NULL) != RF_OK) {
        fprintf(stderr, "%s\n", rf_error_message());
        return 1;
    }
    const int failed = RUN_IN_FOLDER(tests);
    rf_device_close(device);
    return failed;
}
