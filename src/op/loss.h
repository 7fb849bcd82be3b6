/* Shared by the losses: scores (N, classes) and labels in, one number out (kernels/loss.cl). */
#ifndef RF_OP_LOSS_H
#define RF_OP_LOSS_H

#include "op/family.h"

rf_status rf_loss_infer(rf_problem *problem);
extern const rf_case rf_loss_refused[];
/* A term and a weight for each row. */
size_t rf_loss_workspace(const rf_problem *problem, const rf_device_info *info, const rf_config *config);
/* Fills in program and sizes for a launch over `tasks` rows of so many classes, or elements, adds to the options, and
 * emits; 0 tasks: one work-group. */
rf_status rf_loss_emit(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                       rf_launch_desc *desc, size_t tasks, int classes);
/* y, for the launch over the rows, where a single work-group takes them all and reduces them; else NULL. */
rf_buffer *rf_loss_y_of_rows(const rf_problem *problem, const rf_device_info *info, rf_family family,
                             const rf_tensors *t);
/* y = sum of the rows' terms / sum of their weights, unless the launch over the rows was given y.  class_weights
 * and totals may be NULL. */
rf_status rf_loss_reduce(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         rf_family family, const rf_tensors *t, rf_buffer *class_weights, rf_buffer *totals);

/* How many labels a row has, and what share of its target label k is: 1 where it is the only one. */
static inline int rf_label_count(const rf_problem *problem) {
    return problem->x[1].c == RF_MIXED_LABELS ? 2 : 1;
}
static inline double rf_label_share(const rf_problem *problem, const float *labels, int k, int row) {
    if (problem->x[1].c != RF_MIXED_LABELS) return 1;
    const double first = labels[2 * problem->x[0].n + row];
    return k == 0 ? first : 1 - first;
}
static inline bool rf_is_label(int32_t label, int classes) {
    return label >= 0 && label < classes;
}

#endif
