/* Single images: read as Pillow reads them, fitted as torchvision does, and never at more than they are worth. */
#include "data/image.h"

#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "data/codec.h"
#include "data/gate.h"
#include "data/listing.h"
#include "data/stb.h"
#include "pictures.h"

/* ---- resizing ---- */

static void resizing_keeps_what_it_should(void **state) {
    (void)state;
    uint8_t flat[7 * 5 * 3], out[64 * 64 * 3];
    memset(flat, 201, sizeof flat);
    for (int size = 1; size <= 64; size += 9) { /* a flat picture stays flat, larger or smaller */
        assert_int_equal(rf_image_resize(out, size, 65 - size, &(rf_image){7, 5, 3, 1, flat}), RF_OK);
        for (int i = 0; i < size * (65 - size) * 3; i++) assert_int_equal(out[i], 201);
    }
    /* A row halved: radius 2 around the centres 1 and 3, weights 1/8 3/8 3/8 1/8 and at the edges 3/7 3/7
     * 1/7. */
    uint8_t row[4] = {0, 70, 140, 210};
    assert_int_equal(rf_image_resize(out, 1, 2, &(rf_image){1, 4, 1, 1, row}), RF_OK);
    assert_int_equal(out[0], 50);
    assert_int_equal(out[1], 160);
    /* Doubled: a quarter of the neighbour. */
    assert_int_equal(rf_image_resize(out, 1, 8, &(rf_image){1, 4, 1, 1, row}), RF_OK);
    static const uint8_t doubled[] = {0, 18, 53, 88, 123, 158, 193, 210};
    assert_memory_equal(out, doubled, 8);
}

static void every_kind_of_image_is_read(void **state) {
    (void)state;
    static const char *const endings[] = {"png", "bmp", "ppm", "jpg"};
    for (size_t e = 0; e < RF_COUNT(endings); e++) {
        const char *path = at("picture.%s", endings[e]);
        rf_image image;
        picture(path, 6, 7, 3);
        assert_int_equal(rf_image_read(&image, path, 0), RF_OK);
        assert_true(image.height == 6 && image.width == 7 && image.channels == 3);
        for (int i = 0; i < 6 * 7 * 3; i++) {
            int expected = value_at(i / 21, i / 3 % 7, i % 3);
            assert_in_range(image.pixels[i] + 20, expected + (e == 3 ? 0 : 20),
                            expected + (e == 3 ? 40 : 20));
        }
        free(image.pixels);
    }
}

/* ---- pixels: what Pillow reads, and what torchvision makes of it (tests/fixtures/images.py) ---- */

/* The pixels of a P5 or P6 file as the script writes them: "P6 18 13 255\n" and the bytes. */
static rf_image expected_pixels(const char *path) {
    uint8_t *data;
    int kind, width, height, start = 0;
    size_t length = read_file(&data, path);
    assert_int_equal(sscanf((char *)data, "P%d %d %d 255%n", &kind, &width, &height, &start), 3);
    rf_image image = {height, width, kind == 6 ? 3 : 1, 1, data};
    assert_int_equal(length - (size_t)start - 1, height * width * image.channels);
    memmove(data, data + start + 1, length - (size_t)start - 1);
    return image;
}

static void assert_near(const char *name, const uint8_t *pixels, const rf_image *expected, int most) {
    for (int i = 0; i < expected->height * expected->width * expected->channels; i++)
        if (abs(pixels[i] - expected->pixels[i]) > most)
            fail_msg("%s: value %d is %d, but should be %d", name, i, pixels[i], expected->pixels[i]);
}

/* Fitting to the upright size turns, and changes nothing else. */
static void files_are_read_as_pillow_reads_them(void **state) {
    (void)state;
    rf_listing list;
    int compared = 0;
    assert_int_equal(rf_listing_read(&list, RF_TEST_DATA "/images"), RF_OK);
    for (size_t i = 0; i < list.count; i++) {
        const char *name = list.entries[i].name;
        if (!rf_image_is_name(name) || strstr(name, ".pnm") != NULL) continue;
        char path[512], other[520];
        snprintf(path, sizeof path, "%s/images/%s", RF_TEST_DATA, name);
        snprintf(other, sizeof other, "%s.pnm", path);
        rf_image image, expected = expected_pixels(other);
        rf_image_info info;
        if (rf_image_probe(&info, path) != RF_OK) fail_msg("%s", rf_error_message());
        if (rf_image_read(&image, path, 0) != RF_OK) fail_msg("%s", rf_error_message());
        assert_int_equal(info.channels, expected.channels);
        assert_int_equal(image.channels, expected.channels);
        assert_int_equal(info.orientation >= 5 ? info.width : info.height, expected.height);
        assert_int_equal(info.orientation >= 5 ? info.height : info.width, expected.width);
        uint8_t *out = malloc((size_t)(image.height * image.width * image.channels));
        assert_int_equal(rf_image_fit(out, expected.height, expected.width, &image, RF_FIT_CROP), RF_OK);
        /* stb_image rounds JPEG's sums in other ways; 555 and 565 are rounded where Pillow cuts off. */
        bool stb = strstr(name, ".jpg") != NULL && (info.cmyk || !info.reducible);
        assert_near(name, out, &expected, stb ? 3 : strstr(name, "5.bmp") != NULL);
        free(out);
        free(image.pixels);
        free(expected.pixels);
        compared++;
    }
    assert_in_range(compared, 60, 1000);
    rf_listing_free(&list);
}

static void images_are_fitted_as_torchvision_does(void **state) {
    (void)state;
    static const char *const hows[] = {"crop", "squash", "pad"};
    char input[64], how[16], expected_name[128];
    int height, width, compared = 0;
    FILE *list = fopen(RF_TEST_DATA "/images/fits.txt", "r");
    assert_non_null(list);
    while (fscanf(list, "%63s %d %d %15s %127s", input, &height, &width, how, expected_name) == 5) {
        char path[512];
        rf_image image;
        snprintf(path, sizeof path, "%s/images/%s", RF_TEST_DATA, expected_name);
        rf_image expected = expected_pixels(path);
        snprintf(path, sizeof path, "%s/images/%s", RF_TEST_DATA, input);
        assert_int_equal(rf_image_read(&image, path, 0), RF_OK);
        uint8_t *out = malloc((size_t)(height * width * image.channels));
        rf_fit fit = RF_FIT_CROP;
        while (strcmp(hows[fit], how) != 0) fit++;
        assert_int_equal(rf_image_fit(out, height, width, &image, fit), RF_OK);
        assert_near(expected_name, out, &expected, 1); /* Pillow rounds between its two passes */
        free(out);
        free(image.pixels);
        free(expected.pixels);
        compared++;
    }
    assert_int_equal(compared, 90);
    fclose(list);
}

#ifdef RF_TURBOJPEG
static void large_photos_are_reduced_as_pillow_reduces_them(void **state) {
    (void)state;
    static const char *const names[] = {"colour.jpg", "half.jpg", "progressive.jpg", "grey.jpg"};
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        char path[512];
        rf_image image;
        snprintf(path, sizeof path, "%s/images/%s.half", RF_TEST_DATA, names[i]);
        rf_image expected = expected_pixels(path);
        path[strlen(path) - strlen(".half")] = '\0';
        assert_int_equal(rf_image_read_for(&image, path, 0, 1, 2), RF_OK); /* 13x18: 8 times 1x2 */
        assert_true(image.height == 7 && image.width == 9 && image.channels == expected.channels);
        assert_near(names[i], image.pixels, &expected, 0);
        free(image.pixels);
        assert_int_equal(rf_image_read_for(&image, path, 0, 2, 2), RF_OK); /* 6.5 times */
        assert_true(image.height == 13 && image.width == 18);
        free(image.pixels);
        free(expected.pixels);
    }
}

static void both_decoders_of_jpeg_agree(void **state) {
    (void)state;
    static const char *const names[] = {"colour.jpg", "half.jpg", "progressive.jpg", "grey.jpg", "rgb.jpg"};
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        char path[512];
        uint8_t *data;
        rf_image image, other = {0};
        rf_image_info info;
        snprintf(path, sizeof path, "%s/images/%s", RF_TEST_DATA, names[i]);
        const size_t length = read_file(&data, path);
        assert_int_equal(rf_image_probe(&info, path), RF_OK);
        assert_int_equal(rf_image_read(&image, path, 0), RF_OK);
        other.channels = image.channels;
        const rf_image_bytes file = {path, data, length, length, true};
        assert_int_equal(rf_stb_decode(&other, &info, &file), RF_OK);
        assert_near(names[i], other.pixels, &image, 3);
        free(image.pixels);
        free(other.pixels);
        free(data);
    }
}
#endif

/* ---- bounds ---- */

static void files_that_are_cut_off_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"half.jpg", "progressive.jpg", "colour.png", "colour.webp",
                                        "exif-6.webp"};
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        char path[512];
        uint8_t *data;
        snprintf(path, sizeof path, "%s/images/%s", RF_TEST_DATA, names[i]);
        if (!rf_image_is_name(path)) continue; /* WebP is not always in */
        for (size_t length = read_file(&data, path); length-- > 1;) {
            rf_image image;
            write_file(at("cut"), data, length);
            if (rf_image_read(&image, at("cut"), 0) != RF_E_INPUT)
                fail_msg("%s, cut to %zu bytes, is not refused: %s", names[i], length, rf_error_message());
            assert_null(image.pixels);
        }
        free(data);
    }
}

static void scans_that_cost_more_than_they_hold_are_refused(void **state) {
    (void)state;
    rf_image image;
    flat_jpeg(at("1.jpg"), (jpeg_desc){8191, 8191, 1, 200, true, 0});
    assert_int_equal(rf_image_read(&image, at("1.jpg"), 0), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "1.jpg: 200 scans over 8191x8191 pixels in a file of "));
    flat_jpeg(at("1.jpg"), (jpeg_desc){8191, 8191, 1, 13, true, 0});
    assert_int_equal(rf_image_read(&image, at("1.jpg"), 0), RF_E_INPUT);
    /* As many scans are no matter where they are small against the file. */
    flat_jpeg(at("1.jpg"), (jpeg_desc){48, 48, 1, 100, true, 36});
    if (rf_image_read(&image, at("1.jpg"), 0) != RF_OK) fail_msg("%s", rf_error_message());
    free(image.pixels);
}

static void compressed_data_larger_than_the_image_is_refused(void **state) {
    (void)state;
    rf_image image;
    zero_png(at("1.png"), 100, 10, 101 * 10);
    assert_int_equal(rf_image_read(&image, at("1.png"), 0), RF_OK);
    free(image.pixels);
    zero_png(at("1.png"), 100, 10, 10 << 20); /* 10 KB in the file */
    assert_int_equal(rf_image_read(&image, at("1.png"), 0), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "its data is more than its size has room for"));
}

/* Extreme proportions cost no more than their pixels: by rows first it would be 2^39 products. */
static void thin_images_are_resized_in_time(void **state) {
    (void)state;
    enum { LONG = 1 << 22, SIDE = 16384 };
    uint8_t *pixels = calloc(LONG, 1), *out = malloc(SIDE * 64);
    const rf_image row = {1, LONG, 1, 1, pixels}, column = {LONG, 1, 1, 1, pixels};
    const struct itimerval limit = {.it_value.tv_sec = 120}, none = {0};
    setitimer(ITIMER_PROF, &limit, NULL); /* of the processor's time */
    for (int fit = RF_FIT_CROP; fit <= RF_FIT_PAD; fit++) {
        assert_int_equal(rf_image_fit(out, SIDE, 64, &row, (rf_fit)fit), RF_OK);
        assert_int_equal(rf_image_fit(out, 64, SIDE, &column, (rf_fit)fit), RF_OK);
    }
    setitimer(ITIMER_PROF, &none, NULL);
    free(out);
    free(pixels);
}

/* Editors and cameras write previews before the frame: more than the first bytes that are looked at. */
static void headers_may_be_long(void **state) {
    (void)state;
    static const uint8_t segment[0x10001] = {0xFF, 0xED, 0xFF, 0xFF};
    uint8_t *jpeg;
    rf_str s = {0};
    rf_image_info info;
    size_t length = read_file(&jpeg, RF_TEST_DATA "/images/exif-6.jpg");
    rf_str_add_bytes(&s, jpeg, 2);
    for (int i = 0; i < 40; i++) rf_str_add_bytes(&s, segment, sizeof segment);
    rf_str_add_bytes(&s, jpeg + 2, length - 2);
    write_file(at("1.jpg"), s.data, s.length);
    assert_int_equal(rf_image_probe(&info, at("1.jpg")), RF_OK);
    assert_true(info.height == 13 && info.width == 18 && info.orientation == 6);
    write_file(at("1.jpg"), s.data, s.length / 2);
    assert_int_equal(rf_image_probe(&info, at("1.jpg")), RF_E_INPUT);
    assert_non_null(strstr(rf_error_message(), "cut off"));
    rf_str_free(&s);
    free(jpeg);
}

/* ---- memory ---- */

typedef struct crowd {
    rf_gate gate;
    atomic_uint_fast64_t held, most;
} crowd;

static void pass_gate(void *context, size_t i) {
    crowd *c = context;
    uint64_t bytes = 1 + i * 37 % 100;
    rf_gate_enter(&c->gate, bytes);
    uint64_t held = atomic_fetch_add(&c->held, bytes) + bytes, most = atomic_load(&c->most);
    while (held > most && !atomic_compare_exchange_weak(&c->most, &most, held)) {
    }
    sched_yield();
    atomic_fetch_sub(&c->held, bytes);
    rf_gate_leave(&c->gate, bytes);
}

static void threads_share_the_memory_of_decoding(void **state) {
    (void)state;
    crowd c = {.held = 0};
    rf_gate_create(&c.gate, 150);
    rf_parallel_for(2000, 16, pass_gate, &c);
    assert_in_range(c.most, 1, 150);
    assert_int_equal(c.gate.used, 0);
    rf_gate_destroy(&c.gate);
}

#ifndef __SANITIZE_ADDRESS__ /* whose shadow needs the address space */
static rf_status read_with_little_memory(const char *path) {
    struct rlimit old;
    long pages = 0;
    rf_image image;
    malloc_trim(0);
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(statm, "%ld", &pages), 1);
    fclose(statm);
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    const struct rlimit little = {(rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (16 << 20), old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    rf_status status = rf_image_read(&image, path, 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    if (status != RF_E_MEMORY) fail_msg("%s: %s", path, rf_error_message());
    free(image.pixels);
    return status;
}

static void lack_of_memory_is_not_damage(void **state) {
    (void)state;
    zero_png(at("1.png"), 8000, 8000, 8001 * 8000);
    flat_jpeg(at("1.jpg"), (jpeg_desc){8000, 8000, 1, 1, false, 1000 * 1000});
    assert_int_equal(read_with_little_memory(at("1.png")), RF_E_MEMORY);
    assert_int_equal(read_with_little_memory(at("1.jpg")), RF_E_MEMORY);
    rf_str bits = {0};
    rf_str_add(&bits, "P4 8000 8000\n");
    for (int i = 0; i < 8000; i++) rf_str_add_bytes(&bits, (uint8_t[1000]){0}, 1000);
    write_file(at("1.pbm"), bits.data, bits.length);
    rf_str_free(&bits);
    assert_int_equal(read_with_little_memory(at("1.pbm")), RF_E_MEMORY);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(resizing_keeps_what_it_should),
        TEST(every_kind_of_image_is_read),
        TEST(files_are_read_as_pillow_reads_them),
        TEST(images_are_fitted_as_torchvision_does),
#ifdef RF_TURBOJPEG
        TEST(large_photos_are_reduced_as_pillow_reduces_them),
        TEST(both_decoders_of_jpeg_agree),
#endif
        TEST(files_that_are_cut_off_are_refused),
        TEST(scans_that_cost_more_than_they_hold_are_refused),
        TEST(compressed_data_larger_than_the_image_is_refused),
        TEST(thin_images_are_resized_in_time),
        TEST(headers_may_be_long),
        TEST(threads_share_the_memory_of_decoding),
#ifndef __SANITIZE_ADDRESS__
        TEST(lack_of_memory_is_not_damage),
#endif
    };
    return RUN_IN_FOLDER(tests);
}
