/* Layers of the model, with parameters from the file. */
#include <stdlib.h>
#include <string.h>

#include "model/onnx/graph.h"

/* "layer1.0.conv1" for the initialiser "layer1.0.conv1.weight"; else the node's name. */
static void name_layer(char name[RF_MAX_NAME + 1], const rf_onnx_call *call, const rf_onnx_tensor *first) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-",
                      ending[] = ".weight";
    const char *from = rf_onnx_text(call->node->name);
    size_t length = strlen(from), ends = sizeof ending - 1, used = 0;
    if (first != NULL && first->name != NULL && strlen(first->name) > ends &&
        strcmp(first->name + strlen(first->name) - ends, ending) == 0) {
        from = first->name;
        length = strlen(from) - ends;
    }
    if (*from == '/') from++, length--;
    if (length == 0) {
        from = rf_onnx_text(call->node->op_type);
        length = strlen(from);
    }
    for (; used < length && used < RF_MAX_NAME - 12; used++)
        name[used] = from[used] == '/' ? '.' : strchr(allowed, from[used]) != NULL ? from[used] : '_';
    name[used] = '\0';
    for (int number = call->build->model->node_count;
         rf_model_find_node(call->build->model, name, strlen(name)) >= 0;)
        snprintf(name + used, RF_MAX_NAME + 1 - used, "_%d", number++);
}

/* The parameter takes the tensor's numbers, and the initialiser's name. */
static rf_status fill(rf_onnx_call *call, int parameter, rf_onnx_tensor *tensor, bool transposed) {
    rf_onnx_build *build = call->build;
    rf_parameter *p = &build->model->parameters[parameter];
    const rf_param_spec *spec = &p->spec;
    bool fits = tensor->count == rf_param_count(spec);
    for (int i = 0; i < tensor->rank && tensor->rank == spec->rank; i++)
        fits &= tensor->dim[i] == spec->dim[transposed ? 1 - i : i];
    if (!fits)
        return rf_fail(RF_E_SHAPE,
                       "its %s '%.100s' has %zu numbers, or another order of them, than the layer's %zu",
                       *spec->name != '\0' ? spec->name : "parameter", rf_onnx_text(tensor->name),
                       tensor->count, rf_param_count(spec));
    if (tensor->reduced)
        return rf_fail(
            RF_E_INPUT,
            "its %s is computed from '%.100s': of that only standardisation is taken, not weight norm "
            "or spectral norm; remove them before exporting",
            spec->name, tensor->origin[0]);
    if (tensor->origin[0] != NULL && build->computed++ == 0) build->computed_from = tensor->origin[0];
    /* As it is in the file: (C,1,1), not (C); (out,in), not (out,in,1,1). */
    const Onnx__TensorProto *proto = tensor->proto;
    const int rank = proto != NULL ? (int)proto->n_dims : tensor->rank;
    for (int k = 0; k < rank && rank < (int)RF_COUNT(spec->dim); k++) {
        p->spec.rank = rank;
        p->spec.dim[k] =
            (int)(proto != NULL ? proto->dims[transposed ? 1 - k : k] : tensor->dim[transposed ? 1 - k : k]);
    }
    if (tensor->name != NULL) {
        if (rf_names_find(&build->used, tensor->name, strlen(tensor->name)) >= 0)
            return rf_fail(RF_E_INPUT, "'%.100s' is two of its parameters", tensor->name);
        RF_TRY(rf_names_add(&build->used, tensor->name, p->node));
        char *name = rf_strdup(tensor->name);
        if (name == NULL) return RF_E_MEMORY;
        free(p->name);
        p->name = name;
    }
    if (build->filling_count == build->filling_capacity) {
        const size_t capacity = RF_MAX(64, build->filling_capacity * 2);
        rf_onnx_filling *more = rf_resize(build->fillings, capacity, sizeof *more);
        if (more == NULL) return RF_E_MEMORY;
        build->fillings = more;
        build->filling_capacity = capacity;
    }
    tensor->holders++;
    build->fillings[build->filling_count++] = (rf_onnx_filling){parameter, tensor, transposed};
    return RF_OK;
}

/* The layer whose parameters these tensors are already; 0: none.  Errors: some of them are, or of another kind of layer. */
static rf_status find_owner(int *owner, const rf_onnx_call *call, const rf_onnx_layer *layer, int count) {
    const rf_onnx_build *build = call->build;
    int given = 0, known = 0;
    *owner = 0;
    for (int i = 0; i < count; i++) {
        const char *name = layer->param[i] != NULL ? layer->param[i]->name : NULL;
        const int node = name != NULL ? rf_names_find(&build->used, name, strlen(name)) : -1;
        given += layer->param[i] != NULL;
        if (node < 0) continue;
        known++;
        if (*owner == 0) *owner = node;
        if (node != *owner)
            return rf_fail(RF_E_INPUT, "'%.100s' belongs to layer '%.100s', another parameter to '%.100s'",
                           name, build->model->nodes[node].name, build->model->nodes[*owner].name);
    }
    if (known == 0 || known == given) return RF_OK;
    return rf_fail(RF_E_INPUT, "it shares some of its parameters with layer '%.100s', and not all of them",
                   build->model->nodes[*owner].name);
}

rf_status rf_onnx_layer_add(rf_onnx_call *call, const rf_onnx_layer *layer, const rf_onnx_value *x) {
    rf_model *model = call->build->model;
    char name[RF_MAX_NAME + 1];
    const int first = model->parameter_count;
    int owner;
    RF_TRY(rf_attrs_check(&layer->attrs, layer->op));
    name_layer(name, call, layer->param[0]);
    RF_TRY(rf_model_add_node(model, layer->op, name, &layer->attrs, layer->inputs, layer->input));
    RF_TRY(find_owner(&owner, call, layer, model->parameter_count - first));
    if (owner > 0) RF_TRY(rf_model_share_weights(model, owner));
    for (int i = first; i < model->parameter_count; i++)
        if (layer->param[i - first] != NULL)
            RF_TRY(fill(call, i, layer->param[i - first], layer->transposed && i == first));
    call->out = (rf_onnx_value){.form = RF_ONNX_MAP,
                                .layer = model->node_count - 1,
                                .rank = x->rank,
                                .channels_last = x->channels_last};
    return RF_OK;
}

rf_status rf_onnx_pass(rf_onnx_call *call, const rf_onnx_value *x) {
    call->out = *x;
    return RF_OK;
}

/* A layer of one input. */
rf_status rf_onnx_layer_of(rf_onnx_call *call, const char *op, const rf_onnx_value *x,
                           const rf_attrs *attrs) {
    rf_onnx_layer layer = {.op = rf_op_find(op), .inputs = 1, .input = {x->layer}};
    if (attrs != NULL)
        layer.attrs = *attrs;
    else
        rf_attrs_default(&layer.attrs, layer.op);
    return rf_onnx_layer_add(call, &layer, x);
}

rf_status rf_onnx_then(rf_onnx_call *call, const char *op, const rf_attrs *attrs) {
    const rf_onnx_value x = call->out;
    return rf_onnx_layer_of(call, op, &x, attrs);
}

rf_status rf_onnx_square(rf_onnx_call *call, const rf_onnx_value *x) {
    const rf_onnx_layer layer = {.op = rf_op_find("multiply"), .inputs = 2, .input = {x->layer, x->layer}};
    return rf_onnx_layer_add(call, &layer, x);
}

rf_status rf_onnx_plus(rf_onnx_call *call, const rf_onnx_value *x) {
    const rf_onnx_layer layer = {.op = rf_op_find("add"), .inputs = 2, .input = {x->layer, call->out.layer}};
    return rf_onnx_layer_add(call, &layer, x);
}

/* call->out and x, so many times each, one behind the other. */
static rf_status put_together(rf_onnx_call *call, const rf_onnx_value *x, int whole, int rest) {
    rf_onnx_layer layer = {.op = rf_op_find("concat")};
    while (layer.inputs < whole) layer.input[layer.inputs++] = call->out.layer;
    while (layer.inputs < whole + rest) layer.input[layer.inputs++] = x->layer;
    return layer.inputs < 2 ? RF_OK : rf_onnx_layer_add(call, &layer, x);
}

rf_status rf_onnx_repeat(rf_onnx_call *call, const rf_onnx_value *x, int64_t times) {
    if (times < 1 || times > 1 << 16)
        return rf_fail(RF_E_INPUT, "channels %lld times; up to %d times is what is taken", (long long)times,
                       1 << 16);
    if (times <= RF_MAX_INPUTS) {
        RF_TRY(rf_onnx_pass(call, x));
        return put_together(call, x, (int)times, 0);
    }
    RF_TRY(rf_onnx_repeat(call, x, times / RF_MAX_INPUTS));
    RF_TRY(put_together(call, x, RF_MAX_INPUTS, 0));
    return put_together(call, x, 1, (int)(times % RF_MAX_INPUTS));
}

/* A form of x that waits for the next op. */
rf_status rf_onnx_wait(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_form form, double factor) {
    call->out = (rf_onnx_value){.form = form,
                                .layer = x->layer,
                                .rank = x->rank,
                                .channels_last = x->channels_last,
                                .factor = factor,
                                .producer = call->node};
    return RF_OK;
}

/* TensorFlow's names end in ":0", and its exporter names what it computes.  A single number is not learned there, but a number a
 * channel may be computed from what is. */
static bool is_tensorflow_number(const rf_onnx_tensor *constant) {
    const size_t length = strlen(constant->name);
    return constant->rank == 0 && length > 2 && strcmp(constant->name + length - 2, ":0") == 0;
}

bool rf_onnx_is_learned(const rf_onnx_tensor *constant) {
    static const char *const made[] = {"val_", "scalar_tensor", "_tensor_constant", "const_fold"};
    if (constant->name == NULL || is_tensorflow_number(constant)) return false;
    if (strncmp(constant->name, "const_fold_opt_", 15) == 0 && constant->count > 1) return true;
    for (size_t i = 0; i < RF_COUNT(made); i++)
        if (strncmp(constant->name, made[i], strlen(made[i])) == 0) return false;
    return true;
}

static void add_origin(rf_onnx_tensor *to, const char *name) {
    size_t i = 0;
    while (i < RF_COUNT(to->origin) && to->origin[i] != NULL && strcmp(to->origin[i], name) != 0) i++;
    if (i < RF_COUNT(to->origin)) to->origin[i] = name;
}

void rf_onnx_add_origins(rf_onnx_tensor *to, const rf_onnx_tensor *from) {
    to->reduced |= from->reduced;
    to->probed |= from->probed;
    if (rf_onnx_is_learned(from) && !rf_onnx_is_integer(from->type)) {
        add_origin(to, from->name);
        return;
    }
    for (size_t i = 0; i < RF_COUNT(from->origin) && from->origin[i] != NULL; i++)
        add_origin(to, from->origin[i]);
}
