/* Composing maps and colours. */
#include "augment/draw.h"

#include <math.h>
#include <string.h>

void rf_draw_begin(rf_drawing *d, rf_view *view, int source, const rf_augment_images *images) {
    *view = (rf_view){.source = source, .share = 1};
    for (int c = 0; c < 3; c++) view->colour[c][c] = 1;
    *d = (rf_drawing){.images = images, .row = {1, 0, 0}, .column = {0, 1, 0}, .view = view};
}

static int fixed(double coordinate) {
    return (int)lrint(coordinate * RF_VIEW_ONE);
}

void rf_draw_end(rf_drawing *d) {
    rf_view *v = d->view;
    v->row_y = fixed(d->row[0]);
    v->row_x = fixed(d->row[1]);
    v->row_0 = fixed(d->row[2]);
    v->column_y = fixed(d->column[0]);
    v->column_x = fixed(d->column[1]);
    v->column_0 = fixed(d->column[2]);
}

rf_status rf_draw_check_pixels(double value, int most, const char *option, const rf_augment_images *images) {
    if (value == floor(value) && value <= most) return RF_OK;
    return rf_fail(RF_E_USAGE, "%s is %g; for images of %dx%d it must be a whole number of %d or less",
                   option, value, images->height, images->width, most);
}

double rf_draw_between(rf_drawing *d, double low, double high) {
    return low + (high - low) * rf_random_uniform(&d->random);
}

int rf_draw_int(rf_drawing *d, int low, int high) {
    return low + (int)rf_random_below(&d->random, (uint32_t)(high - low) + 1);
}

void rf_draw_map(rf_drawing *d, const double row[3], const double column[3]) {
    double *const sources[] = {d->row, d->column};
    for (size_t s = 0; s < RF_COUNT(sources); s++) {
        double *to = sources[s];
        const double y = to[0], x = to[1];
        for (int k = 0; k < 3; k++) to[k] = y * row[k] + x * column[k] + (k == 2 ? to[2] : 0);
    }
}

void rf_draw_colour(rf_drawing *d, double colour[3][4]) {
    float before[3][4];
    memcpy(before, d->view->colour, sizeof before);
    d->view->coloured = 1;
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 4; k++) {
            double sum = k == 3 ? colour[c][3] : 0;
            for (int j = 0; j < 3; j++) sum += colour[c][j] * before[j][k];
            d->view->colour[c][k] = (float)sum;
        }
}
