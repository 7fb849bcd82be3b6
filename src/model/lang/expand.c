/* Executes the model language for given images: blocks, loops and conditions expand to the layers of a model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "model/lang/eval.h"

enum { STEPS_OF_BLOCK = 64, MAX_CALLS = 64, MAX_SCALE = 1000000 };

static rf_status expand_body(rf_expansion *e, rf_scope *scope, int first);

/* ---- names and inputs of layers ---- */

static rf_status read_inputs(int *count, int input[RF_MAX_INPUTS], rf_expansion *e, const rf_scope *scope,
                             const rf_tree *layer) {
    *count = 0;
    if (!layer->second) input[(*count)++] = scope->prev;
    for (int i = layer->second; i; i = e->net->nodes[i].next) {
        const rf_tree *node = &e->net->nodes[i];
        if (*count == RF_MAX_INPUTS)
            return rf_net_fail(e->net->origin, node->place, "a layer can read at most %d others",
                               RF_MAX_INPUTS);
        RF_TRY(rf_name_find(&input[(*count)++], e, scope, node->name, node->place));
    }
    return RF_OK;
}

static rf_status name_layer(char name[RF_MAX_NAME + 1], rf_expansion *e, const rf_scope *scope,
                            const rf_tree *layer) {
    char made[96];
    rf_slice word = layer->name;
    if (!word.length) { /* relu_7: the op, and which layer of the network it is */
        const rf_slice block = e->net->nodes[layer->block].name;
        word = (rf_slice){
            made, layer->op ? snprintf(made, sizeof made, "%s_%d", layer->op->name, e->model->node_count)
                            : snprintf(made, sizeof made, "%.*s_%d", RF_MIN(block.length, 60), block.at,
                                       e->model->node_count)};
    }
    RF_TRY(rf_name_expand(name, e, scope, word, layer->place));
    if (rf_names_find(&e->instance_names, name, strlen(name)) >= 0)
        return rf_net_fail(e->net->origin, layer->place, "the name '%s' is taken: an earlier block has it",
                           name);
    return RF_OK;
}

/* ---- initialisation ---- */

static bool same_parameter(const rf_tree *a, const rf_tree *b) {
    return a->op == b->op && a->name.length == b->name.length &&
           memcmp(a->name.at, b->name.at, (size_t)a->name.length) == 0;
}

/* From here on, in place of one of the same parameter. */
static rf_status set_init(rf_expansion *e, int init) {
    const rf_tree *nodes = e->net->nodes;
    int at = 0;
    while (at < e->init_count && !same_parameter(&nodes[e->inits[at]], &nodes[init])) at++;
    if (at == RF_MAX_INITS)
        return rf_net_fail(e->net->origin, nodes[init].place, "init of more than %d parameters",
                           RF_MAX_INITS);
    e->init_count = RF_MAX(e->init_count, at + 1);
    e->inits[at] = init;
    return RF_OK;
}

/* fan_in and fan_out as torch.nn.init counts them: of a layer with groups, fan_out is that of all groups together. */
static rf_status apply_init(rf_parameter *parameter, rf_expansion *e, const rf_tree *init) {
    const rf_param_spec *spec = &parameter->spec;
    const int area = spec->rank == 4 ? spec->dim[2] * spec->dim[3] : 1;
    rf_scope fans = {0};
    rf_status status =
        rf_scope_set(&fans, e, RF_SLICE_OF("fan_in"), (rf_value){.y = spec->fan_in}, init->place);
    if (status == RF_OK)
        status = rf_scope_set(&fans, e, RF_SLICE_OF("fan_out"), (rf_value){.y = (double)spec->dim[0] * area},
                              init->place);
    if (status == RF_OK) status = rf_eval_number(&parameter->scale, e, &fans, init->first);
    rf_scope_free(&fans);
    if (status == RF_OK && fabs(parameter->scale) > MAX_SCALE)
        status = rf_net_fail(e->net->origin, init->place, "init: expected a number of at most %d, found %g",
                             MAX_SCALE, parameter->scale);
    parameter->distribution = (rf_distribution)init->index;
    return status;
}

static rf_status apply_inits(rf_expansion *e, const rf_op *op, int first_parameter) {
    for (int p = first_parameter; p < e->model->parameter_count; p++)
        for (int i = 0; i < e->init_count; i++) {
            const rf_tree *init = &e->net->nodes[e->inits[i]];
            rf_parameter *parameter = &e->model->parameters[p];
            if (init->op == op && rf_slice_is(init->name, parameter->spec.name))
                RF_TRY(apply_init(parameter, e, init));
        }
    return RF_OK;
}

/* ---- layers and blocks ---- */

static rf_status add_layer(rf_expansion *e, rf_scope *scope, const rf_tree *layer) {
    char name[RF_MAX_NAME + 1];
    int input[RF_MAX_INPUTS], inputs;
    rf_attrs attrs;
    RF_TRY(read_inputs(&inputs, input, e, scope, layer));
    RF_TRY(rf_eval_attributes(&attrs, e, scope, layer));
    RF_TRY(name_layer(name, e, scope, layer));
    const int parameters = e->model->parameter_count;
    const rf_status status = rf_model_add_node(e->model, layer->op, name, &attrs, inputs, input);
    if (status != RF_OK)
        return rf_fail_prefix(status, "%s:%d:%d", e->net->origin, layer->place.line, layer->place.column);
    scope->prev = e->model->node_count - 1;
    e->model->nodes[scope->prev].line = layer->place.line;
    return apply_inits(e, layer->op, parameters);
}

/* Makes the name of a block's use stand for its last layer. */
static rf_status add_instance(rf_expansion *e, const char *name, int node) {
    if (e->instance_count == e->instance_capacity) {
        const int capacity = RF_MAX(16, e->instance_capacity * 2);
        rf_instance *more = rf_resize(e->instances, (size_t)capacity, sizeof *more);
        if (!more) return RF_E_MEMORY;
        e->instances = more;
        e->instance_capacity = capacity;
    }
    char *copy = rf_strdup(name);
    if (!copy) return RF_E_MEMORY;
    e->instances[e->instance_count] = (rf_instance){.name = copy, .node = node};
    return rf_names_add(&e->instance_names, copy, e->instance_count++);
}

static rf_status use_block(rf_expansion *e, rf_scope *scope, const rf_tree *layer) {
    const rf_tree *block = &e->net->nodes[layer->block];
    char name[RF_MAX_NAME + 1];
    int input[RF_MAX_INPUTS], inputs;
    RF_TRY(read_inputs(&inputs, input, e, scope, layer));
    if (inputs != 1)
        return rf_net_fail(e->net->origin, layer->place, "a block reads one layer, not %d", inputs);
    RF_TRY(name_layer(name, e, scope, layer));
    RF_TRY(rf_take_steps(e, STEPS_OF_BLOCK, layer->place)); /* its scope, and the name that it leaves */
    if (rf_model_find_node(e->model, name, strlen(name)) >= 0)
        return rf_net_fail(e->net->origin, layer->place, "the name '%s' is taken: an earlier layer has it",
                           name);
    if (++e->calls > MAX_CALLS)
        return rf_net_fail(e->net->origin, layer->place, "blocks use blocks more than %d deep", MAX_CALLS);

    rf_scope inner = {.in = input[0], .prev = input[0]};
    snprintf(inner.prefix, sizeof inner.prefix, "%s.", name);
    rf_status status = rf_eval_parameters(&inner, e, scope, layer);
    if (status == RF_OK) status = expand_body(e, &inner, block->second);
    if (status == RF_OK) status = add_instance(e, name, inner.prev);
    scope->prev = inner.prev;
    rf_scope_free(&inner);
    e->calls--;
    return status;
}

/* ---- statements ---- */

static rf_status expand_for(rf_expansion *e, rf_scope *scope, const rf_tree *loop) {
    int first, last;
    RF_TRY(rf_eval_int(&first, e, scope, loop->first));
    RF_TRY(rf_eval_int(&last, e, scope, loop->second));
    for (long i = first; i <= last; i++) {
        RF_TRY(rf_take_steps(e, 1, loop->place));
        RF_TRY(rf_scope_set(scope, e, loop->name, (rf_value){.y = (double)i}, loop->place));
        RF_TRY(expand_body(e, scope, loop->third));
    }
    return RF_OK;
}

static rf_status expand_statement(rf_expansion *e, rf_scope *scope, const rf_tree *statement) {
    rf_value value;
    switch (statement->kind) {
    case RF_TREE_SET:
        RF_TRY(rf_eval(&value, e, scope, statement->first));
        return rf_scope_set(scope, e, statement->name, value, statement->place);
    case RF_TREE_IF:
        RF_TRY(rf_eval_number(&value.y, e, scope, statement->first));
        return expand_body(e, scope, value.y != 0 ? statement->second : statement->third);
    case RF_TREE_FOR:
        return expand_for(e, scope, statement);
    case RF_TREE_INIT:
        return set_init(e, (int)(statement - e->net->nodes));
    case RF_TREE_LAYER:
        return statement->op ? add_layer(e, scope, statement) : use_block(e, scope, statement);
    default:
        return RF_OK; /* a block's definition does nothing by itself */
    }
}

static rf_status expand_body(rf_expansion *e, rf_scope *scope, int first) {
    for (int i = first; i; i = e->net->nodes[i].next) {
        RF_TRY(rf_take_steps(e, 1, e->net->nodes[i].place));
        RF_TRY(expand_statement(e, scope, &e->net->nodes[i]));
    }
    return RF_OK;
}

/* ---- entry ---- */

rf_status rf_net_expand(rf_model *model, const rf_net *net) {
    rf_expansion e = {.model = model, .net = net};
    rf_scope top = {0};
    const rf_status status = expand_body(&e, &top, net->body);
    for (int i = 0; i < e.instance_count; i++) free(e.instances[i].name);
    free(e.instances);
    rf_names_free(&e.instance_names);
    rf_scope_free(&top);
    return status;
}

rf_status rf_net_attributes(rf_attrs *out, rf_model *model, const rf_net *net) {
    rf_expansion e = {.model = model, .net = net};
    const rf_scope top = {.prev = model->node_count - 1};
    return rf_eval_attributes(out, &e, &top, &net->nodes[net->body]);
}
