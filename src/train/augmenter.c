/* Views from the host to the device, and the kernel that makes images by them. */
#include "train/augmenter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

rf_status rf_augmenter_create(rf_augmenter **out, const rf_feeder *feeder,
                              const rf_augmentation *augmentation, uint64_t seed) {
    const size_t batch = (size_t)augmentation->images.batch;
    *out = NULL;
    rf_augmenter *a = rf_alloc(1, sizeof *a);
    if (a == NULL) return RF_E_MEMORY;
    *a = (rf_augmenter){.feeder = feeder, .augmentation = augmentation, .seed = seed};
    rf_status status = rf_buffer_create_zeroed(&a->views, feeder->device, batch * sizeof(rf_view));
    for (int i = 0; i < 2 && status == RF_OK; i++)
        if ((a->staging[i] = rf_alloc(batch, sizeof(rf_view))) == NULL) status = RF_E_MEMORY;
    if (status == RF_OK)
        *out = a;
    else
        rf_augmenter_free(a);
    return status;
}

void rf_augmenter_free(rf_augmenter *a) {
    if (a == NULL) return;
    for (int i = 0; i < 2; i++) {
        rf_event_free(a->event[i]);
        rf_device_free_host(a->feeder->device, a->staging[i]);
    }
    rf_buffer_free(a->views);
    free(a);
}

size_t rf_augmenter_bytes(const rf_augmentation *augmentation) {
    return augmentation->count > 0 ? (size_t)augmentation->images.batch * sizeof(rf_view) : 0;
}

rf_status rf_augmenter_stage(rf_augmenter *a, const int32_t *indices, uint64_t number) {
    const int turn = a->turn = !a->turn, batch = a->augmentation->images.batch;
    rf_view *views = a->staging[turn];
    if (a->event[turn] != NULL) RF_TRY(rf_event_wait(a->event[turn]));
    rf_event_free(a->event[turn]);
    a->event[turn] = NULL;
    rf_augmentation_draw(views, a->augmentation, indices, a->seed, number);
    for (int i = 0; i < batch && a->feeder->streaming; i++)
        views[i].source = i; /* the host has gathered them */
    return rf_buffer_write_begin(&a->event[turn], a->views, 0, views, (size_t)batch * sizeof *views);
}

/* ---- the kernel in plain C, for the reference ---- */

typedef struct context {
    int batch, height, width, channels;
    bool mixed;
} context;

typedef struct source {
    const context *images;
    const uint8_t *pixels;
    const float *scale_shift;
} source;

/* Channel c of the source, at fixed-point coordinates. */
static float look(const source *s, const rf_view *v, int row, int column, int c) {
    const context *g = s->images;
    const double y = (double)row / RF_VIEW_ONE, x = (double)column / RF_VIEW_ONE;
    if (y < -0.5 || y >= g->height - 0.5 || x < -0.5 || x >= g->width - 0.5) return 0;
    double sum = 0;
    for (int i = 0; i < 4; i++) { /* the neighbours; those outside are the outer pixels */
        const double ny = floor(y) + i / 2, nx = floor(x) + i % 2,
                     weight = (1 - fabs(y - ny)) * (1 - fabs(x - nx));
        const int py = (int)fmin(fmax(ny, 0), g->height - 1), px = (int)fmin(fmax(nx, 0), g->width - 1);
        const size_t at =
            (((size_t)v->source * (size_t)g->height + (size_t)py) * (size_t)g->width + (size_t)px);
        sum += weight * s->pixels[at * (size_t)g->channels + (size_t)c];
    }
    return (float)sum;
}

static float tint(const rf_view *v, const float *value, int channels, int c) {
    const float *colour = v->colour[channels == 3 ? c : 0];
    double sum = colour[3];
    for (int k = 0; k < 3; k++) sum += channels == 3 ? (double)colour[k] * value[k] : 0;
    if (channels != 3) sum += (double)colour[0] * value[c];
    return (float)fmin(fmax(sum, 0), 255);
}

/* A view's pixel without its partner's. */
static void own(float *out, const source *s, const rf_view *v, int y, int x) {
    const int channels = s->images->channels;
    const bool hole = y >= v->hole_top && y < v->hole_bottom && x >= v->hole_left && x < v->hole_right;
    float value[16];
    for (int c = 0; c < channels; c++)
        value[c] = look(s, v, v->row_y * y + v->row_x * x + v->row_0,
                        v->column_y * y + v->column_x * x + v->column_0, c);
    for (int c = 0; c < channels; c++) {
        const float seen = v->coloured ? tint(v, value, channels, c) : value[c];
        out[c] = hole ? 0 : seen * s->scale_shift[c] + s->scale_shift[channels + c];
    }
}

static void augment_image(float *out, const source *s, const rf_view *views, int i) {
    const context *g = s->images;
    const rf_view *v = &views[i];
    for (int y = 0; y < g->height; y++)
        for (int x = 0; x < g->width; x++, out += g->channels) {
            float other[16];
            own(out, s, v, y, x);
            if (y < v->patch_top || y >= v->patch_bottom || x < v->patch_left || x >= v->patch_right)
                continue;
            own(other, s, &views[v->partner], y, x);
            for (int c = 0; c < g->channels; c++) out[c] = v->keep * out[c] + (1 - v->keep) * other[c];
        }
}

static void augment_reference(const void *given, void *const *data) {
    const context *g = given;
    const source s = {g, data[0], data[3]};
    const int32_t *labels = data[1];
    const rf_view *views = data[2];
    float *images = data[4];
    int32_t *batch_labels = data[5];
    for (int i = 0; i < g->batch; i++) {
        augment_image(images + (size_t)i * (size_t)(g->height * g->width * g->channels), &s, views, i);
        batch_labels[i] = labels[views[i].source];
        if (!g->mixed) continue;
        batch_labels[g->batch + i] = labels[views[views[i].partner].source];
        memcpy(&batch_labels[2 * g->batch + i], &views[i].share, sizeof(float));
    }
}

/* ---- the launch ---- */

rf_status rf_augmenter_emit(rf_augmenter *a, rf_sequence *sequence, rf_buffer *images, rf_buffer *labels) {
    const rf_feeder *f = a->feeder;
    const rf_augment_images *shape = &a->augmentation->images;
    const context g = {shape->batch, shape->height, shape->width, shape->channels, a->augmentation->mixes};
    rf_buffer *buffers[] = {f->pixels, f->labels, a->views, f->scale_shift, images, labels};
    const double bytes = (double)g.batch * f->per_image * 5.0;
    rf_sequence_label(sequence, "feed");
    if (rf_train_on_reference(f->device))
        return rf_emit_host(sequence, augment_reference, &g, sizeof g, buffers, RF_COUNT(buffers), 0, bytes);
    const rf_device_info *info = rf_device_describe(f->device);
    const rf_family family = rf_train_family(f->device);
    const size_t rows = (size_t)g.batch * (size_t)g.height, columns = (size_t)g.width;
    char options[RF_OPTIONS];
    rf_launch_desc desc = {.program = "augment",
                           .kernel = "augment",
                           .options = rf_family_options(options, family, info, "-DCHANNELS=%d", g.channels),
                           .args = {RF_BUF(buffers[0]), RF_BUF(buffers[1]), RF_BUF(buffers[2]),
                                    RF_BUF(buffers[3]), RF_BUF(buffers[4]), RF_BUF(buffers[5]),
                                    RF_I32(g.batch), RF_I32(g.height), RF_I32(g.width), RF_I32(g.mixed)},
                           .bytes = bytes};
    const size_t cost = (size_t)g.channels * 8; /* of a pixel, in moved floats */
    if (family == RF_TILE)
        rf_family_spread(&desc, family, info, rows, columns * cost);
    else
        rf_family_spread(&desc, family, info, rows * columns, cost);
    return rf_emit(sequence, &desc);
}
