/* Looking up embedded files. */
#include "base/embedded.h"

#include <string.h>

const rf_embedded *rf_embedded_find(const rf_embedded *table, const char *name) {
    for (; table->name != NULL; table++) {
        const char *slash = strrchr(table->name, '/');
        if (strcmp(slash != NULL ? slash + 1 : table->name, name) == 0) return table;
    }
    return NULL;
}
