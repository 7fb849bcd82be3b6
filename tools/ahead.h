/* The ahead helper, a second process that compiles in parallel: some drivers (PoCL) compile one kernel at a time in a
 * process, and share their cache between processes. The program starts itself again with the same arguments; the helper
 * compiles the same trainer's kernels from the last to the first, and is ended when the first process has its
 * trainer. */
#ifndef RF_TOOLS_AHEAD_H
#define RF_TOOLS_AHEAD_H

#include <signal.h>

#include "command.h"

/* Called by main before argv is parsed, which may change it. */
rf_status rf_ahead_remember(int argc, char **argv);
void rf_ahead_forget(void);

/* In a helper: a synthetic data set in place of the first process's, which is not read twice. NULL: this is no
 * helper. */
const char *rf_ahead_data(void);

/* Starts a helper once the device is about to compile, if there is a second core. The helper uses `count` images of the
 * data's shape. */
void rf_ahead_begin(rf_device *device, const rf_dataset *dataset, int count);
void rf_ahead_end(void); /* from any thread */
/* In a helper: it gets this signal when the process that started it ends, however that ends. */
enum { RF_AHEAD_ORPHANED = SIGUSR1 };
void rf_ahead_follow(void);
/* In a helper that got it: waits a while for the last thread of that process, which uses the same folders. */
void rf_ahead_outlive(void);

#endif
