/* The launch of kernels/common/fold.cl, and the number of blocks. */
#include "op/fold.h"

enum {
    BLOCK_FLOATS = 16384,
    MAX_BLOCK_FLOATS = 65536,
    BLOCKS_PER_UNIT = 2,
    GROUP_BLOCKS = 128,
    GROUP_ROWS = 8
};

size_t rf_fold_blocks(const rf_device_info *info, rf_family family, size_t rows, size_t channels) {
    const size_t count = rows * channels, units = (size_t)RF_MAX(info->compute_units, 1);
    size_t blocks = RF_MIN(rf_ceil_div(rows, GROUP_ROWS), (size_t)GROUP_BLOCKS);
    if (family == RF_TILE)
        blocks = RF_MAX(RF_MIN(count / BLOCK_FLOATS, units * BLOCKS_PER_UNIT), count / MAX_BLOCK_FLOATS);
    return RF_MAX(RF_MIN(blocks, rows), 1);
}

size_t rf_fold_blocks_max(const rf_device_info *info, size_t rows, size_t channels) {
    return RF_MAX(rf_fold_blocks(info, RF_TILE, rows, channels),
                  rf_fold_blocks(info, RF_GROUP, rows, channels));
}

void rf_fold_spread(rf_launch_desc *desc, rf_family family, const rf_device_info *info, size_t blocks,
                    size_t rows, size_t channels) {
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, blocks, rf_ceil_div(rows, blocks) * channels);
    else
        rf_family_spread(desc, family, info, blocks * channels, 1);
}

rf_status rf_emit_fold(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                       rf_buffer *partial, size_t offset, size_t blocks, size_t sums, size_t channels,
                       rf_buffer *const to[2]) {
    char options[RF_OPTIONS];
    const size_t vector = (size_t)rf_family_vector(family, info);
    rf_launch_desc desc = {
        .program = "fold",
        .kernel = "fold",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(partial), RF_BUF(to[0]), RF_BUF(sums > 1 ? to[1] : NULL), RF_I32(blocks),
                 RF_I32(sums), RF_I32(offset), RF_I32(channels)},
    };
    rf_family_spread(&desc, family, info, rf_ceil_div(channels, vector), vector * blocks);
    return rf_emit(sequence, &desc);
}

rf_status rf_emit_row_sums(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                           rf_buffer *from, size_t rows, size_t channels, rf_buffer *work, rf_buffer *to) {
    char options[RF_OPTIONS];
    const size_t blocks = rf_fold_blocks(info, family, rows, channels);
    rf_buffer *const all[2] = {to};
    rf_launch_desc desc = {
        .program = "fold",
        .kernel = "row_sums",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(from), RF_BUF(work), RF_I32(rows), RF_I32(channels), RF_I32(blocks)},
        .bytes = (double)(rows * channels * sizeof(float)),
    };
    rf_fold_spread(&desc, family, info, blocks, rows, channels);
    RF_TRY(rf_emit(sequence, &desc));
    return rf_emit_fold(sequence, info, family, work, 0, blocks, 1, channels, all);
}
