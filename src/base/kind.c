/* File types that people confuse with those we read, as a table of magic bytes. */
#include "base/kind.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct signature {
    rf_file_kind kind;
    size_t offset, length;
    const char *bytes;
    const char *within; /* must also occur in the head; NULL: nothing need */
    bool text;          /* blanks and a byte order mark may come first, capitals are as small letters */
    rf_reader reader;   /* who reads this kind */
} signature;

#define AT(place, text) .offset = (place), .bytes = (text), .length = sizeof(text) - 1
#define TEXT(beginning) AT(0, beginning), .text = true
#define PICTURE         "convert it to PNG or JPEG"
#define UNPACK          "unpack it, and name what was inside"
#define DOWNLOAD        "the download went wrong: fetch the file again, and look at it before use"
/* For images x, of shape (N,H,W) or (N,H,W,3) and 0..255, and labels y. */
#define AS_IDX                                                                                               \
    "save images x and labels y as IDX files in Python: for n, a in ((\"images\", x), (\"labels\", y)): "    \
    "open(n, \"wb\").write(bytes([0, 0, 8, a.ndim]) + b\"\".join(s.to_bytes(4, \"big\") for s in a.shape) "  \
    "+ a.astype(\"u1\").tobytes()); then --data images,labels"
#define AS_TEXT "save it as plain text (UTF-8)"
#define TORCH                                                                                                \
    {                                                                                                        \
        "a PyTorch file",                                                                                    \
            "convert its weights in Python: from safetensors.torch import save_file; import "                \
            "torch; d = torch.load(\"model.pth\", map_location=\"cpu\", weights_only=True); "                \
            "d = "                                                                                           \
            "d.get(\"state_dict\", d.get(\"model\", d)); save_file({k: v.clone().contiguous() "              \
            "for k, v in d.items() if torch.is_tensor(v)}, \"model.safetensors\")"                           \
    }
#define TIFF                                                                                                 \
    { "a TIFF image or a camera's raw file", PICTURE }
#define PICKLE                                                                                               \
    {                                                                                                        \
        "a Python pickle",                                                                                   \
            "of CIFAR take the binary version (cifar-10-binary.tar.gz); weights: save them "                 \
            "as safetensors",                                                                                \
            true                                                                                             \
    }

/* The first row that fits counts: special kinds before general ones. */
static const signature signatures[] = {
    {{"safetensors weights", "name them with --weights; --model takes the network"},
     AT(8, "{\""),
     .reader = RF_READER_WEIGHTS},
    {{"a Git LFS pointer", "fetch the file itself: git lfs pull", true}, TEXT("version https://git-lfs")},
    {{"a web page", DOWNLOAD}, TEXT("<!doctype html")},
    {{"a web page", DOWNLOAD}, TEXT("<html")},
    {{"a web page", DOWNLOAD}, TEXT("<head")},
    {{"an SVG drawing", PICTURE}, TEXT("<svg")},
    {{"an SVG drawing", PICTURE}, TEXT("<?xml"), .within = "<svg"},
    {{"an XML file", "if it was downloaded, look at it: it may hold a server's error"}, TEXT("<?xml")},
    {TORCH, AT(0, "PK\3\4"), .within = "/data.pkl"},
    {TORCH, AT(0, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19")}, /* PyTorch before 1.6 */
    {{"a NumPy archive (.npz)", AS_IDX, true}, AT(0, "PK\3\4"), .within = ".npy"},
    {{"an Excel workbook", "save the sheet as CSV"}, AT(0, "PK\3\4"), .within = "[Content_Types].xml"},
    {{"a zip archive", UNPACK, true}, AT(0, "PK\3\4")},
    {{"an empty zip archive", "make or fetch it again"}, AT(0, "PK\5\6")},
    {PICKLE, AT(0, "\x80\x02}")},
    {PICKLE, AT(0, "\x80\x02]")},
    {PICKLE, AT(0, "\x80\x02(")},
    {PICKLE, AT(0, "\x80\x02"
                   "c")},
    {PICKLE, AT(0, "\x80\x03")},
    {PICKLE, AT(0, "\x80\x04\x95")},
    {PICKLE, AT(0, "\x80\x05\x95")},
    {{"a NumPy array (.npy)", AS_IDX, true}, AT(0, "\x93NUMPY")},
    {{"an HDF5 file (Keras, MATLAB)", "weights are read as safetensors; " AS_IDX, true},
     AT(0, "\x89HDF\r\n\x1a\n")},
    {{"a MATLAB file", AS_IDX, true}, AT(0, "MATLAB 5.0")},
    {{"a Parquet table", AS_IDX, true}, AT(0, "PAR1")},
    {{"an Arrow table", AS_IDX, true}, AT(0, "ARROW1")},
    {{"an SQLite database", "export what is needed as text"}, AT(0, "SQLite format 3")},
    {{"a TensorBoard event file", "download the curve from TensorBoard as CSV"},
     AT(12, "\x09"),
     .within = "brain.Event"},
    {{"an ONNX model", "name it with --model, which takes its weights, too"},
     AT(0, "\x08"),
     .within = "onnx",
     .reader = RF_READER_MODEL},
    {{"an ONNX model", "name it with --model, which takes its weights, too"},
     AT(0, "\x08"),
     .within = "pytorch",
     .reader = RF_READER_MODEL},
    {{"a GGUF model", "weights are read as safetensors"}, AT(0, "GGUF")},
    {{"Python source", "a network is written in the model language (docs/model-language.md)"},
     TEXT("import ")},
    {{"Python source", "a network is written in the model language (docs/model-language.md)"}, TEXT("from ")},
    {{"a WebP image", PICTURE}, AT(8, "WEBP")},
    {{"an AVIF image", PICTURE}, AT(4, "ftypavi")},
    {{"a HEIC image", PICTURE}, AT(4, "ftyphe")},
    {{"a HEIC or AVIF image", PICTURE}, AT(4, "ftypmif1")},
    {{"a HEIC or AVIF image", PICTURE}, AT(4, "ftypmsf1")},
    {{"a camera's raw file", PICTURE}, AT(4, "ftypcrx")},
    {{"a film (MP4 or QuickTime)", "save its frames as PNG or JPEG"}, AT(4, "ftyp")},
    {{"a JPEG XL image", PICTURE}, AT(0, "\xff\x0a")},
    {{"a JPEG XL image", PICTURE}, AT(4, "JXL \r\n\x87\n")},
    {{"a JPEG 2000 image", PICTURE}, AT(4, "jP  \r\n\x87\n")},
    {TIFF, AT(0, "II*\0")},
    {TIFF, AT(0, "MM\0*")},
    {{"a GIF image", PICTURE}, AT(0, "GIF8")},
    {{"a Photoshop image", PICTURE}, AT(0, "8BPS")},
    {{"an icon", PICTURE}, AT(0, "\0\0\1\0"), .reader = RF_READER_IDX},
    {{"a DICOM image", PICTURE}, AT(128, "DICM")},
    {{"a JPEG image", "a data set is a folder with one sub-folder of images a class"},
     AT(0, "\xff\xd8\xff"),
     .reader = RF_READER_IMAGE},
    {{"a PNG image", "a data set is a folder with one sub-folder of images a class"},
     AT(0, "\x89PNG"),
     .reader = RF_READER_IMAGE},
    {{"a PDF document", "a curve is read as CSV or JSON, an image as PNG or JPEG"}, AT(0, "%PDF-")},
    {{"a gzip file", "unpack it: gunzip, or tar -xzf for a .tar.gz", true},
     AT(0, "\x1f\x8b"),
     .reader = RF_READER_IDX},
    {{"an xz file", "unpack it: unxz, or tar -xJf for a .tar.xz", true},
     AT(0, "\xfd"
           "7zXZ")},
    {{"a bzip2 file", "unpack it: bunzip2, or tar -xjf for a .tar.bz2", true}, AT(0, "BZh")},
    {{"a Zstandard file", "unpack it: unzstd", true}, AT(0, "\x28\xb5\x2f\xfd")},
    {{"a 7-Zip archive", UNPACK, true}, AT(0, "7z\xbc\xaf\x27\x1c")},
    {{"a RAR archive", UNPACK, true}, AT(0, "Rar!")},
    {{"a tar archive", UNPACK, true}, AT(257, "ustar")},
    {{"a table of pixels (CSV)", AS_IDX, true}, TEXT("label,pixel")},
    {{"a table of pixels (CSV)", AS_IDX, true}, TEXT("label,1x1")},
    {{"UTF-16 text", AS_TEXT}, AT(0, "\xff\xfe")},
    {{"UTF-16 text", AS_TEXT}, AT(0, "\xfe\xff")},
};

static const rf_file_kind nothing = {"empty", "make or fetch it again"},
                          zeros = {"nothing but zero bytes where it starts",
                                   "fetch it again: a download was not finished"};

/* Where a text begins, behind a byte order mark and blanks. */
static size_t text_start(const unsigned char *head, size_t length) {
    size_t at = length >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < length && isspace(head[at])) at++;
    return at;
}

static bool fits(const signature *s, const unsigned char *head, size_t length) {
    size_t start = s->text ? text_start(head, length) : s->offset;
    if (length < start + s->length) return false;
    const char *at = (const char *)head + start;
    bool same = s->text ? strncasecmp(at, s->bytes, s->length) == 0 : memcmp(at, s->bytes, s->length) == 0;
    return same && (s->within == NULL || memmem(head, length, s->within, strlen(s->within)) != NULL);
}

/* A look, which leaves the message alone; false: it cannot be read, or is no file. */
static bool read_head(unsigned char head[RF_KIND_HEAD], size_t *length, const char *path) {
    rf_error_hold();
    rf_status status = rf_file_read_head(head, length, NULL, path, RF_KIND_HEAD);
    rf_error_release();
    return status == RF_OK;
}

const rf_file_kind *rf_file_kind_of(const void *head, size_t length, rf_reader reader) {
    const unsigned char *bytes = head;
    length = RF_MIN(length, (size_t)RF_KIND_HEAD);
    if (length == 0) return &nothing;
    if (length >= 16 && bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0) return &zeros;
    for (size_t i = 0; i < RF_COUNT(signatures); i++) {
        const signature *s = &signatures[i];
        if (fits(s, bytes, length)) return s->reader == reader && reader != RF_READER_NONE ? NULL : &s->kind;
    }
    return NULL;
}

const rf_file_kind *rf_file_kind_at(const char *path, rf_reader reader) {
    unsigned char head[RF_KIND_HEAD];
    size_t length;
    return read_head(head, &length, path) ? rf_file_kind_of(head, length, reader) : NULL;
}

bool rf_file_kind_is_picture(const rf_file_kind *kind) {
    return strcmp(kind->advice, PICTURE) == 0;
}

rf_status rf_explain_bytes(rf_status status, const char *name, rf_reader reader, const void *head,
                           size_t length) {
    static const char *const expected[] = {
#define RF_READER_TEXT(name, text) text,
        RF_READER_MAP(RF_READER_TEXT)
#undef RF_READER_TEXT
    };
    const rf_file_kind *kind = status == RF_E_INPUT ? rf_file_kind_of(head, length, reader) : NULL;
    if (kind == NULL) return status;
    return rf_fail(status, "%s: is %s, not %s; %s", name, kind->what, expected[reader], kind->advice);
}

rf_status rf_explain_file(rf_status status, const char *path, rf_reader reader) {
    unsigned char head[RF_KIND_HEAD];
    size_t length;
    return status == RF_E_INPUT && read_head(head, &length, path)
               ? rf_explain_bytes(status, path, reader, head, length)
               : status;
}
