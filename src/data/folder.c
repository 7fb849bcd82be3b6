/* A folder with one sub-folder of images a class (collect.c finds them).  First all headers are read, which determine
 * the channels and, by default, the size; then the files are decoded in parallel, as many at once as memory allows, and
 * resized. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "data/collect.h"
#include "data/conversions.h"
#include "data/decoded.h"
#include "data/format.h"
#include "data/listing.h"
#include "data/reader.h"
#include "data/source.h"
#include "data/transform.h"

/* Keeps at most options->limit files, before any is read. */
static rf_status limit_files(rf_collection *all) {
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

/* ---- reading ---- */

typedef struct reading {
    rf_collection *all;
    rf_dataset *dataset;
    rf_reader *reader;
    atomic_size_t first_bad; /* without skip_bad, later files need not be read */
} reading;

static void lower(atomic_size_t *value, size_t i) {
    size_t old = atomic_load(value);
    while (i < old && !atomic_compare_exchange_weak(value, &old, i)) {
    }
}

static void record(reading *work, size_t i, rf_status status) {
    rf_image_file *file = &work->all->files[i];
    file->status = status;
    if (status == RF_OK) return;
    if ((file->reason = rf_strdup(rf_error_message())) == NULL) file->status = RF_E_MEMORY;
    if (!(work->all->options->skip_bad && (status == RF_E_INPUT || status == RF_E_IO)))
        lower(&work->first_bad, i);
}

/* Whether to read the file: not if it is known to be bad, or after an earlier error. */
static bool wanted(reading *work, size_t i) {
    if (work->all->files[i].status != RF_OK || i > atomic_load(&work->first_bad)) return false;
    if (rf_interrupted()) record(work, i, rf_fail(RF_E_INTERRUPTED, "interrupted"));
    return !rf_interrupted();
}

static void probe(void *context, size_t i) {
    reading *work = context;
    rf_image_file *file = &work->all->files[i];
    if (!wanted(work, i)) return;
    record(work, i, rf_reader_probe(&file->info, work->reader, file->path));
}

static void decode(void *context, size_t i) {
    reading *work = context;
    rf_dataset *dataset = work->dataset;
    const rf_image_file *file = &work->all->files[i];
    if (!wanted(work, i)) return;
    record(work, i,
           rf_reader_read(dataset->pixels + i * rf_dataset_image_bytes(dataset), work->reader, file->path,
                          &file->info));
}

/* With skip_bad only interruption and lack of memory are errors here. */
static rf_status failure(reading *work) {
    size_t i = atomic_load(&work->first_bad);
    if (i >= work->all->count) return RF_OK;
    const rf_image_file *file = &work->all->files[i];
    return rf_collection_tolerate(work->all, file->status, file->path,
                                  file->reason != NULL ? file->reason : "out of memory");
}

/* ---- shape, by the headers ---- */

/* The first image that can be read, decoded where its size decides. */
static rf_status first_image(rf_image_info *info, reading *work, const char *root, bool decided) {
    rf_collection *all = work->all;
    for (size_t i = 0; i < all->count; i++) {
        rf_image image = {0};
        if (!wanted(work, i)) continue;
        rf_status status = decided ? RF_OK : rf_image_read(&image, all->files[i].path, 0);
        free(image.pixels);
        record(work, i, status);
        RF_TRY(failure(work));
        *info = all->files[i].info;
        if (status == RF_OK) return RF_OK;
    }
    RF_TRY(failure(work));
    return rf_fail(RF_E_INPUT, "%s: none of its %zu images can be read; the first is %s", root, all->count,
                   all->files[0].reason != NULL ? all->files[0].reason : "unknown");
}

static rf_status choose_shape(rf_data_shape *shape, reading *work, const char *root) {
    const rf_collection *all = work->all;
    const rf_dataset_options *options = all->options;
    rf_image_info first = {0};
    int height = options->image_height, width = options->image_width, channels = options->channels;
    RF_TRY(first_image(&first, work, root, height > 0 && width > 0));
    if (height == 0) height = rf_upright_height(&first);
    if (width == 0) width = rf_upright_width(&first);
    for (size_t i = 0; options->channels == 0 && i < all->count; i++)
        if (all->files[i].status == RF_OK) channels = RF_MAX(channels, all->files[i].info.channels);
    *shape = (rf_data_shape){.count = all->count,
                             .channels = (uint64_t)channels,
                             .height = (uint64_t)height,
                             .width = (uint64_t)width,
                             .classes = all->class_count};
    return RF_OK;
}

/* ---- the result ---- */

/* Moves the good images to the front; the bad ones go into the list. */
static rf_status gather(rf_dataset *dataset, rf_collection *all) {
    size_t bytes = rf_dataset_image_bytes(dataset), n = 0;
    for (size_t i = 0; i < all->count; i++) {
        const rf_image_file *file = &all->files[i];
        if (file->status != RF_OK) {
            RF_TRY(rf_collection_tolerate(all, file->status, file->path,
                                          file->reason != NULL ? file->reason : "out of memory"));
            continue;
        }
        if (n < i) memmove(dataset->pixels + n * bytes, dataset->pixels + i * bytes, bytes);
        dataset->labels[n++] = all->labels[i];
    }
    dataset->count = (int)n;
    rf_collection_give(dataset, all);
    if (n == 0)
        return rf_fail(RF_E_INPUT, "%s: none of its %zu images can be read", dataset->name, all->count);
    return RF_OK;
}

/* What was converted, of the images that were read. */
static rf_status note_conversions(rf_dataset *dataset, const reading *work) {
    const rf_dataset_options *options = work->all->options;
    rf_conversions n = {.fit = options->fit, .sized = options->image_height > 0 && options->image_width > 0};
    for (size_t i = 0; i < work->all->count; i++)
        if (work->all->files[i].status == RF_OK)
            rf_conversions_add(&n, &work->all->files[i].info, work->reader);
    return rf_conversions_note(dataset, &n);
}

static rf_status read_images(rf_dataset **out, const char *spec, reading *work) {
    rf_data_shape shape;
    rf_parallel_for(work->all->count, 0, probe, work);
    RF_TRY(failure(work));
    RF_TRY(choose_shape(&shape, work, spec));
    RF_TRY(rf_dataset_create(out, spec, shape));
    rf_reader *reader = work->reader;
    work->dataset = *out;
    uint64_t pixels = shape.count * shape.channels * shape.height * shape.width;
    reader->gate.total = RF_MAX(rf_dataset_budget() - pixels, reader->gate.total);
    reader->height = (*out)->height;
    reader->width = (*out)->width;
    reader->channels = (*out)->channels;
    rf_parallel_for(work->all->count, 0, decode, work);
    RF_TRY(failure(work));
    RF_TRY(gather(*out, work->all));
    RF_TRY(rf_collection_note(*out, work->all));
    return note_conversions(*out, work);
}

static rf_status claims(bool *mine, const char *spec) {
    *mine = rf_is_folder(spec);
    return RF_OK;
}

static rf_status open_images(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    rf_collection all;
    rf_status status = rf_collect(&all, spec, options);
    if (status == RF_OK) status = limit_files(&all);
    if (status == RF_OK && options->cache_bytes > 0)
        status = rf_decoded_create(out, spec, &all);
    else if (status == RF_OK) {
        rf_reader reader = {.fit = options->fit, .no_exif = options->no_exif};
        reading work = {.all = &all, .reader = &reader, .first_bad = SIZE_MAX};
        rf_gate_create(&reader.gate, rf_dataset_budget() / 2);
        status = read_images(out, spec, &work);
        rf_gate_destroy(&reader.gate);
    }
    rf_collection_free(&all);
    return status;
}

const rf_data_format rf_data_format_folder = {
    .spec = "a folder with one sub-folder of images a class",
    .decodes = true,
    .claims = claims,
    .open = open_images,
};
