/* A file's type by its magic bytes, for messages about a file of the wrong type. */
#ifndef RF_BASE_KIND_H
#define RF_BASE_KIND_H

#include "base/base.h"

/* The readers, and what messages call the type that each expects. */
#define RF_READER_MAP(X)                                                                                     \
    X(NONE, "a file that can be read here")                                                                  \
    X(WEIGHTS, "safetensors weights")                                                                        \
    X(CURVE, "a curve (CSV or JSON)")                                                                        \
    X(MODEL, "a network in the model language, or ONNX")                                                     \
    X(IDX, "an IDX file")                                                                                    \
    X(CIFAR, "a CIFAR binary file")                                                                          \
    X(IMAGE, "an image that can be read")                                                                    \
    X(DATA, "a data set")
typedef enum rf_reader {
#define RF_READER_NAME(name, text) RF_READER_##name,
    RF_READER_MAP(RF_READER_NAME)
#undef RF_READER_NAME
} rf_reader;

typedef struct rf_file_kind {
    const char *what;   /* "a Git LFS pointer" */
    const char *advice; /* "fetch the file itself: git lfs pull" */
    bool data;          /* may hold a data set */
} rf_file_kind;

/* The kind of a file that starts with these bytes (RF_KIND_HEAD of them, or all it has); NULL: none that is
 * known, or one that this reader reads. */
enum { RF_KIND_HEAD = 4096 };
const rf_file_kind *rf_file_kind_of(const void *head, size_t length, rf_reader reader);
const rf_file_kind *rf_file_kind_at(const char *path, rf_reader reader);
/* Whether it is an image of a kind that is not read. */
bool rf_file_kind_is_picture(const rf_file_kind *kind);

/* For a reader that failed: where status is RF_E_INPUT and the file is of another known kind, the message becomes
 * "PATH: is KIND, not ...; what to do".  Returns status.  The first reads the file's head again, the second is for
 * bytes that are in memory. */
rf_status rf_explain_file(rf_status status, const char *path, rf_reader reader);
rf_status rf_explain_bytes(rf_status status, const char *name, rf_reader reader, const void *head,
                           size_t length);

#endif
