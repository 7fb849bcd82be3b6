/* Numbers that are handed out to ranks as they get free: each of 0 .. count-1 to one of them.  In one process: to it, in turn. */
#ifndef RF_DIST_HANDOUT_H
#define RF_DIST_HANDOUT_H

#include "dist/dist.h"

typedef struct rf_handout rf_handout;

/* Collective.  Until its end, ranks make no other call of dist.h. */
rf_status rf_handout_begin(rf_handout **out, rf_dist *dist, size_t count);
/* *number: the next one, or `count` when none is left; on rank 0 then, all others have been told so. */
rf_status rf_handout_next(size_t *number, rf_handout *handout);
void rf_handout_end(rf_handout *handout); /* takes NULL */

#endif
