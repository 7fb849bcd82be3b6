/* Shared by batch norm's op, its reference and its solvers. */
#ifndef RF_OP_BATCH_NORM_BATCH_NORM_H
#define RF_OP_BATCH_NORM_BATCH_NORM_H

#include "op/op.h"

/* Parameters weight, bias; states running_mean, running_var.  saved is (6,C): mean, invstd; from backward_params for
 * backward_data, the sums over the rows of g and of g * xhat; then scale = invstd * weight, and shift = bias. */
enum { RF_BN_WEIGHT, RF_BN_BIAS, RF_BN_RUNNING_MEAN = 0, RF_BN_RUNNING_VAR, RF_BN_SAVED = 6 };

/* The directions in plain C. */
void rf_batch_norm_forward(const rf_problem *problem, const rf_arrays *arrays);
void rf_batch_norm_backward_params(const rf_problem *problem, const rf_arrays *arrays);
void rf_batch_norm_backward_data(const rf_problem *problem, const rf_arrays *arrays);

extern const rf_solver *const rf_batch_norm_solvers[];

#endif
