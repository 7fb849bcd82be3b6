/* PNM: "P1" to "P6" (bits, grey, colour; as text, or binary from P4 on), width, height, and but for bits the
 * largest value; comments from # to the end of a line; in binary files one blank, then the pixels.
 * Source: https://netpbm.sourceforge.net/doc/pnm.html. */
#include <ctype.h>
#include <string.h>

#include "data/codec.h"

enum { MAX_VALUE = 65535 };

typedef struct pnm {
    bool text, bits;
    uint32_t most; /* the largest value */
    size_t at;     /* of the pixels */
} pnm;

static size_t skip_blanks(const uint8_t *data, size_t at, size_t length) {
    while (at < length && (isspace(data[at]) || data[at] == '#'))
        if (data[at++] == '#')
            while (at < length && data[at] != '\n' && data[at] != '\r') at++;
    return at;
}

/* The next number, at most 2^31; false at the end, or where there is none. */
static bool next_number(uint32_t *out, const uint8_t *data, size_t *at, size_t length) {
    size_t start = *at = skip_blanks(data, *at, length);
    for (*out = 0; *at < length && isdigit(data[*at]); ++*at)
        *out = (uint32_t)RF_MIN((uint64_t)*out * 10 + (data[*at] - '0'), (uint64_t)1 << 31);
    return *at > start;
}

static rf_status parse(pnm *p, rf_image_info *info, const rf_image_bytes *file) {
    const uint8_t *data = file->data;
    uint32_t width, height;
    int kind = data[1] - '0';
    if (kind < 1 || kind > 6)
        return rf_fail(RF_E_INPUT, "%s: begins like PNM, but only P1 to P6 can be read%s", file->path,
                       kind == 7 ? ", not PAM (P7)" : "");
    *p = (pnm){.text = kind <= 3, .bits = kind % 3 == 1, .most = 1, .at = 2};
    info->channels = kind % 3 == 0 ? 3 : 1;
    info->orientation = 1;
    if (!next_number(&width, data, &p->at, file->length) ||
        !next_number(&height, data, &p->at, file->length) ||
        (!p->bits && !next_number(&p->most, data, &p->at, file->length)) || p->at >= file->length)
        return rf_image_cut_off(info, file);
    RF_TRY(rf_image_check_size(file->path, height, width));
    if (p->most < 1 || p->most > MAX_VALUE)
        return rf_fail(RF_E_INPUT, "%s: its largest value is %u, but must be 1 to %d", file->path, p->most,
                       MAX_VALUE);
    info->height = (int)height;
    info->width = (int)width;
    info->deep = p->most > 255;
    p->at++;
    info->need_bytes = 3 * (uint64_t)height * width;
    uint64_t values = (uint64_t)height * width * (uint64_t)info->channels,
             row_bits = ((uint64_t)width + 7) / 8;
    uint64_t needed = p->text ? (p->bits ? values : 2 * values - 1) : p->bits ? row_bits * height : values;
    needed = p->at + needed * (info->deep && !p->text ? 2 : 1);
    return file->whole && needed > file->length ? rf_image_cut_off(info, file) : RF_OK;
}

static rf_status inspect(rf_image_info *info, const rf_image_bytes *file) {
    pnm p;
    return parse(&p, info, file);
}

/* Where reading stands; `at` is behind the length once values are missing. */
typedef struct cursor {
    const pnm *p;
    const uint8_t *data;
    size_t at, length;
} cursor;

/* Bits as text need no blanks between them.  In both kinds of bits 1 is black. */
static uint32_t text_value(cursor *c) {
    uint32_t value = 0;
    if (c->p->bits) {
        c->at = skip_blanks(c->data, c->at, c->length);
        value = c->at < c->length ? c->data[c->at++] == '0' : (c->at = c->length + 1, 0u);
    } else if (!next_number(&value, c->data, &c->at, c->length))
        c->at = c->length + 1;
    return value;
}

static uint8_t next_value(cursor *c, size_t x) {
    uint32_t most = c->p->most, value;
    if (c->p->text)
        value = text_value(c);
    else if (c->p->bits) {
        value = ~(uint32_t)c->data[c->at] >> (7 - x % 8) & 1;
        c->at += x % 8 == 7;
    } else {
        int bytes = most > 255 ? 2 : 1;
        value = rf_big(c->data + c->at, bytes);
        c->at += (size_t)bytes;
    }
    return (uint8_t)((RF_MIN(value, most) * 255 + most / 2) / most);
}

static rf_status decode(rf_image *out, const rf_image_info *info, const rf_image_bytes *file) {
    pnm p;
    rf_image_info again = {0};
    RF_TRY(parse(&p, &again, file));
    RF_TRY(rf_image_allocate(out));
    if (!p.text && p.most == 255 && out->channels == info->channels) {
        size_t row = (size_t)out->width * (size_t)out->channels;
        memcpy(out->pixels, file->data + p.at, row * (size_t)out->height);
        return RF_OK;
    }
    cursor c = {&p, file->data, p.at, file->length};
    uint8_t *to = out->pixels, rgb[3];
    for (int y = 0; y < out->height; y++) {
        for (size_t x = 0; x < (size_t)out->width && c.at <= c.length; x++) {
            for (int i = 0; i < 3; i++) rgb[i] = i < info->channels ? next_value(&c, x) : rgb[0];
            to = rf_image_put(to, out->channels, rgb);
        }
        if (p.bits && !p.text) c.at += (size_t)(out->width % 8 != 0);
    }
    return c.at <= c.length ? RF_OK : rf_image_cut_off(&again, file);
}

static bool claims(const uint8_t *data, size_t length) {
    return length >= 3 && data[0] == 'P' && isdigit(data[1]) && (isspace(data[2]) || data[2] == '#');
}

const rf_codec rf_codec_pnm = {
    .endings = "pnm ppm pgm pbm",
    .claims = claims,
    .inspect = inspect,
    .decode = decode,
};
