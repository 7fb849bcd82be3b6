/* A second process that compiles beside the first: some drivers (PoCL) compile one kernel at a time in a
 * process, and keep what they compiled in a cache that processes share.  The program starts itself again with
 * the same words; that helper makes the same trainer from the other end, and is ended when the first process
 * has one. */
#ifndef RF_TOOLS_AHEAD_H
#define RF_TOOLS_AHEAD_H

#include <signal.h>

#include "command.h"

/* main, before the words are parsed: they may be changed by that. */
rf_status rf_ahead_remember(int argc, char **argv);
void rf_ahead_forget(void);

/* In a helper: the data set that stands for the one of the first process, which need not be read a second
 * time. NULL: this is no helper. */
const char *rf_ahead_data(void);

/* Starts a helper once the device is about to compile, where there is a second core for it.  The helper takes
 * `count` images of the data's shape. */
void rf_ahead_begin(rf_device *device, const rf_dataset *dataset, int count);
void rf_ahead_end(void); /* from any thread */
/* In a helper: it gets this signal when the process that started it ends, however that ends. */
enum { RF_AHEAD_ORPHANED = SIGUSR1 };
void rf_ahead_follow(void);
/* In a helper that got it: waits a while for the last thread of that process, which uses the same folders. */
void rf_ahead_outlive(void);

#endif
