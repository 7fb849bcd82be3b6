/* A build without protobuf-c reads no ONNX files. */
#include "model/onnx/onnx.h"

static rf_status fail(const char *path) {
    return rf_fail(
        RF_E_INPUT,
        "%s: an ONNX file, and this build reads none: build with protobuf-c and onnx.proto (Debian: "
        "libprotobuf-c-dev protobuf-c-compiler libonnx-dev)",
        path);
}

rf_status rf_onnx_create(rf_model **out, const char *path, rf_image_shape images, uint64_t seed) {
    (void)images;
    (void)seed;
    *out = NULL;
    return fail(path);
}

rf_status rf_onnx_copy(const char *path, const char *folder, const char *name) {
    (void)folder;
    (void)name;
    return fail(path);
}
