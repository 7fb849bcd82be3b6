/* What a file is by its first bytes, and that each reader says so.  The bytes are those that the formats' own
 * descriptions and libmagic's tables give. */
#include "base/kind.h"

#include "curve/curve.h"
#include "files.h"
#include "model/safetensors.h"
#include "rangefinder/model.h"

static const struct {
    const char *bytes;
    size_t length, offset; /* of the bytes in a head of 512 that is ' ' else */
    const char *what;
} kinds[] = {
#define KIND(bytes, what)                                                                                    \
    { bytes, sizeof(bytes) - 1, 0, what }
#define KIND_AT(offset, bytes, what)                                                                         \
    { bytes, sizeof(bytes) - 1, offset, what }
    KIND("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102530333\n", "Git LFS"),
    KIND("<!DOCTYPE html><html>", "web page"),
    KIND("\xef\xbb\xbf\r\n  <!doctype HTML>", "web page"),
    KIND("<html lang=\"en\">", "web page"),
    KIND("<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>", "XML"),
    KIND("<?xml version=\"1.0\"?>\n<svg width=\"8\">", "SVG"),
    KIND("PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\22\0archive/data.pklFB\16\0", "PyTorch"),
    KIND("PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\17\0\23\0resnet18/data.pklFB\17\0", "PyTorch"),
    KIND("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02M\xe9\x03", "PyTorch"),
    KIND("PK\3\4\24\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\13\0\24\0x_train.npy\1\0\20\0", "NumPy archive"),
    KIND("PK\3\4\24\0\6\0\10\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\23\0\10\2[Content_Types].xml", "Excel"),
    KIND("PK\3\4\24\0\0\0\10\0photos/", "zip"),
    KIND("\x80\x02}q\x01(U\x0b"
         "batch_labelq\x02",
         "pickle"),
    KIND("\x80\x03}q\0(X\x04\0\0\0data", "pickle"),
    KIND("\x80\x04\x95\x2a\0\0\0\0\0\0\0}\x94(", "pickle"),
    KIND("\x93NUMPY\1\0v\0{'descr'", "NumPy array"),
    KIND("\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5"),
    KIND("MATLAB 5.0 MAT-file, Platform: GLNXA64", "MATLAB"),
    KIND("PAR1\25\4\25", "Parquet"),
    KIND("SQLite format 3\0", "SQLite"),
    KIND("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09\0\0\xc0\xe7\x5e\x1b\xd9\x41\x1a\x0d"
         "brain.Event:2",
         "TensorBoard"),
    KIND("\x08\x07\x12\x07pytorch\x1a\x05"
         "2.1.0",
         "ONNX"),
    KIND("\x08\x08\x12\x09tf2onnx\0\1", "ONNX"),
    KIND("GGUF\3\0\0\0", "GGUF"),
    KIND("RIFF\x24\x1a\0\0WEBPVP8 ", "WebP"),
    KIND("RIFF\x24\x1a\0\0WEBPVP8X", "WebP"),
    KIND("\0\0\0\x20"
         "ftypavif\0\0\0\0",
         "AVIF"),
    KIND("\0\0\0\x18"
         "ftypheic\0\0\0\0",
         "HEIC"),
    KIND("\0\0\0\x18"
         "ftypmif1\0\0\0\0",
         "HEIC"),
    KIND("\0\0\0\x18"
         "ftypisom\0\0\2\0",
         "film"),
    KIND("\xff\x0a\xfa\x1f", "JPEG XL"),
    KIND("\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    KIND("\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    KIND("II*\0\10\0\0\0", "TIFF"),
    KIND("MM\0*\0\0\0\10", "TIFF"),
    KIND("GIF89a", "GIF"),
    KIND("8BPS\0\1", "Photoshop"),
    KIND_AT(128, "DICM", "DICOM"),
    KIND("%PDF-1.7\n", "PDF"),
    KIND("\xfd"
         "7zXZ\0",
         "xz"),
    KIND("BZh91AY&SY", "bzip2"),
    KIND("\x28\xb5\x2f\xfd", "Zstandard"),
    KIND("7z\xbc\xaf\x27\x1c", "7-Zip"),
    KIND("Rar!\x1a\7", "RAR"),
    KIND_AT(257, "ustar\00000", "tar"),
    KIND("label,pixel0,pixel1\n", "table of pixels"),
    KIND("import torch\n", "Python source"),
};

static void kinds_are_recognised_by_their_first_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < RF_COUNT(kinds); i++) {
        char head[512];
        memset(head, ' ', sizeof head);
        memcpy(head + kinds[i].offset, kinds[i].bytes, kinds[i].length);
        for (size_t longer = 0; longer < 2; longer++) {
            const rf_file_kind *kind = rf_file_kind_of(
                head, longer ? sizeof head : kinds[i].offset + kinds[i].length, RF_READER_IMAGE);
            if (kind == NULL || strstr(kind->what, kinds[i].what) == NULL)
                fail_msg("%s: taken for %s", kinds[i].what, kind != NULL ? kind->what : "nothing");
            assert_true(strlen(kind->advice) > 0);
        }
    }
    assert_string_equal(rf_file_kind_of("", 0, RF_READER_NONE)->what, "empty");
    char none[64] = {0};
    assert_non_null(strstr(rf_file_kind_of(none, sizeof none, RF_READER_NONE)->what, "zero bytes"));
}

static void what_a_reader_reads_is_no_other_kind(void **state) {
    (void)state;
    assert_null(rf_file_kind_of("\x1f\x8b\x08", 3, RF_READER_IDX));
    assert_null(rf_file_kind_of("\xff\xd8\xff\xe0", 4, RF_READER_IMAGE));
    assert_null(rf_file_kind_of("\x89PNG\r\n\x1a\n", 8, RF_READER_IMAGE));
    assert_null(rf_file_kind_of("\x08\1\0\0\0\0\0\0{\"a\":\"pytorch\"", 22, RF_READER_WEIGHTS));
    assert_null(rf_file_kind_of("lr,loss\n1e-6,2.3\n", 17, RF_READER_CURVE));
    assert_null(rf_file_kind_of("conv out=8\n", 11, RF_READER_MODEL));
    assert_null(rf_file_kind_of("\0\0\10\3\0\0\0\1", 8, RF_READER_IDX));
}

static void says(const char *text) {
    if (strstr(rf_error_message(), text) == NULL)
        fail_msg("'%s' does not say '%s'", rf_error_message(), text);
}

/* Pictures of that kind are read, in this build. */
static bool image_is_read(const char *what) {
#ifdef RF_WEBP
    return strcmp(what, "WebP") == 0;
#else
    (void)what;
    return false;
#endif
}

/* Each reader reports each kind of file by name, and ends. */
static void every_reader_names_a_file_of_another_kind(void **state) {
    (void)state;
    static const rf_image_shape images = {3, 32, 32, 10};
    folder(at("set/a"));
    folder(at("set/b"));
    for (size_t i = 0; i < RF_COUNT(kinds); i++) {
        char head[3074], spec[1100];
        rf_tensor_file *weights = NULL;
        rf_curve *curve = NULL;
        rf_model *model = NULL;
        memset(head, ' ', sizeof head);
        memcpy(head + kinds[i].offset, kinds[i].bytes, kinds[i].length);
        write_file(at("file"), head, sizeof head);
        write_file(at("file.bin"), head, sizeof head - 3);
        write_file(at("set/a/1.jpg"), head, sizeof head);
        write_file(at("set/b/1.jpg"), head, sizeof head);
        assert_int_equal(rf_tensor_file_open(&weights, at("file")), RF_E_INPUT);
        says(kinds[i].what);
        assert_int_equal(rf_curve_read(&curve, at("file")), RF_E_INPUT);
        says(kinds[i].what);
        assert_int_equal(rf_model_create(&model, at("file"), images, 0), RF_E_INPUT);
        says(kinds[i].what);
        snprintf(spec, sizeof spec, "%s,%s", at("file"), at("file"));
        refused(spec, NULL, kinds[i].what);
        refused(at("file.bin"), NULL, kinds[i].what);
        refused(at("file"), NULL, kinds[i].what);
        refused(at("set"), NULL, image_is_read(kinds[i].what) ? "cut off" : kinds[i].what);
    }
}

static void a_pytorch_file_comes_with_the_lines_that_convert_it(void **state) {
    (void)state;
    rf_tensor_file *weights = NULL;
    write_file(at("w.pth"), "PK\3\4archive/data.pkl", 20);
    assert_int_equal(rf_tensor_file_open(&weights, at("w.pth")), RF_E_INPUT);
    says("from safetensors.torch import save_file");
    says("torch.load(");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(kinds_are_recognised_by_their_first_bytes),
        TEST(what_a_reader_reads_is_no_other_kind),
        TEST(every_reader_names_a_file_of_another_kind),
        TEST(a_pytorch_file_comes_with_the_lines_that_convert_it),
    };
    return RUN_IN_FOLDER(tests);
}
