/* A random part of a data set held out, stratified: each class in the same proportion. */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "rangefinder/dataset.h"

enum { STREAM = 0x53504c54 }; /* of random numbers, for nothing else */

/* Distributes `total` over the classes in proportion to their counts, by the largest remainders. */
static void apportion(int *quota, const int *counts, int classes, int total, int count) {
    int given = 0;
    for (int c = 0; c < classes; c++) given += quota[c] = (int)((int64_t)counts[c] * total / count);
    for (; given < total; given++) {
        int best = -1;
        int64_t most = -1;
        for (int c = 0; c < classes; c++) {
            const int64_t rest = (int64_t)counts[c] * total - (int64_t)quota[c] * count;
            if (rest > most && quota[c] < counts[c]) {
                most = rest;
                best = c;
            }
        }
        quota[best]++;
    }
}

/* `part` receives the images to train with, then those held out, each in their order. */
static rf_status divide(int32_t *part, const rf_dataset *of, int total, uint64_t seed) {
    const int count = of->count, classes = of->classes;
    rf_status status = RF_E_MEMORY;
    rf_random random;
    int *counts = rf_alloc((size_t)classes, sizeof *counts),
        *quota = rf_alloc((size_t)classes, sizeof *quota);
    int32_t *order = rf_alloc((size_t)count, sizeof *order);
    bool *held = rf_alloc((size_t)count, sizeof *held);
    if (counts == NULL || quota == NULL || order == NULL || held == NULL) goto done;
    rf_dataset_class_counts(counts, of);
    apportion(quota, counts, classes, total, count);
    rf_random_init(&random, seed, STREAM);
    for (int i = 0; i < count; i++) order[i] = i;
    rf_random_shuffle(&random, order, (size_t)count);
    for (int i = 0; i < count; i++) {
        int *left = &quota[of->labels[order[i]]];
        held[order[i]] = *left > 0;
        *left -= *left > 0;
    }
    for (int i = 0, t = 0, h = count - total; i < count; i++) part[held[i] ? h++ : t++] = i;
    status = RF_OK;
done:
    free(counts);
    free(quota);
    free(order);
    free(held);
    return status;
}

rf_status rf_dataset_split(rf_dataset **train, rf_dataset **held, const rf_dataset *of, double held_out,
                           uint64_t seed) {
    const int count = of->count;
    const double wanted = held_out < 1 ? round(held_out * count) : held_out;
    *train = *held = NULL;
    if (!(wanted >= 1 && wanted < count))
        return rf_fail(RF_E_USAGE,
                       "%s: %g of its %d images cannot be held out; a share of them lies between 0 and 1, a "
                       "number from 1 to %d",
                       of->name, held_out, count, count - 1);
    const int total = (int)wanted;
    int32_t *part = rf_alloc((size_t)count, sizeof *part);
    rf_status status = part != NULL ? divide(part, of, total, seed) : RF_E_MEMORY;
    if (status == RF_OK) status = rf_dataset_subset(train, of, part, count - total);
    if (status == RF_OK) status = rf_dataset_subset(held, of, part + count - total, total);
    if (status != RF_OK) {
        rf_dataset_free(*train);
        *train = NULL;
    }
    free(part);
    return status;
}
