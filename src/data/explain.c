/* Error messages for files and folders that are no data set, by their type. */
#include "data/explain.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "base/kind.h"
#include "data/class_folders.h"
#include "data/listing.h"

static const rf_file_kind stl10 = {
    "STL-10's binary form",
    "save it as images in Python (import numpy, os, PIL.Image): for i, (p, c) in "
    "enumerate(zip(numpy.fromfile(\"train_X.bin\", \"u1\").reshape(-1, 3, 96, 96), "
    "numpy.fromfile(\"train_y.bin\", \"u1\"))): os.makedirs(f\"stl10/{c}\", exist_ok=True); "
    "PIL.Image.fromarray(p.T).save(f\"stl10/{c}/{i}.png\")",
    true};

/* What a file is that may hold data which is not read; NULL: nothing that is known. */
static const rf_file_kind *kind_of_file(const char *path) {
    if (fnmatch("*_[Xy].bin", path, 0) == 0) return &stl10;
    const rf_file_kind *kind = rf_file_kind_at(path, RF_READER_NONE);
    return kind != NULL && kind->data ? kind : NULL;
}

rf_status rf_explain_data(rf_status status, const char *path, bool unknown) {
    rf_listing list;
    bool images = false;
    const rf_file_kind *kind = NULL;
    if (status != RF_E_INPUT) return status;
    if (rf_is_file(path) && kind_of_file(path) == &stl10)
        return rf_fail(status, "%s: is %s, which is not read; %s", path, stl10.what, stl10.advice);
    if (!unknown || !rf_is_folder(path)) return status;
    RF_TRY(rf_folder_has_images(&images, path, 2));
    if (images) return status;
    RF_TRY(rf_listing_look(&list, path));
    for (size_t i = 0; status == RF_E_INPUT && kind == NULL && i < list.count; i++) {
        if (list.entries[i].kind != RF_ENTRY_FILE) continue;
        char *file = rf_path_join(path, list.entries[i].name);
        if (file == NULL) status = RF_E_MEMORY;
        if (file != NULL && (kind = kind_of_file(file)) != NULL)
            rf_fail(status, "%s: is %s, which is not read; %s", file, kind->what, kind->advice);
        free(file);
    }
    rf_listing_free(&list);
    return status;
}
