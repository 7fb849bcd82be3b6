/* The fingerprint of a data set. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "data/source.h"

/* FNV-1a's step over whole words, in four lanes for speed. */
static uint64_t hash_words(const uint8_t *data, size_t bytes, uint64_t seed) {
    enum { LANES = 4, WORD = sizeof(uint64_t) };
    const uint64_t prime = 0x100000001b3;
    uint64_t lane[LANES] = {seed, seed + 1, seed + 2, seed + 3}, word;
    size_t at = 0;
    for (; at + LANES * WORD <= bytes; at += LANES * WORD)
        for (size_t k = 0; k < LANES; k++) {
            memcpy(&word, data + at + k * WORD, WORD);
            lane[k] = (lane[k] ^ word) * prime;
            lane[k] ^= lane[k] >> 29;
        }
    return rf_hash(data + at, bytes - at, rf_hash(lane, sizeof lane, seed));
}

uint64_t rf_dataset_fingerprint(const rf_dataset *d) {
    const int32_t shape[] = {d->count, d->channels, d->height, d->width, d->classes};
    const size_t count = (size_t)d->count, image = rf_dataset_image_bytes(d);
    uint8_t *pixels = rf_alloc(image, 1);
    uint64_t hash = rf_hash(shape, sizeof shape, 0);
    hash = hash_words((const uint8_t *)d->labels, count * sizeof *d->labels, hash);
    for (int i = 0; pixels != NULL && !rf_dataset_decodes(d) && i < d->count; i++)
        if (rf_dataset_read(pixels, d, i) == RF_OK) hash = hash_words(pixels, image, hash);
    free(pixels);
    return RF_MAX(hash, 1); /* 0 is for "not known" */
}
