/* Shared by the readers of image files: common checks, and allocation of the pixels. */
#include "data/codec.h"

enum { MAX_PIXELS = 128 << 20 };

rf_status rf_image_cut_off(rf_image_info *info, const rf_image_bytes *file) {
    info->unfinished = !file->whole;
    if (info->unfinished) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: the file is cut off after %zu bytes: its end is missing", file->path,
                   file->length);
}

rf_status rf_image_check_size(const char *path, uint64_t height, uint64_t width) {
    if (width == 0 || height == 0) return rf_fail(RF_E_INPUT, "%s: the image has no pixels", path);
    if (height <= MAX_PIXELS && width <= MAX_PIXELS && height * width <= MAX_PIXELS) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: claims %llux%llu pixels, more than the %d million that an image may have",
                   path, (unsigned long long)width, (unsigned long long)height, MAX_PIXELS / 1000000);
}

rf_status rf_image_allocate(rf_image *out) {
    out->pixels = rf_alloc((size_t)out->height * (size_t)out->width, (size_t)out->channels);
    return out->pixels != NULL ? RF_OK : RF_E_MEMORY;
}
