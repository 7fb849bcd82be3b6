/* Mean and standard deviation of a data set's pixels, exact; where images are decoded on demand, of a sample of them. */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "data/prefetch.h"
#include "data/source.h"

enum { LANES = 48, BLOCK = 65536, MAX_CHANNELS = 1024 }; /* 48: a multiple of 1, 2, 3, 4 and of a vector */

/* Sums and sums of squares of each channel. */
typedef struct sums {
    size_t channels;
    uint64_t sum[MAX_CHANNELS], square[MAX_CHANNELS], pixels;
} sums;

/* Sums and sums of squares of a stream whose values belong to `lanes` interleaved lanes, `rows` values to
 * each.  The 32-bit partial sums hold BLOCK rows: BLOCK * 255^2 < 2^32. */
static void add_lanes(sums *all, const uint8_t *values, size_t rows) {
    while (rows > 0) {
        uint32_t s[LANES] = {0}, q[LANES] = {0};
        size_t n = RF_MIN(rows, (size_t)BLOCK);
        for (size_t r = 0; r < n; r++, values += LANES)
            for (int i = 0; i < LANES; i++) {
                uint32_t v = values[i];
                s[i] += v;
                q[i] += v * v;
            }
        for (size_t i = 0; i < LANES; i++) {
            all->sum[i % all->channels] += s[i];
            all->square[i % all->channels] += q[i];
        }
        rows -= n;
    }
}

static void add_pixels(sums *all, const uint8_t *values, size_t pixels) {
    const size_t count = pixels * all->channels, rows = LANES % all->channels == 0 ? count / LANES : 0;
    add_lanes(all, values, rows);
    for (size_t i = rows * LANES; i < count; i++) {
        uint64_t v = values[i];
        all->sum[i % all->channels] += v;
        all->square[i % all->channels] += v * v;
    }
    all->pixels += pixels;
}

size_t rf_dataset_sampled(const rf_dataset *dataset) {
    const size_t count = (size_t)dataset->count;
    return rf_dataset_decodes(dataset) ? RF_MIN(count, (size_t)RF_SAMPLE) : count;
}

/* Images that are not in memory, one by one; what has to be decoded is read ahead. */
static rf_status add_images(sums *all, const rf_dataset *dataset) {
    enum { AHEAD = 64 };
    const size_t count = rf_dataset_sampled(dataset), image = rf_dataset_image_bytes(dataset);
    rf_prefetch *prefetch = NULL;
    rf_status status = RF_OK;
    int32_t *indices = rf_alloc(count, sizeof *indices);
    uint8_t *pixels = rf_alloc(image, 1);
    if (indices == NULL || pixels == NULL) status = RF_E_MEMORY;
    for (size_t i = 0; status == RF_OK && i < count; i++)
        indices[i] = (int32_t)(i * (size_t)dataset->count / count);
    if (status == RF_OK && rf_dataset_decodes(dataset)) {
        status = rf_prefetch_create(&prefetch, dataset, AHEAD);
        if (status == RF_OK) status = rf_prefetch_announce(prefetch, indices, count);
    }
    for (size_t i = 0; status == RF_OK && i < count; i++) {
        status = prefetch != NULL ? rf_prefetch_take(pixels, prefetch, &indices[i], 1)
                                  : rf_dataset_read(pixels, dataset, indices[i]);
        if (status == RF_OK) add_pixels(all, pixels, image / all->channels);
    }
    rf_prefetch_free(prefetch);
    free(indices);
    free(pixels);
    return status;
}

__extension__ typedef unsigned __int128 rf_u128; /* no part of ISO C */

rf_status rf_dataset_statistics(const rf_dataset *dataset, double *mean, double *std) {
    sums all = {.channels = (size_t)dataset->channels};
    if (dataset->pixels != NULL)
        add_pixels(&all, dataset->pixels,
                   (size_t)dataset->count * (size_t)dataset->height * (size_t)dataset->width);
    else
        RF_TRY(add_images(&all, dataset));
    const double n = (double)all.pixels;
    for (size_t c = 0; c < all.channels; c++) {
        rf_u128 spread = (rf_u128)all.pixels * all.square[c] - (rf_u128)all.sum[c] * all.sum[c];
        mean[c] = (double)all.sum[c] / n / 255;
        std[c] = sqrt((double)spread) / n / 255;
    }
    return RF_OK;
}
