/* Mirror images: torchvision's RandomHorizontalFlip and RandomVerticalFlip. */
#include "augment/augment.h"

static const rf_spec_option options[] = {RF_AUGMENT_P(0.5), {NULL}};

static void flip(rf_drawing *d) {
    rf_draw_map(d, (const double[]){1, 0, 0}, (const double[]){0, -1, d->images->width - 1});
}

static void vflip(rf_drawing *d) {
    rf_draw_map(d, (const double[]){-1, 0, d->images->height - 1}, (const double[]){0, 1, 0});
}

const rf_augment rf_augment_flip = {.kind = {"flip", "left and right exchanged", options, NULL},
                                    .draw = flip};
const rf_augment rf_augment_vflip = {.kind = {"vflip", "top and bottom exchanged", options, NULL},
                                     .draw = vflip};
