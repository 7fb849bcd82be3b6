/* Pictures of several range tests. */
#ifndef RF_TOOLS_CURVES_H
#define RF_TOOLS_CURVES_H

#include "rangefinder/status.h"

/* Draws the curves of files (ended by NULL), as rf_curve_read takes them.  names: for the legend; NULL: the files'. */
rf_status rf_curves_plot(const char *path, const char *const *files, const char *const *names);

#endif
