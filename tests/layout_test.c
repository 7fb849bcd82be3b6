/* Folders as archives and other programs lay them out: where the data lies, what is left out, the type of what cannot
 * be read. */
#include "files.h"

static void assert_note(const rf_dataset *d, const char *text) {
    int found = 0;
    for (size_t i = 0; i < d->note_count; i++) found += strstr(d->notes[i], text) != NULL;
    for (size_t i = 0; found != 1 && i < d->note_count; i++) print_message("note: %s\n", d->notes[i]);
    if (found != 1) fail_msg("%d notes say '%s'", found, text);
}

/* An image of `side` x `side`, which tells data sets apart. */
static void image(const char *path, int side) {
    char text[64 + 256];
    int head = snprintf(text, sizeof text, "P5 %d %d 255\n", side, side);
    memset(text + head, 'x', 256);
    char *copy = rf_strdup(path), *slash = strrchr(copy, '/');
    *slash = '\0';
    folder(copy);
    write_file(path, text, (size_t)(head + side * side));
    free(copy);
}

static void idx_in(const char *path, int side) {
    uint8_t images[16 + 256] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, (uint8_t)side, 0, 0, 0, 1};
    static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    folder(at("%s", path));
    write_file(at("%s/train-images-idx3-ubyte", path), images, (size_t)(16 + 2 * side));
    write_file(at("%s/train-labels-idx1-ubyte", path), labels, sizeof labels);
}

/* Each layout is a list of image files (side 3 is to be read, 5 is not), or of folders of IDX files ("NAME:"). */
static void the_data_is_found_where_it_lies(void **state) {
    (void)state;
    static const struct {
        const char *right[4], *wrong[4], *note;
        int classes;
    } cases[] = {
        {{"MNIST/raw:"}, {NULL}, "the data lies in", 2},
        {{"MNIST/raw:"}, {"__MACOSX/MNIST:"}, "the data lies in", 2},
        {{"raw:"}, {NULL}, "the data lies in", 2},
        {{"flowers/a/1.pgm", "flowers/b/1.pgm"}, {NULL}, "the data lies in", 2},
        {{"flowers/a/1.pgm", "flowers/b/1.pgm"},
         {"__MACOSX/a/1.pgm", "__MACOSX/b/1.pgm"},
         "the data lies in",
         2},
        {{"x/flowers/a/1.pgm", "x/flowers/b/1.pgm"}, {NULL}, "the data lies in", 2},
        {{"train/a/1.pgm", "train/b/1.pgm"}, {"val/a/1.pgm", "val/b/1.pgm"}, "val, which can be named", 2},
        {{"train/a/1.pgm", "train/b/1.pgm"},
         {"test/1.pgm", "valid/a/1.pgm", "valid/b/1.pgm"},
         "valid, which can be named",
         2},
        {{"Training/a/1.pgm", "Training/b/1.pgm"}, {"Testing/a/1.pgm"}, "Testing, which can be", 2},
        {{"seg_train/seg_train/a/1.pgm", "seg_train/seg_train/b/1.pgm"},
         {"seg_test/seg_test/a/1.pgm", "seg_test/seg_test/b/1.pgm"},
         "seg_test, which can be",
         2},
        {{"x/train/a/1.pgm", "x/train/b/1.pgm"}, {"x/validation/a/1.pgm"}, "validation, which can be", 2},
        /* as Tiny ImageNet has it */
        {{"train/n1/images/1.pgm", "train/n2/images/1.pgm"},
         {"val/images/1.pgm", "test/images/1.pgm"},
         "val, which can be",
         2},
        {{"train:"}, {"test:"}, "test, which can be", 2},
        /* these are classes */
        {{"train/1.pgm", "car/1.pgm", "bus/1.pgm"}, {NULL}, NULL, 3},
        {{"train/1.pgm", "test/1.pgm"}, {NULL}, NULL, 2},
        {{"a/2019/1.pgm", "a/2020/1.pgm", "b/1.pgm"}, {NULL}, NULL, 2},
        {{"a/2019/1.pgm", "a/2020/1.pgm", "b/2019/1.pgm", "b/2020/1.pgm"}, {NULL}, NULL, 2},
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        for (int side = 3; side <= 5; side += 2)
            for (const char *const *name = side == 3 ? cases[i].right : cases[i].wrong, *const *end =
                                                                                            name + 4;
                 name < end && *name != NULL; name++) {
                size_t length = strlen(*name);
                if ((*name)[length - 1] == ':')
                    idx_in(at("%.*s", (int)length - 1, *name) + strlen(root) + 1, side);
                else
                    image(at("%s", *name), side);
            }
        rf_dataset *d = opened(root, NULL);
        if (d->height != 3 || d->classes != cases[i].classes)
            fail_msg("case %zu: %s: %d classes of %d rows", i, d->name, d->classes, d->height);
        if (cases[i].note != NULL)
            assert_note(d, cases[i].note);
        else
            assert_int_equal(d->note_count, 0);
        rf_dataset_free(d);
        empty_root(NULL);
    }
}

/* Two CIFAR-10 records of black images, of the classes 0 and 1. */
static void cifar_in(const char *path) {
    static uint8_t records[2][3073];
    records[1][0] = 1;
    folder(at("%s", path));
    write_file(at("%s/data_batch_1.bin", path), records, sizeof records);
}

static void class_folders_go_before_data_files(void **state) {
    (void)state;
    char spec[512];
    cifar_in(".");
    write_file(at("test_batch.bin"), "", 0);
    snprintf(spec, sizeof spec, "%s/", root);
    rf_dataset *d = opened(spec, NULL);
    has_shape(d, 2, 3, 32, 32, 10);
    snprintf(spec, sizeof spec, "%s/test_batch.bin is not read", root); /* one slash */
    assert_note(d, spec);
    assert_note(d, "--val-data of 'train'");
    rf_dataset_free(d);
    image(at("a/1.pgm"), 3);
    image(at("b/1.pgm"), 3);
    d = opened(root, NULL);
    has_shape(d, 2, 1, 3, 3, 2);
    assert_note(d, "the CIFAR files beside its class folders are left out; --data FILE reads one of them");
    assert_int_equal(d->note_count, 1);
    rf_dataset_free(d);
    snprintf(spec, sizeof spec, "%s", at("data_batch_1.bin"));
    d = opened(spec, NULL);
    has_shape(d, 2, 3, 32, 32, 10);
    rf_dataset_free(d);
    empty_root(NULL);
    idx_in(".", 5); /* beside folders that are gone into */
    image(at("train/a/1.pgm"), 3);
    image(at("train/b/1.pgm"), 3);
    image(at("val/a/1.pgm"), 3);
    d = opened(root, NULL);
    has_shape(d, 2, 1, 3, 3, 2);
    assert_note(d, "the IDX files beside its class folders are left out; --data IMAGES,LABELS reads them");
    assert_note(d, "val, which can be named");
    rf_dataset_free(d);
}

static void several_data_sets_are_listed(void **state) {
    (void)state;
    idx_in("MNIST/raw", 3);
    idx_in("FashionMNIST/raw", 3);
    refused(root, NULL, "holds 2 data sets; name one as the data:");
    refused(root, NULL, "/FashionMNIST, ");
}

static void a_path_goes_before_what_is_built_in(void **state) {
    (void)state;
    char *before = getcwd(NULL, 0);
    assert_int_equal(chdir(root), 0);
    idx_in("digits", 3);
    idx_in("synthetic:3x4x4", 3);
    rf_dataset *d = opened("digits", NULL);
    has_shape(d, 2, 1, 3, 1, 2);
    assert_note(d, "'digits' is read from the file system; digits: names what is built in");
    rf_dataset_free(d);
    d = opened("synthetic:3x4x4", NULL);
    has_shape(d, 2, 1, 3, 1, 2);
    assert_note(d, "is read from the file system");
    rf_dataset_free(d);
    static const char *const built_in[] = {"digits:", NULL};
    for (size_t i = 0; i < RF_COUNT(built_in); i++) {
        d = opened(built_in[i], NULL);
        has_shape(d, 1797, 1, 8, 8, 10);
        assert_int_equal(d->note_count, 0);
        assert_string_equal(d->name, "digits");
        rf_dataset_free(d);
    }
    assert_int_equal(chdir(before), 0);
    free(before);
}

static void what_is_not_read_is_named_with_what_to_do(void **state) {
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t length;
        const char *says;
    } cases[] = {
#define FILE_OF(name, bytes, says) {name, bytes, sizeof(bytes) - 1, says}
        FILE_OF("data_batch_1",
                "\x80\x02}q\x01(U\x0b"
                "batch_labelq\x02",
                "take the binary version"),
        FILE_OF("mnist.npz", "PK\3\4\24\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\13\0\24\0x_train.npy",
                "IDX files"),
        FILE_OF("train.csv", "label,pixel0,pixel1\n1,0,0\n", "IDX files"),
        FILE_OF("train_32x32.mat", "MATLAB 5.0 MAT-file", "IDX files"),
        FILE_OF("cifar-10-binary.tar.gz", "\x1f\x8b\x08\0", "tar -xzf"),
        FILE_OF("photos.zip", "PK\3\4\24\0\0\0\0\0photos/", "unpack it"),
        FILE_OF("train_X.bin", "abcdefgh", "STL-10's binary form"),
        FILE_OF("0000.parquet", "PAR1\25\4", "Parquet"),
    };
    for (size_t i = 0; i < RF_COUNT(cases); i++) {
        write_file(at("readme.html"), "<html>", 6);
        write_file(at("%s", cases[i].name), cases[i].bytes, cases[i].length);
        refused(root, NULL, cases[i].says);
        refused(root, NULL, cases[i].name);
        refused(at("%s", cases[i].name), NULL, cases[i].says);
        empty_root(NULL);
    }
}

/* ---- CIFAR ---- */

static void write_cifar100(const char *path) {
    uint8_t records[4][3074] = {0};
    for (int i = 0; i < 4; i++) {
        records[i][0] = (uint8_t)(i + 16); /* coarse: 16 to 19 */
        records[i][1] = (uint8_t)(i + 96); /* fine: 96 to 99 */
    }
    write_file(path, records, sizeof records);
}

static void cifar_100_has_coarse_labels_too(void **state) {
    (void)state;
    rf_dataset_options coarse = {.coarse_labels = true};
    rf_dataset *d;
    rf_str names = {0};
    write_cifar100(at("train.bin"));
    write_cifar100(at("test.bin"));
    for (int i = 0; i < 20; i++) rf_str_addf(&names, "c%d\n", i);
    write_file(at("coarse_label_names.txt"), names.data, names.length);
    write_file(at("fine_label_names.txt"), names.data, names.length);
    d = opened(root, &coarse);
    has_shape(d, 4, 3, 32, 32, 20);
    assert_int_equal(d->labels[3], 19);
    assert_string_equal(d->class_names[19], "c19");
    assert_note(d, "/test.bin is not read");
    rf_dataset_free(d);
    d = opened(root, NULL);
    assert_int_equal(d->classes, 100);
    assert_int_equal(d->labels[3], 99);
    assert_note(d, "holds 20 names, not 100");
    rf_dataset_free(d);
    assert_int_equal(rf_dataset_open(&d, "digits", &coarse), RF_E_USAGE);
    uint8_t ten[2 * 3073] = {0};
    ten[3073] = 1;
    write_file(at("data_batch_1.bin"), ten, sizeof ten);
    assert_int_equal(rf_dataset_open(&d, at("data_batch_1.bin"), &coarse), RF_E_USAGE);
    assert_null(d);
    rf_str_free(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_data_is_found_where_it_lies),
        TEST(class_folders_go_before_data_files),
        TEST(several_data_sets_are_listed),
        TEST(a_path_goes_before_what_is_built_in),
        TEST(what_is_not_read_is_named_with_what_to_do),
        TEST(cifar_100_has_coarse_labels_too),
    };
    return RUN_IN_FOLDER(tests);
}
