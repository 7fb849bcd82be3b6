/* Converts a convolution to the kernels' form: 1x1 kernels as one long row of pixels, rows of taps as contiguous
 * memory. */
#include "op/conv/conv_form.h"

enum { FEW_CHANNELS = 4 }; /* up to here a padded copy of x pays: a row of the kernel is then contiguous */

rf_view rf_view_of(const rf_conv *v, rf_family family) {
    rf_view o = {.n = v->n,
                 .h = v->h,
                 .w = v->w,
                 .c = v->c,
                 .length = v->c,
                 .taps_y = v->r,
                 .taps_x = v->s,
                 .grid_h = v->oh,
                 .grid_w = v->ow,
                 .stride = v->stride,
                 .pad = v->pad,
                 .dilation = v->dilation};
    bool padded = v->pad.y || v->pad.x;
    if (v->r * v->s == 1 && v->stride.y == 1 && v->stride.x == 1 && !padded) {
        o.w = o.grid_w = v->n * v->h * v->w;
        o.n = o.h = o.grid_h = 1;
    }
    if (family == RF_TILE && padded && v->c <= FEW_CHANNELS && v->s > 1 && v->dilation.x == 1) {
        o.copied = true;
        o.h += 2 * v->pad.y;
        o.w += 2 * v->pad.x;
        o.pad = (rf_pair){0, 0};
    }
    if (!o.pad.x && v->dilation.x == 1) {
        o.length *= o.taps_x;
        o.taps_x = 1;
    }
    return o;
}

size_t rf_view_floats(const rf_view *view) {
    return (size_t)view->n * view->h * view->w * view->c;
}

/* ---- the phases of a stride ---- */

/* Along one axis: input i = index + stride*g, g = 0 .. grid-1, is read by the taps t = first + u*next, u = 0 .. taps-1, of the
 * outputs g + offset + u*step. */
typedef struct phase {
    int grid, offset, step, taps, first, next;
} phase;

static phase phase_of(int index, int in, int kernel, int stride, int pad, int dilation) {
    phase p = {.grid = in > index ? (in - index + stride - 1) / stride : 0, .next = 1};
    int second = 0;
    for (int t = 0; t < kernel; t++) {
        if ((index + pad - t * dilation) % stride) continue;
        if (p.taps == 0) p.first = t;
        if (p.taps == 1) second = t;
        p.taps++;
    }
    if (p.taps > 0) p.offset = (index + pad - p.first * dilation) / stride;
    if (p.taps > 1) p.next = second - p.first;
    if (p.taps > 1) p.step = -(p.next * dilation / stride);
    return p;
}

bool rf_gather_phase(rf_gather *out, const rf_problem *problem, const rf_conv *v, int index) {
    const int row = index / v->stride.x, column = index % v->stride.x;
    const phase y = phase_of(row, v->h, v->r, v->stride.y, v->pad.y, v->dilation.y);
    const phase x = phase_of(column, v->w, v->s, v->stride.x, v->pad.x, v->dilation.x);
    const bool read = y.taps > 0 && x.taps > 0;
    *out = (rf_gather){.n = v->n,
                       .grid_h = y.grid,
                       .grid_w = x.grid,
                       .ih = v->oh,
                       .iw = v->ow,
                       .c = v->k,
                       .stride = {1, 1},
                       .offset = {y.offset, x.offset},
                       .step = {y.step, x.step},
                       .taps = {read ? y.taps : 0, read ? x.taps : 1},
                       .next = {y.next * v->s, x.next},
                       .first = y.first * v->s + x.first,
                       .k = v->c,
                       .y_image = v->h * v->w * v->c,
                       .y_row = v->stride.y * v->w * v->c,
                       .y_column = v->stride.x * v->c,
                       .y_first = (row * v->w + column) * v->c};
    return y.grid > 0 && x.grid > 0 && (read || !problem->accumulate[0]);
}

/* ---- the gradients of weights and bias ---- */

rf_partials rf_wgrad_partials(const rf_conv *v, const rf_view *view, int parts) {
    return (rf_partials){.at = view->copied ? rf_round_up(rf_view_floats(view), 16) : 0,
                         .size = rf_round_up((size_t)v->k, RF_PANEL) * v->c * v->r * v->s,
                         .biases = v->bias ? rf_round_up((size_t)v->k, RF_PANEL) : 0,
                         .parts = parts};
}

size_t rf_wgrad_work(const rf_partials *p) {
    return (p->at + (p->parts > 1 ? (p->size + p->biases) * p->parts : 0)) * sizeof(float);
}

rf_status rf_wgrad_begin(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, rf_family family, const rf_partials *p, rf_launch_desc *desc) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, family);
    bool whole = p->parts == 1;
    if (o.copied) RF_TRY(rf_emit_pad(sequence, info, &v, t->x[0], t->work));
    *desc = (rf_launch_desc){
        .program = family == RF_TILE ? "conv_wgrad" : "conv_group",
        .kernel = "wgrad",
        .args = {RF_BUF(o.copied ? t->work : t->x[0]),
                 RF_BUF(t->dy),
                 RF_BUF(v.act ? t->y : NULL),
                 RF_BUF(whole ? t->grad[0] : t->work),
                 RF_BUF(!v.bias ? NULL
                        : whole ? t->grad[1]
                                : t->work),
                 RF_I32(whole ? 0 : p->at),
                 RF_I32(whole ? 0 : p->at + p->size),
                 RF_I32((size_t)o.n * o.grid_h * o.grid_w),
                 RF_I32(o.grid_h),
                 RF_I32(o.grid_w),
                 RF_I32(o.h),
                 RF_I32(o.w),
                 RF_I32(o.c),
                 RF_I32(o.length),
                 RF_PAIR_ARG(o.stride),
                 RF_PAIR_ARG(o.pad),
                 RF_PAIR_ARG(o.dilation),
                 RF_I32(o.taps_y),
                 RF_I32(o.taps_x),
                 RF_I32(v.k),
                 RF_I32(v.act),
                 RF_I32(p->parts),
                 RF_I32(p->size + p->biases)},
        .flops = rf_conv_flops(problem),
        .bytes = 4.0 * (rf_view_floats(&o) + (double)v.n * v.oh * v.ow * v.k * (v.act ? 2 : 1) + p->size),
    };
    return RF_OK;
}
