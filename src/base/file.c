/* Files: read under a cap; written aside and renamed; the user's cache folder. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

rf_status rf_file_read(void **data, size_t *length, const char *path, size_t limit_bytes) {
    rf_status status = RF_OK;
    char *bytes = NULL;
    size_t used = 0, capacity = 0;
    struct stat info;
    *data = NULL;
    *length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return rf_fail(RF_E_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        status = rf_fail(RF_E_IO, "%s: is a folder, not a file", path);
        goto done;
    }
    capacity = info.st_size > 0 ? RF_MIN((size_t)info.st_size, limit_bytes) : 4096;
    for (;;) {
        char *more = rf_resize(bytes, capacity + 2, 1); /* one to see the end, one for the 0 */
        if (more == NULL) {
            status = RF_E_MEMORY;
            goto done;
        }
        bytes = more;
        ssize_t got = read(fd, bytes + used, capacity + 1 - used);
        if (got < 0 && errno == EINTR && !rf_interrupted()) continue;
        if (got < 0) {
            status = rf_fail(RF_E_IO, "%s: cannot be read: %s", path, strerror(errno));
            goto done;
        }
        if (got == 0) break;
        used += (size_t)got;
        if (used > limit_bytes) {
            status = rf_fail(RF_E_INPUT, "%s: larger than the %zu MB that such a file may have", path,
                             limit_bytes >> 20);
            goto done;
        }
        if (used > capacity) capacity = RF_MIN(capacity * 2, limit_bytes);
    }
    bytes[used] = '\0';
    *data = bytes;
    *length = used;
    bytes = NULL;
done:
    free(bytes);
    close(fd);
    return status;
}

/* Files aside that are still open, for whoever ends the program on a signal: plain arrays, since a handler may
 * only call unlink. */
enum { MAX_ASIDE = 16 };
static char aside[MAX_ASIDE][PATH_MAX];
static atomic_bool aside_used[MAX_ASIDE];

struct rf_outfile {
    FILE *stream;
    char *path;
    int slot; /* -1: stdout, or a device such as /dev/null: written in place */
};

static bool in_place(const char *path) {
    struct stat info;
    return strcmp(path, "-") == 0 ||
           (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode));
}

static rf_status open_aside(rf_outfile *file, const char *path) {
    int slot = 0;
    while (slot < MAX_ASIDE && aside_used[slot]) slot++;
    if (slot == MAX_ASIDE) return rf_fail(RF_E_IO, "%s: too many files are being written at once", path);
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return rf_fail(RF_E_IO, "%s: is a folder; name a file", path);
    if (snprintf(aside[slot], PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
        return rf_fail(RF_E_IO, "%s: the name is too long", path);
    int fd = mkstemp(aside[slot]);
    if (fd < 0) return rf_fail(RF_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    aside_used[slot] = true;
    file->slot = slot;
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    file->stream = fdopen(fd, "wb");
    return file->stream != NULL ? RF_OK
                                : rf_fail(RF_E_IO, "%s: cannot be written: %s", path, strerror(errno));
}

rf_status rf_outfile_open(rf_outfile **out, const char *path) {
    rf_status status = RF_OK;
    *out = NULL;
    rf_outfile *file = rf_alloc(1, sizeof *file);
    if (file == NULL) return RF_E_MEMORY;
    file->slot = -1;
    if ((file->path = rf_strdup(path)) == NULL)
        status = RF_E_MEMORY;
    else if (strcmp(path, "-") == 0)
        file->stream = stdout;
    else if (in_place(path)) {
        if ((file->stream = fopen(path, "wb")) == NULL)
            status = rf_fail(RF_E_IO, "%s: cannot be written: %s", path, strerror(errno));
    } else
        status = open_aside(file, path);
    if (status == RF_OK)
        *out = file;
    else
        rf_outfile_abort(file);
    return status;
}

FILE *rf_outfile_stream(rf_outfile *file) {
    return file->stream;
}

static void outfile_free(rf_outfile *file) {
    if (file->slot >= 0) aside_used[file->slot] = false;
    free(file->path);
    free(file);
}

rf_status rf_outfile_commit(rf_outfile *file) {
    rf_status status = RF_OK;
    bool bad = fflush(file->stream) != 0 || ferror(file->stream);
    int error = errno;
    if (file->stream != stdout && fclose(file->stream) != 0 && !bad) bad = true, error = errno;
    file->stream = NULL;
    if (bad)
        status = rf_fail(RF_E_IO, "%s: cannot be written: %s", file->path, strerror(error));
    else if (file->slot >= 0 && rename(aside[file->slot], file->path) != 0)
        status = rf_fail(RF_E_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    if (status != RF_OK && file->slot >= 0) unlink(aside[file->slot]);
    outfile_free(file);
    return status;
}

void rf_outfile_abort(rf_outfile *file) {
    if (file == NULL) return;
    if (file->stream != NULL && file->stream != stdout) fclose(file->stream);
    if (file->slot >= 0) unlink(aside[file->slot]);
    outfile_free(file);
}

void rf_outfile_abort_all(void) {
    for (int i = 0; i < MAX_ASIDE; i++)
        if (aside_used[i]) unlink(aside[i]);
}

rf_status rf_file_write(const char *path, const void *data, size_t length) {
    rf_outfile *file = NULL;
    RF_TRY(rf_outfile_open(&file, path));
    fwrite(data, 1, length, rf_outfile_stream(file)); /* commit looks at ferror */
    return rf_outfile_commit(file);
}

rf_status rf_make_dirs(const char *path) {
    char *copy = rf_strdup(path);
    if (copy == NULL) return RF_E_MEMORY;
    for (char *slash = copy + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        mkdir(copy, 0777);
    }
    bool made = mkdir(copy, 0777) == 0 || errno == EEXIST;
    free(copy);
    return made ? RF_OK : rf_fail(RF_E_IO, "%s: the folder cannot be made: %s", path, strerror(errno));
}

char *rf_cache_dir(void) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    if (cache != NULL && cache[0] == '/')
        path = rf_format("%s/rangefinder", cache);
    else if (home != NULL && home[0] == '/')
        path = rf_format("%s/.cache/rangefinder", home);
    if (path != NULL && rf_make_dirs(path) != RF_OK) {
        free(path);
        path = NULL;
    }
    return path;
}

uint64_t rf_hash(const void *data, size_t length, uint64_t seed) {
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    for (const unsigned char *p = data, *end = p + length; p < end; p++) hash = (hash ^ *p) * 0x100000001b3u;
    return hash;
}
