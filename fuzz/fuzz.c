/* The folder and the files of a fuzz target. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/listing.h"

enum { MAX_FILES = 4 };
static char folder[256];
static struct { char *name, *path; } files[MAX_FILES];

_Noreturn void rf_fuzz_broken(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: does not hold: %s (message: %s)\n", file, line, condition, rf_error_message());
    fflush(stderr);
    __builtin_trap(); /* abort is another function in the program */
}

static void remove_below(const char *path) {
    rf_listing list;
    if (rf_listing_read(&list, path) != RF_OK) return;
    for (size_t i = 0; i < list.count; i++) {
        char *inner = rf_path_join(path, list.entries[i].name);
        if (list.entries[i].kind == RF_ENTRY_FOLDER) remove_below(inner);
        remove(inner);
        free(inner);
    }
    rf_listing_free(&list);
}

static void remove_folder(void) {
    remove_below(folder);
    rmdir(folder);
    for (size_t i = 0; i < MAX_FILES; i++) {
        free(files[i].name);
        free(files[i].path);
    }
}

static void make_folder(void) {
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/rangefinder-fuzz-XXXXXX", parent != NULL ? parent : "/tmp");
    RF_FUZZ_HOLDS(mkdtemp(folder) != NULL);
    setenv("XDG_CACHE_HOME", folder, 1);
    atexit(remove_folder);
}

const char *rf_fuzz_file(const char *name, const uint8_t *data, size_t size) {
    size_t i = 0;
    if (folder[0] == '\0') make_folder();
    while (files[i].name != NULL && strcmp(files[i].name, name) != 0) RF_FUZZ_HOLDS(++i < MAX_FILES);
    if (files[i].name == NULL) {
        files[i].name = rf_strdup(name);
        files[i].path = rf_path_join(folder, name);
    }
    FILE *stream = fopen(files[i].path, "wb");
    RF_FUZZ_HOLDS(stream != NULL && fwrite(data, 1, size, stream) == size && fclose(stream) == 0);
    return files[i].path;
}

char *rf_fuzz_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    RF_FUZZ_HOLDS(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    return text;
}
