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
    uint8_t *pixels; /* NULL: rf_dataset_read has them */
    int32_t *labels;
    char **class_names; /* `classes` of them, or NULL */
    rf_bad_file *bad;
    size_t bad_count;
    char **notes; /* what was left out, converted, cut or guessed: a sentence each, without a final dot */
    size_t note_count;
    struct rf_source *source; /* of the images where pixels is NULL */
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
    /* Above 0: the images of a folder are decoded when they are used, and so many bytes of them are kept.  A bad file is
     * found when its turn comes; with skip_bad the nearest image of its class is read instead, and the file listed.
     * Mean and standard deviation are those of 512 images. */
    uint64_t cache_bytes;
} rf_dataset_options;

/* Opens a data set.  options may be NULL.
 * spec: "digits" (embedded; also NULL, and "digits:" where a file or folder is called digits); a folder that holds
 * IDX files (a pair for training goes first), CIFAR binaries, or one sub-folder of images a class; a folder around
 * such a one, or with train/ beside val/ or test/, of which train/ is read; "IMAGES,LABELS" (two IDX files, gzipped
 * or not), or the images alone, whose labels lie beside them; a CIFAR-10/100 .bin file;
 * "synthetic:CxHxW[,CLASSES[,COUNT]]".
 * Image files: JPEG, PNG, BMP, PNM and, with libwebp, WebP, up to 134 million pixels, also in folders inside a class's; transparency is
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

/* Copies an image, whether `pixels` holds it or not.  Shape: out is (height, width, channels).  Any number of threads.
 * Errors: RF_E_IO, RF_E_INPUT, naming the file; RF_E_MEMORY. */
RF_API rf_status rf_dataset_read(uint8_t *out, const rf_dataset *dataset, int index);

/* ---- parts of a data set, without a copy of its pixels: `of` must outlive them ---- */

/* The images of these indices, in their order; an index may come several times. */
RF_API rf_status rf_dataset_subset(rf_dataset **out, const rf_dataset *of, const int32_t *indices, int count);
/* Splits at random, each class in the same proportion; each part keeps the order of `of`.
 * held_out: below 1 the share of the images that are held out, else their number. */
RF_API rf_status rf_dataset_split(rf_dataset **train, rf_dataset **held, const rf_dataset *of,
                                  double held_out, uint64_t seed);

/* What is done about classes of unequal size. */
typedef enum rf_balance {
    RF_BALANCE_NONE,
    RF_BALANCE_UNDERSAMPLE, /* images are drawn without replacement, as many of each class as the smallest has */
    RF_BALANCE_OVERSAMPLE, /* all images, and more of them drawn with replacement, up to the largest class */
    RF_BALANCE_WEIGHTS, /* a class of n_c images weighs count / (classes n_c), as in scikit-learn's "balanced" */
    RF_BALANCE_EFFECTIVE /* in proportion to (1 - b) / (1 - b^n_c), b = 0.9999, with a mean of 1.
                             * Source: Cui et al., "Class-balanced loss based on effective number of samples", 2019 */
} rf_balance;
/* How many images each class has.  Shape: counts holds `classes`. */
RF_API void rf_dataset_class_counts(int *counts, const rf_dataset *dataset);
/* The images drawn by undersampling or oversampling.  Errors: RF_E_INPUT where a class has no image; RF_E_USAGE for
 * another way. */
RF_API rf_status rf_dataset_balance(rf_dataset **out, const rf_dataset *of, rf_balance how, uint64_t seed);
/* Class weights, for rf_trainer_desc.  Shape: weights holds `classes`.  Errors: as above. */
RF_API rf_status rf_dataset_class_weights(float *weights, const rf_dataset *dataset, rf_balance how);

/* Mean and standard deviation of each channel, of pixels scaled to 0..1; exact, 0 for a flat channel; of images that are
 * decoded on demand, those of 512 at regular distances.  Shape: mean and std hold `channels`.  Errors: of
 * rf_dataset_read. */
RF_API rf_status rf_dataset_statistics(const rf_dataset *dataset, double *mean, double *std);

/* A number above 0 that tells data sets apart: a hash of shape, labels and pixels (not of those that are decoded on demand). */
RF_API uint64_t rf_dataset_fingerprint(const rf_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
