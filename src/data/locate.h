/* One look down: where in a folder the data set lies. */
#ifndef RF_DATA_LOCATE_H
#define RF_DATA_LOCATE_H

#include "base/base.h"

enum { RF_MAX_PLACE_NOTES = 6 };
typedef struct rf_place {
    char *path;                      /* owned: the spec itself, or a folder inside it */
    char *notes[RF_MAX_PLACE_NOTES]; /* owned: what was gone into, and what was left out */
    size_t note_count;
} rf_place;

/* Goes into folders that only wrap the data (MNIST/raw, a single sub-folder), and of train, val and test into
 * train.  Anything but a folder is its own place.  Free *out also after a failure.  Errors: RF_E_INPUT where
 * several data sets lie side by side; RF_E_MEMORY. */
rf_status rf_place_find(rf_place *out, const char *spec);
void rf_place_free(rf_place *place);

/* For a place that was refused: where a file is of a kind that is known and not read, the message says so and
 * what to do.  unknown: a folder that no format knows.  Returns status. */
rf_status rf_explain_place(rf_status status, const char *path, bool unknown);

#endif
