/* IDX: the files of MNIST and its kin, an images file and a labels file.  Labels have one dimension, or two
 * (QMNIST); images three (N,H,W), or four: (N,C,H,W), or (N,H,W,C) where the last dimension could be channels
 * (1, 3 or 4) and the second could not.  idx_file.c reads a file, idx_pair.c finds the two. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/class_folders.h"
#include "data/format.h"
#include "data/idx_file.h"
#include "data/idx_pair.h"
#include "data/listing.h"

/* The shape of the images; *planar: (N,C,H,W). */
static rf_status images_shape(rf_data_shape *shape, bool *planar, const rf_idx_file *images) {
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

/* What is read before there is a data set that could own it. */
typedef struct labels {
    int32_t *values, low, high;
    char *note;
    size_t trailing;
} labels;

static rf_status read_labels(labels *out, rf_idx_file *file, uint64_t count, const char *images_path) {
    if (file->rank > 2)
        return rf_fail(RF_E_INPUT, "%s: has %d dimensions; labels have 1, or 2 as QMNIST's", file->path,
                       file->rank);
    if (file->dims[0] != count)
        return rf_fail(RF_E_INPUT,
                       "%s holds %llu labels, but %s holds %llu images; they must be of one data set",
                       file->path, (unsigned long long)file->dims[0], images_path, (unsigned long long)count);
    if ((out->values = rf_alloc((size_t)count, sizeof *out->values)) == NULL) return RF_E_MEMORY;
    RF_TRY(rf_idx_read_labels(out->values, &out->note, file));
    RF_TRY(rf_idx_read_end(&out->trailing, file));
    out->low = out->high = out->values[0];
    for (size_t i = 1; i < count; i++) {
        out->low = RF_MIN(out->low, out->values[i]);
        out->high = RF_MAX(out->high, out->values[i]);
    }
    if (out->low == out->high)
        return rf_fail(RF_E_INPUT, "%s: every label is %d; at least two classes are needed", file->path,
                       (int)out->low);
    return RF_OK;
}

/* Labels that begin at 1 (EMNIST's letters) lose it; the classes keep the numbers of the file as names. */
static rf_status set_labels(rf_dataset *dataset, const labels *from, const char *path) {
    int32_t base = from->low == 1;
    for (int i = 0; i < dataset->count; i++) dataset->labels[i] = from->values[i] - base;
    if (base == 0) return RF_OK;
    dataset->class_names = rf_alloc((size_t)dataset->classes, sizeof *dataset->class_names);
    if (dataset->class_names == NULL) return RF_E_MEMORY;
    for (int c = 0; c < dataset->classes; c++)
        if ((dataset->class_names[c] = rf_format("%d", c + 1)) == NULL) return RF_E_MEMORY;
    return rf_dataset_note(dataset, "%s: labels from 1 to %d and none of 0: 1 is class 0, and so on", path,
                           (int)from->high);
}

static rf_status to_channels_last(rf_dataset *dataset) {
    size_t plane = (size_t)dataset->height * (size_t)dataset->width,
           image = plane * (size_t)dataset->channels;
    uint8_t *planes = rf_alloc(image, 1);
    if (planes == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < (size_t)dataset->count; i++) {
        memcpy(planes, dataset->pixels + i * image, image);
        rf_interleave(dataset->pixels + i * image, planes, dataset->channels, plane);
    }
    free(planes);
    return RF_OK;
}

static rf_status read_images(rf_dataset *dataset, rf_idx_file *images, bool planar) {
    char *note = NULL;
    size_t trailing = 0;
    rf_status status = rf_idx_read_pixels(dataset->pixels, &note, images);
    if (status == RF_OK && note != NULL) status = rf_dataset_note(dataset, "%s", note);
    free(note);
    if (status == RF_OK) status = rf_idx_read_end(&trailing, images);
    if (status == RF_OK) status = rf_dataset_note_trailing(dataset, images->path, trailing);
    if (status == RF_OK && planar && dataset->channels > 1) status = to_channels_last(dataset);
    return status;
}

static rf_status note_emnist(rf_dataset *dataset, const char *path, bool transposed) {
    if (strcasestr(path, "emnist") == NULL || transposed) return RF_OK;
    return rf_dataset_note(dataset, "EMNIST's files hold rows and columns exchanged; --transpose turns the "
                                    "images upright");
}

static rf_status open_pair(rf_dataset **out, const char *spec, const char *images_path,
                           const char *labels_path, const rf_dataset_options *options) {
    rf_status status = RF_OK;
    rf_data_shape shape = {0};
    labels read = {0};
    bool planar = false;
    rf_idx_file images = {0}, file = {0};
    if ((status = rf_idx_open(&images, images_path)) != RF_OK) goto done;
    if ((status = images_shape(&shape, &planar, &images)) != RF_OK) goto done;
    if ((status = rf_idx_open(&file, labels_path)) != RF_OK) goto done;
    if ((status = read_labels(&read, &file, shape.count, images_path)) != RF_OK) goto done;
    shape.classes = (uint64_t)read.high + (read.low != 1);
    if ((status = rf_dataset_create(out, spec, shape)) != RF_OK) goto done;
    if ((status = read_images(*out, &images, planar)) != RF_OK) goto done;
    if ((status = set_labels(*out, &read, labels_path)) != RF_OK) goto done;
    if (read.note != NULL) status = rf_dataset_note(*out, "%s", read.note);
    if (status == RF_OK) status = rf_dataset_note_trailing(*out, labels_path, read.trailing);
    if (status == RF_OK) status = note_emnist(*out, images_path, options->transpose);
done:
    free(read.note);
    free(read.values);
    rf_idx_close(&file);
    rf_idx_close(&images);
    return status;
}

/* A folder, or the images of one (only). */
static rf_status open_found(rf_dataset **out, const char *spec, const char *folder, const char *only,
                            const rf_dataset_options *options) {
    rf_idx_pair pair;
    rf_status status = rf_idx_pair_find(&pair, folder, only);
    if (status == RF_OK) status = open_pair(out, spec, pair.images, pair.labels, options);
    if (status == RF_OK && only != NULL)
        status = rf_dataset_note(*out, "its labels are read from %s", pair.labels);
    else if (status == RF_OK && pair.others != NULL)
        status = rf_dataset_note(*out, "%s is read, not %s; --data IMAGES,LABELS names a pair", pair.images,
                                 pair.others);
    rf_idx_pair_free(&pair);
    return status;
}

static rf_status open_file(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    const char *slash = strrchr(spec, '/');
    char *folder = slash != NULL ? rf_format("%.*s", (int)(slash + 1 - spec), spec) : rf_strdup(".");
    rf_status status = folder != NULL
                           ? open_found(out, spec, folder, slash != NULL ? slash + 1 : spec, options)
                           : RF_E_MEMORY;
    free(folder);
    return status;
}

static rf_status claims(bool *mine, const char *spec) {
    int rank = 0;
    if (rf_is_file(spec)) RF_TRY(rf_idx_peek(&rank, spec));
    *mine = rank > 0 || (!rf_is_file(spec) && strchr(spec, ',') != NULL);
    return RF_OK;
}

static rf_status open_idx(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    struct stat info;
    if (rf_is_folder(spec)) return open_found(out, spec, spec, NULL, options);
    if (rf_is_file(spec)) return open_file(out, spec, options);
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
    rf_status status = open_pair(out, spec, images, comma + 1, options);
    free(images);
    return status;
}

const rf_data_format rf_data_format_idx = {
    .spec = "IMAGES,LABELS (two IDX files, gzipped or not), or a folder that holds them",
    .in_folder = rf_idx_in_folder,
    .files = "IDX files",
    .by_name = "--data IMAGES,LABELS reads them",
    .claims = claims,
    .open = open_idx,
};
