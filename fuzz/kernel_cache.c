/* Compiled kernels in the cache folder: any file is missing or valid, stored binaries are read back, damaged ones are
 * not. */
#include <string.h>

#include "device/opencl/opencl.h"
#include "fuzz.h"

static char *path_of(const rf_cache_key *key) {
    char *folder = rf_cache_dir();
    char *path = rf_format("%s/%016llx%016llx.bin", folder, (unsigned long long)key->hash[0],
                           (unsigned long long)key->hash[1]);
    free(folder);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rf_cache_key key = {{0}};
    void *binary = NULL, *file = NULL;
    size_t length = 0, file_length = 0;
    rf_fuzz_file("other", NULL, 0); /* makes the folder */
    char *path = path_of(&key);
    RF_FUZZ_HOLDS(rf_file_write(path, data, size) == RF_OK);
    if (rf_program_cache_load(&binary, &length, &key)) RF_FUZZ_HOLDS(length < size);
    free(binary);

    rf_program_cache_store(&key, data, size);
    RF_FUZZ_HOLDS(rf_program_cache_load(&binary, &length, &key));
    RF_FUZZ_HOLDS(length == size && (size == 0 || memcmp(binary, data, size) == 0));
    free(binary);

    RF_FUZZ_HOLDS(rf_file_read(&file, &file_length, path, 1 << 30) == RF_OK && file_length > size);
    const size_t at = (size > 1 ? data[0] | data[1] << 8 : 0) % file_length;
    ((uint8_t *)file)[at] ^= 1u << (size > 2 ? data[2] % 8 : 0);
    RF_FUZZ_HOLDS(rf_file_write(path, file, file_length) == RF_OK);
    RF_FUZZ_HOLDS(!rf_program_cache_load(&binary, &length, &key));
    free(file);
    free(path);
    return 0;
}
