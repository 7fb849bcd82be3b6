/* stb_image behind three functions.  It is for data that somebody looked at before: see image.c. */
#ifndef RF_DATA_STB_H
#define RF_DATA_STB_H

#include <stdbool.h>
#include <stdint.h>

/* The shape that the header claims; height is negative for a BMP stored from the top down. */
bool rf_stb_info(const uint8_t *data, int length, int *width, int *height, int *channels);
/* Decodes to 8-bit pixels (height, width, channels); free() them. */
uint8_t *rf_stb_decode(const uint8_t *data, int length, int *width, int *height, int channels);
/* Why the last of them failed on this thread; may quote bytes of the data.  Never NULL. */
const char *rf_stb_reason(void);

#endif
