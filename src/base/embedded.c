/* Looking up embedded files. */
#include "base/embedded.h"

#include <string.h>

const rf_embedded *rf_embedded_find(const rf_embedded *table, const char *name) {
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0) return table;
    return NULL;
}
