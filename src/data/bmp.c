/* BMP, uncompressed: 1, 4 and 8 bits with a palette, 16, 24 and 32 bits.  A file header of 14 bytes, an info
 * header of 12 (OS/2) or at least 40 bytes, masks, a palette, rows from the bottom up, each a multiple of 4
 * bytes.  Source: Microsoft, "Bitmap Structures" (BITMAPINFOHEADER, BITMAPV5HEADER). */
#include <string.h>

#include "data/codec.h"

enum { FILE_HEADER = 14, PLAIN = 0, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };

typedef struct bmp {
    uint32_t bits, mask[3]; /* red, green, blue */
    bool top_down;
    size_t offset, row_bytes; /* of the pixels; from row to row */
    uint8_t palette[256][3];
    size_t colours;
} bmp;

static rf_status read_masks(bmp *b, rf_image_info *info, const rf_image_bytes *file, uint32_t compression,
                            size_t header) {
    static const uint32_t of_16[] = {0x7C00, 0x3E0, 0x1F}, of_32[] = {0xFF0000, 0xFF00, 0xFF};
    memcpy(b->mask, b->bits == 16 ? of_16 : of_32, sizeof b->mask);
    if (compression == PLAIN) return RF_OK;
    if (file->length < FILE_HEADER + 40 + 16) return rf_image_cut_off(info, file);
    for (int i = 0; i < 3; i++) b->mask[i] = rf_little(file->data + FILE_HEADER + 40 + 4 * i, 4);
    if (header >= 56 || compression == ALPHA_BITFIELDS)
        info->transparent = rf_little(file->data + FILE_HEADER + 52, 4) != 0;
    for (int i = 0; i < 3; i++)
        if (b->mask[i] == 0)
            return rf_fail(RF_E_INPUT, "%s: the image is damaged (a colour has no bits)", file->path);
    return RF_OK;
}

/* Colours that the file does not have stay black. */
static rf_status read_palette(bmp *b, rf_image_info *info, const rf_image_bytes *file, size_t header) {
    size_t start = FILE_HEADER + header, entry = header == 12 ? 3 : 4;
    size_t room = b->offset > start ? (b->offset - start) / entry : 0;
    b->colours = RF_MIN(RF_MIN(room, (size_t)1 << b->bits), (size_t)256);
    if (start + b->colours * entry > file->length) return rf_image_cut_off(info, file);
    info->channels = 1;
    for (size_t i = 0; i < b->colours; i++) {
        const uint8_t *bgr = file->data + start + i * entry;
        for (int c = 0; c < 3; c++) b->palette[i][c] = bgr[2 - c];
        if (bgr[0] != bgr[1] || bgr[0] != bgr[2]) info->channels = 3;
    }
    return RF_OK;
}

static rf_status parse(bmp *b, rf_image_info *info, const rf_image_bytes *file) {
    const uint8_t *data = file->data;
    *b = (bmp){0};
    info->orientation = 1;
    info->channels = 3;
    if (file->length < FILE_HEADER + 12) return rf_image_cut_off(info, file);
    size_t header = rf_little(data + FILE_HEADER, 4);
    bool old = header == 12;
    if (!old && (header < 40 || header > 1024))
        return rf_fail(RF_E_INPUT,
                       "%s: a BMP whose header has %zu bytes, which cannot be read; save it as PNG",
                       file->path, header);
    if (!old && file->length < FILE_HEADER + 40) return rf_image_cut_off(info, file);
    int64_t width = old ? (int64_t)rf_little(data + 18, 2) : (int32_t)rf_little(data + 18, 4);
    int64_t height = old ? (int64_t)rf_little(data + 20, 2) : (int32_t)rf_little(data + 22, 4);
    b->top_down = height < 0;
    height = height < 0 ? -height : height;
    RF_TRY(rf_image_check_size(file->path, (uint64_t)height, width > 0 ? (uint64_t)width : 0));
    info->height = (int)height;
    info->width = (int)width;
    b->offset = rf_little(data + 10, 4);
    b->bits = rf_little(data + (old ? 24 : 28), 2);
    b->row_bytes = ((size_t)width * b->bits + 31) / 32 * 4;
    uint32_t compression = old ? PLAIN : rf_little(data + 30, 4);
    bool fields = compression == BITFIELDS || compression == ALPHA_BITFIELDS;
    bool palette = b->bits == 1 || b->bits == 4 || b->bits == 8;
    bool direct = b->bits == 16 || b->bits == 24 || b->bits == 32;
    if ((compression != PLAIN && !(fields && direct && b->bits != 24)) || (!palette && !direct))
        return rf_fail(RF_E_INPUT,
                       "%s: a BMP of %u bits with compression %u, which cannot be read; save it as PNG",
                       file->path, b->bits, compression);
    info->need_bytes = 3 * (uint64_t)height * (uint64_t)width;
    RF_TRY(palette ? read_palette(b, info, file, header) : read_masks(b, info, file, compression, header));
    uint64_t needed = b->offset + (uint64_t)b->row_bytes * ((uint64_t)height - 1) +
                      ((uint64_t)width * b->bits + 7) / 8; /* the last row's padding may be missing */
    return file->whole && needed > file->length ? rf_image_cut_off(info, file) : RF_OK;
}

static rf_status inspect(rf_image_info *info, const rf_image_bytes *file) {
    bmp b;
    return parse(&b, info, file);
}

/* The bits of a mask, as 0..255. */
static uint8_t masked(uint32_t value, uint32_t mask) {
    int shift = __builtin_ctz(mask);
    uint64_t most = mask >> shift;
    return (uint8_t)(((uint64_t)((value & mask) >> shift) * 255 + most / 2) / most);
}

static void read_pixel(uint8_t rgb[3], const bmp *b, const uint8_t *row, size_t x) {
    if (b->bits <= 8) {
        size_t bit = x * b->bits;
        size_t index = (size_t)(row[bit / 8] >> (8 - b->bits - bit % 8)) & (((size_t)1 << b->bits) - 1);
        memcpy(rgb, b->palette[index], 3);
    } else if (b->bits == 24) {
        for (size_t c = 0; c < 3; c++) rgb[c] = row[3 * x + 2 - c];
    } else {
        uint32_t value = rf_little(row + x * b->bits / 8, (int)b->bits / 8);
        for (int c = 0; c < 3; c++) rgb[c] = masked(value, b->mask[c]);
    }
}

static rf_status decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    bmp b;
    rf_image_info again = {0};
    (void)info;
    RF_TRY(parse(&b, &again, file));
    RF_TRY(rf_image_allocate(out));
    uint8_t *to = out->pixels, rgb[3];
    for (size_t y = 0, height = (size_t)out->height; y < height; y++) {
        const uint8_t *row = file->data + b.offset + (b.top_down ? y : height - 1 - y) * b.row_bytes;
        for (size_t x = 0; x < (size_t)out->width; x++) {
            read_pixel(rgb, &b, row, x);
            to = rf_image_put(to, out->channels, rgb);
        }
    }
    return RF_OK;
}

static bool claims(const uint8_t *data, size_t length) {
    return length >= 2 && memcmp(data, "BM", 2) == 0;
}

const rf_codec rf_codec_bmp = {
    .endings = "bmp dib",
    .claims = claims,
    .inspect = inspect,
    .decode = decode,
};
