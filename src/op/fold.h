/* Gradients of parameters that are one number a channel: kernels sum blocks of rows, and kernels/common/fold.cl adds up
 * the blocks. */
#ifndef RF_OP_FOLD_H
#define RF_OP_FOLD_H

#include "op/family.h"

/* Into how many blocks the rows are cut: by the device and the shape alone. */
size_t rf_fold_blocks(const rf_device_info *info, rf_family family, size_t rows, size_t channels);
/* The most of both families' blocks. */
size_t rf_fold_blocks_max(const rf_device_info *info, size_t rows, size_t channels);
/* Sizes of a launch that sums `blocks` blocks: tile: a work-item has blocks, group: a channel of a block. */
void rf_fold_spread(rf_launch_desc *desc, rf_family family, const rf_device_info *info, size_t blocks,
                    size_t rows, size_t channels);
/* to[s] = the sums of partial, (blocks,sums,channels) from float `offset` on; to[1] may be NULL. */
rf_status rf_emit_fold(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                       rf_buffer *partial, size_t offset, size_t blocks, size_t sums, size_t channels,
                       rf_buffer *const to[2]);
/* to = the sums over the rows of `from`, (rows,channels); work: rf_fold_blocks_max() * channels floats. */
rf_status rf_emit_row_sums(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                           rf_buffer *from, size_t rows, size_t channels, rf_buffer *work, rf_buffer *to);

#endif
