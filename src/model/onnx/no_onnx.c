/* A build without protobuf-c neither reads nor writes ONNX files. */
#include "model/onnx/onnx.h"

static rf_status fail(rf_status status, const char *path) {
    return rf_fail(
        status,
        "%s: an ONNX file, which this build cannot %s: build with protobuf-c and onnx.proto (Debian: "
        "libprotobuf-c-dev protobuf-c-compiler libonnx-dev)",
        path, status == RF_E_USAGE ? "write" : "read");
}

rf_status rf_onnx_create(rf_model **out, const char *path, rf_image_shape images, uint64_t seed) {
    (void)images;
    (void)seed;
    *out = NULL;
    return fail(RF_E_INPUT, path);
}

rf_status rf_onnx_copy(const char *path, const char *folder, const char *name) {
    (void)folder;
    (void)name;
    return fail(RF_E_INPUT, path);
}

rf_status rf_model_save_onnx_sized(const rf_model *model, const char *path, const rf_export_options *options,
                                   size_t size) {
    (void)model;
    (void)options;
    (void)size;
    return fail(RF_E_USAGE, path);
}
