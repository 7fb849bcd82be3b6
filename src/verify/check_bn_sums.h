/* Checking the sums that a solver computes for batch norm (op/bn_sums.h). */
#ifndef RF_VERIFY_CHECK_BN_SUMS_H
#define RF_VERIFY_CHECK_BN_SUMS_H

#include "op/sample.h"

/* Asks the sample's problem for the sums, where the solver can make them, with random numbers for what they read.  asked: the
 * problem whose batch norm's activation is taken, if it has one; NULL: any. */
rf_status rf_check_bn_sums_ask(rf_sample *sample, const rf_problem *asked, const rf_solver *solver,
                               const rf_device_info *info, const rf_config *config);
/* Makes dx[0] of the sample, after backward data, the gradient before batch norm's act. */
void rf_check_bn_sums_mask(rf_sample *sample);
/* Compares partial sums with those of `map`, the numbers that the solver wrote, in double.  Returns the worst error in
 * tolerances, and says which sum it is. */
double rf_check_bn_sums_compare(const rf_sample *sample, rf_direction direction, const float *map,
                                const float *partial, float *expected, float *got, size_t *channel);

#endif
