/* Folders of images: decoding, resizing, order, and what is said of everything that is wrong with them. */
#include "data/image.h"

#include "files.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

/* A picture in which every value differs from its neighbours; JPEG only as 6x7 in colour, from a file. */
static uint8_t value_at(int y, int x, int c) {
    return (uint8_t)(y * 16 + x * 5 + c * 70);
}

static void picture(const char *path, int height, int width, int channels) {
    uint8_t *pixels = malloc((size_t)(height * width * channels)), *p = pixels;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++) *p++ = value_at(y, x, c);
    const char *ending = strrchr(path, '.');
    if (strcmp(ending, ".png") == 0)
        assert_true(stbi_write_png(path, width, height, channels, pixels, 0));
    else if (strcmp(ending, ".bmp") == 0)
        assert_true(stbi_write_bmp(path, width, height, channels, pixels));
    else if (strcmp(ending, ".jpg") == 0) {
        uint8_t *jpeg;
        size_t length = read_file(&jpeg, RF_TEST_DATA "/picture-6x7.jpg");
        write_file(path, jpeg, length);
        free(jpeg);
    } else {
        rf_str text = {0};
        rf_str_addf(&text, "P%d # made by a test\n%d %d\n255\n", channels == 1 ? 5 : 6, width, height);
        rf_str_add_bytes(&text, pixels, (size_t)(height * width * channels));
        write_file(path, text.data, text.length);
        rf_str_free(&text);
    }
    free(pixels);
}

/* ---- resizing ---- */

static void resizing_keeps_what_it_should(void **state) {
    (void)state;
    uint8_t flat[7 * 5 * 3], out[64 * 64 * 3];
    memset(flat, 201, sizeof flat);
    for (int size = 1; size <= 64; size += 9) { /* a flat picture stays flat, larger or smaller */
        assert_int_equal(rf_image_resize(out, size, 65 - size, &(rf_image){7, 5, 3, flat}), RF_OK);
        for (int i = 0; i < size * (65 - size) * 3; i++) assert_int_equal(out[i], 201);
    }
    /* A row halved: radius 2 around the centres 1 and 3, weights 1/8 3/8 3/8 1/8 and at the edges 3/7 3/7
     * 1/7. */
    uint8_t row[4] = {0, 70, 140, 210};
    assert_int_equal(rf_image_resize(out, 1, 2, &(rf_image){1, 4, 1, row}), RF_OK);
    assert_int_equal(out[0], 50);
    assert_int_equal(out[1], 160);
    /* Doubled: a quarter of the neighbour. */
    assert_int_equal(rf_image_resize(out, 1, 8, &(rf_image){1, 4, 1, row}), RF_OK);
    static const uint8_t doubled[] = {0, 18, 53, 88, 123, 158, 193, 210};
    assert_memory_equal(out, doubled, 8);
}

/* ---- folders ---- */

static void two_classes(void) {
    folder(at("b"));
    folder(at("a"));
    picture(at("a/1.png"), 6, 7, 3);
    picture(at("b/1.png"), 6, 7, 3);
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

static void folders_are_sorted_and_made_to_fit(void **state) {
    (void)state;
    two_classes();
    folder(at("C")); /* sorts before "a" */
    picture(at("C/10.pgm"), 5, 5, 1);
    picture(at("C/2.JPG.png"), 12, 14, 4); /* transparency is dropped */
    picture(at("b/0.png"), 6, 7, 1);       /* grey among colour */
    write_file(at("b/notes.txt"), "x", 1);
    write_file(at("b/.hidden.png"), "x", 1);
    write_file(at("stray.png"), "x", 1);
    folder(at(".git"));
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 5, 1, 5, 5, 3); /* as C/10.pgm */
    static const char *const names[] = {"C", "a", "b"};
    static const int32_t labels[] = {0, 0, 1, 2, 2};
    for (int c = 0; c < 3; c++) assert_string_equal(d->class_names[c], names[c]);
    assert_memory_equal(d->labels, labels, sizeof labels);
    assert_int_equal(pixel(d, 0, 3, 4, 0), value_at(3, 4, 0));
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){.image_height = 12, .image_width = 14, .limit = 3});
    has_shape(d, 3, 1, 12, 14, 3);
    assert_int_equal(d->labels[1], 1);
    rf_dataset_free(d);
}

static void damaged_images_are_named_or_skipped(void **state) {
    (void)state;
    static const char *const endings[] = {"png", "bmp", "ppm", "jpg"};
    two_classes();
    for (size_t e = 0; e < RF_COUNT(endings); e++) {
        uint8_t *whole;
        picture(at("whole.%s", endings[e]), 20, 30, 3);
        size_t length = read_file(&whole, at("whole.%s", endings[e]));
        const char *path = at("a/0.%s", endings[e]);
        for (size_t cut = 0; cut < length - 4;
             cut += RF_MAX(length / 50, 1)) { /* -4: padding, a last checksum */
            write_file(path, whole, cut);
            refused(root, NULL, "a/0.");
        }
        rf_dataset *d = opened(root, &(rf_dataset_options){.skip_bad = true});
        has_shape(d, 2, 3, 6, 7, 2);
        assert_int_equal(d->bad_count, 1);
        assert_string_equal(d->bad[0].path, path);
        rf_dataset_free(d);
        remove(path);
        free(whole);
    }
    write_file(at("b/0.png"), "no image", 8);
    write_file(at("b/2.png"), "no image", 8);
    refused(root, NULL, "b/0.png: not a JPEG");
    write_file(at("a/1.png"), "", 0);
    refused(root, NULL, "a/1.png: the file is empty");
    remove(at("b/1.png"));
    refused(root, &(rf_dataset_options){.skip_bad = true}, "none of its 3 images can be read");
}

static void enormous_images_are_refused(void **state) {
    (void)state;
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', 13, 10,  26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0,
                                  0,    234, 96,  0,   0,  234, 96, 8,  2, 0, 0, 0,  0,   0,   0,   0};
    static const char pnm[] = "P6 60000 60000 255\n", zero[] = "P6 0 5 255\n", deep[] = "P5 1 1 65535\nab";
    two_classes();
    write_file(at("a/0.png"), png, sizeof png);
    refused(root, NULL, "a/0.png: claims 60000x60000 pixels");
    write_file(at("a/0.png"), pnm, sizeof pnm - 1);
    refused(root, NULL, "a/0.png: claims 60000x60000 pixels");
    write_file(at("a/0.png"), deep, sizeof deep - 1);
    refused(root, NULL, "its largest value is 65535");
    write_file(at("a/0.png"), zero, sizeof zero - 1);
    refused(root, NULL, "a/0.png: the image has no pixels");
}

static void folders_without_classes_are_explained(void **state) {
    (void)state;
    refused(root, NULL, "the folder is empty");
    picture(at("1.png"), 2, 2, 1);
    refused(root, NULL, "there are images, but no class folders");
    folder(at("a"));
    refused(root, NULL, "a: the class folder holds no image");
    picture(at("a/1.png"), 2, 2, 1);
    refused(root, NULL, "only one class");
    folder(at("b"));
    refused(root, NULL, "b: the class folder holds no image");
    folder(at("b/c"));
    refused(root, NULL, "only folders");
    assert_int_equal(symlink(at("loop"), at("loop")), 0);
    picture(at("b/1.png"), 2, 2, 1);
    refused(root, NULL, "loop: the link leads nowhere, or in a circle");
    rf_dataset *d = opened(root, &(rf_dataset_options){.skip_bad = true});
    has_shape(d, 2, 1, 2, 2, 2);
    assert_int_equal(d->bad_count, 1);
    rf_dataset_free(d);
    remove(at("loop"));
    assert_int_equal(symlink("..", at("b/up")), 0); /* is not followed */
    assert_int_equal(symlink(at("gone"), at("b/0.png")), 0);
    refused(root, NULL, "b/0.png: cannot be opened");
    assert_int_equal(mkfifo(at("b/2.png"), 0666), 0); /* would be waited for */
    d = opened(root, &(rf_dataset_options){.skip_bad = true});
    assert_int_equal(d->count, 2);
    rf_dataset_free(d);
}

static void unreadable_is_not_missing(void **state) {
    (void)state;
    two_classes();
    bool superuser = geteuid() == 0; /* whom no permission stops */
    chmod(at("b/1.png"), 0);
    chmod(root, 0755);
    if (superuser) assert_int_equal(seteuid(65534), 0);
    refused(root, NULL, "b/1.png: cannot be opened: Permission denied");
    if (superuser) assert_int_equal(seteuid(0), 0);
    chmod(at("b"), 0);
    if (superuser) assert_int_equal(seteuid(65534), 0);
    refused(root, NULL, "b: the folder cannot be read: Permission denied");
    if (superuser) assert_int_equal(seteuid(0), 0);
    chmod(at("b"), 0755);
}

static void damaged_images_never_crash(void **state) {
    (void)state;
    static const char *const endings[] = {"png", "bmp", "ppm", "jpg"};
    for (size_t e = 0; e < RF_COUNT(endings); e++) {
        empty_root(NULL);
        two_classes();
        picture(at("a/0.%s", endings[e]), 20, 30, 3);
        mutate(at("a/0.%s", endings[e]), root, fuzz_rounds());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(resizing_keeps_what_it_should),      TEST(every_kind_of_image_is_read),
        TEST(folders_are_sorted_and_made_to_fit), TEST(damaged_images_are_named_or_skipped),
        TEST(enormous_images_are_refused),        TEST(folders_without_classes_are_explained),
        TEST(unreadable_is_not_missing),          TEST(damaged_images_never_crash),
    };
    return RUN_IN_FOLDER(tests);
}
