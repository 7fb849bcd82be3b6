/* How a convolution is brought into the kernels' form: 1x1 kernels as one long row of pixels, rows of taps as
 * one run of memory, backward data as the forward of the transposed weights, phase by phase of the stride. */
#include "op/conv_form.h"

enum {
    FEW_CHANNELS = 4
}; /* up to here a padded copy of x pays: a row of the kernel is then one run of memory */

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

/* ---- forward and backward data ---- */

int rf_gather_desc(rf_launch_desc *desc, const rf_gather *g) {
    *desc = (rf_launch_desc){
        .program = "conv_tile",
        .kernel = "gather",
        .args = {RF_BUF(g->x),         RF_BUF(g->w),         RF_BUF(g->bias),        RF_BUF(g->y),
                 RF_I32(g->x_at),      RF_I32(g->w_at),      RF_I32(g->bias_at),     RF_I32(g->n),
                 RF_I32(g->grid_h),    RF_I32(g->grid_w),    RF_I32(g->ih),          RF_I32(g->iw),
                 RF_I32(g->c),         RF_I32(g->length),    RF_PAIR_ARG(g->stride), RF_PAIR_ARG(g->offset),
                 RF_PAIR_ARG(g->step), RF_PAIR_ARG(g->taps), RF_I32(g->first),       RF_PAIR_ARG(g->next),
                 RF_I32(g->all_taps),  RF_I32(g->k),         RF_I32(g->y_image),     RF_I32(g->y_row),
                 RF_I32(g->y_column),  RF_I32(g->y_first),   RF_I32(g->act),         RF_I32(g->accumulate)},
        .flops = g->flops,
        .bytes = g->bytes,
    };
    int count = 0;
    while (desc->args[count].kind != RF_ARG_END) count++;
    return count;
}

size_t rf_gather_forward_work(const rf_problem *problem, const rf_device_info *info,
                              const rf_config *config) {
    (void)info, (void)config;
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_TILE);
    return sizeof(float) * (o.copied ? rf_view_floats(&o) : o.pad.y || o.pad.x ? (size_t)o.length : 0);
}

rf_status rf_gather_forward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                            const rf_tensors *t, const rf_config *config, rf_gather_emit *emit) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, RF_TILE);
    bool zeros = o.pad.y || o.pad.x;
    if (o.copied) RF_TRY(rf_emit_pad(sequence, info, RF_TILE, &v, t->x[0], t->work));
    if (zeros) RF_TRY(rf_emit_clear(sequence, info, RF_TILE, t->work, (size_t)o.length));
    rf_gather g = {
        .x = o.copied ? t->work : t->x[0],
        .w = t->param[0],
        .bias = v.bias ? t->param[1] : NULL,
        .zeros = zeros ? t->work : NULL,
        .y = t->y,
        .n = o.n,
        .grid_h = o.grid_h,
        .grid_w = o.grid_w,
        .ih = o.h,
        .iw = o.w,
        .c = o.c,
        .length = o.length,
        .stride = o.stride,
        .offset = {-o.pad.y, -o.pad.x},
        .step = o.dilation,
        .taps = {o.taps_y, o.taps_x},
        .next = {o.taps_x, 1},
        .all_taps = o.taps_y * o.taps_x,
        .k = v.k,
        .y_image = o.grid_h * o.grid_w * v.k,
        .y_row = o.grid_w * v.k,
        .y_column = v.k,
        .act = v.act,
        .flops = rf_conv_flops(problem),
        .bytes = 4.0 * (rf_view_floats(&o) + (double)v.n * v.oh * v.ow * v.k + (double)v.k * v.c * v.r * v.s),
    };
    return emit(sequence, &g, config, info);
}

/* Work of backward data, in floats: zeros [k], transposed weights, and dy before a fused activation. */
typedef struct backward_work {
    size_t weights_at, dy_at, floats;
} backward_work;

static backward_work backward_layout(const rf_conv *v) {
    backward_work w = {.weights_at = rf_round_up((size_t)v->k, 16)};
    w.dy_at = w.weights_at + rf_round_up((size_t)v->c, RF_PANEL) * v->r * v->s * v->k;
    w.floats = w.dy_at + rf_masked_floats(v);
    return w;
}

size_t rf_gather_backward_work(const rf_problem *problem, const rf_device_info *info,
                               const rf_config *config) {
    (void)info, (void)config;
    rf_conv v = rf_conv_of(problem);
    return backward_layout(&v).floats * sizeof(float);
}

/* Along one axis: input i = index + stride*g is read by the taps t = first + u*next, u = 0 .. taps-1, of the
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

rf_status rf_gather_backward(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                             const rf_tensors *t, const rf_config *config, rf_gather_emit *emit) {
    rf_conv v = rf_conv_of(problem);
    backward_work work = backward_layout(&v);
    if (!problem->need_dx[0]) return RF_OK;
    RF_TRY(rf_emit_clear(sequence, info, RF_TILE, t->work, (size_t)v.k));
    RF_TRY(rf_emit_transpose(sequence, info, RF_TILE, &v, t->param[0], t->work, work.weights_at));
    if (v.act) RF_TRY(rf_emit_mask(sequence, info, RF_TILE, &v, t, work.dy_at));
    for (int index = 0; index < v.stride.y * v.stride.x; index++) {
        int py = index / v.stride.x, px = index % v.stride.x;
        phase y = phase_of(py, v.h, v.r, v.stride.y, v.pad.y, v.dilation.y);
        phase x = phase_of(px, v.w, v.s, v.stride.x, v.pad.x, v.dilation.x);
        double positions = (double)v.n * y.grid * x.grid, taps = (double)y.taps * x.taps;
        if (positions == 0 || (taps == 0 && problem->accumulate[0])) continue;
        rf_gather g = {
            .x = v.act ? t->work : t->dy,
            .x_at = v.act ? work.dy_at : 0,
            .w = t->work,
            .w_at = work.weights_at,
            .zeros = t->work,
            .y = t->dx[0],
            .n = v.n,
            .grid_h = y.grid,
            .grid_w = x.grid,
            .ih = v.oh,
            .iw = v.ow,
            .c = v.k,
            .length = v.k,
            .stride = {1, 1},
            .offset = {y.offset, x.offset},
            .step = {y.step, x.step},
            .taps = {taps > 0 ? y.taps : 0, taps > 0 ? x.taps : 1},
            .next = {y.next * v.s, x.next},
            .first = y.first * v.s + x.first,
            .all_taps = v.r * v.s,
            .k = v.c,
            .y_image = v.h * v.w * v.c,
            .y_row = v.stride.y * v.w * v.c,
            .y_column = v.stride.x * v.c,
            .y_first = (py * v.w + px) * v.c,
            .accumulate = problem->accumulate[0],
            .flops = 2.0 * positions * taps * v.k * v.c,
            .bytes = 4.0 * (positions * (v.c + (taps > 0 ? v.k : 0)) + taps * v.c * v.k),
        };
        RF_TRY(emit(sequence, &g, config, info));
    }
    return RF_OK;
}

/* ---- the gradients of weights and bias ---- */

rf_partials rf_filter_partials(const rf_conv *v, const rf_view *view, int parts) {
    return (rf_partials){.at = view->copied ? rf_round_up(rf_view_floats(view), 16) : 0,
                         .size = rf_round_up((size_t)v->k, RF_PANEL) * v->c * v->r * v->s,
                         .biases = v->bias ? rf_round_up((size_t)v->k, RF_PANEL) : 0,
                         .parts = parts};
}

size_t rf_filter_work(const rf_partials *p) {
    return (p->at + (p->parts > 1 ? (p->size + p->biases) * p->parts : 0)) * sizeof(float);
}

rf_status rf_filter_begin(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                          const rf_tensors *t, rf_family family, const rf_partials *p, rf_launch_desc *desc) {
    rf_conv v = rf_conv_of(problem);
    rf_view o = rf_view_of(&v, family);
    bool whole = p->parts == 1;
    if (o.copied) RF_TRY(rf_emit_pad(sequence, info, family, &v, t->x[0], t->work));
    *desc = (rf_launch_desc){
        .program = family == RF_TILE ? "conv_filter" : "conv_group",
        .kernel = "filter",
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
