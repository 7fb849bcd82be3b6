/* How long a range test is, and where it looks again. */
#ifndef RF_FINDER_RANGE_H
#define RF_FINDER_RANGE_H

#include "rangefinder/finder.h"

/* Where nothing is said, and where that shows nothing. */
enum { RF_RANGE_STEPS = 300, RF_RANGE_STEPS_MORE = 1000 };

/* Whether a closer test may show what this one did not: the loss was flat, or noise hid it. */
bool rf_range_wants_more(const rf_verdict *verdict);

#endif
