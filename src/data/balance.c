/* Classes of unequal size: images drawn so that all have as many, or weights that make up for it. */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "rangefinder/dataset.h"

enum { STREAM = 0x42414c41 }; /* of random numbers, for nothing else */

void rf_dataset_class_counts(int *counts, const rf_dataset *dataset) {
    for (int c = 0; c < dataset->classes; c++) counts[c] = 0;
    for (int i = 0; i < dataset->count; i++) counts[dataset->labels[i]]++;
}

static rf_status check_counts(const rf_dataset *dataset, const int *counts) {
    for (int c = 0; c < dataset->classes; c++)
        if (counts[c] == 0)
            return rf_fail(
                RF_E_INPUT,
                "%s: class %d%s%s has no image, so the classes cannot be balanced; add images to it, "
                "remove it, or leave out --balance",
                dataset->name, c, dataset->class_names != NULL ? ", " : "",
                dataset->class_names != NULL ? dataset->class_names[c] : "");
    return RF_OK;
}

static int by_value(const void *a, const void *b) {
    return *(const int32_t *)a - *(const int32_t *)b;
}

/* Draws `size` of the class's images into out: those that are more than that at random, else all and then some again. */
static void draw(int32_t *out, int size, int32_t *members, int count, rf_random *random) {
    if (count > size) rf_random_shuffle(random, members, (size_t)count);
    for (int i = 0; i < size; i++)
        out[i] = members[i < count ? i : (int)rf_random_below(random, (uint32_t)count)];
}

/* The indices of the first class's images, then those of the next. */
static void sort_by_class(int32_t *members, const rf_dataset *of, const int *counts, int *next) {
    for (int c = 0, first = 0; c < of->classes; first += counts[c++]) next[c] = first;
    for (int i = 0; i < of->count; i++) members[next[of->labels[i]]++] = i;
}

static rf_status resample(rf_dataset **out, const rf_dataset *of, const int *counts, int size,
                          uint64_t seed) {
    if ((int64_t)size * of->classes > INT32_MAX)
        return rf_fail(RF_E_INPUT, "%s: %d images for each of %d classes are too many", of->name, size,
                       of->classes);
    const int total = size * of->classes;
    rf_random random;
    rf_random_init(&random, seed, STREAM);
    int32_t *members = rf_alloc((size_t)of->count, sizeof *members);
    int32_t *drawn = rf_alloc((size_t)total, sizeof *drawn);
    int *next = rf_alloc((size_t)of->classes, sizeof *next);
    rf_status status = members != NULL && drawn != NULL && next != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK) {
        sort_by_class(members, of, counts, next);
        for (int c = 0, first = 0; c < of->classes; first += counts[c++])
            draw(drawn + c * size, size, members + first, counts[c], &random);
        qsort(drawn, (size_t)total, sizeof *drawn, by_value);
        status = rf_dataset_subset(out, of, drawn, total);
    }
    free(members);
    free(drawn);
    free(next);
    return status;
}

rf_status rf_dataset_balance(rf_dataset **out, const rf_dataset *of, rf_balance how, uint64_t seed) {
    *out = NULL;
    if (how != RF_BALANCE_UNDERSAMPLE && how != RF_BALANCE_OVERSAMPLE)
        return rf_fail(RF_E_USAGE, "balance %d draws no images: use undersampling or oversampling", (int)how);
    int *counts = rf_alloc((size_t)of->classes, sizeof *counts);
    if (counts == NULL) return RF_E_MEMORY;
    rf_dataset_class_counts(counts, of);
    rf_status status = check_counts(of, counts);
    int size = counts[0];
    for (int c = 1; c < of->classes; c++)
        size = how == RF_BALANCE_UNDERSAMPLE ? RF_MIN(size, counts[c]) : RF_MAX(size, counts[c]);
    if (status == RF_OK) status = resample(out, of, counts, size, seed);
    free(counts);
    return status;
}

rf_status rf_dataset_class_weights(float *weights, const rf_dataset *dataset, rf_balance how) {
    static const double beta = 0.9999;
    const int classes = dataset->classes;
    if (how != RF_BALANCE_WEIGHTS && how != RF_BALANCE_EFFECTIVE)
        return rf_fail(RF_E_USAGE, "balance %d gives no class weights", (int)how);
    int *counts = rf_alloc((size_t)classes, sizeof *counts);
    double *inverse = rf_alloc((size_t)classes, sizeof *inverse), sum = 0;
    rf_status status = counts != NULL && inverse != NULL ? RF_OK : RF_E_MEMORY;
    if (status == RF_OK) {
        rf_dataset_class_counts(counts, dataset);
        status = check_counts(dataset, counts);
    }
    for (int c = 0; status == RF_OK && c < classes; c++) {
        inverse[c] = how == RF_BALANCE_WEIGHTS ? 1.0 / counts[c] : (1 - beta) / (1 - pow(beta, counts[c]));
        sum += inverse[c];
    }
    const double scale = how == RF_BALANCE_WEIGHTS ? (double)dataset->count / classes : classes / sum;
    for (int c = 0; status == RF_OK && c < classes; c++) weights[c] = (float)(scale * inverse[c]);
    free(counts);
    free(inverse);
    return status;
}
