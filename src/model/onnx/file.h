/* An ONNX file in memory, and its tensors. */
#ifndef RF_MODEL_ONNX_FILE_H
#define RF_MODEL_ONNX_FILE_H

#include "base/base.h"
#include "onnx.pb-c.h"

enum { RF_ONNX_MAX_RANK = 10 }; /* and numbers in a list: paddings of five dimensions */

typedef struct rf_onnx_file {
    const char *path; /* borrowed */
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph; /* of the model */
    int opset;
    size_t size_bytes;
    ProtobufCAllocator allocator; /* of the model's messages: bounds memory and nesting */
    size_t allocated, limit;
    const char *stack;
} rf_onnx_file;

/* Errors: RF_E_INPUT: no ONNX file, or of a version that is not read. */
rf_status rf_onnx_open(rf_onnx_file *file, const char *path);
void rf_onnx_close(rf_onnx_file *file);
bool rf_onnx_is_standard(const char *domain); /* of operators: ONNX's own */

/* A constant: an initialiser, an attribute, or computed from others. */
typedef struct rf_onnx_tensor {
    const char *name; /* the initialiser's; NULL: it has none.  Borrowed from the file, as is proto */
    /* The first two parameters that it was computed from by arithmetic; NULL: there are no more.  Borrowed.  reduced: also from
     * sums of their numbers. */
    const char *origin[2];
    bool reduced;
    bool probed; /* computed with ones in the place of zeros (probe.c) */
    const Onnx__TensorProto *proto; /* NULL: computed */
    double *values;                 /* owned; NULL until they are needed */
    int type;                       /* ONNX__TENSOR_PROTO__DATA_TYPE__... */
    int rank;
    int64_t dim[RF_ONNX_MAX_RANK];
    size_t count; /* of numbers */
    int holders;  /* values and parameters that have it */
} rf_onnx_tensor;

/* Sets all but the values.  Errors: RF_E_INPUT: a type or shape that is not read, bytes that are missing. */
rf_status rf_onnx_tensor_describe(rf_onnx_tensor *tensor, const rf_onnx_file *file,
                                  const Onnx__TensorProto *proto);
/* Sets count from rank and dim. */
rf_status rf_onnx_tensor_count(rf_onnx_tensor *tensor);
bool rf_onnx_is_integer(int type); /* or BOOL */
bool rf_onnx_is_real(int type);    /* of those that are read: all others of them */
const char *rf_onnx_type_name(int type);
/* Reads the numbers, which may lie in a file beside it, as doubles or as floats; the other array is NULL. */
rf_status rf_onnx_tensor_read(double *doubles, float *floats, const rf_onnx_file *file,
                              const rf_onnx_tensor *tensor);
/* The file that holds an external tensor, which lies in the ONNX file's folder or below; owned. */
rf_status rf_onnx_external_path(char **out, const rf_onnx_file *file, const Onnx__TensorProto *proto);
const char *rf_onnx_external(const Onnx__TensorProto *proto,
                             const char *key); /* NULL: it has no such entry */

#endif
