/* Data sets: each format but folders of images read as it should be, each kind of damage answered by an error
 * that names it. */
#include "rangefinder/dataset.h"

#include <math.h>

#include "data/format.h"
#include "files.h"

/* ---- digits, synthetic, memory, statistics ---- */

static void digits_are_embedded(void **state) {
    (void)state;
    rf_dataset *d = opened(NULL, NULL);
    has_shape(d, 1797, 1, 8, 8, 10);
    assert_string_equal(d->name, "digits");
    assert_int_equal(pixel(d, 0, 0, 2, 0), (5 * 255 + 8) / 16);
    assert_int_equal(d->labels[1], 1);
    double mean, std;
    assert_int_equal(rf_dataset_statistics(d, &mean, &std), RF_OK);
    assert_true(fabs(mean - 0.3053) < 1e-4 && fabs(std - 0.3759) < 1e-4);
    rf_dataset_free(d);
}

static void synthetic_follows_its_seed(void **state) {
    (void)state;
    rf_dataset *a = opened("synthetic:1x28x28", &(rf_dataset_options){.seed = 1});
    rf_dataset *b = opened("synthetic:1x28x28", &(rf_dataset_options){.seed = 1});
    rf_dataset *c = opened("synthetic:1x28x28", &(rf_dataset_options){.seed = 2});
    has_shape(a, 100, 1, 28, 28, 10);
    assert_memory_equal(a->pixels, b->pixels, 78400);
    assert_memory_equal(a->labels, b->labels, 400);
    assert_memory_not_equal(a->pixels, c->pixels, 78400);
    rf_dataset_free(a);
    rf_dataset_free(b);
    rf_dataset_free(c);
    c = opened("synthetic:3x5x7,4,9", NULL);
    has_shape(c, 9, 3, 5, 7, 4);
    for (int i = 0; i < 9; i++) assert_in_range(c->labels[i], 0, 3);
    rf_dataset_free(c);
}

static void synthetic_refuses_bad_numbers(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"synthetic", "is not understood"},
        {"synthetic:", "is not understood"},
        {"synthetic:3x32", "is not understood"},
        {"synthetic:3x32x32x", "is not understood"},
        {"synthetic:3x32x32,", "is not understood"},
        {"synthetic:3x-2x32", "is not understood"},
        {"synthetic:3x 2x32", "is not understood"},
        {"synthetic:99999999999999999999x2x2", "is not understood"},
        {"synthetic:0x32x32", "channels is 0"},
        {"synthetic:3x32x100000", "width is 100000"},
        {"synthetic:3x32x32,1", "classes is 1"},
        {"synthetic:3x32x32,10,0", "images is 0"},
        {"synthetic:1024x65536x65536,10,2000000000", "--limit takes fewer of them, --image-size smaller"},
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) refused(cases[i][0], NULL, cases[i][1]);
}

static void memory_comes_as_planes(void **state) {
    (void)state;
    uint8_t pixels[2 * 3 * 2 * 1];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)i;
    rf_dataset *d;
    assert_int_equal(rf_dataset_from_memory(&d, NULL, pixels, (int32_t[]){2, 0}, 2, 3, 2, 1, 3), RF_OK);
    static const uint8_t expected[] = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
    assert_memory_equal(d->pixels, expected, sizeof expected);
    assert_int_equal(d->labels[0], 2);
    rf_dataset_free(d);
    assert_int_equal(rf_dataset_from_memory(&d, "m", pixels, (int32_t[]){3, 0}, 2, 3, 2, 1, 3), RF_E_INPUT);
    assert_int_equal(rf_dataset_from_memory(&d, "m", pixels, (int32_t[]){0, 0}, 2, 3, -2, 1, 3), RF_E_INPUT);
    assert_int_equal(rf_dataset_from_memory(&d, "m", NULL, NULL, 2, 3, 2, 1, 3), RF_E_USAGE);
}

static void statistics_are_exact_for_any_number_of_channels(void **state) {
    (void)state;
    static const int channels[] = {1, 2, 3, 4, 5, 7, 48, 50};
    for (size_t k = 0; k < RF_COUNT(channels); k++) {
        int c = channels[k];
        char spec[64];
        snprintf(spec, sizeof spec, "synthetic:%dx37x41,2,%d", c,
                 c == 1 ? 2100 : 3); /* more than a block of sums */
        rf_dataset *d = opened(spec, NULL);
        double mean[50], std[50], n = (double)d->count * 37 * 41;
        assert_int_equal(rf_dataset_statistics(d, mean, std), RF_OK);
        for (int i = 0; i < c; i++) {
            double sum = 0, square = 0;
            for (size_t p = (size_t)i; p < (size_t)(n * c); p += (size_t)c) {
                sum += d->pixels[p];
                square += (double)d->pixels[p] * d->pixels[p];
            }
            assert_true(fabs(mean[i] - sum / n / 255) < 1e-12);
            assert_true(fabs(std[i] - sqrt(square / n - sum / n * sum / n) / 255) < 1e-9);
        }
        rf_dataset_free(d);
    }
}

static void notes_are_kept_in_their_order(void **state) {
    (void)state;
    rf_dataset *d = opened("digits", NULL);
    size_t before = d->note_count;
    for (int i = 0; i < 3; i++) assert_int_equal(rf_dataset_note(d, "%d of '%s'", i, "a"), RF_OK);
    assert_int_equal(d->note_count, before + 3);
    assert_string_equal(d->notes[before], "0 of 'a'");
    assert_string_equal(d->notes[before + 2], "2 of 'a'");
    rf_dataset_free(d);
}

static void limit_spreads_over_the_classes(void **state) {
    (void)state;
    rf_dataset *d = opened("digits", &(rf_dataset_options){.limit = 25});
    int counts[10] = {0};
    has_shape(d, 25, 1, 8, 8, 10);
    for (int i = 0; i < 25; i++) counts[d->labels[i]]++;
    for (int c = 0; c < 10; c++) assert_int_equal(counts[c], c < 5 ? 3 : 2);
    rf_dataset_free(d);
    d = opened("digits", &(rf_dataset_options){.limit = 5000});
    assert_int_equal(d->count, 1797);
    rf_dataset_free(d);
    assert_int_equal(rf_dataset_open(&d, "digits", &(rf_dataset_options){.limit = -1}), RF_E_USAGE);
}

static void any_format_can_be_resized(void **state) {
    (void)state;
    rf_dataset *d =
        opened("digits", &(rf_dataset_options){.image_height = 28, .image_width = 20, .limit = 30});
    has_shape(d, 30, 1, 28, 20, 10);
    assert_int_equal(d->note_count, 1); /* 8x8 images lose their sides */
    assert_non_null(strstr(d->notes[0], "30 of 30 images: cut to their middle"));
    rf_dataset_free(d);
    d = opened("digits", &(rf_dataset_options){.image_height = 16, .image_width = 16, .limit = 30});
    assert_int_equal(d->note_count, 0);
    rf_dataset_free(d);
    assert_int_equal(rf_dataset_open(&d, "digits", &(rf_dataset_options){.image_height = -1}), RF_E_USAGE);
}

static void any_format_can_be_made_colour_or_grey(void **state) {
    (void)state;
    rf_dataset *grey = opened("digits", NULL),
               *colour = opened("digits", &(rf_dataset_options){.channels = 3}), *d;
    has_shape(colour, grey->count, 3, 8, 8, 10);
    for (int c = 0; c < 3; c++) assert_int_equal(pixel(colour, 7, 3, 4, c), pixel(grey, 7, 3, 4, 0));
    assert_non_null(strstr(colour->notes[0], "1797 of 1797 images: grey, but read as colour"));
    rf_dataset_free(colour);
    rf_dataset_free(grey);
    colour = opened("synthetic:3x8x8,2,4", NULL);
    d = opened("synthetic:3x8x8,2,4", &(rf_dataset_options){.channels = 1});
    has_shape(d, 4, 1, 8, 8, 2);
    for (int x = 0; x < 8; x++) { /* L = R * 299/1000 + G * 587/1000 + B * 114/1000, says Pillow */
        double l = pixel(colour, 1, 5, x, 0) * 0.299 + pixel(colour, 1, 5, x, 1) * 0.587 +
                   pixel(colour, 1, 5, x, 2) * 0.114;
        assert_in_range(pixel(d, 1, 5, x, 0), floor(l), ceil(l));
    }
    rf_dataset_free(d);
    rf_dataset_free(colour);
    assert_int_equal(rf_dataset_open(&d, "synthetic:2x8x8", &(rf_dataset_options){.channels = 3}),
                     RF_E_INPUT);
}

/* ---- IDX ---- */

/* Writes an IDX file of bytes 0,1,2,...; labels are i % 3. */
static void write_idx(const char *path, int rank, const int *dims, bool gzip) {
    uint8_t data[4096] = {0, 0, 8, (uint8_t)rank};
    size_t length = 4, bytes = 1;
    for (int i = 0; i < rank; i++, length += 4) {
        data[length + 2] = (uint8_t)(dims[i] >> 8);
        data[length + 3] = (uint8_t)dims[i];
        bytes *= (size_t)dims[i];
    }
    for (size_t i = 0; i < bytes; i++) data[length++] = (uint8_t)(rank == 1 ? i % 3 : i);
    if (gzip)
        write_gzip(path, data, length);
    else
        write_file(path, data, length);
}

static void idx_pairs_are_read(void **state) {
    (void)state;
    for (int gzip = 0; gzip < 2; gzip++) {
        write_idx(at("x"), 3, (int[]){6, 4, 5}, gzip);
        write_idx(at("y,z"), 1, (int[]){6}, gzip);
        char spec[1100];
        snprintf(spec, sizeof spec, "%s,%s", at("x"), at("y,z"));
        rf_dataset *d = opened(spec, NULL);
        has_shape(d, 6, 1, 4, 5, 3);
        for (int i = 0; i < 120; i++) assert_int_equal(d->pixels[i], i);
        assert_int_equal(d->labels[5], 2);
        rf_dataset_free(d);
    }
}

static void idx_folders_find_their_pair(void **state) {
    (void)state;
    write_idx(at("t10k-images-idx3-ubyte.gz"), 3, (int[]){3, 2, 2}, true);
    write_idx(at("t10k-labels-idx1-ubyte.gz"), 1, (int[]){3}, true);
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 3, 1, 2, 2, 3);
    rf_dataset_free(d);
    write_idx(at("train-images-idx3-ubyte"), 3, (int[]){9, 2, 2}, false); /* preferred */
    write_idx(at("train-images-idx3-ubyte.gz"), 3, (int[]){9, 2, 2}, true);
    write_idx(at("train-labels-idx1-ubyte"), 1, (int[]){9}, false);
    d = opened(root, NULL);
    has_shape(d, 9, 1, 2, 2, 3);
    rf_dataset_free(d);
    folder(at("own"));
    write_idx(at("own/a.idx"), 4, (int[]){4, 3, 2, 5}, false); /* planes */
    refused(at("own"), NULL, "no images with their labels");
    write_idx(at("own/b-labels.idx"), 1, (int[]){4}, false);
    d = opened(at("own"), NULL);
    has_shape(d, 4, 3, 2, 5, 3);
    assert_int_equal(pixel(d, 1, 1, 4, 2), 59);
    rf_dataset_free(d);
    write_idx(at("own/a.idx"), 4, (int[]){4, 2, 5, 3}, false); /* channels last */
    d = opened(at("own"), NULL);
    has_shape(d, 4, 3, 2, 5, 3);
    assert_int_equal(pixel(d, 0, 0, 1, 2), 5);
    rf_dataset_free(d);
    write_idx(at("own/c-train-images.idx"), 3, (int[]){4, 2, 5}, false);
    write_idx(at("own/c-train-labels.idx"), 1, (int[]){4}, false);
    write_idx(at("own/d-train-images.idx"), 3, (int[]){4, 2, 5}, false);
    write_idx(at("own/d-train-labels.idx"), 1, (int[]){4}, false);
    refused(at("own"), NULL, "more than one pair");
}

static void idx_damage_is_named(void **state) {
    (void)state;
    static const struct {
        uint8_t data[24];
        size_t length;
        const char *says;
    } cases[] = {
        {{0}, 0, "is empty"},
        {{0, 0, 8}, 3, "cut off"},
        {{1, 2, 8, 3}, 16, "01 02 08 03"},
        {{0, 0, 10, 3}, 16, "type 0a"},
        {{0, 0, 8, 9}, 16, "is no IDX file"},
        {{0, 0, 8, 1, 0, 0, 0, 1, 5}, 9, "looks like labels"},
        {{0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, 16, "dimension 1 is 0"},
        {{0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1}, 17, "cut off: 1 bytes of 12"},
        {{0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 16, "claims more data"},
        {{0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4}, 20, "3 labels"},
    };
    char spec[1100];
    write_idx(at("labels"), 1, (int[]){3}, false);
    snprintf(spec, sizeof spec, "%s,%s", at("images"), at("labels"));
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        write_file(at("images"), cases[i].data, cases[i].length);
        refused(spec, NULL, cases[i].says);
    }
    write_idx(at("images"), 3, (int[]){3, 2, 2}, false);
    write_idx(at("labels"), 3, (int[]){3, 1, 1}, false);
    refused(spec, NULL, "labels have 1");
    write_file(at("labels"), "\0\0\10\1\0\0\0\3\0\0\0", 11);
    refused(spec, NULL, "every label is 0");
    folder(at("somewhere"));
    snprintf(spec, sizeof spec, "%s,%s", at("somewhere"), at("nowhere"));
    refused(spec, NULL, "is not a file");
    snprintf(spec, sizeof spec, "%s,%s", at("images"), at("nowhere"));
    refused(spec, NULL, "nowhere: cannot be opened");
}

static void broken_gzip_is_named(void **state) {
    (void)state;
    char spec[1100];
    uint8_t *whole, bomb[1 << 16] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2};
    write_idx(at("images"), 3, (int[]){3, 11, 11}, true);
    write_idx(at("labels"), 1, (int[]){3}, false);
    snprintf(spec, sizeof spec, "%s,%s", at("images"), at("labels"));
    size_t length = read_file(&whole, at("images"));
    for (size_t cut = 12; cut < length; cut++) { /* before, it is no gzip file at all */
        write_file(at("images"), whole, cut);
        refused(spec, NULL, "cut off");
    }
    whole[length - 8] ^= 1; /* the checksum */
    write_file(at("images"), whole, length);
    refused(spec, NULL, "incorrect data check");
    write_gzip(at("images"), bomb, sizeof bomb); /* far more than the header says */
    refused(spec, NULL, "more data than its header says");
    free(whole);
}

/* ---- CIFAR ---- */

static void write_cifar(const char *path, int label_bytes, int count, int label) {
    size_t size = (size_t)(3072 + label_bytes);
    uint8_t *data = calloc((size_t)count, size);
    for (int i = 0; i < count; i++) {
        data[(size_t)i * size + (size_t)label_bytes - 1] = (uint8_t)(label + i);
        for (size_t p = 0; p < 3072; p++)
            data[(size_t)i * size + (size_t)label_bytes + p] = (uint8_t)(p / 1024 * 50 + p % 32);
    }
    write_file(path, data, (size_t)count * size);
    free(data);
}

static void cifar_is_read(void **state) {
    (void)state;
    write_cifar(at("data_batch_1.bin"), 1, 4, 0);
    write_cifar(at("data_batch_2.bin"), 1, 3, 5);
    write_cifar(at("test_batch.bin"), 1, 2, 1);
    write_file(at("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n", 21);
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 7, 3, 32, 32, 10);
    assert_int_equal(d->labels[5], 6);
    assert_int_equal(pixel(d, 3, 2, 9, 1), 59);
    assert_string_equal(d->class_names[9], "j");
    rf_dataset_free(d);
    d = opened(at("test_batch.bin"), NULL);
    assert_int_equal(d->count, 2);
    assert_string_equal(d->class_names[0], "a");
    rf_dataset_free(d);
    folder(at("100"));
    write_cifar(at("100/train.bin"), 2, 5, 90);
    d = opened(at("100"), NULL);
    has_shape(d, 5, 3, 32, 32, 100);
    assert_int_equal(d->labels[4], 94);
    assert_null(d->class_names);
    rf_dataset_free(d);
}

static void cifar_damage_is_named(void **state) {
    (void)state;
    write_file(at("train.bin"), "short", 5);
    refused(root, NULL, "not a whole number of CIFAR records");
    write_file(at("train.bin"), "", 0);
    refused(root, NULL, "is empty");
    write_cifar(at("train.bin"), 1, 3, 9);
    refused(root, NULL, "record 1 has the label 10");
    write_cifar(at("data_batch_1.bin"), 1, 3, 0);
    write_cifar(at("data_batch_2.bin"), 2, 3, 0);
    refused(root, NULL, "CIFAR-100 data among CIFAR-10 data");
}

static void what_is_no_data_set_gets_a_list_of_those_that_are(void **state) {
    (void)state;
    refused(at("nowhere"), NULL, "No such file or directory. A data set is: digits");
    refused("", NULL, "A data set is: digits");
    write_file(at("file"), "x", 1);
    refused(at("file"), NULL, "is a file that is no data set by itself");
}

static void damaged_idx_files_never_crash(void **state) {
    (void)state;
    write_idx(at("images.idx.gz"), 3, (int[]){3, 9, 11}, true);
    write_idx(at("labels.idx"), 1, (int[]){3}, false);
    mutate(at("images.idx.gz"), root, fuzz_rounds());
    write_idx(at("images.idx.gz"), 4, (int[]){3, 3, 9, 11}, false);
    mutate(at("images.idx.gz"), root, fuzz_rounds());
    write_idx(at("images.idx.gz"), 4, (int[]){3, 3, 9, 11}, false);
    mutate(at("labels.idx"), root, fuzz_rounds());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(digits_are_embedded),
        TEST(synthetic_follows_its_seed),
        TEST(synthetic_refuses_bad_numbers),
        TEST(memory_comes_as_planes),
        TEST(statistics_are_exact_for_any_number_of_channels),
        TEST(notes_are_kept_in_their_order),
        TEST(limit_spreads_over_the_classes),
        TEST(any_format_can_be_resized),
        TEST(any_format_can_be_made_colour_or_grey),
        TEST(idx_pairs_are_read),
        TEST(idx_folders_find_their_pair),
        TEST(idx_damage_is_named),
        TEST(broken_gzip_is_named),
        TEST(cifar_is_read),
        TEST(cifar_damage_is_named),
        TEST(what_is_no_data_set_gets_a_list_of_those_that_are),
        TEST(damaged_idx_files_never_crash),
    };
    return RUN_IN_FOLDER(tests);
}
