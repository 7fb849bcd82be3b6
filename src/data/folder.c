/* A folder with one sub-folder a class, holding the images of the class as files.  Classes and files are
 * taken in the order of the bytes of their names, whatever the file system's; the files are decoded in
 * parallel.  The first image decides on the channels (grey or colour) and, unless told otherwise, on the
 * size; the others are made to fit. Hidden files and those of other kinds are passed over; folders inside a
 * class folder are not read. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "data/format.h"
#include "data/image.h"

typedef struct image_file {
    char *path;
    char *reason;     /* why it could not be read */
    rf_status status; /* RF_OK: it was read */
} image_file;

/* The images found, class by class, and what could not be used. */
typedef struct collection {
    const rf_dataset_options *options;
    image_file *files;
    int32_t *labels; /* beside files */
    size_t count, capacity;
    char **class_names;
    size_t class_count;
    rf_bad_file *bad;
    size_t bad_count;
} collection;

static void collection_free(collection *all) {
    for (size_t i = 0; i < all->count; i++) {
        free(all->files[i].path);
        free(all->files[i].reason);
    }
    for (size_t i = 0; i < all->class_count; i++) free(all->class_names[i]);
    for (size_t i = 0; i < all->bad_count; i++) {
        free(all->bad[i].path);
        free(all->bad[i].reason);
    }
    free(all->files);
    free(all->labels);
    free(all->class_names);
    free(all->bad);
}

/* ---- finding ---- */

/* With skip_bad the failure goes into the list and is forgotten, else it stays one. */
static rf_status tolerate(collection *all, rf_status status, const char *path, const char *reason) {
    bool tolerable = status == RF_E_INPUT || status == RF_E_IO;
    if (!tolerable || !all->options->skip_bad) return rf_fail(status, "%s", reason);
    size_t known = strlen(path); /* the reason starts with the path */
    if (strncmp(reason, path, known) == 0 && strncmp(reason + known, ": ", 2) == 0) reason += known + 2;
    rf_bad_file *bad = rf_resize(all->bad, all->bad_count + 1, sizeof *bad);
    if (bad == NULL) return RF_E_MEMORY;
    all->bad = bad;
    bad += all->bad_count++;
    *bad = (rf_bad_file){rf_strdup(path), rf_strdup(reason)};
    return bad->path != NULL && bad->reason != NULL ? RF_OK : RF_E_MEMORY;
}

static rf_status add_file(collection *all, const char *folder, const char *name) {
    if (all->count == INT32_MAX) return rf_fail(RF_E_INPUT, "%s: too many images", folder);
    if (all->count == all->capacity) {
        size_t capacity = RF_MAX(all->capacity * 2, 256);
        image_file *files = rf_resize(all->files, capacity, sizeof *files);
        if (files == NULL) return RF_E_MEMORY;
        all->files = files;
        int32_t *labels = rf_resize(all->labels, capacity, sizeof *labels);
        if (labels == NULL) return RF_E_MEMORY;
        all->labels = labels;
        all->capacity = capacity;
    }
    char *path = rf_path_join(folder, name);
    if (path == NULL) return RF_E_MEMORY;
    all->labels[all->count] = (int32_t)all->class_count;
    all->files[all->count++] = (image_file){.path = path};
    return RF_OK;
}

/* Adds a class and its images.  A link that leads nowhere counts as a file: reading it will tell. */
static rf_status add_class(collection *all, const char *path, const char *name) {
    rf_listing list;
    size_t before = all->count, folders = 0;
    rf_status status = rf_listing_read(&list, path);
    for (size_t i = 0; status == RF_OK && i < list.count; i++) {
        const rf_entry *entry = &list.entries[i];
        folders += entry->kind == RF_ENTRY_FOLDER;
        if ((entry->kind == RF_ENTRY_FILE || entry->kind == RF_ENTRY_BROKEN) && rf_image_is_name(entry->name))
            status = add_file(all, path, entry->name);
    }
    if (status == RF_OK && all->count == before)
        status = rf_fail(
            RF_E_INPUT, "%s: the class folder holds no image (%s)%s", path, rf_image_kinds,
            folders > 0 ? ", only folders; if those are the classes, name this folder as the data" : "");
    rf_listing_free(&list);
    if (status != RF_OK) return status;
    char **names = rf_resize(all->class_names, all->class_count + 1, sizeof *names);
    if (names == NULL) return RF_E_MEMORY;
    all->class_names = names;
    if ((names[all->class_count] = rf_strdup(name)) == NULL) return RF_E_MEMORY;
    all->class_count++;
    return RF_OK;
}

static rf_status add_classes(collection *all, const char *root, const rf_listing *list) {
    rf_status status = RF_OK;
    for (size_t i = 0; status == RF_OK && i < list->count; i++) {
        const rf_entry *entry = &list->entries[i];
        char *path = rf_path_join(root, entry->name);
        if (path == NULL) return RF_E_MEMORY;
        if (entry->kind == RF_ENTRY_FOLDER)
            status = add_class(all, path, entry->name);
        else if (entry->kind == RF_ENTRY_BROKEN)
            status = rf_fail(RF_E_IO, "%s: the link leads nowhere, or in a circle", path);
        if (status != RF_OK) status = tolerate(all, status, path, rf_error_message());
        free(path);
    }
    return status;
}

static rf_status collect(collection *all, const char *root) {
    rf_listing list;
    size_t images = 0;
    RF_TRY(rf_listing_read(&list, root));
    rf_status status = add_classes(all, root, &list);
    for (size_t i = 0; i < list.count; i++)
        images += list.entries[i].kind == RF_ENTRY_FILE && rf_image_is_name(list.entries[i].name);
    bool empty = list.count == 0;
    rf_listing_free(&list);
    if (status == RF_OK && all->class_count < 2)
        status = rf_fail(RF_E_INPUT, "%s: %s; it must hold at least two folders of images, one a class", root,
                         all->class_count == 1 ? "there is only one class"
                         : images > 0          ? "there are images, but no class folders"
                         : empty               ? "the folder is empty"
                                               : "there is no class folder");
    return status;
}

/* Keeps at most options->limit files, before any is decoded. */
static rf_status limit_files(collection *all) {
    size_t n = 0;
    if (all->options->limit == 0 || (size_t)all->options->limit >= all->count) return RF_OK;
    int32_t *chosen = rf_alloc(all->count, sizeof *chosen);
    if (chosen == NULL) return RF_E_MEMORY;
    rf_status status =
        rf_dataset_choose(chosen, &n, all->labels, all->count, (int)all->class_count, all->options->limit);
    for (size_t i = 0, next = 0; status == RF_OK && i < all->count; i++) {
        if (next < n && (size_t)chosen[next] == i) {
            all->files[next] = all->files[i];
            all->labels[next++] = all->labels[i];
        } else {
            free(all->files[i].path);
        }
    }
    if (status == RF_OK) all->count = n;
    free(chosen);
    return status;
}

/* ---- decoding ---- */

typedef struct decoding {
    collection *all;
    rf_dataset *dataset;
    atomic_size_t first_bad; /* without skip_bad, later files need not be read */
} decoding;

static void note(image_file *file, rf_status status) {
    file->status = status;
    if (status != RF_OK && (file->reason = rf_strdup(rf_error_message())) == NULL) file->status = RF_E_MEMORY;
}

static void lower(atomic_size_t *value, size_t i) {
    size_t old = atomic_load(value);
    while (i < old && !atomic_compare_exchange_weak(value, &old, i)) {
    }
}

static void decode(void *context, size_t i) {
    decoding *work = context;
    rf_dataset *dataset = work->dataset;
    image_file *file = &work->all->files[i];
    size_t bytes = (size_t)dataset->height * (size_t)dataset->width * (size_t)dataset->channels;
    rf_image image = {0};
    if (file->status != RF_OK || i > atomic_load(&work->first_bad)) return;
    rf_status status = rf_interrupted() ? rf_fail(RF_E_INTERRUPTED, "interrupted")
                                        : rf_image_read(&image, file->path, dataset->channels);
    if (status == RF_OK)
        status = rf_image_resize(dataset->pixels + i * bytes, dataset->height, dataset->width, &image);
    free(image.pixels);
    note(file, status);
    if (status != RF_OK && !(work->all->options->skip_bad && (status == RF_E_INPUT || status == RF_E_IO)))
        lower(&work->first_bad, i);
}

/* The shape of the first image that can be read; the bad ones before it are noted. */
static rf_status first_shape(rf_data_shape *shape, collection *all, const char *root) {
    const rf_dataset_options *options = all->options;
    for (size_t i = 0; i < all->count; i++) {
        rf_image image;
        rf_status status = rf_image_read(&image, all->files[i].path, 0);
        if (status == RF_OK) {
            free(image.pixels);
            *shape = (rf_data_shape){
                .count = all->count,
                .channels = (uint64_t)image.channels,
                .height = (uint64_t)(options->image_height > 0 ? options->image_height : image.height),
                .width = (uint64_t)(options->image_width > 0 ? options->image_width : image.width),
                .classes = all->class_count};
            return RF_OK;
        }
        if (!options->skip_bad || status == RF_E_MEMORY) return status;
        if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
        note(&all->files[i], status);
    }
    return rf_fail(RF_E_INPUT, "%s: none of its %zu images can be read; the first is %s", root, all->count,
                   all->files[0].reason != NULL ? all->files[0].reason : "unknown");
}

/* Moves the good images to the front; the bad ones go into the list, or the first of them is the failure. */
static rf_status gather(rf_dataset *dataset, collection *all) {
    size_t bytes = (size_t)dataset->height * (size_t)dataset->width * (size_t)dataset->channels, n = 0;
    for (size_t i = 0; i < all->count; i++) {
        const image_file *file = &all->files[i];
        if (file->status != RF_OK) {
            RF_TRY(tolerate(all, file->status, file->path,
                            file->reason != NULL ? file->reason : "out of memory"));
            continue;
        }
        if (n < i) memmove(dataset->pixels + n * bytes, dataset->pixels + i * bytes, bytes);
        dataset->labels[n++] = all->labels[i];
    }
    dataset->count = (int)n;
    dataset->class_names = all->class_names;
    dataset->bad = all->bad;
    dataset->bad_count = all->bad_count;
    all->class_names = NULL;
    all->bad = NULL;
    all->class_count = all->bad_count = 0;
    return RF_OK;
}

static bool claims(const char *spec) {
    return rf_is_folder(spec);
}

static rf_status open_images(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    rf_status status = RF_OK;
    rf_data_shape shape;
    collection all = {.options = options};
    if ((status = collect(&all, spec)) != RF_OK) goto done;
    if ((status = limit_files(&all)) != RF_OK) goto done;
    if ((status = first_shape(&shape, &all, spec)) != RF_OK) goto done;
    if ((status = rf_dataset_create(out, spec, shape)) != RF_OK) goto done;
    decoding work = {.all = &all, .dataset = *out, .first_bad = SIZE_MAX};
    rf_parallel_for(all.count, 0, decode, &work);
    status = gather(*out, &all);
done:
    collection_free(&all);
    return status;
}

const rf_data_format rf_data_format_folder = {
    .spec = "a folder with one sub-folder of images (JPEG, PNG, BMP, PNM) a class",
    .claims = claims,
    .open = open_images,
};
