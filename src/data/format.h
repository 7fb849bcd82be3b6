/* What a data set format is, and what formats share: making a data set under a budget, folders, choosing
 * images. */
#ifndef RF_DATA_FORMAT_H
#define RF_DATA_FORMAT_H

#include "base/base.h"
#include "data/format_list.h"
#include "rangefinder/dataset.h"

typedef struct rf_data_format {
    const char *spec; /* how a user writes it, for messages */
    const char *name; /* of what is made, not read: a file or folder of that name goes first; else NULL */
    /* Is this spec mine?  Says yes to damaged data too, so that open can explain.  Errors: RF_E_MEMORY,
     * RF_E_INTERRUPTED. */
    rf_status (*claims)(bool *mine, const char *spec);
    rf_status (*open)(rf_dataset **out, const char *spec, const rf_dataset_options *options);
} rf_data_format;

#define RF_FORMAT_DECLARE(symbol) extern const rf_data_format rf_data_format_##symbol;
RF_FORMAT_LIST(RF_FORMAT_DECLARE)
#undef RF_FORMAT_DECLARE

/* Numbers as a header claims them: not yet trusted. */
typedef struct rf_data_shape {
    uint64_t count, channels, height, width, classes;
} rf_data_shape;

/* The most bytes that the pixels of a data set may take: 8 GiB, and no more than half of the machine's
 * memory. */
uint64_t rf_dataset_budget(void);
/* Checks the numbers and the budget, then allocates pixels and labels, zeroed.  Errors: RF_E_INPUT. */
rf_status rf_dataset_create(rf_dataset **out, const char *name, rf_data_shape shape);
/* Adds a note for the user: what of the data was left out, converted, cut or guessed, with counts, and which
 * option changes it: "3 files left out: .webp is not read".  No final dot. */
rf_status rf_dataset_note(rf_dataset *dataset, const char *format, ...) RF_PRINTF(2, 3);
/* Notes that a file goes on behind its data; 0: nothing. */
rf_status rf_dataset_note_trailing(rf_dataset *dataset, const char *path, size_t bytes);
/* Notes that `count` images have other proportions than the data set's, and what became of them; 0: nothing. */
rf_status rf_dataset_note_misfits(rf_dataset *dataset, size_t count, rf_fit fit);
/* Chooses at most `limit` of `count` images: as evenly over the classes as they allow, the first ones of each
 * class, in their order.  chosen receives indices (room for `count`). Limit 0 chooses all. */
rf_status rf_dataset_choose(int32_t *chosen, size_t *chosen_count, const int32_t *labels, size_t count,
                            int classes, int limit);
/* One image from planes (C,H*W) to pixels (H*W,C). */
void rf_interleave(uint8_t *out, const uint8_t *planes, int channels, size_t plane);

/* A folder's entries, sorted by the bytes of their names; hidden ones (".x") and what macOS leaves in zip files
 * (__MACOSX) left out (listing.c). */
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
/* The same for a look: a folder that cannot be read is empty.  Errors: RF_E_MEMORY, RF_E_INTERRUPTED. */
rf_status rf_listing_look(rf_listing *out, const char *folder);
void rf_listing_free(rf_listing *listing);
bool rf_is_folder(const char *path);
bool rf_is_file(const char *path);
/* Are there two sub-folders or more that hold images, themselves or in folders inside them (locate.c)?  Errors:
 * RF_E_MEMORY, RF_E_INTERRUPTED. */
rf_status rf_folder_has_classes(bool *out, const char *folder);
char *rf_path_join(const char *folder, const char *name); /* free() it; NULL: out of memory */

#endif
