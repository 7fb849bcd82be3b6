/* Collective operations: all ranks call them, in the same order.  With NULL, one process alone, they do nothing. */
#ifndef RF_DIST_DIST_H
#define RF_DIST_DIST_H

#include "base/base.h"
#include "rangefinder/dist.h"

/* Among the ranks of this machine; of NULL: 0 of 1. */
int rf_dist_local_rank(const rf_dist *dist);
int rf_dist_local_size(const rf_dist *dist);

/* The MPIs whose plugins can be loaded: "openmpi, mpich"; may be empty. */
void rf_dist_list_plugins(char *text, size_t size);

/* The sum over all ranks, in place: the same bits on each of them, and with the same ranks each time. */
rf_status rf_dist_sum(rf_dist *dist, float *values, size_t count);
/* Rank 0's, to all. */
rf_status rf_dist_broadcast(rf_dist *dist, void *data, size_t bytes);

/* Whether all ranks are well.  A rank that is not gets its own status back, the others RF_E_INTERRUPTED. */
rf_status rf_dist_agree(rf_dist *dist, rf_status status);
/* Errors: RF_E_USAGE on all ranks where the lines of one's text differ from rank 0's, with both. */
rf_status rf_dist_same(rf_dist *dist, const char *text);

/* The end of a rank, which waits for the others'; a rank that failed alone, while others wait for it in other calls, does not wait
 * for long.  True: this rank tells the user of the failure.  *status becomes what all end with; *alone: the others have
 * to be ended by rf_dist_abort. */
bool rf_dist_end(rf_dist *dist, rf_status *status, bool *alone);
_Noreturn void rf_dist_abort(rf_dist *dist, int exit_code);

#endif
