/* The launch of kernels/common/rows.cl. */
#include "op/rows.h"

rf_status rf_emit_rows(rf_sequence *sequence, const rf_device_info *info, rf_family family, rf_rows to,
                       rf_rows a, rf_rows b, size_t rows, size_t columns, rf_act act) {
    char options[RF_OPTIONS];
    const bool dense =
        to.stride == columns && a.stride == columns && (b.buffer == NULL || b.stride == columns);
    if (dense) {
        columns *= rows;
        rows = 1;
    }
    rf_launch_desc desc = {
        .program = "rows",
        .kernel = "sum",
        .options = rf_family_options(options, family, info, "%s", ""),
        .args = {RF_BUF(to.buffer), RF_I32(to.offset), RF_I32(to.stride), RF_BUF(a.buffer), RF_I32(a.offset),
                 RF_I32(a.stride), RF_BUF(b.buffer), RF_I32(b.offset), RF_I32(b.stride), RF_I32(rows),
                 RF_I32(columns), RF_I32(act)},
        .bytes = (b.buffer ? 3.0 : 2.0) * (double)(rows * columns * sizeof(float)),
    };
    const size_t vector = (size_t)rf_family_vector(family, info);
    if (family == RF_TILE && !dense)
        rf_family_spread(&desc, family, info, rows, columns);
    else
        rf_family_spread(&desc, family, info, rf_ceil_div(rows * columns, vector), vector);
    return rf_emit(sequence, &desc);
}
