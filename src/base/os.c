/* What differs between systems.  The rest keeps to what Linux, macOS and the BSDs have alike. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif
#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

const char *rf_os_error_text(char *text, size_t size, int error) {
#ifdef __GLIBC__
    return strerror_r(error, text, size); /* may return another text */
#else
    if (strerror_r(error, text, size) != 0) snprintf(text, size, "error %d", error);
    return text;
#endif
}

int rf_cpu_count(void) {
    const char *limit = getenv("RANGEFINDER_CORES");
    if (limit != NULL && atoi(limit) > 0) return atoi(limit);
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (int)count;
}

bool rf_os_random(void *out, size_t size) {
    return getentropy(out, size) == 0;
}

int rf_os_open_nameless(const char *folder) {
#ifdef O_TMPFILE
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EISDIR || errno == ENOENT || errno == EINVAL)) errno = EOPNOTSUPP;
    return fd;
#else
    (void)folder;
    errno = EOPNOTSUPP;
    return -1;
#endif
}

void rf_os_remove_from(int folder, bool (*wanted)(const char *name)) {
    lseek(folder, 0, SEEK_SET);
#ifdef __linux__
    struct entry { /* the kernel's linux_dirent64 */
        uint64_t inode;
        int64_t next;
        unsigned short length;
        unsigned char type;
        char name[];
    };
    _Alignas(struct entry) char block[4096];
    for (long length; (length = syscall(SYS_getdents64, folder, block, sizeof block)) > 0;) {
        const struct entry *entry;
        for (long at = 0; at < length; at += entry->length) {
            entry = (const struct entry *)(block + at);
            if (wanted(entry->name)) unlinkat(folder, entry->name, 0);
        }
    }
#else
    int copy = dup(folder);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    if (stream == NULL && copy >= 0) close(copy);
    for (struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;)
        if (wanted(entry->d_name)) unlinkat(folder, entry->d_name, 0);
    if (stream != NULL) closedir(stream);
#endif
}

void rf_os_signal_on_parent_exit(int signal) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, signal);
#else
    (void)signal;
#endif
}
