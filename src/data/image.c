/* Image files: the choice of the reader, how much is read, and common checks.  A file
 * is known by its first bytes, not by its name. */
#include "data/image.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/kind.h"
#include "data/codec.h"
#include "data/codec_list.h"

enum { MAX_FILE = 1 << 30, FIRST_BYTES = 1 << 16 };

#define RF_CODEC_DECLARE(symbol, name) extern const rf_codec rf_codec_##symbol;
RF_CODEC_LIST(RF_CODEC_DECLARE)
#undef RF_CODEC_DECLARE

static const rf_codec *const codecs[] = {
#define RF_CODEC_ROW(symbol, name) &rf_codec_##symbol,
    RF_CODEC_LIST(RF_CODEC_ROW)
#undef RF_CODEC_ROW
};

static const char separated[] =
#define RF_CODEC_NAME(symbol, name) ", " name
    RF_CODEC_LIST(RF_CODEC_NAME)
#undef RF_CODEC_NAME
    ;
const char *const rf_image_kinds = separated + 2;

const char *const rf_image_libraries =
#ifdef RF_TURBOJPEG
    "JPEG by libjpeg-turbo " RF_TURBOJPEG
#else
    "JPEG by stb_image"
#endif
#ifdef RF_WEBP
    ", WebP by libwebp " RF_WEBP;
#else
    ", no WebP";
#endif

bool rf_image_is_name(const char *name) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < RF_COUNT(codecs); i++)
        for (const char *ending = codecs[i]->endings; *ending != '\0';) {
            size_t length = strcspn(ending, " ");
            if (strlen(dot + 1) == length && strncasecmp(dot + 1, ending, length) == 0) return true;
            ending += length + strspn(ending + length, " ");
        }
    return false;
}

/* ---- reading ---- */

bool rf_image_is_content(const char *path) {
    uint8_t data[12];
    size_t length;
    if (rf_file_read_head(data, &length, NULL, path, sizeof data) != RF_OK) return false;
    for (size_t i = 0; i < RF_COUNT(codecs); i++)
        if (codecs[i]->distinct && codecs[i]->claims(data, length)) return true;
    return false;
}

static rf_status inspect(rf_image_info *info, const rf_codec **codec, const rf_image_bytes *file) {
    *info = (rf_image_info){0};
    if (file->length == 0) return rf_fail(RF_E_INPUT, "%s: the file is empty", file->path);
    for (size_t i = 0; i < RF_COUNT(codecs); i++)
        if (codecs[i]->claims(file->data, file->length)) {
            *codec = codecs[i];
            RF_TRY(codecs[i]->inspect(info, file));
            info->reduction = 1;
            info->need_bytes += 3 * file->size; /* itself, and copies that decoders make of it */
            return RF_OK;
        }
    rf_fail(RF_E_INPUT, "%s: not an image (%s), whatever its name says", file->path, rf_image_kinds);
    return rf_explain_bytes(RF_E_INPUT, file->path, RF_READER_IMAGE, file->data, file->length);
}

rf_status rf_image_probe(rf_image_info *out, const char *path) {
    for (size_t limit = FIRST_BYTES; limit <= MAX_FILE; limit *= 16) {
        const rf_codec *codec = NULL;
        rf_image_bytes file = {.path = path};
        uint8_t *data = rf_alloc(limit, 1);
        if (data == NULL) return RF_E_MEMORY;
        rf_status status = rf_file_read_head(data, &file.length, &file.size, path, limit);
        file.data = data;
        file.whole = file.length < limit;
        if (status == RF_OK) status = inspect(out, &codec, &file);
        free(data);
        if (status != RF_OK || !out->unfinished) return status;
    }
    return rf_fail(RF_E_INPUT, "%s: its header does not end", path);
}

int rf_image_reduction(const rf_image_info *info, int height, int width) {
    enum { LEFT = 4 }; /* the resize that follows still takes all pixels of a few */
    const bool swap = info->orientation >= 5;
    const int64_t rows = swap ? info->width : info->height, columns = swap ? info->height : info->width;
    int reduction = info->reducible && height > 0 && width > 0 ? 8 : 1;
    while (reduction > 1 &&
           (rows < (int64_t)reduction * LEFT * height || columns < (int64_t)reduction * LEFT * width))
        reduction /= 2;
    return reduction;
}

rf_status rf_image_read(rf_image *out, const char *path, int channels) {
    return rf_image_read_for(out, path, channels, 0, 0);
}

rf_status rf_image_read_for(rf_image *out, const char *path, int channels, int height, int width) {
    const rf_codec *codec = NULL;
    rf_image_bytes file = {.path = path, .whole = true};
    rf_image_info info;
    void *data = NULL;
    *out = (rf_image){0};
    rf_status status = rf_file_read(&data, &file.length, path, MAX_FILE);
    file.data = data;
    file.size = file.length;
    if (status == RF_OK) status = inspect(&info, &codec, &file);
    if (status == RF_OK) {
        info.reduction = rf_image_reduction(&info, height, width);
        *out = (rf_image){info.height, info.width, channels > 0 ? channels : info.channels, info.orientation,
                          NULL};
        status = codec->decode(out, &info, &file);
    }
    if (status != RF_OK) {
        free(out->pixels);
        *out = (rf_image){0};
    }
    free(data);
    return status;
}
