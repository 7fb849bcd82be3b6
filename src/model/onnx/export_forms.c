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

static Onnx__NodeProto *adaptive_avg_pool(rf_onnx_export *e) {
    const rf_pair size = attrs_of(e)->size;
    rf_window w;
    return size.y == 1 && size.x == 1 ? PUT(e, NULL, "GlobalAveragePool", rf_onnx_x_map(e, 0))
                                      : window(e, "AveragePool", &w);
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

/* ---- the table ---- */

static const rf_onnx_writer writers[] = {
    {"adaptive_avg_pool", adaptive_avg_pool},
    {"add", add},
    {"avg_pool", avg_pool},
    {"batch_norm", batch_norm},
    {"concat", concat},
    {"conv", conv},
    {"dropout", dropout},
    {"flatten", flatten},
    {"gelu", gelu},
    {"hard_sigmoid", hard_sigmoid, "HardSigmoid"},
    {"hard_swish", plain, "HardSwish"},
    {"leaky_relu", leaky_relu, "LeakyRelu"},
    {"linear", linear},
    {"max_pool", max_pool},
    {"multiply", multiply},
    {"relu", plain, "Relu"},
    {"relu6", relu6},
    {"sigmoid", plain, "Sigmoid"},
    {"silu", silu},
    {"tanh", plain, "Tanh"},
};

const rf_onnx_writer *rf_onnx_writer_find(const char *op) {
    for (size_t i = 0; i < RF_COUNT(writers); i++)
        if (strcmp(writers[i].op, op) == 0) return &writers[i];
    return NULL;
}
