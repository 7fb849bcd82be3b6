/* Image files.  stb_image decodes them, but its own checks are not enough for files that nobody trusts.
 * Checked here, before it decodes: the size in memory; cut-off BMP and PNM files, whose missing pixels it
 * would invent; PNM files of other depths, which it reads wrongly; JPEG files whose Huffman tables overflow
 * its own, or that repeat a scan thousands of times. */
#include "data/image.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/stb.h"

enum { MAX_FILE = 64 << 20, MAX_VALUES = 64 << 20, MAX_JPEG_SCANS = 256, MAX_JPEG_CODES = 256 };

const char rf_image_kinds[] = "JPEG, PNG, BMP, PNM";

bool rf_image_is_name(const char *name) {
    static const char *const endings[] = {"jpg", "jpeg", "png", "bmp", "ppm", "pgm", "pnm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < RF_COUNT(endings); i++)
        if (strcasecmp(dot + 1, endings[i]) == 0) return true;
    return false;
}

/* One of stb's reasons quotes bytes of the file. */
static rf_status damaged(const char *path, const char *what) {
    char reason[80];
    snprintf(reason, sizeof reason, "%s", rf_stb_reason());
    for (char *c = reason; *c != '\0'; c++)
        if (!isprint((unsigned char)*c)) *c = '?';
    return rf_fail(RF_E_INPUT, "%s: %s (%s)", path, what, reason);
}

static uint32_t little(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    while (count-- > 0) value = value << 8 | bytes[count];
    return value;
}

static uint32_t big(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* BMP: the rows, each a multiple of 4 bytes (the last one's padding may be missing), lie at an offset of the
 * header. */
static rf_status check_bmp(const char *path, const uint8_t *data, size_t length, const rf_image *image) {
    if (length < 30) return rf_fail(RF_E_INPUT, "%s: the file is cut off", path);
    bool old = little(data + 14, 4) == 12;
    uint64_t offset = little(data + 10, 4), bits = little(data + (old ? 24 : 28), 2) * (uint64_t)image->width;
    uint64_t needed = offset + (bits + 31) / 32 * 4 * (uint64_t)(image->height - 1) + (bits + 7) / 8;
    if (needed <= length) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: the file is cut off: %zu of %llu bytes", path, length,
                   (unsigned long long)needed);
}

/* PNM: "P5" or "P6", width, height, largest value; comments from # to the end of a line; one blank, then the
 * pixels. */
static rf_status check_pnm(const char *path, const uint8_t *data, size_t length, const rf_image *image) {
    size_t at = 2;
    unsigned long number = 0;
    for (int i = 0; i < 3; i++) {
        while (at < length && (isspace(data[at]) || data[at] == '#'))
            if (data[at++] == '#')
                while (at < length && data[at] != '\n' && data[at] != '\r') at++;
        for (number = 0; at < length && isdigit(data[at]); at++)
            number = RF_MIN(number * 10 + (data[at] - '0'), (unsigned long)MAX_VALUES);
    }
    if (number != 255)
        return rf_fail(RF_E_INPUT, "%s: its largest value is %lu, but only PNM files with 255 can be read",
                       path, number);
    size_t needed = at + 1 + (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    if (needed <= length) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: the file is cut off: %zu of %zu bytes", path, length, needed);
}

/* A segment of Huffman tables: each is a byte, 16 counts, and as many codes as they add up to.  The last one
 * may reach beyond the segment, as the decoder only asks before each. */
static rf_status check_huffman(const char *path, const uint8_t *data, size_t segment, size_t length) {
    for (size_t at = 0, codes; at < segment; at += 17 + codes) {
        codes = 0;
        for (size_t i = at + 1; i <= at + 16 && i < length; i++) codes += data[i];
        if (codes > MAX_JPEG_CODES)
            return rf_fail(RF_E_INPUT, "%s: the image is damaged (a Huffman table of %zu codes)", path,
                           codes);
    }
    return RF_OK;
}

/* JPEG: walks the segments as the decoder will: FF, a marker, mostly a length; between them anything.  In the
 * data of a scan FF is followed by 0 or a restart marker.  Each scan costs a pass over the whole image. */
static rf_status check_jpeg(const char *path, const uint8_t *data, size_t length) {
    size_t scans = 0;
    for (size_t at = 0; at + 4 <= length;) {
        const uint8_t *next = memchr(data + at, 0xFF, length - at);
        if (next == NULL) break;
        for (at = (size_t)(next - data); at < length && data[at] == 0xFF;) at++;
        if (at + 3 > length) break;
        uint8_t marker = data[at++];
        if (marker < 0xC0 || (marker >= 0xD0 && marker <= 0xD8)) continue;
        if (marker == 0xD9) break; /* the end */
        size_t segment = (size_t)data[at] << 8 | data[at + 1], end = RF_MIN(at + RF_MAX(segment, 2), length);
        if (marker == 0xC4) RF_TRY(check_huffman(path, data + at + 2, end - at - 2, length - at - 2));
        scans += marker == 0xDA;
        at = end;
    }
    if (scans <= MAX_JPEG_SCANS) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: has %zu scans, more than the %d that a JPEG file may have", path, scans,
                   MAX_JPEG_SCANS);
}

static rf_status check_size(const char *path, uint64_t width, uint64_t height, uint64_t channels) {
    if (width == 0 || height == 0) return rf_fail(RF_E_INPUT, "%s: the image has no pixels", path);
    if (width <= MAX_VALUES && height <= MAX_VALUES && width * height * channels <= MAX_VALUES) return RF_OK;
    return rf_fail(RF_E_INPUT,
                   "%s: claims %llux%llu pixels, more than the %d million values an image may have", path,
                   (unsigned long long)width, (unsigned long long)height, MAX_VALUES >> 20);
}

/* Everything that can be told before decoding; fills the image's shape as the file has it. */
static rf_status inspect(rf_image *image, const char *path, const uint8_t *data, size_t length) {
    if (length == 0) return rf_fail(RF_E_INPUT, "%s: the file is empty", path);
    /* A PNG that is too large stb calls no image at all. */
    if (length >= 24 && memcmp(data, "\x89PNG", 4) == 0 && memcmp(data + 12, "IHDR", 4) == 0)
        RF_TRY(check_size(path, big(data + 16), big(data + 20), 1));
    if (data[0] == 0xFF) RF_TRY(check_jpeg(path, data, length)); /* before anything reads its tables */
    if (!rf_stb_info(data, (int)length, &image->width, &image->height, &image->channels))
        return damaged(path, "not a JPEG, PNG, BMP or PNM image that can be read");
    if (image->height < 0 && image->height > INT_MIN)
        image->height = -image->height; /* BMP from the top down */
    RF_TRY(check_size(path, (uint64_t)RF_MAX(image->width, 0), (uint64_t)RF_MAX(image->height, 0),
                      (uint64_t)image->channels));
    if (data[0] == 'B') return check_bmp(path, data, length, image);
    if (data[0] == 'P') return check_pnm(path, data, length, image);
    return RF_OK; /* the decoder itself misses what is missing of a PNG or JPEG */
}

rf_status rf_image_read(rf_image *out, const char *path, int channels) {
    rf_status status = RF_OK;
    void *data = NULL;
    size_t length = 0;
    int width, height;
    rf_image image = {0};
    *out = image;
    RF_TRY(rf_file_read(&data, &length, path, MAX_FILE));
    if ((status = inspect(&image, path, data, length)) != RF_OK) goto done;
    image.channels = channels > 0 ? channels : image.channels >= 3 ? 3 : 1;
    image.pixels = rf_stb_decode(data, (int)length, &width, &height, image.channels);
    if (image.pixels == NULL) {
        status = damaged(path, "the image is damaged or of a kind that cannot be read");
    } else if (width != image.width || height != image.height) {
        free(image.pixels);
        status = rf_fail(RF_E_INPUT, "%s: the image is damaged: it claims two sizes", path);
    } else
        *out = image;
done:
    free(data);
    return status;
}
