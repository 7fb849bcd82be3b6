/* The interface of image readers (codecs), and what they share: each validates a header, and decodes. */
#ifndef RF_DATA_CODEC_H
#define RF_DATA_CODEC_H

#include "data/image.h"

/* The bytes of a file, or only its first ones. */
typedef struct rf_image_bytes {
    const char *path; /* for messages */
    const uint8_t *data;
    size_t length;
    uint64_t size; /* of the file */
    bool whole;    /* all bytes are there */
} rf_image_bytes;

typedef struct rf_codec {
    const char *endings; /* of names, in small letters: "jpg jpeg" */
    bool distinct;       /* its magic bytes are unambiguous: they count whatever the name */
    bool (*claims)(const uint8_t *data, size_t length); /* by the first bytes */
    /* Fills info, which is zeroed, and checks all that can be checked without decoding.  Where bytes
     * are missing that the file may still have (!whole), sets info->unfinished.  need_bytes is that of decoding
     * alone. */
    rf_status (*inspect)(rf_image_info *info, const rf_image_bytes *file);
    /* out->channels is 1 or 3, as wanted, and pixels are made. */
    rf_status (*decode)(rf_image *out, const rf_image_info *info, const rf_image_bytes *file);
} rf_codec;

/* For a premature end of the bytes: sets `unfinished`, or returns an error. */
rf_status rf_image_cut_off(rf_image_info *info, const rf_image_bytes *file);
/* Errors: RF_E_INPUT where there is no pixel, or more of them than an image may have. */
rf_status rf_image_check_size(const char *path, uint64_t height, uint64_t width);
/* Allocates the pixels of out, zeroed. */
rf_status rf_image_allocate(rf_image *out);
/* One pixel of 8-bit RGB, written as grey or colour. */
static inline uint8_t *rf_image_put(uint8_t *to, int channels, const uint8_t rgb[3]) {
    if (channels == 1) {
        *to = rf_luma(rgb);
        return to + 1;
    }
    to[0] = rgb[0], to[1] = rgb[1], to[2] = rgb[2];
    return to + 3;
}

/* EXIF's orientation, 1..8, from a TIFF block; 1 where it has none (exif.c). */
int rf_exif_orientation(const uint8_t *tiff, size_t length);

static inline uint32_t rf_big(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++) value = value << 8 | bytes[i];
    return value;
}
static inline uint32_t rf_little(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    while (count-- > 0) value = value << 8 | bytes[count];
    return value;
}

#endif
