/* A map from names to numbers: nodes and symbols are looked up by name in constant time. */
#ifndef RF_GRAPH_NAMES_H
#define RF_GRAPH_NAMES_H

#include "base/base.h"

typedef struct rf_name_slot {
    const char *name; /* borrowed: outlives the map; NULL: free slot */
    int value;
} rf_name_slot;

typedef struct rf_names { /* starts as {0} */
    rf_name_slot *slots;
    size_t count, capacity; /* capacity is a power of two */
} rf_names;

int rf_names_find(const rf_names *names, const char *name, size_t length); /* -1: none */
rf_status rf_names_add(rf_names *names, const char *name, int value);      /* name is not there yet */
void rf_names_free(rf_names *names);

#endif
