/* Single images: files (codec_list.h) as 8-bit pixels, and pixels fitted to another size. */
#ifndef RF_DATA_IMAGE_H
#define RF_DATA_IMAGE_H

#include "base/base.h"
#include "rangefinder/dataset.h"

typedef struct rf_image {
    int height, width, channels; /* of the pixels as they are stored */
    int orientation;             /* EXIF's, 1..8: how rf_image_fit turns them upright; 0 and 1: not at all */
    uint8_t *pixels;             /* (height, width, channels); free() it */
} rf_image;

/* Grey of a colour.  Source: ITU-R 601 in the fixed point of Pillow's convert("L"). */
static inline uint8_t rf_luma(const uint8_t rgb[3]) {
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

/* What a file's header says. */
typedef struct rf_image_info {
    int height, width;   /* as stored */
    int channels;        /* 1 grey, 3 colour */
    int orientation;     /* EXIF's, 1..8 */
    bool deep;           /* more than 8 bits a value, reduced to 8 */
    bool transparent;    /* transparency is dropped, not composited */
    bool cmyk;           /* converted to RGB without a colour profile */
    bool adobe;          /* a JPEG with Adobe's marker, which names its colours */
    bool reducible;      /* can be reduced while it is decoded */
    int reduction;       /* 1, or 2, 4, 8: decoded at that fraction of its size */
    uint64_t need_bytes; /* the most memory that reading takes, the file included */
    bool unfinished;     /* the header goes on behind the bytes that were given */
} rf_image_info;

/* Reads no more of a file than its header needs. Errors: like rf_image_read. */
rf_status rf_image_probe(rf_image_info *out, const char *path);

/* Reads an image file.  channels: 1 grey, 3 colour, 0 whichever it is.  Range: 128 Mi pixels, files of 1 GiB;
 * time and memory are bounded by a small multiple of the file's bytes and pixels.  Errors: RF_E_IO,
 * RF_E_INPUT, naming the file; RF_E_MEMORY. */
rf_status rf_image_read(rf_image *out, const char *path, int channels);
/* The same, of an image that will be fitted to height x width (0: of its own size): where that is less than an eighth
 * of it, a JPEG is reduced while it is decoded, to four times that size or more. */
rf_status rf_image_read_for(rf_image *out, const char *path, int channels, int height, int width);
/* By how much it will be reduced: 1, 2, 4, 8. */
int rf_image_reduction(const rf_image_info *info, int height, int width);
/* Whether the name has the extension of an image that can be read. */
bool rf_image_is_name(const char *name);
/* Whether the file has an image's unambiguous magic bytes, like a JPEG or PNG, whatever its name. */
bool rf_image_is_content(const char *path);
extern const char *const rf_image_kinds;     /* "JPEG, PNG, BMP, PNM", for messages */
extern const char *const rf_image_libraries; /* what reads them, for --version */

/* ---- fitting (resize.c) ---- */

/* Resizes with a triangle filter, widened when shrinking so that every pixel counts (what Pillow calls
 * BILINEAR, and torchvision "bilinear" with antialias=True).  Shape: out is (height, width, in->channels). */
rf_status rf_image_resize(uint8_t *out, int height, int width, const rf_image *in);
/* Turns an image upright and makes it height x width, as `how` says where its aspect ratio is another. */
rf_status rf_image_fit(uint8_t *out, int height, int width, const rf_image *in, rf_fit how);
/* Whether the aspect ratios of height x width (upright) and target_height x target_width differ, so that `how` matters.
 */
bool rf_image_aspect_differs(int height, int width, int target_height, int target_width);

#endif
