/* stb_image behind one function.  For data that was validated before: see jpeg.c and png.c. */
#ifndef RF_DATA_STB_H
#define RF_DATA_STB_H

#include "data/codec.h"

/* Decodes to 8-bit pixels of out->channels, holding no block larger than info->need_bytes. */
rf_status rf_stb_decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file);

#endif
