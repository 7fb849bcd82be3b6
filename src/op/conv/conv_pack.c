/* The launches of kernels/conv/conv_pack.cl: preparation and reduction for the convolutions' kernels. */
#include "op/conv/conv.h"

/* Finishes and emits a launch of `tasks` tasks that move about `cost` floats each. */
static rf_status emit(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                      rf_launch_desc *desc, size_t tasks, size_t cost) {
    char options[RF_OPTIONS];
    desc->program = "conv_pack";
    desc->options = rf_family_options(options, family, info, "%s", "");
    rf_family_spread(desc, family, info, tasks, cost);
    return rf_emit(sequence, desc);
}

rf_status rf_emit_pad(rf_sequence *sequence, const rf_device_info *info, const rf_conv *v, rf_buffer *x,
                      rf_buffer *out) {
    int rows = v->n * (v->h + 2 * v->pad.y), width = (v->w + 2 * v->pad.x) * v->c;
    rf_launch_desc desc = {.kernel = "pad",
                           .args = {RF_BUF(x), RF_BUF(out), RF_I32(v->n), RF_I32(v->h), RF_I32(v->w),
                                    RF_I32(v->c), RF_I32(v->pad.y), RF_I32(v->pad.x)},
                           .bytes = 4.0 * v->n * v->h * v->w * v->c + 4.0 * rows * width};
    return emit(sequence, info, RF_TILE, &desc, (size_t)rows, (size_t)width * 2);
}

rf_status rf_emit_transpose(rf_sequence *sequence, const rf_device_info *info, const rf_conv *v, rf_buffer *w,
                            rf_buffer *out) {
    size_t blocks = rf_ceil_div(v->k, RF_PANEL) * rf_ceil_div(v->c, RF_PANEL) * v->r * v->s;
    rf_launch_desc desc = {.kernel = "transpose",
                           .args = {RF_BUF(w), RF_BUF(out), RF_I32(v->k), RF_I32(v->c), RF_I32(v->r * v->s)},
                           .bytes = 8.0 * v->k * v->c * v->r * v->s};
    return emit(sequence, info, RF_TILE, &desc, blocks, 2 * RF_PANEL * RF_PANEL);
}

size_t rf_masked_floats(const rf_conv *v) {
    return v->act ? (size_t)v->n * v->oh * v->ow * v->k : 0;
}

size_t rf_masked_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config) {
    (void)info, (void)config;
    rf_conv v = rf_conv_of(problem);
    return rf_masked_floats(&v) * sizeof(float);
}

rf_status rf_emit_mask(rf_sequence *sequence, const rf_device_info *info, rf_family family, const rf_conv *v,
                       const rf_tensors *t, size_t at) {
    size_t count = (size_t)v->n * v->oh * v->ow * v->k, vector = (size_t)rf_family_vector(family, info);
    rf_launch_desc desc = {
        .kernel = "mask",
        .args = {RF_BUF(t->dy), RF_BUF(t->y), RF_BUF(t->work), RF_I32(at), RF_I32(count), RF_I32(v->act)},
        .bytes = 12.0 * count};
    return emit(sequence, info, family, &desc, rf_ceil_div(count, vector), vector * 3);
}

rf_status rf_emit_reduce(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                         const rf_conv *v, const rf_tensors *t, const rf_partials *p) {
    size_t vector = (size_t)rf_family_vector(family, info);
    rf_launch_desc desc = {.kernel = "reduce",
                           .args = {RF_BUF(t->work), RF_I32(p->at), RF_BUF(t->grad[0]),
                                    RF_BUF(v->bias ? t->grad[1] : NULL), RF_I32(p->parts), RF_I32(p->size),
                                    RF_I32(p->biases), RF_I32(v->k)},
                           .bytes = 4.0 * (p->parts + 1) * (p->size + p->biases)};
    return emit(sequence, info, family, &desc, rf_ceil_div(p->size + p->biases, vector),
                vector * (p->parts + 1));
}
