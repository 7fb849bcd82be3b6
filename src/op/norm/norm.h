/* What norms over the pixels of each image, (N,P,C), share: sizes, and launches of kernels with statistics (N,2,C). */
#ifndef RF_OP_NORM_NORM_H
#define RF_OP_NORM_NORM_H

#include "op/fold.h"

static inline size_t rf_norm_images(const rf_problem *problem) {
    return (size_t)problem->y.n;
}
static inline size_t rf_norm_pixels(const rf_problem *problem) {
    return (size_t)problem->y.h * (size_t)problem->y.w;
}
static inline size_t rf_norm_channels(const rf_problem *problem) {
    return (size_t)problem->y.c;
}

/* Floats that are saved: the statistics, and as many sums of the gradient.  At inference the former lie in the workspace. */
size_t rf_norm_saved(const rf_problem *problem);
size_t rf_norm_workspace(const rf_problem *problem, const rf_device_info *info, const rf_config *config);
/* A tile work-item sums images; its fold adds up all of them. */
bool rf_norm_applicable(const rf_problem *problem, const rf_device_info *info);

/* Launches of desc's kernel; passes: how often it goes over the map.  Over the images, whose pixels it sums. */
rf_status rf_norm_emit_sums(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            rf_family family, rf_launch_desc *desc, double passes);
/* Over so many groups of each image's channels. */
rf_status rf_norm_emit_groups(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              rf_family family, rf_launch_desc *desc, size_t groups);
/* Over rows (tile) or elements. */
rf_status rf_norm_emit_elements(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                rf_family family, rf_launch_desc *desc, double passes);

/* Launches of kernels that both programs have, with the same arguments; statistics and sums of the gradient are as in saved.
 * apply: y from x. gradient_sums: of dy. gradient: dx, of these. */
rf_status rf_norm_emit_apply(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                             const rf_tensors *t, rf_family family, const char *program, rf_buffer *stats);
rf_status rf_norm_emit_gradient_sums(rf_sequence *sequence, const rf_problem *problem,
                                     const rf_device_info *info, const rf_tensors *t, rf_family family,
                                     const char *program);
rf_status rf_norm_emit_gradient(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family, const char *program);

#endif
