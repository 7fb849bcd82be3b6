/* Shared by the losses. */
#include "op/loss.h"

rf_status rf_loss_infer(rf_problem *problem) {
    const rf_shape x = problem->x[0], labels = problem->x[1];
    if (x.h != 1 || x.w != 1)
        return rf_fail(
            RF_E_SHAPE,
            "%s: the scores are maps of %dx%d, wanted one number a class: end the model with a linear layer",
            problem->op->name, x.h, x.w);
    if (labels.n != x.n || rf_shape_count(labels) != (size_t)x.n)
        return rf_fail(RF_E_SHAPE, "%s: %d rows of scores and %zu labels", problem->op->name, x.n,
                       rf_shape_count(labels));
    problem->y = (rf_shape){1, 1, 1, 1, false};
    return RF_OK;
}

const rf_case rf_loss_refused[] = {
    {.label = "the scores are maps of 2x1", .x = {{3, 5, 2, 1}, {3, 1, 1, 1}}},
    {.label = "3 rows of scores and 2 labels", .x = {{3, 5, 1, 1}, {2, 1, 1, 1}}},
    {NULL},
};

size_t rf_loss_workspace(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)info, (void)config;
    return 2 * (size_t)problem->x[0].n * sizeof(float);
}

/* The cost of a row of scores, in moved floats: exponentials. */
static size_t row_cost(int classes) {
    return 8 * (size_t)classes;
}

rf_buffer *rf_loss_y_of_rows(const rf_problem *problem, const rf_device_info *info, rf_family family,
                             const rf_tensors *t) {
    rf_launch_desc rows = {0};
    rf_family_spread(&rows, family, info, (size_t)problem->x[0].n, row_cost(problem->x[0].c));
    return rows.global[0] == rows.local[0] ? t->y : NULL;
}

rf_status rf_loss_emit(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                       rf_launch_desc *desc, size_t tasks, int classes) {
    char options[RF_OPTIONS];
    desc->program = "loss";
    /* Exponentials take CPU compilers long to optimise, and the work is small: without optimisation a step loses
     * microseconds.
     */
    desc->options =
        rf_family_options(options, family, info, "%s%s", family == RF_TILE ? "-cl-opt-disable" : "",
                          desc->options != NULL ? desc->options : "");
    if (tasks > 0)
        rf_family_spread(desc, family, info, tasks, row_cost(classes));
    else
        desc->global[0] = desc->local[0] = rf_family_group(family, info); /* one work-group */
    return rf_emit(sequence, desc);
}

rf_status rf_loss_reduce(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         rf_family family, const rf_tensors *t, rf_buffer *class_weights, rf_buffer *totals) {
    if (rf_loss_y_of_rows(problem, info, family, t) != NULL) return RF_OK;
    rf_launch_desc desc = {.kernel = "reduce",
                           .args = {RF_BUF(t->work), RF_BUF(class_weights), RF_BUF(t->y), RF_BUF(totals),
                                    RF_I32(problem->x[0].n), RF_I32(problem->x[0].c)}};
    return rf_loss_emit(sequence, info, family, &desc, 0, 0);
}
