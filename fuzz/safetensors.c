/* Weights: every tensor of the file, then a network that wants some of them. */
#include "model/safetensors.h"

#include "fuzz.h"
#include "rangefinder/model.h"

enum { MOST = 1 << 16 };

static void read_tensors(const rf_tensor_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        const uint64_t count = rf_tensor_count(&file->tensors[i]);
        if (count > MOST) continue;
        float *values = malloc(RF_MAX(count, 1) * sizeof *values);
        RF_FUZZ_HOLDS(values != NULL);
        (void)rf_tensor_read(values, file, &file->tensors[i]); /* may be of a type that is not read */
        free(values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = rf_fuzz_file("weights", data, size);
    rf_tensor_file *file = NULL;
    rf_model *model = NULL;
    const rf_status status = rf_tensor_file_open(&file, path);
    RF_FUZZ_ANSWER(status, file);
    if (status == RF_OK) read_tensors(file);
    rf_tensor_file_close(file);
    RF_FUZZ_HOLDS(rf_model_parse(&model, "conv1: conv 2 1\nbatch_norm\nflatten\nfc: linear classes\n", "fuzz",
                                 (rf_image_shape){1, 1, 2, 2}, 1) == RF_OK);
    const rf_status loaded = rf_model_load_weights(model, path);
    RF_FUZZ_HOLDS(loaded == RF_OK || (loaded != RF_E_MEMORY && *rf_error_message() != '\0'));
    RF_FUZZ_HOLDS(loaded != RF_OK || status == RF_OK);
    const rf_status pretrained = rf_model_load_pretrained(model, path, size % 2);
    RF_FUZZ_HOLDS(pretrained == RF_OK || loaded != RF_OK); /* what fits wholly fits but for its head */
    rf_model_free(model);
    return 0;
}
