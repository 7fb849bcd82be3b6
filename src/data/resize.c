/* Changing the size of an image: separable convolution with a triangle of radius max(1, in/out) around the
 * centre of each output pixel, the weights normalised; first the direction that shrinks, so that the time is
 * bounded by the pixels of input and output.
 * Where the aspect ratio is another, only the part of the resized image that is wanted is computed; an image
 * that was stored turned is turned upright afterwards, when it is small.
 * Sources: the filter of Pillow's resize (BILINEAR),
 * https://pillow.readthedocs.io/en/stable/handbook/concepts.html; Resize(size) and CenterCrop of torchvision;
 * orientations: Pillow's ImageOps.exif_transpose. */
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

/* A stretch of a side: the side is resized to `whole` pixels, of which `count` from `first` on are wanted. */
typedef struct stretch {
    int whole, first, count;
} stretch;

static rf_status filter_create(filter *f, int in, stretch out) {
    double scale = (double)in / out.whole, radius = RF_MAX(scale, 1.0);
    size_t most = (size_t)RF_MIN((double)in, ceil(radius) * 2 + 1);
    *f = (filter){rf_alloc((size_t)out.count, sizeof(taps)),
                  rf_alloc((size_t)out.count, most * sizeof(float))};
    if (f->outputs == NULL || f->weights == NULL) {
        filter_free(f);
        *f = (filter){0};
        return RF_E_MEMORY;
    }
    for (int i = 0; i < out.count; i++) {
        double centre = (out.first + i + 0.5) * scale, sum = 0;
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

static inline void sum_columns_of(float *out, const float *row, const filter *columns, int width,
                                  size_t channels) {
    for (int x = 0; x < width; x++, out += channels) {
        const taps *t = &columns->outputs[x];
        for (size_t c = 0; c < channels; c++) {
            const float *from = row + (size_t)t->first * channels + c;
            float sum = 0;
            for (int j = 0; j < t->count; j++) sum += t->weights[j] * from[(size_t)j * channels];
            out[c] = sum;
        }
    }
}

static void sum_columns(float *out, const float *row, const filter *columns, int width, size_t channels) {
    if (channels == 3)
        sum_columns_of(out, row, columns, width, 3); /* unrolled by the compiler */
    else
        sum_columns_of(out, row, columns, width, channels);
}

static void round_row(uint8_t *out, const float *row, size_t values) {
    for (size_t i = 0; i < values; i++) out[i] = (uint8_t)RF_MIN(row[i] + 0.5f, 255.0f);
}

/* Rows first: `row` holds one of the input's width, `line` one of the output's. */
static void shrink_rows(uint8_t *out, float *row, float *line, const filter *rows, const filter *columns,
                        int height, int width, const rf_image *in) {
    size_t channels = (size_t)in->channels, values = (size_t)width * channels;
    for (int y = 0; y < height; y++) {
        sum_rows(row, &rows->outputs[y], in);
        sum_columns(line, row, columns, width, channels);
        round_row(out + (size_t)y * values, line, values);
    }
}

/* Columns first: `lines` holds one line of the output's width for each row of the input, and one more. */
static void grow_rows(uint8_t *out, float *row, float *lines, const filter *rows, const filter *columns,
                      int height, int width, const rf_image *in) {
    size_t channels = (size_t)in->channels, values = (size_t)width * channels;
    float one = 1, *sum = lines + (size_t)in->height * values;
    for (int y = 0; y < in->height; y++) {
        sum_rows(row, &(taps){y, 1, &one}, in);
        sum_columns(lines + (size_t)y * values, row, columns, width, channels);
    }
    for (int y = 0; y < height; y++) {
        const taps *t = &rows->outputs[y];
        memset(sum, 0, values * sizeof *sum);
        for (int j = 0; j < t->count; j++) {
            const float *line = lines + (size_t)(t->first + j) * values;
            for (size_t x = 0; x < values; x++) sum[x] += t->weights[j] * line[x];
        }
        round_row(out + (size_t)y * values, sum, values);
    }
}

/* out is (rows.count, columns.count, in->channels). */
static rf_status resample(uint8_t *out, stretch rows, stretch columns, const rf_image *in) {
    rf_status status = RF_OK;
    filter row_filter = {0}, column_filter = {0};
    size_t channels = (size_t)in->channels, width = (size_t)columns.count * channels;
    if (rows.whole == in->height && columns.whole == in->width) { /* nothing but cut out */
        for (int y = 0; y < rows.count; y++)
            memcpy(out + (size_t)y * width,
                   in->pixels +
                       ((size_t)(rows.first + y) * (size_t)in->width + (size_t)columns.first) * channels,
                   width);
        return RF_OK;
    }
    bool grow = rows.count > in->height;
    float *row = rf_alloc((size_t)in->width * channels, sizeof *row);
    float *lines = rf_alloc(grow ? (size_t)in->height + 1 : 1, width * sizeof *lines);
    if (row == NULL || lines == NULL) status = RF_E_MEMORY;
    if (status == RF_OK) status = filter_create(&row_filter, in->height, rows);
    if (status == RF_OK) status = filter_create(&column_filter, in->width, columns);
    if (status == RF_OK)
        (grow ? grow_rows : shrink_rows)(out, row, lines, &row_filter, &column_filter, rows.count,
                                         columns.count, in);
    filter_free(&column_filter);
    filter_free(&row_filter);
    free(lines);
    free(row);
    return status;
}

rf_status rf_image_resize(uint8_t *out, int height, int width, const rf_image *in) {
    return resample(out, (stretch){height, 0, height}, (stretch){width, 0, width}, in);
}

/* ---- fitting ---- */

/* How stored pixels become upright ones: rows and columns are exchanged, then stored rows (columns) run
 * backwards. */
typedef struct turn {
    bool swap, rows_back, columns_back;
} turn;

static turn turn_of(int orientation) {
    static const turn turns[] = {
        {0, 0, 0}, {0, 0, 0}, {0, 0, 1}, {0, 1, 1}, {0, 1, 0}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1},
    };
    return turns[orientation];
}

static int side_of(int64_t pixels) {
    return (int)RF_MIN(RF_MAX(pixels, 1), INT32_MAX);
}

/* Where the upright image, resized with its aspect ratio to rows x columns, covers the target (crop), or lies
 * within it (pad). */
static void fit_within(stretch *rows, stretch *columns, int height, int width, int target_height,
                       int target_width, rf_fit how) {
    *rows = (stretch){target_height, 0, target_height};
    *columns = (stretch){target_width, 0, target_width};
    if (how == RF_FIT_SQUASH) return;
    int64_t by_height = (int64_t)target_height * width, by_width = (int64_t)target_width * height;
    if ((by_height >= by_width) == (how == RF_FIT_CROP))
        columns->whole = side_of(by_height / height);
    else
        rows->whole = side_of(by_width / width);
}

/* Half of what is left over; halves are rounded to even, as torchvision's CenterCrop does. */
static int middle(int whole, int part) {
    int rest = whole - part;
    return rest / 2 + (rest % 4 == 3);
}

static void cut(stretch *side) {
    side->first = RF_MAX(middle(side->whole, side->count), 0);
    side->count = RF_MIN(side->count, side->whole);
}

static stretch backwards(stretch side) {
    return (stretch){side.whole, side.whole - side.first - side.count, side.count};
}

/* Copies pixels as they are stored to where they are upright in out, whose rows are `pitch` bytes apart. */
static void turn_upright(uint8_t *out, size_t pitch, const rf_image *stored, turn t) {
    size_t channels = (size_t)stored->channels;
    int rows = t.swap ? stored->width : stored->height, columns = t.swap ? stored->height : stored->width;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++) {
            int from_y = t.swap ? x : y, from_x = t.swap ? y : x;
            if (t.rows_back) from_y = stored->height - 1 - from_y;
            if (t.columns_back) from_x = stored->width - 1 - from_x;
            const uint8_t *pixel =
                stored->pixels + ((size_t)from_y * (size_t)stored->width + (size_t)from_x) * channels;
            for (size_t c = 0; c < channels; c++)
                out[(size_t)y * pitch + (size_t)x * channels + c] = pixel[c];
        }
}

bool rf_image_aspect_differs(int height, int width, int target_height, int target_width) {
    stretch rows, columns;
    fit_within(&rows, &columns, height, width, target_height, target_width, RF_FIT_CROP);
    return rows.whole != target_height || columns.whole != target_width;
}

rf_status rf_image_fit(uint8_t *out, int height, int width, const rf_image *in, rf_fit how) {
    turn t = turn_of(in->orientation);
    stretch rows, columns;
    fit_within(&rows, &columns, t.swap ? in->width : in->height, t.swap ? in->height : in->width, height,
               width, how);
    size_t channels = (size_t)in->channels, pitch = (size_t)width * channels;
    int top = RF_MAX((height - rows.whole) / 2, 0), left = RF_MAX((width - columns.whole) / 2, 0);
    cut(&rows);
    cut(&columns);
    stretch stored_rows = t.swap ? columns : rows, stored_columns = t.swap ? rows : columns;
    if (t.rows_back) stored_rows = backwards(stored_rows);
    if (t.columns_back) stored_columns = backwards(stored_columns);
    if (in->orientation <= 1 && rows.count == height && columns.count == width)
        return resample(out, stored_rows, stored_columns, in);
    rf_image part = {stored_rows.count, stored_columns.count, in->channels, 0, NULL};
    if ((part.pixels = rf_alloc((size_t)part.height * (size_t)part.width, channels)) == NULL)
        return RF_E_MEMORY;
    rf_status status = resample(part.pixels, stored_rows, stored_columns, in);
    memset(out, 0, (size_t)height * pitch);
    turn_upright(out + (size_t)top * pitch + (size_t)left * channels, pitch, &part, t);
    free(part.pixels);
    return status;
}
