/* Automatic differentiation on the lowered graph.
 *
 * Walking the nodes backwards, each node's dy is complete when it is reached, because all its consumers come later. The
 * first contribution to a gradient is written, the others are added to it (`accumulate`). Memory is shared where that
 * saves a pass: y in x (in place), dx in dy (in place), and dx is dy where an op passes its gradient on (add). A deferred
 * batch norm has no y: those who read it read x. */
#include "graph/autodiff.h"

#include <stdlib.h>
#include <string.h>

#include "graph/standardize.h"
#include "op/bn_sums.h"

/* With more branches than this summed in one tensor, copies are made, which bounds the search among them. */
enum { MAX_SHARERS = 64 };

typedef struct differ {
    const rf_lowered *graph;
    const rf_model *model;
    rf_device *device;
    const rf_tuning *tuning;
    rf_steps *steps;
    bool training;
    int *value, *gradient, *saved; /* tensor ids, by node; gradient -1: none yet */
    int *uses;                     /* the number of consumers of a node's output */
    int *consumer_node,
        *first_consumer; /* who reads node n: reader[first_consumer[n]] .. reader[first_consumer[n + 1] - 1] */
    int *sharer;    /* nodes whose dy is in the same tensor and still to be read form a ring: the next one */
    bool *trained;  /* a parameter in the node, or before it, is trained */
    int *last_user; /* of the parameters of each node of the model */
    rf_standardized *weights; /* of each node that has them */
} differ;

static int input_tensor(const differ *d, int input) {
    return input == RF_FROM_IMAGES   ? d->steps->images
           : input == RF_FROM_LABELS ? d->steps->labels
                                     : d->value[input];
}

static bool node_learns(const differ *d, int k) {
    bool learns = false;
    for (int i = 0; i < RF_MAX_PARAMS; i++) learns |= d->graph->nodes[k].trained[i];
    return learns;
}

/* Whether node k's output may lie in the memory of its first input: nothing else reads what is overwritten. */
static bool may_run_in_place(const differ *d, int k) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    const rf_op *op = node->problem.op;
    int in = node->input[0];
    if (op->alias) return true;
    if (!op->in_place || in < 0 || d->uses[in] != 1) return false;
    if (node->problem.half_x != node->problem.half_y ||
        !rf_steps_takes_maps(&node->problem, d->device, d->tuning))
        return false;
    const rf_problem *before = &d->graph->nodes[in].problem;
    if (before->op->alias) return false; /* its memory may have other consumers */
    return !d->training || !(op->x_in_backward || rf_backward_reads_y(before));
}

static rf_step blank_step(const differ *d, int k, rf_direction direction) {
    rf_step step = rf_step_blank(k, direction);
    step.problem = d->graph->nodes[k].problem;
    step.saved = d->saved[k];
    if (d->graph->nodes[k].standardized) step.weight = d->weights[k].weight;
    if (direction == RF_BACKWARD_DATA) step.problem.normed = false; /* it does not read x */
    if (step.problem.normed) step.norm = d->saved[d->graph->nodes[k].input[0]];
    return step;
}

static rf_status append(differ *d, rf_step *step) {
    return rf_steps_append(d->steps, step, d->device, d->tuning);
}

static rf_standardize_desc standardizing(const differ *d, int k) {
    return (rf_standardize_desc){.steps = d->steps,
                                 .model = d->model,
                                 .node = &d->graph->nodes[k],
                                 .index = k,
                                 .training = d->training,
                                 .device = d->device,
                                 .tuning = d->tuning};
}

static rf_status forward(differ *d, int k) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    const rf_problem *p = &node->problem;
    rf_steps *s = d->steps;
    d->value[k] = p->deferred || may_run_in_place(d, k) ? input_tensor(d, node->input[0])
                                                        : rf_steps_map(s, p->y, p->half_y);
    size_t saved = p->op->saved != NULL && d->training ? p->op->saved(p) * sizeof(float) : 0;
    d->saved[k] = saved > 0 ? rf_steps_tensor(s, saved) : -1;
    if (d->value[k] < 0 || (saved > 0 && d->saved[k] < 0)) return RF_E_MEMORY;
    d->trained[k] = node_learns(d, k);
    for (int i = 0; i < p->inputs; i++)
        if (node->input[i] >= 0 && d->trained[node->input[i]]) d->trained[k] = true;
    if (p->op->alias) return RF_OK;
    const rf_standardize_desc standardize = standardizing(d, k);
    if (node->standardized) RF_TRY(rf_standardize_forward(&d->weights[k], &standardize));
    rf_step step = blank_step(d, k, RF_FORWARD);
    for (int i = 0; i < p->inputs; i++) step.x[i] = input_tensor(d, node->input[i]);
    if (!p->deferred) step.y = d->value[k];
    return append(d, &step);
}

/* Whether a consumer of `node` that is visited between k and `other`, or is `other` itself, adds to the
 * gradient of `node` while the same memory still holds the dy of `other`. */
static bool is_added_to_before(const differ *d, int node, int other, int k) {
    int low = d->first_consumer[node], high = d->first_consumer[node + 1];
    while (low < high) { /* the first consumer from k on */
        const int middle = low + (high - low) / 2;
        if (d->consumer_node[middle] < k)
            low = middle + 1;
        else
            high = middle;
    }
    return low > d->first_consumer[node] && d->consumer_node[low - 1] >= other;
}

/* Whether, at node k's backward, the gradient of its input i may be the tensor that holds k's dy; with
 * `overwrites`, k replaces dy there.  The tensor's other owners are nodes that have yet to read it as their dy. */
static bool may_share_gradient(const differ *d, int k, int i, bool overwrites) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    int in = node->input[i], sharers = 0;
    for (int j = 0; j < node->problem.inputs; j++)
        if (j != i && node->input[j] == in) return false; /* the second contribution would add dy to itself */
    for (int u = d->sharer[k]; u != k; u = d->sharer[u])
        if (u != in && (overwrites || ++sharers > MAX_SHARERS || is_added_to_before(d, in, u, k) ||
                        is_added_to_before(d, u, in, k)))
            return false;
    return true;
}

static void leave_ring(differ *d, int k) {
    int before = k;
    while (d->sharer[before] != k) before = d->sharer[before];
    d->sharer[before] = d->sharer[k];
}

/* The input whose gradient may take the place of dy.  Of batch norm's residual the gradient is what dy becomes before act. */
static int heir_of(const differ *d, int k) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    const int residual = node->problem.inputs > 1 ? node->input[1] : -1;
    return node->problem.op->takes_bn_sums && residual >= 0 && d->trained[residual] &&
           d->gradient[residual] < 0;
}

/* Decides where dx[i] goes. */
static rf_status place_gradient(differ *d, rf_step *step, int k, int i, bool *launched) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    const rf_op *op = node->problem.op;
    int in = node->input[i];
    if (in < 0 || !d->trained[in]) return RF_OK;
    const bool alike = node->problem.half_x == node->problem.half_y; /* dx and dy are stored */
    bool first = d->gradient[in] < 0, passes = alike && (op->is_sum || op->alias);
    bool in_place = alike && op->in_place && i == heir_of(d, k);
    if (first && (passes || in_place) && may_share_gradient(d, k, i, !passes)) {
        d->gradient[in] = step->dy;
        d->sharer[in] = d->sharer[k];
        d->sharer[k] = in;
        if (passes) {
            d->steps->tensors[step->dy].shared = true;
            return RF_OK;
        }
    } else if (first) {
        d->gradient[in] = rf_steps_map(d->steps, node->problem.x[i], node->problem.half_x);
        if (d->gradient[in] < 0) return RF_E_MEMORY;
    }
    step->dx[i] = d->gradient[in];
    step->problem.need_dx[i] = true;
    step->problem.accumulate[i] = !first;
    *launched = true;
    return RF_OK;
}

/* Of nodes that share parameters, the last one's gradients, which come first, are written; the others are added to them. */
static bool adds_gradients(const differ *d, int k) {
    const int model_node = d->graph->nodes[k].model_node;
    return model_node > 0 && d->last_user[rf_model_owner(d->model, model_node)] != k;
}

/* Whether the gradient of a parameter follows from that of weights which are computed from it. */
static bool is_computed_from(const differ *d, int k, int slot) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    return node->standardized && (slot == 0 || slot == rf_standardize_gain(node));
}

/* A solver computes the gradients of all parameters of a node. */
static rf_status place_own_gradients(differ *d, rf_step *step, int k) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    rf_param_spec specs[RF_MAX_PARAMS];
    const int count = node->problem.op->params(&node->problem, specs);
    for (int i = 0; i < count; i++) {
        if (node->trained[i] && !adds_gradients(d, k) && !is_computed_from(d, k, i)) continue;
        step->own_grad[i] = rf_steps_tensor(d->steps, rf_param_storage(&specs[i]) * sizeof(float));
        if (step->own_grad[i] < 0) return RF_E_MEMORY;
    }
    return RF_OK;
}

static rf_status add_own_gradients(differ *d, const rf_step *from, int k) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    for (int i = 0; i < RF_MAX_PARAMS && adds_gradients(d, k); i++) {
        if (!node->trained[i] || is_computed_from(d, k, i)) continue;
        const size_t floats = d->steps->tensors[from->own_grad[i]].bytes / sizeof(float);
        const int gradient =
            rf_steps_parameter(d->steps, rf_model_find_parameter(d->model, node->model_node, false, i), true);
        if (gradient < 0) return RF_E_MEMORY;
        const rf_shape shape = {.n = 1, .c = (int)floats, .h = 1, .w = 1};
        rf_step step = rf_step_blank(k, RF_FORWARD);
        step.problem = (rf_problem){
            .op = rf_op_find("add"), .inputs = 2, .x = {shape, shape}, .y = shape, .training = true};
        step.part = "gradient_sum";
        step.x[0] = step.y = gradient;
        step.x[1] = from->own_grad[i];
        RF_TRY(append(d, &step));
    }
    return RF_OK;
}

static rf_status backward(differ *d, int k) {
    const rf_lowered_node *node = &d->graph->nodes[k];
    const rf_problem *p = &node->problem;
    if (!d->trained[k]) return RF_OK;
    for (int direction = RF_BACKWARD_PARAMS; direction <= RF_BACKWARD_DATA; direction++) {
        bool launched = direction == RF_BACKWARD_PARAMS && (node_learns(d, k) || p->op->params_first);
        rf_step step = blank_step(d, k, (rf_direction)direction);
        step.dy = d->gradient[k];
        if (direction == RF_BACKWARD_DATA)
            for (int i = 0; i < p->inputs; i++) RF_TRY(place_gradient(d, &step, k, i, &launched));
        if (!launched || p->op->reference[direction] == NULL) continue;
        if (direction == RF_BACKWARD_PARAMS) RF_TRY(place_own_gradients(d, &step, k));
        for (int i = 0; i < p->inputs; i++)
            if (rf_backward_reads_x(p, i)) step.x[i] = input_tensor(d, node->input[i]);
        if (rf_backward_reads_y(p)) step.y = d->value[k];
        RF_TRY(append(d, &step));
        if (direction != RF_BACKWARD_PARAMS) continue;
        RF_TRY(add_own_gradients(d, &step, k));
        const rf_standardize_desc standardize = standardizing(d, k);
        if (node->standardized)
            RF_TRY(rf_standardize_backward(&d->weights[k], &standardize, step.own_grad[0],
                                           adds_gradients(d, k)));
    }
    leave_ring(d, k);
    return RF_OK;
}

/* The consumers of each node, in the order of the nodes. */
static rf_status list_consumers(differ *d) {
    const rf_lowered *g = d->graph;
    for (int k = 0; k < g->count; k++)
        for (int i = 0; i < g->nodes[k].problem.inputs; i++)
            if (g->nodes[k].input[i] >= 0) d->uses[g->nodes[k].input[i]]++;
    for (int k = 0; k < g->count; k++) d->first_consumer[k + 1] = d->first_consumer[k] + d->uses[k];
    d->consumer_node = rf_alloc((size_t)d->first_consumer[g->count], sizeof *d->consumer_node);
    if (d->consumer_node == NULL) return RF_E_MEMORY;
    for (int k = g->count - 1; k >= 0; k--) /* from behind: each list is filled from its end */
        for (int i = 0; i < g->nodes[k].problem.inputs; i++) {
            const int in = g->nodes[k].input[i];
            if (in >= 0) d->consumer_node[d->first_consumer[in] + --d->uses[in]] = k;
        }
    for (int k = 0; k < g->count; k++) d->uses[k] = d->first_consumer[k + 1] - d->first_consumer[k];
    return RF_OK;
}

static rf_status derive(differ *d) {
    rf_steps *s = d->steps;
    const rf_lowered *g = d->graph;
    const rf_image_shape *images = &d->model->images;
    int batch = g->nodes[0].problem.y.n;
    s->images =
        rf_steps_map(s, (rf_shape){batch, images->channels, images->height, images->width, false}, false);
    const int labels = g->loss >= 0 ? g->nodes[g->loss].problem.x[1].c : 1;
    s->labels = rf_steps_tensor(s, (size_t)batch * (size_t)labels * sizeof(int32_t));
    if (s->images < 0 || s->labels < 0) return RF_E_MEMORY;
    rf_steps_touch(s, s->images, 0);
    rf_steps_touch(s, s->labels, 0);
    for (int k = 0; k < g->count; k++) d->gradient[k] = -1, d->sharer[k] = k;
    for (int k = 0; k < g->count; k++)
        if (g->nodes[k].model_node > 0) d->last_user[rf_model_owner(d->model, g->nodes[k].model_node)] = k;
    RF_TRY(list_consumers(d));
    d->uses[g->scores]++; /* the caller may read them */
    for (int k = 0; k < g->count; k++) RF_TRY(forward(d, k));
    s->backward = s->count;
    s->scores = d->value[g->scores];
    s->loss = g->loss >= 0 ? d->value[g->loss] : -1;
    rf_steps_touch(s, s->scores, s->count - 1);
    if (!d->training || g->loss < 0) return RF_OK;
    d->gradient[g->loss] = rf_steps_tensor(s, sizeof(float)); /* d loss / d loss: the caller fills it */
    if (d->gradient[g->loss] < 0) return RF_E_MEMORY;
    s->loss_gradient = d->gradient[g->loss];
    for (int k = g->count - 1; k >= 0; k--) RF_TRY(backward(d, k));
    int ends[] = {s->loss, d->gradient[g->loss]}; /* the caller reads one and fills the other, once */
    for (size_t i = 0; i < RF_COUNT(ends); i++)
        rf_steps_touch(s, ends[i], 0), rf_steps_touch(s, ends[i], s->count);
    return RF_OK;
}

/* The step that completes the tensor; NULL where it cannot sum it.  writer: the last step so far that
 * writes each tensor, or -1. */
static rf_step *producer_of(rf_steps *s, const int *writer, int tensor) {
    if (writer[tensor] < 0) return NULL;
    rf_step *producer = &s->steps[writer[tensor]];
    if (producer->choice_count == 0 || producer->choices[0].solver->sums == NULL) return NULL;
    if (producer->direction == RF_BACKWARD_DATA && producer->dx[0] != tensor) return NULL;
    return producer->direction == RF_BACKWARD_PARAMS ? NULL : producer;
}

/* The floats of which a tensor holds the halves, where a step converts them; else the tensor. */
static int before_conversion(const rf_steps *s, const int *writer, int tensor) {
    const bool converted = writer[tensor] >= 0 && s->steps[writer[tensor]].converts;
    return converted ? s->steps[writer[tensor]].x[0] : tensor;
}

static void note_writes(int *writer, const rf_steps *s, int step) {
    const rf_step *by = &s->steps[step];
    for (int i = 0; i < by->problem.inputs; i++)
        if (by->dx[i] >= 0) writer[by->dx[i]] = step;
    if (by->direction == RF_FORWARD && by->y >= 0) writer[by->y] = step;
}

/* What the step for the parameters, before step `i` of the same node, reads as dy, it reads as well. */
static void follow_params(rf_steps *s, int i) {
    int params = i - 1;
    while (params >= 0 && s->steps[params].node == s->steps[i].node &&
           s->steps[params].direction != RF_BACKWARD_PARAMS)
        params--;
    if (params < 0 || s->steps[params].node != s->steps[i].node) return;
    s->steps[i].bn_sums_from = s->steps[params].bn_sums_from;
    s->steps[i].problem.sums.blocks = s->steps[params].problem.sums.blocks;
}

/* Lets the producer of batch norm step `i`'s input compute the sums of it. */
static rf_status link_bn_sums(rf_steps *s, const rf_device_info *info, const int *writer, int i) {
    rf_step *consumer = &s->steps[i];
    const bool forward = consumer->direction == RF_FORWARD;
    if (!consumer->problem.op->takes_bn_sums) return RF_OK;
    if (consumer->direction == RF_BACKWARD_DATA) {
        follow_params(s, i);
        return RF_OK;
    }
    if (consumer->choice_count == 0) return RF_OK;
    if (!forward && consumer->problem.act != RF_ACT_NONE && s->tensors[consumer->dy].shared)
        return RF_OK; /* others read it as it is */
    const int summed = forward ? before_conversion(s, writer, consumer->x[0]) : consumer->dy;
    rf_step *producer = producer_of(s, writer, summed);
    if (producer == NULL || producer->problem.sums.blocks > 0) return RF_OK; /* it computes one set */
    const rf_choice *choice = &producer->choices[0];
    const int blocks = rf_solver_sums(choice->solver, &producer->problem, info, &choice->config);
    if (blocks == 0) return RF_OK;
    const int partial =
        rf_steps_tensor(s, rf_bn_sums_floats(blocks, consumer->problem.x[0].c) * sizeof(float));
    if (partial < 0) return RF_E_MEMORY;
    consumer->bn_sums_from = (int)(producer - s->steps);
    consumer->sums[RF_BN_SUMS_PARTIAL] = producer->sums[RF_BN_SUMS_PARTIAL] = partial;
    consumer->problem.sums.blocks = producer->problem.sums.blocks = blocks;
    producer->problem.sums.act = consumer->problem.act;
    rf_steps_touch(s, partial, consumer->bn_sums_from), rf_steps_touch(s, partial, i);
    if (forward) return RF_OK;
    producer->sums[RF_BN_SUMS_X] = consumer->x[0];
    producer->sums[RF_BN_SUMS_Y] = consumer->y;
    producer->sums[RF_BN_SUMS_SAVED] = consumer->saved;
    return RF_OK;
}

static rf_status link_sums(rf_steps *s, const rf_device_info *info) {
    rf_status status = RF_OK;
    int *writer = rf_alloc((size_t)s->tensor_count, sizeof *writer);
    if (writer == NULL) return RF_E_MEMORY;
    for (int t = s->tensor_count - 1; t >= 0; t--) writer[t] = -1;
    for (int i = 0; i < s->count && status == RF_OK; i++) {
        status = link_bn_sums(s, info, writer, i);
        note_writes(writer, s, i);
    }
    free(writer);
    return status;
}

rf_status rf_steps_create(rf_steps **out, const rf_lowered *lowered, const rf_model *model, bool training,
                          rf_device *device, const rf_tuning *tuning) {
    size_t n = (size_t)lowered->count;
    differ d = {.graph = lowered, .model = model, .device = device, .tuning = tuning, .training = training};
    rf_status status = RF_E_MEMORY;
    *out = NULL;
    d.steps = rf_alloc(1, sizeof *d.steps);
    d.value = rf_alloc(n, sizeof(int));
    d.gradient = rf_alloc(n, sizeof(int));
    d.saved = rf_alloc(n, sizeof(int));
    d.uses = rf_alloc(n, sizeof(int));
    d.first_consumer = rf_alloc(n + 1, sizeof(int));
    d.sharer = rf_alloc(n, sizeof(int));
    d.trained = rf_alloc(n, sizeof(bool));
    d.last_user = rf_alloc((size_t)model->node_count, sizeof(int));
    d.weights = rf_alloc(n, sizeof *d.weights);
    if (d.steps != NULL && d.value != NULL && d.gradient != NULL && d.saved != NULL && d.uses != NULL &&
        d.first_consumer != NULL && d.sharer != NULL && d.trained != NULL && d.last_user != NULL &&
        d.weights != NULL)
        status = derive(&d);
    if (status == RF_OK && training && rf_fusion_wanted(device))
        status = link_sums(d.steps, rf_device_describe(device));
    if (status == RF_OK)
        *out = d.steps;
    else
        rf_steps_free(d.steps);
    free(d.value);
    free(d.gradient);
    free(d.saved);
    free(d.uses);
    free(d.first_consumer);
    free(d.consumer_node);
    free(d.sharer);
    free(d.trained);
    free(d.last_user);
    free(d.weights);
    return status;
}
