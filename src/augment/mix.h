/* What mixup and cutmix share. */
#ifndef RF_AUGMENT_MIX_H
#define RF_AUGMENT_MIX_H

#include "augment/augment.h"

/* Shares are of Beta(alpha, alpha). */
enum { RF_MIX_ALPHA };
#define RF_MIX_OPTIONS(alpha)                                                                                \
    {                                                                                                        \
        RF_AUGMENT_P(1), {"alpha", 1, {alpha}, 0.05, 100}, {                                                 \
            NULL                                                                                             \
        }                                                                                                    \
    }

rf_status rf_mix_check(const double *o, const rf_augment_images *images);
/* Chooses the partner, the batch's image before this one, as torchvision does, and returns a share. */
double rf_mix_draw(rf_drawing *d);

#endif
