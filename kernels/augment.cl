/* Augmented batches: images[i] is what view i (common/view.clh) makes of the data set's pixels, normalised.
 *
 *     pixel  = colour * source(map(y,x)), within 0..255; source is bilinear, and 0 outside of the image
 *     own    = in the hole ? 0 : pixel * scale[c] + shift[c]
 *     images = in the patch ? keep * own(view i) + (1 - keep) * own(its partner's view) : own(view i)
 *
 * pixels is (.,H,W,CHANNELS) bytes; labels receives (N) labels or, with `mixed`, (3,N): the images' own, their partners',
 * and the shares of the former.
 *
 * Ownership: tile: a work-item has rows; group: an element is a pixel. */
#include "common.clh"
#include "view.clh"

/* The source at fixed-point coordinates; the image reaches half a pixel beyond its outer pixels' centres. */
INLINE void look(float value[CHANNELS], const __global uchar *image, int row, int column, int height, int width) {
    const int edge = RF_VIEW_ONE / 2;
    const bool inside = row >= -edge && row < height * RF_VIEW_ONE - edge && column >= -edge &&
                        column < width * RF_VIEW_ONE - edge;
    const int y = row >> RF_VIEW_BITS, x = column >> RF_VIEW_BITS;
    const float down = (float)(row & (RF_VIEW_ONE - 1)) / RF_VIEW_ONE,
                right = (float)(column & (RF_VIEW_ONE - 1)) / RF_VIEW_ONE;
    if (!inside) {
        for (int c = 0; c < CHANNELS; ++c) value[c] = 0.0f;
        return;
    }
    const __global uchar *above = image + max(y, 0) * width * CHANNELS;
    const __global uchar *below = image + min(y + 1, height - 1) * width * CHANNELS;
    const int left = max(x, 0) * CHANNELS, next = min(x + 1, width - 1) * CHANNELS;
    if (((row | column) & (RF_VIEW_ONE - 1)) == 0) {
        for (int c = 0; c < CHANNELS; ++c) value[c] = (float)above[left + c];
        return;
    }
    for (int c = 0; c < CHANNELS; ++c) {
        const float top = mix((float)above[left + c], (float)above[next + c], right);
        const float bottom = mix((float)below[left + c], (float)below[next + c], right);
        value[c] = mix(top, bottom, down);
    }
}

INLINE void tint(float value[CHANNELS], const __global rf_view *view) {
#if CHANNELS == 3
    const float red = value[0], green = value[1], blue = value[2];
    for (int c = 0; c < 3; ++c)
        value[c] = view->colour[c][0] * red + view->colour[c][1] * green + view->colour[c][2] * blue + view->colour[c][3];
#else
    for (int c = 0; c < CHANNELS; ++c) value[c] = view->colour[0][0] * value[c] + view->colour[0][3];
#endif
    for (int c = 0; c < CHANNELS; ++c) value[c] = min(max(value[c], 0.0f), 255.0f);
}

/* A view's pixel without its partner's. */
INLINE void own(float value[CHANNELS], const __global rf_view *view, const __global uchar *pixels,
                const __global float *scale_shift, int height, int width, int y, int x) {
    const __global uchar *image = pixels + (size_t)view->source * height * width * CHANNELS;
    look(value, image, view->row_y * y + view->row_x * x + view->row_0,
         view->column_y * y + view->column_x * x + view->column_0, height, width);
    if (view->coloured) tint(value, view);
    const bool hole =
        y >= view->hole_top && y < view->hole_bottom && x >= view->hole_left && x < view->hole_right;
    for (int c = 0; c < CHANNELS; ++c)
        value[c] = hole ? 0.0f : value[c] * scale_shift[c] + scale_shift[CHANNELS + c];
}

INLINE void label(int i, const __global rf_view *views, const __global int *labels, __global int *batch_labels,
                  int batch, int mixed) {
    batch_labels[i] = labels[views[i].source];
    if (!mixed) return;
    batch_labels[batch + i] = labels[views[views[i].partner].source];
    batch_labels[2 * batch + i] = as_int(views[i].share);
}

INLINE void augment_pixel(const __global rf_view *views, const __global uchar *pixels,
                          const __global float *scale_shift, __global float *images, int height,
                          int width, int i, int y, int x) {
    const __global rf_view *view = views + i, *partner = views + view->partner;
    const bool patch = y >= view->patch_top && y < view->patch_bottom && x >= view->patch_left &&
                       x < view->patch_right;
    const float keep = patch ? view->keep : 1.0f;
    float value[CHANNELS];
    own(value, keep > 0.0f ? view : partner, pixels, scale_shift, height, width, y, x);
    if (keep > 0.0f && keep < 1.0f) {
        float other[CHANNELS];
        own(other, partner, pixels, scale_shift, height, width, y, x);
        for (int c = 0; c < CHANNELS; ++c) value[c] = mix(other[c], value[c], keep);
    }
    __global float *out = images + (((size_t)i * height + y) * width + x) * CHANNELS;
    for (int c = 0; c < CHANNELS; ++c) out[c] = value[c];
}

KERNEL void augment(const __global uchar *restrict pixels, const __global int *restrict labels,
                    const __global rf_view *restrict views, const __global float *restrict scale_shift,
                    __global float *restrict images, __global int *restrict batch_labels, int batch, int height,
                    int width, int mixed) {
#ifdef GROUP
    FOR_TASKS(task, batch * height * width) {
        const int x = task % width, row = task / width, y = row % height, i = row / height;
        if (y == 0 && x == 0) label(i, views, labels, batch_labels, batch, mixed);
        augment_pixel(views, pixels, scale_shift, images, height, width, i, y, x);
    }
#else
    FOR_TASKS(row, batch * height) {
        const int y = row % height, i = row / height;
        if (y == 0) label(i, views, labels, batch_labels, batch, mixed);
        for (int x = 0; x < width; ++x)
            augment_pixel(views, pixels, scale_shift, images, height, width, i, y, x);
    }
#endif
}
