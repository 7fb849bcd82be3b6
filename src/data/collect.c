/* A folder with one sub-folder a class, holding the images of the class: which files there are.  Folders inside a class's
 * are walked as torchvision does, links included, but each folder once a class. */
#include "data/collect.h"

#include <stdlib.h>
#include <string.h>

#include "base/kind.h"
#include "data/format.h"
#include "data/parts.h"

void rf_collection_free(rf_collection *all) {
    for (size_t i = 0; i < all->count; i++) {
        free(all->files[i].path);
        free(all->files[i].reason);
    }
    for (size_t i = 0; i < all->class_count; i++) free(all->class_names[i]);
    for (size_t i = 0; i < all->bad_count; i++) {
        free(all->bad[i].path);
        free(all->bad[i].reason);
    }
    free(all->files);
    free(all->labels);
    free(all->class_names);
    free(all->bad);
}

rf_status rf_bad_file_add(rf_bad_file **list, size_t *count, const char *path, const char *reason) {
    const size_t known = strlen(path);
    if (strncmp(reason, path, known) == 0 && strncmp(reason + known, ": ", 2) == 0) reason += known + 2;
    rf_bad_file *bad = rf_resize(*list, *count + 1, sizeof *bad);
    if (bad == NULL) return RF_E_MEMORY;
    *list = bad;
    bad += (*count)++;
    *bad = (rf_bad_file){rf_strdup(path), rf_strdup(reason)};
    return bad->path != NULL && bad->reason != NULL ? RF_OK : RF_E_MEMORY;
}

rf_status rf_collection_tolerate(rf_collection *all, rf_status status, const char *path, const char *reason) {
    bool tolerable = status == RF_E_INPUT || status == RF_E_IO;
    if (!tolerable) return rf_fail(status, "%s", reason);
    if (!all->options->skip_bad)
        return rf_fail(status, "%s; --skip-bad leaves out what cannot be read", reason);
    return rf_bad_file_add(&all->bad, &all->bad_count, path, reason);
}

/* ---- files and classes ---- */

static rf_status add_file(void *context, char *path) {
    rf_collection *all = context;
    rf_status status = RF_OK;
    if (all->count == INT32_MAX)
        status = rf_fail(RF_E_INPUT, "%s: too many images", path);
    else if (all->count == all->capacity) {
        size_t capacity = RF_MAX(all->capacity * 2, 256);
        rf_image_file *files = rf_resize(all->files, capacity, sizeof *files);
        if (files != NULL) all->files = files;
        int32_t *labels = files != NULL ? rf_resize(all->labels, capacity, sizeof *labels) : NULL;
        if (labels != NULL) {
            all->labels = labels;
            all->capacity = capacity;
        } else
            status = RF_E_MEMORY;
    }
    if (status != RF_OK) {
        free(path);
        return status;
    }
    all->labels[all->count] = (int32_t)all->class_count;
    all->files[all->count++] = (rf_image_file){.path = path};
    return RF_OK;
}

static rf_status tolerate(void *context, rf_status status, const char *path) {
    return rf_collection_tolerate(context, status, path, rf_error_message());
}

static rf_status no_image(const char *path, const rf_endings *before, const rf_endings *after) {
    rf_str text = {0};
    rf_endings here = {0};
    for (size_t i = 0; i < after->count; i++) {
        size_t more = after->kinds[i].count - (i < before->count ? before->kinds[i].count : 0);
        if (more == 0) continue;
        here.kinds[here.count] = after->kinds[i];
        here.kinds[here.count++].count = more;
    }
    rf_endings_text(&text, &here);
    rf_status status =
        rf_fail(RF_E_INPUT, "%s: the class folder holds no image (%s)%s%s", path, rf_image_kinds,
                here.count > 0 ? ", only files of other kinds: " : "", rf_str_text(&text));
    rf_str_free(&text);
    return status;
}

/* Adds a class and its images.  The root counts as visited, so that a link to it does not add all images to this
 * class. */
static rf_status add_class(rf_collection *all, const char *root, const char *path, const char *name) {
    const size_t before = all->count;
    const rf_endings passed = all->walk.passed;
    RF_TRY(rf_walk_images(&all->walk, path, root));
    if (all->count == before) return no_image(path, &passed, &all->walk.passed);
    char **names = rf_resize(all->class_names, all->class_count + 1, sizeof *names);
    if (names == NULL) return RF_E_MEMORY;
    all->class_names = names;
    if ((names[all->class_count] = rf_strdup(name)) == NULL) return RF_E_MEMORY;
    all->class_count++;
    return RF_OK;
}

/* Counts a file beside the class folders, if it is an image. */
static void pass_by(rf_collection *all, const rf_entry *entry, const char *path) {
    if (entry->kind != RF_ENTRY_FILE) return;
    const rf_file_kind *kind = rf_file_kind_at(path, RF_READER_NONE);
    if (rf_entry_is_image(entry, path) || (kind != NULL && rf_file_kind_is_picture(kind)))
        rf_endings_count(&all->beside, entry->name);
}

static rf_status add_classes(rf_collection *all, const char *root, const rf_listing *list) {
    rf_status status = RF_OK;
    for (size_t i = 0; status == RF_OK && i < list->count; i++) {
        const rf_entry *entry = &list->entries[i];
        char *path = rf_path_join(root, entry->name);
        if (path == NULL) return RF_E_MEMORY;
        if (entry->kind == RF_ENTRY_FOLDER)
            status = add_class(all, root, path, entry->name);
        else if (entry->kind == RF_ENTRY_BROKEN)
            status = rf_fail(RF_E_IO, "%s: the link leads nowhere, or in a circle", path);
        else
            pass_by(all, entry, path);
        if (status != RF_OK) status = rf_collection_tolerate(all, status, path, rf_error_message());
        free(path);
    }
    return status;
}

/* Are the folders train, val, test and the like, with no image of their own: parts of a data set? */
static rf_status check_parts(const rf_collection *all, const char *root) {
    for (size_t i = 0; i < all->class_count; i++)
        if (!rf_part_is_name(all->class_names[i])) return RF_OK;
    size_t depth = strlen(root) + (root[strlen(root) - 1] != '/');
    for (size_t i = 0; i < all->count; i++) {
        const char *within = all->files[i].path + depth + strlen(all->class_names[all->labels[i]]) + 1;
        if (strchr(within, '/') == NULL) return RF_OK;
    }
    return rf_fail(RF_E_INPUT,
                   "%s: its folders (%s, %s) look like parts of a data set, not like classes; name "
                   "one of them as the data",
                   root, all->class_names[0], all->class_names[1]);
}

rf_status rf_collect(rf_collection *all, const char *root, const rf_dataset_options *options) {
    rf_listing list;
    size_t images = 0;
    *all =
        (rf_collection){.options = options, .walk = {.image = add_file, .failed = tolerate, .context = all}};
    RF_TRY(rf_listing_read(&list, root));
    rf_status status = add_classes(all, root, &list);
    for (size_t i = 0; i < list.count; i++)
        images += list.entries[i].kind == RF_ENTRY_FILE && rf_image_is_name(list.entries[i].name);
    bool empty = list.count == 0;
    rf_listing_free(&list);
    if (status == RF_OK && all->class_count < 2)
        status = rf_fail(RF_E_INPUT, "%s: %s; it must hold at least two folders of images, one a class", root,
                         all->class_count == 1 ? "there is only one class"
                         : images > 0          ? "there are images, but no class folders"
                         : empty               ? "the folder is empty"
                                               : "there is no class folder");
    return status == RF_OK ? check_parts(all, root) : status;
}

void rf_collection_give(rf_dataset *dataset, rf_collection *all) {
    dataset->class_names = all->class_names;
    dataset->bad = all->bad;
    dataset->bad_count = all->bad_count;
    all->class_names = NULL;
    all->bad = NULL;
    all->class_count = all->bad_count = 0;
}

static rf_status note_endings(rf_dataset *dataset, const rf_endings *endings, const char *what) {
    rf_str text = {0};
    if (endings->count == 0) return RF_OK;
    rf_endings_text(&text, endings);
    rf_status status = rf_str_status(&text);
    if (status == RF_OK) status = rf_dataset_note(dataset, "%s: %s", what, rf_str_text(&text));
    rf_str_free(&text);
    return status;
}

rf_status rf_walk_note(rf_dataset *dataset, const rf_walk *walk) {
    char what[128];
    snprintf(what, sizeof what, "files left out, as they are not %s", rf_image_kinds);
    RF_TRY(note_endings(dataset, &walk->passed, what));
    if (walk->again == 0) return RF_OK;
    return rf_dataset_note(dataset, "folders left out, as links lead to them a second time: %zu",
                           walk->again);
}

rf_status rf_collection_note(rf_dataset *dataset, const rf_collection *all) {
    RF_TRY(rf_walk_note(dataset, &all->walk));
    return note_endings(dataset, &all->beside,
                        "images left out, as they lie beside the class folders and so have no class");
}
