/* What mixup and cutmix share. */
#include "augment/mix.h"

rf_status rf_mix_check(const double *o, const rf_augment_images *images) {
    (void)o;
    if (images->batch > 1) return RF_OK;
    return rf_fail(RF_E_USAGE, "a batch of 1 image has no other to mix it with; use --batch 2 or more");
}

double rf_mix_draw(rf_drawing *d) {
    d->view->partner = (d->index > 0 ? d->index : d->images->batch) - 1;
    return rf_random_beta(&d->random, d->o[RF_MIX_ALPHA], d->o[RF_MIX_ALPHA]);
}
