/* PNG: stb_image decodes it; the chunks are walked here first, for the shape, EXIF's orientation, and what would
 * be decoded wrongly.  Source: https://www.w3.org/TR/png-3. */
#include <ctype.h>
#include <string.h>

#include "data/codec.h"
#include "data/stb.h"

enum { PALETTE = 3, GREY_ALPHA = 4 };

typedef struct png {
    int depth, colour;
    bool interlaced, ended, grey_palette;
} png;

static rf_status read_header(png *p, rf_image_info *info, const char *path, const uint8_t *data) {
    uint32_t width = rf_big(data, 4), height = rf_big(data + 4, 4);
    RF_TRY(rf_image_check_size(path, height, width));
    info->width = (int)width;
    info->height = (int)height;
    p->depth = data[8];
    p->colour = data[9];
    p->interlaced = data[12] != 0;
    info->deep = p->depth > 8;
    info->transparent = p->colour >= GREY_ALPHA;
    return RF_OK;
}

static bool is_grey(const uint8_t *rgb, size_t length) {
    for (size_t i = 0; i + 3 <= length; i += 3)
        if (rgb[i] != rgb[i + 1] || rgb[i] != rgb[i + 2]) return false;
    return true;
}

/* One chunk whose data is at hand. */
static rf_status read_chunk(png *p, rf_image_info *info, const char *path, const uint8_t *type,
                            size_t length) {
    const uint8_t *data = type + 4;
    if (memcmp(type, "CgBI", 4) == 0)
        return rf_fail(RF_E_INPUT, "%s: a PNG that Xcode changed for iPhones; save it as a common PNG", path);
    if (memcmp(type, "IHDR", 4) == 0 && length == 13) return read_header(p, info, path, data);
    if (memcmp(type, "PLTE", 4) == 0) p->grey_palette = is_grey(data, length);
    if (memcmp(type, "tRNS", 4) == 0) info->transparent = true;
    if (memcmp(type, "eXIf", 4) == 0) info->orientation = rf_exif_orientation(data, length);
    p->ended = memcmp(type, "IEND", 4) == 0;
    bool known = islower(type[0]) || p->ended || memcmp(type, "IDAT", 4) == 0 || memcmp(type, "PLTE", 4) == 0;
    return known ? RF_OK
                 : rf_fail(RF_E_INPUT, "%s: the image is damaged (a chunk that PNG does not have)", path);
}

/* A chunk is a length, a type, data, and a checksum.  Of a file's first bytes, no farther than the pixels. */
static rf_status walk(png *p, rf_image_info *info, const rf_image_bytes *file) {
    for (size_t at = 8; !p->ended;) {
        if (file->length - at < 12) return rf_image_cut_off(info, file);
        const uint8_t *chunk = file->data + at;
        size_t length = rf_big(chunk, 4);
        if (at == 8 && memcmp(chunk + 4, "IHDR", 4) != 0 && memcmp(chunk + 4, "CgBI", 4) != 0)
            return rf_fail(RF_E_INPUT, "%s: the image is damaged (a PNG without a header)", file->path);
        if (!file->whole && memcmp(chunk + 4, "IDAT", 4) == 0) return RF_OK;
        if (length > file->length - at - 12) return rf_image_cut_off(info, file);
        RF_TRY(read_chunk(p, info, file->path, chunk + 4, length));
        at += 12 + length;
    }
    return RF_OK;
}

static rf_status inspect(rf_image_info *info, const rf_image_bytes *file) {
    static const int samples_of[] = {1, 0, 3, 1, 2, 0, 4};
    png p = {0};
    info->orientation = 1;
    RF_TRY(walk(&p, info, file));
    if (info->unfinished) return RF_OK;
    uint64_t samples = p.colour < (int)RF_COUNT(samples_of) ? (uint64_t)samples_of[p.colour] : 0;
    if (samples == 0 || info->height == 0)
        return rf_fail(RF_E_INPUT, "%s: the image is damaged (a PNG of colour type %d)", file->path,
                       p.colour);
    info->channels = samples <= 2 && (p.colour != PALETTE || p.grey_palette) ? 1 : 3;
    uint64_t pixels = (uint64_t)info->height * (uint64_t)info->width, bytes = p.depth > 8 ? 2 : 1;
    uint64_t row = ((uint64_t)info->width * samples * (uint64_t)p.depth + 7) / 8 + 1;
    uint64_t decoded = row * (uint64_t)info->height + pixels * (samples + 1) * bytes;
    info->need_bytes = decoded * (p.interlaced ? 2 : 1) + 4 * pixels + (1 << 16);
    return RF_OK;
}

static rf_status decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    int channels = out->channels;
    if (channels == 1 && info->channels == 3) out->channels = 3; /* stb's grey is coarser than Pillow's */
    RF_TRY(rf_stb_decode(out, info, file));
    if (out->channels == channels) return RF_OK;
    uint8_t *to = out->pixels;
    for (size_t i = 0, n = (size_t)out->height * (size_t)out->width; i < n; i++)
        to = rf_image_put(to, channels, out->pixels + 3 * i);
    out->channels = channels;
    return RF_OK;
}

static bool claims(const uint8_t *data, size_t length) {
    return length >= 8 && memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0;
}

const rf_codec rf_codec_png = {
    .endings = "png",
    .distinct = true,
    .claims = claims,
    .inspect = inspect,
    .decode = decode,
};
