/* Folders of images: decoding, resizing, order, and what is said of everything that is wrong with them. */
#include "data/image.h"

#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "data/format.h"
#include "data/gate.h"
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
    folder(at("b/1/2"));
    picture(at("b/1/2/3.png"), 6, 7, 3);
    write_file(at("b/notes.txt"), "x", 1);
    write_file(at("b/.hidden.png"), "x", 1);
    write_file(at("stray.png"), "x", 1);
    folder(at(".git"));
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 6, 3, 5, 5, 3); /* the size of C/10.pgm, but colour as the others */
    static const char *const names[] = {"C", "a", "b"};
    static const int32_t labels[] = {0, 0, 1, 2, 2, 2};
    for (int c = 0; c < 3; c++) assert_string_equal(d->class_names[c], names[c]);
    assert_memory_equal(d->labels, labels, sizeof labels);
    assert_int_equal(pixel(d, 0, 3, 4, 0), value_at(3, 4, 0));
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){.image_height = 12, .image_width = 14, .limit = 3});
    has_shape(d, 3, 3, 12, 14, 3);
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
            refused(root, NULL, cut == 0 ? "the file is empty" : cut < 10 ? "a/0." : "cut off");
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
    refused(root, NULL, "b/0.png: not a JPEG, PNG, BMP or PNM image");
    refused(root, NULL, "; --skip-bad leaves out what cannot be read");
    write_file(at("a/1.png"), "", 0);
    refused(root, NULL, "a/1.png: the file is empty");
    remove(at("b/1.png"));
    refused(root, &(rf_dataset_options){.skip_bad = true}, "none of its 3 images can be read");
}

static void enormous_images_are_refused(void **state) {
    (void)state;
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', 13, 10,  26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0,
                                  0,    234, 96,  0,   0,  234, 96, 8,  2, 0, 0, 0,  0,   0,   0,   0};
    static const char pnm[] = "P6 60000 60000 255\n", zero[] = "P6 0 5 255\n", deep[] = "P5 1 1 65536\nab";
    two_classes();
    write_file(at("a/0.png"), png, sizeof png);
    refused(root, NULL, "a/0.png: claims 60000x60000 pixels");
    write_file(at("a/0.png"), pnm, sizeof pnm - 1);
    refused(root, NULL, "a/0.png: claims 60000x60000 pixels");
    write_file(at("a/0.png"), deep, sizeof deep - 1);
    refused(root, NULL, "its largest value is 65536");
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
    refused(root, NULL, "b: the class folder holds no image");
    write_file(at("b/c/1.WebP"), "x", 1);
    write_file(at("b/2.tif"), "x", 1);
    write_file(at("b/3.tif"), "x", 1);
    refused(root, NULL,
            "b: the class folder holds no image (JPEG, PNG, BMP, PNM), only files of other kinds: .tif 2, "
            ".webp 1");
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
        /* A JPEG's decoders may round; 555 and 565 are rounded where Pillow cuts off. */
        assert_near(name, out, &expected, strstr(name, ".jpg") != NULL ? 3 : strstr(name, "5.bmp") != NULL);
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

/* ---- what is converted or left out is said ---- */

static void copy_image(const char *to, const char *name) {
    uint8_t *data;
    char path[512];
    snprintf(path, sizeof path, "%s/images/%s", RF_TEST_DATA, name);
    size_t length = read_file(&data, path);
    write_file(to, data, length);
    free(data);
}

/* Is there just one note that holds `text`? */
static void assert_note(const rf_dataset *d, const char *text) {
    int found = 0;
    for (size_t i = 0; i < d->note_count; i++) found += strstr(d->notes[i], text) != NULL;
    for (size_t i = 0; found != 1 && i < d->note_count; i++) print_message("note: %s\n", d->notes[i]);
    if (found != 1) fail_msg("%d notes say '%s'", found, text);
}

static void colour_wins_over_grey_unless_channels_says_otherwise(void **state) {
    (void)state;
    two_classes();
    copy_image(at("a/0.jpg"), "grey.jpg"); /* the first one */
    copy_image(at("b/2.bmp"), "grey.bmp");
    rf_dataset *d = opened(root, &(rf_dataset_options){.image_height = 13, .image_width = 18});
    has_shape(d, 4, 3, 13, 18, 2);
    assert_note(d, "2 of 4 images: grey, but read as colour; --channels 1");
    assert_int_equal(pixel(d, 0, 3, 4, 0), pixel(d, 0, 3, 4, 2));
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){.channels = 1});
    has_shape(d, 4, 1, 13, 18, 2);
    assert_note(d, "2 of 4 images: in colour, but read as grey");
    rf_dataset_free(d);
    remove(at("a/1.png"));
    remove(at("b/1.png"));
    d = opened(root, NULL);
    has_shape(d, 2, 1, 13, 18, 2);
    assert_int_equal(d->note_count, 0);
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){.channels = 3});
    has_shape(d, 2, 3, 13, 18, 2);
    rf_dataset_free(d);
    assert_int_equal(rf_dataset_open(&d, root, &(rf_dataset_options){.channels = 2}), RF_E_USAGE);
}

static void conversions_are_counted(void **state) {
    (void)state;
    folder(at("a"));
    folder(at("b"));
    static const char *const a[] = {"colour.png",     "colour-16.png", "palette-4-transparent.png",
                                    "cmyk.jpg",       "exif-3.jpg",    "exif-6.jpg",
                                    "grey-alpha.png", "deep.ppm"};
    for (size_t i = 0; i < RF_COUNT(a); i++) copy_image(at("a/%zu%s", i, strrchr(a[i], '.')), a[i]);
    copy_image(at("b/1.bmp"), "os2.bmp");
    picture(at("b/2.png"), 26, 36, 3); /* the same proportions */
    picture(at("b/3.png"), 26, 20, 3);
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 11, 3, 13, 18, 2);
    assert_note(d, "3 of 11 images: resized to 13x18 (height x width), the first image's size; --image-size");
    assert_note(d, "2 of 11 images: cut to their middle, as their proportions are not those of 13x18");
    assert_note(d, "1 of 11 images: grey, but");
    assert_note(d, "2 of 11 images: turned upright, as EXIF says; --no-exif");
    assert_note(d, "2 of 11 images: of more than 8 bits");
    assert_note(d, "2 of 11 images: with transparency");
    assert_note(d, "1 of 11 images: CMYK");
    assert_int_equal(d->note_count, 7);
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){
                         .no_exif = true, .fit = RF_FIT_PAD, .image_height = 26, .image_width = 36});
    assert_note(d, "1 of 11 images: given black bars");
    assert_int_equal(d->note_count, 5);
    assert_int_equal(pixel(d, 10, 13, 3, 1), 0);
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){.fit = RF_FIT_SQUASH});
    assert_note(d, "2 of 11 images: squashed");
    rf_dataset_free(d);
}

static void exif_is_ignored_on_demand(void **state) {
    (void)state;
    folder(at("a"));
    folder(at("b"));
    copy_image(at("a/1.jpg"), "exif-6.jpg");
    copy_image(at("b/1.jpg"), "exif-6.jpg");
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 2, 3, 18, 13, 2);
    rf_dataset_free(d);
    d = opened(root, &(rf_dataset_options){.no_exif = true});
    has_shape(d, 2, 3, 13, 18, 2);
    assert_int_equal(d->note_count, 0);
    rf_dataset_free(d);
}

static void files_of_other_kinds_are_counted(void **state) {
    (void)state;
    two_classes();
    copy_image(at("a/2.JFIF"), "colour.jpg");
    copy_image(at("a/3.jpe"), "colour.jpg");
    copy_image(at("a/4.webp"), "colour.jpg"); /* what it is counts, not its name */
    copy_image(at("a/5"), "colour.png");
    copy_image(at("a/6.Jpg"), "colour.png");
    copy_image(at("a/7.dib"), "colour.bmp");
    copy_image(at("a/8.pbm"), "binary.pbm");
    static const char *const others[] = {"1.webp", "2.WEBP", "3.avif", "4.heic", "5.tif", "6.gif", "notes"};
    for (size_t i = 0; i < RF_COUNT(others); i++) write_file(at("b/%s", others[i]), "x", 1);
    write_file(at("b/.hidden.tif"), "x", 1);
    rf_dataset *d = opened(root, NULL);
    assert_int_equal(d->count, 9);
    assert_note(d, "files left out, as they are not JPEG, PNG, BMP, PNM: "
                   ".webp 2, .avif 1, .heic 1, .tif 1, .gif 1, no ending 1");
    rf_dataset_free(d);
    for (int i = 0; i < 100; i++) write_file(at("b/x.k%d", i), "x", 1); /* more kinds than are named */
    d = opened(root, NULL);
    assert_note(d, ", others 83"); /* 6 kinds above, 17 of these are named */
    rf_dataset_free(d);
}

static void classes_without_an_image_are_said(void **state) {
    (void)state;
    two_classes();
    folder(at("c"));
    write_file(at("c/1.png"), "no image", 8);
    folder(at("d"));
    write_file(at("d/1.webp"), "x", 1);
    refused(root, NULL, "d: the class folder holds no image");
    rf_dataset *d = opened(root, &(rf_dataset_options){.skip_bad = true});
    has_shape(d, 2, 3, 6, 7, 3);
    assert_int_equal(d->bad_count, 2);
    assert_note(d, "1 of 3 classes without an image: c");
    rf_dataset_free(d);
    d = opened("digits", &(rf_dataset_options){.limit = 8});
    assert_note(d, "2 of 10 classes without an image: ");
    rf_dataset_free(d);
}

static void folders_inside_a_class_are_walked_without_end(void **state) {
    (void)state;
    two_classes();
    folder(at("a/x/y"));
    folder(at("elsewhere/z"));
    copy_image(at("a/x/y/1.png"), "colour.png");
    copy_image(at("elsewhere/z/1.png"), "colour.png");
    for (int i = 0; i < 3; i++) { /* doors back, to itself, and outside: 2 to the n ways, were all taken */
        assert_int_equal(symlink(at("a"), at("a/x/up%d", i)), 0);
        assert_int_equal(symlink(root, at("a/x/y/root%d", i)), 0);
        assert_int_equal(symlink(at("elsewhere"), at("a/x/y/out%d", i)), 0);
        assert_int_equal(symlink(at("a/x"), at("elsewhere/z/in%d", i)), 0);
    }
    rf_dataset *d = opened(root, NULL);
    static const int32_t labels[] = {0, 0, 0, 1, 2, 2, 2}; /* through the links, each folder once a class */
    has_shape(d, 7, 3, 6, 7, 3);
    assert_memory_equal(d->labels, labels, sizeof labels);
    assert_note(d, "folders left out, as links lead to them a second time: ");
    rf_dataset_free(d);
    for (int i = 0; i < 2000; i++) folder(at("b/%d", i)); /* the table of folders grows */
    d = opened(root, NULL);
    assert_int_equal(d->count, 7);
    rf_dataset_free(d);
}

static void parts_of_a_data_set_are_no_classes(void **state) {
    (void)state;
    static const char *const parts[] = {"train", "val"};
    for (int p = 0; p < 2; p++)
        for (char c = 'a'; c <= 'b'; c++) {
            folder(at("%s/%c", parts[p], c));
            picture(at("%s/%c/1.png", parts[p], c), 6, 7, 3);
        }
    rf_dataset *d = NULL;
    if (rf_dataset_open(&d, root, NULL) == RF_OK) { /* where a part is taken by itself */
        assert_string_equal(d->class_names[0], "a");
        rf_dataset_free(d);
    } else
        refused(root, NULL, "its folders (train, val) look like parts of a data set");
    picture(at("train/1.png"), 6, 7, 3); /* a class after all */
    picture(at("val/1.png"), 6, 7, 3);
}

/* ---- bounds ---- */

typedef struct jpeg_desc {
    int width, height, components, scans;
    bool progressive;
    int blocks; /* coded in the first scan, each of two 0 bits: no change, no coefficients */
} jpeg_desc;

/* A flat JPEG of whatever size: baseline with all its blocks, or progressive with empty refinement scans. */
static void flat_jpeg(const char *path, jpeg_desc j) {
    rf_str s = {0};
    uint8_t quantisation[69] = {0xFF, 0xDB, 0, 67, 0}, one = 1;
    memset(quantisation + 5, 1, 64);
    const uint8_t table[2][21] = {{0xFF, 0xC4, 0, 20, 0x00, 1}, {0xFF, 0xC4, 0, 20, 0x10, 1}};
    const uint8_t frame[] = {0xFF,
                             j.progressive ? 0xC2 : 0xC0,
                             0,
                             (uint8_t)(8 + 3 * j.components),
                             8,
                             (uint8_t)(j.height >> 8),
                             (uint8_t)j.height,
                             (uint8_t)(j.width >> 8),
                             (uint8_t)j.width,
                             (uint8_t)j.components};
    (void)one;
    rf_str_add_bytes(&s, "\xFF\xD8", 2);
    rf_str_add_bytes(&s, quantisation, sizeof quantisation);
    rf_str_add_bytes(&s, frame, sizeof frame);
    for (int c = 0; c < j.components; c++)
        rf_str_add_bytes(&s, (uint8_t[]){(uint8_t)(c + 1), c == 0 && j.components == 3 ? 0x22 : 0x11, 0}, 3);
    for (int t = 0; t < 2; t++) {
        rf_str_add_bytes(&s, table[t], sizeof table[t]);
        rf_str_add_bytes(&s, "", 1); /* the one code stands for 0 */
    }
    for (int i = 0; i < j.scans; i++) {
        int n = i == 0 ? j.components : 1;
        rf_str_add_bytes(&s, (uint8_t[]){0xFF, 0xDA, 0, (uint8_t)(6 + 2 * n), (uint8_t)n}, 5);
        for (int c = 0; c < n; c++) rf_str_add_bytes(&s, (uint8_t[]){(uint8_t)(c + 1), 0}, 2);
        const uint8_t band[2][3] = {{0, j.progressive ? 0 : 63, 0}, {1, 63, 0x10}};
        rf_str_add_bytes(&s, band[i > 0], 3);
        for (int b = 0; b < (i == 0 ? (j.blocks * 2 + 7) / 8 : 1); b++) rf_str_add_bytes(&s, "", 1);
    }
    rf_str_add_bytes(&s, "\xFF\xD9", 2);
    write_file(path, s.data, s.length);
    rf_str_free(&s);
}

/* Blocks of a 4:2:0 image: four and two of each 16x16. */
static int blocks_420(int width, int height) {
    return (width + 15) / 16 * ((height + 15) / 16) * 6;
}

static void photos_of_cameras_are_read(void **state) {
    (void)state;
    two_classes();
    rf_image_info info;
    flat_jpeg(at("a/2.jpg"), (jpeg_desc){6000, 4000, 3, 1, false, blocks_420(6000, 4000)});
    rf_dataset *d = opened(root, &(rf_dataset_options){.image_height = 8, .image_width = 12});
    has_shape(d, 3, 3, 8, 12, 2);
    assert_int_equal(pixel(d, 1, 4, 6, 1), 128);
    rf_dataset_free(d);
    flat_jpeg(at("100.jpg"), (jpeg_desc){11656, 8742, 3, 1, false, blocks_420(11656, 8742)});
    assert_int_equal(rf_image_probe(&info, at("100.jpg")), RF_OK);
    assert_in_range(info.need_bytes, (uint64_t)11656 * 8742 * 9 / 2, (uint64_t)11656 * 8742 * 5);
    flat_jpeg(at("a/2.jpg"), (jpeg_desc){20000, 20000, 3, 1, false, 8});
    refused(root, NULL, "a/2.jpg: claims 20000x20000 pixels, more than the 134 million");
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

/* A grey PNG of depth 8 that claims width x height, whose data are `bytes` zeros. */
static void zero_png(const char *path, uint32_t width, uint32_t height, size_t bytes) {
    rf_str s = {0};
    uLongf packed = compressBound(bytes);
    uint8_t *raw = calloc(bytes, 1), *data = malloc(packed);
    assert_int_equal(compress(data, &packed, raw, bytes), Z_OK);
    const struct {
        const char *type;
        const void *data;
        size_t length;
    } chunks[] = {{"IHDR",
                   (uint8_t[13]){(uint8_t)(width >> 24), (uint8_t)(width >> 16), (uint8_t)(width >> 8),
                                 (uint8_t)width, (uint8_t)(height >> 24), (uint8_t)(height >> 16),
                                 (uint8_t)(height >> 8), (uint8_t)height, 8},
                   13},
                  {"IDAT", data, packed},
                  {"IEND", "", 0}};
    rf_str_add_bytes(&s, "\x89PNG\r\n\x1A\n", 8);
    for (size_t i = 0; i < RF_COUNT(chunks); i++) {
        size_t n = chunks[i].length;
        rf_str_add_bytes(
            &s, (uint8_t[]){(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 4);
        rf_str_add(&s, chunks[i].type);
        rf_str_add_bytes(&s, chunks[i].data, n);
        rf_str_add_bytes(&s, "crc?", 4);
    }
    write_file(path, s.data, s.length);
    rf_str_free(&s);
    free(data);
    free(raw);
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

/* Extreme proportions cost no more than their pixels. */
static void thin_images_are_resized_in_time(void **state) {
    (void)state;
    enum { LONG = 1 << 22 };
    uint8_t *pixels = calloc(LONG, 1), *out = malloc(4096 * 64);
    const rf_image row = {1, LONG, 1, 1, pixels}, column = {LONG, 1, 1, 1, pixels};
    for (int fit = RF_FIT_CROP; fit <= RF_FIT_PAD; fit++) { /* by rows first it would be 2^35 sums */
        assert_int_equal(rf_image_fit(out, 4096, 64, &row, (rf_fit)fit), RF_OK);
        assert_int_equal(rf_image_fit(out, 64, 4096, &column, (rf_fit)fit), RF_OK);
    }
    free(out);
    free(pixels);
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
        TEST(resizing_keeps_what_it_should),
        TEST(every_kind_of_image_is_read),
        TEST(folders_are_sorted_and_made_to_fit),
        TEST(damaged_images_are_named_or_skipped),
        TEST(enormous_images_are_refused),
        TEST(folders_without_classes_are_explained),
        TEST(unreadable_is_not_missing),
        TEST(files_are_read_as_pillow_reads_them),
        TEST(images_are_fitted_as_torchvision_does),
        TEST(colour_wins_over_grey_unless_channels_says_otherwise),
        TEST(conversions_are_counted),
        TEST(exif_is_ignored_on_demand),
        TEST(files_of_other_kinds_are_counted),
        TEST(classes_without_an_image_are_said),
        TEST(folders_inside_a_class_are_walked_without_end),
        TEST(parts_of_a_data_set_are_no_classes),
        TEST(photos_of_cameras_are_read),
        TEST(scans_that_cost_more_than_they_hold_are_refused),
        TEST(compressed_data_larger_than_the_image_is_refused),
        TEST(thin_images_are_resized_in_time),
        TEST(threads_share_the_memory_of_decoding),
#ifndef __SANITIZE_ADDRESS__
        TEST(lack_of_memory_is_not_damage),
#endif
        TEST(damaged_images_never_crash),
    };
    return RUN_IN_FOLDER(tests);
}
