/* Output files: written to a temporary file in the same folder, renamed on commit. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the list of temporary files, for clean-up on a signal ---- */

/* A list that only grows and whose entries are reused: a signal handler may walk it at any time. */
typedef struct temporary {
    char path[PATH_MAX];
    atomic_int state; /* FREE, TAKEN by a thread, NAMED: the file may be there */
    struct temporary *next;
} temporary;
enum { FREE, TAKEN, NAMED };
static _Atomic(temporary *) temporaries;

static temporary *take_temporary(void) {
    for (temporary *t = temporaries; t != NULL; t = t->next) {
        int expected = FREE;
        if (atomic_compare_exchange_strong(&t->state, &expected, TAKEN)) return t;
    }
    temporary *new = rf_alloc(1, sizeof *new);
    if (new == NULL) return NULL;
    new->state = TAKEN;
    new->next = temporaries;
    while (!atomic_compare_exchange_weak(&temporaries, &new->next, new)) continue;
    return new;
}

static void remove_temporary(temporary *t) {
    if (t == NULL) return;
    if (t->state == NAMED) unlink(t->path);
    t->state = FREE;
}

void rf_outfile_abort_all(void) {
    for (temporary *t = temporaries; t != NULL; t = t->next)
        if (t->state == NAMED) unlink(t->path);
}

/* ---- names ---- */

/* What a name refers to once its links are followed. */
typedef struct target {
    char path[PATH_MAX];
    int descriptor; /* of an open file ("-", /dev/stdout, /dev/fd/3), else -1 */
    bool exists;
    struct stat info; /* where it exists */
} target;

static int descriptor_of(const char *path) {
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "-") == 0) return STDOUT_FILENO;
    for (size_t i = 0; i < RF_COUNT(folders); i++) {
        const size_t length = strlen(folders[i]);
        const char *number = path + length;
        if (strncmp(path, folders[i], length) != 0) continue;
        if (*number != '\0' && number[strspn(number, "0123456789")] == '\0' && strlen(number) < 9)
            return atoi(number);
    }
    return -1;
}

/* By hand, since realpath() wants the file to be there, and a link to an open file leads nowhere by name. */
static rf_status follow(target *to, const char *path) {
    char link[PATH_MAX];
    size_t kept = 0;
    ssize_t length = (ssize_t)strlen(path);
    const char *text = path;
    for (int links = 0; links < 40; links++) {
        if (kept + (size_t)length >= sizeof to->path)
            return rf_fail(RF_E_IO, "%s: the name is too long", path);
        memcpy(to->path + kept, text, (size_t)length);
        to->path[kept + (size_t)length] = '\0';
        to->descriptor = descriptor_of(to->path);
        length = to->descriptor < 0 ? readlink(to->path, link, sizeof link) : -1;
        if (length < 0) {
            to->exists =
                (to->descriptor < 0 ? stat(to->path, &to->info) : fstat(to->descriptor, &to->info)) == 0;
            return to->exists || errno != ENAMETOOLONG ? RF_OK : rf_fail_errno(errno, "%s", path);
        }
        const char *slash = strrchr(to->path, '/');
        kept = link[0] == '/' || slash == NULL ? 0 : (size_t)(slash + 1 - to->path);
        text = link;
    }
    return rf_fail_errno(ELOOP, "%s", path);
}

/* "folder/" of "folder/name"; "" where the name is in the working folder. */
static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash + 1 - path) : 0;
}

bool rf_is_stdout(const char *path) {
    target to;
    return follow(&to, path) == RF_OK && to.descriptor == STDOUT_FILENO;
}

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool rf_same_file(const char *a, const char *b) {
    target x, y;
    if (follow(&x, a) != RF_OK || follow(&y, b) != RF_OK || x.exists != y.exists) return false;
    if (x.descriptor >= 0 && y.descriptor >= 0)
        return x.descriptor == y.descriptor; /* both append to the same open file */
    if (x.exists) return same(&x.info, &y.info) && !S_ISCHR(x.info.st_mode);
    char *name_x = x.path + folder_length(x.path), *name_y = y.path + folder_length(y.path);
    if (*name_x == '\0' || strcmp(name_x, name_y) != 0) return false;
    name_x[0] = name_y[0] = '.'; /* the folder itself */
    name_x[1] = name_y[1] = '\0';
    return stat(x.path, &x.info) == 0 && stat(y.path, &y.info) == 0 && same(&x.info, &y.info);
}

/* ---- opening ---- */

struct rf_outfile {
    FILE *stream;
    char *path;            /* as it was named */
    temporary *temporary;  /* NULL: written in place */
    char target[PATH_MAX]; /* what the temporary file will replace */
};

static rf_status cannot_write(const char *path, int error) {
    return rf_fail_errno(error, "%s: cannot be written", path);
}

/* Makes an empty temporary file in the target's folder.  A short name: the target's may be as long as names can be. */
static int make_temporary(temporary *t, const target *to) {
    const int folder = (int)folder_length(to->path);
    const mode_t mode = to->exists ? 0600 : 0666; /* no wider than that of the file replaced */
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < 100; tries++) {
        uint64_t number;
        if (!rf_os_random(&number, sizeof number)) number = (uint64_t)rf_time_ms() + (uint64_t)tries;
        t->state = TAKEN;
        if (snprintf(t->path, sizeof t->path, "%.*s.rf-%012" PRIx64, folder, to->path, number >> 16) >=
            (int)sizeof t->path) {
            errno = ENAMETOOLONG;
            return -1;
        }
        t->state = NAMED; /* before it exists: a signal may come at any time */
        fd = open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0) t->state = TAKEN;
        if (fd < 0 && errno != EEXIST) break;
    }
    return fd;
}

/* The same mode and owner as the file replaced. */
static bool keep_owner_and_mode(int fd, const struct stat *old) {
    struct stat new;
    if (fstat(fd, &new) != 0) return false;
    if ((new.st_uid != old->st_uid || new.st_gid != old->st_gid) && fchown(fd, old->st_uid, old->st_gid) != 0)
        return false;
    return fchmod(fd, old->st_mode & 07777) == 0;
}

/* *fd becomes the temporary file, or -1 where the target, which is there, has to be written in place. */
static rf_status open_temporary(int *fd, temporary **out, const target *to, const char *path) {
    *fd = -1;
    *out = NULL;
    if (to->exists && S_ISDIR(to->info.st_mode))
        return rf_fail(RF_E_IO, "%s: is a folder; name a file", path);
    if (to->exists && faccessat(AT_FDCWD, to->path, W_OK, AT_EACCESS) != 0) return cannot_write(path, errno);
    if (to->exists && !S_ISREG(to->info.st_mode)) return RF_OK;
    temporary *t = take_temporary();
    if (t == NULL) return RF_E_MEMORY;
    *fd = make_temporary(t, to);
    if (*fd < 0 && !to->exists) {
        const int error = errno;
        remove_temporary(t);
        return cannot_write(path, error);
    }
    if (*fd >= 0 && to->exists && !keep_owner_and_mode(*fd, &to->info)) {
        close(*fd);
        *fd = -1;
    }
    if (*fd < 0)
        remove_temporary(t);
    else
        *out = t;
    return RF_OK;
}

static rf_status open_stream(rf_outfile *file) {
    target to;
    int fd = -1;
    RF_TRY(follow(&to, file->path));
    memcpy(file->target, to.path, sizeof to.path);
    if (to.descriptor == STDOUT_FILENO) {
        file->stream = stdout;
        return RF_OK;
    }
    if (to.descriptor >= 0)
        fd = fcntl(to.descriptor, F_DUPFD_CLOEXEC, 0);
    else {
        RF_TRY(open_temporary(&fd, &file->temporary, &to, file->path));
        if (fd < 0) fd = open(to.path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    }
    if (fd >= 0 && (file->stream = fdopen(fd, "wb")) != NULL) return RF_OK;
    const int error = errno;
    if (fd >= 0) close(fd);
    return cannot_write(file->path, error);
}

rf_status rf_outfile_open(rf_outfile **out, const char *path) {
    *out = NULL;
    rf_outfile *file = rf_alloc(1, sizeof *file);
    if (file == NULL) return RF_E_MEMORY;
    file->path = rf_strdup(path);
    rf_status status = file->path != NULL ? open_stream(file) : RF_E_MEMORY;
    if (status == RF_OK)
        *out = file;
    else
        rf_outfile_abort(file);
    return status;
}

rf_status rf_outfile_check(const char *path) {
    target to;
    temporary *t = NULL;
    int fd;
    RF_TRY(follow(&to, path));
    if (to.descriptor >= 0) {
        const int flags = fcntl(to.descriptor, F_GETFL);
        if (flags < 0) return cannot_write(path, errno);
        return (flags & O_ACCMODE) == O_RDONLY ? cannot_write(path, EBADF) : RF_OK;
    }
    rf_status status = open_temporary(&fd, &t, &to, path);
    if (fd >= 0) close(fd);
    remove_temporary(t);
    return status;
}

FILE *rf_outfile_stream(rf_outfile *file) {
    return file->stream;
}

/* ---- the end ---- */

static void outfile_free(rf_outfile *file) {
    remove_temporary(file->temporary);
    free(file->path);
    free(file);
}

/* Makes the rename durable; not an error where the file system cannot. */
static void sync_folder(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)folder_length(path), path);
    const int fd = open(folder[0] != '\0' ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static rf_status commit(rf_outfile *file, bool durable) {
    rf_status status = RF_OK;
    bool bad = fflush(file->stream) != 0 || ferror(file->stream);
    if (durable && !bad && file->temporary != NULL) bad = fsync(fileno(file->stream)) != 0;
    int error = errno;
    if (file->stream != stdout && fclose(file->stream) != 0 && !bad) bad = true, error = errno;
    if (!bad && file->temporary != NULL) {
        if (rename(file->temporary->path, file->target) == 0)
            file->temporary->state = TAKEN; /* nothing left to remove */
        else
            bad = true, error = errno;
    }
    if (bad) status = cannot_write(file->path, error);
    if (durable && !bad) sync_folder(file->target);
    outfile_free(file);
    return status;
}

rf_status rf_outfile_commit(rf_outfile *file) {
    return commit(file, false);
}

rf_status rf_outfile_commit_durable(rf_outfile *file) {
    return commit(file, true);
}

void rf_outfile_abort(rf_outfile *file) {
    if (file == NULL) return;
    if (file->stream != NULL && file->stream != stdout) fclose(file->stream);
    outfile_free(file);
}

rf_status rf_file_write(const char *path, const void *data, size_t length) {
    rf_outfile *file = NULL;
    RF_TRY(rf_outfile_open(&file, path));
    fwrite(data, 1, length, rf_outfile_stream(file)); /* commit looks at ferror */
    return rf_outfile_commit(file);
}
