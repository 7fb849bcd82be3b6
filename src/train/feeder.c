/* The data set on the device: uploaded once, as bytes, if it fits; else batches are streamed through two staging
 * buffers while the device computes the steps before. */
#include "train/feeder.h"

#include <math.h>
#include <stdlib.h>

#include "data/source.h"
#include "kernels/common/control.clh"

rf_status rf_check_images(const rf_model *model, const rf_dataset *data) {
    const rf_image_shape *images = &model->images;
    if (data->channels > 16)
        return rf_fail(RF_E_INPUT, "images have %d channels; at most 16 are taken", data->channels);
    if (images->channels == data->channels && images->height == data->height &&
        images->width == data->width && images->classes >= data->classes)
        return RF_OK;
    return rf_fail(RF_E_SHAPE,
                   "the network is for %dx%dx%d images of %d classes, the data have %dx%dx%d and %d",
                   images->channels, images->height, images->width, images->classes, data->channels,
                   data->height, data->width, data->classes);
}

rf_status rf_normalisation(double *mean, double *std, const rf_model *model, const rf_dataset *data,
                           const double *given_mean, const double *given_std) {
    if (model->normalises == 0 && (given_mean == NULL || given_std == NULL))
        RF_TRY(rf_dataset_statistics(data, mean, std));
    for (int c = 0; c < data->channels; c++) {
        if (model->normalises > 0) mean[c] = 0, std[c] = 1.0 / model->normalises;
        if (given_mean != NULL) mean[c] = given_mean[c];
        if (given_std != NULL)
            std[c] = given_std[c];
        else if (std[c] == 0)
            std[c] = 1; /* a constant channel */
        if (!isfinite(mean[c]) || !isfinite(std[c]) || std[c] <= 0)
            return rf_fail(RF_E_USAGE,
                           "channel %d: mean %g, std %g; the mean must be finite, the std above 0", c,
                           mean[c], std[c]);
    }
    return RF_OK;
}

static rf_status upload_scale(rf_feeder *f, const double *mean, const double *std) {
    int channels = f->dataset->channels;
    float *values = rf_alloc((size_t)channels * 2, sizeof *values);
    if (values == NULL) return RF_E_MEMORY;
    for (int c = 0; c < channels; c++) { /* (x/255 - mean) / std */
        values[c] = (float)(1.0 / (255.0 * std[c]));
        values[channels + c] = (float)(-mean[c] / std[c]);
    }
    size_t bytes = (size_t)channels * 2 * sizeof *values;
    rf_status status = rf_buffer_create(&f->scale_shift, f->device, bytes);
    if (status == RF_OK) status = rf_buffer_write(f->scale_shift, 0, values, bytes);
    free(values);
    return status;
}

static rf_status make_staging(rf_feeder *f) {
    rf_status status = RF_OK;
    int32_t *identity = rf_alloc((size_t)f->staged_batch, sizeof *identity);
    if (identity == NULL) return RF_E_MEMORY;
    for (int i = 0; i < f->staged_batch; i++) identity[i] = i;
    size_t bytes = (size_t)f->staged_batch * sizeof *identity;
    status = rf_buffer_create(&f->identity, f->device, bytes);
    if (status == RF_OK) status = rf_buffer_write(f->identity, 0, identity, bytes);
    free(identity);
    for (int i = 0; i < 2 && status == RF_OK; i++) {
        f->staging[i] = rf_alloc((size_t)f->staged_batch, (size_t)f->per_image);
        f->staging_labels[i] = rf_alloc((size_t)f->staged_batch, sizeof(int32_t));
        if (f->staging[i] == NULL || f->staging_labels[i] == NULL) status = RF_E_MEMORY;
    }
    return status;
}

/* All images, piece by piece where the data set does not hold them in one. */
static rf_status upload_images(rf_feeder *f) {
    enum { PIECE = 256 };
    const rf_dataset *d = f->dataset;
    const size_t image = (size_t)f->per_image, count = (size_t)d->count;
    if (d->pixels != NULL) return rf_buffer_write(f->pixels, 0, d->pixels, count * image);
    rf_status status = RF_OK;
    uint8_t *piece = rf_alloc(RF_MIN(count, (size_t)PIECE), image);
    if (piece == NULL) return RF_E_MEMORY;
    for (size_t i = 0; status == RF_OK && i < count; i += PIECE) {
        const size_t n = RF_MIN(count - i, (size_t)PIECE);
        for (size_t j = 0; status == RF_OK && j < n; j++)
            status = rf_dataset_read(piece + j * image, d, (int)(i + j));
        if (status == RF_OK) status = rf_buffer_write(f->pixels, i * image, piece, n * image);
    }
    free(piece);
    return status;
}

static rf_status make_memory(rf_feeder *f) {
    const rf_dataset *d = f->dataset;
    size_t images = (size_t)(f->streaming ? f->staged_batch : d->count);
    RF_TRY(rf_buffer_create(&f->pixels, f->device, images * (size_t)f->per_image));
    RF_TRY(rf_buffer_create(&f->labels, f->device, images * sizeof(int32_t)));
    if (f->streaming) return make_staging(f);
    RF_TRY(upload_images(f));
    return rf_buffer_write(f->labels, 0, d->labels, images * sizeof(int32_t));
}

rf_status rf_feeder_create(rf_feeder **out, const rf_feeder_desc *desc) {
    const rf_dataset *dataset = desc->dataset;
    *out = NULL;
    rf_feeder *f = rf_alloc(1, sizeof *f);
    if (f == NULL) return RF_E_MEMORY;
    f->device = desc->device;
    f->dataset = dataset;
    f->per_image = dataset->channels * dataset->height * dataset->width;
    f->staged_batch = desc->batch;
    f->streaming = desc->streaming;
    rf_status status = upload_scale(f, desc->mean, desc->std);
    if (status == RF_OK) status = make_memory(f);
    if (status == RF_OK)
        *out = f;
    else
        rf_feeder_free(f);
    return status;
}

void rf_feeder_free(rf_feeder *f) {
    if (f == NULL) return;
    rf_prefetch_free(f->prefetch);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) rf_event_free(f->staging_event[i][j]);
        rf_device_free_host(f->device, f->staging[i]);
        rf_device_free_host(f->device, f->staging_labels[i]);
    }
    rf_buffer_free(f->identity);
    rf_buffer_free(f->pixels);
    rf_buffer_free(f->labels);
    rf_buffer_free(f->scale_shift);
    free(f);
}

typedef struct gather_context {
    int batch, per_image, channels, word, base;
} gather_context;

static void gather_reference(const void *context, void *const *data) {
    const gather_context *g = context;
    const uint8_t *pixels = data[0];
    const int32_t *labels = data[1], *order = data[2];
    const uint32_t *control = data[3];
    const float *scale = data[4], *shift = scale + g->channels;
    float *images = data[5];
    int32_t *batch_labels = data[6];
    for (int i = 0; i < g->batch; i++) {
        int source = order[g->base + (g->word >= 0 ? (int)control[g->word] * g->batch : 0) + i];
        const uint8_t *in = pixels + (size_t)source * (size_t)g->per_image;
        float *out = images + (size_t)i * (size_t)g->per_image;
        batch_labels[i] = labels[source];
        for (int p = 0; p < g->per_image; p++) {
            int c = p % g->channels;
            out[p] = (float)in[p] * scale[c] + shift[c];
        }
    }
}

rf_family rf_train_family(const rf_device *device) {
    return rf_device_describe(device)->kind == RF_DEVICE_CPU && !rf_is_forced("train_group") ? RF_TILE
                                                                                             : RF_GROUP;
}

bool rf_train_on_reference(const rf_device *device) {
    return rf_device_describe(device)->kind == RF_DEVICE_REFERENCE;
}

size_t rf_train_vectors(const rf_device *device, size_t floats) {
    return floats / (rf_train_family(device) == RF_GROUP ? 4 : 8);
}

void rf_train_spread(rf_launch_desc *desc, const rf_device *device, size_t vectors) {
    const rf_device_info *info = rf_device_describe(device);
    if (rf_train_family(device) == RF_GROUP)
        rf_family_spread(desc, RF_GROUP, info, vectors, 1);
    else
        desc->global[0] = RF_MAX(RF_MIN((size_t)info->compute_units * 4, vectors), 1);
}

rf_status rf_train_emit(rf_sequence *sequence, const rf_device *device, rf_launch_desc *desc) {
    desc->program = "train";
    desc->options = rf_train_family(device) == RF_GROUP ? "-DGROUP" : NULL;
    return rf_emit(sequence, desc);
}

rf_status rf_feeder_emit(rf_feeder *f, rf_sequence *sequence, const rf_gather *g) {
    const rf_device_info *info = rf_device_describe(f->device);
    gather_context context = {g->batch, f->per_image, f->dataset->channels, g->word, g->base};
    rf_buffer *order = g->order;
    if (f->streaming) {
        order = f->identity; /* the host has gathered the batch */
        context.word = -1;
        context.base = 0;
    }
    rf_buffer *buffers[] = {f->pixels, f->labels, order, g->control, f->scale_shift, g->images, g->labels};
    double bytes = (double)g->batch * f->per_image * 5.0;
    rf_sequence_label(sequence, "feed");
    if (rf_train_on_reference(f->device))
        return rf_emit_host(sequence, gather_reference, &context, sizeof context, buffers, RF_COUNT(buffers),
                            0, bytes);
    bool images = rf_train_family(f->device) == RF_TILE;
    rf_launch_desc desc = {.kernel = images ? "gather_images" : "gather_elements",
                           .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]),
                                    RF_BUF(buffers[3]), RF_BUF(buffers[4]), RF_BUF(buffers[5]),
                                    RF_BUF(buffers[6]), RF_I32(g->batch), RF_I32(f->per_image),
                                    RF_I32(context.channels), RF_I32(context.word), RF_I32(context.base)},
                           .bytes = bytes};
    size_t batch = (size_t)g->batch;
    if (images)
        desc.global[0] = batch;
    else {
        desc.local[0] = RF_MIN(64, info->max_work_group);
        desc.global[0] = rf_round_up((size_t)f->per_image, desc.local[0]);
        desc.global[1] = batch;
    }
    return rf_train_emit(sequence, f->device, &desc);
}

rf_status rf_feeder_announce(rf_feeder *f, const int32_t *indices, size_t count) {
    if (!rf_dataset_decodes(f->dataset)) return RF_OK;
    if (f->prefetch == NULL)
        RF_TRY(rf_prefetch_create(&f->prefetch, f->dataset, RF_BATCHES_AHEAD * (size_t)f->staged_batch));
    return rf_prefetch_announce(f->prefetch, indices, count);
}

bool rf_feeder_is_idle(const rf_feeder *f) {
    return f->prefetch == NULL || rf_prefetch_is_idle(f->prefetch);
}

static rf_status read_batch(uint8_t *out, rf_feeder *f, const int32_t *indices, int batch) {
    if (f->prefetch != NULL) return rf_prefetch_take(out, f->prefetch, indices, (size_t)batch);
    for (int i = 0; i < batch; i++)
        RF_TRY(rf_dataset_read(out + (size_t)i * (size_t)f->per_image, f->dataset, indices[i]));
    return RF_OK;
}

rf_status rf_feeder_stage(rf_feeder *f, const int32_t *indices, int batch) {
    if (!f->streaming) return RF_OK;
    int turn = f->turn = !f->turn;
    for (int j = 0; j < 2; j++) {
        if (f->staging_event[turn][j] == NULL) continue;
        RF_TRY(rf_event_wait(f->staging_event[turn][j]));
        rf_event_free(f->staging_event[turn][j]);
        f->staging_event[turn][j] = NULL;
    }
    RF_TRY(read_batch(f->staging[turn], f, indices, batch));
    for (int i = 0; i < batch; i++) f->staging_labels[turn][i] = f->dataset->labels[indices[i]];
    RF_TRY(rf_buffer_write_begin(&f->staging_event[turn][0], f->pixels, 0, f->staging[turn],
                                 (size_t)batch * (size_t)f->per_image));
    return rf_buffer_write_begin(&f->staging_event[turn][1], f->labels, 0, f->staging_labels[turn],
                                 (size_t)batch * sizeof(int32_t));
}
