/* The order in which a training run sees its images: indices on the host, the same on every device. */
#ifndef RF_DATA_FEED_H
#define RF_DATA_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rangefinder/status.h"

/* An order is a sequence of batches without end.  With several ranks it is that of one process whose batch is all of theirs, and
 * each takes its part of every batch.  An epoch is a permutation of the training images, a new one
 * each time, from (seed, epoch) alone; only whole batches are taken from it, and what is left over is dropped
 * (PyTorch's drop_last).  Without shuffling every epoch is the order of the files.  The validation images are
 * the last ones of the seed's first permutation (or of the files); no batch holds them. */
typedef struct rf_order rf_order;

typedef struct rf_order_desc {
    int count;      /* images there are */
    int batch;      /* images of a batch, of each rank */
    int validation; /* held out */
    bool no_shuffle;
    uint64_t seed;
    int rank, ranks; /* 0 ranks: 1 */
} rf_order_desc;

/* The position of the next batch. */
typedef struct rf_order_state {
    uint64_t epoch;
    uint64_t batch; /* within the epoch */
} rf_order_state;

/* Errors: RF_E_USAGE where the images do not suffice, with what would. */
rf_status rf_order_check(const rf_order_desc *desc);
/* Errors: as rf_order_check. */
rf_status rf_order_create(rf_order **out, const rf_order_desc *desc);
void rf_order_free(rf_order *order);

/* The next batch, this rank's part of it.  Borrowed: until the next call with this order. */
const int32_t *rf_order_next(rf_order *order);
/* The next `batches` of them, one behind the other. */
void rf_order_fill(rf_order *order, int32_t *indices, size_t batches);

rf_order_state rf_order_tell(const rf_order *order);
/* How many batches came before the next one, over all epochs. */
uint64_t rf_order_number(const rf_order *order);
void rf_order_seek(rf_order *order, rf_order_state state);

/* The images held out; count may be NULL.  Borrowed: as long as the order lives. */
const int32_t *rf_order_validation(const rf_order *order, size_t *count);
size_t rf_order_batches_per_epoch(const rf_order *order);

#endif
