/* Checking that a solver reads x[0] through a batch norm (problem.normed). */
#ifndef RF_VERIFY_CHECK_NORM_H
#define RF_VERIFY_CHECK_NORM_H

#include "op/sample.h"

/* Whether the solver can read the problem's x[0] so. */
bool rf_check_norm_applies(const rf_solver *solver, const rf_problem *problem, const rf_device_info *info);
/* Makes the sample's problem one that does, with random numbers for the batch norm.  asked: the problem whose activation is
 * taken; NULL: any. */
rf_status rf_check_norm_ask(rf_sample *sample, const rf_problem *asked);
/* Replaces x[0] by what the batch norm makes of it, which is what the reference reads. */
void rf_check_norm_apply(rf_sample *sample);

#endif
