/* Data sets, whatever their format: allocation under the memory budget, notes. */
#include "rangefinder/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/format.h"
#include "data/source.h"

enum { MAX_CHANNELS = 1024, MAX_CLASSES = 65536 };

uint64_t rf_dataset_budget(void) {
    uint64_t most = (uint64_t)8 << 30;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? RF_MIN(most, (uint64_t)pages * (uint64_t)page / 2) : most;
}

static rf_status check_range(const char *name, const char *what, uint64_t value, uint64_t low,
                             uint64_t high) {
    if (value >= low && value <= high) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: %s is %llu, but must be %llu to %llu", name, what,
                   (unsigned long long)value, (unsigned long long)low, (unsigned long long)high);
}

static rf_status check_shape(const char *name, rf_data_shape s) {
    RF_TRY(check_range(name, "the number of images", s.count, 1, INT32_MAX));
    RF_TRY(check_range(name, "the number of channels", s.channels, 1, MAX_CHANNELS));
    RF_TRY(check_range(name, "the height", s.height, 1, RF_MAX_SIDE));
    RF_TRY(check_range(name, "the width", s.width, 1, RF_MAX_SIDE));
    return check_range(name, "the number of classes", s.classes, 2, MAX_CLASSES);
}

rf_status rf_dataset_create_bare(rf_dataset **out, const char *name, rf_data_shape s) {
    *out = NULL;
    RF_TRY(check_shape(name, s));
    rf_dataset *dataset = rf_alloc(1, sizeof *dataset);
    if (dataset == NULL) return RF_E_MEMORY;
    *dataset = (rf_dataset){.name = rf_strdup(name),
                            .count = (int)s.count,
                            .channels = (int)s.channels,
                            .height = (int)s.height,
                            .width = (int)s.width,
                            .classes = (int)s.classes,
                            .labels = rf_alloc((size_t)s.count, sizeof *dataset->labels)};
    if (dataset->name == NULL || dataset->labels == NULL) {
        rf_dataset_free(dataset);
        return RF_E_MEMORY;
    }
    *out = dataset;
    return RF_OK;
}

rf_status rf_dataset_create(rf_dataset **out, const char *name, rf_data_shape s) {
    *out = NULL;
    RF_TRY(check_shape(name, s));
    uint64_t image = s.channels * s.height * s.width; /* at most 2^42 */
    const uint64_t available = rf_memory_available(), most = RF_MIN(rf_dataset_budget(), available);
    char wants[32], has[32];
    if (image > most / s.count)
        return rf_fail(available < rf_dataset_budget() ? RF_E_MEMORY : RF_E_INPUT,
                       "%s: %llu images of %llux%llux%llu would take %s, more than the %s that a data set "
                       "may have here; --limit takes fewer of them, --image-size smaller ones, and --cache-images "
                       "decodes those of a folder when they are used",
                       name, (unsigned long long)s.count, (unsigned long long)s.channels,
                       (unsigned long long)s.height, (unsigned long long)s.width,
                       rf_bytes_text(wants, (double)s.count * (double)image),
                       rf_bytes_text(has, (double)most));
    RF_TRY(rf_dataset_create_bare(out, name, s));
    if (((*out)->pixels = rf_alloc((size_t)s.count, (size_t)image)) != NULL) return RF_OK;
    rf_dataset_free(*out);
    *out = NULL;
    return RF_E_MEMORY;
}

void rf_dataset_free(rf_dataset *dataset) {
    if (dataset == NULL) return;
    for (int i = 0; dataset->class_names != NULL && i < dataset->classes; i++) free(dataset->class_names[i]);
    for (size_t i = 0; i < dataset->bad_count; i++) {
        free(dataset->bad[i].path);
        free(dataset->bad[i].reason);
    }
    for (size_t i = 0; i < dataset->note_count; i++) free(dataset->notes[i]);
    free(dataset->class_names);
    free(dataset->notes);
    free(dataset->bad);
    free(dataset->name);
    free(dataset->pixels);
    free(dataset->labels);
    if (dataset->source != NULL) dataset->source->free(dataset->source);
    free(dataset);
}

size_t rf_dataset_image_bytes(const rf_dataset *dataset) {
    return (size_t)dataset->height * (size_t)dataset->width * (size_t)dataset->channels;
}

rf_status rf_dataset_read(uint8_t *out, const rf_dataset *dataset, int index) {
    const size_t bytes = rf_dataset_image_bytes(dataset);
    if (index < 0 || index >= dataset->count)
        return rf_fail(RF_E_USAGE, "%s: image %d of %d", dataset->name, index, dataset->count);
    if (dataset->pixels == NULL) return dataset->source->read(out, dataset->source, index);
    memcpy(out, dataset->pixels + (size_t)index * bytes, bytes);
    return RF_OK;
}

rf_status rf_dataset_note(rf_dataset *dataset, const char *format, ...) {
    char **notes = rf_resize(dataset->notes, dataset->note_count + 1, sizeof *notes), *text = NULL;
    if (notes == NULL) return RF_E_MEMORY;
    dataset->notes = notes;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return rf_fail(RF_E_MEMORY, "%s: out of memory", dataset->name);
    notes[dataset->note_count++] = text;
    return RF_OK;
}

rf_status rf_dataset_note_trailing(rf_dataset *dataset, const char *path, size_t bytes) {
    if (bytes == 0) return RF_OK;
    return rf_dataset_note(dataset, "%s: %zu byte%s behind the data left out", path, bytes,
                           bytes == 1 ? "" : "s");
}

void rf_interleave(uint8_t *out, const uint8_t *planes, int channels, size_t plane) {
    for (int c = 0; c < channels; c++)
        for (size_t i = 0; i < plane; i++)
            out[i * (size_t)channels + (size_t)c] = planes[(size_t)c * plane + i];
}

rf_status rf_dataset_from_memory(rf_dataset **out, const char *name, const uint8_t *pixels,
                                 const int32_t *labels, int count, int channels, int height, int width,
                                 int classes) {
    *out = NULL;
    if (name == NULL) name = "memory";
    if (pixels == NULL || labels == NULL)
        return rf_fail(RF_E_USAGE, "%s: pixels and labels must be given", name);
    rf_data_shape shape = {.count = (uint64_t)RF_MAX(count, 0),
                           .channels = (uint64_t)RF_MAX(channels, 0),
                           .height = (uint64_t)RF_MAX(height, 0),
                           .width = (uint64_t)RF_MAX(width, 0),
                           .classes = (uint64_t)RF_MAX(classes, 0)};
    for (int i = 0; i < count; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return rf_fail(RF_E_INPUT, "%s: label %d of image %d is not in 0..%d", name, (int)labels[i], i,
                           classes - 1);
    RF_TRY(rf_dataset_create(out, name, shape));
    size_t plane = (size_t)height * (size_t)width, image = plane * (size_t)channels;
    for (size_t i = 0; i < (size_t)count; i++)
        rf_interleave((*out)->pixels + i * image, pixels + i * image, channels, plane);
    memcpy((*out)->labels, labels, (size_t)count * sizeof *labels);
    return RF_OK;
}
