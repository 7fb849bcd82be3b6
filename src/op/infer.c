/* What the ops' shape inference shares. */
#include "op/op.h"

rf_status rf_check_map(const rf_problem *problem, bool or_features) {
    const rf_shape x = problem->x[0];
    if (!x.flat || (or_features && x.h * x.w == 1)) return RF_OK;
    return rf_fail(RF_E_SHAPE, "%s: the input is flat (%d numbers), and must be a map", problem->op->name,
                   x.c * x.h * x.w);
}
