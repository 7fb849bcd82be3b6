/* Options of the commands that read a data set: size, channels, labels of its images. */
#ifndef RF_TOOLS_READING_H
#define RF_TOOLS_READING_H

#include "command.h"

typedef struct rf_reading {
    rf_size image_size;
    const char *resize, *channels; /* of rf_resize_choices, of rf_channels_choices or NULL */
    const char *labels;            /* of rf_labels_choices, or NULL */
    bool no_exif, transpose;
    int limit;
    uint64_t cache_images; /* bytes; 0: all images are decoded at the start */
} rf_reading;

const char *const *rf_resize_choices(void);
const char *const *rf_channels_choices(void);
const char *const *rf_labels_choices(void);

/* The rows of the options table; `type` is the command's arguments, with a field `reading`. */
#define RF_READING_OPTIONS(type)                                                                             \
    {.name = "image-size",                                                                                   \
     .metavar = "N|HxW",                                                                                     \
     .help = "resize images to this (the first image's size)",                                               \
     .parse = rf_opt_size,                                                                                   \
     .offset = offsetof(type, reading.image_size),                                                           \
     .min = 1,                                                                                               \
     .max = 16384},                                                                                          \
        {.name = "resize",                                                                                   \
         .metavar = "HOW",                                                                                   \
         .help = "images of another aspect ratio: crop (the middle is kept), squash, or pad (black bars)",   \
         .def = "crop",                                                                                      \
         .parse = rf_opt_choice,                                                                             \
         .offset = offsetof(type, reading.resize),                                                           \
         .choices = rf_resize_choices},                                                                      \
        {.name = "channels",                                                                                 \
         .metavar = "1|3",                                                                                   \
         .help = "read images as grey (1) or colour (3) (colour if any image has it)",                       \
         .parse = rf_opt_choice,                                                                             \
         .offset = offsetof(type, reading.channels),                                                         \
         .choices = rf_channels_choices},                                                                    \
        {.name = "labels",                                                                                   \
         .metavar = "WHICH",                                                                                 \
         .help = "of CIFAR-100: fine (its 100 classes) or coarse (20) (fine)",                               \
         .parse = rf_opt_choice,                                                                             \
         .offset = offsetof(type, reading.labels),                                                           \
         .choices = rf_labels_choices},                                                                      \
        {.name = "transpose",                                                                                \
         .help = "exchange rows and columns of each image: EMNIST's files need it",                          \
         .parse = rf_opt_flag,                                                                               \
         .offset = offsetof(type, reading.transpose)},                                                       \
        {.name = "no-exif",                                                                                  \
         .help = "do not turn photos upright by their EXIF data, as torchvision does not",                   \
         .parse = rf_opt_flag,                                                                               \
         .offset = offsetof(type, reading.no_exif)},                                                         \
        {.name = "cache-images",                                                                             \
         .metavar = "SIZE",                                                                                  \
         .help = "decode the images of a folder when they are used, and keep so much of them (4G, 512M); "   \
                 "without it all are decoded at the start",                                                  \
         .parse = rf_opt_bytes,                                                                              \
         .offset = offsetof(type, reading.cache_images),                                                     \
         .min = 1,                                                                                           \
         .max = 1e15},                                                                                       \
    {                                                                                                        \
        .name = "limit", .metavar = "N", .help = "read at most so many images", .parse = rf_opt_int,         \
        .offset = offsetof(type, reading.limit), .min = 1, .max = 2147483647                                 \
    }

/* What they mean to rf_dataset_open. */
rf_dataset_options rf_reading_options(const rf_reading *reading);
/* The same, for images of this size and these channels. */
rf_dataset_options rf_reading_for(const rf_reading *reading, const rf_image_shape *images);

#endif
