/* A square of the mean pixel, centred anywhere, so that it may stick out (DeVries and Taylor 2017, arXiv 1708.04552). */
#include "augment/augment.h"

enum { SIZE };
static const rf_spec_option options[] = {RF_AUGMENT_P(1), {"size", 1, {8}, 1, 8192}, {NULL}};

static rf_status check(const double *o, const rf_augment_images *images) {
    return rf_draw_check_pixels(o[SIZE], RF_MIN(images->height, images->width), "cutout: size", images);
}

static void draw(rf_drawing *d) {
    const int size = (int)d->o[SIZE];
    rf_view *v = d->view;
    v->hole_top = rf_draw_int(d, 0, d->images->height - 1) - size / 2;
    v->hole_left = rf_draw_int(d, 0, d->images->width - 1) - size / 2;
    v->hole_bottom = v->hole_top + size;
    v->hole_right = v->hole_left + size;
}

const rf_augment rf_augment_cutout = {
    .kind = {"cutout", "a square of the mean pixel", options, NULL}, .check = check, .draw = draw};
