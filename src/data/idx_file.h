/* One IDX file, gzipped or not, whatever the type of its values. */
#ifndef RF_DATA_IDX_FILE_H
#define RF_DATA_IDX_FILE_H

#include <zlib.h>

#include "base/base.h"

enum { RF_IDX_MAX_RANK = 4 };

typedef struct rf_idx_file {
    const char *path; /* borrowed: outlives this */
    gzFile stream;
    const struct rf_idx_type *type;
    int rank;
    uint64_t dims[RF_IDX_MAX_RANK];
} rf_idx_file;

/* Opens the file and checks its header: what it claims must be able to lie in a file of this size, unpacked by
 * no more than images ever are.  Close also after a failure.  Errors: RF_E_INPUT, RF_E_IO. */
rf_status rf_idx_open(rf_idx_file *file, const char *path);
void rf_idx_close(rf_idx_file *file);
/* The number of dimensions that the first bytes claim; 0: no IDX file.  Errors: RF_E_MEMORY. */
rf_status rf_idx_peek(int *rank, const char *path);

/* Reads all values as pixels of 0..255, in their order.  Values that are no bytes must lie in 0..255, or floats
 * in 0..1, which are scaled; *note then says what was done (free it), else it is NULL. */
rf_status rf_idx_read_pixels(uint8_t *out, char **note, rf_idx_file *file);
/* Reads dims[0] labels: whole numbers from 0; of rows of several the first number, or, where all rows are
 * one-hot, the index of the 1.  *note as above. */
rf_status rf_idx_read_labels(int32_t *out, char **note, rf_idx_file *file);
/* What follows the values: a few bytes are passed over and counted, more are an error.  Reading on to the end
 * also makes zlib compare gzip's checksum. */
rf_status rf_idx_read_end(size_t *trailing, rf_idx_file *file);

#endif
