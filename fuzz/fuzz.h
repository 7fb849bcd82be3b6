/* Shared by the fuzz targets.  A target is one file, NAME.c: it hands bytes to one reader, and checks the result;
 * seeds/NAME holds inputs to start from, NAME.dict the reader's keywords.
 *
 * Readers take files, so that the bytes are written into a folder of the process's own, which is the user's cache
 * folder, too. */
#ifndef RF_FUZZ_H
#define RF_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the bytes to the file NAME in the folder; returns its path, valid until the next call with that name. */
const char *rf_fuzz_file(const char *name, const uint8_t *data, size_t size);
/* The bytes as a text that ends with 0; free() it. */
char *rf_fuzz_text(const uint8_t *data, size_t size);

/* A failure has a message, only a failure has nothing to give, and none is said to be a lack of memory: there is
 * enough.  OUT is a pointer that the reader set. */
#define RF_FUZZ_ANSWER(status, out)                                                                          \
    RF_FUZZ_HOLDS((status) == RF_OK                                                                          \
                      ? (out) != NULL                                                                        \
                      : (out) == NULL && (status) != RF_E_MEMORY && *rf_error_message() != '\0')
/* Like assert, in every kind of build. */
#define RF_FUZZ_HOLDS(condition)                                                                             \
    do {                                                                                                     \
        if (!(condition)) rf_fuzz_broken(__FILE__, __LINE__, #condition);                                    \
    } while (0)
_Noreturn void rf_fuzz_broken(const char *file, int line, const char *condition);

#endif
