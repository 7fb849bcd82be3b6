/* TensorBoard's event files: scalars over steps. */
#ifndef RF_TRAIN_TENSORBOARD_H
#define RF_TRAIN_TENSORBOARD_H

#include "base/base.h"

typedef struct rf_events rf_events;

typedef struct rf_scalar {
    const char *tag;
    double value; /* left out where it is not finite */
} rf_scalar;

/* Makes a file in the folder.  What the files before it say of `step` and later ones no longer counts: a run that is resumed
 * goes over these steps again. */
rf_status rf_events_open(rf_events **out, const char *folder, size_t step);
rf_status rf_events_add(rf_events *events, size_t step, const rf_scalar *scalars, size_t count);
/* What was added can be read from then on. */
rf_status rf_events_flush(rf_events *events);
void rf_events_close(rf_events *events);

/* Removes all event files of the folder. */
rf_status rf_events_remove(const char *folder);

#endif
