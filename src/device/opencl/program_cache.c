/* Program binaries in the user's cache folder, one file a program, named by the hash of all that made it.
 * Where the driver has its own cache the file is empty, and marks that the program was built here before.
 * A file is trusted only if its header, length and checksum agree; it is written to a temporary file and renamed. */
#include "device/opencl/opencl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BINARY_BYTES = 64 << 20 };

typedef struct header {
    char magic[8];
    rf_cache_key key;
    uint64_t length, checksum; /* of what follows */
} header;

static const char magic[8] = "RFprog1";

/* Two FNV hashes with different seeds over every text and its closing 0: 128 bits. */
void rf_cache_key_add(rf_cache_key *key, const char *text) {
    size_t length = strlen(text) + 1;
    key->hash[0] = rf_hash(text, length, key->hash[0]);
    key->hash[1] = rf_hash(text, length, ~key->hash[1] * 0x9e3779b97f4a7c15u);
}

static char *path_with(const rf_cache_key *key, const char *ending) {
    char *folder = rf_cache_dir(), *path = NULL;
    if (folder != NULL)
        path = rf_format("%s/%016llx%016llx.%s", folder, (unsigned long long)key->hash[0],
                         (unsigned long long)key->hash[1], ending);
    free(folder);
    return path;
}

static char *path_of(const rf_cache_key *key) {
    return path_with(key, "bin");
}

int rf_program_cache_lock(const rf_cache_key *key, double seconds) {
    char *path = path_with(key, "lock");
    int lock = path != NULL ? open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600) : -1;
    double until = rf_time_ms() + seconds * 1e3;
    free(path);
    while (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || rf_interrupted() || rf_time_ms() > until) {
            close(lock);
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return lock;
}

void rf_program_cache_unlock(const rf_cache_key *key, int lock) {
    char *path = lock >= 0 ? path_with(key, "lock") : NULL;
    if (path != NULL) unlink(path);
    if (lock >= 0) close(lock);
    free(path);
}

bool rf_program_cache_load(void **binary, size_t *length, const rf_cache_key *key) {
    char *path = path_of(key);
    void *data = NULL;
    size_t size = 0;
    *binary = NULL;
    if (path == NULL || rf_file_read(&data, &size, path, MAX_BINARY_BYTES) != RF_OK) goto done;
    header h;
    if (size < sizeof h) goto done;
    memcpy(&h, data, sizeof h);
    size -= sizeof h;
    if (memcmp(h.magic, magic, sizeof magic) != 0 || memcmp(&h.key, key, sizeof *key) != 0 ||
        h.length != size || h.checksum != rf_hash((char *)data + sizeof h, size, 0))
        goto done;
    memmove(data, (char *)data + sizeof h, size);
    *binary = data;
    *length = size;
    data = NULL;
done:
    free(data);
    free(path);
    return *binary != NULL;
}

void rf_program_cache_remove(const rf_cache_key *key) {
    rf_error_hold();
    char *path = path_of(key);
    if (path != NULL) unlink(path);
    free(path);
    rf_error_release();
}

/* A cache that cannot be written only costs time. */
void rf_program_cache_store(const rf_cache_key *key, const void *binary, size_t length) {
    header h = {.key = *key, .length = length, .checksum = rf_hash(binary, length, 0)};
    memcpy(h.magic, magic, sizeof magic);
    rf_error_hold();
    char *path = path_of(key);
    rf_outfile *file = NULL;
    if (path != NULL && length <= MAX_BINARY_BYTES - sizeof h && rf_outfile_open(&file, path) == RF_OK) {
        fwrite(&h, sizeof h, 1, rf_outfile_stream(file));
        if (length > 0) fwrite(binary, length, 1, rf_outfile_stream(file));
        rf_outfile_commit(file);
    }
    free(path);
    rf_error_release();
}
