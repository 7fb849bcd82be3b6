/* The image files of a folder and of those inside. */
#ifndef RF_DATA_WALK_H
#define RF_DATA_WALK_H

#include "data/listing.h"

/* Skipped files, by file extension; the last entry counts all others. */
enum { RF_MAX_ENDINGS = 24 };
typedef struct rf_endings {
    struct {
        char name[12];
        size_t count;
    } kinds[RF_MAX_ENDINGS];
    size_t count; /* of kinds */
} rf_endings;

/* Counts a file by its extension. */
void rf_endings_count(rf_endings *endings, const char *name);
/* ".tif 3, .webp 12" */
void rf_endings_text(rf_str *out, const rf_endings *endings);
/* Whether a folder's entry, of that path, is an image to read, by its name or its first bytes.  An image's broken link
 * is one, whose reading fails. */
bool rf_entry_is_image(const rf_entry *entry, const char *path);

typedef struct rf_walk {
    rf_status (*image)(void *context, char *path); /* takes ownership of the path */
    /* A folder inside that cannot be read, with its error; NULL: it ends the walk. */
    rf_status (*failed)(void *context, rf_status status, const char *path);
    void *context;
    rf_endings passed; /* files that are no images, so far */
    size_t again;      /* folders met a second time, through links, and not read again */
} rf_walk;

/* In the order of the bytes of their names: of each folder first the files, then the folders inside.  root counts as read, so
 * that no link to it adds its images; NULL: none.  Errors: RF_E_IO, RF_E_MEMORY, and those of its functions. */
rf_status rf_walk_images(rf_walk *walk, const char *folder, const char *root);

#endif
