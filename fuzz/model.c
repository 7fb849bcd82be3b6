/* The model language.  Weights are made for small networks only: what a large one needs is the user's wish. */
#include "graph/model.h"
#include "fuzz.h"
#include "model/lang/net.h"

enum { MOST_WEIGHTS = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = rf_fuzz_text(data, size);
    rf_model *model = NULL;
    rf_net net = {0};
    RF_FUZZ_HOLDS(rf_model_begin(&model, "fuzz", (rf_image_shape){3, 16, 16, 10}) == RF_OK);
    rf_status status = rf_net_parse(&net, text, "fuzz");
    if (status == RF_OK) status = rf_net_expand(model, &net);
    if (status == RF_OK && model->parameter_numbers <= MOST_WEIGHTS) status = rf_model_finish(model, 1);
    RF_FUZZ_HOLDS(status == RF_OK || (status != RF_E_MEMORY && *rf_error_message() != '\0'));
    rf_model_free(model);
    rf_net_free(&net);
    free(text);
    return 0;
}
