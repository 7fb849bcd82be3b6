/* WebP: libwebp decodes it; the chunks are walked here first, for a missing end and EXIF's orientation.
 * Source: https://developers.google.com/speed/webp/docs/riff_container. */
#include <string.h>
#include <webp/decode.h>

#include "data/codec.h"

enum { HEADER = 12, CHUNK = 8 };

/* Looks for EXIF's chunk, which lies behind the pixels. */
static rf_status walk(rf_image_info *info, const rf_image_bytes *file) {
    const uint8_t *data = file->data;
    if (file->length < HEADER) return rf_image_cut_off(info, file);
    const size_t end = (size_t)rf_little(data + 4, 4) + CHUNK;
    if (end > file->length) return rf_image_cut_off(info, file);
    for (size_t at = HEADER, length; end - at >= CHUNK && at < end; at += CHUNK + length) {
        length = rf_round_up(rf_little(data + at + 4, 4), 2);
        if (length > end - at - CHUNK) break;
        const uint8_t *chunk = data + at + CHUNK;
        const size_t marked = length > 6 && memcmp(chunk, "Exif\0\0", 6) == 0 ? 6 : 0;
        if (memcmp(data + at, "EXIF", 4) == 0)
            info->orientation = rf_exif_orientation(chunk + marked, length - marked);
    }
    return RF_OK;
}

static rf_status inspect(rf_image_info *info, const rf_image_bytes *file) {
    WebPBitstreamFeatures features;
    info->orientation = 1;
    RF_TRY(walk(info, file));
    if (info->unfinished) return RF_OK;
    const VP8StatusCode code = WebPGetFeatures(file->data, file->length, &features);
    if (code != VP8_STATUS_OK)
        return rf_fail(RF_E_INPUT, "%s: the image is damaged (libwebp says %d of its header)", file->path,
                       code);
    if (features.has_animation)
        return rf_fail(RF_E_INPUT, "%s: an animated WebP, which cannot be read; save one of its pictures",
                       file->path);
    RF_TRY(rf_image_check_size(file->path, (uint64_t)features.height, (uint64_t)features.width));
    info->height = features.height;
    info->width = features.width;
    info->channels = 3;
    info->transparent = features.has_alpha;
    info->need_bytes =
        11 * (uint64_t)info->height * (uint64_t)info->width; /* lossless: two copies of 4 bytes a pixel */
    return RF_OK;
}

static rf_status decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    const size_t pixels = (size_t)info->height * (size_t)info->width;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return rf_fail(RF_E_INPUT, "%s: another libwebp than at build time", file->path);
    uint8_t *rgb = rf_alloc(pixels, 3);
    if (rgb == NULL) return RF_E_MEMORY;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = rgb;
    config.output.u.RGBA.stride = 3 * info->width;
    config.output.u.RGBA.size = 3 * pixels;
    const VP8StatusCode code = WebPDecode(file->data, file->length, &config);
    out->pixels = rgb;
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return rf_fail(RF_E_MEMORY, "%s: out of memory while decoding %dx%d pixels", file->path, info->width,
                       info->height);
    if (code != VP8_STATUS_OK)
        return rf_fail(RF_E_INPUT, "%s: the image is damaged (libwebp says %d)", file->path, code);
    for (size_t i = 0; out->channels == 1 && i < pixels; i++) rgb[i] = rf_luma(rgb + 3 * i);
    return RF_OK;
}

static bool claims(const uint8_t *data, size_t length) {
    return length >= HEADER && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0;
}

const rf_codec rf_codec_webp = {
    .endings = "webp",
    .distinct = true,
    .claims = claims,
    .inspect = inspect,
    .decode = decode,
};
