/* The version of these headers, and of the library in use. */
#ifndef RANGEFINDER_VERSION_H
#define RANGEFINDER_VERSION_H

#include "rangefinder/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* docs/api-stability.md says what changes with each.  The build reads its version from here. */
#define RF_VERSION_MAJOR 0
#define RF_VERSION_MINOR 2
#define RF_VERSION_PATCH 0
/* For comparisons: 0.2.0 is 200. */
#define RF_VERSION_NUMBER (RF_VERSION_MAJOR * 10000 + RF_VERSION_MINOR * 100 + RF_VERSION_PATCH)

/* The version of the library, "major.minor.patch". Static. */
RF_API const char *rf_version(void);

#ifdef __cplusplus
}
#endif
#endif
