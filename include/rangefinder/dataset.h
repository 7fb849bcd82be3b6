/* Data sets: labelled 8-bit images on the host.  Once opened they are only read, by any number of threads. */
#ifndef RANGEFINDER_DATASET_H
#define RANGEFINDER_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A file that --skip-bad left out, and why. */
typedef struct rf_bad_file {
    char *path, *reason;
} rf_bad_file;

/* Shape: pixels is (count, height, width, channels), 0..255; labels is (count), 0..classes-1.  Owns all its
 * pointers. */
typedef struct rf_dataset {
    char *name; /* "digits", or the SPEC it came from */
    int count, channels, height, width, classes;
    uint8_t *pixels;
    int32_t *labels;
    char **class_names; /* `classes` of them, or NULL */
    rf_bad_file *bad;
    size_t bad_count;
    char **notes; /* what was left out, converted, cut or guessed: a sentence each, without a final dot */
    size_t note_count;
} rf_dataset;

/* How an image of another aspect ratio is fitted. */
typedef enum rf_fit {
    RF_FIT_CROP,   /* the whole target is covered, and what sticks out is cut off on both sides alike */
    RF_FIT_SQUASH, /* height and width are resized each by its own */
    RF_FIT_PAD     /* all of it is kept, with black bars on both sides */
} rf_fit;

typedef struct rf_dataset_options {
    int image_height, image_width; /* resize to; 0: the first image's */
    rf_fit fit;                    /* where aspect ratios differ */
    int channels;                  /* 1 grey, 3 colour; 0: colour if any image has it */
    bool transpose;                /* exchange each image's rows and columns, as EMNIST's files need */
    bool coarse_labels;            /* CIFAR-100's 20 classes rather than its 100 */
    bool no_exif;                  /* leave images as they are stored, however the camera was held */
    int limit;                     /* at most so many images, spread over the classes; 0: all */
    bool skip_bad;                 /* leave out files that cannot be read, and list them, rather than fail */
    uint64_t seed;                 /* of synthetic data */
} rf_dataset_options;

/* Opens a data set.  options may be NULL.
 * spec: "digits" (embedded; also NULL, and "digits:" where a file or folder is called digits); a folder that holds
 * IDX files (a pair for training goes first), CIFAR binaries, or one sub-folder of images a class; a folder around
 * such a one, or with train/ beside val/ or test/, of which train/ is read; "IMAGES,LABELS" (two IDX files, gzipped
 * or not), or the images alone, whose labels lie beside them; a CIFAR-10/100 .bin file;
 * "synthetic:CxHxW[,CLASSES[,COUNT]]".
 * Image files: JPEG, PNG, BMP, PNM, up to 134 million pixels, also in folders inside a class's; transparency is
 * dropped.  IDX values: bytes; other numbers of 0..255; floats of 0..1, which are scaled.  IDX images of 4 dimensions
 * are (count, channels, height, width), or channels last where only the last number can be channels (1, 3, 4).  The
 * notes say what was converted, guessed or left out.
 * Range: at most 8 GiB of pixels, half of the machine's memory, and what is free of it.
 * Errors: RF_E_MEMORY where that is less; RF_E_INPUT, RF_E_IO, with the file, what is wrong with it and how to fix it;
 * RF_E_USAGE for options. */
RF_API rf_status rf_dataset_open_sized(rf_dataset **out, const char *spec, const rf_dataset_options *options,
                                       size_t size);
static inline rf_status rf_dataset_open(rf_dataset **out, const char *spec,
                                        const rf_dataset_options *options) {
    return rf_dataset_open_sized(out, spec, options, sizeof *options);
}

/* Copies images from memory.  Shape: pixels (count, channels, height, width) as PyTorch has them, 0..255. */
RF_API rf_status rf_dataset_from_memory(rf_dataset **out, const char *name, const uint8_t *pixels,
                                        const int32_t *labels, int count, int channels, int height, int width,
                                        int classes);
RF_API void rf_dataset_free(rf_dataset *dataset);

/* Mean and standard deviation of each channel, of pixels scaled to 0..1; exact, 0 for a flat channel.  Shape:
 * mean and std hold `channels`. */
RF_API void rf_dataset_statistics(const rf_dataset *dataset, double *mean, double *std);

/* A number that tells data sets apart: a hash of shape, labels and pixels. */
RF_API uint64_t rf_dataset_fingerprint(const rf_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
