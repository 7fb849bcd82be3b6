/* A convolution's weights lie as maps do (op.h): in panels as (panels, 16, taps, inputs), in groups as (1, outputs, taps, inputs).  So
 * the norm of each image's channels is that of each output's weights, and what pads the last panel stays zero. */
#include "graph/standardize.h"

#include <string.h>

void rf_standardize_lower(rf_lowered_node *node, const rf_device *device) {
    if (strcmp(node->problem.op->name, "conv_standardized") != 0 ||
        rf_device_describe(device)->kind == RF_DEVICE_REFERENCE)
        return;
    node->problem.op = rf_op_find("conv");
    node->standardized = true;
}

int rf_standardize_gain(const rf_lowered_node *node) {
    const rf_attrs *a = &node->problem.attrs;
    return !node->standardized || !a->affine ? -1 : a->bias ? 2 : 1;
}

/* The weights as maps, and the gain as theirs of 1x1. */
static rf_shape weights_of(const rf_lowered_node *node) {
    rf_param_spec specs[RF_MAX_PARAMS];
    node->problem.op->params(&node->problem, specs);
    const int *k = specs[0].shape;
    return specs[0].layout == RF_LAYOUT_PANEL
               ? (rf_shape){(int)rf_ceil_div((size_t)k[0], RF_PANEL), RF_PANEL, k[2] * k[3], k[1], false}
               : (rf_shape){1, k[0], k[2] * k[3], k[1], false};
}
static rf_shape gain_of(const rf_lowered_node *node) {
    rf_shape shape = weights_of(node);
    shape.h = shape.w = 1;
    return shape;
}

static int parameter(const rf_standardize_desc *d, int slot, bool of_gradient) {
    const int i = rf_model_find_parameter(d->model, d->node->model_node, false, slot);
    return rf_steps_parameter(d->steps, i, of_gradient);
}

/* A step of w' = factor (w - mean) / sqrt(variance + eps), or of a part of it. */
static rf_step step_of(const rf_standardize_desc *d, const char *op, rf_direction direction) {
    const rf_attrs *a = &d->node->problem.attrs;
    rf_step step = rf_step_blank(d->index, direction);
    rf_problem *p = &step.problem;
    const rf_shape shape = weights_of(d->node);
    *p = (rf_problem){.op = rf_op_find(op), .inputs = 1, .x = {shape}, .y = shape, .training = d->training};
    rf_attrs_default(&p->attrs, p->op);
    p->attrs.eps = a->eps;
    if (strcmp(op, "affine") == 0) p->attrs.slope = a->value;
    if (strcmp(op, "multiply") == 0) {
        p->inputs = 2;
        p->x[1] = gain_of(d->node);
    }
    step.part = direction == RF_FORWARD ? "weights" : "weights_gradient";
    return step;
}

static rf_status append(const rf_standardize_desc *d, rf_step *step) {
    return rf_steps_append(d->steps, step, d->device, d->tuning);
}

/* Appends y = op(x), a new tensor. */
static rf_status compute(int *y, const rf_standardize_desc *d, rf_step *step) {
    *y = step->y = rf_steps_map(d->steps, step->problem.y, false);
    if (*y < 0) return RF_E_MEMORY;
    return append(d, step);
}

rf_status rf_standardize_forward(rf_standardized *out, const rf_standardize_desc *d) {
    const int gain = rf_standardize_gain(d->node);
    rf_step norm = step_of(d, "instance_norm", RF_FORWARD);
    *out = (rf_standardized){.saved = -1};
    if (d->training) {
        out->saved = rf_steps_tensor(d->steps, norm.problem.op->saved(&norm.problem) * sizeof(float));
        if (out->saved < 0) return RF_E_MEMORY;
    }
    norm.saved = out->saved;
    if ((norm.x[0] = parameter(d, 0, false)) < 0) return RF_E_MEMORY;
    RF_TRY(compute(&out->normed, d, &norm));
    out->weight = out->scaled = out->normed;
    if (d->node->problem.attrs.value != 1) {
        rf_step scale = step_of(d, "affine", RF_FORWARD);
        scale.x[0] = out->normed;
        RF_TRY(compute(&out->scaled, d, &scale));
        out->weight = out->scaled;
    }
    if (gain < 0) return RF_OK;
    rf_step times = step_of(d, "multiply", RF_FORWARD);
    times.x[0] = out->scaled;
    if ((times.x[1] = parameter(d, gain, false)) < 0) return RF_E_MEMORY;
    return compute(&out->weight, d, &times);
}

/* Appends the step for dx[0], which takes dy's place, or is a parameter's gradient. */
static rf_status pass_back(const rf_standardize_desc *d, rf_step *step, int dx, bool adds) {
    step->dx[0] = dx;
    step->problem.need_dx[0] = dx >= 0;
    step->problem.accumulate[0] = adds;
    return append(d, step);
}

rf_status rf_standardize_backward(const rf_standardized *s, const rf_standardize_desc *d, int gradient,
                                  bool adds) {
    const int gain = rf_standardize_gain(d->node);
    const bool *trained = d->node->trained;
    int dy = gradient;
    if (!trained[0] && (gain < 0 || !trained[gain])) return RF_OK;
    if (gain >= 0) {
        rf_step times = step_of(d, "multiply", RF_BACKWARD_DATA);
        times.x[0] = s->scaled;
        times.dy = dy;
        if ((times.x[1] = parameter(d, gain, false)) < 0) return RF_E_MEMORY;
        if (trained[gain]) {
            if ((times.dx[1] = parameter(d, gain, true)) < 0) return RF_E_MEMORY;
            times.problem.need_dx[1] = true;
            times.problem.accumulate[1] = adds;
        }
        const int own = trained[0] ? rf_steps_map(d->steps, times.problem.y, false) : -1;
        if (trained[0] && own < 0) return RF_E_MEMORY;
        RF_TRY(pass_back(d, &times, own, false));
        dy = own;
    }
    if (!trained[0]) return RF_OK;
    if (s->scaled != s->normed) {
        rf_step scale = step_of(d, "affine", RF_BACKWARD_DATA);
        scale.y = s->scaled;
        scale.dy = dy;
        RF_TRY(pass_back(d, &scale, dy, false));
    }
    for (int direction = RF_BACKWARD_PARAMS; direction <= RF_BACKWARD_DATA; direction++) {
        rf_step norm = step_of(d, "instance_norm", (rf_direction)direction);
        norm.saved = s->saved;
        norm.dy = dy;
        if ((norm.x[0] = parameter(d, 0, false)) < 0) return RF_E_MEMORY;
        int dx = -1;
        if (direction == RF_BACKWARD_DATA && (dx = parameter(d, 0, true)) < 0) return RF_E_MEMORY;
        RF_TRY(pass_back(d, &norm, dx, direction == RF_BACKWARD_DATA && adds));
    }
    return RF_OK;
}
