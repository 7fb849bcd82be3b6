/* The constants of a graph, and what all those that are computed may hold together. */
#include <stdlib.h>

#include "model/onnx/graph.h"

enum { MIN_FOLDED = 1 << 20 };

rf_status rf_onnx_tensor_add(rf_onnx_build *build, const rf_onnx_tensor *tensor, rf_onnx_tensor **out) {
    if (build->tensor_count == build->tensor_capacity) {
        const size_t capacity = RF_MAX(64, build->tensor_capacity * 2);
        rf_onnx_tensor **more = rf_resize(build->tensors, capacity, sizeof *more);
        if (more == NULL) return RF_E_MEMORY;
        build->tensors = more;
        build->tensor_capacity = capacity;
    }
    if ((*out = rf_alloc(1, sizeof **out)) == NULL) return RF_E_MEMORY;
    **out = *tensor;
    build->tensors[build->tensor_count++] = *out;
    return RF_OK;
}

/* All numbers together are bounded by the file's size: copies of its weights fit. */
static rf_status allocate(rf_onnx_build *build, rf_onnx_tensor *tensor) {
    const size_t limit = RF_MAX(build->file.size_bytes, MIN_FOLDED);
    if (tensor->count > limit - build->folded)
        return rf_fail(RF_E_INPUT,
                       "a constant of %zu numbers would have to be computed, too many for this file",
                       tensor->count);
    build->folded += tensor->count;
    tensor->values = rf_alloc(RF_MAX(tensor->count, 1), sizeof(double));
    return tensor->values != NULL ? RF_OK : RF_E_MEMORY;
}

static void forget(rf_onnx_build *build, rf_onnx_tensor *tensor) {
    if (tensor->values == NULL) return;
    free(tensor->values);
    tensor->values = NULL;
    build->folded -= tensor->count;
}

void rf_onnx_drop(rf_onnx_build *build, rf_onnx_tensor *tensor) {
    if (--tensor->holders <= 0 && tensor->proto == NULL) forget(build, tensor);
}

void rf_onnx_forget(rf_onnx_build *build, rf_onnx_tensor *tensor) {
    if (tensor->proto != NULL) forget(build, tensor);
}

rf_status rf_onnx_constant(rf_onnx_tensor **out, rf_onnx_build *build, int type, int rank,
                           const int64_t *dim) {
    rf_onnx_tensor tensor = {.type = type, .rank = rank};
    if (rank > RF_ONNX_MAX_RANK)
        return rf_fail(RF_E_INPUT, "its result has %d dimensions; %d are the most", rank, RF_ONNX_MAX_RANK);
    for (int i = 0; i < rank; i++) tensor.dim[i] = dim[i];
    RF_TRY(rf_onnx_tensor_count(&tensor));
    RF_TRY(rf_onnx_tensor_add(build, &tensor, out));
    return allocate(build, *out);
}

rf_status rf_onnx_numbers(const double **out, rf_onnx_build *build, rf_onnx_tensor *tensor) {
    *out = NULL;
    if (tensor->values == NULL) {
        RF_TRY(allocate(build, tensor));
        double *values = tensor->values;
        tensor->values = NULL; /* reading takes them for the source */
        const rf_status status = rf_onnx_tensor_read(values, NULL, &build->file, tensor);
        tensor->values = values;
        RF_TRY(status);
    }
    *out = tensor->values;
    return RF_OK;
}

rf_status rf_onnx_scalar(double *out, rf_onnx_build *build, rf_onnx_tensor *tensor) {
    const double *values;
    if (tensor == NULL || tensor->count != 1) return rf_fail(RF_E_INPUT, "expected a constant of one number");
    RF_TRY(rf_onnx_numbers(&values, build, tensor));
    *out = values[0];
    return RF_OK;
}
