/* Rangefinder finds the learning rate of a convolutional network on any OpenCL device. */
/* Threads.  The library's only global state is the message of the last failure, one for each thread, and it leaves no
 * threads running but those of OpenMP and of drivers, so:
 *  - calls on different handles may run at the same time, whatever they are;
 *  - a handle is used by one thread at a time, which need not be the one that made it.  Using a trainer uses its
 *    device; its model and its data set are only read;
 *  - what is only read may be shared by any number of threads: a data set, a curve, a verdict, a report, and a
 *    finished model, while nobody loads weights into it, exports a trainer to it or writes to its values;
 *  - reports may be written by any number of threads at once, also to one path: the last one stays, whole.
 * Structs whose name ends in _desc or _options are passed with their size (by the inline functions here), so that later
 * versions can append fields: programs and libraries of different versions are compatible. Each header says what its
 * own calls add.  Callbacks run in the thread that made the call.
 *
 * The process.  No call changes the umask, the working folder, the locale or a signal's handler.  The first
 * rf_device_open or rf_device_list may set variables of drivers in the environment (POCL_CACHE_DIR): make it
 * before other threads read or change the environment.  After fork() the child must not use a device that the
 * parent opened. */
#ifndef RANGEFINDER_RANGEFINDER_H
#define RANGEFINDER_RANGEFINDER_H

#include "rangefinder/dataset.h"
#include "rangefinder/device.h"
#include "rangefinder/dist.h"
#include "rangefinder/evaluate.h"
#include "rangefinder/finder.h"
#include "rangefinder/model.h"
#include "rangefinder/report.h"
#include "rangefinder/schedule.h"
#include "rangefinder/state.h"
#include "rangefinder/status.h"
#include "rangefinder/train.h"
#include "rangefinder/trainer.h"
#include "rangefinder/version.h"

#endif
