/* ONNX files, and that what was read can be written and read again.  What is read whole may need much memory, which is the
 * user's wish: small files only. */
#include "model/onnx/onnx.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rf_model *model = NULL;
    const rf_image_shape given = {3, 16, 16, 2}, own = {.classes = 1}, images = size % 2 ? given : own;
    const rf_status status = rf_onnx_create(&model, rf_fuzz_file("network.onnx", data, size), images, 1);
    RF_FUZZ_ANSWER(status, model);
    if (status == RF_OK) {
        rf_model *again = NULL;
        const char *path = rf_fuzz_file("again.onnx", data, 0);
        RF_FUZZ_HOLDS(rf_model_save_onnx(model, path, NULL) == RF_OK);
        RF_FUZZ_HOLDS(rf_onnx_create(&again, path, images, 1) == RF_OK);
        RF_FUZZ_HOLDS(rf_model_parameter_count(again) == rf_model_parameter_count(model));
        rf_model_free(again);
    }
    rf_model_free(model);
    return 0;
}
