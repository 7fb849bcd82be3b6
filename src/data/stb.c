/* stb_image, compiled for JPEG, PNG, BMP and PNM alone, from memory alone.
 * Whatever a file claims, no block is larger than the largest honest one, and each starts as zeros: the
 * decoder reads tables that a damaged file never filled.  Warnings about its code are off (CMakeLists.txt).
 */
#include "data/stb.h"

#include <stddef.h>
#include <stdlib.h>

enum { MAX_BLOCK = 256 << 20 };

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_GIF
#define STBI_NO_HDR
#define STBI_NO_PIC
#define STBI_NO_PSD
#define STBI_NO_TGA
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_ASSERT(condition)  ((void)0)
#define STBI_MALLOC(size)       ((size) > MAX_BLOCK ? NULL : calloc((size), 1))
#define STBI_REALLOC(old, size) ((size) > MAX_BLOCK ? NULL : realloc((old), (size)))
#define STBI_FREE(old)          free(old)
#include <stb/stb_image.h>

bool rf_stb_info(const uint8_t *data, int length, int *width, int *height, int *channels) {
    return stbi_info_from_memory(data, length, width, height, channels);
}

uint8_t *rf_stb_decode(const uint8_t *data, int length, int *width, int *height, int channels) {
    int own;
    return stbi_load_from_memory(data, length, width, height, &own, channels);
}

const char *rf_stb_reason(void) {
    const char *reason = stbi_failure_reason();
    return reason != NULL ? reason : "unknown reason";
}
