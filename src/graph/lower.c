/* Lowering: a model's nodes become problems; activations, residual additions and poolings are fused into the node
 * before them, where its op says that it takes them. */
#include "graph/lower.h"

#include <stdlib.h>
#include <string.h>

#include "graph/standardize.h"

/* While lowering, nodes keep their model's numbering (node k of the model is slot k), and fused-away ones are marked:
 * `place[k]` is slot k's number after their removal. */
typedef struct lowering {
    const rf_lower_desc *desc;
    rf_lowered_node *slots; /* model nodes 1.., then the loss */
    int *uses, *place;
    bool *gone;
    int count;
} lowering;

/* Whether what an op takes, it takes now. */
static bool takes(const lowering *l, rf_fusible what) {
    return what == RF_ALWAYS || (what == RF_AT_INFERENCE && !l->desc->training);
}

static rf_act act_of(const rf_op *op) {
    for (int act = RF_ACT_NONE + 1; act < RF_ACTS; act++)
        if (strcmp(op->name, rf_act_names[act]) == 0) return (rf_act)act;
    return RF_ACT_NONE;
}

/* How well the device's best solver matches. */
static rf_match best_match(const rf_problem *problem, const rf_device *device, rf_direction direction) {
    rf_match best = RF_MATCH_NONE;
    for (const rf_solver *const *s = problem->op->solvers; s != NULL && *s != NULL; s++)
        best = RF_MAX(best, rf_solver_match(*s, problem, direction, device));
    return best;
}

/* The worst of these over the directions needed, with this problem in slot k. */
static rf_match match_of(const lowering *l, int k, const rf_problem *problem) {
    const int directions = !l->desc->training                       ? RF_FORWARD + 1
                           : l->slots[k].input[0] == RF_FROM_IMAGES ? RF_BACKWARD_PARAMS + 1
                                                                    : RF_DIRECTIONS;
    rf_match worst = RF_MATCH_FAST;
    for (int d = 0; d < directions; d++)
        if (problem->op->reference[d] != NULL)
            worst = RF_MIN(worst, best_match(problem, l->desc->device, (rf_direction)d));
    return worst;
}

/* Puts the fused node in slot `later`: `earlier` is removed, its consumers read `later`. */
static void replace(lowering *l, int earlier, int later, const rf_problem *fused, const int *input) {
    rf_lowered_node *node = &l->slots[later];
    node->problem = *fused;
    memcpy(node->input, input, sizeof node->input);
    node->model_node = l->slots[earlier].model_node;
    node->name = l->slots[earlier].name;
    memcpy(node->trained, l->slots[earlier].trained, sizeof node->trained);
    node->standardized = l->slots[earlier].standardized;
    l->gone[earlier] = true;
}

/* act(op(x)): fuses the activation in slot k into the node before it. */
static void fuse_activation(lowering *l, int k) {
    rf_act act = act_of(l->slots[k].problem.op);
    int before = l->slots[k].input[0];
    if (act == RF_ACT_NONE || before < 0 || l->uses[before] != 1) return;
    rf_problem fused = l->slots[before].problem;
    if (!takes(l, fused.op->takes_act) || fused.act != RF_ACT_NONE) return;
    if (RF_ACT_SEES_X(act) && l->desc->training && !rf_act_from_x(&fused)) return;
    fused.act = act;
    if (match_of(l, before, &fused) >= RF_MATCH_OTHER) replace(l, before, k, &fused, l->slots[before].input);
}

/* Fuses slot k and the node before into one op for both, where a solver is faster and both would run on the device. */
static void fuse_pair(lowering *l, int k) {
    const rf_problem *second = &l->slots[k].problem;
    const int before = l->slots[k].input[0];
    const rf_op *op = NULL;
    if (before < 0 || l->uses[before] != 1) return;
    rf_problem fused = l->slots[before].problem;
    if (RF_ACT_SEES_X(fused.act)) return; /* not monotonic: no maximum may be taken before it */
    for (size_t i = 0; (op = rf_op_at(i)) != NULL; i++)
        if (op->parts[0] == fused.op && op->parts[1] == second->op && op->joins(second)) break;
    if (op == NULL || match_of(l, before, &fused) < RF_MATCH_OTHER || match_of(l, k, second) < RF_MATCH_OTHER)
        return;
    fused.op = op;
    if (op->infer(&fused) == RF_OK && match_of(l, before, &fused) == RF_MATCH_FAST)
        replace(l, before, k, &fused, l->slots[before].input);
}

/* op(x) + r: fuses the addition in slot k into one of its two operands; the other becomes that one's second input.
 */
static void fuse_residual(lowering *l, int k) {
    const rf_lowered_node *add = &l->slots[k];
    if (!add->problem.op->is_sum || add->problem.inputs != 2) return;
    for (int side = 0; side < 2; side++) {
        int before = add->input[side], other = add->input[1 - side];
        if (before < 0 || before == other || l->uses[before] != 1) continue;
        rf_problem fused = l->slots[before].problem;
        if (!takes(l, fused.op->takes_residual) || fused.inputs != 1 || fused.act != RF_ACT_NONE) continue;
        if (l->desc->training && l->slots[before].input[0] == other)
            continue; /* one kernel would write the same gradient twice */
        const rf_match as_it_is = match_of(l, before, &fused);
        int input[RF_MAX_INPUTS] = {l->slots[before].input[0], other};
        fused.inputs = 2;
        fused.x[1] = fused.y;
        if (match_of(l, before, &fused) < RF_MAX(RF_MATCH_OTHER, as_it_is)) continue;
        replace(l, before, k, &fused, input);
        return;
    }
}

/* Infers shapes again, for the whole batch and purpose: it may be too large, or invalid for training. */
static rf_status check_batch(rf_lowered_node *slot) {
    rf_status status = slot->problem.op->infer(&slot->problem);
    if (status == RF_OK && (double)rf_shape_count(slot->problem.y) > RF_MAX_BATCH_NUMBERS)
        status = rf_fail(RF_E_SHAPE, "%zu numbers for %d images are too many: use a smaller --batch",
                         rf_shape_count(slot->problem.y), slot->problem.y.n);
    return status == RF_OK ? RF_OK : rf_fail_prefix(status, "layer '%s'", slot->name);
}

/* An op that is its own input always (flatten) stays: the plan shares its memory. */
static rf_status fill_slots(lowering *l) {
    const rf_model *model = l->desc->model;
    for (int k = 1; k < model->node_count; k++) {
        rf_lowered_node *slot = &l->slots[k - 1];
        rf_node_problem(&slot->problem, model, k, l->desc->batch);
        slot->problem.training = l->desc->training;
        slot->problem.id = (uint32_t)k;
        slot->model_node = k;
        slot->name = model->nodes[k].name;
        for (int i = 0; i < model->nodes[k].inputs; i++) slot->input[i] = model->nodes[k].input[i] - 1;
        RF_TRY(check_batch(slot));
        rf_standardize_lower(slot, l->desc->device);
    }
    for (int i = 0; i < model->parameter_count; i++)
        if (rf_is_trained(model, l->desc->trained, i))
            l->slots[model->parameters[i].node - 1].trained[model->parameters[i].slot] = true;
    for (int k = 1; k < model->node_count; k++) {
        const int owner = rf_model_owner(model, k);
        if (owner != k)
            memcpy(l->slots[k - 1].trained, l->slots[owner - 1].trained, sizeof l->slots[0].trained);
    }
    if (l->desc->loss == NULL) return RF_OK;
    rf_lowered_node *loss = &l->slots[model->node_count - 1];
    rf_problem *p = &loss->problem;
    *p = (rf_problem){.op = l->desc->loss, .inputs = 2, .training = l->desc->training};
    rf_attrs_default(&p->attrs, p->op);
    p->attrs.smoothing = l->desc->smoothing;
    p->x[0] = model->nodes[model->output].shape;
    p->x[0].n = l->desc->batch;
    p->x[1] = (rf_shape){.n = l->desc->batch, .c = l->desc->mixed ? RF_MIXED_LABELS : 1, .h = 1, .w = 1};
    loss->input[0] = model->output - 1;
    loss->input[1] = RF_FROM_LABELS;
    loss->model_node = -1;
    loss->name = p->op->name;
    return p->op->infer(p);
}

/* An op that is its own input at inference (dropout) goes: those after it read that input. */
static void skip_training_only(lowering *l) {
    if (l->desc->training) return;
    for (int k = 0; k < l->count; k++) {
        rf_lowered_node *slot = &l->slots[k];
        for (int i = 0; i < slot->problem.inputs; i++)
            if (slot->input[i] >= 0 && l->gone[slot->input[i]])
                slot->input[i] = l->slots[slot->input[i]].input[0];
        l->gone[k] = slot->problem.op->training_only && k != l->desc->model->output - 1;
    }
}

static void count_uses(lowering *l) {
    memset(l->uses, 0, (size_t)l->count * sizeof *l->uses);
    for (int k = 0; k < l->count; k++)
        for (int i = 0; i < l->slots[k].problem.inputs && !l->gone[k]; i++)
            if (l->slots[k].input[i] >= 0) l->uses[l->slots[k].input[i]]++;
    l->uses[l->desc->model->output - 1]++; /* the caller may read the scores */
}

bool rf_fusion_wanted(const rf_device *device) {
    const char *off = getenv("RANGEFINDER_FUSION");
    return rf_device_describe(device)->kind != RF_DEVICE_REFERENCE && (off == NULL || strcmp(off, "0") != 0);
}

static void fuse(lowering *l) {
    if (!rf_fusion_wanted(l->desc->device)) return;
    for (int k = 0; k < l->count; k++) {
        fuse_residual(l, k);
        fuse_activation(l, k);
        fuse_pair(l, k);
    }
}

/* Removes the fused-away nodes and renumbers. */
static void compact(rf_lowered *out, const lowering *l) {
    int *place = l->place;
    out->count = 0;
    for (int k = 0; k < l->count; k++) {
        place[k] = -1;
        if (l->gone[k]) continue;
        rf_lowered_node node = l->slots[k];
        for (int i = 0; i < node.problem.inputs; i++)
            if (node.input[i] >= 0) node.input[i] = place[node.input[i]];
        place[k] = out->count;
        out->nodes[out->count++] = node;
    }
    out->scores = place[l->desc->model->output - 1];
    out->loss = l->desc->loss != NULL ? out->count - 1 : -1;
}

rf_status rf_lower(rf_lowered **out, const rf_lower_desc *desc) {
    rf_status status = RF_E_MEMORY;
    lowering l = {.desc = desc, .count = desc->model->node_count - 1 + (desc->loss != NULL)};
    rf_lowered *lowered = rf_alloc(1, sizeof *lowered);
    *out = NULL;
    size_t n = (size_t)l.count;
    l.slots = rf_alloc(n, sizeof *l.slots);
    l.uses = rf_alloc(n, sizeof *l.uses);
    l.place = rf_alloc(n, sizeof *l.place);
    l.gone = rf_alloc(n, sizeof *l.gone);
    if (lowered == NULL || l.slots == NULL || l.uses == NULL || l.place == NULL || l.gone == NULL) goto done;
    lowered->nodes = rf_alloc(n, sizeof *lowered->nodes);
    if (lowered->nodes == NULL) goto done;
    status = fill_slots(&l);
    if (status != RF_OK) goto done;
    skip_training_only(&l);
    count_uses(&l);
    fuse(&l);
    compact(lowered, &l);
    *out = lowered;
    lowered = NULL;
done:
    rf_lowered_free(lowered);
    free(l.slots);
    free(l.uses);
    free(l.place);
    free(l.gone);
    return status;
}

void rf_lowered_free(rf_lowered *lowered) {
    if (lowered == NULL) return;
    free(lowered->nodes);
    free(lowered);
}
