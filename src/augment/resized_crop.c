/* A part of the image, of random area and aspect ratio, scaled to the whole: torchvision's RandomResizedCrop, bilinear.
 * Where a pixel at the crop's border needs neighbours, they are the image's. */
#include <math.h>

#include "augment/augment.h"

enum { SCALE_LOW, SCALE_HIGH, RATIO_LOW, RATIO_HIGH, TRIES = 10 };
static const rf_spec_option options[] = {
    RF_AUGMENT_P(1), {"scale", 2, {0.08, 1}, 1e-4, 1}, {"ratio", 2, {0.75, 1.3333}, 0.01, 100}, {NULL}};

static rf_status check(const double *o, const rf_augment_images *images) {
    (void)images;
    if (o[SCALE_LOW] > o[SCALE_HIGH] || o[RATIO_LOW] > o[RATIO_HIGH])
        return rf_fail(RF_E_USAGE,
                       "resized_crop: scale=%g,%g ratio=%g,%g: of each the smaller number comes first",
                       o[SCALE_LOW], o[SCALE_HIGH], o[RATIO_LOW], o[RATIO_HIGH]);
    return RF_OK;
}

/* A size that fits, or the largest that has an allowed ratio. */
static void draw_size(rf_drawing *d, int *height, int *width) {
    const int h = d->images->height, w = d->images->width;
    for (int i = 0; i < TRIES; i++) {
        const double area = (double)h * w * rf_draw_between(d, d->o[SCALE_LOW], d->o[SCALE_HIGH]);
        const double ratio = exp(rf_draw_between(d, log(d->o[RATIO_LOW]), log(d->o[RATIO_HIGH])));
        *height = (int)lrint(sqrt(area / ratio));
        *width = (int)lrint(sqrt(area * ratio));
        if (*height > 0 && *width > 0 && *height <= h && *width <= w) return;
    }
    const double ratio = fmin(fmax((double)w / h, d->o[RATIO_LOW]), d->o[RATIO_HIGH]);
    *height = RF_MAX(1, RF_MIN(h, (int)lrint(w / ratio)));
    *width = RF_MAX(1, RF_MIN(w, (int)lrint(h * ratio)));
}

static void draw(rf_drawing *d) {
    int height, width;
    draw_size(d, &height, &width);
    const double top = rf_draw_int(d, 0, d->images->height - height),
                 left = rf_draw_int(d, 0, d->images->width - width);
    const double tall = (double)height / d->images->height, wide = (double)width / d->images->width;
    rf_draw_map(d, (const double[]){tall, 0, top + tall / 2 - 0.5},
                (const double[]){0, wide, left + wide / 2 - 0.5});
}

const rf_augment rf_augment_resized_crop = {
    .kind = {"resized_crop", "a part of the image, scaled to the whole", options, NULL},
    .check = check,
    .draw = draw};
