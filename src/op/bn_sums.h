/* The sums that batch norm needs of a map, computed in the epilogue of the step that writes the map
 * (kernels/common/bn_sums.clh):
 *   forward        of y: mean and sum of squares
 *   backward_data  of dx[0], which is batch norm's dy: sum g and sum g * (x - mean), where g is dy before act; dx[0] then
 *                  holds g, which is what batch norm's backward steps read as dy
 * Its tensors: sums[RF_BN_SUMS_PARTIAL], of rf_bn_sums_floats; and for the latter batch norm's x, its y where a
 * residual was added before act (else NULL), and its saved. */
#ifndef RF_OP_BN_SUMS_H
#define RF_OP_BN_SUMS_H

#include "op/op.h"

/* Floats of the partial sums. */
size_t rf_bn_sums_floats(int blocks, int channels);
/* Of kernels that include bn_sums.clh: " -DBN_SUMS=2 -DSUMS_ACT=1", or "" where the step computes no sums; returns option. */
const char *rf_bn_sums_option(char option[40], const rf_problem *problem, rf_direction direction);
/* Appends the arguments SUMS_PARAMS, and adds the bytes of the maps, of `floats`, that the gradient sums read. */
void rf_bn_sums_args(rf_launch_desc *desc, const rf_tensors *tensors, rf_act act, size_t floats);

#endif
