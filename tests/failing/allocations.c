/* Preloaded into the program: lets the n-th allocation fail.
 *
 * Counted is what the program asks for, and what jansson, zlib and libpng ask for on its behalf; not what drivers,
 * fonts or the C library do for themselves: those are told apart by the address that the call returns to.  A call of
 * the C library that allocates (fopen, opendir, ...) counts as one of whoever made it.  Cairo is left out: 1.16
 * itself crashes, or leaves out what it was to draw, where its own allocations fail (cairo_fill, masks, text).
 *
 * $FAILING_ALLOCATION=N: the N-th fails, from 1; with a "+" behind it all that follow fail too.
 * $FAILING_ALLOCATIONS_COUNT=FILE: how many there were is written there at the end. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const counted[] = {"librangefinder", "libjansson", "libz.", "libpng"};

/* Where the code of those that count lies. */
static struct { uintptr_t start, end; } ranges[64];
static size_t range_count;
static unsigned long fails_at;
static bool fails_on, ready; /* ready: our own symbols are bound */
static atomic_ulong calls;

static int add_module(struct dl_phdr_info *info, size_t size, void *context) {
    const char *name = strrchr(info->dlpi_name, '/');
    bool wanted = info->dlpi_name[0] == '\0'; /* the program */
    (void)size, (void)context;
    for (size_t i = 0; name != NULL && i < sizeof counted / sizeof *counted; i++)
        wanted |= strncmp(name + 1, counted[i], strlen(counted[i])) == 0;
    for (int i = 0; wanted && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || range_count == 64) continue;
        ranges[range_count].start = info->dlpi_addr + part->p_vaddr;
        ranges[range_count++].end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *setting = getenv("FAILING_ALLOCATION");
    if (setting != NULL) {
        fails_at = strtoul(setting, NULL, 10);
        fails_on = strchr(setting, '+') != NULL;
    }
    dl_iterate_phdr(add_module, NULL);
    ready = true;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAILING_ALLOCATIONS_COUNT");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file == NULL) return;
    fprintf(file, "%lu\n", (unsigned long)calls);
    fclose(file);
}

static bool fails(void *caller) {
    const uintptr_t at = (uintptr_t)caller;
    for (size_t i = 0; i < range_count; i++) {
        if (at < ranges[i].start || at >= ranges[i].end) continue;
        const unsigned long call = atomic_fetch_add(&calls, 1) + 1;
        const bool now = fails_at > 0 && (call == fails_at || (fails_on && call > fails_at));
        if (now) errno = ENOMEM;
        return now;
    }
    return false;
}

/* Allocations before the real functions are known, or by the search for them. */
static char early[1 << 22];
static size_t early_used;

static bool is_early(const void *data) {
    return (const char *)data >= early && (const char *)data < early + sizeof early;
}

static void *early_alloc(size_t size) {
    void *data = early + early_used;
    early_used += (size + 15) / 16 * 16;
    return early_used <= sizeof early ? data : NULL;
}

#define CALLER            __builtin_return_address(0)
#define REAL(function)    ((__typeof__(&function))real(&real_##function, #function))
#define DECLARE(function) static void *_Atomic real_##function;
DECLARE(malloc)
DECLARE(calloc)
DECLARE(realloc)
DECLARE(free)
DECLARE(posix_memalign)
DECLARE(aligned_alloc)
DECLARE(strdup)
DECLARE(vasprintf)
DECLARE(fopen)
DECLARE(fdopen)
DECLARE(opendir)
DECLARE(pthread_create)

static _Thread_local bool looking;
static void *real(void *_Atomic *function, const char *name) {
    if (*function == NULL) {
        looking = true;
        *function = dlsym(RTLD_NEXT, name);
        looking = false;
    }
    return *function;
}

void *malloc(size_t size) {
    if (!ready || looking) return early_alloc(size);
    return fails(CALLER) ? NULL : REAL(malloc)(size);
}

void *calloc(size_t count, size_t size) {
    if (!ready || looking) return early_alloc(count * size);
    return fails(CALLER) ? NULL : REAL(calloc)(count, size);
}

void *realloc(void *old, size_t size) {
    if (!ready || is_early(old)) {
        void *copy = early_alloc(size);
        return copy != NULL && old != NULL ? memcpy(copy, old, size) : copy;
    }
    return fails(CALLER) ? NULL : REAL(realloc)(old, size);
}

void free(void *data) {
    if (data != NULL && !is_early(data) && ready) REAL(free)(data);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    return fails(CALLER) ? ENOMEM : REAL(posix_memalign)(out, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(CALLER) ? NULL : REAL(aligned_alloc)(alignment, size);
}

char *strdup(const char *text) {
    return fails(CALLER) ? NULL : REAL(strdup)(text);
}

int vasprintf(char **out, const char *format, va_list args) {
    return fails(CALLER) ? -1 : REAL(vasprintf)(out, format, args);
}

FILE *fopen(const char *path, const char *mode) {
    return fails(CALLER) ? NULL : REAL(fopen)(path, mode);
}

FILE *fdopen(int fd, const char *mode) {
    return fails(CALLER) ? NULL : REAL(fdopen)(fd, mode);
}

DIR *opendir(const char *path) {
    return fails(CALLER) ? NULL : REAL(opendir)(path);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *context) {
    return fails(CALLER) ? EAGAIN : REAL(pthread_create)(thread, attributes, start, context);
}
