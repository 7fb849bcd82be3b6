/* The ONNX forms of ops, in operators of version 17: a row for each op. */
#include <math.h>
#include <stdlib.h>
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

static Onnx__NodeProto *conv(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const char *const inputs[] = {rf_onnx_x_map(e, 0), rf_onnx_parameter(e, 0),
                                  a->bias ? rf_onnx_parameter(e, 1) : NULL};
    Onnx__NodeProto *node = rf_onnx_put(e, NULL, "Conv", a->bias ? 3 : 2, inputs);
    put_pair(e, node, "kernel_shape", a->kernel);
    put_pair(e, node, "strides", a->stride);
    put_pads(e, node, a->pad);
    put_pair(e, node, "dilations", a->dilation);
    rf_onnx_put_int(e, node, "group", a->groups);
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

/* ---- activations ---- */

static Onnx__NodeProto *plain(rf_onnx_export *e) {
    return PUT(e, NULL, e->writer->name, rf_onnx_x(e, 0));
}

static Onnx__NodeProto *relu6(rf_onnx_export *e) {
    const char *min = rf_onnx_put_number(e, "min", 0), *max = rf_onnx_put_number(e, "max", 6);
    return PUT(e, NULL, "Clip", rf_onnx_x(e, 0), min, max);
}

static Onnx__NodeProto *leaky_relu(rf_onnx_export *e) {
    Onnx__NodeProto *node = plain(e);
    rf_onnx_put_float(e, node, "alpha", attrs_of(e)->slope);
    return node;
}

static Onnx__NodeProto *hard_sigmoid(rf_onnx_export *e) {
    Onnx__NodeProto *node = plain(e);
    rf_onnx_put_float(e, node, "alpha", 1.0 / 6);
    rf_onnx_put_float(e, node, "beta", 0.5);
    return node;
}

static Onnx__NodeProto *silu(rf_onnx_export *e) {
    const Onnx__NodeProto *sigmoid = PUT(e, "sigmoid", "Sigmoid", rf_onnx_x(e, 0));
    return PUT(e, NULL, "Mul", rf_onnx_x(e, 0), rf_onnx_output(sigmoid));
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

static Onnx__NodeProto *max_pool(rf_onnx_export *e) {
    const rf_node *n = &e->model->nodes[e->node];
    const rf_shape x = e->model->nodes[n->input[0]].shape;
    rf_window w;
    Onnx__NodeProto *node = window(e, "MaxPool", &w);
    put_pair(e, node, "dilations", w.dilation);
    if (is_cut(x.h, n->shape.h, w.kernel.y, w.stride.y, w.pad.y, w.dilation.y) ||
        is_cut(x.w, n->shape.w, w.kernel.x, w.stride.x, w.pad.x, w.dilation.x))
        rf_onnx_put_int(e, node, "ceil_mode", 1);
    return node;
}

static Onnx__NodeProto *avg_pool(rf_onnx_export *e) {
    rf_window w;
    Onnx__NodeProto *node = window(e, "AveragePool", &w);
    rf_onnx_put_int(e, node, "count_include_pad", attrs_of(e)->count_pad);
    return node;
}

/* Means of `in` numbers by PyTorch's windows, as a matrix: (out,in), or (in,out) on the right. */
static const char *put_means(rf_onnx_export *e, const char *part, int in, int out, bool right) {
    double *values = rf_alloc((size_t)in * (size_t)out, sizeof *values);
    for (int o = 0; values != NULL && o < out; o++) {
        const int64_t first = (int64_t)o * in / out, end = ((int64_t)(o + 1) * in + out - 1) / out;
        for (int64_t i = first; i < end; i++)
            values[right ? i * out + o : (int64_t)o * in + i] = 1 / (double)(end - first);
    }
    if (values == NULL) e->status = RF_E_MEMORY;
    const char *name =
        values == NULL ? NULL : rf_onnx_put_matrix(e, part, right ? in : out, right ? out : in, values);
    free(values);
    return name;
}

/* ONNX has no windows that differ in size: they are products, columns first. */
static Onnx__NodeProto *adaptive_avg_pool(rf_onnx_export *e) {
    const rf_pair size = attrs_of(e)->size;
    const rf_shape x = e->model->nodes[e->model->nodes[e->node].input[0]].shape;
    rf_window w;
    if (size.y == 1 && size.x == 1) return PUT(e, NULL, "GlobalAveragePool", rf_onnx_x_map(e, 0));
    if (x.h % size.y == 0 && x.w % size.x == 0) return window(e, "AveragePool", &w);
    const char *columns = put_means(e, "columns", x.w, size.x, true),
               *rows = put_means(e, "rows", x.h, size.y, false);
    const char *means = rf_onnx_output(PUT(e, "means", "MatMul", rf_onnx_x_map(e, 0), columns));
    return PUT(e, NULL, "MatMul", rows, means);
}

/* ---- edges ---- */

static Onnx__NodeProto *flatten(rf_onnx_export *e) {
    Onnx__NodeProto *node = PUT(e, NULL, "Flatten", rf_onnx_x(e, 0));
    rf_onnx_put_int(e, node, "axis", 1);
    return node;
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

/* The second may be one number a channel, flat or not. */
static Onnx__NodeProto *multiply(rf_onnx_export *e) {
    const bool flat = e->model->nodes[e->node].shape.flat;
    return PUT(e, NULL, "Mul", rf_onnx_x(e, 0), flat ? rf_onnx_x_flat(e, 1) : rf_onnx_x_map(e, 1));
}

static Onnx__NodeProto *concat(rf_onnx_export *e) {
    Onnx__NodeProto *node = all_inputs(e, "Concat");
    rf_onnx_put_int(e, node, "axis", 1);
    return node;
}

/* ---- channels, and the pixels around ---- */

static rf_shape shape_of(const rf_onnx_export *e) {
    return e->model->nodes[e->node].shape;
}

/* The last node, of maps: as (N,features) where the op's output is flat. */
static Onnx__NodeProto *as_output(rf_onnx_export *e, const char *op, const char *a, const char *b,
                                  const char *c) {
    const char *const inputs[] = {a, b, c};
    const int count = 1 + (b != NULL) + (c != NULL);
    if (!shape_of(e).flat) return rf_onnx_put(e, NULL, op, count, inputs);
    const Onnx__NodeProto *maps = rf_onnx_put(e, "maps", op, count, inputs);
    return PUT(e, NULL, "Flatten", rf_onnx_output(maps));
}

static Onnx__NodeProto *slice(rf_onnx_export *e) {
    const int64_t begin = attrs_of(e)->begin, end = attrs_of(e)->end, axis = 1;
    return PUT(e, NULL, "Slice", rf_onnx_x(e, 0), rf_onnx_put_list(e, "begin", 1, &begin),
               rf_onnx_put_list(e, "end", 1, &end), rf_onnx_put_list(e, "axis", 1, &axis));
}

static Onnx__NodeProto *channel_shuffle(rf_onnx_export *e) {
    const rf_shape s = shape_of(e);
    const int groups = attrs_of(e)->groups;
    const int64_t matrix[] = {0, groups, s.c / groups, s.h, s.w}, maps[] = {0, s.c, s.h, s.w},
                  order[] = {0, 2, 1, 3, 4};
    const Onnx__NodeProto *grouped =
        PUT(e, "grouped", "Reshape", rf_onnx_x_map(e, 0), rf_onnx_put_list(e, "matrix", 5, matrix));
    Onnx__NodeProto *shuffled = PUT(e, "shuffled", "Transpose", rf_onnx_output(grouped));
    rf_onnx_put_ints(e, shuffled, "perm", 5, order);
    return as_output(e, "Reshape", rf_onnx_output(shuffled), rf_onnx_put_list(e, "shape", 4, maps), NULL);
}

/* A parameter of one number a channel, as (C,1,1). */
static const char *over_pixels(rf_onnx_export *e, const char *part, int index) {
    const int64_t axes[] = {1, 2};
    return rf_onnx_output(
        PUT(e, part, "Unsqueeze", rf_onnx_parameter(e, index), rf_onnx_put_list(e, "axes", 2, axes)));
}

static Onnx__NodeProto *scale(rf_onnx_export *e) {
    return as_output(e, "Mul", rf_onnx_x_map(e, 0), rf_onnx_parameter(e, 0), NULL);
}

static Onnx__NodeProto *prelu(rf_onnx_export *e) {
    return as_output(e, "PRelu", rf_onnx_x_map(e, 0), over_pixels(e, "slope", 0), NULL);
}

static Onnx__NodeProto *elu(rf_onnx_export *e) {
    Onnx__NodeProto *node = plain(e);
    rf_onnx_put_float(e, node, "alpha", attrs_of(e)->slope);
    return node;
}

/* x tanh(softplus(x)); the op itself is of version 18. */
static Onnx__NodeProto *mish(rf_onnx_export *e) {
    const Onnx__NodeProto *softplus = PUT(e, "softplus", "Softplus", rf_onnx_x(e, 0)),
                          *gate = PUT(e, "gate", "Tanh", rf_onnx_output(softplus));
    return PUT(e, NULL, "Mul", rf_onnx_x(e, 0), rf_onnx_output(gate));
}

/* It does nothing at inference, and ONNX has no op for it. */
static Onnx__NodeProto *stochastic_depth(rf_onnx_export *e) {
    return PUT(e, NULL, "Identity", rf_onnx_x(e, 0));
}

static Onnx__NodeProto *pad(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const int64_t pads[] = {0, 0, a->before.y, a->before.x, 0, 0, a->after.y, a->after.x};
    Onnx__NodeProto *node = PUT(e, NULL, "Pad", rf_onnx_x_map(e, 0), rf_onnx_put_list(e, "pads", 8, pads),
                                rf_onnx_put_number(e, "value", a->value));
    rf_onnx_put_text(e, node, "mode", a->reflect ? "reflect" : "constant");
    return node;
}

static Onnx__NodeProto *upsample(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const int64_t four = 4;
    const double factors[] = {1, 1, a->scale.y, a->scale.x};
    const Onnx__NodeProto *scales =
        PUT(e, "scales", "Reshape", rf_onnx_put_channels(e, "factors", 4, factors),
            rf_onnx_put_list(e, "length", 1, &four));
    Onnx__NodeProto *node = PUT(e, NULL, "Resize", rf_onnx_x_map(e, 0), "", rf_onnx_output(scales));
    const bool nearest = strcmp(e->writer->name, "nearest") == 0;
    rf_onnx_put_text(e, node, "mode", e->writer->name);
    rf_onnx_put_text(e, node, "coordinate_transformation_mode",
                     nearest            ? "asymmetric"
                     : a->align_corners ? "align_corners"
                                        : "half_pixel");
    if (nearest) rf_onnx_put_text(e, node, "nearest_mode", "floor");
    return node;
}

static Onnx__NodeProto *conv_transpose(rf_onnx_export *e) {
    Onnx__NodeProto *node = conv(e);
    if (node != NULL) node->op_type = "ConvTranspose";
    put_pair(e, node, "output_padding", attrs_of(e)->output_pad);
    return node;
}

/* ---- norms ---- */

/* Spelled out where it has no weight, which the op would need. */
static Onnx__NodeProto *plain_layer_norm(rf_onnx_export *e) {
    const int64_t axis = 1;
    Onnx__NodeProto *mean = PUT(e, "mean", "ReduceMean", rf_onnx_x(e, 0));
    const Onnx__NodeProto *centred = PUT(e, "centred", "Sub", rf_onnx_x(e, 0), rf_onnx_output(mean)),
                          *square = PUT(e, "square", "Pow", rf_onnx_output(centred),
                                        rf_onnx_put_number(e, "two", 2));
    Onnx__NodeProto *variance = PUT(e, "variance", "ReduceMean", rf_onnx_output(square));
    const Onnx__NodeProto *sum = PUT(e, "sum", "Add", rf_onnx_output(variance),
                                     rf_onnx_put_number(e, "eps", attrs_of(e)->eps)),
                          *root = PUT(e, "deviation", "Sqrt", rf_onnx_output(sum));
    rf_onnx_put_ints(e, mean, "axes", 1, &axis);
    rf_onnx_put_ints(e, variance, "axes", 1, &axis);
    return PUT(e, NULL, "Div", rf_onnx_output(centred), rf_onnx_output(root));
}

static Onnx__NodeProto *layer_norm(rf_onnx_export *e) {
    const rf_attrs *a = attrs_of(e);
    const bool flat = shape_of(e).flat;
    const int64_t last[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2};
    if (!a->affine) return plain_layer_norm(e);
    Onnx__NodeProto *moved = flat ? NULL : PUT(e, "moved", "Transpose", rf_onnx_x(e, 0));
    if (!flat) rf_onnx_put_ints(e, moved, "perm", 4, last);
    const char *const inputs[] = {flat ? rf_onnx_x(e, 0) : rf_onnx_output(moved), rf_onnx_parameter(e, 0),
                                  a->bias ? rf_onnx_parameter(e, 1) : NULL};
    Onnx__NodeProto *node =
        rf_onnx_put(e, flat ? NULL : "norm", "LayerNormalization", a->bias ? 3 : 2, inputs);
    rf_onnx_put_float(e, node, "epsilon", a->eps);
    if (flat) return node;
    Onnx__NodeProto *maps = PUT(e, NULL, "Transpose", rf_onnx_output(node));
    rf_onnx_put_ints(e, maps, "perm", 4, back);
    return maps;
}

/* Without weight and bias. */
static Onnx__NodeProto *normed(rf_onnx_export *e, const char *part, const char *x, int channels) {
    const int64_t length = channels;
    const char *size = rf_onnx_put_list(e, "size", 1, &length);
    const Onnx__NodeProto *ones = PUT(e, "ones", "Expand", rf_onnx_put_number(e, "one", 1), size),
                          *zeros = PUT(e, "zeros", "Expand", rf_onnx_put_number(e, "zero", 0), size);
    Onnx__NodeProto *node =
        PUT(e, part, "InstanceNormalization", x, rf_onnx_output(ones), rf_onnx_output(zeros));
    rf_onnx_put_float(e, node, "epsilon", attrs_of(e)->eps);
    return node;
}

static Onnx__NodeProto *instance_norm(rf_onnx_export *e) {
    if (shape_of(e).flat || !attrs_of(e)->affine) {
        Onnx__NodeProto *node =
            normed(e, shape_of(e).flat ? "normed" : NULL, rf_onnx_x_map(e, 0), shape_of(e).c);
        return shape_of(e).flat ? PUT(e, NULL, "Flatten", rf_onnx_output(node)) : node;
    }
    Onnx__NodeProto *node = PUT(e, NULL, "InstanceNormalization", rf_onnx_x_map(e, 0),
                                rf_onnx_parameter(e, 0), rf_onnx_parameter(e, 1));
    rf_onnx_put_float(e, node, "epsilon", attrs_of(e)->eps);
    return node;
}

/* As PyTorch's exporter writes it: instance norm of the groups; the op itself is of version 18. */
static Onnx__NodeProto *group_norm(rf_onnx_export *e) {
    const rf_shape s = shape_of(e);
    const int64_t groups[] = {0, attrs_of(e)->groups, -1}, maps[] = {0, s.c, s.h, s.w};
    const Onnx__NodeProto *grouped =
        PUT(e, "grouped", "Reshape", rf_onnx_x_map(e, 0), rf_onnx_put_list(e, "groups", 3, groups));
    const Onnx__NodeProto *norm = normed(e, "normed", rf_onnx_output(grouped), attrs_of(e)->groups);
    const char *shape = rf_onnx_put_list(e, "shape", 4, maps);
    if (!attrs_of(e)->affine) return as_output(e, "Reshape", rf_onnx_output(norm), shape, NULL);
    const Onnx__NodeProto *ungrouped = PUT(e, "ungrouped", "Reshape", rf_onnx_output(norm), shape),
                          *product =
                              PUT(e, "product", "Mul", rf_onnx_output(ungrouped), over_pixels(e, "scale", 0));
    return as_output(e, "Add", rf_onnx_output(product), over_pixels(e, "shift", 1), NULL);
}

/* ---- the table ---- */

static const rf_onnx_writer writers[] = {
    {"adaptive_avg_pool", adaptive_avg_pool},
    {"add", add},
    {"avg_pool", avg_pool},
    {"batch_norm", batch_norm},
    {"channel_shuffle", channel_shuffle},
    {"concat", concat},
    {"conv", conv},
    {"conv_transpose", conv_transpose},
    {"dropout", dropout},
    {"elu", elu, "Elu"},
    {"flatten", flatten},
    {"gelu", gelu},
    {"group_norm", group_norm},
    {"hard_sigmoid", hard_sigmoid, "HardSigmoid"},
    {"hard_swish", plain, "HardSwish"},
    {"instance_norm", instance_norm},
    {"layer_norm", layer_norm},
    {"leaky_relu", leaky_relu, "LeakyRelu"},
    {"linear", linear},
    {"max_pool", max_pool},
    {"mish", mish},
    {"multiply", multiply},
    {"pad", pad},
    {"prelu", prelu},
    {"relu", plain, "Relu"},
    {"relu6", relu6},
    {"scale", scale},
    {"sigmoid", plain, "Sigmoid"},
    {"silu", silu},
    {"slice", slice},
    {"softplus", plain, "Softplus"},
    {"stochastic_depth", stochastic_depth},
    {"tanh", plain, "Tanh"},
    {"upsample_bilinear", upsample, "linear"},
    {"upsample_nearest", upsample, "nearest"},
};

const rf_onnx_writer *rf_onnx_writer_find(const char *op) {
    for (size_t i = 0; i < RF_COUNT(writers); i++)
        if (strcmp(writers[i].op, op) == 0) return &writers[i];
    return NULL;
}
