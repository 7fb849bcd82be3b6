/* A convolution's dimensions, for the reference and the solvers. A linear layer is a 1x1 convolution on 1x1 maps with
 * H*W*C channels, in the order of its weights. */
#ifndef RF_OP_CONV_CONV_H
#define RF_OP_CONV_CONV_H

#include "op/conv/solver_list.h"
#include "op/family.h"

typedef struct rf_conv {
    int n, c, h, w; /* x */
    int k, oh, ow;  /* y is (n,oh,ow,k) */
    int r, s;       /* kernel height and width */
    rf_pair stride, pad, dilation;
    int groups;
    bool bias;
    rf_act act;
} rf_conv;

/* Of a conv or linear problem, or of the convolution in a conv_pool, without an odd last row or column of its
 * output. */
rf_conv rf_conv_of(const rf_problem *problem);

/* What conv and ops made of it share (conv.c): attributes, shapes, weight and bias. */
#define RF_CONV_ATTRS                                                                                        \
    RF_ATTR_REQUIRED(out, INT, 1, 1 << 20), RF_ATTR_REQUIRED(kernel, PAIR, 1, RF_MAX_KERNEL),                \
        RF_ATTR(stride, PAIR, 1, 1, RF_MAX_KERNEL), RF_ATTR(pad, PAIR, 0, 0, 4 * RF_MAX_KERNEL),             \
        RF_ATTR(dilation, PAIR, 1, 1, RF_MAX_KERNEL), RF_ATTR(groups, INT, 1, 1, 1 << 20),                   \
        RF_ATTR(bias, BOOL, 1, 0, 1)
rf_status rf_conv_infer(rf_problem *problem);
int rf_conv_params(const rf_problem *problem, rf_param_spec out[RF_MAX_PARAMS]);

/* The directions in plain C (conv_reference.c). */
void rf_conv_forward(const rf_problem *problem, const rf_arrays *arrays);
void rf_conv_backward_params(const rf_problem *problem, const rf_arrays *arrays);
void rf_conv_backward_data(const rf_problem *problem, const rf_arrays *arrays);
extern const rf_case rf_conv_cases[], rf_conv_refused[]; /* conv_cases.c */
double rf_conv_flops(const rf_problem *problem);
/* The bytes of x or dx, of dy, of y where an activation is fused, and of the argmax indices where y is pooled. */
double rf_conv_gradient_bytes(const rf_problem *problem);

/* The solvers, each an array in the file of its name (grouped_any.c has both families). */
#define RF_SOLVER_DECLARE(name, count) extern const rf_solver name[count];
RF_CONV_SOLVERS(RF_SOLVER_DECLARE)
RF_LINEAR_SOLVERS(RF_SOLVER_DECLARE)
RF_CONV_POOL_SOLVERS(RF_SOLVER_DECLARE)
#undef RF_SOLVER_DECLARE
/* The entries of an op's table of solvers: a pointer for each direction. */
#define RF_SOLVER_ENTRIES(name, count) RF_SOLVER_ENTRIES_##count(name)
#define RF_SOLVER_ENTRIES_1(name)      &name[0],
#define RF_SOLVER_ENTRIES_2(name)      &name[0], &name[1],
#define RF_SOLVER_ENTRIES_3(name)      &name[0], &name[1], &name[2],

/* ---- launches that solvers of both families share (conv_pack.c); positions in `work` are in floats ---- */
static inline int rf_pair_pack(int y, int x) {
    return (int)((unsigned)y << 16 | (x & 0xffff));
}
#define RF_PAIR_ARG(p) RF_I32(rf_pair_pack((p).y, (p).x))
rf_status rf_emit_pad(rf_sequence *sequence, const rf_device_info *info, const rf_conv *v, rf_buffer *x,
                      rf_buffer *out);
rf_status rf_emit_transpose(rf_sequence *sequence, const rf_device_info *info, const rf_conv *v, rf_buffer *w,
                            rf_buffer *out);
/* Computes the gradient before the fused activation, into work. */
rf_status rf_emit_mask(rf_sequence *sequence, const rf_device_info *info, rf_family family, const rf_conv *v,
                       const rf_tensors *t, size_t at);
/* The size of the masked dy: 0 where no activation is fused; also as the workspace of solvers that need no more. */
size_t rf_masked_floats(const rf_conv *v);
size_t rf_masked_work(const rf_problem *problem, const rf_device_info *info, const rf_config *config);

/* Partial gradients in work: `parts` x [size weights, biases]. */
typedef struct rf_partials {
    size_t at, size, biases;
    int parts;
} rf_partials;
rf_status rf_emit_reduce(rf_sequence *sequence, const rf_device_info *info, rf_family family,
                         const rf_conv *v, const rf_tensors *t, const rf_partials *partials);

#endif
