/* Augmentations: one file each.  Each draws its part of an image's view (kernels/common/view.clh) on the host, so that the
 * numbers are the same for every device. */
#ifndef RF_AUGMENT_AUGMENT_H
#define RF_AUGMENT_AUGMENT_H

#include "augment/draw.h"
#include "base/spec.h"

typedef struct rf_augment {
    rf_spec_kind kind;
    rf_status (*check)(const double *o, const rf_augment_images *images); /* NULL: suits all images */
    void (*draw)(rf_drawing *d);
    bool mixes; /* two images and their labels */
} rf_augment;

/* The first option of each: the probability that it applies to an image.  It is not among its own. */
#define RF_AUGMENT_P(p)                                                                                      \
    { "p", 1, {p}, 0, 1 }

/* Every augmentation there is: the only registration. */
#define RF_AUGMENT_LIST(X)                                                                                   \
    X(flip)                                                                                                  \
    X(vflip)                                                                                                 \
    X(shift)                                                                                                 \
    X(resized_crop)                                                                                          \
    X(rotate)                                                                                                \
    X(jitter)                                                                                                \
    X(cutout)                                                                                                \
    X(mixup)                                                                                                 \
    X(cutmix)
#define RF_AUGMENT_DECLARE(name) extern const rf_augment rf_augment_##name;
RF_AUGMENT_LIST(RF_AUGMENT_DECLARE)
#undef RF_AUGMENT_DECLARE

const rf_augment *rf_augment_at(size_t index); /* NULL past the end */

/* Augmentations with their options, in order. */
typedef struct rf_augmentation {
    rf_spec *specs; /* owned; without augmentation NULL */
    size_t count;
    rf_augment_images images;
    bool mixes; /* any of them */
} rf_augmentation;
/* Reads "flip+shift pixels=4" (NULL: none).  Errors: as rf_spec_parse, and RF_E_USAGE for what does not suit the images. */
rf_status rf_augmentation_parse(rf_augmentation *out, const char *text, const rf_augment_images *images);
void rf_augmentation_release(rf_augmentation *augmentation);
/* As parse reads it, with every option; "none". */
void rf_augmentation_add_text(rf_str *text, const rf_augmentation *augmentation);
/* The views of the batch of this number: `batch` of them, from sources[i] each. */
void rf_augmentation_draw(rf_view *views, const rf_augmentation *augmentation, const int32_t *sources,
                          uint64_t seed, uint64_t number);

#endif
