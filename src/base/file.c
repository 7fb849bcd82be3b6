/* Reading files, up to a limit, and making folders; writing is in outfile.c. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to the end of the file, or `limit` bytes. */
static rf_status read_bytes(void *data, size_t *length, int fd, const char *path, size_t limit) {
    for (*length = 0; *length < limit;) {
        ssize_t got = read(fd, (char *)data + *length, limit - *length);
        if (got < 0 && errno == EINTR && !rf_interrupted()) continue;
        if (got < 0) return rf_fail_errno(errno, "%s: cannot be read", path);
        if (got == 0) break;
        *length += (size_t)got;
    }
    return RF_OK;
}

rf_status rf_file_read_head(void *data, size_t *length, uint64_t *size_bytes, const char *path,
                            size_t limit_bytes) {
    struct stat info = {0};
    *length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return rf_fail_errno(errno, "%s: cannot be opened", path);
    rf_status status = fstat(fd, &info) == 0 && S_ISREG(info.st_mode)
                           ? read_bytes(data, length, fd, path, limit_bytes)
                           : rf_fail(RF_E_IO, "%s: is not a file", path);
    close(fd);
    if (size_bytes != NULL) *size_bytes = (uint64_t)info.st_size;
    return status;
}

rf_status rf_file_read(void **data, size_t *length, const char *path, size_t limit_bytes) {
    rf_status status = RF_OK;
    char *bytes = NULL;
    size_t used = 0, capacity = 0, got;
    struct stat info;
    *data = NULL;
    *length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return rf_fail_errno(errno, "%s: cannot be opened", path);
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
        if ((status = read_bytes(bytes + used, &got, fd, path, capacity + 1 - used)) != RF_OK) goto done;
        used += got;
        if (used <= capacity) break;
        if (used > limit_bytes) {
            status = rf_fail(RF_E_INPUT, "%s: larger than the %zu MB that such a file may have", path,
                             limit_bytes >> 20);
            goto done;
        }
        capacity = RF_MIN(capacity * 2, limit_bytes);
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

rf_status rf_make_dirs(const char *path) {
    char *copy = rf_strdup(path);
    if (copy == NULL) return RF_E_MEMORY;
    for (char *slash = copy + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        mkdir(copy, 0777);
    }
    int error = mkdir(copy, 0777) == 0 ? 0 : errno;
    free(copy);
    return error == 0 || error == EEXIST ? RF_OK
                                         : rf_fail_errno(error, "%s: the folder cannot be made", path);
}

uint64_t rf_hash(const void *data, size_t length, uint64_t seed) {
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}
