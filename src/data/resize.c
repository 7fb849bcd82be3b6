/* Changing the size of an image: separable convolution with a triangle of radius max(1, in/out) around the
 * centre of each output pixel, the weights normalised; rows first, so that only one row of floats is held.
 * Source: the filter of Pillow's resize (BILINEAR),
 * https://pillow.readthedocs.io/en/stable/handbook/concepts.html. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/image.h"

/* The input pixels that make one output pixel: weights[0..count) from `first` on. */
typedef struct taps {
    int first, count;
    float *weights; /* borrowed: of the filter */
} taps;

typedef struct filter {
    taps *outputs;
    float *weights; /* owned, of all outputs */
} filter;

static void filter_free(filter *f) {
    free(f->outputs);
    free(f->weights);
}

static rf_status filter_create(filter *f, int in, int out) {
    double scale = (double)in / out, radius = RF_MAX(scale, 1.0);
    size_t most = (size_t)RF_MIN((double)in, ceil(radius) * 2 + 1);
    *f = (filter){rf_alloc((size_t)out, sizeof(taps)), rf_alloc((size_t)out, most * sizeof(float))};
    if (f->outputs == NULL || f->weights == NULL) {
        filter_free(f);
        return RF_E_MEMORY;
    }
    for (int i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = RF_MAX((int)(centre - radius + 0.5), 0), end = RF_MIN((int)(centre + radius + 0.5), in);
        taps *t = &f->outputs[i];
        *t = (taps){first, end - first, f->weights + (size_t)i * most};
        for (int j = 0; j < t->count; j++) {
            double weight = RF_MAX(0.0, 1 - fabs(first + j + 0.5 - centre) / radius);
            t->weights[j] = (float)weight;
            sum += weight;
        }
        for (int j = 0; j < t->count; j++) t->weights[j] = (float)(t->weights[j] / sum);
    }
    return RF_OK;
}

/* One output row before its columns are made: the weighted sum of input rows. */
static void sum_rows(float *row, const taps *t, const rf_image *in) {
    size_t values = (size_t)in->width * (size_t)in->channels;
    memset(row, 0, values * sizeof *row);
    for (int j = 0; j < t->count; j++) {
        const uint8_t *line = in->pixels + (size_t)(t->first + j) * values;
        float weight = t->weights[j];
        for (size_t x = 0; x < values; x++) row[x] += weight * line[x];
    }
}

static inline void sum_columns(uint8_t *out, const float *row, const filter *columns, int width,
                               size_t channels) {
    for (int x = 0; x < width; x++, out += channels) {
        const taps *t = &columns->outputs[x];
        for (size_t c = 0; c < channels; c++) {
            const float *from = row + (size_t)t->first * channels + c;
            float sum = 0.5f; /* rounds */
            for (int j = 0; j < t->count; j++) sum += t->weights[j] * from[(size_t)j * channels];
            out[c] = (uint8_t)RF_MIN(sum, 255.0f);
        }
    }
}

rf_status rf_image_resize(uint8_t *out, int height, int width, const rf_image *in) {
    rf_status status = RF_OK;
    filter rows = {0}, columns = {0};
    size_t channels = (size_t)in->channels;
    if (height == in->height && width == in->width) {
        memcpy(out, in->pixels, (size_t)height * (size_t)width * channels);
        return RF_OK;
    }
    float *row = rf_alloc((size_t)in->width * channels, sizeof *row);
    if (row == NULL) return RF_E_MEMORY;
    if ((status = filter_create(&rows, in->height, height)) != RF_OK) goto done;
    if ((status = filter_create(&columns, in->width, width)) != RF_OK) goto done;
    for (int y = 0; y < height; y++) {
        sum_rows(row, &rows.outputs[y], in);
        if (channels == 3)
            sum_columns(out, row, &columns, width, 3); /* unrolled by the compiler */
        else
            sum_columns(out, row, &columns, width, channels);
        out += (size_t)width * channels;
    }
done:
    filter_free(&columns);
    filter_free(&rows);
    free(row);
    return status;
}
