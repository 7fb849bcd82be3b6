/* Folders of images: which are found, their order, and what is said of everything that is wrong or changed. */
#include "data/image.h"

#include "pictures.h"

/* ---- folders ---- */

static void two_classes(void) {
    folder(at("b"));
    folder(at("a"));
    picture(at("a/1.png"), 6, 7, 3);
    picture(at("b/1.png"), 6, 7, 3);
}

static void folders_are_sorted_and_resized(void **state) {
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
    refused(root, NULL, "b/0.png: not an image (JPEG, PNG, ");
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
    write_file(at("b/c/1.TIFF"), "x", 1);
    write_file(at("b/2.tif"), "x", 1);
    write_file(at("b/3.tif"), "x", 1);
    refused(root, NULL,
            "only files of other kinds: .tif 2, "
            ".tiff 1");
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

/* ---- what is converted or left out is said ---- */

/* Is there just one note that holds `text`? */
static void assert_note(const rf_dataset *d, const char *text) {
    int found = 0;
    for (size_t i = 0; i < d->note_count; i++) found += strstr(d->notes[i], text) != NULL;
    for (size_t i = 0; found != 1 && i < d->note_count; i++) print_message("note: %s\n", d->notes[i]);
    if (found != 1) fail_msg("%d notes say '%s'", found, text);
}

static void colour_is_preferred_to_grey_unless_channels_says_otherwise(void **state) {
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
    picture(at("b/2.png"), 26, 36, 3); /* the same aspect ratio */
    picture(at("b/3.png"), 26, 20, 3);
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 11, 3, 13, 18, 2);
    assert_note(d, "3 of 11 images: resized to 13x18 (height x width), the first image's size; --image-size");
    assert_note(d, "2 of 11 images: cut to their middle, as their aspect ratio is not that of 13x18");
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

#ifdef RF_TURBOJPEG
static void photos_that_were_reduced_are_counted(void **state) {
    (void)state;
    two_classes();
    copy_image(at("a/2.jpg"), "colour.jpg"); /* 13x18: 8 times 1x2 */
    rf_dataset *d = opened(root, &(rf_dataset_options){.image_height = 1, .image_width = 2});
    assert_note(d, "1 of 3 images: at least 8 times larger than needed, and reduced while they are decoded");
    rf_dataset_free(d);
}
#endif

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
    static const char *const others[] = {"1.tiff", "2.TIFF", "3.avif", "4.heic", "5.tif", "6.gif", "notes"};
    for (size_t i = 0; i < RF_COUNT(others); i++) write_file(at("b/%s", others[i]), "x", 1);
    write_file(at("b/.hidden.tif"), "x", 1);
    rf_dataset *d = opened(root, NULL);
    assert_int_equal(d->count, 9);
    assert_note(d, ": .tiff 2, .avif 1, .heic 1, .tif 1, .gif 1, no ending 1");
    rf_dataset_free(d);
    for (int i = 0; i < 100; i++) write_file(at("b/x.k%d", i), "x", 1); /* more kinds than are named */
    d = opened(root, NULL);
    assert_note(d, ", others 83"); /* 6 kinds above, 17 of these are named */
    rf_dataset_free(d);
}

static void images_beside_the_class_folders_are_counted(void **state) {
    (void)state;
    two_classes();
    picture(at("stray.png"), 6, 7, 3);
    picture(at("other.PNG"), 6, 7, 3);
    copy_image(at("unnamed"), "colour.png");
    write_file(at("scan.tif"), "II*\0\10\0\0\0", 8); /* would not be read in a class either */
    write_file(at("labels.csv"), "file,label", 10);  /* no image */
    rf_dataset *d = opened(root, NULL);
    has_shape(d, 2, 3, 6, 7, 2);
    assert_note(d,
                "images left out, as they lie beside the class folders and so have no class: .png 2, .tif 1, "
                "no ending 1");
    assert_int_equal(d->note_count, 1);
    rf_dataset_free(d);
}

static void classes_without_an_image_are_noted(void **state) {
    (void)state;
    two_classes();
    folder(at("c"));
    write_file(at("c/1.png"), "no image", 8);
    folder(at("d"));
    write_file(at("d/1.tiff"), "x", 1);
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
        TEST(folders_are_sorted_and_resized),
        TEST(damaged_images_are_named_or_skipped),
        TEST(enormous_images_are_refused),
        TEST(folders_without_classes_are_explained),
        TEST(unreadable_is_not_missing),
        TEST(colour_is_preferred_to_grey_unless_channels_says_otherwise),
        TEST(conversions_are_counted),
#ifdef RF_TURBOJPEG
        TEST(photos_that_were_reduced_are_counted),
#endif
        TEST(exif_is_ignored_on_demand),
        TEST(files_of_other_kinds_are_counted),
        TEST(images_beside_the_class_folders_are_counted),
        TEST(classes_without_an_image_are_noted),
        TEST(folders_inside_a_class_are_walked_without_end),
        TEST(parts_of_a_data_set_are_no_classes),
        TEST(photos_of_cameras_are_read),
        TEST(damaged_images_never_crash),
    };
    return RUN_IN_FOLDER(tests);
}
