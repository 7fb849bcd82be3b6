/* What the handlers of ONNX ops share: the graph's values, and the model that they add layers to. */
#ifndef RF_MODEL_ONNX_GRAPH_H
#define RF_MODEL_ONNX_GRAPH_H

#include "graph/model.h"
#include "model/onnx/file.h"

/* A value that is no constant is what a function makes of a layer's output x.  Some ONNX ops mean one op of ours only
 * together, so that the first of them add no layer: their value is a form that waits for the next. */
typedef enum rf_onnx_form {
    RF_ONNX_UNKNOWN,
    RF_ONNX_CONSTANT,
    RF_ONNX_MAP,     /* x */
    RF_ONNX_LAYER,   /* a convolution or linear layer that may get a bias; its weights times constant unless that is NULL */
    RF_ONNX_PADDED,  /* x with padding */
    RF_ONNX_GROUPED, /* x with its channels as a matrix, (N,groups,C/groups,H,W), or in groups, (N,groups,rest), or (N,1,groups,C/groups) */
    RF_ONNX_SHUFFLED, /* the first and the last, transposed */
    RF_ONNX_CHANNELS_FIRST, /* x, (C,N,H,W) */
    RF_ONNX_PIXELS,         /* x, a row of channels for each pixel of all images, (N H W,C) */
    RF_ONNX_SQUARES,    /* x, (N,C,H/groups,groups,W/groups,groups) */
    RF_ONNX_UNSHUFFLED, /* x, whose channels were such squares, but not (N,C,H,W) yet */
    RF_ONNX_EXPANDED, /* x of 1x1, repeated to size */
    RF_ONNX_REPEATED, /* x of one channel, repeated to `groups` channels */
    RF_ONNX_ROW,      /* the numbers of all images' x of 1x1 in a row */
    RF_ONNX_PARTS,    /* x cut along its channels, into a sequence; constant: their sizes, or one for all */
    RF_ONNX_SCORES,   /* softmax of x, or its logarithm */
    RF_ONNX_SIGMOID,  /* sigmoid(x) */
    RF_ONNX_HARD_SIGMOID, /* factor relu6(x + 3) / 6 */
    RF_ONNX_SOFTPLUS,     /* log(1 + exp(x)) */
    RF_ONNX_MISH_GATE,    /* tanh(log(1 + exp(x))) */
    RF_ONNX_ABOVE,        /* x > factor */
    RF_ONNX_RANDOM, /* numbers from 0 to 1, and shift; as many as the constant has; NULL: as what they are used with */
    RF_ONNX_MASK,      /* 1 with probability factor, else 0 */
    RF_ONNX_SHARE,     /* the same, over factor */
    RF_ONNX_MEAN,      /* of x, over its channels */
    RF_ONNX_CENTRED,   /* x - mean */
    RF_ONNX_SQUARED,   /* (x - mean)^2 */
    RF_ONNX_VARIANCE,  /* its mean, and factor */
    RF_ONNX_DEVIATION, /* the root of that */
    RF_ONNX_NEGATIVE_MEAN, /* minus the mean */
    RF_ONNX_RECIPROCAL,    /* 1 / deviation, times constant unless that is NULL */
    RF_ONNX_RESCALED,      /* x times that */
    RF_ONNX_RECENTRING,    /* minus the mean times it, plus bias unless that is NULL */
    RF_ONNX_NORMED, /* (x - mean) / sqrt(variance + factor), times constant unless that is NULL; mean and variance of groups of channels, or of each pixel, 0 */
    RF_ONNX_SQUARE, /* x^2; or (N,1,C,H,W), with `pad` channels of zeros before and behind */
    RF_ONNX_AROUND, /* shift + factor times the mean of x^2 over `groups` channels around, to the power of `power` unless that is 0 */
    RF_ONNX_LENGTH, /* of x's channels: the root of the sum of squares over the pixels */
    RF_ONNX_MEAN_LENGTH, /* the mean of these over the channels, plus factor */
    RF_ONNX_RESPONSE,    /* the former over the latter */
    RF_ONNX_RESPONDED,   /* x times that, times constant, plus bias, unless these are NULL */
    RF_ONNX_SCALED,      /* factor x + shift */
    RF_ONNX_ERF,         /* erf(x / sqrt(2)) */
    RF_ONNX_NORMAL,      /* factor (1 + erf(x / sqrt(2))) */
    RF_ONNX_GELU,        /* factor x (1 + erf(x / sqrt(2))) */
} rf_onnx_form;

typedef struct rf_onnx_value {
    rf_onnx_form form;
    rf_onnx_tensor *constant, *bias;
    int layer;          /* whose output is x */
    int rank;           /* 4: (N,C,H,W); 2: (N,features); 5, 3, 4: of GROUPED and SHUFFLED; 1: of ROW */
    bool channels_last;  /* (N,H,W,C) */
    bool branches_first; /* of GROUPED: (groups,N,C/groups,H,W) */
    int groups;
    double factor, shift, power;
    rf_pair pad, size;
    const Onnx__NodeProto *producer;
    int readers; /* inputs of nodes that it is */
    int folded;  /* of these, those that constants have been computed from */
} rf_onnx_value;

/* A parameter to be filled when the model is finished. */
typedef struct rf_onnx_filling {
    int parameter;
    const rf_onnx_tensor *tensor;
    bool transposed; /* (in,out), and the parameter is (out,in) */
} rf_onnx_filling;

typedef struct rf_onnx_build {
    rf_onnx_file file;
    rf_model *model;
    rf_image_shape images;         /* of the data */
    bool channels_last;            /* so are the images */
    int input_height, input_width; /* it was exported for; 0: any */
    int64_t batch;                 /* what the graph's arithmetic takes for the batch size */
    rf_names names;                /* of the values */
    rf_onnx_value *values;
    int value_count;
    rf_onnx_tensor **tensors; /* owned */
    size_t tensor_count, tensor_capacity;
    size_t folded; /* numbers in constants so far */
    rf_names used; /* initialisers that are parameters, with the layer */
    rf_onnx_filling *fillings;
    size_t filling_count, filling_capacity;
    bool ends_in_softmax;
    bool probes;       /* standardised weights are looked for behind gains of zeros */
    int probed, found; /* products computed with ones in the place of such gains; weights that were found so */
    int norms_folded;                   /* batch norms of which the file has a scale and a shift, or less */
    int blurs;                          /* convolutions that smooth by a filter that is not trained */
    int computed;                       /* parameters that the file computes from others */
    const char *computed_from;          /* the first of these; NULL: there is none */
    const Onnx__NodeProto *last_concat; /* DenseNet's begin with all inputs of the one before */
} rf_onnx_build;

typedef struct rf_onnx_op rf_onnx_op;

/* A node whose inputs are there. */
typedef struct rf_onnx_call {
    rf_onnx_build *build;
    const rf_onnx_op *op;
    const Onnx__NodeProto *node;
    rf_onnx_value out; /* of the first output */
} rf_onnx_call;

/* A row of a table of ops. */
struct rf_onnx_op {
    const char *name;
    size_t inputs;                          /* that must be there, the first ones */
    const char *attributes;                 /* those taken, with a blank before and behind each */
    rf_status (*fold)(rf_onnx_call *call);  /* all inputs are constants; NULL: it is for activations only */
    rf_status (*lower)(rf_onnx_call *call); /* NULL: for constants only */
    double (*unary)(double);                /* for fold */
    double (*binary)(double, double);
    const char *layer;  /* the op of ours that it is, for a handler of several rows */
    const char *advice; /* of an op that is not taken: what to do */
};
/* The tables, ended by name NULL; ops.c lists them. */
extern const rf_onnx_op rf_onnx_activation_ops[], rf_onnx_arithmetic_ops[], rf_onnx_constant_ops[],
    rf_onnx_layer_ops[], rf_onnx_norm_ops[], rf_onnx_reduce_ops[], rf_onnx_shape_ops[], rf_onnx_window_ops[];
const rf_onnx_op *rf_onnx_op_find(const char *name);

/* ---- what a node reads (call.c) ---- */
static inline const char *rf_onnx_text(const char *text) { /* of a field that may be absent */
    return text != NULL ? text : "";
}
/* Of its first output where it has none of its own. */
const char *rf_onnx_node_name(const Onnx__NodeProto *node);
rf_onnx_value *rf_onnx_find(const rf_onnx_build *build, const char *name); /* NULL: none */
rf_onnx_value *rf_onnx_in(const rf_onnx_call *call, size_t index);         /* NULL: absent */
rf_onnx_tensor *rf_onnx_constant_in(const rf_onnx_call *call,
                                    size_t index); /* NULL: absent, or no constant */
const Onnx__AttributeProto *rf_onnx_attribute(const Onnx__NodeProto *node,
                                              const char *name); /* NULL: absent */
int64_t rf_onnx_int(const Onnx__NodeProto *node, const char *name, int64_t absent);
double rf_onnx_float(const Onnx__NodeProto *node, const char *name, double absent);
bool rf_onnx_text_is(const Onnx__NodeProto *node, const char *name, const char *text); /* false: absent */
/* Whole numbers from an input, or in older versions from an attribute; *count -1: absent. */
rf_status rf_onnx_list(int64_t list[RF_ONNX_MAX_RANK], int *count, const rf_onnx_call *call,
                       const char *attribute, size_t input);
/* Dimensions that a reshape asks for: 0 is the old one, -1 what remains. */
rf_status rf_onnx_reshape_dims(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_call *call,
                               const int64_t *old, int old_rank);
rf_status rf_onnx_axis(int *axis, int64_t given, int rank); /* negative ones count from the end */
/* Pad's, before each of x's dimensions, then behind each: *count of them; where there are axes, the others are 0. */
rf_status rf_onnx_pads(int64_t pads[RF_ONNX_MAX_RANK], int *count, const rf_onnx_call *call, int rank);
rf_status rf_onnx_unsqueeze_dims(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_call *call,
                                 const int64_t *old, int old_rank);
rf_status rf_onnx_squeeze_dims(int64_t dim[RF_ONNX_MAX_RANK], int *rank, const rf_onnx_call *call,
                               const int64_t *old, int old_rank);

static inline int rf_onnx_channel_axis(const rf_onnx_value *x) {
    return x->channels_last ? x->rank - 1 : 1;
}
/* x's dimensions in ONNX, with the build's batch size. */
void rf_onnx_dims(int64_t dim[RF_ONNX_MAX_RANK], const rf_onnx_build *build, const rf_onnx_value *x);

/* ---- constants (constant.c) ---- */
/* A holder has gone: the numbers of a computed constant that no other has are freed. */
void rf_onnx_drop(rf_onnx_build *build, rf_onnx_tensor *tensor);
/* Frees the numbers of a constant of the file, which are read again where they are needed. */
void rf_onnx_forget(rf_onnx_build *build, rf_onnx_tensor *tensor);
/* A constant with zeros, owned by the build. */
rf_status rf_onnx_constant(rf_onnx_tensor **out, rf_onnx_build *build, int type, int rank,
                           const int64_t *dim);
rf_status rf_onnx_tensor_add(rf_onnx_build *build, const rf_onnx_tensor *tensor, rf_onnx_tensor **out);
/* The numbers, read where they were not; borrowed. */
rf_status rf_onnx_numbers(const double **out, rf_onnx_build *build, rf_onnx_tensor *tensor);
rf_status rf_onnx_scalar(double *out, rf_onnx_build *build, rf_onnx_tensor *tensor); /* of one number */

/* ---- handlers for constants (fold.c) ---- */
rf_status rf_onnx_fold_identity(rf_onnx_call *call);
rf_status rf_onnx_fold_cast(rf_onnx_call *call); /* Cast, CastLike */
rf_status rf_onnx_fold_shape(rf_onnx_call *call);
rf_status rf_onnx_fold_reshape(rf_onnx_call *call);
rf_status rf_onnx_fold_unsqueeze(rf_onnx_call *call);
rf_status rf_onnx_fold_squeeze(rf_onnx_call *call);
rf_status rf_onnx_fold_transpose(rf_onnx_call *call);
rf_status rf_onnx_fold_gather(rf_onnx_call *call);
rf_status rf_onnx_fold_slice(rf_onnx_call *call);
rf_status rf_onnx_fold_concat(rf_onnx_call *call);
rf_status rf_onnx_fold_expand(rf_onnx_call *call);
rf_status rf_onnx_fold_where(rf_onnx_call *call);
rf_status rf_onnx_fold_unary(rf_onnx_call *call);
rf_status rf_onnx_fold_binary(rf_onnx_call *call);

/* ---- maps of other shapes (shape_ops.c) ---- */
/* x in these dimensions, as far as a layer's output can be: (N,features), (N,C,1,1), in groups. */
rf_status rf_onnx_reshape_to(rf_onnx_call *call, rf_onnx_value *x, int rank, const int64_t *dim);
/* x without a dimension of one. */
rf_status rf_onnx_drop_axis(rf_onnx_call *call, rf_onnx_value *x, int axis);

/* ---- dropout in parts (random.c) ---- */
rf_status rf_onnx_random(rf_onnx_call *call); /* RandomUniformLike */
rf_status rf_onnx_less(rf_onnx_call *call);
rf_status rf_onnx_floor(rf_onnx_call *call);
rf_status rf_onnx_shift_random(rf_onnx_call *call, const rf_onnx_value *random, rf_onnx_tensor *by); /* Add */
rf_status rf_onnx_apply_mask(rf_onnx_call *call, rf_onnx_value *x, const rf_onnx_value *mask);

/* ---- maxima and minima (maxima.c) ---- */
/* max(x, y), or min(x, y). */
rf_status rf_onnx_limit(rf_onnx_call *call, rf_onnx_value *x, rf_onnx_value *y, bool is_max);

/* ---- branches side by side (branches.c) ---- */
bool rf_onnx_is_stack(const rf_onnx_value *x);
rf_status rf_onnx_stack(rf_onnx_call *call); /* Concat */
/* Makes call->out, a map, a value in groups like x again. */
rf_status rf_onnx_regroup(rf_onnx_call *call, const rf_onnx_value *x, int groups);
/* A stack reduced over its branches, or over the channels of each group: ReduceSum, ReduceMean, ReduceMax. */
rf_status rf_onnx_sum_stack(rf_onnx_call *call, unsigned axes);
rf_status rf_onnx_mean_stack(rf_onnx_call *call, unsigned axes);
rf_status rf_onnx_maximum_of_stack(rf_onnx_call *call, unsigned axes);
rf_status rf_onnx_softmax_across(rf_onnx_call *call, const rf_onnx_value *x);
rf_status rf_onnx_weigh_stack(rf_onnx_call *call, const rf_onnx_value *x, const rf_onnx_value *y); /* Mul */

/* ---- local response norm in parts (local_response.c) ---- */
rf_status rf_onnx_add_local_response(rf_onnx_call *call, const rf_onnx_value *x, int64_t size, double alpha,
                                     double beta, double k);
/* Those of these forms are for the functions that follow. */
static inline bool rf_onnx_is_response(const rf_onnx_value *x) {
    return x->form == RF_ONNX_SQUARE || x->form == RF_ONNX_AROUND;
}
/* *done: to (N,1,C,H,W), or back; else x is a layer's output now. */
rf_status rf_onnx_reshape_response(bool *done, rf_onnx_call *call, rf_onnx_value *x, int rank,
                                   const int64_t *dim);
rf_status rf_onnx_pad_response(rf_onnx_call *call, const rf_onnx_value *x); /* Pad */
rf_status rf_onnx_mean_of_squares(rf_onnx_call *call, const rf_onnx_value *x); /* AveragePool */
rf_status rf_onnx_divide_by_response(rf_onnx_call *call, const rf_onnx_value *x, const rf_onnx_value *response);

/* ---- layer norm in TensorFlow's parts (tensorflow_norm.c) ---- */
/* RF_ONNX_RECIPROCAL times another value, or a constant. */
rf_status rf_onnx_times_reciprocal(rf_onnx_call *call, const rf_onnx_value *reciprocal,
                                   const rf_onnx_value *other, rf_onnx_tensor *constant);
/* Without a weight, the bias is the caller's to add. */
rf_status rf_onnx_add_recentred(rf_onnx_call *call, const rf_onnx_value *rescaled,
                                const rf_onnx_value *recentring);

/* ---- squares of pixels as channels (squares.c) ---- */
bool rf_onnx_is_squares(const int64_t *dim, int rank, const int64_t *map); /* whether a map's reshape makes them */
rf_status rf_onnx_transpose_squares(rf_onnx_call *call, const rf_onnx_value *x, const int64_t *order, int count);
rf_status rf_onnx_space_to_depth(rf_onnx_call *call);
rf_status rf_onnx_depth_to_space(rf_onnx_call *call);

/* ---- layers (layer.c) ---- */
/* A layer that is named after its node, or after its first initialiser. */
typedef struct rf_onnx_layer {
    const rf_op *op;
    rf_attrs attrs;
    int inputs, input[RF_MAX_INPUTS];
    rf_onnx_tensor *param[RF_MAX_PARAMS + RF_MAX_STATES]; /* in the order of the model's; NULL: initialised */
    bool transposed;                                      /* param[0] is */
} rf_onnx_layer;
/* Adds it, and makes it call->out, with the dimensions of x. */
rf_status rf_onnx_layer_add(rf_onnx_call *call, const rf_onnx_layer *layer, const rf_onnx_value *x);
/* Adds a layer of one input; attrs NULL: its defaults. */
rf_status rf_onnx_layer_of(rf_onnx_call *call, const char *op, const rf_onnx_value *x, const rf_attrs *attrs);
/* The same, behind what the call has made so far. */
rf_status rf_onnx_then(rf_onnx_call *call, const char *op, const rf_attrs *attrs);
/* x times x. */
rf_status rf_onnx_square(rf_onnx_call *call, const rf_onnx_value *x);
/* x plus that. */
rf_status rf_onnx_plus(rf_onnx_call *call, const rf_onnx_value *x);
/* x so many times, one behind the other. */
rf_status rf_onnx_repeat(rf_onnx_call *call, const rf_onnx_value *x, int64_t times);
/* Makes call->out the value itself, or a form of its x that waits for the next op. */
rf_status rf_onnx_pass(rf_onnx_call *call, const rf_onnx_value *x);
rf_status rf_onnx_wait(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_form form, double factor);
/* Whether a constant has a number for each of an image's, (C,H,W), of more than one pixel. */
bool rf_onnx_is_for_each(const rf_onnx_call *call, const rf_onnx_tensor *constant, const rf_onnx_value *x);
/* Adds a layer of a learned number a channel, one for all, or (C,H,W); of images it is not trained. */
rf_status rf_onnx_add_channelwise(rf_onnx_call *call, const char *op, double init, rf_onnx_value *x,
                                  rf_onnx_tensor *constant);
/* Whether a constant is a learned number or numbers: not one that an exporter made of a number in the code. */
bool rf_onnx_is_learned(const rf_onnx_tensor *constant);
/* `to` is computed from `from`, too. */
void rf_onnx_add_origins(rf_onnx_tensor *to, const rf_onnx_tensor *from);
/* The map whose channels a value in groups is. */
static inline rf_onnx_value rf_onnx_map_of(const rf_onnx_value *x) {
    rf_onnx_value map = *x;
    map.form = RF_ONNX_MAP;
    map.rank = 4;
    map.branches_first = false;
    return map;
}

/* ---- windows, convolutions, linear layers, norms (weighted.c) ---- */
typedef struct rf_onnx_window {
    int64_t kernel[2], stride[2], dilation[2], pad[4]; /* pad: top, left, bottom, right */
} rf_onnx_window;
/* An attribute of two numbers. */
rf_status rf_onnx_window_pair(int64_t pair[2], const rf_onnx_call *call, const char *name, int64_t absent);
/* Reads all but the kernel's size, which is set before; x may be RF_ONNX_PADDED.  The padding may be uneven. */
rf_status rf_onnx_window_read(rf_onnx_window *w, const rf_onnx_call *call, const rf_onnx_value *x);
/* Where the padding is uneven, makes it a layer of its own, which becomes x. */
rf_status rf_onnx_pad_uneven(rf_onnx_value *x, rf_onnx_window *w, rf_onnx_call *call, double value);
rf_pair rf_onnx_pair(const int64_t pair[2]);
/* Makes a constant NULL that is not learned, and holds but one number: PyTorch's exporter makes biases of zeros. */
rf_status rf_onnx_drop_filler(rf_onnx_tensor **constant, const rf_onnx_call *call, double filler);
bool rf_onnx_is_conv(const Onnx__NodeProto *node);
/* Adds the layer of a Conv, Gemm or MatMul, of an RF_ONNX_LAYER; bias may be NULL. */
rf_status rf_onnx_add_weighted(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_tensor *bias);
/* Adds the layer of an RF_ONNX_NORMED; bias may be NULL. */
rf_status rf_onnx_add_norm(rf_onnx_call *call, const rf_onnx_value *x, rf_onnx_tensor *bias);

/* ---- values as layers' outputs (force.c) ---- */
/* Makes a value one that is a layer's output, where it can be one: MAP, LAYER, NORMED, SIGMOID,
 * HARD_SIGMOID, SOFTPLUS, SCALED, SCORES, EXPANDED, PADDED, MEAN. */
rf_status rf_onnx_force(rf_onnx_call *call, rf_onnx_value *x);
/* The first input as a layer's output, which may have its channels last; as one that has not; as one of maps. */
rf_status rf_onnx_first_any(rf_onnx_value **x, rf_onnx_call *call);
rf_status rf_onnx_first(rf_onnx_value **x, rf_onnx_call *call);
rf_status rf_onnx_first_map(rf_onnx_value **x, rf_onnx_call *call);

/* ---- standardised weights (standardized.c, probe.c) ---- */
/* The product of two constants, which a gain of zeros would leave nothing of: then of ones. */
rf_status rf_onnx_probe(rf_onnx_call *call);
typedef struct rf_onnx_standard {
    rf_onnx_tensor *weight, *gain; /* the parameters; weight NULL: they are none; gain NULL: there is none */
    double eps, factor;
} rf_onnx_standard;
rf_status rf_onnx_find_standardized(rf_onnx_standard *out, const rf_onnx_call *call, rf_onnx_tensor *weight);

#endif
