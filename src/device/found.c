/* The list of devices that backends add to. */
#include "device/backend.h"

rf_status rf_found_add(rf_found_list *list, const rf_found *found) {
    rf_found *grown = rf_resize(list->items, list->count + 1, sizeof *grown);
    if (grown == NULL) return RF_E_MEMORY;
    list->items = grown;
    grown[list->count++] = *found;
    return RF_OK;
}
