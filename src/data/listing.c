/* Folders: what is in them, sorted, whatever the file system's order. */
#include "data/listing.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int by_bytes(const void *a, const void *b) {
    return strcmp(((const rf_entry *)a)->name, ((const rf_entry *)b)->name);
}

static rf_entry_kind kind_of_mode(mode_t mode) {
    return S_ISREG(mode) ? RF_ENTRY_FILE : S_ISDIR(mode) ? RF_ENTRY_FOLDER : RF_ENTRY_OTHER;
}

/* Asks the file system only where readdir did not say it. */
static rf_entry_kind kind_of(DIR *folder, const struct dirent *item) {
    struct stat info;
    if (item->d_type == DT_REG) return RF_ENTRY_FILE;
    if (item->d_type == DT_DIR) return RF_ENTRY_FOLDER;
    return fstatat(dirfd(folder), item->d_name, &info, 0) == 0 ? kind_of_mode(info.st_mode) : RF_ENTRY_BROKEN;
}

static rf_status append(rf_listing *list, const char *name, rf_entry_kind kind) {
    if (list->count == list->capacity) {
        size_t capacity = RF_MAX(list->capacity * 2, 64);
        rf_entry *entries = rf_resize(list->entries, capacity, sizeof *entries);
        if (entries == NULL) return RF_E_MEMORY;
        list->entries = entries;
        list->capacity = capacity;
    }
    char *copy = rf_strdup(name);
    if (copy == NULL) return RF_E_MEMORY;
    list->entries[list->count++] = (rf_entry){copy, kind};
    return RF_OK;
}

rf_status rf_listing_read(rf_listing *out, const char *folder) {
    rf_status status = RF_OK;
    *out = (rf_listing){0};
    DIR *stream = opendir(folder);
    if (stream == NULL) return rf_fail_errno(errno, "%s: the folder cannot be read", folder);
    while (status == RF_OK) {
        errno = 0;
        const struct dirent *item = readdir(stream);
        if (item == NULL) {
            if (errno != 0) status = rf_fail_errno(errno, "%s: the folder cannot be read", folder);
            break;
        }
        if (item->d_name[0] != '.' && strcmp(item->d_name, "__MACOSX") != 0)
            status = append(out, item->d_name, kind_of(stream, item));
    }
    closedir(stream);
    if (status != RF_OK)
        rf_listing_free(out);
    else if (out->count > 1)
        qsort(out->entries, out->count, sizeof *out->entries, by_bytes);
    return status;
}

rf_status rf_listing_look(rf_listing *out, const char *folder) {
    *out = (rf_listing){0};
    if (rf_interrupted()) return rf_fail(RF_E_INTERRUPTED, "interrupted");
    rf_status status = rf_listing_read(out, folder);
    return status == RF_E_IO ? RF_OK : status;
}

void rf_listing_free(rf_listing *listing) {
    for (size_t i = 0; i < listing->count; i++) free(listing->entries[i].name);
    free(listing->entries);
    *listing = (rf_listing){0};
}

rf_status rf_listing_count_folders(size_t *found, const rf_listing *list, const char *folder, size_t enough,
                                   rf_folder_look *look, int depth) {
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

bool rf_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool rf_is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

const char *rf_path_separator(const char *folder) {
    const size_t length = strlen(folder);
    return length > 0 && folder[length - 1] == '/' ? "" : "/";
}

char *rf_path_join(const char *folder, const char *name) {
    return rf_format("%s%s%s", folder, rf_path_separator(folder), name);
}
