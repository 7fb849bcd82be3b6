/* The tables, from the raw results alone. */
#ifndef REGRET_TABLES_H
#define REGRET_TABLES_H

#include <stdbool.h>

#include "rangefinder/status.h"

rf_status tables_print(const char *results_path, bool once);

#endif
