/* An ONNX file's bytes: unpacked by protobuf-c within bounds, and copied. */
#include <stdlib.h>
#include <string.h>

#include "model/onnx/file.h"
#include "model/onnx/onnx.h"

enum { MAX_STACK_BYTES = 64 << 10, MIN_OPSET = 9, MAX_OPSET = 22 };
#define MAX_FILE_BYTES ((size_t)2 << 30) /* protobuf's own limit */

/* protobuf-c calls itself for nested messages, after allocating each. */
static void *allocate(void *context, size_t bytes) {
    rf_onnx_file *file = context;
    const char *here = __builtin_frame_address(0);
    const size_t stack = here < file->stack ? (size_t)(file->stack - here) : (size_t)(here - file->stack);
    if (stack > MAX_STACK_BYTES || bytes > file->limit - file->allocated) return NULL;
    file->allocated += bytes;
    return malloc(bytes);
}

static void release(void *context, void *memory) {
    (void)context;
    free(memory);
}

static rf_status unpack(rf_onnx_file *file, const void *bytes, size_t length) {
    file->allocator = (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = file};
    file->stack = __builtin_frame_address(0);
    file->size_bytes = length;
    /* Messages of a few bytes take some hundred in memory; tensors' bytes are copied. */
    file->limit = RF_MIN(32 * length + (1 << 20), 2 * length + ((size_t)512 << 20));
    file->model = onnx__model_proto__unpack(&file->allocator, length, bytes);
    if (file->model == NULL)
        return rf_fail(RF_E_INPUT, "damaged, cut off, or no ONNX file: its messages cannot be unpacked");
    file->graph = file->model->graph;
    if (file->graph == NULL || file->graph->n_node == 0)
        return rf_fail(RF_E_INPUT, "damaged, cut off, or no ONNX network: it has no nodes");
    return RF_OK;
}

bool rf_onnx_is_standard(const char *domain) {
    return domain == NULL || *domain == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static rf_status check_version(rf_onnx_file *file) {
    const Onnx__ModelProto *model = file->model;
    int64_t opset = 0;
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (rf_onnx_is_standard(model->opset_import[i]->domain)) opset = model->opset_import[i]->version;
    if (opset < MIN_OPSET || opset > MAX_OPSET)
        return rf_fail(RF_E_INPUT,
                       "ONNX operators of version %lld; %d to %d are read: export with opset_version=20",
                       (long long)opset, MIN_OPSET, MAX_OPSET);
    file->opset = (int)opset;
    return RF_OK;
}

rf_status rf_onnx_open(rf_onnx_file *file, const char *path) {
    void *bytes;
    size_t length;
    *file = (rf_onnx_file){.path = path};
    RF_TRY(rf_file_read(&bytes, &length, path, MAX_FILE_BYTES));
    rf_status status = unpack(file, bytes, length);
    free(bytes);
    return status == RF_OK ? check_version(file) : status;
}

void rf_onnx_close(rf_onnx_file *file) {
    if (file->model != NULL) onnx__model_proto__free_unpacked(file->model, &file->allocator);
    file->model = NULL;
}

static rf_status copy_file(const char *from, const char *folder, const char *name) {
    void *bytes = NULL;
    size_t length;
    char *to = rf_format("%s/%s", folder, name);
    if (to == NULL) return RF_E_MEMORY;
    rf_status status = RF_OK;
    if (!rf_same_file(from, to)) {
        status = rf_file_read(&bytes, &length, from, SIZE_MAX / 2);
        if (status == RF_OK) status = rf_file_write(to, bytes, length);
    }
    free(bytes);
    free(to);
    return status;
}

static rf_status copy_external(const rf_onnx_file *file, const char *folder) {
    const char *last = "";
    for (size_t i = 0; i < file->graph->n_initializer; i++) {
        const Onnx__TensorProto *proto = file->graph->initializer[i];
        const char *location = rf_onnx_external(proto, "location");
        if (location == NULL || strcmp(location, last) == 0) continue; /* they share one as a rule */
        char *from;
        RF_TRY(rf_onnx_external_path(&from, file, proto));
        const rf_status status =
            strchr(location, '/') == NULL
                ? copy_file(from, folder, location)
                : rf_fail(RF_E_INPUT, "its tensors lie in '%s': export them to one file beside it", location);
        free(from);
        RF_TRY(status);
        last = location;
    }
    return RF_OK;
}

rf_status rf_onnx_copy(const char *path, const char *folder, const char *name) {
    rf_onnx_file file;
    rf_status status = rf_onnx_open(&file, path);
    if (status == RF_OK) status = copy_external(&file, folder);
    if (status != RF_OK) rf_fail_prefix(status, "%s", path);
    if (status == RF_OK) status = copy_file(path, folder, name);
    rf_onnx_close(&file);
    return status;
}
