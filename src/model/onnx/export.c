/* ONNX files that are written: a model's graph, layer by layer, and metadata. */
#include <stdlib.h>
#include <string.h>

#include "model/metadata.h"
#include "model/onnx/export.h"
#include "rangefinder/version.h"

enum { OPSET = 17, IR_VERSION = 8 };

/* ---- the graph ---- */

/* A batch of any size: (N,C,H,W), or (N,classes). */
static Onnx__ValueInfoProto *describe(rf_onnx_export *e, const char *name, int rank, const int *dims) {
    Onnx__ValueInfoProto *info = rf_onnx_make(e, 1, sizeof *info);
    Onnx__TypeProto *type = rf_onnx_make(e, 1, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = rf_onnx_make(e, 1, sizeof *tensor);
    Onnx__TensorShapeProto *shape = rf_onnx_make(e, 1, sizeof *shape);
    Onnx__TensorShapeProto__Dimension *dim = rf_onnx_make(e, (size_t)rank, sizeof *dim),
                                      **list = rf_onnx_make(e, (size_t)rank, sizeof *list);
    if (list == NULL) return NULL;
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    for (int i = 0; i < rank; i++) {
        list[i] = &dim[i];
        onnx__tensor_shape_proto__dimension__init(list[i]);
        dim[i].value_case = i == 0 ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                                   : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (i == 0)
            dim[i].dim_param = (char *)"batch";
        else
            dim[i].dim_value = dims[i - 1];
    }
    shape->dim = list;
    shape->n_dim = (size_t)rank;
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    info->name = (char *)name;
    info->type = type;
    return info;
}

/* (images - mean) / std */
static void put_normalisation(rf_onnx_export *e, const rf_export_options *o) {
    const int64_t dim[] = {1, e->model->images.channels, 1, 1};
    const char *inputs[] = {e->value[0], rf_onnx_put_floats(e, "mean", 4, dim, o->mean)};
    inputs[0] = rf_onnx_output(rf_onnx_put(e, "centred", "Sub", 2, inputs));
    inputs[1] = rf_onnx_put_floats(e, "std", 4, dim, o->std);
    e->value[0] = rf_onnx_output(rf_onnx_put(e, "normalised", "Div", 2, inputs));
}

static rf_status put_layers(rf_onnx_export *e) {
    const rf_model *model = e->model;
    for (e->node = 1; e->node < model->node_count; e->node++) {
        const char *op = model->nodes[e->node].op->name;
        e->parameter = rf_model_first_parameter(model, e->node);
        if ((e->writer = rf_onnx_writer_find(op)) == NULL)
            return rf_fail(RF_E_USAGE, "layer '%s': %s has no form in ONNX", model->nodes[e->node].name, op);
        e->value[e->node] = rf_onnx_output(e->writer->form(e));
    }
    return e->status;
}

/* The last layer's output, as (N,classes) and by a name that does not depend on the network. */
static void put_scores(rf_onnx_export *e, const char *name) {
    e->node = e->model->output;
    const rf_node *last = &e->model->nodes[e->node];
    const char *x = e->value[e->node];
    if (e->status != RF_OK) return;
    Onnx__NodeProto *node =
        last->shape.flat ? e->graph.node[e->graph.n_node - 1] : rf_onnx_put(e, "flat", "Flatten", 1, &x);
    if (node != NULL) node->output[0] = (char *)name;
}

static rf_status build(rf_onnx_export *e, const rf_export_options *o) {
    const rf_image_shape *images = &e->model->images;
    if ((e->value = rf_alloc((size_t)e->model->node_count, sizeof *e->value)) == NULL) return RF_E_MEMORY;
    onnx__graph_proto__init(&e->graph);
    rf_onnx_put_parameters(e);
    e->value[0] = rf_onnx_take_name(e, e->model->nodes[0].name);
    const char *scores = rf_onnx_take_name(e, "scores");
    Onnx__ValueInfoProto **ends = rf_onnx_make(e, 2, sizeof *ends);
    if (ends == NULL) return e->status;
    ends[0] = describe(e, e->value[0], 4, (const int[]){images->channels, images->height, images->width});
    ends[1] = describe(e, scores, 2, &images->classes);
    e->graph.input = &ends[0];
    e->graph.output = &ends[1];
    e->graph.n_input = e->graph.n_output = 1;
    if (o->normalize) put_normalisation(e, o);
    RF_TRY(put_layers(e));
    rf_onnx_drop_fillers(e);
    put_scores(e, scores);
    const char *slash = strrchr(e->model->name, '/'); /* of a model from a file it is the path */
    e->graph.name = (char *)(slash != NULL ? slash + 1 : e->model->name);
    return e->status;
}

/* ---- the file ---- */

static rf_status put_metadata(rf_onnx_export *e, Onnx__ModelProto *model, const rf_export_options *o) {
    rf_tensor_note notes[RF_MAX_METADATA];
    size_t count;
    const rf_status status = rf_metadata_make(notes, &count, e->model, o);
    Onnx__StringStringEntryProto *entry = rf_onnx_make(e, RF_MAX_METADATA, sizeof *entry),
                                 **list = rf_onnx_make(e, RF_MAX_METADATA, sizeof *list);
    for (size_t i = 0; i < count; i++) notes[i].text = rf_onnx_own(e, notes[i].text);
    RF_TRY(status);
    if (e->status != RF_OK) return e->status;
    for (size_t i = 0; i < count; i++) {
        list[i] = &entry[i];
        onnx__string_string_entry_proto__init(list[i]);
        entry[i].key = notes[i].name;
        entry[i].value = notes[i].text;
    }
    model->metadata_props = list;
    model->n_metadata_props = count;
    return RF_OK;
}

typedef struct stream_buffer {
    ProtobufCBuffer base;
    FILE *stream;
} stream_buffer;

static void write_bytes(ProtobufCBuffer *buffer, size_t length, const uint8_t *bytes) {
    fwrite(bytes, 1, length, ((stream_buffer *)buffer)->stream); /* the commit looks at the stream's errors */
}

static rf_status write_file(rf_onnx_export *e, const char *path, const rf_export_options *o) {
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
    rf_outfile *file;
    opset.domain = (char *)"";
    opset.has_version = model.has_ir_version = 1;
    opset.version = OPSET;
    model.ir_version = IR_VERSION;
    model.opset_import = &opsets;
    model.n_opset_import = 1;
    model.producer_name = (char *)"rangefinder";
    model.producer_version = (char *)rf_version();
    model.graph = &e->graph;
    RF_TRY(put_metadata(e, &model, o));
    const size_t bytes = onnx__model_proto__get_packed_size(&model);
    if (bytes > INT32_MAX)
        return rf_fail(
            RF_E_SHAPE,
            "%s: the network takes %zu bytes, and an ONNX file holds %d at most: export --safetensors", path,
            bytes, INT32_MAX);
    RF_TRY(rf_outfile_open(&file, path));
    stream_buffer buffer = {{write_bytes}, rf_outfile_stream(file)};
    onnx__model_proto__pack_to_buffer(&model, &buffer.base);
    return rf_outfile_commit_durable(file);
}

rf_status rf_model_save_onnx_sized(const rf_model *model, const char *path, const rf_export_options *options,
                                   size_t size) {
    rf_onnx_export e = {.model = model};
    rf_export_options o;
    RF_TRY(rf_desc_copy(&o, sizeof o, options, size));
    if (!model->finished)
        return rf_fail(RF_E_USAGE, "%s: the network '%s' is not finished", path, model->name);
    if (o.normalize && (o.mean == NULL || o.std == NULL))
        return rf_fail(RF_E_USAGE, "%s: to normalise images mean and std must be known", path);
    rf_status status = build(&e, &o);
    if (status == RF_OK) status = write_file(&e, path, &o);
    rf_onnx_export_release(&e);
    return status;
}
