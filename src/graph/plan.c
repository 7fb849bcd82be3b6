/* Plans: lower, derive the steps, place the memory; then turn steps into launches. */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "graph/defer.h"
#include "graph/recompute.h"
#include "graph/storage.h"
#include "op/reference.h"
#include "verify/check.h"

struct rf_plan {
    rf_plan_desc desc;
    rf_plan_memory memory;
    rf_lowered *lowered;
    rf_steps *steps;
    rf_arena *arena;
    size_t whole_bytes;    /* of the arena in which all activations are kept */
    rf_buffer *loss_state; /* class weights of the loss, ones by default; NULL where it takes none */
    /* By step: a deferred batch norm's output, where the reference reads it; else NULL. */
    rf_buffer **applied;
    const rf_solver **taken;   /* by step */
    const rf_solver **trusted; /* solvers checked in this process: new kernels are checked once */
    int trusted_count;
};

static rf_status find_loss(const rf_op **out, const char *name) {
    *out = NULL;
    if (name == NULL) return RF_OK;
    *out = rf_op_find(name);
    if (*out == NULL || !(*out)->is_loss)
        return rf_fail(RF_E_USAGE, "no loss '%s'; there are cross_entropy and mse", name);
    return RF_OK;
}

/* The loss's own buffer: the class weights. */
static rf_status make_loss_state(rf_plan *plan) {
    if (plan->lowered->loss < 0) return RF_OK;
    const rf_problem *p = &plan->lowered->nodes[plan->lowered->loss].problem;
    rf_param_spec specs[RF_MAX_STATES];
    if (p->op->states == NULL || p->op->states(p, specs) == 0) return RF_OK;
    size_t count = rf_param_storage(&specs[0]);
    float *weights = rf_alloc(count, sizeof *weights);
    if (weights == NULL) return RF_E_MEMORY;
    for (size_t i = 0; i < count; i++)
        weights[i] = i < (size_t)plan->desc.class_weight_count ? plan->desc.class_weights[i] : 1.0f;
    rf_status status = rf_buffer_create(&plan->loss_state, plan->desc.device, count * sizeof *weights);
    if (status == RF_OK) status = rf_buffer_write(plan->loss_state, 0, weights, count * sizeof *weights);
    free(weights);
    return status;
}

static rf_buffer *tensor_buffer(const rf_plan *plan, int id) {
    if (id < 0) return NULL;
    const rf_tensor *t = &plan->steps->tensors[id];
    const rf_weights *weights = plan->memory.weights;
    if (t->parameter == 0) return t->buffer;
    return t->of_gradient ? weights->gradient[t->parameter - 1] : weights->value[t->parameter - 1];
}

rf_status rf_plan_create(rf_plan **out, const rf_plan_desc *desc) {
    rf_lower_desc lower = {.model = desc->model,
                           .batch = desc->batch,
                           .training = desc->training,
                           .trained = desc->trained,
                           .smoothing = desc->label_smoothing,
                           .mixed = desc->mixed,
                           .device = desc->device};
    *out = NULL;
    RF_TRY(find_loss(&lower.loss, desc->loss));
    rf_plan *plan = rf_alloc(1, sizeof *plan);
    if (plan == NULL) return RF_E_MEMORY;
    plan->desc = *desc;
    rf_tuning *tuning = NULL;
    rf_status status = rf_tuning_load(&tuning, rf_device_describe(desc->device));
    if (status == RF_OK) status = rf_lower(&plan->lowered, &lower);
    if (status == RF_OK && desc->half) status = rf_store_halves(plan->lowered, desc->device);
    if (status == RF_OK && desc->training && !desc->undeferred)
        status = rf_defer_norms(plan->lowered, desc->device, tuning);
    if (status == RF_OK)
        status =
            rf_steps_create(&plan->steps, plan->lowered, desc->model, desc->training, desc->device, tuning);
    if (status == RF_OK)
        status = rf_arena_create(&plan->arena, desc->device, plan->steps->tensors,
                                 (size_t)plan->steps->tensor_count);
    if (status == RF_OK) {
        plan->whole_bytes = rf_arena_bytes(plan->arena);
        const bool trains = desc->training && plan->steps->loss >= 0;
        if (trains)
            status =
                rf_recompute(&plan->steps, &plan->arena, desc->device,
                             desc->limit_bytes > 0 ? desc->limit_bytes : SIZE_MAX, desc->recompute_cheap);
    }
    if (status == RF_OK) {
        const size_t steps = (size_t)plan->steps->count;
        plan->applied = rf_alloc(steps, sizeof *plan->applied);
        plan->taken = rf_alloc(steps, sizeof *plan->taken);
        plan->trusted = rf_alloc(steps, sizeof *plan->trusted);
        if (plan->applied == NULL || plan->taken == NULL || plan->trusted == NULL) status = RF_E_MEMORY;
    }
    rf_tuning_free(tuning);
    if (status == RF_OK)
        *out = plan;
    else
        rf_plan_free(plan);
    return status;
}

rf_status rf_plan_allocate(rf_plan *plan, const rf_plan_memory *memory) {
    plan->memory = *memory;
    RF_TRY(rf_arena_allocate(plan->arena));
    RF_TRY(make_loss_state(plan));
    if (!plan->desc.training || plan->steps->loss < 0) return RF_OK;
    return rf_buffer_write(tensor_buffer(plan, plan->steps->loss_gradient), 0, &plan->desc.loss_gradient,
                           sizeof(float));
}

void rf_plan_free(rf_plan *plan) {
    if (plan == NULL) return;
    for (int i = 0; plan->applied != NULL && i < plan->steps->count; i++) rf_buffer_free(plan->applied[i]);
    free(plan->applied);
    rf_arena_free(plan->arena);
    rf_steps_free(plan->steps);
    rf_lowered_free(plan->lowered);
    rf_buffer_free(plan->loss_state);
    free(plan->taken);
    free(plan->trusted);
    free(plan);
}

rf_buffer *rf_plan_images(const rf_plan *plan) {
    return tensor_buffer(plan, plan->steps->images);
}
rf_buffer *rf_plan_labels(const rf_plan *plan) {
    return tensor_buffer(plan, plan->steps->labels);
}
rf_buffer *rf_plan_scores(const rf_plan *plan) {
    return tensor_buffer(plan, plan->steps->scores);
}
rf_buffer *rf_plan_loss(const rf_plan *plan) {
    return tensor_buffer(plan, plan->steps->loss);
}
rf_buffer *rf_plan_loss_gradient(const rf_plan *plan) {
    return tensor_buffer(plan, plan->steps->loss_gradient);
}
bool rf_plan_has_halves(const rf_plan *plan) {
    bool any = false;
    for (int i = 0; i < plan->lowered->count; i++) any |= plan->lowered->nodes[i].problem.half_y;
    return any;
}
size_t rf_plan_memory_bytes(const rf_plan *plan) {
    return rf_arena_bytes(plan->arena);
}
size_t rf_plan_largest_bytes(const rf_plan *plan) {
    return rf_arena_largest(plan->arena);
}

rf_plan_repeats rf_plan_repeated(const rf_plan *plan) {
    return (rf_plan_repeats){plan->whole_bytes, plan->steps->repeated};
}

/* The parameters of a model node, by slot. */
static void bind_parameters(const rf_plan *plan, rf_tensors *t, int model_node) {
    const rf_model *model = plan->desc.model;
    const int owner = rf_model_owner(model, model_node);
    for (int i = rf_model_first_parameter(model, model_node);
         i < model->parameter_count && model->parameters[i].node == owner; i++) {
        const rf_parameter *p = &model->parameters[i];
        if (p->is_state)
            t->state[p->slot] = plan->memory.weights->value[i];
        else {
            t->param[p->slot] = plan->memory.weights->value[i];
            t->grad[p->slot] = plan->memory.weights->gradient[i];
        }
    }
}

static rf_tensors bind(const rf_plan *plan, const rf_step *step) {
    rf_tensors t = {.y = tensor_buffer(plan, step->y),
                    .dy = tensor_buffer(plan, step->dy),
                    .saved = tensor_buffer(plan, step->saved),
                    .work = tensor_buffer(plan, step->work),
                    .norm = tensor_buffer(plan, step->norm),
                    .rng = plan->memory.rng};
    int model_node = plan->lowered->nodes[step->node].model_node;
    if (step->direction == RF_FORWARD && step->problem.op->states != NULL) t.control = plan->memory.control;
    for (int i = 0; i < RF_MAX_INPUTS; i++) {
        t.x[i] = tensor_buffer(plan, step->x[i]);
        t.dx[i] = tensor_buffer(plan, step->dx[i]);
    }
    for (int i = 0; i < RF_MAX_BN_SUMS; i++) t.sums[i] = tensor_buffer(plan, step->sums[i]);
    if (step->part != NULL) return t; /* of another op, without parameters */
    if (model_node >= 0)
        bind_parameters(plan, &t, model_node);
    else
        t.state[0] = plan->loss_state;
    for (int i = 0; i < RF_MAX_PARAMS; i++)
        if (step->own_grad[i] >= 0) t.grad[i] = tensor_buffer(plan, step->own_grad[i]);
    if (step->weight >= 0) t.param[0] = tensor_buffer(plan, step->weight);
    return t;
}

/* Checks a solver with newly built kernels against the reference, on the same layer with few images. */
static rf_status check_new(rf_plan *plan, const rf_step *step, const rf_choice *choice) {
    for (int i = 0; i < plan->trusted_count; i++)
        if (plan->trusted[i] == choice->solver) return RF_OK;
    rf_problem small = step->problem;
    int batch = RF_MIN(small.y.n, 2);
    for (int i = 0; i < small.inputs; i++) small.x[i].n = RF_MIN(small.x[i].n, batch);
    RF_TRY(small.op->infer(&small));
    rf_check_result result;
    RF_TRY(rf_check_solver(&result, plan->desc.device, &small, choice->solver, &choice->config));
    char text[192];
    if (!rf_check_passed(&result))
        return rf_fail(RF_E_DEVICE, "disagrees with the reference: %s", rf_check_text(text, &result));
    plan->trusted[plan->trusted_count++] = choice->solver;
    return RF_OK;
}

/* Whether the planned sums are computed: only by the first choice of the step that does; without it batch norm computes its
 * own.  choice: NULL where it is the reference. */
static bool bn_sums_hold(const rf_plan *plan, const rf_step *step, const rf_choice *choice) {
    const int from = step->bn_sums_from;
    return from < 0 ? choice == step->choices
                    : plan->taken[from] == plan->steps->steps[from].choices[0].solver;
}

static rf_problem problem_of(const rf_plan *plan, const rf_step *step, const rf_choice *choice) {
    rf_problem problem = step->problem;
    problem.dist = plan->memory.dist;
    if (!bn_sums_hold(plan, step, choice)) problem.sums = (rf_bn_sums){0};
    return problem;
}

static rf_status try_choice(rf_plan *plan, rf_sequence *sequence, const rf_step *step,
                            const rf_tensors *tensors, const rf_choice *choice) {
    size_t first = rf_sequence_count(sequence);
    const rf_device_info *info = rf_device_describe(plan->desc.device);
    const rf_problem problem = problem_of(plan, step, choice);
    rf_status status = rf_solver_prepare(choice->solver, sequence, &problem, info, tensors, &choice->config);
    if (status == RF_OK && rf_sequence_is_new(sequence, first)) {
        status = check_new(plan, step, choice);
        if (status != RF_OK) rf_sequence_distrust(sequence, first);
    }
    if (status != RF_OK) rf_sequence_truncate(sequence, first);
    return status;
}

/* Whether the failure is the solver's, so that another may succeed; lack of memory, files and interruptions are not. */
static bool blames_solver(rf_status status) {
    return (status == RF_E_DEVICE || status == RF_E_SHAPE) && !rf_interrupted();
}

/* Applies the deferred batch norm that step `index` reads through, for the reference, which reads maps as they are. */
static rf_status apply_norm(rf_plan *plan, rf_sequence *sequence, int index, rf_tensors *t) {
    const rf_lowered_node *nodes = plan->lowered->nodes,
                          *norm = &nodes[nodes[plan->steps->steps[index].node].input[0]];
    rf_buffer **applied = &plan->applied[index];
    rf_problem problem = norm->problem;
    rf_choice choice;
    if (*applied == NULL)
        RF_TRY(rf_buffer_create(applied, plan->desc.device, rf_shape_count(problem.y) * sizeof(float)));
    rf_tensors own = {.x = {t->x[0]}, .y = *applied, .saved = t->norm};
    bind_parameters(plan, &own, norm->model_node);
    problem.deferred = false;
    problem.repeated = true; /* the statistics are there */
    t->x[0] = *applied;
    const size_t first = rf_sequence_count(sequence);
    if (rf_choose(&choice, 1, &problem, RF_FORWARD, plan->desc.device, NULL) == 1 &&
        rf_solver_prepare(choice.solver, sequence, &problem, rf_device_describe(plan->desc.device), &own,
                          &choice.config) == RF_OK)
        return RF_OK;
    rf_sequence_truncate(sequence, first);
    return rf_emit_reference(sequence, &problem, RF_FORWARD, &own);
}

static rf_status emit_step(rf_plan *plan, rf_sequence *sequence, int index) {
    const rf_step *step = &plan->steps->steps[index];
    const char *name = plan->lowered->nodes[step->node].name,
               *direction = step->part != NULL   ? step->part
                            : step->repeats >= 0 ? "forward_again"
                                                 : rf_direction_names[step->direction];
    rf_tensors tensors = bind(plan, step);
    for (int i = 0; i < step->choice_count; i++) {
        const rf_choice *choice = &step->choices[i];
        if (choice->workspace_bytes > step->choices[0].workspace_bytes)
            continue; /* computed for the first choice */
        if (step->repeats >= 0 && choice->solver != plan->taken[step->repeats]) continue; /* the same bits */
        rf_sequence_label(sequence, "%s.%s.%s", name, direction, choice->solver->name);
        rf_status status = try_choice(plan, sequence, step, &tensors, choice);
        plan->taken[index] = choice->solver;
        if (status == RF_OK) return RF_OK;
        if (!blames_solver(status)) return rf_interrupted() ? RF_E_INTERRUPTED : status;
        char what[96];
        snprintf(what, sizeof what, "%s.%s", choice->solver->name, direction);
        rf_device_quarantine(plan->desc.device, what, rf_error_message());
    }
    plan->taken[index] = NULL;
    if (step->problem.half_x || step->problem.half_y) /* the reference has floats */
        return rf_fail(RF_E_DEVICE, "%s.%s: no kernel for halves works on this device; leave out --half",
                       name, direction);
    const rf_problem problem = problem_of(plan, step, NULL);
    rf_sequence_label(sequence, "%s.%s.reference", name, direction);
    if (problem.normed) RF_TRY(apply_norm(plan, sequence, index, &tensors));
    return rf_emit_reference(sequence, &problem, step->direction, &tensors);
}

static rf_status emit_range(rf_plan *plan, rf_sequence *sequence, int from, int to) {
    for (int i = from; i < to; i++) RF_TRY(emit_step(plan, sequence, i));
    return RF_OK;
}

rf_status rf_plan_emit_forward(rf_plan *plan, rf_sequence *sequence) {
    return emit_range(plan, sequence, 0, plan->steps->backward);
}

rf_status rf_plan_emit_backward(rf_plan *plan, rf_sequence *sequence) {
    return emit_range(plan, sequence, plan->steps->backward, plan->steps->count);
}

/* A failure here occurs again where the plan is made, and is reported there. */
rf_status rf_plan_compile(rf_plan *plan, int first, int end) {
    const rf_device_info *info = rf_device_describe(plan->desc.device);
    rf_sequence *scratch = NULL;
    RF_TRY(rf_sequence_create(&scratch, plan->desc.device));
    for (int i = end - 1; i >= first && !rf_interrupted(); i--) {
        const rf_step *step = &plan->steps->steps[i];
        const rf_choice *choice = step->choices;
        rf_tensors tensors = bind(plan, step);
        if (step->choice_count > 0 && rf_solver_prepare(choice->solver, scratch, &step->problem, info,
                                                        &tensors, &choice->config) == RF_OK)
            rf_sequence_run(scratch);
        rf_device_sync(plan->desc.device);
        rf_sequence_truncate(scratch, 0);
    }
    rf_sequence_free(scratch);
    return RF_OK;
}

size_t rf_plan_step_count(const rf_plan *plan) {
    return (size_t)plan->steps->count;
}

const rf_step *rf_plan_step(const rf_plan *plan, size_t index, const char **name, const rf_solver **solver) {
    const rf_step *step = &plan->steps->steps[index];
    *name = plan->lowered->nodes[step->node].name;
    *solver = plan->taken[index];
    return step;
}
