/* One IDX file.  Format: two 0 bytes, the type of the values, the number of dimensions; each dimension as 32
 * bits; the values.  All numbers are big-endian.  Source: http://yann.lecun.com/exdb/mnist/. */
#include "data/idx_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/kind.h"

/* Gzipped images are seldom a tenth of their size.  What unpacks to a hundred times its size and is large is an
 * attack or a mistake. */
enum { MAX_RATIO = 100, SMALL_BYTES = 16 << 20, MAX_TRAILING = 4096, CHUNK = 1 << 16 };

/* ---- types ---- */

static uint32_t get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
static double from_u8(const uint8_t *at) {
    return at[0];
}
static double from_i8(const uint8_t *at) {
    return (int8_t)at[0];
}
static double from_i16(const uint8_t *at) {
    return (int16_t)(uint16_t)(at[0] << 8 | at[1]);
}
static double from_i32(const uint8_t *at) {
    return (int32_t)get32(at);
}
static double from_f32(const uint8_t *at) {
    uint32_t bits = get32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}
static double from_f64(const uint8_t *at) {
    uint64_t bits = (uint64_t)get32(at) << 32 | get32(at + 4);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

enum { TYPE_U8 = 0x08, TYPE_F32 = 0x0d };
struct rf_idx_type {
    int code;
    const char *name;
    size_t bytes;
    double (*get)(const uint8_t *at);
};
static const struct rf_idx_type types[] = {
    {TYPE_U8, "uint8", 1, from_u8}, {0x09, "int8", 1, from_i8},       {0x0b, "int16", 2, from_i16},
    {0x0c, "int32", 4, from_i32},   {TYPE_F32, "float", 4, from_f32}, {0x0e, "double", 8, from_f64},
};

static const struct rf_idx_type *find_type(int code) {
    for (size_t i = 0; i < RF_COUNT(types); i++)
        if (types[i].code == code) return &types[i];
    return NULL;
}

/* ---- the stream ---- */

static rf_status damaged(const rf_idx_file *file, int code, const char *reason) {
    if (code == Z_MEM_ERROR) return rf_fail_errno(ENOMEM, "%s", file->path);
    return rf_fail(RF_E_INPUT, "%s: the gzip data is damaged: %s", file->path, reason);
}

static rf_status read_exactly(rf_idx_file *file, void *out, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
        int got =
            gzread(file->stream, (uint8_t *)out + done, (unsigned)RF_MIN(bytes - done, (size_t)1 << 22));
        if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
        if (got <= 0) break;
        done += (size_t)got;
    }
    if (done == bytes) return RF_OK;
    int code = Z_OK;
    const char *reason = gzerror(file->stream, &code);
    if (code == Z_ERRNO) return rf_fail_errno(errno, "%s: cannot be read", file->path);
    if (code == Z_OK || code == Z_BUF_ERROR)
        return rf_fail(RF_E_INPUT, "%s: the file is cut off: %zu bytes of %zu are there", file->path, done,
                       bytes);
    return damaged(file, code, reason);
}

static uint64_t value_count(const rf_idx_file *file) {
    uint64_t count = 1;
    for (int i = 0; i < file->rank; i++) count *= file->dims[i];
    return count;
}

/* Can so many bytes of values lie in a file of this size? */
static rf_status check_size(rf_idx_file *file, uint64_t bytes, uint64_t file_bytes) {
    bool gzipped = !gzdirect(file->stream);
    uint64_t head = 4 + 4 * (uint64_t)file->rank, there = file_bytes > head ? file_bytes - head : 0;
    if (!gzipped && bytes > there)
        return rf_fail(RF_E_INPUT, "%s: the file is cut off: %llu bytes of %llu are there", file->path,
                       (unsigned long long)there, (unsigned long long)bytes);
    if (gzipped && bytes > SMALL_BYTES && bytes / MAX_RATIO > file_bytes)
        return rf_fail(RF_E_INPUT,
                       "%s: its header claims %llu bytes, more than %d times the file's %llu; if it is meant "
                       "so, unpack it with gunzip",
                       file->path, (unsigned long long)bytes, MAX_RATIO, (unsigned long long)file_bytes);
    return RF_OK;
}

static rf_status read_header(rf_idx_file *file, uint64_t file_bytes) {
    uint8_t head[4], dim[4];
    RF_TRY(read_exactly(file, head, sizeof head));
    if (head[0] != 0 || head[1] != 0 || head[3] < 1 || head[3] > RF_IDX_MAX_RANK)
        return rf_fail(
            RF_E_INPUT,
            "%s: is no IDX file: it starts with %02x %02x %02x %02x, images with 00 00 08 03, labels with "
            "00 00 08 01",
            file->path, head[0], head[1], head[2], head[3]);
    if ((file->type = find_type(head[2])) == NULL)
        return rf_fail(RF_E_INPUT,
                       "%s: its values are of type %02x, which IDX does not know (08 to 0e but 0a)",
                       file->path, head[2]);
    uint64_t bytes = file->type->bytes;
    file->rank = head[3];
    for (int i = 0; i < file->rank; i++) {
        RF_TRY(read_exactly(file, dim, sizeof dim));
        file->dims[i] = get32(dim);
        if (file->dims[i] == 0) return rf_fail(RF_E_INPUT, "%s: dimension %d is 0", file->path, i + 1);
        if (__builtin_mul_overflow(bytes, file->dims[i], &bytes))
            return rf_fail(RF_E_INPUT, "%s: its header claims more data than can be counted", file->path);
    }
    return check_size(file, bytes, file_bytes);
}

rf_status rf_idx_open(rf_idx_file *file, const char *path) {
    struct stat info;
    *file = (rf_idx_file){.path = path};
    if (stat(path, &info) != 0) return rf_fail_errno(errno, "%s: cannot be opened", path);
    if (!S_ISREG(info.st_mode)) return rf_fail(RF_E_IO, "%s: is not a file", path);
    if ((file->stream = gzopen(path, "rbe")) == NULL)
        return rf_fail_errno(errno, "%s: cannot be opened", path);
    gzbuffer(file->stream, 1 << 17);
    return rf_explain_file(read_header(file, (uint64_t)info.st_size), path, RF_READER_IDX);
}

void rf_idx_close(rf_idx_file *file) {
    if (file->stream != NULL) gzclose(file->stream);
    file->stream = NULL;
}

/* The first four bytes, unpacked; 0 where there are fewer. */
static rf_status read_head(uint8_t head[4], const char *path) {
    size_t length;
    int code = Z_OK;
    rf_error_hold();
    rf_status status = rf_file_read_head(head, &length, NULL, path, 4);
    rf_error_release();
    if (status != RF_OK || length < 4) memset(head, 0, 4);
    if (head[0] != 0x1f || head[1] != 0x8b) return RF_OK;
    errno = 0;
    gzFile stream = gzopen(path, "rbe");
    if (stream == NULL) return errno == ENOMEM ? rf_fail_errno(errno, "%s", path) : RF_OK;
    if (gzread(stream, head, 4) != 4) {
        memset(head, 0, 4);
        gzerror(stream, &code);
    }
    gzclose(stream);
    return code == Z_MEM_ERROR ? rf_fail_errno(ENOMEM, "%s", path) : RF_OK;
}

rf_status rf_idx_peek(int *rank, const char *path) {
    uint8_t head[4];
    *rank = 0;
    RF_TRY(read_head(head, path));
    if (head[0] == 0 && head[1] == 0 && find_type(head[2]) != NULL && head[3] <= RF_IDX_MAX_RANK)
        *rank = head[3];
    return RF_OK;
}

/* ---- types other than bytes ---- */

typedef struct value_walk {
    double low, high;
    bool whole;    /* no fractions */
    bool finite;   /* neither NaN nor infinity */
    double factor; /* of the second walk */
    uint8_t *out;  /* NULL in the first walk */
} value_walk;

static void take_values(value_walk *walk, const rf_idx_file *file, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double value = file->type->get(bytes + i * file->type->bytes);
        if (walk->out != NULL) {
            *walk->out++ = (uint8_t)(value * walk->factor + 0.5);
            continue;
        }
        walk->finite &= isfinite(value);
        walk->whole &= value == floor(value);
        walk->low = fmin(walk->low, value);
        walk->high = fmax(walk->high, value);
    }
}

/* Goes through all the values, from the start of the file. */
static rf_status walk_values(value_walk *walk, rf_idx_file *file) {
    uint8_t chunk[CHUNK];
    size_t at_once = sizeof chunk / file->type->bytes;
    if (gzrewind(file->stream) != 0) return rf_fail(RF_E_IO, "%s: cannot be read again", file->path);
    RF_TRY(read_exactly(file, chunk, 4 + 4 * (size_t)file->rank));
    for (uint64_t left = value_count(file); left > 0;) {
        size_t count = (size_t)RF_MIN(left, (uint64_t)at_once);
        RF_TRY(read_exactly(file, chunk, count * file->type->bytes));
        take_values(walk, file, chunk, count);
        left -= count;
    }
    return RF_OK;
}

rf_status rf_idx_read_pixels(uint8_t *out, char **note, rf_idx_file *file) {
    *note = NULL;
    if (file->type->code == TYPE_U8) return read_exactly(file, out, (size_t)value_count(file));
    value_walk walk = {.low = INFINITY, .high = -INFINITY, .whole = true, .finite = true, .factor = 1};
    RF_TRY(walk_values(&walk, file));
    bool real = file->type->code >= TYPE_F32, scaled = real && walk.high <= 1;
    if (!walk.finite)
        return rf_fail(RF_E_INPUT, "%s: holds values that are not finite; pixels are 0..1 or 0..255",
                       file->path);
    if (walk.low < 0 || walk.high > 255)
        return rf_fail(RF_E_INPUT,
                       "%s: its %s values go from %g to %g; pixels are 0..255, or floats of 0..1: store them "
                       "before they are normalised",
                       file->path, file->type->name, walk.low, walk.high);
    if (scaled) walk.factor = 255;
    *note = rf_format("%s: %s values from %g to %g, %s", file->path, file->type->name, walk.low, walk.high,
                      scaled       ? "taken times 255, as pixels of 0..1"
                      : walk.whole ? "taken as pixels of 0..255"
                                   : "rounded to pixels of 0..255");
    if (*note == NULL) return RF_E_MEMORY;
    walk.out = out;
    return walk_values(&walk, file);
}

/* ---- labels ---- */

/* One row of labels: its first number, and the index of the 1 where it is one-hot (else -1). */
static void read_row(double *first, int32_t *one, const rf_idx_file *file, const uint8_t *row,
                     size_t columns) {
    size_t ones = 0, others = 0, index = 0;
    for (size_t c = 0; c < columns; c++) {
        double value = file->type->get(row + c * file->type->bytes);
        if (c == 0) *first = value;
        if (value == 1) index = c;
        ones += value == 1;
        others += value != 1 && value != 0;
    }
    *one = columns > 1 && ones == 1 && others == 0 ? (int32_t)index : -1;
}

rf_status rf_idx_read_labels(int32_t *out, char **note, rf_idx_file *file) {
    rf_status status = RF_OK;
    size_t count = (size_t)file->dims[0], columns = file->rank > 1 ? (size_t)file->dims[1] : 1;
    bool one_hot = columns > 1;
    uint8_t *row = rf_alloc(columns, file->type->bytes);
    int32_t *ones = columns > 1 ? rf_alloc(count, sizeof *ones) : NULL, one;
    *note = NULL;
    if (row == NULL || (columns > 1 && ones == NULL)) status = RF_E_MEMORY;
    for (size_t i = 0; status == RF_OK && i < count; i++) {
        double first = 0;
        status = read_exactly(file, row, columns * file->type->bytes);
        if (status != RF_OK) break;
        read_row(&first, &one, file, row, columns);
        one_hot &= one >= 0;
        if (ones != NULL) ones[i] = one;
        if (first >= 0 && first < INT32_MAX && first == floor(first))
            out[i] = (int32_t)first;
        else
            status = rf_fail(RF_E_INPUT, "%s: label %zu is %g, but labels are whole numbers from 0",
                             file->path, i, first);
    }
    if (status == RF_OK && one_hot) memcpy(out, ones, count * sizeof *out);
    if (status == RF_OK && columns > 1) {
        *note =
            one_hot
                ? rf_format("%s: one-hot rows of %zu: the index of the 1 is the label", file->path, columns)
                : rf_format("%s: rows of %zu numbers: the first one is the label", file->path, columns);
        if (*note == NULL) status = RF_E_MEMORY;
    }
    free(ones);
    free(row);
    return status;
}

rf_status rf_idx_read_end(size_t *trailing, rf_idx_file *file) {
    char extra[MAX_TRAILING + 1];
    int code = Z_OK, got = gzread(file->stream, extra, sizeof extra);
    const char *reason = gzerror(file->stream, &code);
    *trailing = got > 0 ? (size_t)got : 0;
    if (got > MAX_TRAILING)
        return rf_fail(RF_E_INPUT, "%s: holds more data than its header says", file->path);
    if (code == Z_BUF_ERROR)
        return rf_fail(RF_E_INPUT, "%s: the end of the gzip data is cut off", file->path);
    if (got < 0) return damaged(file, code, reason);
    return RF_OK;
}
