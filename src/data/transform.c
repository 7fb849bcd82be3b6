/* Applies the options to a data set that was read: limit, sizes, transpose, channels. */
#include "data/transform.h"

#include <stdlib.h>
#include <string.h>

#include "data/conversions.h"
#include "data/format.h"

/* ---- fewer images ---- */

/* How many of each class: rounds in which every class that still has images gives one, so the quota is a
 * water level; the first classes above it give the rest. */
static void level(size_t *quota, size_t classes, size_t limit) {
    size_t low = 0, high = limit;
    while (low < high) { /* the highest level that stays within the limit */
        size_t middle = high - (high - low) / 2, sum = 0;
        for (size_t c = 0; c < classes; c++) sum += RF_MIN(quota[c], middle);
        if (sum <= limit)
            low = middle;
        else
            high = middle - 1;
    }
    size_t rest = limit;
    for (size_t c = 0; c < classes; c++) rest -= RF_MIN(quota[c], low);
    for (size_t c = 0; c < classes; c++) {
        bool extra = quota[c] > low && rest > 0;
        quota[c] = RF_MIN(quota[c], low) + extra;
        rest -= extra;
    }
}

rf_status rf_dataset_choose(int32_t *chosen, size_t *chosen_count, const int32_t *labels, size_t count,
                            int classes, int limit) {
    size_t n = 0;
    size_t *quota = rf_alloc((size_t)classes, sizeof *quota);
    if (quota == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < count; i++) quota[labels[i]]++;
    if (limit > 0 && (size_t)limit < count) level(quota, (size_t)classes, (size_t)limit);
    for (size_t i = 0; i < count; i++)
        if (quota[labels[i]] > 0) {
            quota[labels[i]]--;
            chosen[n++] = (int32_t)i;
        }
    *chosen_count = n;
    free(quota);
    return RF_OK;
}

/* Keeps the chosen images, moved to the front. */
static rf_status apply_limit(rf_dataset *dataset, int limit) {
    if (limit == 0 || limit >= dataset->count) return RF_OK;
    size_t image = (size_t)dataset->channels * (size_t)dataset->height * (size_t)dataset->width, n = 0;
    int32_t *chosen = rf_alloc((size_t)dataset->count, sizeof *chosen);
    if (chosen == NULL) return RF_E_MEMORY;
    rf_status status =
        rf_dataset_choose(chosen, &n, dataset->labels, (size_t)dataset->count, dataset->classes, limit);
    for (size_t i = 0; status == RF_OK && i < n; i++) {
        memmove(dataset->pixels + i * image, dataset->pixels + (size_t)chosen[i] * image, image);
        dataset->labels[i] = dataset->labels[chosen[i]];
    }
    free(chosen);
    RF_TRY(status);
    dataset->count = (int)n;
    uint8_t *less = rf_resize(dataset->pixels, n, image);
    if (less != NULL) dataset->pixels = less;
    return RF_OK;
}

/* ---- other images ---- */

typedef struct resizing {
    const rf_dataset *from;
    rf_dataset *to;
    rf_fit fit;
    bool failed[]; /* of each image */
} resizing;

static void resize_one(void *context, size_t i) {
    resizing *work = context;
    const rf_dataset *from = work->from;
    rf_dataset *to = work->to;
    size_t channels = (size_t)from->channels;
    rf_image in = {from->height, from->width, from->channels, 1,
                   from->pixels + i * channels * (size_t)from->height * (size_t)from->width};
    work->failed[i] = rf_image_fit(to->pixels + i * channels * (size_t)to->height * (size_t)to->width,
                                   to->height, to->width, &in, work->fit) != RF_OK;
}

/* As many images as in `dataset`, of another shape. */
static rf_status create_twin(rf_dataset **out, const rf_dataset *dataset, int channels, int height,
                             int width) {
    return rf_dataset_create(out, dataset->name,
                             (rf_data_shape){(uint64_t)dataset->count, (uint64_t)channels, (uint64_t)height,
                                             (uint64_t)width, (uint64_t)dataset->classes});
}

/* The twin's images become the data set's; the twin keeps the old pixels. */
static void take_images(rf_dataset *dataset, rf_dataset *twin) {
    uint8_t *old = dataset->pixels;
    dataset->pixels = twin->pixels;
    dataset->channels = twin->channels;
    dataset->height = twin->height;
    dataset->width = twin->width;
    twin->pixels = old;
}

/* Makes every image image_height x image_width; 0 keeps that side. */
static rf_status apply_size(rf_dataset *dataset, const rf_dataset_options *options) {
    rf_status status = RF_OK;
    rf_dataset *to = NULL;
    int height = options->image_height, width = options->image_width;
    if (height == 0) height = dataset->height;
    if (width == 0) width = dataset->width;
    if (height == dataset->height && width == dataset->width) return RF_OK;
    size_t count = (size_t)dataset->count;
    resizing *work = rf_alloc(1, sizeof *work + count);
    if (work == NULL) return RF_E_MEMORY;
    if ((status = create_twin(&to, dataset, dataset->channels, height, width)) != RF_OK) goto done;
    work->from = dataset;
    work->to = to;
    work->fit = options->fit;
    rf_parallel_for(count, 0, resize_one, work);
    if (memchr(work->failed, true, count) != NULL) {
        status = rf_fail(RF_E_MEMORY, "%s: out of memory while resizing", dataset->name);
        goto done;
    }
    bool differs = rf_image_aspect_differs(dataset->height, dataset->width, height, width);
    take_images(dataset, to);
    status = rf_conversions_note(
        dataset,
        &(rf_conversions){.fit = options->fit, .images = count, .other_aspect = differs ? count : 0});
done:
    rf_dataset_free(to);
    free(work);
    return status;
}

/* Exchanges rows and columns. */
static rf_status apply_transpose(rf_dataset *dataset) {
    size_t height = (size_t)dataset->height, width = (size_t)dataset->width,
           channels = (size_t)dataset->channels, image = height * width * channels;
    uint8_t *copy = rf_alloc(image, 1);
    if (copy == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < (size_t)dataset->count; i++) {
        uint8_t *pixels = dataset->pixels + i * image;
        memcpy(copy, pixels, image);
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++)
                memcpy(pixels + (x * height + y) * channels, copy + (y * width + x) * channels, channels);
    }
    dataset->height = (int)width;
    dataset->width = (int)height;
    free(copy);
    return RF_OK;
}

/* Makes grey images colour, or colour ones grey (by the weights of ITU-R 601, as Pillow has them). */
static rf_status apply_channels(rf_dataset *dataset, int channels) {
    int from = dataset->channels;
    if (channels == 0 || channels == from) return RF_OK;
    if (from != 1 && from != 3)
        return rf_fail(RF_E_INPUT, "%s: images of %d channels cannot be given %d (--channels)", dataset->name,
                       from, channels);
    rf_dataset *to = NULL;
    RF_TRY(create_twin(&to, dataset, channels, dataset->height, dataset->width));
    size_t pixels = (size_t)dataset->count * (size_t)dataset->height * (size_t)dataset->width;
    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *in = dataset->pixels + i * (size_t)from;
        for (size_t c = 0; channels == 3 && c < 3; c++) to->pixels[3 * i + c] = *in;
        if (channels == 1) to->pixels[i] = rf_luma(in);
    }
    take_images(dataset, to);
    rf_dataset_free(to);
    return rf_dataset_note(dataset, "%d of %d images: %s", dataset->count, dataset->count,
                           channels == 1 ? "in colour, but read as grey" : "grey, but read as colour");
}

/* Classes that have lost all their images, or never had one. */
static rf_status note_empty_classes(rf_dataset *dataset) {
    enum { NAMED = 10 };
    rf_status status = RF_OK;
    rf_str names = {0};
    int empty = 0;
    bool *seen = rf_alloc((size_t)dataset->classes, sizeof *seen);
    if (seen == NULL) return RF_E_MEMORY;
    for (int i = 0; i < dataset->count; i++) seen[dataset->labels[i]] = true;
    for (int c = 0; c < dataset->classes; c++) {
        if (seen[c] || empty++ >= NAMED) continue;
        rf_str_add(&names, empty > 1 ? ", " : "");
        if (dataset->class_names != NULL)
            rf_str_add(&names, dataset->class_names[c]);
        else
            rf_str_addf(&names, "%d", c);
    }
    if (names.failed)
        status = RF_E_MEMORY;
    else if (empty > 0)
        status = rf_dataset_note(dataset, "%d of %d classes without an image: %s%s", empty, dataset->classes,
                                 rf_str_text(&names), empty > NAMED ? ", ..." : "");
    rf_str_free(&names);
    free(seen);
    return status;
}

rf_status rf_dataset_transform(rf_dataset *dataset, const rf_dataset_options *options) {
    if (options->transpose) RF_TRY(apply_transpose(dataset));
    RF_TRY(apply_limit(dataset, options->limit));
    RF_TRY(apply_channels(dataset, options->channels));
    RF_TRY(apply_size(dataset, options));
    return note_empty_classes(dataset);
}
