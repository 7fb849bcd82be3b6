/* What Winograd's algorithm would cost: for the other solvers' estimates. */
#ifndef RF_OP_CONV_WINOGRAD_H
#define RF_OP_CONV_WINOGRAD_H

#include "op/op.h"

/* Products in the Winograd domain for each pair of channels, with the cost of the transforms, in a direction; HUGE_VAL
 * for kernels larger than Winograd's windows. */
double rf_winograd_products(const rf_problem *problem, rf_direction direction);

#endif
