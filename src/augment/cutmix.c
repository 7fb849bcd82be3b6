/* A rectangle of another image, and its share of the loss (Yun et al. 2019, arXiv 1905.04899); each image draws its own.  The
 * rectangle is centred anywhere and cut off at the border, and what is left of it counts. */
#include <math.h>

#include "augment/mix.h"

static const rf_spec_option options[] = RF_MIX_OPTIONS(1);

static void draw_side(rf_drawing *d, int *begin, int *end, int length, double part) {
    const int centre = rf_draw_int(d, 0, length - 1), half = (int)(part * length / 2);
    *begin = RF_MAX(centre - half, 0);
    *end = RF_MIN(centre + half, length);
}

static void draw(rf_drawing *d) {
    const double height = d->images->height, width = d->images->width, part = sqrt(1 - rf_mix_draw(d));
    rf_view *v = d->view;
    draw_side(d, &v->patch_top, &v->patch_bottom, d->images->height, part);
    draw_side(d, &v->patch_left, &v->patch_right, d->images->width, part);
    v->keep = 0;
    v->share =
        (float)(1 - (v->patch_bottom - v->patch_top) * (v->patch_right - v->patch_left) / (height * width));
}

const rf_augment rf_augment_cutmix = {.kind = {"cutmix", "a rectangle of another image", options, NULL},
                                      .check = rf_mix_check,
                                      .draw = draw,
                                      .mixes = true};
