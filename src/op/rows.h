/* Copies and additions of rows on the device (kernels/common/rows.cl), for add, concat and their gradients. */
#ifndef RF_OP_ROWS_H
#define RF_OP_ROWS_H

#include "op/family.h"

/* Rows within a buffer: row r starts at offset + r*stride, in floats. */
typedef struct rf_rows {
    rf_buffer *buffer; /* NULL: absent */
    size_t offset, stride;
} rf_rows;

/* to = act(a + b) over rows x columns; b may be absent. */
rf_status rf_emit_rows(rf_sequence *sequence, const rf_device_info *info, rf_family family, rf_rows to,
                       rf_rows a, rf_rows b, size_t rows, size_t columns, rf_act act);

#endif
