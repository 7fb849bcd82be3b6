/* CIFAR-10 and CIFAR-100 in their binary form: a file or a folder of them, 3x32x32.
 * Format: records of one label byte (CIFAR-10) or two, coarse and fine (CIFAR-100), and 3072 bytes of pixels as planes.
 * Source: A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/kind.h"
#include "data/format.h"
#include "data/listing.h"

enum { CHANNELS = 3, SIDE = 32, IMAGE = CHANNELS * SIDE * SIDE };

typedef struct variant {
    int label_bytes, label, classes; /* label: which of the bytes is taken */
    const char *names;               /* the file of the classes' names */
} variant;
static const variant variants[] = {{1, 0, 10, "batches.meta.txt"}, {2, 1, 100, "fine_label_names.txt"}},
                     coarse = {2, 0, 20, "coarse_label_names.txt"};

/* Which files of a folder are taken: the first pattern that matches any. */
static const char *const patterns[] = {"data_batch_*.bin", "train.bin", "test_batch.bin", "test.bin"};

static bool matches(const rf_entry *entry, const char *pattern) {
    return entry->kind == RF_ENTRY_FILE && fnmatch(pattern, entry->name, 0) == 0;
}

static const char *pattern_of(const rf_listing *list) {
    for (size_t p = 0; p < RF_COUNT(patterns); p++)
        for (size_t i = 0; i < list->count; i++)
            if (matches(&list->entries[i], patterns[p])) return patterns[p];
    return NULL;
}

static rf_status in_folder(bool *out, const char *folder) {
    rf_listing list;
    *out = false;
    RF_TRY(rf_listing_look(&list, folder));
    *out = pattern_of(&list) != NULL;
    rf_listing_free(&list);
    return RF_OK;
}

static rf_status claims(bool *mine, const char *spec) {
    *mine = rf_is_file(spec) && fnmatch("*.bin", spec, 0) == 0;
    return RF_OK;
}

/* The variant by the file's size; if both fit, train.bin and test.bin are CIFAR-100. */
static rf_status inspect(const variant **out, uint64_t *records, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return rf_fail_errno(errno, "%s: cannot be read", path);
    uint64_t size = (uint64_t)info.st_size;
    bool fits[RF_COUNT(variants)];
    for (size_t i = 0; i < RF_COUNT(variants); i++)
        fits[i] = size > 0 && size % (uint64_t)(IMAGE + variants[i].label_bytes) == 0;
    bool hundred_name = fnmatch("*train.bin", path, 0) == 0 || fnmatch("*test.bin", path, 0) == 0;
    bool hundred = fits[1] && (hundred_name || !fits[0]);
    if (!fits[0] && !fits[1])
        return rf_fail(
            RF_E_INPUT,
            "%s: its %llu bytes are not a whole number of CIFAR records (3073 bytes in CIFAR-10, 3074 in "
            "CIFAR-100): cut off, or another kind of file",
            path, (unsigned long long)size);
    *out = &variants[hundred];
    *records = size / (uint64_t)(IMAGE + (*out)->label_bytes);
    return RF_OK;
}

/* Reads one file's records into the images from `first` on. */
static rf_status read_records(rf_dataset *dataset, size_t first, size_t records, const char *path,
                              const variant *kind) {
    rf_status status = RF_OK;
    uint8_t record[IMAGE + 2];
    size_t size = (size_t)IMAGE + kind->label_bytes;
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) return rf_fail_errno(errno, "%s: cannot be opened", path);
    for (size_t i = 0; status == RF_OK && i < records; i++) {
        if (fread(record, 1, size, stream) != size) {
            status = rf_fail(RF_E_IO, "%s: cannot be read: %s", path,
                             ferror(stream) ? strerror(errno) : "cut off");
            break;
        }
        int label = record[kind->label];
        if (label >= kind->classes)
            status = rf_fail(RF_E_INPUT, "%s: record %zu has the label %d, but the labels are 0 to %d", path,
                             i, label, kind->classes - 1);
        else if (rf_interrupted())
            status = rf_fail(RF_E_INTERRUPTED, "interrupted");
        dataset->labels[first + i] = label;
        rf_interleave(dataset->pixels + (first + i) * IMAGE, record + kind->label_bytes, CHANNELS,
                      SIDE * SIDE);
    }
    fclose(stream);
    return status;
}

/* The class names, one a line, if their file lies beside the data and has the right number.
 */
static rf_status read_names(rf_dataset *dataset, const char *folder, const variant *kind) {
    rf_status status = RF_OK;
    void *text = NULL;
    size_t length;
    int n = 0;
    char *path = rf_path_join(folder, kind->names), **names = rf_alloc((size_t)kind->classes, sizeof *names);
    if (path == NULL || names == NULL) status = RF_E_MEMORY;
    if (status == RF_OK && rf_file_read(&text, &length, path, 1 << 16) == RF_OK) {
        char *rest = text;
        for (char *line; status == RF_OK && (line = strsep(&rest, "\r\n")) != NULL;) {
            if (*line == '\0') continue;
            if (n < kind->classes && (names[n] = rf_strdup(line)) == NULL) status = RF_E_MEMORY;
            n++;
        }
    }
    if (status == RF_OK && text != NULL && n != kind->classes)
        status = rf_dataset_note(dataset, "%s: holds %d names, not %d: the classes are numbered", path, n,
                                 kind->classes);
    if (status == RF_OK && n == kind->classes) {
        dataset->class_names = names;
        names = NULL;
    }
    for (int i = 0; names != NULL && i < kind->classes; i++) free(names[i]);
    free(names);
    free(text);
    free(path);
    return status;
}

/* Which labels are taken. */
static rf_status choose_labels(const variant **kind, const char *spec, const rf_dataset_options *options) {
    if (!options->coarse_labels) return RF_OK;
    if (*kind == &variants[0])
        return rf_fail(RF_E_USAGE, "%s: is CIFAR-10, but only CIFAR-100 has coarse labels", spec);
    *kind = &coarse;
    return RF_OK;
}

static rf_status open_files(rf_dataset **out, const char *spec, const char *folder, char *const *paths,
                            size_t count, const rf_dataset_options *options) {
    const variant *kind = NULL, *other, *labels;
    uint64_t records, first = 0;
    rf_data_shape shape = {.channels = CHANNELS, .height = SIDE, .width = SIDE};
    for (size_t i = 0; i < count; i++) {
        RF_TRY(rf_explain_file(inspect(&other, &records, paths[i]), paths[i], RF_READER_CIFAR));
        if (kind != NULL && kind != other)
            return rf_fail(RF_E_INPUT, "%s: CIFAR-%d data among CIFAR-%d data", paths[i], other->classes,
                           kind->classes);
        kind = other;
        shape.count += records;
    }
    labels = kind;
    RF_TRY(choose_labels(&labels, spec, options));
    shape.classes = (uint64_t)labels->classes;
    RF_TRY(rf_dataset_create(out, spec, shape));
    for (size_t i = 0; i < count; i++, first += records) {
        RF_TRY(inspect(&other, &records, paths[i]));
        if (other != kind || records > shape.count - first)
            return rf_fail(RF_E_IO, "%s: changed while it was read", paths[i]);
        RF_TRY(read_records(*out, (size_t)first, (size_t)records, paths[i], labels));
    }
    return read_names(*out, folder, labels);
}

static rf_status open_file(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    char *path = rf_strdup(spec), *folder = rf_strdup(spec);
    rf_status status = RF_E_MEMORY;
    if (path != NULL && folder != NULL) {
        char *slash = strrchr(folder, '/');
        if (slash != NULL) slash[1] = '\0';
        status = open_files(out, spec, slash != NULL ? folder : ".", &path, 1, options);
    }
    free(folder);
    free(path);
    return status;
}

/* The other parts of the data set, which lie beside those that are read. */
static rf_status note_left_out(rf_dataset *dataset, const char *folder, const rf_listing *list,
                               const char *pattern) {
    rf_status status = RF_OK;
    for (size_t i = 0; status == RF_OK && i < list->count; i++) {
        const rf_entry *entry = &list->entries[i];
        bool part = false;
        for (size_t p = 0; p < RF_COUNT(patterns); p++) part |= matches(entry, patterns[p]);
        if (part && !matches(entry, pattern))
            status = rf_dataset_note(
                dataset, "%s%s%s is not read; it can be named as --data, or as --val-data of 'train'", folder,
                rf_path_separator(folder), entry->name);
    }
    return status;
}

static rf_status open_cifar(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    rf_status status = RF_OK;
    rf_listing list;
    size_t count = 0;
    if (!rf_is_folder(spec)) return open_file(out, spec, options);
    RF_TRY(rf_listing_read(&list, spec));
    const char *pattern = pattern_of(&list);
    char **paths = rf_alloc(list.count, sizeof *paths);
    if (paths == NULL) status = RF_E_MEMORY;
    for (size_t i = 0; status == RF_OK && i < list.count; i++)
        if (pattern != NULL && matches(&list.entries[i], pattern) &&
            (paths[count++] = rf_path_join(spec, list.entries[i].name)) == NULL)
            status = RF_E_MEMORY;
    if (status == RF_OK && count == 0) status = rf_fail(RF_E_IO, "%s: its files have vanished", spec);
    if (status == RF_OK) status = open_files(out, spec, spec, paths, count, options);
    if (status == RF_OK) status = note_left_out(*out, spec, &list, pattern);
    for (size_t i = 0; paths != NULL && i < count; i++) free(paths[i]);
    free(paths);
    rf_listing_free(&list);
    return status;
}

const rf_data_format rf_data_format_cifar = {
    .spec = "a CIFAR-10 or CIFAR-100 .bin file, or a folder that holds them",
    .in_folder = in_folder,
    .files = "CIFAR files",
    .by_name = "--data FILE reads one of them",
    .coarse_labels = true,
    .claims = claims,
    .open = open_cifar,
};
