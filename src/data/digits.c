/* "digits": the data set inside the library, 1,797 handwritten digits of 8x8 pixels.
 * Source: Optical Recognition of Handwritten Digits (its test half), E. Alpaydin and C. Kaynak, UCI Machine
 * Learning Repository, CC BY 4.0, doi 10.24432/C50P49.  A line holds 64 values 0..16 in row order, and the
 * label. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/embedded.h"
#include "data/format.h"

enum { SIDE = 8, LARGEST = 16, CLASSES = 10, MAX_TEXT = 1 << 22 };

static rf_status claims(bool *mine, const char *spec) {
    *mine = strcmp(spec, "digits") == 0 || strcmp(spec, "digits:") == 0;
    return RF_OK;
}

/* gzip's last four bytes are the length of the text. */
static rf_status inflate_text(char **out, const rf_embedded *asset) {
    const unsigned char *tail = asset->data + asset->length - 4;
    size_t length =
        asset->length < 4 ? MAX_TEXT : tail[0] | tail[1] << 8 | tail[2] << 16 | (size_t)tail[3] << 24;
    if (length >= MAX_TEXT) return rf_fail(RF_E_INPUT, "digits: the embedded data set is damaged");
    char *text = rf_alloc(length + 1, 1);
    if (text == NULL) return RF_E_MEMORY;
    z_stream stream = {.next_in = (unsigned char *)asset->data,
                       .avail_in = (unsigned)asset->length,
                       .next_out = (unsigned char *)text,
                       .avail_out = (unsigned)length};
    enum { GZIP = 16 };
    int code = inflateInit2(&stream, MAX_WBITS + GZIP);
    if (code == Z_OK) {
        code = inflate(&stream, Z_FINISH);
        inflateEnd(&stream);
    }
    if (code != Z_STREAM_END) {
        free(text);
        return code == Z_MEM_ERROR ? rf_fail_errno(ENOMEM, "digits")
                                   : rf_fail(RF_E_INPUT, "digits: the embedded data set is damaged");
    }
    *out = text;
    return RF_OK;
}

/* Reads one value of a line and the separator behind it; -1: there is none in 0..largest. */
static long value(char **text, long largest) {
    char *end;
    long v = strtol(*text, &end, 10);
    if (end == *text || v < 0 || v > largest) return -1;
    *text = end + (*end == ',' || *end == '\n');
    return v;
}

static rf_status parse(rf_dataset *dataset, char *text) {
    for (int i = 0; i < dataset->count; i++) {
        for (int p = 0; p < SIDE * SIDE; p++) {
            long v = value(&text, LARGEST);
            if (v < 0) return rf_fail(RF_E_INPUT, "digits: line %d is damaged", i + 1);
            dataset->pixels[i * SIDE * SIDE + p] = (uint8_t)((v * 255 + LARGEST / 2) / LARGEST);
        }
        long label = value(&text, CLASSES - 1);
        if (label < 0) return rf_fail(RF_E_INPUT, "digits: line %d is damaged", i + 1);
        dataset->labels[i] = (int32_t)label;
    }
    return RF_OK;
}

static rf_status open_digits(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    rf_status status = RF_OK;
    char *text = NULL;
    rf_data_shape shape = {.channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES};
    (void)spec, (void)options;
    const rf_embedded *asset = rf_embedded_find(rf_embedded_assets, "digits.csv.gz");
    if (asset == NULL) return rf_fail(RF_E_INPUT, "digits: this build has no embedded data set");
    RF_TRY(inflate_text(&text, asset));
    for (const char *c = text; *c != '\0'; c++) shape.count += *c == '\n';
    if ((status = rf_dataset_create(out, "digits", shape)) == RF_OK) status = parse(*out, text);
    free(text);
    return status;
}

const rf_data_format rf_data_format_digits = {
    .spec = "digits (embedded)",
    .name = "digits:",
    .claims = claims,
    .open = open_digits,
};
