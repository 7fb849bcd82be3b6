/* A map from names to numbers: open addressing, linear probing, at most half full. */
#include "graph/names.h"

#include <stdlib.h>
#include <string.h>

/* The slot that holds the name, or the free one where it would go.  The table's address seeds the hash, against texts
 * whose names all collide. */
static rf_name_slot *slot_of(const rf_names *names, const char *name, size_t length) {
    size_t at = rf_hash(name, length, (uintptr_t)names->slots >> 12) & (names->capacity - 1);
    for (;; at = (at + 1) & (names->capacity - 1)) {
        rf_name_slot *slot = &names->slots[at];
        if (!slot->name || (!strncmp(slot->name, name, length) && !slot->name[length])) return slot;
    }
}

int rf_names_find(const rf_names *names, const char *name, size_t length) {
    if (!names->capacity) return -1;
    const rf_name_slot *slot = slot_of(names, name, length);
    return slot->name ? slot->value : -1;
}

static rf_status grow(rf_names *names) {
    rf_names larger = {.count = names->count, .capacity = RF_MAX(64, names->capacity * 2)};
    larger.slots = rf_alloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots) return RF_E_MEMORY;
    for (size_t i = 0; i < names->capacity; i++) {
        const rf_name_slot *slot = &names->slots[i];
        if (slot->name) *slot_of(&larger, slot->name, strlen(slot->name)) = *slot;
    }
    free(names->slots);
    *names = larger;
    return RF_OK;
}

rf_status rf_names_add(rf_names *names, const char *name, int value) {
    if (names->count * 2 >= names->capacity) RF_TRY(grow(names));
    *slot_of(names, name, strlen(name)) = (rf_name_slot){.name = name, .value = value};
    names->count++;
    return RF_OK;
}

void rf_names_free(rf_names *names) {
    free(names->slots);
    *names = (rf_names){0};
}
