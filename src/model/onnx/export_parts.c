/* The parts of a graph that is written: memory, names, nodes, constants, and what a layer reads. */
#include "model/onnx/export.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

/* A list with room for one more; NULL: there is no memory.  Capacities are powers of two. */
static void *extend(rf_onnx_export *e, void *list, size_t count) {
    if (e->status != RF_OK) return NULL;
    if ((count & (count - 1)) != 0) return list;
    void *more = rf_resize(list, count == 0 ? 1 : 2 * count, sizeof(void *));
    if (more == NULL) e->status = RF_E_MEMORY;
    return more;
}

#define APPEND(e, list, count, item)                                                                         \
    do {                                                                                                     \
        void *list_ = extend(e, list, count);                                                                \
        if (list_ != NULL) ((list) = list_)[(count)++] = (item);                                             \
    } while (0)

void *rf_onnx_own(rf_onnx_export *e, void *memory) {
    if (memory == NULL && e->status == RF_OK) e->status = RF_E_MEMORY;
    void **list = extend(e, e->owned, e->owned_count);
    if (list == NULL) {
        free(memory);
        return NULL;
    }
    e->owned = list;
    return e->owned[e->owned_count++] = memory;
}

void *rf_onnx_make(rf_onnx_export *e, size_t count, size_t size) {
    return e->status == RF_OK ? rf_onnx_own(e, rf_alloc(count, size)) : NULL;
}

void rf_onnx_export_release(rf_onnx_export *e) {
    for (size_t i = 0; i < e->graph.n_node; i++) free(e->graph.node[i]->attribute);
    for (size_t i = 0; i < e->owned_count; i++) free(e->owned[i]);
    free(e->graph.node);
    free(e->graph.initializer);
    free(e->owned);
    free(e->value);
    rf_names_free(&e->names);
}

/* ---- names ---- */

const char *rf_onnx_take_name(rf_onnx_export *e, const char *wanted) {
    const char *name = wanted;
    for (int number = 1; name != NULL && rf_names_find(&e->names, name, strlen(name)) >= 0; number++)
        name = rf_onnx_own(e, rf_format("%s_%d", wanted, number));
    if (name != NULL && e->status == RF_OK) e->status = rf_names_add(&e->names, name, 0);
    return name;
}

static const char *part_name(rf_onnx_export *e, const char *part) {
    const char *layer = e->model->nodes[e->node].name;
    return rf_onnx_take_name(e, part == NULL ? layer : rf_onnx_own(e, rf_format("%s.%s", layer, part)));
}

/* ---- nodes ---- */

Onnx__NodeProto *rf_onnx_put(rf_onnx_export *e, const char *part, const char *op, int inputs,
                             const char *const *input) {
    Onnx__NodeProto *node = rf_onnx_make(e, 1, sizeof *node);
    char **in = rf_onnx_make(e, (size_t)inputs, sizeof *in), **out = rf_onnx_make(e, 1, sizeof *out);
    const char *name = part_name(e, part);
    if (e->status != RF_OK) return NULL;
    onnx__node_proto__init(node);
    memcpy(in, input, (size_t)inputs * sizeof *in);
    node->op_type = (char *)op;
    node->name = out[0] = (char *)name;
    node->input = in;
    node->n_input = (size_t)inputs;
    node->output = out;
    node->n_output = 1;
    APPEND(e, e->graph.node, e->graph.n_node, node);
    return node;
}

const char *rf_onnx_output(const Onnx__NodeProto *node) {
    return node != NULL ? node->output[0] : NULL;
}

static Onnx__AttributeProto *put_attribute(rf_onnx_export *e, Onnx__NodeProto *node, const char *name,
                                           Onnx__AttributeProto__AttributeType type) {
    Onnx__AttributeProto *a = rf_onnx_make(e, 1, sizeof *a);
    if (a == NULL) return NULL;
    onnx__attribute_proto__init(a);
    a->name = (char *)name;
    a->has_type = 1;
    a->type = type;
    APPEND(e, node->attribute, node->n_attribute, a);
    return a;
}

void rf_onnx_put_int(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, int64_t value) {
    Onnx__AttributeProto *a = put_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a == NULL) return;
    a->has_i = 1;
    a->i = value;
}

void rf_onnx_put_float(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, double value) {
    Onnx__AttributeProto *a = put_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a == NULL) return;
    a->has_f = 1;
    a->f = (float)value;
}

void rf_onnx_put_text(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, const char *text) {
    Onnx__AttributeProto *a = put_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (a == NULL) return;
    a->has_s = 1;
    a->s = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

void rf_onnx_put_ints(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, int count,
                      const int64_t *values) {
    Onnx__AttributeProto *a = put_attribute(e, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *ints = rf_onnx_make(e, (size_t)count, sizeof *ints);
    if (ints == NULL) return;
    memcpy(ints, values, (size_t)count * sizeof *ints);
    a->ints = ints;
    a->n_ints = (size_t)count;
}

/* ---- constants ---- */

static Onnx__TensorProto *put_tensor(rf_onnx_export *e, const char *name, Onnx__TensorProto__DataType type,
                                     int rank) {
    Onnx__TensorProto *t = rf_onnx_make(e, 1, sizeof *t);
    int64_t *dims = rf_onnx_make(e, (size_t)RF_MAX(rank, 1), sizeof *dims);
    if (dims == NULL) return NULL;
    onnx__tensor_proto__init(t);
    t->name = (char *)name;
    t->has_data_type = 1;
    t->data_type = type;
    t->dims = dims;
    t->n_dims = (size_t)rank;
    APPEND(e, e->graph.initializer, e->graph.n_initializer, t);
    return t;
}

const char *rf_onnx_put_floats(rf_onnx_export *e, const char *part, int rank, const int64_t *dim,
                               const double *values) {
    const char *name = part_name(e, part);
    Onnx__TensorProto *t = put_tensor(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank);
    size_t count = 1;
    for (int i = 0; i < rank; i++) count *= (size_t)dim[i];
    float *floats = rf_onnx_make(e, count, sizeof *floats);
    if (floats == NULL) return NULL;
    for (int i = 0; i < rank; i++) t->dims[i] = dim[i];
    for (size_t i = 0; i < count; i++) floats[i] = (float)values[i];
    t->float_data = floats;
    t->n_float_data = count;
    return name;
}

/* No initialiser, so that readers do not take it for a parameter. */
const char *rf_onnx_put_number(rf_onnx_export *e, const char *part, double value) {
    Onnx__NodeProto *node = rf_onnx_put(e, part, "Constant", 0, (const char *const[]){NULL});
    rf_onnx_put_float(e, node, "value_float", value);
    return rf_onnx_output(node);
}

const char *rf_onnx_put_list(rf_onnx_export *e, const char *part, int count, const int64_t *values) {
    const char *name = part_name(e, part);
    Onnx__TensorProto *t = put_tensor(e, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 1);
    int64_t *ints = rf_onnx_make(e, (size_t)count, sizeof *ints);
    if (ints == NULL) return NULL;
    memcpy(ints, values, (size_t)count * sizeof *ints);
    t->dims[0] = count;
    t->int64_data = ints;
    t->n_int64_data = (size_t)count;
    return name;
}

/* The first initialisers.  Their values are the model's, in PyTorch's layout. */
void rf_onnx_put_parameters(rf_onnx_export *e) {
    for (int i = 0; i < e->model->parameter_count; i++) {
        const rf_parameter *p = &e->model->parameters[i];
        Onnx__TensorProto *t =
            put_tensor(e, rf_onnx_take_name(e, p->name), ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, p->spec.rank);
        if (t == NULL) return;
        for (int k = 0; k < p->spec.rank; k++) t->dims[k] = p->spec.dim[k];
        t->float_data = p->values;
        t->n_float_data = rf_param_count(&p->spec);
    }
}

/* A number of times the same, for a weight or bias that the op has not: computed, so that readers do not take it for a
 * parameter. */
const char *rf_onnx_put_filler(rf_onnx_export *e, const char *part, double value, int64_t count) {
    char number_part[32], count_part[32];
    snprintf(number_part, sizeof number_part, "%s_value", part);
    snprintf(count_part, sizeof count_part, "%s_count", part);
    const char *const inputs[] = {rf_onnx_put_number(e, number_part, value),
                                  rf_onnx_put_list(e, count_part, 1, &count)};
    return rf_onnx_output(rf_onnx_put(e, part, "Expand", 2, inputs));
}

/* Weights and biases that are not trained, of norms without them (affine=False). */
static bool is_filler(const rf_parameter *p) {
    const size_t count = rf_param_count(&p->spec);
    bool same = !p->is_state && p->fixed && p->spec.rank == 1 && (p->values[0] == 0 || p->values[0] == 1);
    for (size_t i = 1; i < count && same; i++) same = p->values[i] == p->values[0];
    return same;
}

void rf_onnx_drop_fillers(rf_onnx_export *e) {
    size_t kept = 0;
    for (size_t i = 0; i < e->graph.n_initializer; i++)
        if (i >= (size_t)e->model->parameter_count || !is_filler(&e->model->parameters[i]))
            e->graph.initializer[kept++] = e->graph.initializer[i];
    e->graph.n_initializer = kept;
}

/* ---- what a layer reads ---- */

static const rf_node *input_of(const rf_onnx_export *e, int i) {
    return &e->model->nodes[e->model->nodes[e->node].input[i]];
}

const char *rf_onnx_x(rf_onnx_export *e, int i) {
    return e->value[e->model->nodes[e->node].input[i]];
}

const char *rf_onnx_x_map(rf_onnx_export *e, int i) {
    if (!input_of(e, i)->shape.flat) return rf_onnx_x(e, i);
    const char *axes = rf_onnx_put_list(e, "axes", 2, (const int64_t[]){2, 3});
    const char *const inputs[] = {rf_onnx_x(e, i), axes};
    return rf_onnx_output(rf_onnx_put(e, "map", "Unsqueeze", 2, inputs));
}

const char *rf_onnx_x_flat(rf_onnx_export *e, int i) {
    const char *x = rf_onnx_x(e, i);
    return input_of(e, i)->shape.flat ? x : rf_onnx_output(rf_onnx_put(e, "flat", "Flatten", 1, &x));
}

/* It may have been read with ones in its shape, or without: a 1x1 convolution's as (out,in), a bias as (C,1,1). */
const char *rf_onnx_parameter(rf_onnx_export *e, int i) {
    const rf_parameter *p = &e->model->parameters[e->parameter + i];
    rf_param_spec specs[RF_MAX_PARAMS];
    rf_problem problem;
    int64_t dim[4];
    if (e->status != RF_OK) return NULL;
    const char *inputs[] = {e->graph.initializer[e->parameter + i]->name, NULL};
    if (p->is_state) return inputs[0];
    if (is_filler(p))
        return rf_onnx_put_filler(e, p->values[0] == 0 ? "zeros" : "ones", p->values[0],
                                  (int64_t)rf_param_count(&p->spec));
    rf_node_problem(&problem, e->model, e->node, 1);
    problem.attrs.linear = false; /* Conv takes (out,in,1,1) */
    problem.op->params(&problem, specs);
    const rf_param_spec *own = &specs[p->slot];
    if (own->rank == p->spec.rank) return inputs[0];
    for (int k = 0; k < own->rank; k++) dim[k] = own->dim[k];
    inputs[1] = rf_onnx_put_list(e, "shape", own->rank, dim);
    return rf_onnx_output(rf_onnx_put(e, "shaped", "Reshape", 2, inputs));
}
