/* --balance: classes of unequal size made equal. */
#ifndef RF_TOOLS_BALANCING_H
#define RF_TOOLS_BALANCING_H

#include "rangefinder/dataset.h"

const char *const *rf_balance_choices(void);

typedef struct rf_balancing {
    const char *how, *loss;
    int batch, validation;
    uint64_t seed;
} rf_balancing;

/* Draws images or gives class weights, whichever `how` says; the other is NULL.  *note: the counts before and after.  All
 * three are owned by the caller. */
rf_status rf_balancing_apply(rf_dataset **balanced, float **weights, char **note, const rf_dataset *images,
                             const rf_balancing *balancing);

#endif
