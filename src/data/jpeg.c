/* JPEG: libjpeg-turbo decodes it where it is installed, else stb_image, but the markers are walked here first, since
 * decoders trust them.  Found here: the shape, EXIF's orientation, kinds that cannot be decoded, Huffman tables that would overflow the
 * decoder's, a missing end, and scans that cost far more than the file is worth.  Source: ITU-T T.81, annex B. */
#include <stdlib.h>
#include <string.h>

#include "data/codec.h"
#include "data/stb.h"
#include "data/turbo.h"

enum { MAX_CODES = 256, MAX_COMPONENTS = 4, TABLE_BYTES = 1 << 17 };

/* Each scan costs a pass over its components' samples, though it may be a few bytes long.  What encoders write
 * passes over all samples some 6 times; more is allowed as far as the file has bytes for it. */
enum { FREE_PASSES = 12, SAMPLES_PER_BYTE = 256 };

typedef struct component {
    int id, h, v;
    uint64_t samples; /* with the padding to whole blocks */
} component;

typedef struct jpeg {
    int component_count;
    component components[MAX_COMPONENTS];
    bool progressive, ended;
    size_t scans;
    uint64_t samples, work; /* of all components; in all scans */
} jpeg;

/* A segment of Huffman tables: each is a byte, 16 counts, and as many codes as they add up to.  The last one
 * may reach beyond the segment, as the decoder only asks before each. */
static rf_status check_huffman(const char *path, const uint8_t *data, size_t segment, size_t length) {
    for (size_t at = 0, codes; at < segment; at += 17 + codes) {
        codes = 0;
        for (size_t i = at + 1; i <= at + 16 && i < length; i++) codes += data[i];
        if (codes > MAX_CODES)
            return rf_fail(RF_E_INPUT, "%s: the image is damaged (a Huffman table of %zu codes)", path,
                           codes);
    }
    return RF_OK;
}

/* SOF: precision, height, width, the components with their sampling. */
static rf_status read_frame(jpeg *j, rf_image_info *info, const char *path, const uint8_t *data,
                            size_t length) {
    int h_max = 1, v_max = 1;
    if (length < 6 || length < 6 + 3 * (size_t)data[5])
        return rf_fail(RF_E_INPUT, "%s: the image is damaged (its frame header is too short)", path);
    if (data[0] != 8)
        return rf_fail(RF_E_INPUT, "%s: a JPEG of %d bits a value, but only 8 can be read; save it as PNG",
                       path, data[0]);
    info->height = (int)rf_big(data + 1, 2);
    info->width = (int)rf_big(data + 3, 2);
    RF_TRY(rf_image_check_size(path, (uint64_t)info->height, (uint64_t)info->width));
    j->component_count = data[5];
    if (j->component_count != 1 && j->component_count != 3 && j->component_count != 4)
        return rf_fail(RF_E_INPUT, "%s: a JPEG of %d components, but only 1, 3 and 4 can be read", path,
                       j->component_count);
    info->channels = j->component_count == 1 ? 1 : 3;
    info->cmyk = j->component_count == 4;
#ifdef RF_TURBOJPEG
    info->reducible = !info->cmyk;
#endif
    for (int i = 0; i < j->component_count; i++) {
        const uint8_t *entry = data + 6 + 3 * i;
        component *c = &j->components[i];
        *c = (component){.id = entry[0], .h = entry[1] >> 4, .v = entry[1] & 15};
        if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4)
            return rf_fail(RF_E_INPUT, "%s: the image is damaged (a sampling of %dx%d)", path, c->h, c->v);
        h_max = RF_MAX(h_max, c->h);
        v_max = RF_MAX(v_max, c->v);
    }
    uint64_t across = rf_ceil_div((size_t)info->width, 8 * (size_t)h_max);
    uint64_t down = rf_ceil_div((size_t)info->height, 8 * (size_t)v_max);
    for (int i = 0; i < j->component_count; i++) {
        component *c = &j->components[i];
        c->samples = across * down * 64 * (uint64_t)(c->h * c->v);
        j->samples += c->samples;
    }
    return RF_OK;
}

static void count_scan(jpeg *j, const uint8_t *data, size_t length) {
    j->scans++;
    for (size_t i = 0; length > 0 && i < data[0] && 1 + 2 * i < length; i++)
        for (int c = 0; c < j->component_count; c++)
            if (j->components[c].id == data[1 + 2 * i]) j->work += j->components[c].samples;
}

/* Markers from C0 to CF that begin a frame, but for Huffman tables (C4), JPG (C8) and arithmetic tables (CC). */
static bool is_frame(uint8_t marker) {
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

static rf_status read_segment(jpeg *j, rf_image_info *info, const rf_image_bytes *file, uint8_t marker,
                              size_t at, size_t end) {
    const uint8_t *data = file->data + at;
    size_t length = end - at;
    if (is_frame(marker) && marker > 0xC2)
        return rf_fail(RF_E_INPUT, "%s: a %s JPEG, which cannot be read; save it as a common JPEG or PNG",
                       file->path, marker > 0xC8 ? "arithmetic-coded" : "lossless or hierarchical");
    if (is_frame(marker) && j->component_count == 0) {
        j->progressive = marker == 0xC2;
        return read_frame(j, info, file->path, data, length);
    }
    if (marker == 0xC4) return check_huffman(file->path, data, length, file->length - at);
    if (marker == 0xE1 && length > 6 && memcmp(data, "Exif\0\0", 6) == 0 && info->orientation == 0)
        info->orientation = rf_exif_orientation(data + 6, length - 6);
    if (marker == 0xEE && length >= 12 && memcmp(data, "Adobe", 6) == 0) info->adobe = true;
    if (marker == 0xDA) count_scan(j, data, length);
    return RF_OK;
}

/* Walks the segments as the decoder will: FF, a marker, mostly a length; between them anything.  In the data of
 * a scan FF is followed by 0 or a restart marker.  Of a file's first bytes, no farther than the first scan. */
static rf_status walk(jpeg *j, rf_image_info *info, const rf_image_bytes *file) {
    const uint8_t *data = file->data;
    size_t length = file->length;
    for (size_t at = 0; at < length && (file->whole || j->scans == 0);) {
        const uint8_t *next = memchr(data + at, 0xFF, length - at);
        if (next == NULL) break;
        for (at = (size_t)(next - data); at < length && data[at] == 0xFF;) at++;
        if (at == length) break;
        uint8_t marker = data[at++];
        if (marker < 0xC0 || (marker >= 0xD0 && marker <= 0xD8)) continue;
        if ((j->ended = marker == 0xD9)) break;
        if (at + 2 > length) break;
        size_t segment = RF_MAX((size_t)rf_big(data + at, 2), 2);
        if (segment > length - at) break;
        RF_TRY(read_segment(j, info, file, marker, at + 2, at + segment));
        at += segment;
    }
    return RF_OK;
}

static rf_status inspect(rf_image_info *info, const rf_image_bytes *file) {
    jpeg j = {0};
    RF_TRY(walk(&j, info, file));
    if (info->orientation == 0) info->orientation = 1;
    if (file->whole ? !j.ended : j.scans == 0) return rf_image_cut_off(info, file);
    if (j.component_count == 0)
        return rf_fail(RF_E_INPUT, "%s: the image is damaged (a JPEG without a frame)", file->path);
    if (j.work > FREE_PASSES * j.samples + SAMPLES_PER_BYTE * (uint64_t)file->length)
        return rf_fail(
            RF_E_INPUT,
            "%s: %zu scans over %dx%d pixels in a file of %zu bytes would take very long to decode; "
            "save it anew, as a JPEG with fewer scans",
            file->path, j.scans, info->width, info->height, file->length);
    info->need_bytes = j.samples * (j.progressive || j.scans > 1 ? 3 : 1) + TABLE_BYTES +
                       3 * (uint64_t)info->height * (uint64_t)info->width;
    return RF_OK;
}

/* Four components without a word from Adobe are CMYK to libjpeg (and so to Pillow), inverted as Adobe does; to
 * stb they are YCbCr and transparency.  Adobe's marker, put behind the first one, makes them CMYK. */
static rf_status decode_cmyk(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    static const uint8_t adobe[] = {0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0};
    uint8_t *copy = rf_alloc(file->length + sizeof adobe, 1);
    if (copy == NULL) return RF_E_MEMORY;
    memcpy(copy, file->data, 2);
    memcpy(copy + 2, adobe, sizeof adobe);
    memcpy(copy + 2 + sizeof adobe, file->data + 2, file->length - 2);
    const rf_image_bytes marked = {file->path, copy, file->length + sizeof adobe, true};
    rf_status status = rf_stb_decode(out, info, &marked);
    free(copy);
    return status;
}

static rf_status decode_by_stb(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    return info->cmyk && !info->adobe ? decode_cmyk(out, info, file) : rf_stb_decode(out, info, file);
}

/* What libjpeg-turbo complains of is damaged if stb_image says so: the same files are refused with and without it.
 * CMYK is left to stb_image. */
static rf_status decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
#ifdef RF_TURBOJPEG
    rf_status status = info->cmyk ? RF_E_INPUT : rf_turbo_decode(out, info, file);
    if (status != RF_E_INPUT) return status;
    rf_image judged = {.channels = out->channels};
    status = decode_by_stb(&judged, info, file);
    if (out->pixels == NULL)
        out->pixels = judged.pixels;
    else
        free(judged.pixels);
    return status;
#else
    return decode_by_stb(out, info, file);
#endif
}

static bool claims(const uint8_t *data, size_t length) {
    return length >= 3 && memcmp(data, "\xFF\xD8\xFF", 3) == 0;
}

const rf_codec rf_codec_jpeg = {
    .endings = "jpg jpeg jpe jfif",
    .distinct = true,
    .claims = claims,
    .inspect = inspect,
    .decode = decode,
};
