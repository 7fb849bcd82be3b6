/* Finding the image files of a folder that has one sub-folder a class. */
#ifndef RF_DATA_COLLECT_H
#define RF_DATA_COLLECT_H

#include "data/image.h"
#include "data/walk.h"

typedef struct rf_image_file {
    char *path;
    char *reason;       /* why it could not be read */
    rf_status status;   /* RF_OK: nothing is known to be wrong with it */
    rf_image_info info; /* its header, once it was probed */
} rf_image_file;

/* The images found, class by class, and what could not be used.  Owns all its pointers but options. */
typedef struct rf_collection {
    const rf_dataset_options *options;
    rf_image_file *files;
    int32_t *labels; /* beside files */
    size_t count, capacity;
    char **class_names;
    size_t class_count;
    rf_bad_file *bad;
    size_t bad_count;
    rf_endings beside; /* images that lie beside the class folders, of kinds that are not read, too */
    rf_walk walk;      /* of the classes' folders */
} rf_collection;

/* Finds the images of a root folder's classes, in the order of the bytes of their names; of a class's folder
 * first the files, then its folders.  Free *out also on failure.  Errors: RF_E_INPUT, RF_E_IO, RF_E_MEMORY. */
rf_status rf_collect(rf_collection *out, const char *root, const rf_dataset_options *options);
void rf_collection_free(rf_collection *all);
/* Adds a file to a list; the reason may start with the path. */
rf_status rf_bad_file_add(rf_bad_file **list, size_t *count, const char *path, const char *reason);
/* Handles a file or folder that cannot be used: with skip_bad it is listed, else it is the error. */
rf_status rf_collection_tolerate(rf_collection *all, rf_status status, const char *path, const char *reason);
/* Gives the data set the names of the classes and the list of bad files. */
void rf_collection_give(rf_dataset *dataset, rf_collection *all);
/* Notes what was left out. */
rf_status rf_collection_note(rf_dataset *dataset, const rf_collection *all);
/* Notes what a walk left out; nothing, where that is nothing. */
rf_status rf_walk_note(rf_dataset *dataset, const rf_walk *walk);

#endif
