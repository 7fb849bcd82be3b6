/* Images read ahead of their use: threads decode them in the order in which they will be taken. */
#ifndef RF_DATA_PREFETCH_H
#define RF_DATA_PREFETCH_H

#include "rangefinder/dataset.h"

typedef struct rf_prefetch rf_prefetch;

/* ahead: the most images that are held.  dataset is borrowed: outlives this.  Threads: all calls by one at a time. */
rf_status rf_prefetch_create(rf_prefetch **out, const rf_dataset *dataset, size_t ahead);
/* Waits for the images that are being decoded. */
void rf_prefetch_free(rf_prefetch *prefetch);
/* What will be taken next, in this order; what was announced before and not taken is forgotten.  indices is copied. */
rf_status rf_prefetch_announce(rf_prefetch *prefetch, const int32_t *indices, size_t count);
bool rf_prefetch_is_idle(const rf_prefetch *prefetch); /* all that was announced has been taken */
/* Copies images; those that were not announced next are read at once.  Errors: of rf_dataset_read, the first's. */
rf_status rf_prefetch_take(uint8_t *out, rf_prefetch *prefetch, const int32_t *indices, size_t count);

#endif
