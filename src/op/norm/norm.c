#include "op/norm/norm.h"

size_t rf_norm_saved(const rf_problem *problem) {
    return 4 * (size_t)problem->x[0].n * (size_t)problem->x[0].c;
}

size_t rf_norm_workspace(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)info, (void)config;
    return problem->training ? 0 : rf_norm_saved(problem) / 2 * sizeof(float);
}

bool rf_norm_applicable(const rf_problem *problem, const rf_device_info *info) {
    const double vectors =
        (double)rf_ceil_div(rf_norm_channels(problem), (size_t)rf_family_vector(RF_TILE, info));
    return rf_indexable(problem, info) && rf_norm_saved(problem) <= INT32_MAX / 2 &&
           vectors * (double)(2 * rf_norm_pixels(problem) + rf_norm_images(problem)) <=
               rf_family_rounds(info);
}

static rf_status emit(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                      rf_launch_desc *desc) {
    char options[RF_OPTIONS];
    desc->options = rf_family_options(options, family, info, "%s", "");
    return rf_emit(sequence, desc);
}

rf_status rf_norm_emit_sums(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            rf_family family, rf_launch_desc *desc, double passes) {
    const size_t images = rf_norm_images(problem);
    rf_fold_spread(desc, family, info, images, images * rf_norm_pixels(problem), rf_norm_channels(problem));
    desc->bytes = passes * (double)(rf_shape_count(problem->y) * sizeof(float));
    return emit(sequence, info, family, desc);
}

rf_status rf_norm_emit_groups(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                              rf_family family, rf_launch_desc *desc, size_t groups) {
    rf_family_spread(desc, family, info, rf_norm_images(problem) * groups,
                     4 * rf_norm_channels(problem) / groups);
    return emit(sequence, info, family, desc);
}

rf_status rf_norm_emit_elements(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                rf_family family, rf_launch_desc *desc, double passes) {
    const size_t rows = rf_norm_images(problem) * rf_norm_pixels(problem),
                 channels = rf_norm_channels(problem);
    desc->bytes = passes * (double)(rows * channels * sizeof(float));
    if (family == RF_TILE)
        rf_family_spread(desc, family, info, rows, channels);
    else
        rf_family_spread(desc, family, info, rows * channels, 1);
    return emit(sequence, info, family, desc);
}

rf_status rf_norm_emit_apply(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                             const rf_tensors *t, rf_family family, const char *program, rf_buffer *stats) {
    rf_launch_desc desc = {.program = program,
                           .kernel = "apply",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->y), RF_BUF(t->param[0]), RF_BUF(t->param[1]),
                                    RF_BUF(stats), RF_I32(rf_norm_images(problem)),
                                    RF_I32(rf_norm_pixels(problem)), RF_I32(rf_norm_channels(problem))}};
    return rf_norm_emit_elements(sequence, problem, info, family, &desc, 2);
}

rf_status rf_norm_emit_gradient_sums(rf_sequence *sequence, const rf_problem *problem,
                                     const rf_device_info *info, const rf_tensors *t, rf_family family,
                                     const char *program) {
    rf_launch_desc desc = {.program = program,
                           .kernel = "gradient_sums",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(t->saved),
                                    RF_I32(rf_norm_images(problem)), RF_I32(rf_norm_pixels(problem)),
                                    RF_I32(rf_norm_channels(problem))}};
    return rf_norm_emit_sums(sequence, problem, info, family, &desc, 2);
}

rf_status rf_norm_emit_gradient(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                                const rf_tensors *t, rf_family family, const char *program) {
    const bool accumulate = problem->accumulate[0];
    rf_launch_desc desc = {.program = program,
                           .kernel = "gradient",
                           .args = {RF_BUF(t->x[0]), RF_BUF(t->dy), RF_BUF(t->dx[0]), RF_BUF(t->param[0]),
                                    RF_BUF(t->saved), RF_I32(rf_norm_images(problem)),
                                    RF_I32(rf_norm_pixels(problem)), RF_I32(rf_norm_channels(problem)),
                                    RF_I32(accumulate)}};
    return rf_norm_emit_elements(sequence, problem, info, family, &desc, accumulate ? 4 : 3);
}
