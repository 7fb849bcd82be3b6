/* Whether a folder looks like a data set with one sub-folder of images a class. */
#include "data/class_folders.h"

#include "data/image.h"
#include "data/listing.h"

rf_status rf_folder_has_images(bool *out, const char *folder, int depth) {
    rf_listing list;
    size_t found = 0;
    *out = false;
    RF_TRY(rf_listing_look(&list, folder));
    for (size_t i = 0; i < list.count && !*out; i++)
        *out = list.entries[i].kind == RF_ENTRY_FILE && rf_image_is_name(list.entries[i].name);
    rf_status status = RF_OK;
    if (!*out && depth > 0)
        status = rf_listing_count_folders(&found, &list, folder, 1, rf_folder_has_images, depth - 1);
    *out |= found > 0;
    rf_listing_free(&list);
    return status;
}

rf_status rf_folder_has_classes(bool *out, const char *folder) {
    rf_listing list;
    size_t classes = 0;
    RF_TRY(rf_listing_look(&list, folder));
    rf_status status = rf_listing_count_folders(&classes, &list, folder, 2, rf_folder_has_images, 2);
    *out = classes == 2;
    rf_listing_free(&list);
    return status;
}
