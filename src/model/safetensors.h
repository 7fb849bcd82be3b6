/* The safetensors format: 8 bytes of header length (little endian), a JSON header, the tensors' bytes.
 * Source: github.com/huggingface/safetensors, "Format".  Files written here have a "checksum" in their metadata: CRC-32 of
 * header and data, with zeros in its own place. */
#ifndef RF_MODEL_SAFETENSORS_H
#define RF_MODEL_SAFETENSORS_H

#include "base/base.h"
#include "rangefinder/model.h"

enum { RF_TENSOR_MAX_RANK = 8 };

typedef struct rf_tensor_type rf_tensor_type; /* F32, F16, ... */

typedef struct rf_tensor {
    char *name;
    const rf_tensor_type *type;
    int rank;
    uint64_t shape[RF_TENSOR_MAX_RANK];
    uint64_t begin, end; /* bytes, from the start of the data */
} rf_tensor;

/* An entry of the header's __metadata__. */
typedef struct rf_tensor_note {
    char *name, *text;
} rf_tensor_note;

typedef struct rf_tensor_file {
    char *path;
    FILE *stream;
    rf_tensor *tensors; /* by their place in the file; no two overlap, all lie within the file */
    size_t count;
    rf_tensor_note *notes;
    size_t note_count;
    uint64_t data_start;
    bool checked; /* it has a checksum, which holds */
} rf_tensor_file;

/* Errors: RF_E_INPUT with what is wrong with the file, such as a checksum that does not hold; RF_E_IO. */
rf_status rf_tensor_file_open(rf_tensor_file **out, const char *path);
void rf_tensor_file_close(rf_tensor_file *file);
uint64_t rf_tensor_count(const rf_tensor *tensor); /* numbers in it */
/* Reads a tensor of type F64, F32, F16 or BF16 as floats; values holds rf_tensor_count of them. */
rf_status rf_tensor_read(float *values, const rf_tensor_file *file, const rf_tensor *tensor);

bool rf_tensor_is_integer(const rf_tensor *tensor);

/* Whether the last layer (rf_model_head) must be in the file. */
typedef enum rf_head {
    RF_HEAD_FITS,       /* it must, and nothing unexpected with it */
    RF_HEAD_MAY_DIFFER, /* it keeps its values where the file's does not fit */
    RF_HEAD_NEW         /* it keeps its values */
} rf_head;
/* rf_model_load_weights and rf_model_load_pretrained, of a file that is open; the model is finished. */
rf_status rf_model_read_weights(rf_model *model, const rf_tensor_file *file, rf_head head);

/* A tensor to be written, as F32.  All is borrowed. */
typedef struct rf_tensor_source {
    const char *name;
    int rank;
    const int *shape;
    const float *values;
} rf_tensor_source;
/* rf_model_save_weights, with more notes.  durable: synced to disk. */
rf_status rf_model_write_weights(const rf_model *model, const char *path, const rf_tensor_note *notes,
                                 size_t note_count, bool durable);
/* Writes the tensors in the order of their names.  durable: synced to disk. */
rf_status rf_tensor_file_write(const char *path, const rf_tensor_source *tensors, size_t count,
                               const rf_tensor_note *notes, size_t note_count, bool durable);

#endif
