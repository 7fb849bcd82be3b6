/* Work of a driver's compiler in a thread of its own, under a time limit, since it may hang.
 * A thread that passed the limit is left running, and owns all that it uses. */
#ifndef RF_DEVICE_OPENCL_JOB_H
#define RF_DEVICE_OPENCL_JOB_H

#include <pthread.h>

#include "device/opencl/opencl.h"

/* The first field of a struct that holds what the work is about.  abandon releases all of it, in the job's thread, after a run
 * for which nobody waited. */
typedef struct rf_job {
    void (*run)(struct rf_job *job);
    void (*abandon)(struct rf_job *job);
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned; /* under the lock; whoever sees the other one set cleans up */
} rf_job;

/* RF_OK: it was run, and belongs to the caller.  Else *abandoned says whether it is the thread's; the device compiles
 * nothing more then.  what: for messages, "conv.cl".  slow: for the device's on_notice after a second; may be NULL. */
rf_status rf_job_run(rf_job *job, bool *abandoned, rf_device *device, const char *what, const char *slow);

#endif
