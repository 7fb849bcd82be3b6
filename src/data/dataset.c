/* Data sets, whatever their format: opening by detection, the memory budget, limits, sizes, statistics. */
#include "rangefinder/dataset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/kind.h"
#include "data/format.h"
#include "data/image.h"
#include "data/locate.h"

enum { MAX_SIDE = 65536, MAX_CHANNELS = 1024, MAX_CLASSES = 65536 };

static const rf_data_format *const formats[] = {
#define RF_FORMAT_ROW(symbol) &rf_data_format_##symbol,
    RF_FORMAT_LIST(RF_FORMAT_ROW)
#undef RF_FORMAT_ROW
};

/* ---- making and freeing ---- */

uint64_t rf_dataset_budget(void) {
    uint64_t most = (uint64_t)8 << 30;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? RF_MIN(most, (uint64_t)pages * (uint64_t)page / 2) : most;
}

static rf_status check_range(const char *name, const char *what, uint64_t value, uint64_t least,
                             uint64_t most) {
    if (value >= least && value <= most) return RF_OK;
    return rf_fail(RF_E_INPUT, "%s: %s is %llu, but must be %llu to %llu", name, what,
                   (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
}

rf_status rf_dataset_create(rf_dataset **out, const char *name, rf_data_shape s) {
    *out = NULL;
    RF_TRY(check_range(name, "the number of images", s.count, 1, INT32_MAX));
    RF_TRY(check_range(name, "the number of channels", s.channels, 1, MAX_CHANNELS));
    RF_TRY(check_range(name, "the height", s.height, 1, MAX_SIDE));
    RF_TRY(check_range(name, "the width", s.width, 1, MAX_SIDE));
    RF_TRY(check_range(name, "the number of classes", s.classes, 2, MAX_CLASSES));
    uint64_t image = s.channels * s.height * s.width; /* at most 2^42 */
    const uint64_t available = rf_memory_available(), most = RF_MIN(rf_dataset_budget(), available);
    char wants[32], has[32];
    if (image > most / s.count)
        return rf_fail(available < rf_dataset_budget() ? RF_E_MEMORY : RF_E_INPUT,
                       "%s: %llu images of %llux%llux%llu would take %s, more than the %s that a data set "
                       "may have here; "
                       "--limit takes fewer of them, and --image-size smaller ones",
                       name, (unsigned long long)s.count, (unsigned long long)s.channels,
                       (unsigned long long)s.height, (unsigned long long)s.width,
                       rf_bytes_text(wants, (double)s.count * (double)image),
                       rf_bytes_text(has, (double)most));
    rf_dataset *dataset = rf_alloc(1, sizeof *dataset);
    if (dataset == NULL) return RF_E_MEMORY;
    *dataset = (rf_dataset){.name = rf_strdup(name),
                            .count = (int)s.count,
                            .channels = (int)s.channels,
                            .height = (int)s.height,
                            .width = (int)s.width,
                            .classes = (int)s.classes,
                            .pixels = rf_alloc((size_t)s.count, (size_t)image),
                            .labels = rf_alloc((size_t)s.count, sizeof *dataset->labels)};
    if (dataset->name == NULL || dataset->pixels == NULL || dataset->labels == NULL) {
        rf_dataset_free(dataset);
        return RF_E_MEMORY;
    }
    *out = dataset;
    return RF_OK;
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
    free(dataset);
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

/* ---- fewer images, other sizes ---- */

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

rf_status rf_dataset_note_trailing(rf_dataset *dataset, const char *path, size_t bytes) {
    if (bytes == 0) return RF_OK;
    return rf_dataset_note(dataset, "%s: %zu byte%s behind the data left out", path, bytes,
                           bytes == 1 ? "" : "s");
}

rf_status rf_dataset_note_misfits(rf_dataset *dataset, size_t count, rf_fit fit) {
    static const char *const done[] = {[RF_FIT_CROP] = "cut to their middle",
                                       [RF_FIT_SQUASH] = "squashed",
                                       [RF_FIT_PAD] = "given black bars"};
    if (count == 0) return RF_OK;
    return rf_dataset_note(
        dataset,
        "%zu of %d images: %s, as their proportions are not those of %dx%d (height x width); "
        "--resize crop, squash or pad says how",
        count, dataset->count, done[fit], dataset->height, dataset->width);
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
    bool misfit = rf_image_misfits(dataset->height, dataset->width, height, width);
    take_images(dataset, to);
    status = rf_dataset_note_misfits(dataset, misfit ? count : 0, options->fit);
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

/* ---- opening ---- */

static rf_status check_options(const rf_dataset_options *options) {
    if (options->limit < 0)
        return rf_fail(RF_E_USAGE, "limit is %d, but must be 0 (all) or more", options->limit);
    if (options->image_height < 0 || options->image_height > MAX_SIDE || options->image_width < 0 ||
        options->image_width > MAX_SIDE)
        return rf_fail(RF_E_USAGE, "image size %dx%d: each side must be 1 to %d", options->image_height,
                       options->image_width, MAX_SIDE);
    if (options->channels != 0 && options->channels != 1 && options->channels != 3)
        return rf_fail(RF_E_USAGE, "channels is %d, but must be 1 (grey), 3 (colour) or 0 (as they are)",
                       options->channels);
    if ((unsigned)options->fit > RF_FIT_PAD)
        return rf_fail(RF_E_USAGE, "fit is %d, but must be one of rf_fit's", (int)options->fit);
    return RF_OK;
}

static rf_status not_a_dataset(const char *spec) {
    struct stat info;
    rf_str list = {0};
    const char *problem =
        stat(spec, &info) != 0 ? strerror(errno) : "is a file that is no data set by itself";
    for (size_t i = 0; i < RF_COUNT(formats); i++)
        rf_str_addf(&list, "%s%s", i > 0 ? "; " : "", formats[i]->spec);
    rf_status status = rf_fail(RF_E_INPUT, "'%s': %s. A data set is: %s", spec, problem, rf_str_text(&list));
    rf_str_free(&list);
    return rf_explain_file(status, spec, RF_READER_DATA);
}

/* The format that reads the place; NULL: none.  What is made goes by the spec, unless a file or folder has that
 * name. */
static rf_status find_format(const rf_data_format **out, const char *path, bool exists) {
    *out = NULL;
    for (size_t i = 0; *out == NULL && i < RF_COUNT(formats); i++) {
        bool mine;
        RF_TRY(formats[i]->claims(&mine, path));
        if (mine && (formats[i]->name == NULL || !exists)) *out = formats[i];
    }
    return RF_OK;
}

static rf_status note_place(rf_dataset *dataset, const rf_place *place, const char *spec, bool exists) {
    for (size_t i = 0; i < place->note_count; i++) RF_TRY(rf_dataset_note(dataset, "%s", place->notes[i]));
    for (size_t i = 0; exists && i < RF_COUNT(formats); i++) {
        bool mine = false;
        if (formats[i]->name != NULL) RF_TRY(formats[i]->claims(&mine, spec));
        if (mine)
            RF_TRY(rf_dataset_note(dataset, "'%s' is read from the file system; %s names what is built in",
                                   spec, formats[i]->name));
    }
    return RF_OK;
}

/* Opens it, and then does with any data set what the options ask for. */
static rf_status open_place(rf_dataset **out, const rf_place *place, const rf_data_format *format,
                            const rf_dataset_options *options) {
    if (options->coarse_labels && format != &rf_data_format_cifar)
        return rf_fail(RF_E_USAGE, "%s: only CIFAR-100 has coarse labels", place->path);
    rf_status status = format->open(out, place->path, options);
    if (status == RF_OK && options->transpose) status = apply_transpose(*out);
    if (status == RF_OK) status = apply_limit(*out, options->limit);
    if (status == RF_OK) status = apply_channels(*out, options->channels);
    if (status == RF_OK) status = apply_size(*out, options);
    if (status == RF_OK) status = note_empty_classes(*out);
    return rf_explain_place(status, place->path, format == &rf_data_format_folder);
}

rf_status rf_dataset_open(rf_dataset **out, const char *spec, const rf_dataset_options *options) {
    static const rf_dataset_options defaults = {0};
    struct stat info;
    rf_place place = {0};
    const rf_data_format *format;
    *out = NULL;
    if (spec == NULL) spec = "digits:";
    if (options == NULL) options = &defaults;
    RF_TRY(check_options(options));
    bool exists = stat(spec, &info) == 0;
    rf_status status = rf_place_find(&place, spec);
    if (status != RF_OK) goto done;
    if ((status = find_format(&format, place.path, exists)) != RF_OK) goto done;
    status = format != NULL ? open_place(out, &place, format, options) : not_a_dataset(spec);
    if (status == RF_OK) status = note_place(*out, &place, spec, exists);
done:
    rf_place_free(&place);
    if (status != RF_OK) {
        rf_dataset_free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- statistics ---- */

/* Sums and sums of squares of a stream whose values belong to `lanes` interleaved lanes, `rows` values to
 * each.  The 32-bit partial sums hold BLOCK rows: BLOCK * 255^2 < 2^32. */
enum { LANES = 48, BLOCK = 65536 }; /* 48: a multiple of 1, 2, 3, 4 and of a vector */
static void add_lanes(uint64_t sum[LANES], uint64_t square[LANES], const uint8_t *values, size_t rows) {
    while (rows > 0) {
        uint32_t s[LANES] = {0}, q[LANES] = {0};
        size_t n = RF_MIN(rows, (size_t)BLOCK);
        for (size_t r = 0; r < n; r++, values += LANES)
            for (int i = 0; i < LANES; i++) {
                uint32_t v = values[i];
                s[i] += v;
                q[i] += v * v;
            }
        for (int i = 0; i < LANES; i++) {
            sum[i] += s[i];
            square[i] += q[i];
        }
        rows -= n;
    }
}

static void channel_sums(uint64_t *sum, uint64_t *square, const rf_dataset *dataset, size_t c) {
    size_t channels = (size_t)dataset->channels;
    size_t total = (size_t)dataset->count * (size_t)dataset->height * (size_t)dataset->width * channels;
    for (size_t i = c; i < total; i += channels) {
        uint64_t v = dataset->pixels[i];
        *sum += v;
        *square += v * v;
    }
}

__extension__ typedef unsigned __int128 rf_u128; /* no part of ISO C */

void rf_dataset_statistics(const rf_dataset *dataset, double *mean, double *std) {
    size_t channels = (size_t)dataset->channels;
    uint64_t pixels = (uint64_t)dataset->count * (uint64_t)dataset->height * (uint64_t)dataset->width;
    uint64_t lane_sum[LANES] = {0}, lane_square[LANES] = {0};
    bool by_lanes = LANES % channels == 0;
    size_t rows = by_lanes ? pixels * channels / LANES : 0;
    if (by_lanes) add_lanes(lane_sum, lane_square, dataset->pixels, rows);
    for (size_t i = rows * LANES; by_lanes && i < pixels * channels; i++) {
        uint64_t v = dataset->pixels[i];
        lane_sum[i % LANES] += v;
        lane_square[i % LANES] += v * v;
    }
    for (size_t c = 0; c < channels; c++) {
        uint64_t sum = 0, square = 0;
        for (size_t i = c; by_lanes && i < LANES; i += channels) {
            sum += lane_sum[i];
            square += lane_square[i];
        }
        if (!by_lanes) channel_sums(&sum, &square, dataset, c);
        double n = (double)pixels;
        rf_u128 spread = (rf_u128)pixels * square - (rf_u128)sum * sum;
        mean[c] = (double)sum / n / 255;
        std[c] = sqrt((double)spread) / n / 255;
    }
}
