/* Models: nodes with their shapes, edges, and named parameters with PyTorch's names and default
 * initialisation. Text, files and the built-in models are in src/model. */
#include "graph/model.h"

#include <stdlib.h>
#include <string.h>

rf_status rf_model_begin(rf_model **out, const char *name, rf_image_shape images) {
    *out = NULL;
    const int limit = 1 << 16;
    if (images.channels < 1 || images.height < 1 || images.width < 1 || images.channels > limit ||
        images.height > limit || images.width > limit ||
        (double)images.channels * images.height * images.width > RF_MAX_NUMBERS)
        return rf_fail(RF_E_SHAPE,
                       "images of %dx%dx%d (channels, height, width): each must be 1 to %d, and all together "
                       "at most %d numbers",
                       images.channels, images.height, images.width, limit, RF_MAX_NUMBERS);
    if (images.classes < 1)
        return rf_fail(RF_E_SHAPE, "%d classes: there must be at least 1", images.classes);
    rf_model *model = rf_alloc(1, sizeof *model);
    if (!model) return RF_E_MEMORY;
    model->images = images;
    model->node_capacity = 16;
    model->name = rf_strdup(name ? name : "network");
    model->nodes = rf_alloc((size_t)model->node_capacity, sizeof *model->nodes);
    char *first = rf_strdup("images");
    if (!model->name || !model->nodes || !first || rf_names_add(&model->names, first, 0) != RF_OK) {
        free(first);
        rf_model_free(model);
        return RF_E_MEMORY;
    }
    model->nodes[0] = (rf_node){
        .name = first, .shape = {.n = 1, .c = images.channels, .h = images.height, .w = images.width}};
    model->node_count = 1;
    *out = model;
    return RF_OK;
}

void rf_parameter_drop_values(rf_parameter *parameter) {
    free(parameter->values);
    parameter->values = NULL;
}

void rf_model_free(rf_model *model) {
    if (!model) return;
    for (int i = 0; i < model->node_count; i++) free(model->nodes[i].name);
    for (int i = 0; i < model->parameter_count; i++) {
        rf_parameter_drop_values(&model->parameters[i]);
        free(model->parameters[i].name);
    }
    rf_names_free(&model->names);
    free(model->nodes);
    free(model->parameters);
    free(model->name);
    free(model->note);
    free(model);
}

/* ---- adding ---- */

static rf_status check_name(const rf_model *model, const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const size_t length = strlen(name), valid = strspn(name, allowed);
    if (length == 0 || length > RF_MAX_NAME)
        return rf_fail(RF_E_INPUT, "a layer's name must have 1 to %d characters, this one has %zu",
                       RF_MAX_NAME, length);
    if (valid != length)
        return rf_fail(RF_E_INPUT, "layer name '%s': only letters, digits and _ . - may stand in it", name);
    const int twin = rf_model_find_node(model, name, length);
    if (twin < 0) return RF_OK;
    if (model->nodes[twin].line > 0)
        return rf_fail(RF_E_INPUT, "two layers are named '%s': the first is in line %d", name,
                       model->nodes[twin].line);
    return rf_fail(RF_E_INPUT, "two layers are named '%s'", name);
}

static rf_status check_inputs(const rf_model *model, const rf_op *op, const char *name, int inputs,
                              const int *input) {
    if (inputs < op->inputs_min || inputs > op->inputs_max) {
        char range[32];
        if (op->inputs_min == op->inputs_max)
            snprintf(range, sizeof range, "%d", op->inputs_min);
        else
            snprintf(range, sizeof range, "%d to %d", op->inputs_min, op->inputs_max);
        return rf_fail(RF_E_INPUT, "layer '%s': %s reads %s layer%s, not %d", name, op->name, range,
                       op->inputs_max == 1 ? "" : "s", inputs);
    }
    for (int i = 0; i < inputs; i++)
        if (input[i] < 0 || input[i] >= model->node_count)
            return rf_fail(RF_E_INPUT, "layer '%s': input %d is no earlier layer", name, i);
    return RF_OK;
}

void rf_node_problem(rf_problem *problem, const rf_model *model, int node, int batch) {
    const rf_node *n = &model->nodes[node];
    *problem = (rf_problem){
        .op = n->op, .attrs = n->attrs, .inputs = n->inputs, .y = n->shape, .id = (uint32_t)node};
    problem->y.n = batch;
    for (int i = 0; i < n->inputs; i++) {
        problem->x[i] = model->nodes[n->input[i]].shape;
        problem->x[i].n = batch;
    }
}

static rf_status add_parameter(rf_model *model, int node, int slot, bool is_state,
                               const rf_param_spec *spec) {
    const char *layer = model->nodes[node].name;
    double count = 1;
    for (int i = 0; i < spec->rank; i++) count *= spec->dim[i];
    if (count + (double)model->parameter_numbers > RF_MAX_NUMBERS)
        return rf_fail(RF_E_SHAPE,
                       "layer '%s': %s alone would hold %.3g numbers; a network may have %d in all", layer,
                       spec->name, count, RF_MAX_NUMBERS);
    if (model->parameter_count == model->parameter_capacity) {
        const int capacity = RF_MAX(16, model->parameter_capacity * 2);
        rf_parameter *more = rf_resize(model->parameters, (size_t)capacity, sizeof *more);
        if (!more) return RF_E_MEMORY;
        model->parameters = more;
        model->parameter_capacity = capacity;
    }
    char *name = rf_format("%s%s%s", layer, *spec->name != '\0' ? "." : "", spec->name);
    if (!name) return RF_E_MEMORY;
    model->parameters[model->parameter_count++] =
        (rf_parameter){.name = name, .node = node, .slot = slot, .is_state = is_state, .spec = *spec};
    model->parameter_numbers += (size_t)count;
    return RF_OK;
}

static rf_status add_parameters(rf_model *model, int node, const rf_problem *problem) {
    const rf_op *op = problem->op;
    rf_param_spec specs[RF_MAX(RF_MAX_PARAMS, RF_MAX_STATES)];
    const int params = op->params ? op->params(problem, specs) : 0;
    for (int i = 0; i < params; i++) RF_TRY(add_parameter(model, node, i, false, &specs[i]));
    const int states = op->states ? op->states(problem, specs) : 0;
    for (int i = 0; i < states; i++) RF_TRY(add_parameter(model, node, i, true, &specs[i]));
    return RF_OK;
}

static rf_status reserve_node(rf_model *model) {
    if (model->node_count > RF_MAX_NODES)
        return rf_fail(RF_E_INPUT, "more than %d layers: a network may not have so many", RF_MAX_NODES);
    if (model->node_count < model->node_capacity) return RF_OK;
    rf_node *more = rf_resize(model->nodes, (size_t)model->node_capacity * 2, sizeof *more);
    if (!more) return RF_E_MEMORY;
    model->nodes = more;
    model->node_capacity *= 2;
    return RF_OK;
}

/* Removes the last node and its parameters. */
static void drop_node(rf_model *model, int parameters, size_t numbers) {
    while (model->parameter_count > parameters) free(model->parameters[--model->parameter_count].name);
    model->parameter_numbers = numbers;
    free(model->nodes[--model->node_count].name);
}

rf_status rf_model_add_node(rf_model *model, const rf_op *op, const char *name, const rf_attrs *attrs,
                            int inputs, const int *input) {
    if (model->finished)
        return rf_fail(RF_E_USAGE, "layer '%s': the network '%s' is finished already", name, model->name);
    if (op->is_loss)
        return rf_fail(RF_E_INPUT,
                       "layer '%s': %s is a loss, which belongs to the training, not to the network; end "
                       "with the scores of the classes",
                       name, op->name);
    RF_TRY(reserve_node(model));
    RF_TRY(check_name(model, name));
    RF_TRY(check_inputs(model, op, name, inputs, input));

    const int node = model->node_count, parameters = model->parameter_count;
    const size_t numbers = model->parameter_numbers;
    rf_node *n = &model->nodes[node];
    *n = (rf_node){.op = op, .name = rf_strdup(name), .attrs = *attrs, .inputs = inputs};
    if (!n->name) return RF_E_MEMORY;
    memcpy(n->input, input, (size_t)inputs * sizeof *input);
    model->node_count++;

    rf_problem problem;
    rf_node_problem(&problem, model, node, 1);
    rf_status status = op->infer(&problem);
    if (status != RF_OK)
        rf_fail_prefix(status, "layer '%s'", name);
    else if ((double)problem.y.c * problem.y.h * problem.y.w > RF_MAX_NUMBERS)
        status =
            rf_fail(RF_E_SHAPE, "layer '%s': its output would be %dx%dx%d, more than %d numbers an image",
                    name, problem.y.c, problem.y.h, problem.y.w, RF_MAX_NUMBERS);
    if (status == RF_OK) {
        n->shape = problem.y;
        status = add_parameters(model, node, &problem);
    }
    if (status == RF_OK) status = rf_names_add(&model->names, n->name, node);
    if (status != RF_OK) drop_node(model, parameters, numbers);
    return status;
}

int rf_model_first_parameter(const rf_model *model, int node) {
    const int owner = rf_model_owner(model, node);
    int low = 0, high = model->parameter_count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (model->parameters[middle].node < owner)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int rf_model_find_parameter(const rf_model *model, int node, bool is_state, int slot) {
    const int owner = rf_model_owner(model, node);
    for (int i = rf_model_first_parameter(model, node);
         i < model->parameter_count && model->parameters[i].node == owner; i++)
        if (model->parameters[i].is_state == is_state && model->parameters[i].slot == slot) return i;
    return -1;
}

rf_status rf_model_share_weights(rf_model *model, int with) {
    const int last = model->node_count - 1;
    rf_node *node = &model->nodes[last];
    const rf_node *owner = &model->nodes[with];
    const int own = rf_model_first_parameter(model, last), theirs = rf_model_first_parameter(model, with),
              count = model->parameter_count - own;
    bool same = node->op == owner->op && theirs + count <= own;
    for (int i = 0; i < count && same; i++) {
        const rf_param_spec *a = &model->parameters[own + i].spec, *b = &model->parameters[theirs + i].spec;
        same = model->parameters[theirs + i].node == with && a->layout == b->layout &&
               memcmp(a->shape, b->shape, sizeof a->shape) == 0;
    }
    if (!same || (theirs + count < own && model->parameters[theirs + count].node == with))
        return rf_fail(RF_E_INPUT,
                       "layer '%s' cannot have the weights of layer '%s', which have other shapes",
                       node->name, owner->name);
    while (model->parameter_count > own) {
        rf_parameter *p = &model->parameters[--model->parameter_count];
        model->parameter_numbers -= rf_param_count(&p->spec);
        free(p->name);
    }
    node->weights_of = with;
    return RF_OK;
}

int rf_model_find_node(const rf_model *model, const char *name, size_t length) {
    return rf_names_find(&model->names, name, length);
}

/* ---- finishing ---- */

/* "line 7: layer 'pool'", or without the line for a network built in C. */
static void say_layer(char text[RF_MAX_NAME + 48], const rf_node *node) {
    const int size = RF_MAX_NAME + 48;
    if (node->line > 0)
        snprintf(text, (size_t)size, "line %d: layer '%s'", node->line, node->name);
    else
        snprintf(text, (size_t)size, "layer '%s'", node->name);
}

static rf_status check_all_read(const rf_model *model) {
    rf_status status = RF_OK;
    bool *read = rf_alloc((size_t)model->node_count, sizeof *read);
    if (!read) return RF_E_MEMORY;
    for (int i = 1; i < model->node_count; i++)
        for (int k = 0; k < model->nodes[i].inputs; k++) read[model->nodes[i].input[k]] = true;
    for (int i = 1; i < model->output && status == RF_OK; i++)
        if (!read[i]) {
            char where[RF_MAX_NAME + 48];
            say_layer(where, &model->nodes[i]);
            status = rf_fail(RF_E_INPUT,
                             "%s: no other layer reads it, and it is not the last: let one read it (`<- "
                             "%s`), or take it out",
                             where, model->nodes[i].name);
        }
    free(read);
    return status;
}

static rf_status check_output(const rf_model *model) {
    if (model->node_count < 2)
        return rf_fail(RF_E_INPUT,
                       "the network '%s' has no layers; the minimum is `flatten` and `linear classes`",
                       model->name);
    const rf_node *last = &model->nodes[model->output];
    const rf_shape y = last->shape;
    char where[RF_MAX_NAME + 48];
    say_layer(where, last);
    if (y.h > 1 || y.w > 1)
        return rf_fail(RF_E_SHAPE,
                       "%s: the network ends in %dx%dx%d; end it with `flatten` and `linear classes`", where,
                       y.c, y.h, y.w);
    if (rf_shape_count(y) != (size_t)model->images.classes)
        return rf_fail(
            RF_E_SHAPE,
            "%s: the network ends in %zu scores, but there are %d classes; end it with `linear classes`",
            where, rf_shape_count(y), model->images.classes);
    return RF_OK;
}

static rf_status check_memory(const rf_model *model) {
    const size_t bytes = model->parameter_numbers * sizeof(float), available = rf_memory_available();
    char wants[32], has[32];
    if (bytes <= available) return RF_OK;
    return rf_fail(RF_E_MEMORY,
                   "the network '%s' has %s of parameters, and the host can give %s: use a smaller network",
                   model->name, rf_bytes_text(wants, (double)bytes), rf_bytes_text(has, (double)available));
}

rf_status rf_model_finish(rf_model *model, uint64_t seed) {
    if (model->finished) return rf_fail(RF_E_USAGE, "the network '%s' is finished already", model->name);
    model->output = model->node_count - 1;
    RF_TRY(check_output(model));
    RF_TRY(check_all_read(model));
    RF_TRY(check_memory(model));
    for (int i = 0; i < model->parameter_count; i++) {
        rf_parameter *parameter = &model->parameters[i];
        free(parameter->values);
        parameter->values = rf_alloc(rf_param_count(&parameter->spec), sizeof(float));
        if (!parameter->values) return RF_E_MEMORY;
        rf_parameter_init(parameter, seed);
    }
    model->finished = true;
    return RF_OK;
}

/* ---- another head ---- */

int rf_model_head(const rf_model *model) {
    int node = model->parameter_count > 0 ? model->parameters[model->parameter_count - 1].node : -1;
    for (int i = 0; i < model->parameter_count; i++) node = RF_MAX(node, model->parameters[i].node);
    const char *op = node > 0 ? model->nodes[node].op->name : "";
    return strcmp(op, "linear") == 0 || strcmp(op, "conv") == 0 ? node : -1;
}

static rf_status remake_parameters(rf_model *model, int node, const rf_problem *problem, uint64_t seed) {
    rf_param_spec specs[RF_MAX_PARAMS];
    problem->op->params(problem, specs);
    for (int i = 0; i < model->parameter_count; i++) {
        rf_parameter *p = &model->parameters[i];
        if (p->node != node) continue;
        model->parameter_numbers -= rf_param_count(&p->spec);
        p->spec = specs[p->slot];
        model->parameter_numbers += rf_param_count(&p->spec);
        free(p->values);
        p->values = rf_alloc(rf_param_count(&p->spec), sizeof(float));
        if (!p->values) return RF_E_MEMORY;
        rf_parameter_init(p, seed);
    }
    return RF_OK;
}

rf_status rf_model_new_head(rf_model *model, int classes, uint64_t seed) {
    const int head = rf_model_head(model);
    if (head < 0)
        return rf_fail(
            RF_E_INPUT,
            "the network '%s' has no linear layer or convolution as its last layer with parameters",
            model->name);
    model->nodes[head].attrs.out = classes;
    model->images.classes = classes;
    for (int i = head; i < model->node_count; i++) {
        rf_problem problem;
        rf_node_problem(&problem, model, i, 1);
        RF_TRY(rf_attrs_check(&problem.attrs, problem.op));
        RF_TRY(problem.op->infer(&problem));
        model->nodes[i].shape = problem.y;
        if (i == head) RF_TRY(remake_parameters(model, i, &problem, seed));
    }
    return check_output(model);
}

/* ---- asking ---- */

const char *rf_model_name(const rf_model *model) {
    return model->name;
}

const char *rf_model_note(const rf_model *model) {
    return model->note;
}

size_t rf_model_parameter_count(const rf_model *model) {
    size_t count = 0;
    for (int i = 0; i < model->parameter_count; i++)
        if (rf_is_trained(model, NULL, i)) count += rf_param_count(&model->parameters[i].spec);
    return count;
}

int rf_model_parameter(const rf_model *model, size_t index, rf_parameter_view *view) {
    if (index >= (size_t)model->parameter_count) return 0;
    const rf_parameter *parameter = &model->parameters[index];
    *view = (rf_parameter_view){.name = parameter->name,
                                .rank = parameter->spec.rank,
                                .shape = parameter->spec.dim,
                                .values = parameter->values,
                                .count = rf_param_count(&parameter->spec)};
    return 1;
}
