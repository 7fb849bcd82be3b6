/* Finding the data set in a folder. */
#ifndef RF_DATA_LOCATE_H
#define RF_DATA_LOCATE_H

#include "base/base.h"

enum { RF_MAX_LOCATION_NOTES = 6 };
typedef struct rf_location {
    char *path;                         /* owned: the spec itself, or a folder inside it */
    char *notes[RF_MAX_LOCATION_NOTES]; /* owned: what was gone into, and what was left out */
    size_t note_count;
} rf_location;

/* Goes into folders that only wrap the data (MNIST/raw, a single sub-folder), and of train, val and test into
 * train.  Anything but a folder is its own location.  Free *out also after a failure.  Errors: RF_E_INPUT where
 * several data sets lie side by side; RF_E_MEMORY. */
rf_status rf_location_find(rf_location *out, const char *spec);
void rf_location_free(rf_location *location);

#endif
