/* Whether a folder looks like a data set with one sub-folder of images a class.  Errors: RF_E_MEMORY,
 * RF_E_INTERRUPTED. */
#ifndef RF_DATA_CLASS_FOLDERS_H
#define RF_DATA_CLASS_FOLDERS_H

#include "base/base.h"

/* Does an image lie in the folder, or in folders inside it, down to `depth`? */
rf_status rf_folder_has_images(bool *out, const char *folder, int depth);
/* Are there two sub-folders or more that hold images, themselves or in folders inside them? */
rf_status rf_folder_has_classes(bool *out, const char *folder);

#endif
