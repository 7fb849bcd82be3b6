/* The base layer: errors, strings, files, random numbers, time, threads; nothing of networks. */
#ifndef RF_BASE_BASE_H
#define RF_BASE_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rangefinder/status.h"

#define RF_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RF_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define RF_MAX(a, b)    ((a) > (b) ? (a) : (b))
#define RF_PRINTF(f, a) __attribute__((format(printf, f, a)))

static inline size_t rf_round_up(size_t value, size_t step) {
    return (value + step - 1) / step * step;
}
static inline size_t rf_ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* ---- errors (status.c) ---- */

/* Sets this thread's message and returns `status`: return rf_fail(RF_E_INPUT, "%s: ...", path). */
rf_status rf_fail(rf_status status, const char *format, ...) RF_PRINTF(2, 3);
/* The same for a failed system call: appends the text of `error` (an errno), and returns RF_E_IO, or RF_E_MEMORY for
 * ENOMEM. */
rf_status rf_fail_errno(int error, const char *format, ...) RF_PRINTF(2, 3);
/* Puts "prefix: " before the current message, and returns `status`. */
rf_status rf_fail_prefix(rf_status status, const char *format, ...) RF_PRINTF(2, 3);
/* Copies a desc of `size` bytes from a caller whose headers may be of another version; missing fields, and NULL, are
 * zero. Errors: RF_E_USAGE where it sets fields that this version lacks. */
rf_status rf_desc_copy(void *copy, size_t known, const void *given, size_t size);
/* Between these two (they nest), failures on this thread leave the message unchanged: for clean-up after a failure, and
 * for attempts that may fail. */
void rf_error_hold(void);
void rf_error_release(void);
/* The one macro of control flow: return on failure (where there is nothing to release). */
#define RF_TRY(call)                                                                                         \
    do {                                                                                                     \
        rf_status rf_try_status = (call);                                                                    \
        if (rf_try_status != RF_OK) return rf_try_status;                                                    \
    } while (0)

/* The nearest of `count` words to `word` ("did you mean"), or NULL if none is near (memory.c). */
const char *rf_nearest(const char *word, const char *const *words, size_t count);

/* ---- memory: NULL only with the message set (status RF_E_MEMORY) ---- */
void *rf_alloc(size_t count, size_t size); /* zeroed; checks count*size for overflow; free() it */
void *rf_resize(void *old, size_t count,
                size_t size); /* realloc with the same check; old stays valid on NULL */
char *rf_strdup(const char *text);
char *rf_format(const char *format, ...) RF_PRINTF(1, 2);
const char *rf_bytes_text(char text[32], double bytes); /* "12.3 MiB" */

/* Bytes that this process can still allocate: MemAvailable, or what its control groups leave, less a reserve
 * (available.c).  SIZE_MAX: not known.  $RANGEFINDER_MEMORY replaces it, in MiB, for tests; the ranks of a machine,
 * $RANGEFINDER_MEMORY_RANKS of them, divide it. */
size_t rf_memory_available(void);
/* The same without reserve and $RANGEFINDER_MEMORY. root: "", or a folder that stands for /. */
size_t rf_memory_available_in(const char *root);

/* ---- string builder (str.c): starts as {0}; data is always terminated; a failed append sticks in `failed`
 * ---- */
typedef struct rf_str {
    char *data; /* owned; NULL while empty: use rf_str_text() */
    size_t length, capacity;
    bool failed;
} rf_str;
void rf_str_add(rf_str *str, const char *text);
void rf_str_add_bytes(rf_str *str, const void *bytes, size_t length);
void rf_str_addf(rf_str *str, const char *format, ...) RF_PRINTF(2, 3);
/* The shortest decimal number that reads back as the same double, whatever the locale. */
void rf_str_add_number(rf_str *str, double value);
const char *rf_str_text(const rf_str *str);
rf_status rf_str_status(const rf_str *str); /* RF_E_MEMORY, with the message, if an append failed */
void rf_str_free(rf_str *str);

/* ---- untrusted text (text.c): all that is shown to a person goes through rf_make_printable ---- */

#define RF_NOT_UTF8 UINT32_MAX
/* The length of the character that begins here, and its code; 1 and RF_NOT_UTF8 where there is none. */
size_t rf_utf8_next(uint32_t *code, const char *text);
bool rf_utf8_continues(char byte); /* a character's second byte, or a later one */
bool rf_code_printable(
    uint32_t code); /* no control character, none that reorders text, none that XML forbids */
/* Makes it printable UTF-8 on one line, in place: line ends and tabs become blanks, all else '?'. */
void rf_make_printable(char *text);
char *rf_printable(const char *text); /* a copy; owned; NULL: out of memory */

/* ---- files (file.c) ---- */

/* Reads a whole file, at most `limit_bytes`; *data is owned by the caller (free) and has a 0 byte behind it.
 */
rf_status rf_file_read(void **data, size_t *length, const char *path, size_t limit_bytes);
/* Reads a file's first bytes, at most `limit_bytes`; *size_bytes is the whole file's, unless NULL.  Fails at once for
 * pipes and the like.  Errors: RF_E_IO. */
rf_status rf_file_read_head(void *data, size_t *length, uint64_t *size_bytes, const char *path,
                            size_t limit_bytes);

/* An atomically replaced output file (outfile.c): a temporary file in the same folder, renamed on commit; an existing
 * file's mode and owner are kept.  Links are followed.  Written in place: stdout ("-"), open files (/dev/stdout,
 * /dev/fd/N), devices, pipes, and a file in a folder that cannot be written.  Any number of threads may write at once,
 * each file by one of them. */
typedef struct rf_outfile rf_outfile;
rf_status rf_outfile_open(rf_outfile **out, const char *path);
FILE *rf_outfile_stream(rf_outfile *file);
rf_status rf_outfile_commit(rf_outfile *file); /* flushes, renames, frees; on failure keeps the old file */
rf_status rf_outfile_commit_durable(rf_outfile *file); /* the same, and synced to disk */
void rf_outfile_abort(rf_outfile *file);               /* keeps the old file, frees; takes NULL */
/* Whether the file could be written. Changes nothing, and opens no pipe. */
rf_status rf_outfile_check(const char *path);
/* Removes every temporary file; from any thread, or a signal's handler. */
void rf_outfile_abort_all(void);
rf_status rf_file_write(const char *path, const void *data, size_t length);
bool rf_is_stdout(const char *path); /* "-", /dev/stdout, a link to it */
/* Whether two names are the same file, existing or not. Never for a character device, such as /dev/null. */
bool rf_same_file(const char *a, const char *b);

/* ---- what differs between systems (os.c) ---- */

/* What strerror says of an error, from any thread; `text` has room for it where it is needed. */
const char *rf_os_error_text(char *text, size_t size, int error);
int rf_cpu_count(void); /* processors that this process may use; $RANGEFINDER_CORES replaces it */
/* At most 256 bytes that nobody can foresee; false: there are none. */
bool rf_os_random(void *out, size_t size);
/* A file without a name; -1 and errno EOPNOTSUPP: this system or this file system has none. */
int rf_os_open_nameless(const char *folder);
/* Removes the files of an open folder whose names are wanted.  On Linux it neither opens a file nor allocates: the process may
 * be about to end. */
void rf_os_remove_from(int folder, bool (*wanted)(const char *name));
/* Sends this process a signal when its parent ends, where the system can. */
void rf_os_signal_on_parent_exit(int signal);

/* ---- cache folders (cache.c) ---- */

/* Makes the cache folder of this number, the best first: the user's ($XDG_CACHE_HOME or ~/.cache, /rangefinder), then
 * folders of this user alone in $TMPDIR (or /tmp) and in /dev/shm.  Errors: RF_E_IO, it cannot be made or written, or
 * belongs to somebody else.  The caller owns the name. */
enum { RF_CACHE_FOLDERS = 3 };
rf_status rf_cache_make(char **out, int number);
/* Makes a folder and tests by writing that so many bytes fit. */
rf_status rf_cache_test(const char *path, size_t bytes);
/* The first cache folder that can be made and written; NULL: none. free() it. */
char *rf_cache_dir(void);

rf_status rf_make_dirs(const char *path);
/* IEEE 754 halves; from_float rounds to the nearest, to infinity from 65520 on. */
float rf_half_to_float(uint16_t half);
uint16_t rf_half_from_float(float value);
float rf_bfloat16_to_float(uint16_t bits); /* the upper half of a float */

uint64_t rf_hash(const void *data, size_t length, uint64_t seed); /* FNV-1a, 64 bits */

/* ---- random numbers (random.c): Philox4x32-10, Salmon et al., SC 2011; counter-based, same on every device
 * ---- */
void rf_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
typedef struct rf_random { /* a stream: key = (seed, stream), counter counts up */
    uint32_t key[2], counter[4], block[4];
    int used;
} rf_random;
void rf_random_init(rf_random *random, uint64_t seed, uint32_t stream);
uint32_t rf_random_u32(rf_random *random);
float rf_random_uniform(rf_random *random);                  /* [0,1), 24 bits */
uint32_t rf_random_below(rf_random *random, uint32_t limit); /* without bias; limit > 0 */
float rf_random_normal(rf_random *random);                   /* Box-Muller */
/* A number of 32 bits for each: both of the two that Box-Muller makes of a pair are taken. */
void rf_random_normals(rf_random *random, float *out, size_t count);
/* Beta(a, b), of gamma variates (Marsaglia and Tsang 2000).  Range: a and b of 0.05 and above. */
double rf_random_beta(rf_random *random, double a, double b);
void rf_random_shuffle(rf_random *random, int32_t *items, size_t count);

/* ---- time and threads ---- */
double rf_time_ms(void); /* monotonic */
/* Calls body(context, i) for i in [0,count) on up to `threads` threads (0: one a core); returns when all are
 * done. */
void rf_parallel_for(size_t count, int threads, void (*body)(void *context, size_t i), void *context);

/* The interrupt flag, set by the program on SIGINT; long loops check it and return RF_E_INTERRUPTED. */
void rf_interrupt(void); /* from any thread, or a signal's handler */
bool rf_interrupted(void);

#endif
