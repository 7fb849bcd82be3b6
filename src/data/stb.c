/* stb_image, compiled for JPEG and PNG alone, from memory alone.
 * Whatever a file claims, no block is larger than what its header calls for, and each starts as zeros: the
 * decoder reads tables that a damaged file never filled.  Warnings about its code are off (CMakeLists.txt). */
#include "data/stb.h"

#include <stdlib.h>

/* Its allocations say nothing of why they failed, and take no context. */
static _Thread_local struct {
    uint64_t largest;
    bool too_large, out_of_memory;
} blocks;

static bool allowed(size_t size) {
    blocks.too_large |= size > blocks.largest;
    return size <= blocks.largest;
}

static void *judge(void *block) {
    blocks.out_of_memory |= block == NULL;
    return block;
}

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ASSERT(condition)  ((void)0)
#define STBI_MALLOC(size)       (allowed(size) ? judge(calloc((size), 1)) : NULL)
#define STBI_REALLOC(old, size) (allowed(size) ? judge(realloc((old), (size))) : NULL)
#define STBI_FREE(old)          free(old)
#include <stb/stb_image.h>

rf_status rf_stb_decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    int width = 0, height = 0, own;
    blocks.largest = info->need_bytes;
    blocks.too_large = blocks.out_of_memory = false;
    stbi__g_failure_reason = NULL;
    uint8_t *pixels =
        stbi_load_from_memory(file->data, (int)file->length, &width, &height, &own, out->channels);
    if (pixels != NULL && width == info->width && height == info->height) {
        out->pixels = pixels;
        return RF_OK;
    }
    const char *reason = pixels != NULL ? "it claims two sizes" : stbi_failure_reason();
    free(pixels);
    if (blocks.out_of_memory)
        return rf_fail(RF_E_MEMORY, "%s: out of memory while decoding %dx%d pixels", file->path, info->width,
                       info->height);
    if (blocks.too_large) reason = "its data is more than its size has room for";
    return rf_fail(RF_E_INPUT, "%s: the image is damaged (%s)", file->path,
                   reason != NULL ? reason : "no reason known");
}
