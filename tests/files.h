/* Files for the tests of data sets: a temporary folder, empty before each test, and what is expected of
 * opening. */
#ifndef RF_TESTS_FILES_H
#define RF_TESTS_FILES_H

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/base.h"
#include "rangefinder/dataset.h"

#pragma GCC diagnostic ignored "-Wunused-function" /* not every test needs all of them */

static char root[] = "/tmp/rangefinder-dataset-XXXXXX";

/* A path inside the temporary folder; lives until eight calls later. */
static const char *at(const char *format, ...) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    int length = snprintf(path, sizeof paths[0], "%s/", root);
    va_list args;
    va_start(args, format);
    vsnprintf(path + length, sizeof paths[0] - (size_t)length, format, args);
    va_end(args);
    return path;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)type, (void)where;
    return remove(path);
}

static int empty_root(void **state) {
    (void)state;
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mkdir(root, 0777);
}

static void folder(const char *path) {
    assert_int_equal(rf_make_dirs(path), RF_OK);
}

static void write_file(const char *path, const void *data, size_t length) {
    assert_int_equal(rf_file_write(path, data, length), RF_OK);
}

static void write_gzip(const char *path, const void *data, size_t length) {
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, (unsigned)length), length);
    assert_int_equal(gzclose(file), Z_OK);
}

static size_t read_file(uint8_t **data, const char *path) {
    size_t length;
    void *bytes;
    assert_int_equal(rf_file_read(&bytes, &length, path, 1 << 24), RF_OK);
    *data = bytes;
    return length;
}

/* ---- expectations ---- */

static rf_dataset *opened(const char *spec, const rf_dataset_options *options) {
    rf_dataset *dataset = NULL;
    if (rf_dataset_open(&dataset, spec, options) != RF_OK) fail_msg("%s", rf_error_message());
    return dataset;
}

static void refused(const char *spec, const rf_dataset_options *options, const char *says) {
    rf_dataset *dataset = (void *)root;
    rf_status status = rf_dataset_open(&dataset, spec, options);
    if (status == RF_OK) fail_msg("%s: was opened, but should say: %s", spec, says);
    if (strstr(rf_error_message(), says) == NULL)
        fail_msg("'%s' does not say '%s'", rf_error_message(), says);
    assert_null(dataset);
    assert_int_equal(rf_status_exit_code(status), 3);
    assert_null(strchr(rf_error_message(), '\n'));
}

static void has_shape(const rf_dataset *d, int count, int channels, int height, int width, int classes) {
    assert_int_equal(d->count, count);
    assert_int_equal(d->channels, channels);
    assert_int_equal(d->height, height);
    assert_int_equal(d->width, width);
    assert_int_equal(d->classes, classes);
}

static uint8_t pixel(const rf_dataset *d, int i, int y, int x, int c) {
    return d->pixels[((i * d->height + y) * d->width + x) * d->channels + c];
}

static uint32_t next_random(uint32_t *seed) {
    return *seed = *seed * 1664525 + 1013904223;
}

/* Flips some bits of a good file, or cuts it, and opens what comes of it: any answer but a crash will do. */
static void mutate(const char *path, const char *spec, int rounds) {
    uint8_t *whole, *copy;
    size_t length = read_file(&whole, path);
    uint32_t seed = 1;
    copy = malloc(length);
    for (int round = 0; round < rounds; round++) {
        rf_dataset *d = NULL;
        memcpy(copy, whole, length);
        for (uint32_t flips = next_random(&seed) >> 24 & 7; flips > 0; flips--) {
            size_t where = (next_random(&seed) >> 8) % (flips & 1 ? length : RF_MIN(length, 64));
            copy[where] ^= (uint8_t)(1u << (next_random(&seed) >> 29));
        }
        size_t cut = round % 4 == 0 ? (next_random(&seed) >> 8) % length : length;
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, copy, cut), cut);
        close(fd);
        if (rf_dataset_open(&d, spec, &(rf_dataset_options){.skip_bad = round & 1}) == RF_OK)
            assert_true(d->count > 0);
        rf_dataset_free(d);
    }
    free(copy);
    free(whole);
}

/* More rounds by hand: $RF_FUZZ_ROUNDS. */
static int fuzz_rounds(void) {
    const char *setting = getenv("RF_FUZZ_ROUNDS");
    return setting != NULL ? atoi(setting) : 200;
}

#define TEST(name) cmocka_unit_test_setup(name, empty_root)

/* Runs a test program's tests in the temporary folder. */
#define RUN_IN_FOLDER(tests)                                                                                 \
    (mkdtemp(root) == NULL ? 1 : run_and_clean(cmocka_run_group_tests(tests, NULL, NULL)))
static int run_and_clean(int failed) {
    empty_root(NULL);
    rmdir(root);
    return failed;
}

#endif
