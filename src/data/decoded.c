/* Images decoded on demand.  The first ones are kept, as many as options->cache_bytes has room for: which ones does not
 * matter, as each epoch reads all in another order. */
#include "data/decoded.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "data/conversions.h"
#include "data/format.h"
#include "data/reader.h"
#include "data/source.h"

enum { UNREAD = 0, FILLING = -1, BAD = -2 }; /* above 0: kept, in slot - 1 */

typedef struct decoded {
    rf_source source;
    rf_dataset *dataset; /* which owns this */
    rf_reader reader;
    bool skip_bad;
    char **paths;
    atomic_int *place; /* of each image */
    uint8_t *cache;
    size_t image, slots; /* bytes; images that the cache has room for */
    atomic_size_t used;
    pthread_mutex_t bad; /* guards the list of bad files */
} decoded;

static void free_decoded(rf_source *source) {
    decoded *d = (decoded *)source;
    for (int i = 0; d->paths != NULL && i < d->dataset->count; i++) free(d->paths[i]);
    rf_gate_destroy(&d->reader.gate);
    pthread_mutex_destroy(&d->bad);
    free(d->paths);
    free(d->place);
    free(d->cache);
    free(d);
}

/* ---- reading ---- */

static void keep(decoded *d, int index, const uint8_t *pixels) {
    int unread = UNREAD;
    if (atomic_load(&d->used) >= d->slots ||
        !atomic_compare_exchange_strong(&d->place[index], &unread, FILLING))
        return;
    const size_t slot = atomic_fetch_add(&d->used, 1);
    if (slot < d->slots) memcpy(d->cache + slot * d->image, pixels, d->image);
    atomic_store(&d->place[index], slot < d->slots ? (int)slot + 1 : UNREAD);
}

static rf_status read_own(uint8_t *out, decoded *d, int index) {
    rf_image_info info;
    const int place = atomic_load(&d->place[index]);
    if (place > 0) {
        memcpy(out, d->cache + (size_t)(place - 1) * d->image, d->image);
        return RF_OK;
    }
    if (place == BAD) return RF_E_INPUT;
    RF_TRY(rf_reader_probe(&info, &d->reader, d->paths[index]));
    RF_TRY(rf_reader_read(out, &d->reader, d->paths[index], &info));
    keep(d, index, out);
    return RF_OK;
}

static bool is_bad(rf_status status) {
    return status == RF_E_INPUT || status == RF_E_IO;
}

/* Lists the file of the current message, once. */
static rf_status list_bad(decoded *d, int index) {
    int unread = UNREAD;
    rf_status status = RF_OK;
    pthread_mutex_lock(&d->bad);
    if (atomic_compare_exchange_strong(&d->place[index], &unread, BAD))
        status =
            rf_bad_file_add(&d->dataset->bad, &d->dataset->bad_count, d->paths[index], rf_error_message());
    pthread_mutex_unlock(&d->bad);
    return status;
}

/* The nearest image of the same class that can be read; the files are in the order of their classes. */
static rf_status read_other(uint8_t *out, decoded *d, int index) {
    const rf_dataset *data = d->dataset;
    const int32_t label = data->labels[index];
    bool left = true;
    for (int step = 1; left; step++) {
        left = false;
        for (int side = 0; side < 2; side++) {
            const int64_t other = (int64_t)index + (side == 0 ? step : -step);
            if (other < 0 || other >= data->count || data->labels[other] != label) continue;
            const rf_status status = read_own(out, d, (int)other);
            if (!is_bad(status)) return status;
            RF_TRY(list_bad(d, (int)other));
            left = true;
        }
    }
    return rf_fail(RF_E_INPUT, "%s: no image of the class '%s' can be read", data->name,
                   data->class_names[label]);
}

static rf_status read_image(uint8_t *out, rf_source *source, int index) {
    decoded *d = (decoded *)source;
    const rf_status status = read_own(out, d, index);
    if (!is_bad(status)) return status;
    if (!d->skip_bad)
        return rf_fail(status, "%s; --skip-bad takes another image of its class", rf_error_message());
    RF_TRY(list_bad(d, index));
    return read_other(out, d, index);
}

/* ---- shape, by the headers of a sample ---- */

typedef struct sample {
    const rf_collection *all;
    rf_reader *reader;
    size_t count;
    rf_image_file files[]; /* without their paths */
} sample;

static void probe(void *context, size_t i) {
    sample *s = context;
    rf_image_file *file = &s->files[i];
    file->status = rf_reader_probe(&file->info, s->reader, s->all->files[i * s->all->count / s->count].path);
    if (file->status != RF_OK) file->reason = rf_strdup(rf_error_message());
}

/* Without skip_bad a bad file of the sample is the error. */
static rf_status probe_sample(sample *s) {
    const bool skip_bad = s->all->options->skip_bad;
    rf_status status = RF_OK;
    rf_parallel_for(s->count, 0, probe, s);
    for (size_t i = 0; i < s->count; i++) {
        const rf_image_file *file = &s->files[i];
        if (status == RF_OK && file->status != RF_OK && !(skip_bad && is_bad(file->status)))
            status = rf_fail(file->status, "%s%s", file->reason != NULL ? file->reason : "out of memory",
                             is_bad(file->status) ? "; --skip-bad takes another image of its class" : "");
        free(s->files[i].reason);
    }
    return status;
}

/* The header of the first image that can be decoded. */
static rf_status first_image(rf_image_info *info, rf_reader *reader, const rf_collection *all,
                             const char *name) {
    for (size_t i = 0; i < all->count; i++) {
        rf_image image = {0};
        rf_status status = rf_reader_probe(info, reader, all->files[i].path);
        if (status == RF_OK) status = rf_image_read(&image, all->files[i].path, 0);
        free(image.pixels);
        if (status == RF_OK || !is_bad(status)) return status;
        if (!all->options->skip_bad)
            return rf_fail(status, "%s; --skip-bad takes another image of its class", rf_error_message());
    }
    return rf_fail(RF_E_INPUT, "%s: none of its %zu images can be read; the last is %s", name, all->count,
                   rf_error_message());
}

static rf_status choose_shape(rf_data_shape *shape, sample *s, const char *name) {
    const rf_dataset_options *options = s->all->options;
    int height = options->image_height, width = options->image_width, channels = options->channels;
    rf_image_info first;
    RF_TRY(probe_sample(s));
    RF_TRY(first_image(&first, s->reader, s->all, name));
    if (height == 0) height = rf_upright_height(&first);
    if (width == 0) width = rf_upright_width(&first);
    if (options->channels == 0) channels = first.channels;
    for (size_t i = 0; options->channels == 0 && i < s->count; i++)
        if (s->files[i].status == RF_OK) channels = RF_MAX(channels, s->files[i].info.channels);
    *shape = (rf_data_shape){.count = s->all->count,
                             .channels = (uint64_t)channels,
                             .height = (uint64_t)height,
                             .width = (uint64_t)width,
                             .classes = s->all->class_count};
    return RF_OK;
}

/* ---- making ---- */

/* The collection's names become the data set's. */
static rf_status take_files(decoded *d, rf_dataset *dataset, rf_collection *all) {
    if ((d->paths = rf_alloc(all->count, sizeof *d->paths)) == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < all->count; i++) {
        d->paths[i] = all->files[i].path;
        all->files[i].path = NULL;
        dataset->labels[i] = all->labels[i];
    }
    rf_collection_give(dataset, all);
    return RF_OK;
}

/* All that is known before images are decoded. */
static rf_status note_conversions(rf_dataset *dataset, const sample *s) {
    const rf_dataset_options *options = s->all->options;
    rf_conversions n = {.fit = options->fit};
    n.sampled = s->count < s->all->count;
    n.sized = options->image_height > 0 && options->image_width > 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->files[i].status == RF_OK) rf_conversions_add(&n, &s->files[i].info, s->reader);
    return rf_conversions_note(dataset, &n);
}

static rf_status note(rf_dataset *dataset, const decoded *d, const sample *s) {
    char bytes[32];
    RF_TRY(rf_collection_note(dataset, s->all));
    RF_TRY(note_conversions(dataset, s));
    if (d->slots == (size_t)dataset->count)
        RF_TRY(rf_dataset_note(dataset, "images are decoded when they are first used"));
    else
        RF_TRY(
            rf_dataset_note(dataset, "images are decoded when they are used; at most %zu of %d (%s) are kept",
                            d->slots, dataset->count, rf_bytes_text(bytes, (double)d->source.memory_bytes)));
    const size_t sampled = rf_dataset_sampled(dataset);
    if (sampled == (size_t)dataset->count) return RF_OK;
    return rf_dataset_note(dataset, "mean, standard deviation and channels are those of %zu of %d images",
                           sampled, dataset->count);
}

static rf_status make(rf_dataset **out, const char *name, rf_collection *all, decoded *d, sample *s,
                      size_t limit) {
    rf_data_shape shape;
    RF_TRY(choose_shape(&shape, s, name));
    RF_TRY(rf_dataset_create_bare(out, name, shape));
    (*out)->source = &d->source; /* which owns d from here on */
    d->dataset = *out;
    d->reader.height = (*out)->height;
    d->reader.width = (*out)->width;
    d->reader.channels = (*out)->channels;
    d->image = rf_dataset_image_bytes(*out);
    d->slots = RF_MIN(limit / d->image, all->count);
    d->source.memory_bytes = d->slots * d->image;
    d->place = rf_alloc(all->count, sizeof *d->place);
    d->cache = rf_alloc(d->slots, d->image);
    if (d->place == NULL || d->cache == NULL) return RF_E_MEMORY;
    RF_TRY(take_files(d, *out, all));
    return note(*out, d, s);
}

rf_status rf_decoded_create(rf_dataset **out, const char *name, rf_collection *all) {
    const rf_dataset_options *options = all->options;
    const size_t available = rf_memory_available();
    char wanted[32], has[32];
    *out = NULL;
    if (options->cache_bytes > available)
        return rf_fail(
            RF_E_MEMORY,
            "%s: %s of images cannot be kept, as %s of memory are available; use a smaller --cache-images",
            name, rf_bytes_text(wanted, (double)options->cache_bytes), rf_bytes_text(has, (double)available));
    if (options->transpose)
        return rf_fail(
            RF_E_USAGE,
            "%s: images that are decoded when they are used cannot be transposed; leave out --transpose",
            name);
    const size_t count = RF_MIN(all->count, (size_t)RF_SAMPLE);
    decoded *d = rf_alloc(1, sizeof *d);
    sample *s = d != NULL ? rf_alloc(1, sizeof *s + count * sizeof *s->files) : NULL;
    if (s == NULL) {
        free(d);
        return RF_E_MEMORY;
    }
    d->source = (rf_source){.decodes = true, .read = read_image, .free = free_decoded};
    d->reader = (rf_reader){.fit = options->fit, .no_exif = options->no_exif};
    d->skip_bad = options->skip_bad;
    rf_gate_create(&d->reader.gate, RF_MIN(rf_dataset_budget(), (uint64_t)available) / 2);
    pthread_mutex_init(&d->bad, NULL);
    *s = (sample){all, &d->reader, count};
    rf_status status = make(out, name, all, d, s, (size_t)options->cache_bytes);
    free(s);
    if (*out == NULL) free_decoded(&d->source);
    return status;
}
