/* A folder of images that are decoded each time they are asked for, or kept within a limit of memory. */
#ifndef RF_DATA_DECODED_H
#define RF_DATA_DECODED_H

#include "data/collect.h"

/* Reads the headers of a sample alone.  Takes names and labels out of the collection.  Errors: RF_E_MEMORY where the
 * limit is more than is available; as of reading images. */
rf_status rf_decoded_create(rf_dataset **out, const char *name, rf_collection *all);

#endif
