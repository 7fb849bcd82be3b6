/* How the image files of a data set are read: to one shape, by several threads that share a limit of memory. */
#ifndef RF_DATA_READER_H
#define RF_DATA_READER_H

#include "data/gate.h"
#include "data/image.h"

typedef struct rf_reader {
    int height, width, channels;
    rf_fit fit;
    bool no_exif;
    rf_gate gate; /* of all that is being decoded */
} rf_reader;

/* An image's header.  Errors: as of rf_image_probe; RF_E_INPUT where decoding needs more than the gate's total. */
rf_status rf_reader_probe(rf_image_info *out, rf_reader *reader, const char *path);
/* Decodes an image that was probed, and fits it.  Shape: out is (height, width, channels). */
rf_status rf_reader_read(uint8_t *out, rf_reader *reader, const char *path, const rf_image_info *info);

static inline int rf_upright_height(const rf_image_info *info) {
    return info->orientation >= 5 ? info->width : info->height;
}
static inline int rf_upright_width(const rf_image_info *info) {
    return info->orientation >= 5 ? info->height : info->width;
}

#endif
