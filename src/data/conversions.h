/* What reading changes of images, counted by their headers, and said. */
#ifndef RF_DATA_CONVERSIONS_H
#define RF_DATA_CONVERSIONS_H

#include "data/reader.h"

typedef struct rf_conversions {
    rf_fit fit;
    bool sampled; /* others may be converted as well */
    bool sized;   /* the size was asked for, so that resizing to it is no news */
    bool settled; /* how images are read cannot be chosen any more: no option is named */
    size_t images, resized, reduced, other_aspect, grey, colour, deep, transparent, cmyk, turned;
} rf_conversions;

/* Counts an image that is read so. */
void rf_conversions_add(rf_conversions *n, const rf_image_info *info, const rf_reader *reader);
/* Notes what there is; the data set's shape is what the images become. */
rf_status rf_conversions_note(rf_dataset *dataset, const rf_conversions *n);

#endif
