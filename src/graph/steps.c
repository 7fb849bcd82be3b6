/* Steps and their tensors; the conversions of maps in halves around steps whose solvers take floats alone. */
#include "graph/steps.h"

#include <stdlib.h>

#include "graph/storage.h"

rf_step rf_step_blank(int node, rf_direction direction) {
    rf_step step = {.node = node,
                    .direction = direction,
                    .y = -1,
                    .dy = -1,
                    .saved = -1,
                    .work = -1,
                    .norm = -1,
                    .bn_sums_from = -1,
                    .weight = -1,
                    .repeats = -1};
    for (int i = 0; i < RF_MAX_INPUTS; i++) step.x[i] = step.dx[i] = -1;
    for (int i = 0; i < RF_MAX_BN_SUMS; i++) step.sums[i] = -1;
    for (int i = 0; i < RF_MAX_PARAMS; i++) step.own_grad[i] = -1;
    return step;
}

int rf_steps_tensor(rf_steps *s, size_t bytes) {
    if (s->tensor_count == s->tensor_capacity) {
        int capacity = RF_MAX(s->tensor_capacity * 2, 256);
        rf_tensor *grown = rf_resize(s->tensors, (size_t)capacity, sizeof *grown);
        if (grown == NULL) return -1;
        s->tensors = grown;
        s->tensor_capacity = capacity;
    }
    s->tensors[s->tensor_count] = (rf_tensor){.bytes = bytes, .first = INT32_MAX, .last = -1};
    return s->tensor_count++;
}

int rf_steps_map(rf_steps *s, rf_shape shape, bool half) {
    return rf_steps_tensor(s, rf_shape_count(shape) * (half ? sizeof(uint16_t) : sizeof(float)));
}

int rf_steps_parameter(rf_steps *s, int parameter, bool of_gradient) {
    const int tensor = rf_steps_tensor(s, 0);
    if (tensor < 0) return -1;
    s->tensors[tensor].parameter = parameter + 1;
    s->tensors[tensor].of_gradient = of_gradient;
    return tensor;
}

void rf_steps_touch(rf_steps *s, int tensor, int step) {
    if (tensor < 0 || s->tensors[tensor].parameter > 0) return;
    rf_tensor *t = &s->tensors[tensor];
    t->first = RF_MIN(t->first, step);
    t->last = RF_MAX(t->last, step);
}

rf_status rf_steps_add(rf_steps *s, const rf_step *step) {
    if (s->count == s->capacity) {
        int capacity = RF_MAX(s->capacity * 2, 128);
        rf_step *grown = rf_resize(s->steps, (size_t)capacity, sizeof *grown);
        if (grown == NULL) return RF_E_MEMORY;
        s->steps = grown;
        s->capacity = capacity;
    }
    const int at = s->count++;
    s->steps[at] = *step;
    for (int i = 0; i < RF_MAX_INPUTS; i++)
        rf_steps_touch(s, step->x[i], at), rf_steps_touch(s, step->dx[i], at);
    for (int i = 0; i < RF_MAX_PARAMS; i++) rf_steps_touch(s, step->own_grad[i], at);
    rf_steps_touch(s, step->y, at);
    rf_steps_touch(s, step->dy, at);
    rf_steps_touch(s, step->saved, at);
    rf_steps_touch(s, step->work, at);
    rf_steps_touch(s, step->weight, at);
    rf_steps_touch(s, step->norm, at);
    rf_steps_touch(s, step->sums[RF_BN_SUMS_PARTIAL], at);
    return RF_OK;
}

/* ---- with solvers ---- */

/* Where steps go, and what their solvers are chosen by. */
typedef struct place {
    rf_steps *steps;
    rf_device *device;
    const rf_tuning *tuning;
} place;

static void choose(const place *p, rf_step *step) {
    step->choice_count =
        rf_choose(step->choices, RF_MAX_CHOICES, &step->problem, step->direction, p->device, p->tuning);
}

static rf_status append_chosen(const place *p, rf_step *step) {
    const size_t work = step->choice_count > 0 ? step->choices[0].workspace_bytes : 0;
    step->work = work > 0 ? rf_steps_tensor(p->steps, work) : -1;
    return work > 0 && step->work < 0 ? RF_E_MEMORY : rf_steps_add(p->steps, step);
}

/* Appends the step to = from, one of which is in halves. */
static rf_status convert(const place *p, int node, int from, int to, rf_shape shape, bool from_half) {
    rf_step step = rf_step_blank(node, RF_FORWARD);
    rf_store_conversion(&step.problem, shape, from_half);
    step.converts = true;
    step.part = "convert";
    step.x[0] = from;
    step.y = to;
    choose(p, &step);
    return append_chosen(p, &step);
}

/* A map in floats in the place of one in halves; read: the step reads it, so that it is converted first. */
static rf_status replace_map(const place *p, const rf_step *step, int *tensor, rf_shape shape, bool read) {
    const int half = *tensor;
    if (half < 0) return RF_OK;
    *tensor = rf_steps_map(p->steps, shape, false);
    if (*tensor < 0) return RF_E_MEMORY;
    return read ? convert(p, step->node, half, *tensor, shape, true) : RF_OK;
}

/* Appends `own`, which is the step with solvers for floats, between the conversions of its maps. */
static rf_status append_in_floats(const place *p, rf_step *own, const rf_step *step) {
    const rf_problem *problem = &step->problem;
    const bool forward = step->direction == RF_FORWARD;
    for (int i = 0; i < problem->inputs && problem->half_x; i++) {
        RF_TRY(replace_map(p, step, &own->x[i], problem->x[i], true));
        RF_TRY(replace_map(p, step, &own->dx[i], problem->x[i], problem->accumulate[i]));
    }
    if (problem->half_y) {
        RF_TRY(replace_map(p, step, &own->y, problem->y, !forward));
        RF_TRY(replace_map(p, step, &own->dy, problem->y, true));
    }
    RF_TRY(append_chosen(p, own));
    for (int i = 0; i < problem->inputs && problem->half_x; i++)
        if (step->dx[i] >= 0) RF_TRY(convert(p, step->node, own->dx[i], step->dx[i], problem->x[i], false));
    if (!forward || !problem->half_y || step->y < 0) return RF_OK;
    return convert(p, step->node, own->y, step->y, problem->y, false);
}

/* Whether a step's best solver is no worse than its best one for floats. */
static bool is_as_good(const rf_step *step, const rf_step *in_floats) {
    if (step->choice_count == 0) return false;
    const rf_choice *a = &step->choices[0], *b = &in_floats->choices[0];
    return a->match > b->match || (a->match == b->match && a->solver->rank >= b->solver->rank);
}

/* Chooses solvers for the step, and for `own`, which is the step with floats; false: that one is to be taken. */
static bool choose_both(const place *p, rf_step *step, rf_step *own) {
    *own = *step;
    choose(p, step);
    if (!step->problem.half_x && !step->problem.half_y) return true;
    own->problem.half_x = own->problem.half_y = false;
    choose(p, own);
    return is_as_good(step, own);
}

bool rf_steps_takes_maps(const rf_problem *problem, rf_device *device, const rf_tuning *tuning) {
    rf_step own, step = rf_step_blank(0, RF_FORWARD);
    step.problem = *problem;
    return choose_both(&(place){NULL, device, tuning}, &step, &own);
}

rf_status rf_steps_append(rf_steps *steps, rf_step *step, rf_device *device, const rf_tuning *tuning) {
    const place p = {steps, device, tuning};
    rf_step own;
    return choose_both(&p, step, &own) ? append_chosen(&p, step) : append_in_floats(&p, &own, step);
}

void rf_steps_free(rf_steps *steps) {
    if (steps == NULL) return;
    free(steps->steps);
    free(steps->tensors);
    free(steps);
}
