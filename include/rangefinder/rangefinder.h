/* Rangefinder finds the learning rate of a convolutional network on any OpenCL device. */
/* Threads.  The library keeps nothing between calls but the message of the last failure, one for each thread, and
 * starts no thread that outlives the call, so:
 *  - calls on different handles may run at the same time, whatever they are;
 *  - a handle is used by one thread at a time, which need not be the one that made it.  Using a trainer uses its
 *    device; its model is only read, and its data set only read, as long as it lives;
 *  - what is only read may be shared by any number of threads: a data set, a curve, a verdict, a report, and a
 *    finished model, while nobody loads weights into it, trains into it (rf_trainer_export) or writes to its
 *    values;
 *  - reports may be written by any number of threads at once, also to one path: the last one stays, whole.
 * Each header says what its own calls add.  Callbacks run in the thread that made the call.  No call changes the
 * umask, the working folder, the locale or a signal's handler.  A process that has opened a device must not use
 * it after fork(). */
#ifndef RANGEFINDER_RANGEFINDER_H
#define RANGEFINDER_RANGEFINDER_H

#include "rangefinder/dataset.h"
#include "rangefinder/device.h"
#include "rangefinder/finder.h"
#include "rangefinder/model.h"
#include "rangefinder/status.h"
#include "rangefinder/trainer.h"

#endif
