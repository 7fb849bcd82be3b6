/* The interface of data set formats, and what they share: allocation under a budget, and notes. */
#ifndef RF_DATA_FORMAT_H
#define RF_DATA_FORMAT_H

#include "base/base.h"
#include "rangefinder/dataset.h"

typedef struct rf_data_format {
    const char *spec; /* how a user writes it, for messages */
    const char *
        name; /* of a format that generates data: a file or folder of that name takes precedence; else NULL */
    /* Whether a folder holds files of this format, which make it a data set, wherever it lies; NULL: it has none.
     * Errors: RF_E_MEMORY, RF_E_INTERRUPTED. */
    rf_status (*in_folder)(bool *out, const char *folder);
    const char *files, *by_name; /* of in_folder: what messages call such files, and how a user names them */
    bool coarse_labels; /* takes the option of that name */
    bool decodes;       /* images when they are used: takes cache_bytes */
    /* Whether the spec, no folder that in_folder looks into, is of this format; also for damaged data, so that open
     * reports the error.  Errors: RF_E_MEMORY, RF_E_INTERRUPTED. */
    rf_status (*claims)(bool *mine, const char *spec);
    rf_status (*open)(rf_dataset **out, const char *spec, const rf_dataset_options *options);
} rf_data_format;

/* A header's numbers, not yet validated. */
typedef struct rf_data_shape {
    uint64_t count, channels, height, width, classes;
} rf_data_shape;
enum { RF_MAX_SIDE = 65536 }; /* of an image */

/* The most bytes that the pixels of a data set may take: 8 GiB, and no more than half of the machine's
 * memory. */
uint64_t rf_dataset_budget(void);
/* Checks the numbers, and allocates all but the pixels.  Errors: RF_E_INPUT. */
rf_status rf_dataset_create_bare(rf_dataset **out, const char *name, rf_data_shape shape);
/* Checks the numbers and the budget, then allocates pixels and labels, zeroed.  Errors: RF_E_INPUT. */
rf_status rf_dataset_create(rf_dataset **out, const char *name, rf_data_shape shape);
/* Adds a note for the user: what of the data was left out, converted, cut or guessed, with counts, and which
 * option changes it: "3 files left out: .webp is not read".  No final dot. */
rf_status rf_dataset_note(rf_dataset *dataset, const char *format, ...) RF_PRINTF(2, 3);
/* Notes that a file goes on behind its data; 0: nothing. */
rf_status rf_dataset_note_trailing(rf_dataset *dataset, const char *path, size_t bytes);
/* One image from planes (C,H*W) to pixels (H*W,C). */
void rf_interleave(uint8_t *out, const uint8_t *planes, int channels, size_t plane);

#endif
