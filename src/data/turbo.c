/* libjpeg-turbo, where it is installed. */
#include "data/turbo.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

/* Colours become grey as Pillow's convert("L") does. */
static void make_grey(rf_image *image, size_t pixels) {
    for (size_t i = 0; i < pixels; i++) image->pixels[i] = rf_luma(image->pixels + 3 * i);
    image->channels = 1;
}

/* libjpeg has no code for it. */
static rf_status cause_of(tjhandle decoder) {
    return strstr(tjGetErrorStr2(decoder), "memory") != NULL ? RF_E_MEMORY : RF_E_INPUT;
}

static rf_status decode(rf_image *out, tjhandle decoder, const rf_image_info *info,
                        const rf_image_bytes *file) {
    const tjscalingfactor scale = {1, info->reduction};
    const int height = TJSCALED(info->height, scale), width = TJSCALED(info->width, scale);
    const bool grey = out->channels == 1 && info->channels == 3;
    const int channels = grey ? 3 : out->channels;
    const size_t pixels = (size_t)height * (size_t)width;
    int own_height = 0, own_width = 0, sampling, colours;
    if (tjDecompressHeader3(decoder, file->data, file->length, &own_width, &own_height, &sampling,
                            &colours) != 0 &&
        own_width == 0)
        return cause_of(decoder);
    if (own_width != info->width || own_height != info->height) return RF_E_INPUT;
    uint8_t *buffer = rf_alloc(pixels, (size_t)channels);
    if (buffer == NULL) return RF_E_MEMORY;
    const bool failed = tjDecompress2(decoder, file->data, file->length, buffer, width, 0, height,
                                      channels == 1 ? TJPF_GRAY : TJPF_RGB, 0) != 0;
    if (failed && tjGetErrorCode(decoder) != TJERR_WARNING) {
        free(buffer);
        return cause_of(decoder);
    }
    *out = (rf_image){height, width, channels, out->orientation, buffer};
    if (grey) make_grey(out, pixels);
    return failed ? RF_E_INPUT : RF_OK;
}

rf_status rf_turbo_decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    tjhandle decoder = tjInitDecompress();
    rf_status status = decoder != NULL ? decode(out, decoder, info, file) : RF_E_MEMORY;
    if (decoder != NULL) tjDestroy(decoder);
    if (status != RF_E_MEMORY) return status;
    return rf_fail(RF_E_MEMORY, "%s: out of memory while decoding %dx%d pixels", file->path, info->width,
                   info->height);
}
