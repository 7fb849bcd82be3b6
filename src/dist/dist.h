/* Collective operations: all ranks call them, in the same order.  With NULL, one process alone, they do nothing.  Once one has
 * failed, so do all that follow. */
#ifndef RF_DIST_DIST_H
#define RF_DIST_DIST_H

#include "base/base.h"
#include "rangefinder/dist.h"

/* Among the ranks of this machine; of NULL: 0 of 1. */
int rf_dist_local_rank(const rf_dist *dist);
int rf_dist_local_size(const rf_dist *dist);

/* Whether a call to MPI is being made, which ends the process where another rank has failed.  From any thread. */
bool rf_dist_is_calling(const rf_dist *dist);
double rf_dist_calling_ms(const rf_dist *dist); /* that this rank has spent in such calls so far */

/* The MPIs whose plugins can be loaded: "openmpi, mpich"; may be empty. */
void rf_dist_list_plugins(char *text, size_t size);

/* The sum over all ranks, in place: the same bits on each of them, and with the same ranks each time. */
rf_status rf_dist_sum(rf_dist *dist, float *values, size_t count);
rf_status rf_dist_sum_doubles(rf_dist *dist, double *values, size_t count);
/* Rank 0's, to all. */
rf_status rf_dist_broadcast(rf_dist *dist, void *data, size_t bytes);

/* Whether all ranks are well.  A rank that is not gets its own status back, the others RF_E_INTERRUPTED. */
rf_status rf_dist_agree(rf_dist *dist, rf_status status);
/* Errors: RF_E_USAGE on all ranks where the lines of one's text differ from rank 0's, with both. */
rf_status rf_dist_same(rf_dist *dist, const char *text);

/* All ranks' texts in their order, one behind the other, to all; *out is owned by the caller. */
rf_status rf_dist_join(char **out, rf_dist *dist, const char *text);

/* Rank 0 answers one of the others, if any has asked; these wait for the answer (handout.h).  Not collective: a rank makes
 * no other call meanwhile. */
rf_status rf_dist_ask(size_t *answer, rf_dist *dist);
rf_status rf_dist_answer(bool *asked, rf_dist *dist, size_t answer);

/* The end of a rank, which waits for the others'; a rank that failed alone, while others wait for it in other calls, does not wait
 * for long.  True: this rank tells the user of the failure.  *status becomes what all end with; *alone: the others have
 * to be ended by rf_dist_abort. */
bool rf_dist_end(rf_dist *dist, rf_status *status, bool *alone);
_Noreturn void rf_dist_abort(rf_dist *dist, int exit_code);

#endif
