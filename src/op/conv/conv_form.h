/* The form in which the kernels of both families take a convolution (groups == 1): conv_tile.cl, conv_wgrad.cl and
 * conv_group.cl. */
#ifndef RF_OP_CONV_CONV_FORM_H
#define RF_OP_CONV_CONV_FORM_H

#include "op/conv/conv.h"

/* The kernels' view of x: (n,h,w,c), where each tap reads `length` neighbouring floats. */
typedef struct rf_view {
    int n, h, w, c, length, taps_y, taps_x, grid_h, grid_w;
    rf_pair stride, pad, dilation;
    bool copied; /* tile family: x is a copy in work with the padding written out */
} rf_view;
rf_view rf_view_of(const rf_conv *v, rf_family family);
size_t rf_view_floats(const rf_view *view);

/* What conv_tile.cl and grouped_tile.cl gather, as conv_tile.cl explains: positions of a grid, taps that read x, (n,ih,iw,c), and
 * where in y the results go. */
typedef struct rf_gather {
    int n, grid_h, grid_w, ih, iw, c;
    rf_pair stride, offset, step, taps, next;
    int first, k, y_image, y_row, y_column, y_first;
} rf_gather;
/* Phase `index` of the stride.y * stride.x of backward data: the pixels of dx from row index / stride.x and column index %
 * stride.x on, with the taps that reach them from dy; none: taps is (0, 1).  False where nothing is to be written. */
bool rf_gather_phase(rf_gather *out, const rf_problem *problem, const rf_conv *v, int index);

/* The gradients of weights and bias: partial sums over `parts` parts of the positions, in work behind the padded copy
 * of x if there is one; with one part directly into the gradients.  partials: parts is set by the caller. */
rf_partials rf_wgrad_partials(const rf_conv *v, const rf_view *view, int parts);
size_t rf_wgrad_work(const rf_partials *partials); /* bytes */
/* Emits the launches before the kernel, and fills in its arguments. */
rf_status rf_wgrad_begin(rf_sequence *sequence, const rf_problem *problem, const rf_device_info *info,
                         const rf_tensors *t, rf_family family, const rf_partials *partials,
                         rf_launch_desc *desc);

#endif
