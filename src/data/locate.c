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

/* Does an image lie in the folder, or in folders inside it, down to `depth`? */
static bool holds_image(const char *folder, int depth) {
    rf_listing list;
    bool found = false;
    if (rf_interrupted() || rf_listing_read(&list, folder) != RF_OK) return false;
    for (size_t i = 0; i < list.count && !found; i++)
        found = list.entries[i].kind == RF_ENTRY_FILE && rf_image_is_name(list.entries[i].name);
    for (size_t i = 0; i < list.count && !found && depth > 0; i++) {
        if (list.entries[i].kind != RF_ENTRY_FOLDER) continue;
        char *path = rf_path_join(folder, list.entries[i].name);
        found = path != NULL && holds_image(path, depth - 1);
        free(path);
    }
    rf_listing_free(&list);
    return found;
}

bool rf_folder_has_classes(const char *folder) {
    rf_listing list;
    size_t classes = 0;
    if (rf_listing_read(&list, folder) != RF_OK) return false;
    for (size_t i = 0; i < list.count && classes < 2; i++) {
        if (list.entries[i].kind != RF_ENTRY_FOLDER) continue;
        char *path = rf_path_join(folder, list.entries[i].name);
        classes += path != NULL && holds_image(path, 2);
        free(path);
    }
    rf_listing_free(&list);
    return classes >= 2;
}

static bool holds_data_files(const char *folder) {
    return rf_data_format_idx.claims(folder) || rf_data_format_cifar.claims(folder);
}

/* Does the folder hold a data set, itself or in folders inside it? */
static bool holds_data(const char *folder, int depth) {
    rf_listing list;
    if (holds_data_files(folder) || rf_folder_has_classes(folder)) return true;
    if (depth == 0 || rf_listing_read(&list, folder) != RF_OK) return false;
    bool found = false;
    for (size_t i = 0; i < list.count && !found; i++) {
        if (list.entries[i].kind != RF_ENTRY_FOLDER) continue;
        char *path = rf_path_join(folder, list.entries[i].name);
        found = path != NULL && holds_data(path, depth - 1);
        free(path);
    }
    rf_listing_free(&list);
    return found;
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

static void add_note(rf_place *place, char *note) {
    if (note != NULL && place->note_count < RF_MAX_PLACE_NOTES)
        place->notes[place->note_count++] = note;
    else
        free(note);
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
    bool good = holds_data(path, 1) && !holds_image(path, 0);
    free(path);
    if (!good) *name = NULL;
    return others->failed ? RF_E_MEMORY : RF_OK;
}

/* The only sub-folder that holds a data set; several are an error.  *name: borrowed from the list, or NULL. */
static rf_status find_wrapped(const char **name, const rf_place *place, const rf_listing *list) {
    rf_str names = {0};
    size_t count = 0;
    *name = NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (list->entries[i].kind != RF_ENTRY_FOLDER) continue;
        char *path = rf_path_join(place->path, list->entries[i].name);
        if (path != NULL && holds_data(path, MAX_DEPTH - 1)) {
            add_name(&names, &count, place->path, list->entries[i].name);
            *name = list->entries[i].name;
        }
        free(path);
    }
    rf_status status = names.failed ? RF_E_MEMORY : RF_OK;
    if (status == RF_OK && count > 1)
        status = rf_fail(RF_E_INPUT, "%s: holds %zu data sets; name one as the data: %s%s", place->path,
                         count, rf_str_text(&names), count > MAX_NAMED ? ", ..." : "");
    rf_str_free(&names);
    return status;
}

/* One step down; *more: there was one. */
static rf_status step(bool *more, rf_place *place) {
    rf_listing list;
    rf_str others = {0};
    const char *name = NULL;
    *more = false;
    if (holds_data_files(place->path) || rf_listing_read(&list, place->path) != RF_OK) return RF_OK;
    rf_status status = find_training(&name, &others, place, &list);
    bool training = name != NULL, classes = !training && rf_folder_has_classes(place->path);
    if (status == RF_OK && !training && !classes) status = find_wrapped(&name, place, &list);
    if (status == RF_OK && classes && rf_idx_in_folder(place->path))
        add_note(place, rf_format("%s: the IDX files beside its class folders are left out; --data "
                                  "IMAGES,LABELS reads them",
                                  place->path));
    if (status == RF_OK && name != NULL) status = go_into(place, name);
    *more = status == RF_OK && name != NULL;
    if (*more && training)
        add_note(place, rf_format("%s is read, not %s, which can be named as --data; --validation N holds "
                                  "images out for validation",
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
    if (out->note_count == 0 && strcmp(out->path, spec) != 0)
        add_note(out, rf_format("the data lies in %s", out->path));
    return RF_OK;
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
    unsigned char head[RF_KIND_HEAD];
    if (fnmatch("*_[Xy].bin", path, 0) == 0) return &stl10;
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) return NULL;
    size_t length = fread(head, 1, sizeof head, stream);
    fclose(stream);
    const rf_file_kind *kind = rf_file_kind_of(head, length, RF_READER_NONE);
    return kind != NULL && kind->data ? kind : NULL;
}

rf_status rf_explain_place(rf_status status, const char *path, bool unknown) {
    rf_listing list;
    if (status != RF_E_INPUT) return status;
    if (rf_is_file(path) && kind_of_file(path) == &stl10)
        return rf_fail(status, "%s: is %s, which is not read; %s", path, stl10.what, stl10.advice);
    if (!unknown || holds_image(path, 2) || rf_listing_read(&list, path) != RF_OK) return status;
    const rf_file_kind *kind = NULL;
    for (size_t i = 0; kind == NULL && i < list.count; i++) {
        char *file = list.entries[i].kind == RF_ENTRY_FILE ? rf_path_join(path, list.entries[i].name) : NULL;
        if (file != NULL && (kind = kind_of_file(file)) != NULL)
            rf_fail(status, "%s: is %s, which is not read; %s", file, kind->what, kind->advice);
        free(file);
    }
    rf_listing_free(&list);
    return status;
}
