/* Cache folders: their candidates, and whether they can be written. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool is_absolute(const char *path) {
    return path != NULL && path[0] == '/';
}

static char *folder_of(int number) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *temporary = getenv("TMPDIR");
    if (number == 1)
        return rf_format("%s/rangefinder-%u", is_absolute(temporary) ? temporary : "/tmp",
                         (unsigned)geteuid());
    if (number == 2) return rf_format("/dev/shm/rangefinder-%u", (unsigned)geteuid());
    if (is_absolute(cache)) return rf_format("%s/rangefinder", cache);
    return is_absolute(home) ? rf_format("%s/.cache/rangefinder", home) : NULL;
}

/* Others may make folders in /tmp too, and what is in a cache is executed. */
static bool is_own(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && info.st_uid == geteuid();
}

rf_status rf_cache_make(char **out, int number) {
    char *path = folder_of(number);
    *out = NULL;
    if (path == NULL) return rf_fail(RF_E_IO, "there is no home: set HOME or XDG_CACHE_HOME");
    if (number > 0) mkdir(path, 0700);
    rf_status status = rf_make_dirs(path);
    if (status == RF_OK && number > 0 && !is_own(path))
        status = rf_fail(RF_E_IO, "%s: the folder belongs to somebody else", path);
    if (status == RF_OK && access(path, W_OK | X_OK) != 0)
        status = rf_fail_errno(errno, "%s: the folder cannot be written", path);
    if (status == RF_OK)
        *out = path;
    else
        free(path);
    return status;
}

/* A file without a name, or one whose name is gone. */
static int open_nameless(const char *folder) {
    int fd = rf_os_open_nameless(folder);
    if (fd >= 0 || errno != EOPNOTSUPP) return fd;
    char *name = rf_format("%s/tempfile_XXXXXX", folder);
    if (name != NULL && (fd = mkostemp(name, O_CLOEXEC)) >= 0) unlink(name);
    free(name);
    return fd;
}

rf_status rf_cache_test(const char *path, size_t bytes) {
    static const char page[16384] = {1};
    struct statvfs room;
    RF_TRY(rf_make_dirs(path));
    int fd = open_nameless(path);
    ssize_t written = fd >= 0 ? write(fd, page, sizeof page) : -1;
    rf_status status = RF_OK;
    if (written < 0)
        status = rf_fail_errno(errno, "%s: cannot be written", path);
    else if ((size_t)written < sizeof page ||
             (fstatvfs(fd, &room) == 0 && room.f_bavail < bytes / room.f_frsize))
        status = rf_fail(RF_E_IO, "%s: the disk is full, %zu MB are wanted", path, bytes >> 20);
    if (fd >= 0) close(fd);
    return status;
}

char *rf_cache_dir(void) {
    char *path = NULL;
    for (int i = 0; i < RF_CACHE_FOLDERS && rf_cache_make(&path, i) != RF_OK; i++) continue;
    return path;
}
