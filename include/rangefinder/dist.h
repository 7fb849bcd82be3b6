/* Ranks: the processes of one training, one a device, started by mpirun. */
#ifndef RANGEFINDER_DIST_H
#define RANGEFINDER_DIST_H

#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The ranks of an MPI job.  Its calls are collective where they say so: all ranks make them, in the same order. */
typedef struct rf_dist rf_dist;

/* Joins the ranks that mpirun (or srun) started; *out is NULL, with RF_OK, in a process that was started alone.  It initialises
 * MPI unless the caller has, and divides the processors among the ranks of a machine by $RANGEFINDER_CORES and PoCL's variables:
 * before the first device is opened.  $RANGEFINDER_MPI (openmpi, mpich) says whose mpirun it was where that cannot be
 * told.  Owns: the caller closes it.  Errors: RF_E_USAGE, there are ranks, and this build has no plugin for their MPI; the first
 * rank of a machine says so, the others return RF_E_INTERRUPTED. */
RF_API rf_status rf_dist_open(rf_dist **out);
/* Collective, at the end of the process.  Takes NULL. */
RF_API void rf_dist_close(rf_dist *dist);

/* From 0; of NULL: 0 of 1. */
RF_API int rf_dist_rank(const rf_dist *dist);
RF_API int rf_dist_size(const rf_dist *dist);

#ifdef __cplusplus
}
#endif
#endif
