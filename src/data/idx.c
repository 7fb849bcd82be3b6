/* IDX: the files of MNIST and its kin, an images file and a labels file, gzipped or not.
 * Format: two 0 bytes, a type (8: bytes, the only one taken), the number of dimensions; each dimension as 32
 * bits, big end first; the data.  Labels have one dimension; images (N,H,W), or four: (N,C,H,W), or (N,H,W,C)
 * where the last dimension could be channels (1, 3 or 4) and the second could not.  Source:
 * http://yann.lecun.com/exdb/mnist/. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/kind.h"
#include "data/format.h"
#include "data/image.h"

enum { TYPE_BYTES = 8, MAX_RANK = 4, MAX_DEFLATE_RATIO = 1040 };

typedef struct idx_file {
    const char *path; /* borrowed */
    gzFile stream;
    int rank;
    uint64_t dims[MAX_RANK];
} idx_file;

/* ---- one file ---- */

static rf_status damaged(const idx_file *file, int code, const char *reason) {
    if (code == Z_MEM_ERROR) return rf_fail_errno(ENOMEM, "%s", file->path);
    return rf_fail(RF_E_INPUT, "%s: the gzip data is damaged: %s", file->path, reason);
}

static rf_status read_exactly(idx_file *file, void *out, size_t bytes) {
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

/* Nothing may follow; reading on also makes zlib compare gzip's checksum. */
static rf_status expect_end(idx_file *file) {
    char extra;
    int code = Z_OK, got = gzread(file->stream, &extra, 1);
    const char *reason = gzerror(file->stream, &code);
    if (got > 0) return rf_fail(RF_E_INPUT, "%s: holds more data than its header says", file->path);
    if (got == 0 && code == Z_BUF_ERROR)
        return rf_fail(RF_E_INPUT, "%s: the end of the gzip data is cut off", file->path);
    if (got < 0) return damaged(file, code, reason);
    return RF_OK;
}

static rf_status read_header(idx_file *file, uint64_t file_bytes) {
    uint8_t head[4], dim[4];
    uint64_t bytes = 1;
    RF_TRY(read_exactly(file, head, sizeof head));
    if (head[0] != 0 || head[1] != 0 || head[3] < 1 || head[3] > MAX_RANK)
        return rf_fail(
            RF_E_INPUT,
            "%s: is no IDX file: it starts with %02x %02x %02x %02x, images with 00 00 08 03, labels with "
            "00 00 08 01",
            file->path, head[0], head[1], head[2], head[3]);
    if (head[2] != TYPE_BYTES)
        return rf_fail(RF_E_INPUT, "%s: its values are of type %02x, but only bytes (08) can be read",
                       file->path, head[2]);
    file->rank = head[3];
    for (int i = 0; i < file->rank; i++) {
        RF_TRY(read_exactly(file, dim, sizeof dim));
        file->dims[i] = (uint64_t)dim[0] << 24 | (uint64_t)dim[1] << 16 | (uint64_t)dim[2] << 8 | dim[3];
        if (file->dims[i] == 0) return rf_fail(RF_E_INPUT, "%s: dimension %d is 0", file->path, i + 1);
        if (bytes > UINT64_MAX / file->dims[i] || bytes * file->dims[i] > file_bytes * MAX_DEFLATE_RATIO)
            return rf_fail(RF_E_INPUT, "%s: its header claims more data than a file of %llu bytes can hold",
                           file->path, (unsigned long long)file_bytes);
        bytes *= file->dims[i];
    }
    return RF_OK;
}

static rf_status open_idx_file(idx_file *file, const char *path) {
    struct stat info;
    *file = (idx_file){.path = path};
    if (stat(path, &info) != 0) return rf_fail_errno(errno, "%s: cannot be opened", path);
    if (!S_ISREG(info.st_mode)) return rf_fail(RF_E_IO, "%s: is not a file", path);
    if ((file->stream = gzopen(path, "rbe")) == NULL)
        return rf_fail_errno(errno, "%s: cannot be opened", path);
    gzbuffer(file->stream, 1 << 17);
    return rf_explain_file(read_header(file, (uint64_t)info.st_size), path, RF_READER_IDX);
}

static void close_idx_file(idx_file *file) {
    if (file->stream != NULL) gzclose(file->stream);
}

/* ---- the pair ---- */

/* The shape of the images; *planar: (N,C,H,W). */
static rf_status images_shape(rf_data_shape *shape, bool *planar, const idx_file *images) {
    const uint64_t *d = images->dims;
    *planar = false;
    if (images->rank == 3) {
        *shape = (rf_data_shape){.count = d[0], .channels = 1, .height = d[1], .width = d[2]};
        return RF_OK;
    }
    if (images->rank != 4)
        return rf_fail(RF_E_INPUT, "%s: has %d dimension%s; images have 3 or 4%s", images->path, images->rank,
                       images->rank == 1 ? "" : "s",
                       images->rank == 1 ? ". It looks like labels: the order is IMAGES,LABELS" : "");
    bool second = d[1] == 1 || d[1] == 3 || d[1] == 4, last = d[3] == 1 || d[3] == 3 || d[3] == 4;
    *planar = second || !last;
    *shape = *planar ? (rf_data_shape){.count = d[0], .channels = d[1], .height = d[2], .width = d[3]}
                     : (rf_data_shape){.count = d[0], .channels = d[3], .height = d[1], .width = d[2]};
    return RF_OK;
}

static rf_status read_labels(uint8_t **out, uint64_t *classes, idx_file *labels, uint64_t count,
                             const char *images_path) {
    if (labels->rank != 1)
        return rf_fail(RF_E_INPUT, "%s: has %d dimensions; labels have 1", labels->path, labels->rank);
    if (labels->dims[0] != count)
        return rf_fail(
            RF_E_INPUT, "%s holds %llu labels, but %s holds %llu images; they must be of one data set",
            labels->path, (unsigned long long)labels->dims[0], images_path, (unsigned long long)count);
    if ((*out = rf_alloc((size_t)count, 1)) == NULL) return RF_E_MEMORY;
    RF_TRY(read_exactly(labels, *out, (size_t)count));
    RF_TRY(expect_end(labels));
    *classes = 0;
    for (size_t i = 0; i < count; i++) *classes = RF_MAX(*classes, (uint64_t)(*out)[i] + 1);
    if (*classes < 2)
        return rf_fail(RF_E_INPUT, "%s: every label is 0; at least two classes are needed", labels->path);
    return RF_OK;
}

static rf_status read_images(rf_dataset *dataset, idx_file *images, bool planar) {
    rf_status status = RF_OK;
    size_t plane = (size_t)dataset->height * (size_t)dataset->width,
           image = plane * (size_t)dataset->channels;
    if (!planar || dataset->channels == 1) {
        RF_TRY(read_exactly(images, dataset->pixels, (size_t)dataset->count * image));
        return expect_end(images);
    }
    uint8_t *planes = rf_alloc(image, 1);
    if (planes == NULL) return RF_E_MEMORY;
    for (size_t i = 0; status == RF_OK && i < (size_t)dataset->count; i++) {
        status = read_exactly(images, planes, image);
        rf_interleave(dataset->pixels + i * image, planes, dataset->channels, plane);
    }
    free(planes);
    return status == RF_OK ? expect_end(images) : status;
}

static rf_status open_pair(rf_dataset **out, const char *spec, const char *images_path,
                           const char *labels_path) {
    rf_status status = RF_OK;
    rf_data_shape shape = {0};
    uint8_t *bytes = NULL;
    bool planar = false;
    idx_file images = {0}, labels = {0};
    if ((status = open_idx_file(&images, images_path)) != RF_OK) goto done;
    if ((status = images_shape(&shape, &planar, &images)) != RF_OK) goto done;
    if ((status = open_idx_file(&labels, labels_path)) != RF_OK) goto done;
    if ((status = read_labels(&bytes, &shape.classes, &labels, shape.count, images_path)) != RF_OK) goto done;
    if ((status = rf_dataset_create(out, spec, shape)) != RF_OK) goto done;
    for (int i = 0; i < (*out)->count; i++) (*out)->labels[i] = bytes[i];
    status = read_images(*out, &images, planar);
done:
    free(bytes);
    close_idx_file(&labels);
    close_idx_file(&images);
    return status;
}

/* ---- finding the pair ---- */

static bool ends_with(const char *name, size_t length, const char *ending) {
    size_t n = strlen(ending);
    return length >= n && memcmp(name + length - n, ending, n) == 0;
}

static size_t plain_length(const char *name) { /* without ".gz" */
    size_t length = strlen(name);
    return ends_with(name, length, ".gz") ? length - 3 : length;
}

typedef enum role { NEITHER, IMAGES, LABELS } role;

/* By the name alone, so that a damaged file is still seen as what it should be. */
static role role_of(const rf_entry *entry) {
    const char *name = entry->name;
    size_t length = plain_length(name);
    if (entry->kind != RF_ENTRY_FILE || rf_image_is_name(name)) return NEITHER;
    if (strstr(name, "ubyte") == NULL && strstr(name, "idx") == NULL && !ends_with(name, length, "images") &&
        !ends_with(name, length, "labels"))
        return NEITHER;
    return strstr(name, "labels") != NULL || strstr(name, "idx1") != NULL ? LABELS : IMAGES;
}

/* Do they belong together?  Their names are the same but for images/labels, idx3/idx1 and .gz. */
static bool related(const char *images, const char *labels) {
    const char *word = strstr(images, "images"), *other = strstr(labels, "labels");
    size_t a = word != NULL ? (size_t)(word - images) : strcspn(images, "0123456789");
    size_t b = other != NULL ? (size_t)(other - labels) : strcspn(labels, "0123456789");
    return a == b && memcmp(images, labels, a) == 0;
}

typedef struct pair {
    const char *images, *labels; /* borrowed: names of the listing */
    int found;
} pair;

/* The pair whose names hold `word`; a file beside its gzipped self counts once. */
static pair find_pair(const rf_listing *list, const char *word) {
    pair p = {0};
    for (size_t i = 0; i < list->count; i++) {
        const char *images = list->entries[i].name, *labels = NULL;
        if (role_of(&list->entries[i]) != IMAGES || strstr(images, word) == NULL) continue;
        for (size_t j = 0; labels == NULL && j < list->count; j++)
            if (role_of(&list->entries[j]) == LABELS && related(images, list->entries[j].name))
                labels = list->entries[j].name;
        size_t length = plain_length(images);
        bool again =
            p.images != NULL && length == plain_length(p.images) && memcmp(images, p.images, length) == 0;
        if (labels == NULL || again) continue;
        if (p.found++ == 0) {
            p.images = images;
            p.labels = labels;
        }
    }
    return p;
}

/* The only two files, whatever their names. */
static pair only_two(const rf_listing *list) {
    pair p = {0};
    int files[LABELS + 1] = {0};
    for (size_t i = 0; i < list->count; i++) {
        role r = role_of(&list->entries[i]);
        files[r]++;
        if (r == IMAGES) p.images = list->entries[i].name;
        if (r == LABELS) p.labels = list->entries[i].name;
    }
    p.found = files[IMAGES] == 1 && files[LABELS] == 1;
    return p;
}

static rf_status open_folder(rf_dataset **out, const char *spec) {
    static const char *const words[] = {"train", "t10k", "test", ""};
    rf_listing list;
    pair p = {0};
    char *images = NULL, *labels = NULL;
    rf_status status = rf_listing_read(&list, spec);
    for (size_t i = 0; p.found == 0 && i < RF_COUNT(words); i++) p = find_pair(&list, words[i]);
    if (p.found == 0) p = only_two(&list);
    if (status == RF_OK && p.found != 1)
        status = rf_fail(RF_E_INPUT, "%s: holds %s; name the two files: --data IMAGES,LABELS", spec,
                         p.found == 0 ? "IDX files, but no images with their labels"
                                      : "more than one pair of IDX files");
    if (status == RF_OK) {
        images = rf_path_join(spec, p.images);
        labels = rf_path_join(spec, p.labels);
        status = images != NULL && labels != NULL ? open_pair(out, spec, images, labels) : RF_E_MEMORY;
    }
    free(images);
    free(labels);
    rf_listing_free(&list);
    return status;
}

static bool claims(const char *spec) {
    struct stat info;
    rf_listing list;
    bool found = false;
    if (stat(spec, &info) != 0) return strchr(spec, ',') != NULL;
    if (!S_ISDIR(info.st_mode) || rf_listing_read(&list, spec) != RF_OK) return false;
    for (size_t i = 0; i < list.count && !found; i++) found = role_of(&list.entries[i]) == IMAGES;
    rf_listing_free(&list);
    return found;
}

static rf_status open_idx(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    struct stat info;
    (void)options;
    if (rf_is_folder(spec)) return open_folder(out, spec);
    char *images = rf_strdup(spec);
    if (images == NULL) return RF_E_MEMORY;
    /* A name may hold commas itself: the first one behind which both halves are files, else the first one. */
    char *comma = strchr(images, ',');
    for (char *c = comma; c != NULL; c = strchr(c + 1, ',')) {
        *c = '\0';
        bool files = stat(images, &info) == 0 && stat(c + 1, &info) == 0;
        *c = ',';
        if (files) {
            comma = c;
            break;
        }
    }
    *comma = '\0';
    rf_status status = open_pair(out, spec, images, comma + 1);
    free(images);
    return status;
}

const rf_data_format rf_data_format_idx = {
    .spec = "IMAGES,LABELS (two IDX files, gzipped or not), or a folder that holds them",
    .claims = claims,
    .open = open_idx,
};
