/* The table of all data set formats. */
#ifndef RF_DATA_FORMATS_H
#define RF_DATA_FORMATS_H

#include "data/format.h"

/* The formats in their order; NULL behind the last. */
const rf_data_format *rf_data_format_at(size_t index);
/* Whether the format reads the spec.  Class folders take precedence over files that lie beside them. */
rf_status rf_data_format_claims(bool *mine, const rf_data_format *format, const char *spec);

#endif
