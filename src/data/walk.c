/* The image files of a folder and of those inside.  Links are followed, but each folder is read once, so that links in
 * circles end.  Hidden files are skipped silently, files that are no images are counted. */
#include "data/walk.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/image.h"

void rf_endings_count(rf_endings *endings, const char *name) {
    char ending[sizeof endings->kinds[0].name] = "no ending";
    const char *dot = strrchr(name, '.');
    size_t length = dot != NULL ? strlen(dot) : 0, i = 0;
    if (length > 1 && length < sizeof ending)
        for (size_t c = 0; c <= length; c++) ending[c] = (char)tolower((unsigned char)dot[c]);
    while (i < endings->count && strcmp(endings->kinds[i].name, ending) != 0) i++;
    if (i == endings->count && i < RF_MAX_ENDINGS) {
        strcpy(endings->kinds[i].name, i + 1 < RF_MAX_ENDINGS ? ending : "others");
        endings->count++;
    }
    endings->kinds[RF_MIN(i, (size_t)RF_MAX_ENDINGS - 1)].count++;
}

void rf_endings_text(rf_str *out, const rf_endings *endings) {
    for (size_t i = 0; i < endings->count; i++)
        rf_str_addf(out, "%s%s %zu", i > 0 ? ", " : "", endings->kinds[i].name, endings->kinds[i].count);
}

/* ---- folders that were read ---- */

/* A hash table with open addresses; never more than half full. */
typedef struct visited {
    struct {
        dev_t device;
        ino_t inode;
        bool used;
    } * slots;
    size_t count, capacity; /* capacity: a power of 2 */
} visited;

/* The folder's slot: its own, or the free one where it belongs. */
static size_t slot_of(const visited *v, dev_t device, ino_t inode) {
    uint64_t key[] = {(uint64_t)device, (uint64_t)inode};
    size_t at = (size_t)rf_hash(key, sizeof key, 0) & (v->capacity - 1);
    while (v->slots[at].used && (v->slots[at].device != device || v->slots[at].inode != inode))
        at = (at + 1) & (v->capacity - 1);
    return at;
}

static rf_status grow(visited *v) {
    visited larger = {.capacity = RF_MAX(2 * v->capacity, 64), .count = v->count};
    if ((larger.slots = rf_alloc(larger.capacity, sizeof *larger.slots)) == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < v->capacity; i++)
        if (v->slots[i].used)
            larger.slots[slot_of(&larger, v->slots[i].device, v->slots[i].inode)] = v->slots[i];
    free(v->slots);
    *v = larger;
    return RF_OK;
}

/* *first: the folder was not there yet; now it is. */
static rf_status visit(bool *first, visited *v, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return rf_fail_errno(errno, "%s: the folder cannot be read", path);
    if (2 * (v->count + 1) > v->capacity) RF_TRY(grow(v));
    size_t at = slot_of(v, info.st_dev, info.st_ino);
    *first = !v->slots[at].used;
    v->count += *first;
    v->slots[at].device = info.st_dev;
    v->slots[at].inode = info.st_ino;
    v->slots[at].used = true;
    return RF_OK;
}

/* ---- the walk ---- */

bool rf_entry_is_image(const rf_entry *entry, const char *path) {
    const bool file = entry->kind == RF_ENTRY_FILE, link = entry->kind == RF_ENTRY_BROKEN;
    return ((file || link) && rf_image_is_name(entry->name)) || (file && rf_image_is_content(path));
}

static rf_status walk_folder(rf_walk *walk, visited *v, const char *path);

/* A file or a folder, in one of two passes. */
static rf_status walk_entry(rf_walk *walk, visited *v, const char *folder, const rf_entry *entry,
                            bool folders) {
    if ((entry->kind == RF_ENTRY_FOLDER) != folders) return RF_OK;
    char *path = rf_path_join(folder, entry->name);
    if (path == NULL) return RF_E_MEMORY;
    if (!folders && rf_entry_is_image(entry, path)) return walk->image(walk->context, path);
    rf_status status = RF_OK;
    if (!folders)
        rf_endings_count(&walk->passed, entry->name);
    else if ((status = walk_folder(walk, v, path)) != RF_OK && walk->failed != NULL)
        status = walk->failed(walk->context, status, path);
    free(path);
    return status;
}

static rf_status walk_folder(rf_walk *walk, visited *v, const char *path) {
    rf_listing list;
    bool first;
    if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
    RF_TRY(visit(&first, v, path));
    walk->again += !first;
    if (!first) return RF_OK;
    rf_status status = rf_listing_read(&list, path);
    for (int folders = 0; folders < 2; folders++)
        for (size_t i = 0; status == RF_OK && i < list.count; i++)
            status = walk_entry(walk, v, path, &list.entries[i], folders);
    rf_listing_free(&list);
    return status;
}

rf_status rf_walk_images(rf_walk *walk, const char *folder, const char *root) {
    visited v = {0};
    bool first;
    rf_status status = root != NULL ? visit(&first, &v, root) : RF_OK;
    if (status == RF_OK) status = walk_folder(walk, &v, folder);
    free(v.slots);
    return status;
}
