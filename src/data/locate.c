/* Finds the data set in a folder, in the layouts of archives and other programs. */
#include "data/locate.h"

#include <stdlib.h>
#include <string.h>

#include "data/class_folders.h"
#include "data/formats.h"
#include "data/listing.h"
#include "data/parts.h"

enum { MAX_DEPTH = 3, MAX_NAMED = 8 };

/* ---- what a folder holds ---- */

/* Does the folder hold files of a format that is known by them? */
static rf_status holds_data_files(bool *out, const char *folder) {
    const rf_data_format *format;
    *out = false;
    for (size_t i = 0; !*out && (format = rf_data_format_at(i)) != NULL; i++)
        if (format->in_folder != NULL) RF_TRY(rf_data_format_claims(out, format, folder));
    return RF_OK;
}

/* Does the folder hold a data set, itself or in folders inside it? */
static rf_status holds_data(bool *out, const char *folder, int depth) {
    rf_listing list;
    size_t found = 0;
    RF_TRY(holds_data_files(out, folder));
    if (!*out) RF_TRY(rf_folder_has_classes(out, folder));
    if (*out || depth == 0) return RF_OK;
    RF_TRY(rf_listing_look(&list, folder));
    rf_status status = rf_listing_count_folders(&found, &list, folder, 1, holds_data, depth - 1);
    *out = found > 0;
    rf_listing_free(&list);
    return status;
}

/* ---- going down ---- */

/* Takes ownership of the note. */
static rf_status add_note(rf_location *location, char *note) {
    if (note == NULL) return RF_E_MEMORY;
    if (location->note_count < RF_MAX_LOCATION_NOTES)
        location->notes[location->note_count++] = note;
    else
        free(note);
    return RF_OK;
}

static void add_name(rf_str *text, size_t *count, const char *folder, const char *name) {
    if (++*count <= MAX_NAMED)
        rf_str_addf(text, "%s%s%s%s", *count > 1 ? ", " : "", folder, rf_path_separator(folder), name);
}

static rf_status go_into(rf_location *location, const char *name) {
    char *path = rf_path_join(location->path, name);
    if (path == NULL) return RF_E_MEMORY;
    free(location->path);
    location->path = path;
    return RF_OK;
}

/* Given train beside val or test: train, if it holds a data set.  *name: borrowed from the list. */
static rf_status find_training(const char **name, rf_str *others, const rf_location *location,
                               const rf_listing *list) {
    size_t count = 0;
    *name = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const rf_entry *entry = &list->entries[i];
        rf_part part = entry->kind == RF_ENTRY_FOLDER ? rf_part_of(entry->name) : RF_PART_NONE;
        if (part == RF_PART_TRAINING && *name == NULL)
            *name = entry->name;
        else if (part != RF_PART_NONE)
            add_name(others, &count, location->path, entry->name);
    }
    if (*name == NULL || count == 0) {
        *name = NULL;
        return RF_OK;
    }
    char *path = rf_path_join(location->path, *name);
    if (path == NULL) return RF_E_MEMORY;
    bool data = false, images = false;
    rf_status status = others->failed ? RF_E_MEMORY : holds_data(&data, path, 1);
    if (status == RF_OK) status = rf_folder_has_images(&images, path, 0);
    free(path);
    if (!data || images) *name = NULL;
    return status;
}

/* The only sub-folder that holds a data set; several are an error.  *name: borrowed from the list, or NULL. */
static rf_status find_wrapped(const char **name, const rf_location *location, const rf_listing *list) {
    rf_status status = RF_OK;
    rf_str names = {0};
    size_t count = 0;
    *name = NULL;
    for (size_t i = 0; status == RF_OK && i < list->count; i++) {
        bool data = false;
        if (list->entries[i].kind != RF_ENTRY_FOLDER) continue;
        char *path = rf_path_join(location->path, list->entries[i].name);
        status = path != NULL ? holds_data(&data, path, MAX_DEPTH - 1) : RF_E_MEMORY;
        free(path);
        if (!data) continue;
        add_name(&names, &count, location->path, list->entries[i].name);
        *name = list->entries[i].name;
    }
    if (status == RF_OK && names.failed) status = RF_E_MEMORY;
    if (status == RF_OK && count > 1)
        status = rf_fail(RF_E_INPUT, "%s: holds %zu data sets; name one as the data: %s%s", location->path,
                         count, rf_str_text(&names), count > MAX_NAMED ? ", ..." : "");
    rf_str_free(&names);
    return status;
}

/* Notes the data files beside class folders. */
static rf_status note_beside(rf_location *location) {
    const rf_data_format *format;
    for (size_t i = 0; (format = rf_data_format_at(i)) != NULL; i++) {
        bool beside = false;
        if (format->in_folder != NULL) RF_TRY(format->in_folder(&beside, location->path));
        if (beside)
            RF_TRY(add_note(location, rf_format("%s: the %s beside its class folders are left out; %s",
                                                location->path, format->files, format->by_name)));
    }
    return RF_OK;
}

/* The sub-folder to go into, or NULL; *name: borrowed from the list. */
static rf_status next_folder(const char **name, rf_str *others, rf_location *location,
                             const rf_listing *list) {
    bool classes;
    RF_TRY(rf_folder_has_classes(&classes, location->path));
    if (classes) RF_TRY(note_beside(location));
    RF_TRY(find_training(name, others, location, list));
    return *name != NULL || classes ? RF_OK : find_wrapped(name, location, list);
}

/* One step down; *more: there was one. */
static rf_status step(bool *more, rf_location *location) {
    rf_listing list;
    rf_str others = {0};
    const char *name = NULL;
    bool here;
    *more = false;
    RF_TRY(holds_data_files(&here, location->path));
    if (here) return RF_OK;
    RF_TRY(rf_listing_look(&list, location->path));
    rf_status status = next_folder(&name, &others, location, &list);
    *more = status == RF_OK && name != NULL;
    bool training = *more && rf_part_of(name) == RF_PART_TRAINING && others.length > 0;
    if (*more) status = go_into(location, name);
    if (status == RF_OK && training)
        status = add_note(location,
                          rf_format("%s is read, not %s, which can be named as --data, or as --val-data of "
                                    "'train'; --validation N of 'find' holds images out",
                                    location->path, rf_str_text(&others)));
    rf_str_free(&others);
    rf_listing_free(&list);
    return status;
}

rf_status rf_location_find(rf_location *out, const char *spec) {
    bool more = true;
    *out = (rf_location){.path = rf_strdup(spec)};
    if (out->path == NULL) return RF_E_MEMORY;
    if (!rf_is_folder(spec)) return RF_OK;
    for (int depth = 0; more && depth <= MAX_DEPTH; depth++) RF_TRY(step(&more, out));
    if (out->note_count > 0 || strcmp(out->path, spec) == 0) return RF_OK;
    return add_note(out, rf_format("the data lies in %s", out->path));
}

void rf_location_free(rf_location *location) {
    for (size_t i = 0; i < location->note_count; i++) free(location->notes[i]);
    free(location->path);
    *location = (rf_location){0};
}
