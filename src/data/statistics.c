/* Numbers of a whole data set: mean and standard deviation of its pixels, exact; a fingerprint. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "rangefinder/dataset.h"

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

/* FNV-1a's step over whole words, in four lanes for speed. */
static uint64_t hash_words(const uint8_t *data, size_t bytes, uint64_t seed) {
    enum { WORDS = 4, WORD = sizeof(uint64_t) };
    const uint64_t prime = 0x100000001b3;
    uint64_t lane[WORDS] = {seed, seed + 1, seed + 2, seed + 3}, word;
    size_t at = 0;
    for (; at + WORDS * WORD <= bytes; at += WORDS * WORD)
        for (size_t k = 0; k < WORDS; k++) {
            memcpy(&word, data + at + k * WORD, WORD);
            lane[k] = (lane[k] ^ word) * prime;
            lane[k] ^= lane[k] >> 29;
        }
    return rf_hash(data + at, bytes - at, rf_hash(lane, sizeof lane, seed));
}

uint64_t rf_dataset_fingerprint(const rf_dataset *d) {
    const int32_t shape[] = {d->count, d->channels, d->height, d->width, d->classes};
    const size_t count = (size_t)d->count, image = (size_t)d->channels * (size_t)d->height * (size_t)d->width;
    uint64_t hash = rf_hash(shape, sizeof shape, 0);
    hash = hash_words((const uint8_t *)d->labels, count * sizeof *d->labels, hash);
    hash = hash_words(d->pixels, count * image, hash);
    return RF_MAX(hash, 1); /* 0 is for "not known" */
}
