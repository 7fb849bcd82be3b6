/* Where in a folder the data set lies, as archives and other programs lay it out. */
#include "data/locate.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/kind.h"
#include "data/format.h"
#include "data/idx_pair.h"
#include "data/image.h"

enum { MAX_DEPTH = 3, MAX_NAMED = 8 };

/* ---- what a folder holds ---- */

/* Calls `look` on the sub-folders in their order until *found reaches `enough`; each that it says yes to counts. */
typedef rf_status looker(bool *out, const char *folder, int depth);
static rf_status count_folders(size_t *found, const char *folder, const rf_listing *list, size_t enough,
                               looker *look, int depth) {
    rf_status status = RF_OK;
    *found = 0;
    for (size_t i = 0; status == RF_OK && i < list->count && *found < enough; i++) {
        bool yes = false;
        if (list->entries[i].kind != RF_ENTRY_FOLDER) continue;
        char *path = rf_path_join(folder, list->entries[i].name);
        status = path != NULL ? look(&yes, path, depth) : RF_E_MEMORY;
        *found += yes;
        free(path);
    }
    return status;
}

/* Does an image lie in the folder, or in folders inside it, down to `depth`? */
static rf_status holds_image(bool *out, const char *folder, int depth) {
    rf_listing list;
    size_t found = 0;
    *out = false;
    RF_TRY(rf_listing_look(&list, folder));
    for (size_t i = 0; i < list.count && !*out; i++)
        *out = list.entries[i].kind == RF_ENTRY_FILE && rf_image_is_name(list.entries[i].name);
    rf_status status = RF_OK;
    if (!*out && depth > 0) status = count_folders(&found, folder, &list, 1, holds_image, depth - 1);
    *out |= found > 0;
    rf_listing_free(&list);
    return status;
}

rf_status rf_folder_has_classes(bool *out, const char *folder) {
    rf_listing list;
    size_t classes = 0;
    RF_TRY(rf_listing_look(&list, folder));
    rf_status status = count_folders(&classes, folder, &list, 2, holds_image, 2);
    *out = classes == 2;
    rf_listing_free(&list);
    return status;
}

static rf_status holds_data_files(bool *out, const char *folder) {
    RF_TRY(rf_data_format_idx.claims(out, folder));
    return *out ? RF_OK : rf_data_format_cifar.claims(out, folder);
}

/* Does the folder hold a data set, itself or in folders inside it? */
static rf_status holds_data(bool *out, const char *folder, int depth) {
    rf_listing list;
    size_t found = 0;
    RF_TRY(holds_data_files(out, folder));
    if (!*out) RF_TRY(rf_folder_has_classes(out, folder));
    if (*out || depth == 0) return RF_OK;
    RF_TRY(rf_listing_look(&list, folder));
    rf_status status = count_folders(&found, folder, &list, 1, holds_data, depth - 1);
    *out = found > 0;
    rf_listing_free(&list);
    return status;
}

/* ---- parts of a data set ---- */

typedef enum part { NO_PART, TRAINING, OTHER_PART } part;

/* By a word of the name: "train", "seg_train", "Validation". */
static part part_of(const char *name) {
    static const struct {
        const char *word;
        part part;
    } words[] = {{"train", TRAINING},  {"training", TRAINING},  {"trainset", TRAINING},
                 {"val", OTHER_PART},  {"valid", OTHER_PART},   {"validation", OTHER_PART},
                 {"test", OTHER_PART}, {"testing", OTHER_PART}, {"testset", OTHER_PART},
                 {"eval", OTHER_PART}, {"dev", OTHER_PART},     {"holdout", OTHER_PART}};
    for (size_t length; *name != '\0'; name += length) {
        while (*name != '\0' && !isalpha((unsigned char)*name)) name++;
        for (length = 0; isalpha((unsigned char)name[length]);) length++;
        for (size_t i = 0; length > 0 && i < RF_COUNT(words); i++)
            if (strlen(words[i].word) == length && strncasecmp(name, words[i].word, length) == 0)
                return words[i].part;
    }
    return NO_PART;
}

/* ---- going down ---- */

/* Takes the note over. */
static rf_status add_note(rf_place *place, char *note) {
    if (note == NULL) return RF_E_MEMORY;
    if (place->note_count < RF_MAX_PLACE_NOTES)
        place->notes[place->note_count++] = note;
    else
        free(note);
    return RF_OK;
}

static void add_name(rf_str *text, size_t *count, const char *folder, const char *name) {
    if (++*count <= MAX_NAMED) rf_str_addf(text, "%s%s/%s", *count > 1 ? ", " : "", folder, name);
}

static rf_status go_into(rf_place *place, const char *name) {
    char *path = rf_path_join(place->path, name);
    if (path == NULL) return RF_E_MEMORY;
    free(place->path);
    place->path = path;
    return RF_OK;
}

/* Of train beside val or test: train, where it holds a data set.  *name: borrowed from the list. */
static rf_status find_training(const char **name, rf_str *others, const rf_place *place,
                               const rf_listing *list) {
    size_t count = 0;
    *name = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const rf_entry *entry = &list->entries[i];
        part p = entry->kind == RF_ENTRY_FOLDER ? part_of(entry->name) : NO_PART;
        if (p == TRAINING && *name == NULL)
            *name = entry->name;
        else if (p != NO_PART)
            add_name(others, &count, place->path, entry->name);
    }
    if (*name == NULL || count == 0) {
        *name = NULL;
        return RF_OK;
    }
    char *path = rf_path_join(place->path, *name);
    if (path == NULL) return RF_E_MEMORY;
    bool data = false, images = false;
    rf_status status = others->failed ? RF_E_MEMORY : holds_data(&data, path, 1);
    if (status == RF_OK) status = holds_image(&images, path, 0);
    free(path);
    if (!data || images) *name = NULL;
    return status;
}

/* The only sub-folder that holds a data set; several are an error.  *name: borrowed from the list, or NULL. */
static rf_status find_wrapped(const char **name, const rf_place *place, const rf_listing *list) {
    rf_status status = RF_OK;
    rf_str names = {0};
    size_t count = 0;
    *name = NULL;
    for (size_t i = 0; status == RF_OK && i < list->count; i++) {
        bool data = false;
        if (list->entries[i].kind != RF_ENTRY_FOLDER) continue;
        char *path = rf_path_join(place->path, list->entries[i].name);
        status = path != NULL ? holds_data(&data, path, MAX_DEPTH - 1) : RF_E_MEMORY;
        free(path);
        if (!data) continue;
        add_name(&names, &count, place->path, list->entries[i].name);
        *name = list->entries[i].name;
    }
    if (status == RF_OK && names.failed) status = RF_E_MEMORY;
    if (status == RF_OK && count > 1)
        status = rf_fail(RF_E_INPUT, "%s: holds %zu data sets; name one as the data: %s%s", place->path,
                         count, rf_str_text(&names), count > MAX_NAMED ? ", ..." : "");
    rf_str_free(&names);
    return status;
}

/* The sub-folder to go into, or NULL; *name: borrowed from the list. */
static rf_status next_folder(const char **name, rf_str *others, rf_place *place, const rf_listing *list) {
    bool classes, idx = false;
    RF_TRY(find_training(name, others, place, list));
    if (*name != NULL) return RF_OK;
    RF_TRY(rf_folder_has_classes(&classes, place->path));
    if (!classes) return find_wrapped(name, place, list);
    RF_TRY(rf_idx_in_folder(&idx, place->path));
    return !idx ? RF_OK
                : add_note(place, rf_format("%s: the IDX files beside its class folders are left out; --data "
                                            "IMAGES,LABELS reads them",
                                            place->path));
}

/* One step down; *more: there was one. */
static rf_status step(bool *more, rf_place *place) {
    rf_listing list;
    rf_str others = {0};
    const char *name = NULL;
    bool here;
    *more = false;
    RF_TRY(holds_data_files(&here, place->path));
    if (here) return RF_OK;
    RF_TRY(rf_listing_look(&list, place->path));
    rf_status status = next_folder(&name, &others, place, &list);
    *more = status == RF_OK && name != NULL;
    bool training = *more && part_of(name) == TRAINING && others.length > 0;
    if (*more) status = go_into(place, name);
    if (status == RF_OK && training)
        status = add_note(place, rf_format("%s is read, not %s, which can be named as --data; --validation N "
                                           "holds images out for validation",
                                           place->path, rf_str_text(&others)));
    rf_str_free(&others);
    rf_listing_free(&list);
    return status;
}

rf_status rf_place_find(rf_place *out, const char *spec) {
    bool more = true;
    *out = (rf_place){.path = rf_strdup(spec)};
    if (out->path == NULL) return RF_E_MEMORY;
    if (!rf_is_folder(spec)) return RF_OK;
    for (int depth = 0; more && depth <= MAX_DEPTH; depth++) RF_TRY(step(&more, out));
    if (out->note_count > 0 || strcmp(out->path, spec) == 0) return RF_OK;
    return add_note(out, rf_format("the data lies in %s", out->path));
}

void rf_place_free(rf_place *place) {
    for (size_t i = 0; i < place->note_count; i++) free(place->notes[i]);
    free(place->path);
    *place = (rf_place){0};
}

/* ---- what was refused ---- */

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

rf_status rf_explain_place(rf_status status, const char *path, bool unknown) {
    rf_listing list;
    bool images = false;
    const rf_file_kind *kind = NULL;
    if (status != RF_E_INPUT) return status;
    if (rf_is_file(path) && kind_of_file(path) == &stl10)
        return rf_fail(status, "%s: is %s, which is not read; %s", path, stl10.what, stl10.advice);
    if (!unknown) return status;
    RF_TRY(holds_image(&images, path, 2));
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
