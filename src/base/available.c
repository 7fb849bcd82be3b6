/* How much memory this process can still get: what Linux calls available, and less where a control group allows
 * less. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { PATH_BYTES = 4096, RESERVE_PARTS = 16 };

/* The number behind `key` in a file of "key value" lines; without a key, the file's first number; else `missing`, as
 * for the word "max". */
static size_t number_in(const char *path, const char *key, size_t missing) {
    char line[256], *end;
    size_t value = missing;
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const size_t length = key != NULL ? strlen(key) : 0;
        if (key != NULL && (strncmp(line, key, length) != 0 || strchr(": \t", line[length]) == NULL))
            continue;
        const char *text = line + length + strspn(line + length, ": \t");
        errno = 0;
        const unsigned long long number = strtoull(text, &end, 10);
        if (end != text && errno == 0 && number <= SIZE_MAX) value = (size_t)number;
        break;
    }
    if (file != NULL) fclose(file);
    return value;
}

/* The files of a version of control groups.  Inactive page cache counts as free. */
typedef struct group_files {
    const char *mount, *limit, *used, *cache;
} group_files;
static const group_files versions[] = {
    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
    {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
};

static size_t left_in_group(const group_files *files, const char *folder) {
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", folder, files->limit);
    const size_t limit = number_in(path, NULL, SIZE_MAX);
    snprintf(path, sizeof path, "%s/%s", folder, files->used);
    size_t used = number_in(path, NULL, 0);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    used -= RF_MIN(used, number_in(path, files->cache, 0));
    return limit - RF_MIN(limit, used);
}

/* The minimum that the group `name` and its ancestors leave; a group that is not visible from here is skipped. */
static size_t left_in_groups(const char *root, const group_files *files, const char *name) {
    char folder[PATH_BYTES];
    size_t left = SIZE_MAX;
    const int length = snprintf(folder, sizeof folder, "%s%s%s", root, files->mount, name);
    if (length < 0 || length >= (int)sizeof folder) return left;
    for (const size_t top = strlen(root) + strlen(files->mount);;) {
        const size_t here = left_in_group(files, folder);
        char *slash = strrchr(folder, '/');
        left = RF_MIN(left, here);
        if (strlen(folder) <= top || slash < folder + top) return left;
        *slash = '\0';
    }
}

/* /proc/self/cgroup has lines of "number:controllers:/name"; version 2 is number 0, without controllers. */
static size_t left_by_groups(const char *root) {
    char path[PATH_BYTES], line[PATH_BYTES];
    size_t left = SIZE_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'),
             *name = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (name == NULL) continue;
        *name++ = '\0';
        const bool second = strcmp(line, "0:") == 0;
        if (!second && strstr(controllers, "memory") == NULL) continue;
        const size_t here = left_in_groups(root, &versions[second], strcmp(name, "/") == 0 ? "" : name);
        left = RF_MIN(left, here);
    }
    if (file != NULL) fclose(file);
    return left;
}

size_t rf_memory_available_in(const char *root) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    const size_t kilobytes = number_in(path, "MemAvailable", SIZE_MAX), groups = left_by_groups(root);
    const size_t machine = kilobytes <= SIZE_MAX / 1024 ? kilobytes * 1024 : SIZE_MAX;
    return RF_MIN(machine, groups);
}

size_t rf_memory_available(void) {
    const char *forced = getenv("RANGEFINDER_MEMORY"), *text = getenv("RANGEFINDER_MEMORY_RANKS");
    const size_t ranks = text != NULL ? strtoull(text, NULL, 10) : 1;
    size_t bytes = rf_memory_available_in("");
    bytes -= bytes / RESERVE_PARTS; /* for the driver's compiler and other processes */
    if (forced != NULL && *forced != '\0') bytes = (size_t)strtoull(forced, NULL, 10) << 20;
    return bytes / RF_MAX(ranks, 1);
}
