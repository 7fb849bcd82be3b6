/* From an ONNX graph to a model: node by node in the file's order, each by the handler of its op (*_ops.c). */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/onnx/graph.h"
#include "model/onnx/onnx.h"

enum { MAX_NODES = 1000000 };

/* ---- the graph ---- */

static rf_onnx_value *add_value(rf_onnx_build *build, const char *name) {
    if (rf_names_add(&build->names, name, build->value_count) != RF_OK) return NULL;
    return &build->values[build->value_count++];
}

/* All values have their place from here on: initialisers, inputs, and what nodes make. */
static rf_status add_constants(rf_onnx_build *build) {
    const Onnx__GraphProto *graph = build->file.graph;
    size_t count = graph->n_initializer + graph->n_input;
    for (size_t i = 0; i < graph->n_node; i++) count += graph->node[i]->n_output;
    if (graph->n_node > MAX_NODES || count > 8 * (size_t)MAX_NODES)
        return rf_fail(RF_E_INPUT, "%zu nodes; %d are the most", graph->n_node, MAX_NODES);
    if ((build->values = rf_alloc(count, sizeof *build->values)) == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const char *name = rf_onnx_text(graph->initializer[i]->name);
        rf_onnx_tensor tensor = {NULL};
        if (rf_onnx_find(build, name) != NULL || *name == '\0')
            return rf_fail(RF_E_INPUT, "two initialisers are named '%.100s', or one has no name", name);
        rf_onnx_value *value = add_value(build, name);
        if (value == NULL) return RF_E_MEMORY;
        value->form = RF_ONNX_CONSTANT;
        RF_TRY(rf_onnx_tensor_describe(&tensor, &build->file, graph->initializer[i]));
        tensor.name = name;
        RF_TRY(rf_onnx_tensor_add(build, &tensor, &value->constant));
    }
    return RF_OK;
}

/* A dimension that the file fixes; 0: it leaves it open. */
static int64_t fixed(const Onnx__TensorShapeProto *shape, size_t at) {
    const Onnx__TensorShapeProto__Dimension *d = shape->dim[at];
    return d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0 &&
                   d->dim_value <= 1 << 20
               ? d->dim_value
               : 0;
}

/* What it is taken for where neither the file nor the caller says: what torchvision's networks are. */
enum { OPEN_CHANNELS = 3, OPEN_SIZE = 224 };

/* (N,H,W,C), as Keras has it, rather than (N,C,H,W).  wanted: the data's channels; 0: not known. */
static bool has_channels_last(const Onnx__TensorShapeProto *shape, int wanted) {
    const int64_t first = fixed(shape, 1), last = fixed(shape, 3);
    if (wanted > 0 && (first == wanted || last == wanted)) return first != wanted;
    return first != 1 && first != 3 && (last == 1 || last == 3);
}

static rf_status check_images(rf_onnx_build *build, const Onnx__ValueInfoProto *input) {
    const Onnx__TypeProto__Tensor *type =
        input->type != NULL && input->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
            ? input->type->tensor_type
            : NULL;
    const Onnx__TensorShapeProto *shape = type != NULL ? type->shape : NULL;
    const char *name = rf_onnx_text(input->name);
    if (shape == NULL || shape->n_dim != 4)
        return rf_fail(RF_E_INPUT, "its input '%.100s' is no batch of images, (N,C,H,W)", name);
    if (!rf_onnx_is_real(type->elem_type))
        return rf_fail(RF_E_INPUT, "its input '%.100s' is of type %s: export the network in float32", name,
                       rf_onnx_type_name(type->elem_type));
    rf_image_shape *images = &build->images;
    build->channels_last = has_channels_last(shape, images->channels);
    const size_t height = build->channels_last ? 1 : 2;
    const int64_t channels = fixed(shape, build->channels_last ? 3 : 1);
    build->batch = RF_MAX(fixed(shape, 0), 1);
    build->input_height = (int)fixed(shape, height);
    build->input_width = (int)fixed(shape, height + 1);
    if (images->channels == 0) images->channels = channels > 0 ? (int)channels : OPEN_CHANNELS;
    if (images->height == 0) images->height = build->input_height > 0 ? build->input_height : OPEN_SIZE;
    if (images->width == 0) images->width = build->input_width > 0 ? build->input_width : OPEN_SIZE;
    if (channels == 0 || channels == build->images.channels) return RF_OK;
    return rf_fail(RF_E_SHAPE, "its input '%.100s' has %lld channels, and the images have %d%s", name,
                   (long long)channels, build->images.channels,
                   channels == 1 || channels == 3 ? ": read them with --channels" : "");
}

static rf_status add_input(rf_onnx_build *build) {
    const Onnx__GraphProto *graph = build->file.graph;
    const char *first = NULL;
    for (size_t i = 0; i < graph->n_input; i++) {
        const char *name = rf_onnx_text(graph->input[i]->name);
        if (rf_onnx_find(build, name) != NULL) continue; /* an initialiser, as in old files */
        if (first != NULL)
            return rf_fail(RF_E_INPUT,
                           "it has several inputs, '%.100s' and '%.100s': one batch of images is what is "
                           "read",
                           first, name);
        RF_TRY(check_images(build, graph->input[i]));
        first = name;
    }
    if (first == NULL || *first == '\0') return rf_fail(RF_E_INPUT, "it has no input");
    rf_onnx_value *value = add_value(build, first);
    if (value == NULL) return RF_E_MEMORY;
    value->form = RF_ONNX_MAP;
    value->rank = 4;
    value->channels_last = build->channels_last;
    return RF_OK;
}

/* Names what nodes make; then finds the nodes that the first output needs, the last first. */
static rf_status find_needed(bool *needed, rf_onnx_build *build) {
    const Onnx__GraphProto *graph = build->file.graph;
    const int before = build->value_count;
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_output; k++) {
            const char *name = rf_onnx_text(graph->node[i]->output[k]);
            if (*name == '\0') continue;
            if (rf_onnx_find(build, name) != NULL)
                return rf_fail(RF_E_INPUT, "node '%.100s': a value named '%.100s' is there already",
                               rf_onnx_node_name(graph->node[i]), name);
            if (add_value(build, name) == NULL) return RF_E_MEMORY;
        }
    if (graph->n_output == 0) return rf_fail(RF_E_INPUT, "it has no output");
    rf_onnx_value *output = rf_onnx_find(build, graph->output[0]->name);
    if (output == NULL || output - build->values < before)
        return rf_fail(RF_E_INPUT, "no node makes its output '%.100s'", rf_onnx_text(graph->output[0]->name));
    output->readers++;
    for (size_t i = graph->n_node; i-- > 0;) {
        const Onnx__NodeProto *node = graph->node[i];
        for (size_t k = 0; k < node->n_output && !needed[i]; k++) {
            const rf_onnx_value *value = rf_onnx_find(build, node->output[k]);
            needed[i] = value != NULL && value->readers > 0;
        }
        for (size_t k = 0; k < node->n_input && needed[i]; k++) {
            rf_onnx_value *value = rf_onnx_find(build, node->input[k]);
            if (value != NULL) value->readers++;
        }
    }
    return RF_OK;
}

/* Attributes that the handler does not know may change what the node means. */
static rf_status check_attributes(const rf_onnx_call *call) {
    for (size_t i = 0; call->op->attributes != NULL && i < call->node->n_attribute; i++) {
        char word[64];
        const char *name = rf_onnx_text(call->node->attribute[i]->name);
        snprintf(word, sizeof word, " %s ", name);
        if (strstr(call->op->attributes, word) == NULL)
            return rf_fail(RF_E_INPUT, "attribute '%.60s' is not among those taken", name);
    }
    return RF_OK;
}

/* What comes of a sum of a parameter's numbers is one, however it is moved about: the first input is, or all are put together. */
static void follow_reductions(const rf_onnx_call *call) {
    const size_t inputs = strcmp(call->op->name, "Concat") == 0 ? call->node->n_input : 1;
    for (size_t i = 0; i < RF_MIN(inputs, call->node->n_input); i++) {
        const rf_onnx_tensor *from = rf_onnx_constant_in(call, i);
        if (from != NULL && from->reduced && from != call->out.constant &&
            !rf_onnx_is_integer(call->out.constant->type))
            rf_onnx_add_origins(call->out.constant, from);
    }
}

static rf_status read_node(rf_onnx_call *call) {
    const Onnx__NodeProto *node = call->node;
    bool constant = true;
    for (size_t i = 0; i < node->n_input; i++) {
        const char *name = rf_onnx_text(node->input[i]);
        const rf_onnx_value *value = rf_onnx_find(call->build, name);
        if (*name != '\0' && (value == NULL || value->form == RF_ONNX_UNKNOWN))
            return rf_fail(RF_E_INPUT, "its input '%.100s' %s", name,
                           value == NULL
                               ? "is missing: no node makes it"
                               : "is made by a later node, by itself, or is an output that is not read");
        constant &= value == NULL || value->form == RF_ONNX_CONSTANT;
    }
    for (size_t i = 0; i < call->op->inputs; i++)
        if (rf_onnx_in(call, i) == NULL) return rf_fail(RF_E_INPUT, "input %zu is missing", i + 1);
    RF_TRY(check_attributes(call));
    if (constant && call->op->fold != NULL) {
        RF_TRY(call->op->fold(call));
        follow_reductions(call);
        return RF_OK;
    }
    if (call->op->lower == NULL)
        return rf_fail(RF_E_INPUT, "%s is taken for constants only, not for what depends on the images",
                       call->op->name);
    return call->op->lower(call);
}

/* Of what has been computed, numbers are let go that nothing reads any more. */
static void release_inputs(const rf_onnx_call *call) {
    for (size_t i = 0; i < call->node->n_input; i++) {
        rf_onnx_value *x = rf_onnx_in(call, i);
        if (x == NULL || x->form != RF_ONNX_CONSTANT || ++x->folded < x->readers) continue;
        rf_onnx_drop(call->build, x->constant);
    }
}

static rf_status find_op(const rf_onnx_op **op, const Onnx__NodeProto *node) {
    const char *domain = rf_onnx_text(node->domain), *name = rf_onnx_text(node->op_type);
    const bool standard = rf_onnx_is_standard(domain);
    *op = standard ? rf_onnx_op_find(name) : NULL;
    if (*op != NULL && (*op)->advice == NULL) return RF_OK;
    return rf_fail(RF_E_INPUT, "op %s%s%.60s is not among those taken; %s", domain, standard ? "" : ".", name,
                   *op != NULL ? (*op)->advice : "docs/onnx.md lists them");
}

/* Names the node in the message; and the images' size, where that is likely the reason. */
static rf_status fail_at(rf_status status, const rf_onnx_build *build, const Onnx__NodeProto *node) {
    rf_fail_prefix(status, "node '%.150s'", rf_onnx_node_name(node));
    if (status != RF_E_SHAPE || build->input_height == 0 || build->input_width == 0 ||
        (build->input_height == build->images.height && build->input_width == build->images.width))
        return status;
    return rf_fail(status, "%s; it was exported for images of %dx%d: --image-size %dx%d", rf_error_message(),
                   build->input_height, build->input_width, build->input_height, build->input_width);
}

static rf_status read_nodes(rf_onnx_build *build, const bool *needed) {
    const Onnx__GraphProto *graph = build->file.graph;
    for (size_t i = 0; i < graph->n_node; i++) {
        rf_onnx_call call = {.build = build, .node = graph->node[i]};
        if (!needed[i]) continue;
        rf_status status = find_op(&call.op, call.node);
        if (status == RF_OK && (status = read_node(&call)) != RF_OK)
            rf_fail_prefix(status, "%s", call.op->name);
        if (status != RF_OK) return fail_at(status, build, call.node);
        rf_onnx_value *out = rf_onnx_find(build, call.node->output[0]);
        if (out == NULL)
            return fail_at(rf_fail(RF_E_INPUT, "its first output has no name"), build, call.node);
        call.out.readers = out->readers; /* its own, also where an input is handed on */
        call.out.folded = 0;
        if (call.out.producer == NULL) call.out.producer = call.node;
        *out = call.out;
        if (out->constant != NULL) out->constant->holders++;
        if (out->form == RF_ONNX_CONSTANT) release_inputs(&call);
    }
    return RF_OK;
}

/* ---- the model ---- */

static rf_status end_with_scores(rf_onnx_build *build) {
    const Onnx__GraphProto *graph = build->file.graph;
    rf_onnx_value *output = rf_onnx_find(build, graph->output[0]->name);
    build->ends_in_softmax = output->form == RF_ONNX_SCORES && output->factor == 1;
    if (output->form == RF_ONNX_SCORES) output->form = RF_ONNX_MAP; /* the loss has a softmax of its own */
    rf_onnx_call call = {.build = build, .node = output->producer};
    if (output->form == RF_ONNX_UNKNOWN) return rf_fail(RF_E_INPUT, "no node makes its output");
    RF_TRY(rf_onnx_force(&call, output));
    if (output->layer != build->model->node_count - 1)
        return rf_fail(RF_E_INPUT, "its output '%.100s' is not the last layer",
                       rf_onnx_text(graph->output[0]->name));
    rf_image_shape *images = &build->model->images;
    const rf_shape scores = build->model->nodes[output->layer].shape;
    const size_t classes = rf_shape_count(scores);
    if (scores.h * scores.w == 1 && classes < (size_t)images->classes)
        return rf_fail(RF_E_SHAPE, "it ends in %zu scores, and the data have %d classes: --new-head", classes,
                       images->classes);
    if (scores.h * scores.w == 1 && classes <= INT_MAX) images->classes = (int)classes;
    return RF_OK;
}

static rf_status fill_parameters(const rf_onnx_build *build) {
    for (size_t i = 0; i < build->filling_count; i++) {
        const rf_onnx_filling *f = &build->fillings[i];
        rf_parameter *p = &build->model->parameters[f->parameter];
        float *values = p->values, *copy = f->transposed ? rf_alloc(f->tensor->count, sizeof *copy) : NULL;
        if (f->transposed && copy == NULL) return RF_E_MEMORY;
        const rf_status status =
            rf_onnx_tensor_read(NULL, copy != NULL ? copy : values, &build->file, f->tensor);
        const size_t rows = (size_t)p->spec.dim[0], columns = f->tensor->count / RF_MAX(rows, 1);
        for (size_t at = 0; copy != NULL && status == RF_OK && at < f->tensor->count; at++)
            values[at] = copy[at % columns * rows + at / columns];
        free(copy);
        RF_TRY(status);
        for (size_t at = 0; at < f->tensor->count; at++)
            if (!isfinite(values[at]))
                return rf_fail(RF_E_INPUT, "parameter '%.100s' holds NaN or infinities", p->name);
    }
    return RF_OK;
}

#define FOLDED                                                                                               \
    "the exporter folded %d batch norm%s into what is before them, which will train otherwise than your "    \
    "network"
#define UNFOLDED "; export with torch.onnx.export(model.train(), ..., dynamo=True, optimize=False)"

#define COMPUTED                                                                                             \
    "%d parameter%s computed in the network, the first from '%s' (a mask, a factor): what comes out is "     \
    "trained in its place, which is otherwise than in your network"

#define BLURS                                                                                                \
    "%d convolution%s by one filter, the same for all channels, as anti-aliased networks do: not trained"

#define NORMALISES                                                                                           \
    "it normalises its images itself, by constants that are not trained: it gets pixels from 0 to %d, "      \
    "unless --mean and --std say otherwise"

#define SOFTMAX "its last Softmax is taken for the loss's, cross entropy of the scores before it"
#define SOFTMAX_TWICE                                                                                        \
    "; CrossEntropyLoss behind a Softmax, as PyTorch would compute, trains slower and otherwise"

static bool is_by_pytorch(const rf_onnx_build *build) {
    return strstr(rf_onnx_text(build->file.model->producer_name), "pytorch") != NULL;
}

/* What a user should know of how the file was read. */
static rf_status note(const rf_onnx_build *build) {
    rf_str text = {0};
    if (build->norms_folded > 0)
        rf_str_addf(&text, FOLDED "%s", build->norms_folded, build->norms_folded == 1 ? "" : "s",
                    is_by_pytorch(build) ? UNFOLDED : "");
    if (build->computed > 0)
        rf_str_addf(&text, "%s" COMPUTED, text.length > 0 ? "; " : "", build->computed,
                    build->computed == 1 ? " is" : "s are", build->computed_from);
    if (build->blurs > 0)
        rf_str_addf(&text, "%s" BLURS, text.length > 0 ? "; " : "", build->blurs,
                    build->blurs == 1 ? " smooths" : "s smooth");
    if (build->model->normalises > 0)
        rf_str_addf(&text, "%s" NORMALISES, text.length > 0 ? "; " : "", build->model->normalises);
    if (build->ends_in_softmax)
        rf_str_addf(&text, "%s" SOFTMAX "%s", text.length > 0 ? "; " : "",
                    is_by_pytorch(build) ? SOFTMAX_TWICE : "");
    if (build->file.graph->n_output > 1)
        rf_str_addf(&text, "%sof the file's %zu outputs the first is taken", text.length > 0 ? "; " : "",
                    build->file.graph->n_output);
    const rf_status status = rf_str_status(&text);
    build->model->note = text.data; /* NULL: none */
    return status;
}

static rf_status build_model(rf_onnx_build *build, uint64_t seed) {
    bool *needed = NULL;
    RF_TRY(add_constants(build));
    RF_TRY(add_input(build));
    RF_TRY(rf_model_begin(&build->model, build->file.path, build->images));
    if ((needed = rf_alloc(build->file.graph->n_node, sizeof *needed)) == NULL) return RF_E_MEMORY;
    rf_status status = find_needed(needed, build);
    if (status == RF_OK) status = read_nodes(build, needed);
    free(needed);
    RF_TRY(status);
    RF_TRY(end_with_scores(build));
    RF_TRY(rf_model_finish(build->model, seed));
    RF_TRY(fill_parameters(build));
    return note(build);
}

static void release(rf_onnx_build *build) {
    for (size_t i = 0; i < build->tensor_count; i++) {
        free(build->tensors[i]->values);
        free(build->tensors[i]);
    }
    free(build->tensors);
    free(build->values);
    free(build->fillings);
    rf_names_free(&build->names);
    rf_names_free(&build->used);
    rf_model_free(build->model);
    rf_onnx_close(&build->file);
}

/* The message holds names of the file. */
static rf_status fail_printably(rf_status status, const rf_onnx_build *build) {
    char *text = rf_printable(rf_error_message());
    if (text == NULL) return RF_E_MEMORY;
    rf_fail(status, "%s: %s", build->file.path, text);
    free(text);
    return status;
}

static rf_status open_and_build(rf_onnx_build *build, const char *path, rf_image_shape images, uint64_t seed,
                                bool probes) {
    *build = (rf_onnx_build){.images = images, .probes = probes};
    RF_TRY(rf_onnx_open(&build->file, path));
    return build_model(build, seed);
}

rf_status rf_onnx_create(rf_model **out, const char *path, rf_image_shape images, uint64_t seed) {
    rf_onnx_build build;
    *out = NULL;
    rf_status status = open_and_build(&build, path, images, seed, true);
    if (build.found < build.probed) { /* what was computed so is something else */
        release(&build);
        status = open_and_build(&build, path, images, seed, false);
    }
    if (status == RF_OK) {
        *out = build.model;
        build.model = NULL;
    } else if (status != RF_E_MEMORY && status != RF_E_IO)
        fail_printably(status, &build);
    release(&build);
    return status;
}
