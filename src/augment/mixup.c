/* The weighted mean of two images and of their losses (Zhang et al. 2018, arXiv 1710.09412); each image draws its share. */
#include "augment/mix.h"

static const rf_spec_option options[] = RF_MIX_OPTIONS(0.2);

static void draw(rf_drawing *d) {
    rf_view *v = d->view;
    v->patch_top = v->patch_left = 0;
    v->patch_bottom = d->images->height;
    v->patch_right = d->images->width;
    v->keep = v->share = (float)rf_mix_draw(d);
}

const rf_augment rf_augment_mixup = {.kind = {"mixup", "the weighted mean of two images", options, NULL},
                                     .check = rf_mix_check,
                                     .draw = draw,
                                     .mixes = true};
