/* libjpeg-turbo, where it is installed. */
#include "data/turbo.h"

#include <stdlib.h>
#include <turbojpeg.h>

/* Colours become grey as Pillow's convert("L") does. */
static void make_grey(rf_image *image, size_t pixels) {
    for (size_t i = 0; i < pixels; i++) image->pixels[i] = rf_luma(image->pixels + 3 * i);
    image->channels = 1;
}

bool rf_turbo_decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    const tjscalingfactor scale = {1, info->reduction};
    const int height = TJSCALED(info->height, scale), width = TJSCALED(info->width, scale);
    const bool grey = out->channels == 1 && info->channels == 3;
    const int channels = grey ? 3 : out->channels;
    const size_t pixels = (size_t)height * (size_t)width;
    int own_height = 0, own_width = 0, sampling, colours, status;
    bool complains = true;
    tjhandle decoder = tjInitDecompress();
    uint8_t *buffer = malloc(pixels * (size_t)channels);
    if (decoder == NULL || buffer == NULL) goto done;
    tjDecompressHeader3(decoder, file->data, file->length, &own_width, &own_height, &sampling, &colours);
    if (own_width != info->width || own_height != info->height) goto done;
    status = tjDecompress2(decoder, file->data, file->length, buffer, width, 0, height,
                           channels == 1 ? TJPF_GRAY : TJPF_RGB, 0);
    if (status != 0 && tjGetErrorCode(decoder) != TJERR_WARNING) goto done;
    complains = status != 0;
    *out = (rf_image){height, width, channels, out->orientation, buffer};
    buffer = NULL;
    if (grey) make_grey(out, pixels);
done:
    if (decoder != NULL) tjDestroy(decoder);
    free(buffer);
    return !complains;
}
