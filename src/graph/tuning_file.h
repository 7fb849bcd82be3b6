/* The tuning file, which tuning.c reads and tune.c writes. */
#ifndef RF_GRAPH_TUNING_FILE_H
#define RF_GRAPH_TUNING_FILE_H

#include <jansson.h>

#include "graph/tuning.h"

struct rf_tuning {
    json_t *root; /* {key: {"solver": name, "config": [..], "ms": time}} */
};

void rf_tuning_key(char *out, size_t size, const rf_problem *problem, rf_direction direction);

#endif
