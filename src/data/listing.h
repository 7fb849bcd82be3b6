/* Folders: what is in them. */
#ifndef RF_DATA_LISTING_H
#define RF_DATA_LISTING_H

#include "base/base.h"

/* A folder's entries, sorted by the bytes of their names; hidden ones (".x") and what macOS leaves in zip files
 * (__MACOSX) left out. */
typedef enum rf_entry_kind { RF_ENTRY_FILE, RF_ENTRY_FOLDER, RF_ENTRY_OTHER, RF_ENTRY_BROKEN } rf_entry_kind;
typedef struct rf_entry {
    char *name;
    rf_entry_kind kind; /* of what a symbolic link points to; RF_ENTRY_BROKEN: to nothing, or in a circle */
} rf_entry;
typedef struct rf_listing {
    rf_entry *entries;
    size_t count, capacity;
} rf_listing;
rf_status rf_listing_read(rf_listing *out, const char *folder);
/* The same, but a folder that cannot be read is empty.  Errors: RF_E_MEMORY, RF_E_INTERRUPTED. */
rf_status rf_listing_look(rf_listing *out, const char *folder);
void rf_listing_free(rf_listing *listing);
/* Calls `look` on the sub-folders in their order until *found reaches `enough`; each that it says yes to counts. */
typedef rf_status rf_folder_look(bool *out, const char *folder, int depth);
rf_status rf_listing_count_folders(size_t *found, const rf_listing *list, const char *folder, size_t enough,
                                   rf_folder_look *look, int depth);

bool rf_is_folder(const char *path);
bool rf_is_file(const char *path);
const char *rf_path_separator(const char *folder); /* what joins a name to it: "/", or "" where it ends in one */
char *rf_path_join(const char *folder, const char *name); /* free() it; NULL: out of memory */

#endif
