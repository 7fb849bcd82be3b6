/* The ONNX ops that are taken: the tables of all kinds; and some that are not, with what to do instead. */
#include <string.h>

#include "model/onnx/graph.h"

#define CONTROL "export without control flow, of which PyTorch's dynamo=True, optimize=False writes less"
#define FLOAT32 "export the network in float32, before it is quantised"

static const rf_onnx_op not_taken[] = {
    {"DequantizeLinear", .advice = FLOAT32},
    {"If", .advice = CONTROL},
    {"Loop", .advice = CONTROL},
    {"QLinearConv", .advice = FLOAT32},
    {"QuantizeLinear", .advice = FLOAT32},
    {"Scan", .advice = CONTROL},
    {NULL},
};

static const rf_onnx_op *const tables[] = {
    rf_onnx_activation_ops, rf_onnx_arithmetic_ops, rf_onnx_constant_ops, rf_onnx_layer_ops, rf_onnx_norm_ops,
    rf_onnx_reduce_ops,     rf_onnx_shape_ops,      rf_onnx_window_ops,   not_taken};

const rf_onnx_op *rf_onnx_op_find(const char *name) {
    for (size_t i = 0; i < RF_COUNT(tables); i++)
        for (const rf_onnx_op *op = tables[i]; op->name != NULL; op++)
            if (strcmp(op->name, name) == 0) return op;
    return NULL;
}
