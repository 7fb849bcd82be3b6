/* Runs a driver's compiler in a thread of its own with a time limit, since it may hang. A thread past the limit is left
 * running, and owns all that it uses. */
#ifndef RF_DEVICE_OPENCL_JOB_H
#define RF_DEVICE_OPENCL_JOB_H

#include <pthread.h>

#include "device/opencl/opencl.h"

/* The first field of the struct with the job's data. abandon frees all of it, in the job's thread, after an abandoned
 * run. */
typedef struct rf_job {
    void (*run)(struct rf_job *job);
    void (*abandon)(struct rf_job *job);
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done, abandoned; /* under the lock; the second of the two to be set cleans up */
} rf_job;

/* RF_OK: it was run, and belongs to the caller.  Else *abandoned: the thread owns it, and the device compiles nothing
 * more.  what: for messages, "conv.cl".  slow: for the device's on_notice after a second; may be NULL. */
rf_status rf_job_run(rf_job *job, bool *abandoned, rf_device *device, const char *what, const char *slow);

#endif
