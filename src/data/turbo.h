/* libjpeg-turbo behind one function.  For data that was validated before: see jpeg.c. */
#ifndef RF_DATA_TURBO_H
#define RF_DATA_TURBO_H

#include "data/codec.h"

/* Decodes, at 1/info->reduction of the size, to the pixels of libjpeg's defaults, which are Pillow's and torchvision's.
 * Errors: RF_E_MEMORY; RF_E_INPUT, without a message, where it complains of the file: out->pixels may be there then. */
rf_status rf_turbo_decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file);

#endif
