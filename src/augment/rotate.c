/* Rotated about the centre by up to `degrees` either way, bilinear, black outside: torchvision's RandomRotation. */
#include <math.h>

#include "augment/augment.h"

enum { DEGREES };
static const rf_spec_option options[] = {RF_AUGMENT_P(1), {"degrees", 1, {15}, 0, 180}, {NULL}};

static void draw(rf_drawing *d) {
    const double angle = rf_draw_between(d, -d->o[DEGREES], d->o[DEGREES]) * acos(-1) / 180;
    const double c = cos(angle), s = sin(angle), y = (d->images->height - 1) / 2.0,
                 x = (d->images->width - 1) / 2.0;
    rf_draw_map(d, (const double[]){c, s, y - c * y - s * x}, (const double[]){-s, c, x + s * y - c * x});
}

const rf_augment rf_augment_rotate = {.kind = {"rotate", "turned about the centre", options, NULL},
                                      .draw = draw};
