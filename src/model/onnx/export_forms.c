/* The ONNX forms of ops, in operators of version 17: a row for each op. */
#include <math.h>
#include <string.h>

#include "model/onnx/export.h"
#include "op/pool/pool.h"

#define PUT(e, part, op, ...)                                                                                \
    rf_onnx_put(e, part, op, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                  \
                (const char *const[]){__VA_ARGS__})

static const rf_attrs *attrs_of(const rf_onnx_export *e) {
    return &e->model->nodes[e->node].attrs;
}

static void put_pair(rf_onnx_export *e, Onnx__NodeProto *node, const char *name, rf_pair pair) {
    rf_onnx_put_ints(e, node, name, 2, (const int64_t[]){pair.y, pair.x});
}

static void put_pads(rf_onnx_export *e, Onnx__NodeProto *node, rf_pair pad) {
    rf_onnx_put_ints(e, node, "pads", 4, (const int64_t[]){pad.y, pad.x, pad.y, pad.x});
}

/* ---- layers with parameters ---- */

static Onnx__NodeProto *put_conv(rf_onnx_export *e, const char *op, const char *weight) {
    const rf_attrs *a = attrs_of(e);
    const char *const inputs[] = {rf_onnx_x_map(e, 0), weight, a->bias ? rf_onnx_parameter(e, 1) : NULL};
    Onnx__NodeProto *node = rf_onnx_put(e, NULL, op, a->bias ? 3 : 2, inputs);
    put_pair(e, node, "kernel_shape", a->kernel);
    put_pair(e, node, "strides", a->stride);
    put_pads(e, node, a->pad);
    put_pair(e, node, "dilations", a->dilation);
    rf_onnx_put_int(e, node, "group", a->groups);
    return node;
}

static Onnx__NodeProto *conv(rf_onnx_export *e) {
    return put_conv(e, "Conv", rf_onnx_parameter(e, 0));
}

/* The mean of each output's numbers. */
static const char *mean_of_outputs(rf_onnx_export *e, const char *part, const char *x) {
    Onnx__NodeProto *node = PUT(e, part, "ReduceMean", x);
    rf_onnx_put_ints(e, node, "axes", 3, (const int64_t[]){1, 2, 3});
    return rf_onnx_output(node);
}

static const char *combined(rf_onnx_export *e, const char *part, const char *op, const char *a,
                            const char *b) {
    return rf_onnx_output(PUT(e, part, op, a, b));
}

static Onnx__NodeProto *conv_standardized(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const char *w = rf_onnx_parameter(e, 0),
               *centred = combined(e, "centred", "Sub", w, mean_of_outputs(e, "mean", w)),
               *squares = combined(e, "squares", "Mul", centred, centred),
               *variance = combined(e, "sum", "Add", mean_of_outputs(e, "variance", squares),
                                    rf_onnx_put_number(e, "eps", a->eps)),
               *deviation = rf_onnx_output(PUT(e, "deviation", "Sqrt", variance)),
               *weight = combined(e, "normed", "Div", centred, deviation);
    if (a->value != 1)
        weight = combined(e, "scaled", "Mul", weight, rf_onnx_put_number(e, "factor", a->value));
    if (a->affine) weight = combined(e, "weights", "Mul", weight, rf_onnx_parameter(e, a->bias ? 2 : 1));
    return put_conv(e, "Conv", weight);
}

static Onnx__NodeProto *conv_transpose(rf_onnx_export *e) {
    Onnx__NodeProto *node = put_conv(e, "ConvTranspose", rf_onnx_parameter(e, 0));
    put_pair(e, node, "output_padding", attrs_of(e)->output_pad);
    return node;
}

static Onnx__NodeProto *linear(rf_onnx_export *e) {
    const bool bias = attrs_of(e)->bias;
    const char *const inputs[] = {rf_onnx_x_flat(e, 0), rf_onnx_parameter(e, 0),
                                  bias ? rf_onnx_parameter(e, 1) : NULL};
    Onnx__NodeProto *node = rf_onnx_put(e, NULL, "Gemm", bias ? 3 : 2, inputs);
    rf_onnx_put_int(e, node, "transB", 1);
    return node;
}

/* ONNX's momentum is the weight of what is old. */
static Onnx__NodeProto *batch_norm(rf_onnx_export *e) {
    Onnx__NodeProto *node = PUT(e, NULL, "BatchNormalization", rf_onnx_x(e, 0), rf_onnx_parameter(e, 0),
                                rf_onnx_parameter(e, 1), rf_onnx_parameter(e, 2), rf_onnx_parameter(e, 3));
    rf_onnx_put_float(e, node, "epsilon", attrs_of(e)->eps);
    rf_onnx_put_float(e, node, "momentum", 1 - attrs_of(e)->momentum);
    return node;
}

/* Moves the channels last, or back, where there are any behind them. */
static const char *transposed(rf_onnx_export *e, const char *part, const char *x, const int64_t perm[4]) {
    Onnx__NodeProto *node = PUT(e, part, "Transpose", x);
    rf_onnx_put_ints(e, node, "perm", 4, perm);
    return rf_onnx_output(node);
}

static Onnx__NodeProto *layer_norm(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const bool flat = e->model->nodes[e->node].shape.flat, bias = a->affine && a->bias;
    const char *x = rf_onnx_x(e, 0);
    if (!flat) x = transposed(e, "last", x, (const int64_t[]){0, 2, 3, 1});
    const char *weight = a->affine ? rf_onnx_parameter(e, 0)
                                   : rf_onnx_put_filler(e, "ones", 1, e->model->nodes[e->node].shape.c);
    const char *const inputs[] = {x, weight, bias ? rf_onnx_parameter(e, 1) : NULL};
    Onnx__NodeProto *norm = rf_onnx_put(e, flat ? NULL : "norm", "LayerNormalization", bias ? 3 : 2, inputs);
    rf_onnx_put_int(e, norm, "axis", -1);
    rf_onnx_put_float(e, norm, "epsilon", a->eps);
    if (flat) return norm;
    Onnx__NodeProto *back = PUT(e, NULL, "Transpose", rf_onnx_output(norm));
    rf_onnx_put_ints(e, back, "perm", 4, (const int64_t[]){0, 3, 1, 2});
    return back;
}

static Onnx__NodeProto *instance_norm(rf_onnx_export *e) {
    const int channels = e->model->nodes[e->node].shape.c;
    const bool affine = attrs_of(e)->affine, flat = e->model->nodes[e->node].shape.flat;
    const char *weight = affine ? rf_onnx_parameter(e, 0) : rf_onnx_put_filler(e, "ones", 1, channels),
               *bias = affine ? rf_onnx_parameter(e, 1) : rf_onnx_put_filler(e, "zeros", 0, channels);
    Onnx__NodeProto *node =
        PUT(e, flat ? "norm" : NULL, "InstanceNormalization", rf_onnx_x_map(e, 0), weight, bias);
    rf_onnx_put_float(e, node, "epsilon", attrs_of(e)->eps);
    return flat ? PUT(e, NULL, "Flatten", rf_onnx_output(node)) : node;
}

/* A parameter (C) as (C,1,1), which broadcasts to maps. */
static const char *per_channel(rf_onnx_export *e, const char *part, int parameter) {
    const char *axes = rf_onnx_put_list(e, "axes", 2, (const int64_t[]){1, 2});
    return rf_onnx_output(PUT(e, part, "Unsqueeze", rf_onnx_parameter(e, parameter), axes));
}

/* Instance norm of (N,groups,numbers), as PyTorch exports it; the op itself is of version 18. */
static Onnx__NodeProto *group_norm(rf_onnx_export *e) {
    const rf_shape s = e->model->nodes[e->node].shape;
    const rf_attrs *a = attrs_of(e);
    const char *x = rf_onnx_x_map(e, 0),
               *rows = rf_onnx_put_list(e, "rows", 3, (const int64_t[]){0, a->groups, -1}),
               *maps = rf_onnx_put_list(e, "maps", 4, (const int64_t[]){0, s.c, s.h, s.w}),
               *ones = rf_onnx_put_filler(e, "ones", 1, a->groups),
               *zeros = rf_onnx_put_filler(e, "zeros", 0, a->groups);
    const Onnx__NodeProto *groups = PUT(e, "groups", "Reshape", x, rows);
    Onnx__NodeProto *norm = PUT(e, "norm", "InstanceNormalization", rf_onnx_output(groups), ones, zeros);
    rf_onnx_put_float(e, norm, "epsilon", a->eps);
    Onnx__NodeProto *y = PUT(e, a->affine || s.flat ? "normed" : NULL, "Reshape", rf_onnx_output(norm), maps);
    if (a->affine) {
        const char *weight = per_channel(e, "weight_of_maps", 0), *bias = per_channel(e, "bias_of_maps", 1);
        y = PUT(e, "product", "Mul", rf_onnx_output(y), weight);
        y = PUT(e, s.flat ? "sum" : NULL, "Add", rf_onnx_output(y), bias);
    }
    return s.flat ? PUT(e, NULL, "Flatten", rf_onnx_output(y)) : y;
}

/* x + (weight * (x * response) + bias), as ConvNeXt V2 has it. */
static Onnx__NodeProto *response_norm(rf_onnx_export *e) {
    const bool flat = e->model->nodes[e->node].shape.flat;
    const char *x = rf_onnx_x_map(e, 0), *weight = per_channel(e, "weight_of_maps", 0),
               *bias = per_channel(e, "bias_of_maps", 1),
               *eps = rf_onnx_put_number(e, "eps", attrs_of(e)->eps);
    Onnx__NodeProto *length = PUT(e, "length", "ReduceL2", x);
    rf_onnx_put_ints(e, length, "axes", 2, (const int64_t[]){2, 3});
    Onnx__NodeProto *mean = PUT(e, "mean", "ReduceMean", rf_onnx_output(length));
    rf_onnx_put_ints(e, mean, "axes", 1, (const int64_t[]){1});
    mean = PUT(e, "mean_and_eps", "Add", rf_onnx_output(mean), eps);
    Onnx__NodeProto *y = PUT(e, "response", "Div", rf_onnx_output(length), rf_onnx_output(mean));
    y = PUT(e, "product", "Mul", x, rf_onnx_output(y));
    y = PUT(e, "weighted", "Mul", rf_onnx_output(y), weight);
    y = PUT(e, "biased", "Add", rf_onnx_output(y), bias);
    y = PUT(e, flat ? "sum" : NULL, "Add", x, rf_onnx_output(y));
    return flat ? PUT(e, NULL, "Flatten", rf_onnx_output(y)) : y;
}

/* (C,1,1) broadcasts to maps alone, (1) to all. */
static Onnx__NodeProto *with_numbers(rf_onnx_export *e) {
    const bool flat = e->model->nodes[e->node].shape.flat && !attrs_of(e)->shared;
    const char *x = flat ? rf_onnx_x_map(e, 0) : rf_onnx_x(e, 0);
    Onnx__NodeProto *y = PUT(e, flat ? "of_maps" : NULL, e->writer->name, x, rf_onnx_parameter(e, 0));
    return flat ? PUT(e, NULL, "Flatten", rf_onnx_output(y)) : y;
}

/* ---- activations ---- */

static Onnx__NodeProto *plain(rf_onnx_export *e) {
    return PUT(e, NULL, e->writer->name, rf_onnx_x(e, 0));
}

static Onnx__NodeProto *prelu(rf_onnx_export *e) {
    const bool as_is = e->model->nodes[e->node].shape.flat || attrs_of(e)->shared || attrs_of(e)->each;
    const char *slope = as_is ? rf_onnx_parameter(e, 0) : per_channel(e, "slope", 0);
    return PUT(e, NULL, "PRelu", rf_onnx_x(e, 0), slope);
}

static Onnx__NodeProto *put_clip(rf_onnx_export *e, double low, double high) {
    const char *min = rf_onnx_put_number(e, "min", low), *max = rf_onnx_put_number(e, "max", high);
    return PUT(e, NULL, "Clip", rf_onnx_x(e, 0), min, max);
}

static Onnx__NodeProto *relu6(rf_onnx_export *e) {
    return put_clip(e, 0, 6);
}

/* What is kept as a slope and a value. */
static Onnx__NodeProto *clip(rf_onnx_export *e) {
    return put_clip(e, attrs_of(e)->slope, attrs_of(e)->value);
}

static Onnx__NodeProto *affine(rf_onnx_export *e) {
    const Onnx__NodeProto *product =
        PUT(e, "product", "Mul", rf_onnx_x(e, 0), rf_onnx_put_number(e, "factor", attrs_of(e)->slope));
    return PUT(e, NULL, "Add", rf_onnx_output(product), rf_onnx_put_number(e, "shift", attrs_of(e)->value));
}

static Onnx__NodeProto *softmax(rf_onnx_export *e) {
    const int groups = attrs_of(e)->groups;
    const rf_shape s = e->model->nodes[e->node].shape;
    if (groups == 0) {
        Onnx__NodeProto *node = plain(e);
        rf_onnx_put_int(e, node, "axis", 1);
        return node;
    }
    const char *rows = rf_onnx_put_list(e, "rows", 3, (const int64_t[]){0, groups, -1}),
               *back = rf_onnx_put_list(e, "back", s.flat ? 2 : 4, (const int64_t[]){0, s.c, s.h, s.w});
    Onnx__NodeProto *node =
        PUT(e, "across", "Softmax", rf_onnx_output(PUT(e, "groups", "Reshape", rf_onnx_x(e, 0), rows)));
    rf_onnx_put_int(e, node, "axis", 1);
    return PUT(e, NULL, "Reshape", rf_onnx_output(node), back);
}

/* Also ELU, whose alpha is kept as a slope. */
static Onnx__NodeProto *leaky_relu(rf_onnx_export *e) {
    Onnx__NodeProto *node = plain(e);
    rf_onnx_put_float(e, node, "alpha", attrs_of(e)->slope);
    return node;
}

static Onnx__NodeProto *local_response_norm(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    Onnx__NodeProto *node = plain(e);
    rf_onnx_put_int(e, node, "size", a->groups);
    rf_onnx_put_float(e, node, "alpha", a->slope);
    rf_onnx_put_float(e, node, "beta", a->value);
    rf_onnx_put_float(e, node, "bias", a->eps);
    return node;
}

static Onnx__NodeProto *hard_sigmoid(rf_onnx_export *e) {
    Onnx__NodeProto *node = plain(e);
    rf_onnx_put_float(e, node, "alpha", 1.0 / 6);
    rf_onnx_put_float(e, node, "beta", 0.5);
    return node;
}

static Onnx__NodeProto *power(rf_onnx_export *e) {
    return PUT(e, NULL, "Pow", rf_onnx_x(e, 0), rf_onnx_put_number(e, "exponent", attrs_of(e)->slope));
}

static Onnx__NodeProto *silu(rf_onnx_export *e) {
    const Onnx__NodeProto *sigmoid = PUT(e, "sigmoid", "Sigmoid", rf_onnx_x(e, 0));
    return PUT(e, NULL, "Mul", rf_onnx_x(e, 0), rf_onnx_output(sigmoid));
}

/* x tanh(softplus(x)); the op itself is of version 18. */
static Onnx__NodeProto *mish(rf_onnx_export *e) {
    const Onnx__NodeProto *softplus = PUT(e, "softplus", "Softplus", rf_onnx_x(e, 0));
    const Onnx__NodeProto *gate = PUT(e, "tanh", "Tanh", rf_onnx_output(softplus));
    return PUT(e, NULL, "Mul", rf_onnx_x(e, 0), rf_onnx_output(gate));
}

/* x (1 + erf(x / sqrt(2))) / 2; the op itself is of version 20. */
static Onnx__NodeProto *gelu(rf_onnx_export *e) {
    const Onnx__NodeProto *scaled =
        PUT(e, "scaled", "Div", rf_onnx_x(e, 0), rf_onnx_put_number(e, "sqrt2", sqrt(2)));
    const Onnx__NodeProto *erf_of = PUT(e, "erf", "Erf", rf_onnx_output(scaled));
    const Onnx__NodeProto *sum =
        PUT(e, "sum", "Add", rf_onnx_output(erf_of), rf_onnx_put_number(e, "one", 1));
    const Onnx__NodeProto *product = PUT(e, "product", "Mul", rf_onnx_x(e, 0), rf_onnx_output(sum));
    return PUT(e, NULL, "Mul", rf_onnx_output(product), rf_onnx_put_number(e, "half", 0.5));
}

/* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2; the attribute is of version 20. */
static Onnx__NodeProto *gelu_tanh(rf_onnx_export *e) {
    const char *x = rf_onnx_x(e, 0);
    const Onnx__NodeProto *cube = PUT(e, "cube", "Pow", x, rf_onnx_put_number(e, "three", 3));
    const Onnx__NodeProto *small =
        PUT(e, "small", "Mul", rf_onnx_output(cube), rf_onnx_put_number(e, "share", 0.044715));
    const Onnx__NodeProto *inner = PUT(e, "inner", "Add", x, rf_onnx_output(small));
    const Onnx__NodeProto *scaled =
        PUT(e, "scaled", "Mul", rf_onnx_output(inner), rf_onnx_put_number(e, "sqrt2pi", 0.79788456080286536));
    const Onnx__NodeProto *tanh_of = PUT(e, "tanh", "Tanh", rf_onnx_output(scaled));
    const Onnx__NodeProto *sum =
        PUT(e, "sum", "Add", rf_onnx_output(tanh_of), rf_onnx_put_number(e, "one", 1));
    const Onnx__NodeProto *product = PUT(e, "product", "Mul", x, rf_onnx_output(sum));
    return PUT(e, NULL, "Mul", rf_onnx_output(product), rf_onnx_put_number(e, "half", 0.5));
}

/* ---- pooling ---- */

/* kernel_shape, strides and pads, where stride 0 stands for the kernel. */
static Onnx__NodeProto *window(rf_onnx_export *e, const char *op, rf_window *w) {
    rf_problem problem;
    rf_node_problem(&problem, e->model, e->node, 1);
    *w = rf_window_of(&problem);
    Onnx__NodeProto *node = PUT(e, NULL, op, rf_onnx_x_map(e, 0));
    put_pair(e, node, "kernel_shape", w->kernel);
    put_pair(e, node, "strides", w->stride);
    put_pads(e, node, w->pad);
    return node;
}

/* Whether the last windows end behind the padding.  Where none does ceil_mode is left out: versions of ONNX differ in
 * whether a window may begin in the padding. */
static bool is_cut(int in, int out, int kernel, int stride, int pad, int dilation) {
    return (out - 1) * stride + dilation * (kernel - 1) + 1 > in + 2 * pad;
}

static void put_ceil_mode(rf_onnx_export *e, Onnx__NodeProto *node, const rf_window *w) {
    const rf_node *n = &e->model->nodes[e->node];
    const rf_shape x = e->model->nodes[n->input[0]].shape;
    if (is_cut(x.h, n->shape.h, w->kernel.y, w->stride.y, w->pad.y, w->dilation.y) ||
        is_cut(x.w, n->shape.w, w->kernel.x, w->stride.x, w->pad.x, w->dilation.x))
        rf_onnx_put_int(e, node, "ceil_mode", 1);
}

static Onnx__NodeProto *max_pool(rf_onnx_export *e) {
    rf_window w;
    Onnx__NodeProto *node = window(e, "MaxPool", &w);
    put_pair(e, node, "dilations", w.dilation);
    put_ceil_mode(e, node, &w);
    return node;
}

static Onnx__NodeProto *avg_pool(rf_onnx_export *e) {
    rf_window w;
    Onnx__NodeProto *node = window(e, "AveragePool", &w);
    rf_onnx_put_int(e, node, "count_include_pad", attrs_of(e)->count_pad);
    put_ceil_mode(e, node, &w);
    return node;
}

/* The means of `out` windows along an axis of `in` numbers, as a matrix (out,in) or, transposed, (in,out). */
static const char *put_means(rf_onnx_export *e, const char *part, int in, int out, bool flip) {
    const int64_t dim[] = {flip ? in : out, flip ? out : in};
    double *matrix = rf_onnx_make(e, (size_t)in * (size_t)out, sizeof *matrix);
    for (int i = 0; i < out && matrix != NULL; i++) {
        const int begin = (int)((int64_t)i * in / out),
                  end = (int)rf_ceil_div((size_t)(i + 1) * (size_t)in, (size_t)out);
        for (int k = begin; k < end; k++) matrix[flip ? k * out + i : i * in + k] = 1.0 / (end - begin);
    }
    return matrix != NULL ? rf_onnx_put_floats(e, part, 2, dim, matrix) : NULL;
}

/* ONNX has no pooling whose windows are of several sizes: rows @ x @ columns. */
static Onnx__NodeProto *varying_windows(rf_onnx_export *e) {
    const rf_node *n = &e->model->nodes[e->node];
    const rf_shape x = e->model->nodes[n->input[0]].shape, y = n->shape;
    const char *rows = put_means(e, "rows", x.h, y.h, false),
               *columns = put_means(e, "columns", x.w, y.w, true);
    const Onnx__NodeProto *pooled = PUT(e, "pooled_rows", "MatMul", rows, rf_onnx_x_map(e, 0));
    return PUT(e, NULL, "MatMul", rf_onnx_output(pooled), columns);
}

static Onnx__NodeProto *adaptive_avg_pool(rf_onnx_export *e) {
    const rf_pair size = attrs_of(e)->size;
    rf_problem problem;
    rf_window w;
    rf_node_problem(&problem, e->model, e->node, 1);
    if (size.y == 1 && size.x == 1) return PUT(e, NULL, "GlobalAveragePool", rf_onnx_x_map(e, 0));
    return rf_window_varies(&problem) ? varying_windows(e) : window(e, "AveragePool", &w);
}

/* Over the channels, which are dimension 1, flat or not.  In this version the axes of a sum alone are an input. */
static Onnx__NodeProto *channel_reduce(rf_onnx_export *e) {
    Onnx__NodeProto *node = plain(e);
    rf_onnx_put_ints(e, node, "axes", 1, (const int64_t[]){1});
    return node;
}

/* ---- upsampling ---- */

/* Sizes of however many images. */
static const char *put_sizes(rf_onnx_export *e, rf_shape y) {
    const Onnx__NodeProto *shape = PUT(e, "shape", "Shape", rf_onnx_x_map(e, 0));
    const char *begin = rf_onnx_put_list(e, "begin", 1, (const int64_t[]){0}),
               *end = rf_onnx_put_list(e, "end", 1, (const int64_t[]){2}),
               *space = rf_onnx_put_list(e, "space", 2, (const int64_t[]){y.h, y.w});
    const Onnx__NodeProto *kept = PUT(e, "kept", "Slice", rf_onnx_output(shape), begin, end);
    Onnx__NodeProto *sizes = PUT(e, "sizes", "Concat", rf_onnx_output(kept), space);
    rf_onnx_put_int(e, sizes, "axis", 0);
    return rf_onnx_output(sizes);
}

static const char *put_scales(rf_onnx_export *e, rf_pair by) {
    return rf_onnx_put_floats(e, "scales", 1, (const int64_t[]){4}, (const double[]){1, 1, by.y, by.x});
}

static Onnx__NodeProto *resize(rf_onnx_export *e, const char *mode, const char *coordinates) {
    const rf_attrs *a = attrs_of(e);
    const char *x = rf_onnx_x_map(e, 0);
    Onnx__NodeProto *node =
        a->size.y > 0 ? PUT(e, NULL, "Resize", x, "", "", put_sizes(e, e->model->nodes[e->node].shape))
                      : PUT(e, NULL, "Resize", x, "", put_scales(e, a->scale));
    rf_onnx_put_text(e, node, "mode", mode);
    rf_onnx_put_text(e, node, "coordinate_transformation_mode", coordinates);
    return node;
}

static Onnx__NodeProto *upsample_nearest(rf_onnx_export *e) {
    Onnx__NodeProto *node = resize(e, "nearest", "asymmetric");
    rf_onnx_put_text(e, node, "nearest_mode", "floor");
    return node;
}

static Onnx__NodeProto *upsample_bilinear(rf_onnx_export *e) {
    return resize(e, "linear", attrs_of(e)->align_corners ? "align_corners" : "half_pixel");
}

/* ---- edges ---- */

static Onnx__NodeProto *flatten(rf_onnx_export *e) {
    Onnx__NodeProto *node = PUT(e, NULL, "Flatten", rf_onnx_x(e, 0));
    rf_onnx_put_int(e, node, "axis", 1);
    return node;
}

/* Also back: both are reshapes of what lies in one order. */
static Onnx__NodeProto *channels_to_row(rf_onnx_export *e) {
    const rf_shape y = e->model->nodes[e->node].shape;
    return PUT(e, NULL, "Reshape", rf_onnx_x_map(e, 0),
               rf_onnx_put_list(e, "dims", 4, (const int64_t[]){0, y.c, y.h, y.w}));
}

static Onnx__NodeProto *slice(rf_onnx_export *e) {
    const int64_t begin = attrs_of(e)->begin, end = attrs_of(e)->end, channels = 1;
    const char *starts = rf_onnx_put_list(e, "starts", 1, &begin),
               *ends = rf_onnx_put_list(e, "ends", 1, &end),
               *axes = rf_onnx_put_list(e, "axes", 1, &channels);
    return PUT(e, NULL, "Slice", rf_onnx_x(e, 0), starts, ends, axes);
}

/* (N,C,H,W) as (N,groups,C/groups,H,W), transposed. */
static Onnx__NodeProto *channel_shuffle(rf_onnx_export *e) {
    const rf_shape s = e->model->nodes[e->node].shape;
    const int64_t groups = attrs_of(e)->groups;
    const char *x = rf_onnx_x_map(e, 0),
               *split = rf_onnx_put_list(e, "split", 5, (const int64_t[]){0, groups, s.c / groups, s.h, s.w}),
               *joined = rf_onnx_put_list(e, "joined", 4, (const int64_t[]){0, s.c, s.h, s.w});
    Onnx__NodeProto *matrix = PUT(e, "matrix", "Reshape", x, split);
    Onnx__NodeProto *shuffled = PUT(e, "shuffled", "Transpose", rf_onnx_output(matrix));
    rf_onnx_put_ints(e, shuffled, "perm", 5, (const int64_t[]){0, 2, 1, 3, 4});
    Onnx__NodeProto *node = PUT(e, s.flat ? "maps" : NULL, "Reshape", rf_onnx_output(shuffled), joined);
    return s.flat ? PUT(e, NULL, "Flatten", rf_onnx_output(node)) : node;
}

static Onnx__NodeProto *pixel_shuffle(rf_onnx_export *e) {
    Onnx__NodeProto *node = PUT(e, NULL, "DepthToSpace", rf_onnx_x_map(e, 0));
    rf_onnx_put_int(e, node, "blocksize", attrs_of(e)->groups);
    rf_onnx_put_text(e, node, "mode", "CRD");
    return node;
}

/* SpaceToDepth has the channels in another order. */
static Onnx__NodeProto *pixel_unshuffle(rf_onnx_export *e) {
    const rf_shape s = e->model->nodes[e->node].shape;
    const int64_t r = attrs_of(e)->groups;
    const char *split = rf_onnx_put_list(e, "split", 6, (const int64_t[]){0, s.c / (r * r), s.h, r, s.w, r}),
               *joined = rf_onnx_put_list(e, "joined", 4, (const int64_t[]){0, s.c, s.h, s.w});
    Onnx__NodeProto *squares = PUT(e, "squares", "Reshape", rf_onnx_x_map(e, 0), split);
    Onnx__NodeProto *moved = PUT(e, "moved", "Transpose", rf_onnx_output(squares));
    rf_onnx_put_ints(e, moved, "perm", 6, (const int64_t[]){0, 1, 3, 5, 2, 4});
    return PUT(e, NULL, "Reshape", rf_onnx_output(moved), joined);
}

/* And dropout of channels: ONNX has no op for them; at inference they are nothing. */
static Onnx__NodeProto *stochastic_depth(rf_onnx_export *e) {
    return PUT(e, NULL, "Identity", rf_onnx_x(e, 0));
}

static Onnx__NodeProto *pad(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const char *pads = rf_onnx_put_list(
        e, "pads", 8, (const int64_t[]){0, 0, a->before.y, a->before.x, 0, 0, a->after.y, a->after.x});
    const bool constant = !a->reflect && !a->replicate;
    const char *const inputs[] = {rf_onnx_x_map(e, 0), pads,
                                  constant ? rf_onnx_put_number(e, "value", a->value) : NULL};
    Onnx__NodeProto *node = rf_onnx_put(e, NULL, "Pad", constant ? 3 : 2, inputs);
    rf_onnx_put_text(e, node, "mode", a->reflect ? "reflect" : a->replicate ? "edge" : "constant");
    return node;
}

/* What is kept as begin and end; (N,C) has two dimensions. */
static Onnx__NodeProto *pad_channels(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const int rank = e->model->nodes[e->node].shape.flat ? 2 : 4;
    int64_t pads[8] = {0};
    pads[1] = a->begin;
    pads[rank + 1] = a->end;
    return PUT(e, NULL, "Pad", rf_onnx_x(e, 0), rf_onnx_put_list(e, "pads", 2 * rank, pads));
}

/* Nothing at inference, as in evaluation here; a reader that trains knows it by its ratio. */
static Onnx__NodeProto *dropout(rf_onnx_export *e) {
    return PUT(e, NULL, "Dropout", rf_onnx_x(e, 0), rf_onnx_put_number(e, "ratio", attrs_of(e)->p));
}

static Onnx__NodeProto *all_inputs(rf_onnx_export *e, const char *op) {
    const rf_node *node = &e->model->nodes[e->node];
    const char *x[RF_MAX_INPUTS];
    for (int i = 0; i < node->inputs; i++) x[i] = rf_onnx_x(e, i);
    return rf_onnx_put(e, NULL, op, node->inputs, x);
}

static Onnx__NodeProto *add(rf_onnx_export *e) {
    return all_inputs(e, e->model->nodes[e->node].inputs == 2 ? "Add" : "Sum");
}

/* The second may be one number a channel, flat or not, or a pixel. */
static Onnx__NodeProto *multiply(rf_onnx_export *e) {
    const bool flat = e->model->nodes[e->node].shape.flat;
    return PUT(e, NULL, "Mul", rf_onnx_x(e, 0), flat ? rf_onnx_x_flat(e, 1) : rf_onnx_x_map(e, 1));
}

static Onnx__NodeProto *concat(rf_onnx_export *e) {
    Onnx__NodeProto *node = all_inputs(e, "Concat");
    rf_onnx_put_int(e, node, "axis", 1);
    return node;
}

/* ---- the table ---- */

static const rf_onnx_writer writers[] = {
    {"adaptive_avg_pool", adaptive_avg_pool},
    {"add", add},
    {"affine", affine},
    {"avg_pool", avg_pool},
    {"batch_norm", batch_norm},
    {"channel_max", channel_reduce, "ReduceMax"},
    {"channel_mean", channel_reduce, "ReduceMean"},
    {"channel_shuffle", channel_shuffle},
    {"channels_to_row", channels_to_row},
    {"clip", clip},
    {"concat", concat},
    {"conv", conv},
    {"conv_standardized", conv_standardized},
    {"conv_transpose", conv_transpose},
    {"dropout", dropout},
    {"dropout2d", stochastic_depth},
    {"elu", leaky_relu, "Elu"},
    {"exp", plain, "Exp"},
    {"flatten", flatten},
    {"gelu", gelu},
    {"gelu_tanh", gelu_tanh},
    {"group_norm", group_norm},
    {"hard_sigmoid", hard_sigmoid, "HardSigmoid"},
    {"hard_swish", plain, "HardSwish"},
    {"instance_norm", instance_norm},
    {"layer_norm", layer_norm},
    {"leaky_relu", leaky_relu, "LeakyRelu"},
    {"linear", linear},
    {"local_response_norm", local_response_norm, "LRN"},
    {"log", plain, "Log"},
    {"max_pool", max_pool},
    {"mish", mish},
    {"multiply", multiply},
    {"pad", pad},
    {"pad_channels", pad_channels},
    {"pixel_shuffle", pixel_shuffle},
    {"pixel_unshuffle", pixel_unshuffle},
    {"power", power},
    {"prelu", prelu},
    {"relu", plain, "Relu"},
    {"relu6", relu6},
    {"response_norm", response_norm},
    {"row_to_channels", channels_to_row},
    {"scale", with_numbers, "Mul"},
    {"selu", plain, "Selu"},
    {"shift", with_numbers, "Add"},
    {"sigmoid", plain, "Sigmoid"},
    {"silu", silu},
    {"slice", slice},
    {"softmax", softmax, "Softmax"},
    {"softplus", plain, "Softplus"},
    {"stochastic_depth", stochastic_depth},
    {"tanh", plain, "Tanh"},
    {"upsample_bilinear", upsample_bilinear},
    {"upsample_nearest", upsample_nearest},
};

const rf_onnx_writer *rf_onnx_writer_find(const char *op) {
    for (size_t i = 0; i < RF_COUNT(writers); i++)
        if (strcmp(writers[i].op, op) == 0) return &writers[i];
    return NULL;
}
