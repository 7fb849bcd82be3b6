/* The text of a kernel file: from the folder $RANGEFINDER_KERNELS where it holds the file, else from what is
 * embedded. #include "x.clh" is expanded here, each file once, since drivers know neither folder. */
#include "device/opencl/opencl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embedded.h"

enum { MAX_DEPTH = 8, MAX_FILES = 32, MAX_FILE_BYTES = 1 << 20, MAX_SOURCE_BYTES = 4 << 20 };

typedef struct expansion {
    rf_str *out;
    char *included[MAX_FILES]; /* owned */
    int included_count, depth;
} expansion;

/* From the user's folder: where kernels/ has the file, or without its sub-folder.  *out stays NULL where there is
 * none. */
static rf_status read_replacement(char **out, const char *folder, const char *name,
                                  const rf_embedded *known) {
    const char *const places[] = {known != NULL ? known->name : name, name};
    for (size_t i = 0; i < RF_COUNT(places) && *out == NULL; i++) {
        size_t length;
        char *path = rf_format("%s/%s", folder, places[i]);
        if (path == NULL) return RF_E_MEMORY;
        rf_status status =
            access(path, F_OK) == 0 ? rf_file_read((void **)out, &length, path, MAX_FILE_BYTES) : RF_OK;
        free(path);
        RF_TRY(status);
    }
    return RF_OK;
}

static rf_status read_text(char **out, const char *name) {
    const char *folder = getenv("RANGEFINDER_KERNELS");
    const rf_embedded *file = rf_embedded_find(rf_embedded_kernels, name);
    if (folder != NULL && folder[0] != '\0') {
        if (access(folder, X_OK) != 0)
            return rf_fail(RF_E_IO, "%s: the folder that $RANGEFINDER_KERNELS names cannot be opened",
                           folder);
        RF_TRY(read_replacement(out, folder, name, file));
        if (*out != NULL) return RF_OK;
    }
    if (file == NULL) return rf_fail(RF_E_DEVICE, "%s: there is no such kernel file", name);
    *out = rf_strdup((const char *)file->data);
    return *out != NULL ? RF_OK : RF_E_MEMORY;
}

/* `#include "name"` in a line: copies the name out.  False: another line. */
static bool is_include(char name[64], const char *line, size_t length) {
    const char *p = line, *end = line + length;
    static const char word[] = "include";
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    if (p == end || *p++ != '#') return false;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    if ((size_t)(end - p) < sizeof word || memcmp(p, word, sizeof word - 1) != 0) return false;
    for (p += sizeof word - 1; p < end && (*p == ' ' || *p == '\t');) p++;
    if (p == end || *p++ != '"') return false;
    const char *close = memchr(p, '"', (size_t)(end - p));
    if (close == NULL || close == p || close - p >= 64) return false;
    memcpy(name, p, (size_t)(close - p));
    name[close - p] = '\0';
    return true;
}

static bool seen(expansion *e, const char *name) {
    for (int i = 0; i < e->included_count; i++)
        if (strcmp(e->included[i], name) == 0) return true;
    return false;
}

static rf_status expand(expansion *e, const char *name) {
    char *text = NULL;
    rf_status status = RF_OK;
    if (seen(e, name)) return RF_OK;
    if (strchr(name, '/') != NULL)
        return rf_fail(RF_E_DEVICE, "%s: a kernel file is named without its folder", name);
    if (e->depth == MAX_DEPTH || e->included_count == MAX_FILES)
        return rf_fail(RF_E_DEVICE, "%s: too many #includes", name);
    RF_TRY(read_text(&text, name));
    if ((e->included[e->included_count] = rf_strdup(name)) == NULL) {
        status = RF_E_MEMORY;
        goto done;
    }
    e->included_count++;
    e->depth++;
    rf_str_addf(e->out, "#line 1 \"%s\"\n", name);
    int number = 1;
    for (const char *line = text; *line != '\0' && status == RF_OK; number++) {
        size_t length = strcspn(line, "\n") + 1;
        if (line[length - 1] == '\0') length--;
        char other[64];
        if (!is_include(other, line, length))
            rf_str_add_bytes(e->out, line, length);
        else if ((status = expand(e, other)) == RF_OK)
            rf_str_addf(e->out, "\n#line %d \"%s\"\n", number + 1, name);
        line += length;
    }
    rf_str_add(e->out, "\n");
    e->depth--;
    if (status == RF_OK && e->out->failed) status = RF_E_MEMORY;
    if (status == RF_OK && e->out->length > MAX_SOURCE_BYTES)
        status = rf_fail(RF_E_DEVICE, "%s: more than %d MB of source", name, MAX_SOURCE_BYTES >> 20);
done:
    free(text);
    return status;
}

rf_status rf_program_source(rf_str *out, const char *first, const char *name) {
    expansion e = {.out = out};
    char file[64];
    snprintf(file, sizeof file, "%s.cl", name);
    rf_status status = first != NULL ? expand(&e, first) : RF_OK;
    if (status == RF_OK) status = expand(&e, file);
    for (int i = 0; i < e.included_count; i++) free(e.included[i]);
    return status;
}
