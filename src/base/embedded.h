/* Files embedded in the library at build time: kernels, the built-in models (the zoo), the default data set.
 */
#ifndef RF_BASE_EMBEDDED_H
#define RF_BASE_EMBEDDED_H

#include <stddef.h>

typedef struct rf_embedded {
    const char *name;          /* "conv/conv_tile.cl", in its group's folder; NULL ends a table */
    const unsigned char *data; /* a 0 byte behind it */
    size_t length;
} rf_embedded;

extern const rf_embedded rf_embedded_kernels[], rf_embedded_models[], rf_embedded_assets[];
/* By the file's name without folders, which no other file of the group has; NULL: none. */
const rf_embedded *rf_embedded_find(const rf_embedded *table, const char *name);

#endif
