/* Layouts of parameters: between PyTorch's order and ours. */
#include "op/op.h"

#include <string.h>

size_t rf_param_count(const rf_param_spec *spec) {
    size_t count = 1;
    for (int i = 0; i < spec->rank; ++i) count *= (size_t)spec->dim[i];
    return count;
}

size_t rf_param_storage(const rf_param_spec *spec) {
    if (spec->layout != RF_LAYOUT_PANEL) return rf_param_count(spec);
    return rf_round_up((size_t)spec->shape[0], RF_PANEL) * spec->shape[1] * spec->shape[2] * spec->shape[3];
}

/* Where element (k, c, position) lies in storage; position = r*S + s.  PLAIN has one c and one position. */
static size_t stored_at(const rf_param_spec *spec, size_t k, size_t c, size_t position) {
    const size_t K = (size_t)spec->shape[0], C = (size_t)spec->shape[1];
    const size_t positions = (size_t)spec->shape[2] * spec->shape[3];
    if (spec->layout == RF_LAYOUT_RSCK) return (position * C + c) * K + k;
    if (spec->layout == RF_LAYOUT_PANEL)
        return ((k / RF_PANEL * positions + position) * C + c) * RF_PANEL + k % RF_PANEL;
    return k;
}

/* Walks PyTorch's order (K,C,R,S); `storage` is written from `plain`, or the other way round. */
static void convert(float *storage, float *plain, const rf_param_spec *spec, bool pack) {
    const size_t K = (size_t)spec->shape[0], C = (size_t)spec->shape[1];
    const size_t positions = (size_t)spec->shape[2] * spec->shape[3];
    for (size_t k = 0; k < K; ++k)
        for (size_t c = 0; c < C; ++c)
            for (size_t position = 0; position < positions; ++position, ++plain) {
                float *stored = storage + stored_at(spec, k, c, position);
                if (pack)
                    *stored = *plain;
                else
                    *plain = *stored;
            }
}

void rf_param_pack(float *storage, const float *plain, const rf_param_spec *spec) {
    memset(storage, 0, rf_param_storage(spec) * sizeof *storage);
    convert(storage, (float *)plain, spec, true);
}

void rf_param_unpack(float *plain, const float *storage, const rf_param_spec *spec) {
    convert((float *)storage, plain, spec, false);
}
