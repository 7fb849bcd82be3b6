/* The options of reading a data set, for the library. */
#include "reading.h"

#include <stdlib.h>
#include <string.h>

const char *const *rf_resize_choices(void) {
    static const char *const names[] = {
        [RF_FIT_CROP] = "crop", [RF_FIT_SQUASH] = "squash", [RF_FIT_PAD] = "pad", NULL};
    return names;
}

const char *const *rf_channels_choices(void) {
    static const char *const names[] = {"1", "3", NULL};
    return names;
}

const char *const *rf_labels_choices(void) {
    static const char *const names[] = {"fine", "coarse", NULL};
    return names;
}

rf_dataset_options rf_reading_options(const rf_reading *reading) {
    const char *const *names = rf_resize_choices();
    rf_fit fit = RF_FIT_CROP;
    while (strcmp(names[fit], reading->resize) != 0) fit++;
    return (rf_dataset_options){
        .image_height = reading->image_size.height,
        .image_width = reading->image_size.width,
        .fit = fit,
        .channels = reading->channels != NULL ? atoi(reading->channels) : 0,
        .transpose = reading->transpose,
        .coarse_labels = reading->labels != NULL && strcmp(reading->labels, "coarse") == 0,
        .no_exif = reading->no_exif,
        .limit = reading->limit,
        .cache_bytes = reading->cache_images,
    };
}

rf_dataset_options rf_reading_for(const rf_reading *reading, const rf_image_shape *images) {
    rf_dataset_options options = rf_reading_options(reading);
    options.image_height = images->height;
    options.image_width = images->width;
    options.channels = images->channels == 1 || images->channels == 3 ? images->channels : 0;
    return options;
}
