/* PoCL's cache. It caches ELF and LLVM files, and aborts the process where it cannot write them or one is truncated. So
 * it gets a tested folder, from which damaged files are removed first. Each process holds a shared lock on our cache
 * folder while it lives: who gets the exclusive lock is its only user, and may remove leftovers. */
#include "device/opencl/pocl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifndef __APPLE__
#include <elf.h>
#endif

/* The size of a large network's kernels, a bound for one kernel, and one for its files. */
enum { ROOM_BYTES = 16 << 20, KERNEL_BYTES = 1 << 20, FILE_BYTES = 2 << 20 };

static const char variable[] = "POCL_CACHE_DIR", suspect[] = "suspect";

/* One for the process, as the environment is. */
static struct {
    pthread_mutex_t lock;
    bool prepared;
    rf_status status;
    char message[1024], warning[1024];
    int cache, place; /* our cache folder, locked, and PoCL's in it; -1: not ours */
} pocl = {.lock = PTHREAD_MUTEX_INITIALIZER, .cache = -1, .place = -1};

/* ---- damaged files ---- */

/* The section headers stand at the end of an ELF file. */
static bool is_whole_elf(const unsigned char *start, size_t length, size_t size) {
#ifdef __APPLE__ /* whose objects are of another format */
    return start != NULL && length <= size;
#else
    Elf64_Ehdr h;
    if (length < sizeof h) return false;
    memcpy(&h, start, sizeof h);
    return memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 &&
           (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_shoff + (size_t)h.e_shnum * h.e_shentsize <= size);
#endif
}

/* LLVM bitcode is a sequence of blocks, each with its length in words after its first word. */
static bool is_whole_bitcode(int fd, const unsigned char *start, size_t length, size_t size) {
    uint32_t head[2];
    size_t at = 4;
    if (length < 4 || memcmp(start, "BC\xc0\xde", 4) != 0) return false;
    while (at + sizeof head <= size && pread(fd, head, sizeof head, (off_t)at) == sizeof head &&
           (head[0] & 3) == 1)
        at += sizeof head + (size_t)head[1] * 4;
    return at == size && at > 4; /* more than the magic bytes */
}

static bool ends_in(const char *text, const char *ending) {
    size_t length = strlen(text), wanted = strlen(ending);
    return length >= wanted && strcmp(text + length - wanted, ending) == 0;
}

/* A temporary file of PoCL, renamed when complete. */
static bool is_pocls(const char *name) {
    return strncmp(name, "tempfile", 8) == 0;
}

static int remove_damaged(const char *path, const struct stat *info, int type, struct FTW *where) {
    unsigned char start[64];
    bool object = ends_in(path, ".so"), bitcode = ends_in(path, ".bc");
    if (type != FTW_F || !(object || bitcode)) return 0;
    if (is_pocls(path + where->base)) return 0; /* another process may be linking it */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? pread(fd, start, sizeof start, 0) : -1;
    size_t length = got > 0 ? (size_t)got : 0, size = (size_t)info->st_size;
    bool whole = object ? is_whole_elf(start, length, size) : is_whole_bitcode(fd, start, length, size);
    if (!whole) unlink(path);
    if (fd >= 0) close(fd);
    return 0;
}

static int remove_any(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)type;
    if (where->level > 0) remove(path);
    return 0;
}

static int remove_temporary(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info, (void)where;
    if (type == FTW_F && ends_in(path, ".temp")) unlink(path);
    return 0;
}

/* ---- temporary files ---- */

static bool is_ours(const char *name) { /* a lock, or a file written to be renamed (src/base/outfile.c) */
    return ends_in(name, ".lock") || strncmp(name, ".rf-", 4) == 0;
}

void rf_pocl_sweep(bool may_open) {
    const char *place = getenv(variable);
    if (pocl.cache < 0 || place == NULL || flock(pocl.cache, LOCK_EX | LOCK_NB) != 0) return;
    rf_os_remove_from(pocl.cache, is_ours);
    rf_os_remove_from(pocl.place, is_pocls);
    if (may_open) nftw(place, remove_temporary, 16, FTW_PHYS);
    flock(pocl.cache, LOCK_SH);
}

void rf_pocl_distrust(void) {
    int fd = pocl.cache >= 0 ? openat(pocl.cache, suspect, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) close(fd);
}

/* ---- choosing the folder ---- */

static void clean(const char *place) {
    if (flock(pocl.cache, LOCK_EX | LOCK_NB) == 0) {
        if (faccessat(pocl.cache, suspect, F_OK, 0) == 0) {
            nftw(place, remove_any, 16, FTW_DEPTH | FTW_PHYS);
            unlinkat(pocl.cache, suspect, 0);
        }
        rf_os_remove_from(pocl.cache, is_ours);
        rf_os_remove_from(pocl.place, is_pocls);
        nftw(place, remove_temporary, 16, FTW_PHYS);
    }
    flock(pocl.cache, LOCK_SH);
    nftw(place, remove_damaged, 16, FTW_PHYS);
}

bool rf_is_pocl(const rf_device_info *info) {
    return strstr(info->platform, RF_POCL_NAME) != NULL;
}

/* Uses a cache folder of ours, with the folder for PoCL in it. */
static rf_status take(const char *cache) {
    char *place = rf_format("%s/pocl", cache);
    if (place == NULL) return RF_E_MEMORY;
    rf_status status = rf_cache_test(place, ROOM_BYTES);
    if (status == RF_OK) {
        pocl.cache = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        pocl.place = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        clean(place);
        setenv(variable, place, 1);
    }
    free(place);
    return status;
}

/* Uses the first usable cache folder; the warning says why not those before. */
static rf_status take_own(void) {
    rf_str reasons = {0};
    rf_status status = RF_E_IO;
    for (int i = 0; i < RF_CACHE_FOLDERS && status != RF_OK; i++) {
        char *cache;
        status = rf_cache_make(&cache, i);
        if (status == RF_OK) status = take(cache);
        if (status != RF_OK)
            rf_str_addf(&reasons, "%s; ", rf_error_message());
        else if (i > 0)
            snprintf(pocl.warning, sizeof pocl.warning, "%skernels are compiled in %s/pocl",
                     rf_str_text(&reasons), cache);
        free(cache);
    }
    if (status != RF_OK)
        status = rf_fail(RF_E_IO, "%sPoCL has no folder to compile in", rf_str_text(&reasons));
    rf_str_free(&reasons);
    return status;
}

/* Uses $POCL_CACHE_DIR as it is set: by the user, or by the process that started this one, to a folder of ours. */
static rf_status take_given(const char *given) {
    for (int i = 0; i < RF_CACHE_FOLDERS; i++) {
        char *cache;
        if (rf_cache_make(&cache, i) != RF_OK) continue;
        size_t length = strlen(cache);
        bool ours = strncmp(given, cache, length) == 0 && strcmp(given + length, "/pocl") == 0;
        rf_status status = ours ? take(cache) : RF_OK;
        free(cache);
        if (ours) return status;
    }
    rf_status status = rf_cache_test(given, ROOM_BYTES);
    if (status != RF_OK) return rf_fail_prefix(status, "$%s", variable);
    nftw(given, remove_damaged, 16, FTW_PHYS);
    return RF_OK;
}

static rf_status choose(void) {
    const char *given = getenv(variable);
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < FILE_BYTES)
        return rf_fail(RF_E_IO,
                       "PoCL cannot compile where files may have no more than %llu bytes (ulimit -f)",
                       (unsigned long long)limit.rlim_cur);
    return given != NULL ? take_given(given) : take_own();
}

rf_status rf_pocl_prepare(void) {
    pthread_mutex_lock(&pocl.lock);
    if (!pocl.prepared) {
        pocl.status = choose();
        if (pocl.status != RF_OK) snprintf(pocl.message, sizeof pocl.message, "%s", rf_error_message());
        pocl.prepared = true;
    }
    pthread_mutex_unlock(&pocl.lock);
    return pocl.status == RF_OK ? RF_OK : rf_fail(pocl.status, "%s", pocl.message);
}

rf_status rf_pocl_test(void) {
    const char *place = getenv(variable);
    return place != NULL ? rf_cache_test(place, KERNEL_BYTES) : RF_OK;
}

const char *rf_pocl_warning(void) {
    return pocl.warning;
}
