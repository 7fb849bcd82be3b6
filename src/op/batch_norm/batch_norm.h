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

/* Over all ranks of problem->dist, of which each has as many rows (batch_norm_ranks.c).  statistics: saved has the mean and M2 of
 * this rank's rows, where mean and invstd will be; then those of all rows, and behind them the number of these.
 * gradient_sums: the two sums, then their means over the ranks. */
void rf_batch_norm_join_statistics(const rf_problem *problem, float *saved);
void rf_batch_norm_join_gradient_sums(const rf_problem *problem, float *saved);
rf_status rf_batch_norm_emit_join(rf_sequence *sequence, const rf_problem *problem, rf_direction direction,
                                  rf_buffer *saved);

extern const rf_solver *const rf_batch_norm_solvers[];

#endif
