/* IDX files of every type, with labels of every kind, and which of a folder's files belong together.  Bytes are
 * written out by hand, as the format's description has them. */
#include "data/idx_pair.h"

#include <math.h>

#include "files.h"

/* Is there just one note that holds `text`? */
static void assert_note(const rf_dataset *d, const char *text) {
    int found = 0;
    for (size_t i = 0; i < d->note_count; i++) found += strstr(d->notes[i], text) != NULL;
    for (size_t i = 0; found != 1 && i < d->note_count; i++) print_message("note: %s\n", d->notes[i]);
    if (found != 1) fail_msg("%d notes say '%s'", found, text);
}

/* A header of dimensions below 256, and the data behind it. */
static void write_idx(const char *path, int type, int rank, const int *dims, const void *data, size_t bytes,
                      bool gzip) {
    uint8_t file[4096] = {0, 0, (uint8_t)type, (uint8_t)rank};
    size_t length = 4;
    for (int i = 0; i < rank; i++, length += 4) file[length + 3] = (uint8_t)dims[i];
    memcpy(file + length, data, bytes);
    (gzip ? write_gzip : write_file)(path, file, length + bytes);
}

static const uint8_t zero_one[] = {0, 1, 0, 1};

/* Two images of 1x2 pixels, with the labels 0 and 1. */
static void write_pair(int type, const void *pixels, size_t bytes, bool gzip) {
    write_idx(at("train-images"), type, 3, (int[]){2, 1, 2}, pixels, bytes, gzip);
    write_idx(at("train-labels"), 8, 1, (int[]){2}, zero_one, 2, false);
}

static void values_of_every_type_are_read(void **state) {
    (void)state;
    static const struct {
        int type;
        const char *bytes;
        size_t length;
        uint8_t pixels[4];
        const char *note;
    } cases[] = {
#define CASE(type, bytes, a, b, c, d, note) {type, bytes, sizeof(bytes) - 1, {a, b, c, d}, note}
        CASE(8, "\0\1\200\377", 0, 1, 128, 255, NULL),
        CASE(9, "\0\1\100\177", 0, 1, 64, 127, "int8 values from 0 to 127, taken as pixels of 0..255"),
        CASE(11, "\0\0\0\1\0\200\0\377", 0, 1, 128, 255, "int16 values from 0 to 255, taken"),
        CASE(12, "\0\0\0\0\0\0\0\1\0\0\0\200\0\0\0\377", 0, 1, 128, 255, "int32 values from 0 to 255, taken"),
        /* 0, 0.25 (63.75), 0.5 (127.5), 1 */
        CASE(13, "\0\0\0\0\x3e\x80\0\0\x3f\0\0\0\x3f\x80\0\0", 0, 64, 128, 255,
             "float values from 0 to 1, taken times 255"),
        /* 0, 1.25, 128, 255 */
        CASE(13, "\0\0\0\0\x3f\xa0\0\0\x43\0\0\0\x43\x7f\0\0", 0, 1, 128, 255,
             "float values from 0 to 255, rounded"),
        /* 0, 0.5, 1, 1 */
        CASE(14, "\0\0\0\0\0\0\0\0\x3f\xe0\0\0\0\0\0\0\x3f\xf0\0\0\0\0\0\0\x3f\xf0\0\0\0\0\0\0", 0, 128, 255,
             255, "double values from 0 to 1, taken times 255"),
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++)
        for (int gzip = 0; gzip < 2; gzip++) { /* whatever the name's ending */
            write_pair(cases[i].type, cases[i].bytes, cases[i].length, gzip);
            rf_dataset *d = opened(root, NULL);
            has_shape(d, 2, 1, 1, 2, 2);
            assert_memory_equal(d->pixels, cases[i].pixels, 4);
            if (cases[i].note != NULL)
                assert_note(d, cases[i].note);
            else
                assert_int_equal(d->note_count, 0);
            rf_dataset_free(d);
        }
}

static void values_that_are_no_pixels_are_refused(void **state) {
    (void)state;
    static const struct {
        int type;
        const char *bytes;
        size_t length;
        const char *says;
    } cases[] = {
#define BAD(type, bytes, says) {type, bytes, sizeof(bytes) - 1, says}
        BAD(9, "\0\1\200\377", "int8 values go from -128 to 1"),
        BAD(11, "\0\0\0\1\1\0\0\377", "int16 values go from 0 to 256"),
        BAD(12, "\377\377\377\377\0\0\0\1\0\0\0\2\0\0\0\3", "int32 values go from -1 to 3"),
        BAD(13, "\xbf\x80\0\0\0\0\0\0\x3f\0\0\0\x3f\x80\0\0", "float values go from -1 to 1"),
        BAD(13, "\x7f\xc0\0\0\0\0\0\0\x3f\0\0\0\x3f\x80\0\0", "not finite"),
        BAD(13, "\x7f\x80\0\0\0\0\0\0\x3f\0\0\0\x3f\x80\0\0", "not finite"),
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        write_pair(cases[i].type, cases[i].bytes, cases[i].length, false);
        refused(root, NULL, cases[i].says);
    }
    write_pair(13, "\0\0\0\0\x3f\x80", 6, false);
    refused(root, NULL, "cut off: 6 bytes of 16");
}

/* ---- labels ---- */

static void labels_are_read_from_any_kind_of_row(void **state) {
    (void)state;
    static const struct {
        int type, rank, dims[2];
        const char *bytes;
        size_t length;
        int32_t labels[3];
        int classes;
        const char *note;
    } cases[] = {
#define ROWS(type, rank, columns, bytes, a, b, c, classes, note)                                             \
    {type, rank, {3, columns}, bytes, sizeof(bytes) - 1, {a, b, c}, classes, note}
        ROWS(12, 1, 0, "\0\0\0\2\0\0\0\0\0\0\1\1", 2, 0, 257, 258, "classes without an image"),
        ROWS(13, 1, 0, "\x40\0\0\0\0\0\0\0\x3f\x80\0\0", 2, 0, 1, 3, NULL),
        /* QMNIST: the class, then the writer and others */
        ROWS(12, 2, 2, "\0\0\0\2\0\0\7\320\0\0\0\0\0\0\7\321\0\0\0\1\0\0\7\322", 2, 0, 1, 3,
             "rows of 2 numbers: the first one is the label"),
        ROWS(8, 2, 3, "\0\0\1\1\0\0\0\1\0", 2, 0, 1, 3, "one-hot rows of 3: the index of the 1 is the label"),
        ROWS(8, 2, 1, "\0\1\1", 0, 1, 1, 2, NULL),
        /* EMNIST's letters begin at 1 */
        ROWS(8, 1, 0, "\1\3\2", 0, 2, 1, 3, "labels from 1 to 3 and none of 0"),
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        write_idx(at("train-images"), 8, 3, (int[]){3, 1, 1}, "\1\2\3", 3, false);
        write_idx(at("train-labels"), cases[i].type, cases[i].rank, cases[i].dims, cases[i].bytes,
                  cases[i].length, false);
        rf_dataset *d = opened(root, NULL);
        has_shape(d, 3, 1, 1, 1, cases[i].classes);
        assert_memory_equal(d->labels, cases[i].labels, sizeof cases[i].labels);
        if (cases[i].note != NULL) assert_note(d, cases[i].note);
        rf_dataset_free(d);
    }
    rf_dataset *d = opened(root, NULL);
    assert_string_equal(d->class_names[0], "1"); /* the file's own numbers */
    assert_string_equal(d->class_names[2], "3");
    rf_dataset_free(d);
}

static void labels_that_are_none_are_refused(void **state) {
    (void)state;
    static const uint8_t pixels[] = {1, 2};
    write_idx(at("train-images"), 8, 3, (int[]){2, 1, 1}, pixels, 2, false);
    write_idx(at("train-labels"), 12, 1, (int[]){2}, "\0\0\0\1\377\377\377\377", 8, false);
    refused(root, NULL, "label 1 is -1, but labels are whole numbers");
    write_idx(at("train-labels"), 13, 1, (int[]){2}, "\0\0\0\0\x3f\0\0\0", 8, false);
    refused(root, NULL, "label 1 is 0.5");
    write_idx(at("train-labels"), 12, 1, (int[]){2}, "\0\0\0\1\177\377\377\376", 8, false);
    refused(root, NULL, "the number of classes is");
    write_idx(at("train-labels"), 8, 1, (int[]){2}, "\1\1", 2, false);
    refused(root, NULL, "every label is 1");
}

static void bytes_behind_the_data_are_counted(void **state) {
    (void)state;
    static const uint8_t pixels[] = {1, 2, 3, 4, 9, 9, 9};
    write_pair(8, pixels, 7, false);
    rf_dataset *d = opened(root, NULL);
    assert_note(d, "train-images: 3 bytes behind the data left out");
    rf_dataset_free(d);
    write_idx(at("train-labels"), 8, 1, (int[]){2}, zero_one, 3, true);
    d = opened(root, NULL);
    assert_note(d, "train-labels: 1 byte behind the data left out");
    rf_dataset_free(d);
}

static void emnist_is_named_and_can_be_turned(void **state) {
    (void)state;
    static const uint8_t pixels[] = {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16},
                         upright[] = {1, 4, 2, 5, 3, 6};
    char spec[1100];
    write_idx(at("emnist-letters-train-images-idx3-ubyte"), 8, 3, (int[]){2, 2, 3}, pixels, 12, false);
    write_idx(at("emnist-letters-train-labels-idx1-ubyte"), 8, 1, (int[]){2}, zero_one, 2, false);
    rf_dataset *d = opened(root, NULL);
    assert_note(d, "--transpose");
    assert_memory_equal(d->pixels, pixels, 12);
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){.transpose = true});
    has_shape(d, 2, 1, 3, 2, 2);
    assert_memory_equal(d->pixels, upright, 6);
    assert_int_equal(d->note_count, 0);
    rf_dataset_free(d);
    /* Several sets lie side by side in the archive. */
    write_idx(at("emnist-digits-train-images-idx3-ubyte"), 8, 3, (int[]){2, 2, 3}, pixels, 12, false);
    write_idx(at("emnist-digits-train-labels-idx1-ubyte"), 8, 1, (int[]){2}, zero_one, 2, false);
    refused(root, NULL, "(emnist-digits-train-images-idx3-ubyte, emnist-letters-train-images-idx3-ubyte)");
    snprintf(spec, sizeof spec, "%s", at("emnist-digits-train-images-idx3-ubyte"));
    d = opened(spec, NULL); /* the images alone */
    assert_note(d, "its labels are read from");
    rf_dataset_free(d);
}

/* ---- which files ---- */

static void a_name_with_idx_in_it_makes_no_idx_file(void **state) {
    (void)state;
    static const char *const names[] = {"class_to_idx.json", "idx.txt", "train_images", "labels", "hidx.csv"};
    folder(at("a"));
    folder(at("b"));
    write_file(at("a/1.ppm"), "P6 1 1 255\nabc", 14);
    write_file(at("b/1.ppm"), "P6 1 1 255\nabc", 14);
    for (size_t i = 0; i < RF_COUNT(names); i++) write_file(at("%s", names[i]), "{\"a\": 0}", 8);
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 2, 3, 1, 1, 2);
    assert_int_equal(d->note_count, 0);
    rf_dataset_free(d);
    write_pair(8, zero_one, 4, false); /* real ones: class folders go first, and that is said */
    d = opened(root, NULL);
    has_shape(d, 2, 3, 1, 1, 2);
    assert_note(d, "the IDX files beside its class folders are left out");
    rf_dataset_free(d);
}

static void files_are_idx_by_their_first_bytes(void **state) {
    (void)state;
    write_idx(at("data.bytes"), 8, 3, (int[]){2, 1, 2}, zero_one, 4, true);
    write_idx(at("classes.of.it"), 8, 1, (int[]){2}, zero_one, 2, false);
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 2, 1, 1, 2, 2);
    rf_dataset_free(d);
}

static void kaggles_folders_of_the_files_names_are_looked_into(void **state) {
    (void)state;
    folder(at("train-images-idx3-ubyte"));
    folder(at("train-labels-idx1-ubyte"));
    write_idx(at("train-images-idx3-ubyte/train-images-idx3-ubyte"), 8, 3, (int[]){2, 1, 2}, zero_one, 4,
              false);
    write_idx(at("train-labels-idx1-ubyte/train-labels-idx1-ubyte"), 8, 1, (int[]){2}, zero_one, 2, false);
    write_idx(at("train-images.idx3-ubyte"), 8, 3, (int[]){2, 1, 2}, zero_one, 4, false);
    write_idx(at("t10k-images.idx3-ubyte"), 8, 3, (int[]){2, 1, 2}, zero_one, 4, false);
    write_idx(at("t10k-labels.idx1-ubyte"), 8, 1, (int[]){2}, zero_one, 2, false);
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 2, 1, 1, 2, 2);
    assert_note(d, "is read, not t10k-images.idx3-ubyte");
    rf_dataset_free(d);
}

/* Twenty thousand files took minutes when each was held against each. */
static void pairing_compares_n_log_n_names(void **state) {
    (void)state;
    enum { PAIRS = 10000 };
    rf_idx_pair pair;
    for (int i = 0; i < PAIRS; i++)
        for (int labels = 0; labels < 2; labels++) {
            int fd = open(
                at("%d-%s-idx%d-ubyte", (i * 7919) % PAIRS, labels ? "labels" : "images", labels ? 1 : 3),
                O_CREAT | O_WRONLY, 0666);
            assert_true(fd >= 0);
            close(fd);
        }
    assert_int_equal(rf_idx_pair_find(&pair, root, NULL), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "more than one pair"));
    assert_non_null(strstr(rf_error_message(), " and 9994 more"));
    double n = 2 * PAIRS;
    assert_in_range(pair.compared, 1, (size_t)(2 * n * log2(n)));
    rf_idx_pair_free(&pair);
}

static void what_unpacks_to_far_more_than_its_size_is_refused_before_it_is_read(void **state) {
    (void)state;
    static const uint8_t head[] = {0, 0, 8, 3, 0, 1, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0}; /* 64 GiB */
    write_pair(8, zero_one, 4, false);
    write_gzip(at("train-images"), head, sizeof head);
    refused(root, NULL, "its header claims 68719476736 bytes, more than 100 times");
    write_file(at("train-images"), head, sizeof head);
    refused(root, NULL, "cut off: 0 bytes of 68719476736");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_of_every_type_are_read),
        TEST(values_that_are_no_pixels_are_refused),
        TEST(labels_are_read_from_any_kind_of_row),
        TEST(labels_that_are_none_are_refused),
        TEST(bytes_behind_the_data_are_counted),
        TEST(emnist_is_named_and_can_be_turned),
        TEST(a_name_with_idx_in_it_makes_no_idx_file),
        TEST(files_are_idx_by_their_first_bytes),
        TEST(kaggles_folders_of_the_files_names_are_looked_into),
        TEST(pairing_compares_n_log_n_names),
        TEST(what_unpacks_to_far_more_than_its_size_is_refused_before_it_is_read),
    };
    return RUN_IN_FOLDER(tests);
}
