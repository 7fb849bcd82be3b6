/* Single images: files (JPEG, PNG, BMP, PNM) as 8-bit pixels, and their size changed. */
#ifndef RF_DATA_IMAGE_H
#define RF_DATA_IMAGE_H

#include "base/base.h"

typedef struct rf_image {
    int height, width, channels;
    uint8_t *pixels; /* (height, width, channels); free() it */
} rf_image;

/* Reads an image file.  channels: 1 grey, 3 colour, 0 whichever it is.  Transparency is dropped, not
 * composited, and EXIF's orientation ignored.  A file of more than 64 MB, or 64 M values (height * width *
 * channels), is refused. Errors: RF_E_IO, RF_E_INPUT, naming the file. */
rf_status rf_image_read(rf_image *out, const char *path, int channels);
/* Does the name end like that of an image that can be read? */
bool rf_image_is_name(const char *name);
extern const char rf_image_kinds[]; /* "JPEG, PNG, BMP, PNM", for messages */

/* Resizes with a triangle filter, widened when shrinking so that every pixel counts (what Pillow calls
 * BILINEAR, and torchvision "bilinear" with antialias=True).  Shape: out is (height, width, in->channels). */
rf_status rf_image_resize(uint8_t *out, int height, int width, const rf_image *in);

#endif
