/* Brightness, contrast, saturation and hue, in random order: torchvision's ColorJitter, but for two things that make it one
 * matrix for each image.  Contrast is about the grey of the data set's mean pixel, not of the image's; hue is SVG's
 * hueRotate, which keeps the luminance, not a sum in HSV. */
#include <math.h>

#include "augment/augment.h"

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, STEPS };
static const rf_spec_option options[] = {RF_AUGMENT_P(1),
                                         {"brightness", 1, {0.2}, 0, 10},
                                         {"contrast", 1, {0.2}, 0, 10},
                                         {"saturation", 1, {0}, 0, 10},
                                         {"hue", 1, {0}, 0, 0.5},
                                         {NULL}};

static rf_status check(const double *o, const rf_augment_images *images) {
    if (images->channels == 3 || (o[SATURATION] == 0 && o[HUE] == 0)) return RF_OK;
    return rf_fail(
        RF_E_USAGE,
        "jitter: the images have %d channel%s, and saturation and hue are of colours; leave them out",
        images->channels, images->channels == 1 ? "" : "s");
}

static const double black[3] = {0}, grey[3] = {0.299, 0.587, 0.114};

static double mean_grey(const rf_augment_images *images) {
    double sum = 0;
    for (int c = 0; c < images->channels; c++)
        sum += 255 * images->mean[c] * (images->channels == 3 ? grey[c] : 1.0 / images->channels);
    return sum;
}

/* factor * pixel + (1 - factor) * (to . pixel + offset) */
static void blend(rf_drawing *d, double factor, const double to[3], double offset) {
    double colour[3][4];
    for (int c = 0; c < 3; c++) {
        for (int k = 0; k < 3; k++) colour[c][k] = (1 - factor) * to[k] + (c == k ? factor : 0);
        colour[c][3] = (1 - factor) * offset;
    }
    rf_draw_colour(d, colour);
}

static void rotate_hue(rf_drawing *d, double turns) {
    static const double luminance[3] = {0.213, 0.715, 0.072};
    static const double sines[3][3] = {
        {-0.213, -0.715, 0.928}, {0.143, 0.140, -0.283}, {-0.787, 0.715, 0.072}};
    const double c = cos(2 * acos(-1) * turns), s = sin(2 * acos(-1) * turns);
    double colour[3][4] = {0};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            colour[i][k] = luminance[k] + c * ((i == k) - luminance[k]) + s * sines[i][k];
    rf_draw_colour(d, colour);
}

static void draw(rf_drawing *d) {
    int32_t order[STEPS] = {BRIGHTNESS, CONTRAST, SATURATION, HUE};
    rf_random_shuffle(&d->random, order, STEPS);
    for (int i = 0; i < STEPS; i++) {
        const double most = d->o[order[i]];
        if (most == 0) continue;
        const double factor = rf_draw_between(d, fmax(1 - most, 0), 1 + most);
        if (order[i] == BRIGHTNESS) blend(d, factor, black, 0);
        if (order[i] == CONTRAST) blend(d, factor, black, mean_grey(d->images));
        if (order[i] == SATURATION) blend(d, factor, grey, 0);
        if (order[i] == HUE) rotate_hue(d, factor - 1);
    }
}

const rf_augment rf_augment_jitter = {
    .kind = {"jitter", "brightness, contrast, saturation and hue", options, NULL},
    .check = check,
    .draw = draw};
