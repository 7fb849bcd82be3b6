/* What the ONNX forms of ops are made of: the nodes and constants of a graph that is written. */
#ifndef RF_MODEL_ONNX_EXPORT_H
#define RF_MODEL_ONNX_EXPORT_H

#include "graph/model.h"
#include "onnx.pb-c.h"

typedef struct rf_onnx_export rf_onnx_export;

/* The ONNX form of an op: adds the nodes that mean export->node; returns the last, whose output is the op's. */
typedef struct rf_onnx_writer {
    const char *op;
    Onnx__NodeProto *(*form)(rf_onnx_export *e);
    const char *name; /* the ONNX op, where several rows share a form */
} rf_onnx_writer;
const rf_onnx_writer *rf_onnx_writer_find(const char *op); /* NULL: none */

/* Once it has failed, nothing more is added, and what is returned is NULL, which all these functions take. */
struct rf_onnx_export {
    const rf_model *model;
    int node;                     /* of the model: the one that is written */
    const rf_onnx_writer *writer; /* of its op */
    int parameter;                /* of the model: the node's first */
    const char **value;           /* of each node of the model: the name of its output in the graph */
    Onnx__GraphProto graph;       /* its messages are in `owned`, but for the parameters' values */
    rf_names names;               /* of values */
    void **owned;
    size_t owned_count;
    rf_status status;
};

/* ---- parts of a graph (export_parts.c) ---- */
/* Memory that is freed with the export: zeroed; or given, and freed at once where it cannot be kept. */
void *rf_onnx_make(rf_onnx_export *e, size_t count, size_t size);
void *rf_onnx_own(rf_onnx_export *e, void *memory);
void rf_onnx_export_release(rf_onnx_export *e);
/* A name for a value: the one wanted, or with a number where that is taken. */
const char *rf_onnx_take_name(rf_onnx_export *e, const char *wanted);

/* What export->node reads: the value of input i as it is, as (N,C,H,W), as (N,features); and its parameters, then states. */
const char *rf_onnx_x(rf_onnx_export *e, int i);
const char *rf_onnx_x_map(rf_onnx_export *e, int i);
const char *rf_onnx_x_flat(rf_onnx_export *e, int i);
const char *rf_onnx_parameter(rf_onnx_export *e, int i);

/* Adds a node; its first output has the layer's name, and with `part` "LAYER.PART". */
Onnx__NodeProto *rf_onnx_put(rf_onnx_export *e, const char *part, const char *op, int inputs,
                             const char *const *input);
const char *rf_onnx_output(const Onnx__NodeProto *node);
void rf_onnx_put_int(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, int64_t value);
void rf_onnx_put_float(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, double value);
void rf_onnx_put_text(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, const char *text);
void rf_onnx_put_ints(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, int count,
                      const int64_t *values);
/* Adds a constant; returns its name. */
const char *rf_onnx_put_number(rf_onnx_export *e, const char *part, double value);
const char *rf_onnx_put_list(rf_onnx_export *e, const char *part, int count, const int64_t *values);
const char *rf_onnx_put_floats(rf_onnx_export *e, const char *part, int rank, const int64_t *dim,
                               const double *values);
void rf_onnx_put_parameters(rf_onnx_export *e); /* the model's, all of them */
const char *rf_onnx_put_filler(rf_onnx_export *e, const char *part, double value, int64_t count);
/* Leaves out the parameters in whose place fillers were put, once all layers are there. */
void rf_onnx_drop_fillers(rf_onnx_export *e);

#endif
