/* Mean and standard deviation of a data set's pixels, exact; where images are decoded on demand, of a sample of them. */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
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

/* ---- images that are not in memory ---- */

typedef struct sample {
    const rf_dataset *dataset;
    size_t count, image, first; /* images; bytes of one; number of the first in `pixels` */
    uint8_t *pixels;
    rf_status read[];
} sample;

static void read_one(void *context, size_t i) {
    sample *s = context;
    const int index = (int)((s->first + i) * (size_t)s->dataset->count / s->count);
    s->read[i] = rf_dataset_read(s->pixels + i * s->image, s->dataset, index);
}

/* Images that cannot be read are left out. */
static rf_status add_sample(sums *all, const rf_dataset *dataset) {
    enum { AT_ONCE = 64 };
    const size_t image = rf_dataset_image_bytes(dataset);
    sample *s = rf_alloc(1, sizeof *s + AT_ONCE * sizeof *s->read);
    uint8_t *pixels = rf_alloc(AT_ONCE, image);
    rf_status status = s != NULL && pixels != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK)
        *s = (sample){
            .dataset = dataset, .count = rf_dataset_sampled(dataset), .image = image, .pixels = pixels};
    for (; status == RF_OK && s->first < s->count; s->first += AT_ONCE) {
        const size_t n = RF_MIN(s->count - s->first, (size_t)AT_ONCE);
        rf_parallel_for(n, rf_dataset_decodes(dataset) ? 0 : 1, read_one, s);
        for (size_t i = 0; i < n; i++) {
            if (s->read[i] == RF_OK) add_pixels(all, pixels + i * image, image / all->channels);
            if (s->read[i] == RF_E_MEMORY) status = rf_fail(RF_E_MEMORY, "%s: out of memory", dataset->name);
        }
    }
    free(pixels);
    free(s);
    return status;
}

size_t rf_dataset_sampled(const rf_dataset *dataset) {
    const size_t count = (size_t)dataset->count;
    return rf_dataset_decodes(dataset) ? RF_MIN(count, (size_t)RF_SAMPLE) : count;
}

__extension__ typedef unsigned __int128 rf_u128; /* no part of ISO C */

rf_status rf_dataset_statistics(const rf_dataset *dataset, double *mean, double *std) {
    sums all = {.channels = (size_t)dataset->channels};
    rf_status status = RF_OK;
    if (dataset->pixels != NULL)
        add_pixels(&all, dataset->pixels,
                   (size_t)dataset->count * (size_t)dataset->height * (size_t)dataset->width);
    else
        status = add_sample(&all, dataset);
    const double n = (double)RF_MAX(all.pixels, 1);
    for (size_t c = 0; c < all.channels; c++) {
        rf_u128 spread = (rf_u128)all.pixels * all.square[c] - (rf_u128)all.sum[c] * all.sum[c];
        mean[c] = (double)all.sum[c] / n / 255;
        std[c] = sqrt((double)spread) / n / 255;
    }
    return status;
}
