/* Image files: which reader takes one, how much of it is read, and what is refused whatever its kind.  A file
 * is known by its first bytes, not by its name. */
#include "data/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/kind.h"
#include "data/codec.h"

enum { MAX_PIXELS = 128 << 20, MAX_FILE = 1 << 30, FIRST_BYTES = 1 << 16 };

static const rf_codec *const codecs[] = {&rf_codec_jpeg, &rf_codec_png, &rf_codec_bmp, &rf_codec_pnm};

const char rf_image_kinds[] = "JPEG, PNG, BMP, PNM";

bool rf_image_is_name(const char *name) {
    static const char *const endings[] = {"jpg", "jpeg", "jpe", "jfif", "png", "bmp",
                                          "dib", "pnm",  "ppm", "pgm",  "pbm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < RF_COUNT(endings); i++)
        if (strcasecmp(dot + 1, endings[i]) == 0) return true;
    return false;
}

/* ---- what the readers share ---- */

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

/* ---- reading ---- */

/* Reads at most `limit` bytes from the file's start. */
static rf_status read_first(rf_image_bytes *file, uint8_t *data, size_t limit) {
    rf_status status = RF_OK;
    struct stat info = {0};
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return rf_fail_errno(errno, "%s: cannot be opened", file->path);
    while (file->length < limit && !file->whole) {
        ssize_t got = read(fd, data + file->length, limit - file->length);
        if (got < 0 && errno == EINTR && !rf_interrupted()) continue;
        if (got < 0) {
            status = rf_fail_errno(errno, "%s: cannot be read", file->path);
            break;
        }
        file->length += (size_t)got;
        file->whole = got == 0;
    }
    file->data = data;
    file->size = fstat(fd, &info) == 0 ? (uint64_t)info.st_size : file->length;
    close(fd);
    return status;
}

bool rf_image_is_content(const char *path) {
    uint8_t data[8];
    rf_image_bytes file = {.path = path};
    return read_first(&file, data, sizeof data) == RF_OK &&
           (rf_codec_jpeg.claims(data, file.length) || rf_codec_png.claims(data, file.length));
}

static rf_status inspect(rf_image_info *info, const rf_codec **codec, const rf_image_bytes *file) {
    *info = (rf_image_info){0};
    if (file->length == 0) return rf_fail(RF_E_INPUT, "%s: the file is empty", file->path);
    for (size_t i = 0; i < RF_COUNT(codecs); i++)
        if (codecs[i]->claims(file->data, file->length)) {
            *codec = codecs[i];
            RF_TRY(codecs[i]->inspect(info, file));
            info->need_bytes += 3 * file->size; /* itself, and copies that decoders make of it */
            return RF_OK;
        }
    rf_fail(RF_E_INPUT, "%s: not a JPEG, PNG, BMP or PNM image, whatever its name says", file->path);
    return rf_explain_bytes(RF_E_INPUT, file->path, RF_READER_IMAGE, file->data, file->length);
}

rf_status rf_image_probe(rf_image_info *out, const char *path) {
    for (size_t limit = FIRST_BYTES; limit <= MAX_FILE; limit *= 16) {
        const rf_codec *codec = NULL;
        rf_image_bytes file = {.path = path};
        uint8_t *data = rf_alloc(limit, 1);
        if (data == NULL) return RF_E_MEMORY;
        rf_status status = read_first(&file, data, limit);
        if (status == RF_OK) status = inspect(out, &codec, &file);
        free(data);
        if (status != RF_OK || !out->unfinished) return status;
    }
    return rf_fail(RF_E_INPUT, "%s: its header does not end", path);
}

rf_status rf_image_read(rf_image *out, const char *path, int channels) {
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
