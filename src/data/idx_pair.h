/* Which files of a folder are IDX files, and which images belong to which labels. */
#ifndef RF_DATA_IDX_PAIR_H
#define RF_DATA_IDX_PAIR_H

#include "base/base.h"

typedef struct rf_idx_pair {
    char *images, *labels; /* paths, owned */
    char *others;    /* owned: the images of other pairs, as a list for a message; NULL: there are none */
    size_t compared; /* names that were compared, for the tests */
} rf_idx_pair;

/* Chooses a pair: one for training, else one for tests, else the only one.  only: the images' name, where that
 * is given; else NULL.  Errors: RF_E_INPUT with what there is, RF_E_IO.  Free also after a failure. */
rf_status rf_idx_pair_find(rf_idx_pair *out, const char *folder, const char *only);
void rf_idx_pair_free(rf_idx_pair *pair);
/* Does the folder hold IDX files with images, by their first bytes, or damaged ones that are named so?
 * Errors: RF_E_MEMORY, RF_E_INTERRUPTED. */
rf_status rf_idx_in_folder(bool *out, const char *folder);

#endif
