/* ONNX files.  What is read whole may need much memory, which is the user's wish: small files only. */
#include "model/onnx/onnx.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rf_model *model = NULL;
    const rf_status status =
        rf_onnx_create(&model, rf_fuzz_file("network.onnx", data, size), (rf_image_shape){3, 16, 16, 2}, 1);
    RF_FUZZ_ANSWER(status, model);
    rf_model_free(model);
    return 0;
}
