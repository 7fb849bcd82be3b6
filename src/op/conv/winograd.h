/* What Winograd's algorithm would cost: for the other solvers that weigh themselves against it. */
#ifndef RF_OP_CONV_WINOGRAD_H
#define RF_OP_CONV_WINOGRAD_H

#include "op/op.h"

/* Products at Winograd's points for each pair of channels, the transforms counted as such, in a direction; HUGE_VAL for
 * kernels larger than Winograd's windows. */
double rf_winograd_products(const rf_problem *problem, rf_direction direction);

#endif
