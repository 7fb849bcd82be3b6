/* Error messages for files and folders that are no data set, by their type. */
#ifndef RF_DATA_EXPLAIN_H
#define RF_DATA_EXPLAIN_H

#include "base/base.h"

/* For data that was refused: where a file is of a kind that is known and not read, the message says so and what to
 * do.  unknown: no format knows the files; those of a folder are looked at.  Returns status. */
rf_status rf_explain_data(rf_status status, const char *path, bool unknown);

#endif
