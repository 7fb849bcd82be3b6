/* PoCL's cache folder: one of ours, tested before the first OpenCL call. */
#ifndef RF_DEVICE_OPENCL_POCL_H
#define RF_DEVICE_OPENCL_POCL_H

#include "base/base.h"
#include "rangefinder/device.h"

#define RF_POCL_NAME "Portable Computing Language" /* of its platform */
bool rf_is_pocl(const rf_device_info *info);

/* Sets $POCL_CACHE_DIR, once in a process and only where the user did not; removes damaged files and leftovers of
 * killed runs from it. Errors: RF_E_IO where no folder can be used, with the reason for each. */
rf_status rf_pocl_prepare(void);
/* "", or why the user's cache folder cannot be used, and which one is. */
const char *rf_pocl_warning(void);

/* Whether the folder can still be written. */
rf_status rf_pocl_test(void);

/* For the end of the process, from any thread: removes temporary files of PoCL and of ours, unless another process
 * still uses the folder.  may_open: those in sub-folders too, which takes files to be opened. */
void rf_pocl_sweep(bool may_open);
/* After a driver's crash: the next process starts with an empty folder. */
void rf_pocl_distrust(void);

#endif
