/* The solver for one direction of one node: forced, tuned, or the best applicable one. */
#ifndef RF_GRAPH_CHOOSE_H
#define RF_GRAPH_CHOOSE_H

#include "graph/tuning.h"

typedef struct rf_choice {
    const rf_solver *solver; /* NULL: the reference */
    rf_match match;
    rf_config config;
    size_t workspace_bytes;
} rf_choice;

/* The solvers that may run the problem on this device, best first; the reference, the fallback, is not among them.
 * Returns how many of `limit` there are.  Those in $RANGEFINDER_SOLVER (rf_is_forced) come first.  tuning may be
 * NULL. */
int rf_choose(rf_choice *choices, int limit, const rf_problem *problem, rf_direction direction,
              rf_device *device, const rf_tuning *tuning);
enum { RF_MAX_CHOICES = 8 };

#endif
