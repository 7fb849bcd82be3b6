/* Drawing a view (kernels/common/view.clh): what the augmentations share. */
#ifndef RF_AUGMENT_DRAW_H
#define RF_AUGMENT_DRAW_H

#include "base/base.h"
#include "kernels/common/view.clh"

typedef struct rf_augment_images { /* what is augmented */
    int channels, height, width, batch;
    const double *mean; /* of each channel, 0..1; borrowed: filled before anything is drawn */
    int first;          /* the position of its first image in the batch of all ranks */
} rf_augment_images;

/* A view being drawn.  row, column: the source of (y,x) is row[0]*y + row[1]*x + row[2], and likewise. */
typedef struct rf_drawing {
    const rf_augment_images *images;
    const double *o; /* the augmentation's own options' numbers */
    rf_random random;
    int index; /* of the image in the batch */
    double row[3], column[3];
    rf_view *view;
} rf_drawing;

/* Begins a view that changes nothing; the caller sets index and the generator. */
void rf_draw_begin(rf_drawing *d, rf_view *view, int source, const rf_augment_images *images);
void rf_draw_end(rf_drawing *d);

/* What is drawn comes after what was drawn before.  The image is seen through another map: (y,x) shows what was at
 * row[0]*y + row[1]*x + row[2], and likewise. */
void rf_draw_map(rf_drawing *d, const double row[3], const double column[3]);
/* The pixels' values, 0..255, are multiplied by a matrix, and its fourth column is added. */
void rf_draw_colour(rf_drawing *d, double colour[3][4]);
/* Errors: RF_E_USAGE unless it is a whole number up to `most`, where images are that small. */
rf_status rf_draw_check_pixels(double value, int most, const char *option, const rf_augment_images *images);
double rf_draw_between(rf_drawing *d, double low, double high); /* uniform */
int rf_draw_int(rf_drawing *d, int low, int high);              /* both included */

#endif
