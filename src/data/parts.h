/* The parts of a data set (train, val, test), by the names of their folders. */
#ifndef RF_DATA_PARTS_H
#define RF_DATA_PARTS_H

#include <stdbool.h>

typedef enum rf_part { RF_PART_NONE, RF_PART_TRAINING, RF_PART_OTHER } rf_part;

/* By the first word of the name that is a part's: "train", "seg_train", "Validation". */
rf_part rf_part_of(const char *name);
/* Is the whole name such a word? */
bool rf_part_is_name(const char *name);

#endif
