/* Pictures of training runs. */
#ifndef RF_TOOLS_RUNS_H
#define RF_TOOLS_RUNS_H

#include "rangefinder/status.h"

/* Draws the metrics in runs' folders (ended by NULL): of one run losses and error, of several the loss of each. */
rf_status rf_runs_plot(const char *path, const char *const *folders);

#endif
