/* Moved by up to `pixels`, uniformly in each direction, with black borders: torchvision's RandomCrop of the same size with
 * padding=pixels. */
#include "augment/augment.h"

enum { PIXELS };
static const rf_spec_option options[] = {RF_AUGMENT_P(1), {"pixels", 1, {4}, 0, 8192}, {NULL}};

static rf_status check(const double *o, const rf_augment_images *images) {
    return rf_draw_check_pixels(o[PIXELS], RF_MIN(images->height, images->width) - 1, "shift: pixels",
                                images);
}

static void draw(rf_drawing *d) {
    const int pixels = (int)d->o[PIXELS], down = rf_draw_int(d, -pixels, pixels),
              right = rf_draw_int(d, -pixels, pixels);
    rf_draw_map(d, (const double[]){1, 0, -down}, (const double[]){0, 1, -right});
}

const rf_augment rf_augment_shift = {
    .kind = {"shift", "a random crop of the image with a black border", options, NULL},
    .check = check,
    .draw = draw};
